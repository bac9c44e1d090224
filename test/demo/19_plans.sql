-- What the shop sells: R$ 99.00 a month, the first two weeks free.
SELECT plan_id, name, amount_cents, frequency
FROM partner_api.create_plan('zsystems', 'WhatsApp Basic', 9900, 'monthly',
		description => 'One instance', grace_period => 14,
		tolerance_period => 5);
-- The documentation allows a form too; and this answer will be lost.
SELECT partner_api.enqueue_create_plan('zsystems', 'WhatsApp Year', 99000,
		'yearly', description => 'One instance, paid once a year',
		format => 'multipart') IS NOT NULL AS enqueued;
