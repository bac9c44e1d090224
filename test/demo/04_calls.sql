-- A call that waits returns the new instance, here two for the shop itself.
SELECT name, status, trial_end, trial_ends_at::timestamptz(0)
FROM partner_api.create_instance('zapi', 'Front desk',
		settings => '{"autoReadMessage": true, "callRejectAuto": true}');
SELECT name, status, trial_end, trial_ends_at::timestamptz(0)
FROM partner_api.create_instance('zapi', 'Support');
-- A phone is linked with a QR code, or with a code to type.
SELECT i.name, s.connected, s.detail,
	   length(partner_api.instance_qr('zapi', i.instance_id)) AS png_bytes,
	   partner_api.phone_code('zapi', i.instance_id, '5511999990000')
FROM partner_api.instances i,
	 partner_api.instance_status('zapi', i.instance_id) s
WHERE i.name = 'Support';
