-- The trigger orders an instance, but the transaction is rolled back.
BEGIN;
INSERT INTO shop.customers VALUES ('Cantina Fantasma', 'keep');
SELECT kind, state, customer_ref FROM partner_api.pending_actions
WHERE kind = 'create_instance';
ROLLBACK;
-- The other way round, a call that waited has had its effect.
BEGIN;
SELECT name, status FROM partner_api.create_instance('zapi', 'Night shift');
ROLLBACK;
SELECT (SELECT count(*) FROM partner_api.instances
		WHERE name = 'Night shift') AS night_shift_created,
	   (SELECT count(*) FROM partner_api.action_history
		WHERE customer_ref = 'Cantina Fantasma') AS cantina_fantasma_sent;
