-- An account at a provider is a foreign server.  Trials that are to be kept
-- are signed 10 minutes before they would end (6 hours if nothing is said).
CREATE EXTENSION partner_api;
CREATE SERVER zapi FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'zapi', base_url :'sandbox_url',
			 sign_lead '10 minutes');
-- The tokens stay in files that only the server can read.
CREATE USER MAPPING FOR PUBLIC SERVER zapi
	OPTIONS (token_file :'token_file', client_token_file :'client_token_file');
-- Does the provider answer, and accept the token?
SELECT * FROM partner_api.test_connection('zapi');
