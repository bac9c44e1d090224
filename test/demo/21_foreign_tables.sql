-- What the providers themselves list, as tables; they ask when they are read.
CREATE SCHEMA at_zapi;
IMPORT FOREIGN SCHEMA partner_api FROM SERVER zapi INTO at_zapi;
CREATE SCHEMA at_zsystems;
IMPORT FOREIGN SCHEMA partner_api FROM SERVER zsystems INTO at_zsystems;
SELECT p.name, p.amount_cents, count(s.plan_id) AS subscriptions
FROM at_zsystems.plans p LEFT JOIN at_zsystems.subscriptions s USING (plan_id)
GROUP BY p.plan_id, p.name, p.amount_cents ORDER BY p.amount_cents;
EXPLAIN (COSTS OFF) SELECT * FROM at_zapi.instances WHERE name = 'Support';
