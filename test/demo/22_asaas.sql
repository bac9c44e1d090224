-- The shop charges its own customers through Asaas: R$ 99.00 a month, due two
-- days after a period begins.  Who is more than five days late loses the
-- instance.
CREATE SERVER asaas FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'asaas', base_url :'asaas_url');
CREATE USER MAPPING FOR PUBLIC SERVER asaas
	OPTIONS (token_file :'key_file', client_token_file :'webhook_token_file');
GRANT USAGE ON FOREIGN SERVER asaas TO shop_app;
SELECT ok, http_status, detail FROM partner_api.test_connection('asaas');
SELECT plan_id, amount_cents, frequency, tolerance_period
FROM partner_api.register_plan('asaas', 'basic', 'WhatsApp Basic', 9900,
		tolerance_period => 5, due_days => 2, dunning => 'cancel_instance');
-- What Asaas tells of payments comes in by a role that may do nothing else.
CREATE ROLE web LOGIN;
GRANT USAGE ON SCHEMA partner_api TO web;
GRANT EXECUTE ON FUNCTION partner_api.asaas_webhook(jsonb, jsonb, name) TO web;
