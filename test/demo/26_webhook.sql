-- The Padaria pays by Pix.  Asaas posts that to the shop's web tier, which hands
-- the request on as it came: here from a table, since its headers have a token.
-- A program passes both as parameters.
CREATE TEMP TABLE posted (requests jsonb);
\copy posted FROM pstdin WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')
SELECT r.body ->> 'event' AS event,
	   partner_api.asaas_webhook(r.headers, r.body) AS outcome
FROM posted,
	 jsonb_to_recordset(requests -> 'inbox') AS r (headers jsonb, body jsonb);
