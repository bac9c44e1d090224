/*
 * Instances for the bills: 90 of 100 are signed, 7 were cancelled, of which 2
 * have no end that the provider states, 1 was deleted, and 2 never signed.
 * The last one was created in the month that is billed.  The rule by the day
 * waits in a year that is not billed.
 */
INSERT INTO partner_api.instances
	(server, instance_id, name, customer_ref, status, created_at, signed_at,
	 cancelled_at, ends_at, deleted_at, origin, token_fingerprint,
	 last_seen_at)
SELECT 'bench', md5(g::text), 'customer ' || g, 'c' || g,
	   CASE
		   WHEN g % 100 < 90 THEN 'signed'
		   WHEN g % 100 < 97 THEN 'ended'
		   WHEN g % 100 < 98 THEN 'deleted'
		   ELSE 'lapsed'
	   END,
	   t.at, CASE WHEN g % 100 < 98 THEN t.at END,
	   CASE WHEN g % 100 BETWEEN 90 AND 96 THEN t.at + interval '40 days' END,
	   CASE WHEN g % 100 BETWEEN 90 AND 94 THEN t.at + interval '70 days' END,
	   CASE WHEN g % 100 = 97 THEN t.at + interval '60 days' END,
	   'created', 'abcdefabcdefabcd', '2026-07-10'
FROM generate_series(1, :instances) AS g,
	 LATERAL (SELECT timestamptz '2024-01-01'
					 + g * (interval '900 days' / :instances)) AS t (at);
VACUUM ANALYZE partner_api.instances;

INSERT INTO partner_api.billing_rules
	(rule_id, provider, server, valid_from, billed_by, prepaid, time_zone,
	 source)
VALUES ('bench by day', 'zapi', 'bench', '2100-01-01', 'day', 'first_cycle',
		'Etc/GMT-3', 'bench');
INSERT INTO partner_api.billing_bands (rule_id, band)
VALUES ('bench by day', 1);
INSERT INTO partner_api.billing_prices
VALUES ('bench', '2021-01-01', 1, 100);
