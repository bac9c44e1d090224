-- The lost plan was found by the mark in its description, and not made twice.
SELECT plan_id, name, amount_cents, frequency, origin
FROM partner_api.plans ORDER BY action_id;
-- A customer subscribes.  The card's number goes to the provider once, and
-- no table keeps it.  (Written out as below, a statement can get into the
-- server's log; an application passes it as a parameter.)
SELECT client_id, name, document
FROM partner_api.create_client('zsystems', 'Ana Lima', '529.982.247-25',
		email => 'ana@example.com', customer_ref => 'Oficina Lima');
SELECT last_digits
FROM partner_api.clients c,
	 partner_api.store_card(c.server, c.client_id,
		'{"holder": "ANA LIMA", "number": "4111111111111111",
		  "security_code": "123", "valid_until": "12/2030"}');
SELECT s.status, s.amount_cents, s.due_on
FROM partner_api.cards k JOIN partner_api.plans p USING (server),
	 partner_api.create_subscription('zsystems', p.plan_id,
		client_id => k.client_id, card_id => k.card_id) s
WHERE p.name = 'WhatsApp Basic';
-- She is late with a payment, so she is suspended until she has paid.
SELECT (partner_api.suspend_subscription(server, subscription_id)).status
FROM partner_api.subscriptions;
SELECT (partner_api.reactivate_subscription(server, subscription_id)).status
FROM partner_api.subscriptions;
