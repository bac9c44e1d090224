SELECT name, state, connected, settings_differ
FROM partner_api.instances WHERE server = 'greenapi';
-- They did not hold, so they are set again.
SELECT c.name, c.settings_asked
FROM partner_api.instances i,
	 partner_api.change_settings(i.server, i.instance_id,
		'{"stateWebhook": true, "incomingWebhook": true}') c
WHERE i.server = 'greenapi';
