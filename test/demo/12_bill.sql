-- What the provider will ask for May ...
SELECT status, instances, new_instances AS new,
	   cancelled_instances AS cancelled, amount_cents, currency, due_on
FROM partner_api.billing_cycles WHERE cycle_start = '2026-05-01';
-- ... and for which instances.
SELECT name, to_char(signed_at, 'DD Mon') AS signed,
	   to_char(ends_at, 'DD Mon') AS ends, amount_cents, reason
FROM partner_api.billing_lines WHERE cycle_start = '2026-05-01'
ORDER BY signed_at, name;
