/*-------------------------------------------------------------------------
 *
 * quotas.c
 *	  The quotas of tokens, as the tables tell them.
 *
 * A quota is an option of a user mapping, which few roles may read, and the
 * token whose quota it is may be in a file.  So that views can show it, what
 * was last read is kept in the table token_quotas.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "actions.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "owner.h"
#include "quotas.h"
#include "utils/builtins.h"

/* Keep what is told of the quota of a server's token up to date. */
void
partner_api_quota_note(const PartnerApiServer *server)
{
	static const Oid types[] = {NAMEOID, TEXTOID, INT4OID, BOOLOID};
	static PartnerApiStatement statement = {
		"INSERT INTO partner_api.token_quotas AS q (server,"
		"       token_fingerprint, quota, only_running)"
		" VALUES ($1, $2, $3, $4)"
		" ON CONFLICT (server, token_fingerprint) DO UPDATE"
		"    SET quota = excluded.quota, only_running = excluded.only_running"
		"  WHERE q.quota <> excluded.quota"
		"     OR q.only_running <> excluded.only_running", 4, types, NULL
	};
	NameData	name;
	Datum		values[4];

	namestrcpy(&name, server->name);
	values[0] = NameGetDatum(&name);
	values[1] = CStringGetTextDatum(server->token_fingerprint);
	values[2] = Int32GetDatum(server->caps[PARTNER_API_TOKEN_QUOTA]);
	values[3] = BoolGetDatum(server->quota_counts_running);
	partner_api_execute(&statement, values, NULL, SPI_OK_INSERT);
}

/*
 * Read anew which token has which quota: what an option said before may have
 * been changed or dropped.  Raises ERROR if a token cannot be read.
 */
void
partner_api_quotas_read(void)
{
	static PartnerApiStatement clear = {
		"DELETE FROM partner_api.token_quotas", 0, NULL, NULL
	};
	static PartnerApiStatement list = {
		"SELECT f.srvname, m.umuser"
		"  FROM pg_catalog.pg_user_mapping m"
		"  JOIN pg_catalog.pg_foreign_server f ON f.oid = m.umserver"
		"  JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = f.srvfdw"
		" WHERE w.fdwname = 'partner_api' AND EXISTS ("
		"  SELECT FROM pg_catalog.pg_options_to_table(m.umoptions) o"
		"   WHERE o.option_name = 'token_quota')", 0, NULL, NULL
	};
	uint64		rows;
	SPITupleTable *table;

	partner_api_execute(&clear, NULL, NULL, SPI_OK_DELETE);
	rows = partner_api_execute(&list, NULL, NULL, SPI_OK_SELECT);
	table = SPI_tuptable;
	for (uint64 row = 0; row < rows; row++)
	{
		bool		isnull;
		Datum		role = SPI_getbinval(table->vals[row], table->tupdesc, 2,
										 &isnull);
		PartnerApiServer *server;

		server = partner_api_server_load(SPI_getvalue(table->vals[row],
													  table->tupdesc, 1),
										 GetUserId());
		partner_api_server_load_credential(server, DatumGetObjectId(role));
		partner_api_server_identify_token(server);
		partner_api_quota_note(server);
	}
}
