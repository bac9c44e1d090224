-- Why was the Farmácia signed?  The whole life of that action:
SELECT to_char(t.at, 'DD Mon HH24:MI:SS.MS') AS at, t.step, t.detail
FROM partner_api.action_history h, partner_api.action_timeline(h.action_id) t
WHERE h.kind = 'sign_instance' AND h.customer_ref = 'Farmácia Central';
