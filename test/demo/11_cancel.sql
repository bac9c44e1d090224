-- A customer leaves.  The provider says until when the service goes on.
SELECT c.name, c.status, c.ends_at::timestamptz(0)
FROM partner_api.instances i,
	 partner_api.cancel_instance('zapi', i.instance_id) c
WHERE i.customer_ref = 'Oficina Lima';
