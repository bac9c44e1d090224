-- There is no trial: an instance is billed from its creation.
SELECT name, status, signed_at::timestamptz(0), connected
FROM partner_api.create_instance('greenapi', 'Delivery',
		settings => '{"stateWebhook": true, "incomingWebhook": true}',
		customer_ref => 'Padaria Aurora');
-- It is usable some minutes later; the worker asks until it is, and then reads
-- its settings back, since the provider may lose them.
SELECT kind, state FROM partner_api.pending_actions ORDER BY action_id;
