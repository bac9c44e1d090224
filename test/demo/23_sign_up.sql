-- Three who have an instance sign up, and a new one, with a trial that is to be
-- kept if the first invoice is paid.
INSERT INTO shop.customers VALUES ('Café Rio', 'ask');
SELECT r.customer_ref, r.document, r.origin
FROM (VALUES
		('Padaria Aurora', '11.222.333/0001-81', '1998-06-20'::date, true),
		('Farmácia Central', '111.444.777-35', '1985-06-12', true),
		('Livraria Saber', '529.982.247-25', '1979-11-02', false),
		('Café Rio', '123.456.789-09', '1990-06-30', true))
	 AS c (name, document, birth_date, sms),
	 partner_api.register_customer('asaas', c.name, c.name, c.document,
		email => 'customer@example.com', mobile => '11987654321',
		birth_date => c.birth_date, send_sms => c.sms) r;
-- A wrong number is noticed before anything is sent.
\set ON_ERROR_STOP off
\set SHOW_CONTEXT never
SELECT partner_api.register_customer('asaas', 'Bazar Dona Rosa',
		'Bazar Dona Rosa', '123.456.789-10');
\set ON_ERROR_STOP on
