-- Two more customers.  The provider will make an instance for each, but the
-- answer to the first request will get lost, and while the second waits for
-- its answer, the worker will be killed.
INSERT INTO shop.customers VALUES
	('Doceria Lua', 'try'), ('Sorveteria Polo', 'try');
