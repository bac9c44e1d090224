SELECT s.customer_ref, s.plan_id, i.status AS instance, s.starts_on
FROM partner_api.customers c
JOIN partner_api.instances i USING (customer_ref),
	 partner_api.subscribe('asaas', customer_ref, 'basic',
		instance_server => i.server, instance_id => i.instance_id) s
WHERE i.server = 'zapi'
ORDER BY s.customer_ref;
-- The invoices of all subscriptions: once for each period, however often it is
-- asked for.
SELECT customer_ref, period_start, period_end, due_on, amount_cents, status
FROM partner_api.generate_invoices() ORDER BY customer_ref;
SELECT count(*) AS made_again FROM partner_api.generate_invoices();
