/*-------------------------------------------------------------------------
 *
 * survey_rows.c
 *	  Which surveys are wanted, and how far they are: the table
 *	  server_surveys.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "owner.h"
#include "survey.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/*
 * Ask for a survey of every server, in the running transaction, as the owner.
 */
void
partner_api_surveys_want(TimestampTz now)
{
	static const Oid types[] = {TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"INSERT INTO partner_api.server_surveys (server, wanted_at, known_until)"
		" SELECT f.srvname, $1, least($1, coalesce("
		"         (SELECT max(closed_at) FROM partner_api.action_history),"
		"         (SELECT min(established_at) FROM partner_api.installation)))"
		"   FROM pg_catalog.pg_foreign_server f"
		"   JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = f.srvfdw"
		"  WHERE w.fdwname = 'partner_api'"
		" ON CONFLICT (server) DO UPDATE SET wanted_at = $1,"
		"    known_until = CASE WHEN server_surveys.finished_at IS NULL"
		"                  THEN server_surveys.known_until"
		"                  ELSE excluded.known_until END,"
		"    listed_at = NULL, finished_at = NULL, last_error = NULL",
		1, types, NULL
	};
	Datum		value = TimestampTzGetDatum(now);

	partner_api_execute(&statement, &value, NULL, SPI_OK_INSERT);
}

/*
 * The same of one server, unless one is wanted already, to which actions are
 * sent meanwhile.
 */
void
partner_api_survey_want(const char *server, TimestampTz now,
						TimestampTz known_until)
{
	static const Oid types[] = {NAMEOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"INSERT INTO partner_api.server_surveys AS s"
		"       (server, wanted_at, known_until, listed_at)"
		" VALUES ($1, $2, $3, $2)"
		" ON CONFLICT (server) DO UPDATE SET wanted_at = $2, listed_at = $2,"
		"    known_until = $3, finished_at = NULL, last_error = NULL"
		"  WHERE s.finished_at IS NOT NULL", 3, types, NULL
	};
	NameData	name;
	Datum		values[3];

	namestrcpy(&name, server);
	values[0] = NameGetDatum(&name);
	values[1] = TimestampTzGetDatum(now);
	values[2] = TimestampTzGetDatum(known_until);
	if (partner_api_execute(&statement, values, NULL, SPI_OK_INSERT) > 0)
		partner_api_surveys_reload();
}

/* Record how far the survey of a server is; error: why it goes on, or NULL. */
void
partner_api_survey_note(const char *server, const char *error, bool listed,
						bool finished, TimestampTz now)
{
	static const Oid types[] = {NAMEOID, TEXTOID, BOOLOID, BOOLOID,
	TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"UPDATE partner_api.server_surveys"
		"   SET last_error = $2,"
		"       listed_at = CASE WHEN $3 THEN coalesce(listed_at, $5) END,"
		"       finished_at = CASE WHEN $4 THEN $5 END"
		" WHERE server = $1", 5, types, NULL
	};
	NameData	name;
	Datum		values[5];

	namestrcpy(&name, server);
	values[0] = NameGetDatum(&name);
	values[1] = error == NULL ? (Datum) 0 : CStringGetTextDatum(error);
	values[2] = BoolGetDatum(listed);
	values[3] = BoolGetDatum(finished);
	values[4] = TimestampTzGetDatum(now);
	partner_api_execute(&statement, values,
						error == NULL ? " n   " : NULL, SPI_OK_UPDATE);
}
