-- Green API has instances too; zsystems has the plans that the shop sells.
-- Each is a server, and the functions have the same names for all.
CREATE SERVER greenapi FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'greenapi', base_url :'sandbox_url',
			 instance_base_url :'sandbox_url');
CREATE USER MAPPING FOR PUBLIC SERVER greenapi
	OPTIONS (token_file :'token_file');
CREATE SERVER zsystems FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'zsystems', base_url :'sandbox_url');
CREATE USER MAPPING FOR PUBLIC SERVER zsystems
	OPTIONS (token_file :'token_file');
GRANT USAGE ON FOREIGN SERVER greenapi, zsystems TO shop_app;
-- What Green API charges for an instance and day: R$ 1.50.
SELECT * FROM partner_api.set_price('greenapi', 150);
SELECT s.srvname, t.ok, t.http_status, t.detail
FROM pg_foreign_server s, partner_api.test_connection(s.srvname) t
ORDER BY s.srvname;
