-- Seven customers in one statement; their trials last two days.  It returns at
-- once: the requests go out when it has committed.
INSERT INTO shop.customers VALUES
	('Padaria Aurora', 'keep'), ('Oficina Lima', 'keep'),
	('Farmácia Central', 'keep'), ('Pet Shop Amigo', 'try'),
	('Floricultura Iris', 'try'), ('Livraria Saber', 'ask'),
	('Bazar Dona Rosa', 'ask');
