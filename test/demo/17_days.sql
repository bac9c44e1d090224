-- Do the settings hold now?
SELECT c.name, c.settings_differ
FROM partner_api.instances i,
	 partner_api.check_settings(i.server, i.instance_id) c
WHERE i.server = 'greenapi';
-- The customer leaves.  Green API has no cancel: what ends a service there
-- deletes it for good, so nothing else may stand in for it.
\set ON_ERROR_STOP off
SELECT partner_api.cancel_instance('greenapi', instance_id)
FROM partner_api.instances WHERE server = 'greenapi';
\set ON_ERROR_STOP on
-- A delete unlinks the phone first, which the provider would not do.
SELECT d.name, d.status, d.deleted_at::timestamptz(0)
FROM partner_api.instances i,
	 partner_api.delete_instance(i.server, i.instance_id) d
WHERE i.server = 'greenapi';
SELECT action_id, kind, state, automatic FROM partner_api.action_history
WHERE server = 'greenapi' ORDER BY action_id;
