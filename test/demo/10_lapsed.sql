-- What was not to be kept is gone, here and (last two columns) there.
SELECT i.name, i.trial_end, i.status, s.state, s.signs
FROM partner_api.instances i
JOIN sandbox.instances s USING (instance_id)
ORDER BY i.status DESC, i.action_id;
