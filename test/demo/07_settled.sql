-- Neither was taken for failed, and neither was sent again: the provider's own
-- list showed the instances, by a mark of ours in their names.
SELECT h.customer_ref, t.purpose, t.verdict, t.http_status, t.error
FROM partner_api.action_attempts t
JOIN partner_api.action_history h USING (action_id)
WHERE h.customer_ref IN ('Doceria Lua', 'Sorveteria Polo')
ORDER BY h.action_id, t.lease;
SELECT name, origin, status, trial_ends_at::timestamptz(0)
FROM partner_api.instances
WHERE customer_ref IN ('Doceria Lua', 'Sorveteria Polo');
