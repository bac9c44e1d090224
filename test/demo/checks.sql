-- Do the sandbox's own records agree with our tables?  One row for each
-- question: does it hold, what was asked, and what was counted.
WITH kept AS (
	SELECT i.*, s.signs, s.signed_at AS signed_there,
		   s.created_at + interval '2 days' AS due_there
	FROM partner_api.instances i JOIN sandbox.instances s USING (instance_id)
	WHERE i.trial_end = 'sign' OR i.trial_end = 'ask' AND i.customer_ref IN (
		SELECT p.customer FROM shop.payments p
		UNION
		SELECT v.customer_ref FROM partner_api.invoices v
		WHERE v.status = 'paid')
), others AS (
	SELECT i.*, s.signs, s.state AS state_there
	FROM partner_api.instances i JOIN sandbox.instances s USING (instance_id)
	WHERE i.server = 'zapi' AND i.instance_id NOT IN (SELECT k.instance_id FROM kept k)
)
SELECT count(*) FILTER (WHERE i.instance_id = s.instance_id) = count(*),
	   'both sides know the same instances', count(*) || ' instances'
FROM partner_api.instances i FULL JOIN sandbox.instances s USING (instance_id)
UNION ALL
SELECT bool_and(n.creates = 1 AND n.instances = 1),
	   'no instance was created twice',
	   count(*) || ' names, ' || sum(n.creates) || ' creations'
FROM (SELECT count(*) AS instances, sum(s.creates) AS creates
	  FROM sandbox.instances s
	  GROUP BY regexp_replace(s.requested_name, '\s*\[pa-.*\]$', '')) n
UNION ALL
SELECT bool_and(k.signs = 1), 'every trial to be kept was signed once',
	   count(*) || ' trials, ' || sum(k.signs) || ' signings'
FROM kept k
UNION ALL
SELECT bool_and(k.signed_there < k.due_there
				AND k.due_there = k.trial_ends_at),
	   '... in time, by the provider''s own clock',
	   min(k.due_there - k.signed_there)::interval(0) || ' before its end'
FROM kept k
UNION ALL
SELECT bool_and(o.signs = 0 AND o.state_there = 'lapsed' AND o.status = 'lapsed'),
	   'every other trial lapsed unsigned', count(*) || ' trials'
FROM others o
UNION ALL
SELECT count(*) = 0, 'what was rolled back was never sent',
	   count(*) || ' instances of that name'
FROM sandbox.instances s WHERE s.requested_name LIKE 'Cantina Fantasma%'
UNION ALL
SELECT bool_and(o.effects IS NOT DISTINCT FROM a.attempts
				AND o.requests IS NOT DISTINCT FROM a.attempts),
	   'every change is on record, and was made once',
	   sum(o.requests) || ' requests, ' || sum(a.attempts) || ' attempts'
FROM (SELECT * FROM sandbox.operations WHERE effects > 0) o
FULL JOIN (
	SELECT h.kind AS operation, count(*) AS attempts
	FROM partner_api.action_attempts t
	JOIN partner_api.action_history h USING (action_id)
	WHERE t.purpose = 'send'
		  AND h.kind NOT IN ('await_instance', 'check_settings',
							 'check_notifications')
	GROUP BY h.kind) a USING (operation)
UNION ALL
SELECT count(*) = 0, 'nothing is left undone', count(*) || ' open actions'
FROM partner_api.pending_actions
UNION ALL
SELECT (l.lines, l.cents) = (c.instances, c.amount_cents)
	   AND l.lines = s.signed,
	   'the bill has what was signed there, and adds up',
	   l.lines || ' lines, ' || l.cents || ' cents'
FROM partner_api.billing_cycles c,
	 (SELECT count(*) AS lines, sum(amount_cents) AS cents
	  FROM partner_api.billing_lines WHERE cycle_start = '2026-05-01') l,
	 (SELECT count(*) AS signed FROM sandbox.instances
	  WHERE signed_at < '2026-06-01') s
WHERE c.cycle_start = '2026-05-01'
UNION ALL
SELECT count(*) FILTER (WHERE i.amount_cents = c.value_cents) = count(*),
	   'every invoice was charged once, with its amount',
	   count(i.*) || ' invoices, ' || count(c.*) || ' charges'
FROM partner_api.invoices i FULL JOIN sandbox.charges c USING (charge_id)
UNION ALL
SELECT bool_and((i.status = 'paid') = (c.status = 'RECEIVED')),
	   'what was paid there is paid here',
	   count(*) FILTER (WHERE i.status = 'paid') || ' of ' || count(*)
	   || ' invoices'
FROM partner_api.invoices i JOIN sandbox.charges c USING (charge_id)
UNION ALL
SELECT m.costs = b.cents AND m.charged = v.cents,
	   'the margin has every cent of bills and invoices',
	   m.charged || ' charged, ' || m.costs || ' costs'
FROM (SELECT sum(charged_cents) AS charged, sum(cost_cents) AS costs
	  FROM partner_api.margin_report('[2026-06-01,2026-06-30]')) m,
	 (SELECT sum(amount_cents) AS cents FROM partner_api.billing_cycles
	  WHERE cycle_start = '2026-06-01') b,
	 (SELECT sum(amount_cents) AS cents FROM partner_api.invoices) v
UNION ALL
SELECT bool_and(m.emails = 1 AND m.texts = c.send_sms::int),
	   'their customers were written to as they want',
	   sum(m.emails) || ' e-mails, ' || sum(m.texts) || ' text messages'
FROM partner_api.invoices i
JOIN partner_api.customers c USING (server, customer_ref),
	 LATERAL (SELECT count(*) FILTER (WHERE s.channel = 'email') AS emails,
					 count(*) FILTER (WHERE s.channel = 'sms') AS texts
			  FROM sandbox.messages s
			  WHERE s.charge_id = i.charge_id
					AND s.event = 'PAYMENT_CREATED') m
UNION ALL
SELECT bool_and(s.state = CASE i.status WHEN 'paid' THEN 'signed'
										ELSE 'cancelling' END),
	   'who has paid has an instance, who has not loses it',
	   count(*) FILTER (WHERE s.state = 'signed') || ' signed, '
	   || count(*) FILTER (WHERE s.state = 'cancelling') || ' cancelled'
FROM partner_api.invoices i
JOIN partner_api.subscriptions b USING (server, subscription_id)
JOIN sandbox.instances s USING (instance_id);
