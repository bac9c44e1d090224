-- Each was signed milliseconds after that fell due, and minutes before its
-- trial would have ended.  The last two columns are the sandbox's own, by its
-- clock, which was turned a moment before ours.
SELECT i.name, to_char(h.run_at, 'HH24:MI:SS.MS') AS due,
	   round(extract(epoch FROM h.sent_at - h.run_at) * 1000, 1) AS late_ms,
	   to_char(i.trial_ends_at, 'HH24:MI:SS') AS trial_end,
	   s.state, to_char(s.signed_at, 'HH24:MI:SS.MS') AS signed_at
FROM partner_api.instances i
JOIN partner_api.action_history h USING (server, instance_id)
JOIN sandbox.instances s USING (instance_id)
WHERE h.kind = 'sign_instance' AND h.state = 'done'
ORDER BY h.run_at;
