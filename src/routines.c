/*-------------------------------------------------------------------------
 *
 * routines.c
 *	  SQL functions of routines: when a schedule is next, and the table of
 *	  those that the worker runs.
 *
 * A routine belongs to the role that scheduled it and runs as that role, so
 * who that is must not be an argument; and no role needs a right on the table.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "owner.h"
#include "schedule.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "wakeup.h"

PG_FUNCTION_INFO_V1(partner_api_next_run);
PG_FUNCTION_INFO_V1(partner_api_keep_routine);
PG_FUNCTION_INFO_V1(partner_api_drop_routine);
PG_FUNCTION_INFO_V1(partner_api_routines_changed_sql);

/* ---- schedules ---- */

/* Read a schedule, or raise ERROR. */
static void
read_schedule(PartnerApiSchedule *schedule, const char *text)
{
	char	   *why = partner_api_schedule_parse(schedule, text);

	if (why != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid schedule \"%s\"", text),
				errdetail("%s", why),
				errhint("A schedule is \"minute hour day-of-month month day-of-week\", in GMT, or one of @hourly, @daily, @weekly, @monthly, @yearly, @reboot."));
}

/*
 * SQL: next_run(schedule, after) -> the first time after it; null if none can
 * be told, which is so for @reboot.
 */
Datum
partner_api_next_run(PG_FUNCTION_ARGS)
{
	TimestampTz after = PG_GETARG_TIMESTAMPTZ(1);
	TimestampTz next;
	PartnerApiSchedule schedule;

	read_schedule(&schedule, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	if (TIMESTAMP_NOT_FINITE(after))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("there is no run after an infinite time"));
	next = partner_api_schedule_next(&schedule, after);
	if (TIMESTAMP_IS_NOEND(next))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(next);
}

/* ---- the table ---- */

/*
 * Raise ERROR unless a role may change a routine: its own, that of a role
 * which it is a member of, or that of one which is gone.  As the owner of the
 * tables.
 */
static void
check_routine_owner(Datum jobname, Oid role)
{
	static const Oid types[] = {TEXTOID};
	static PartnerApiStatement statement = {
		"SELECT username FROM partner_api.routines WHERE jobname = $1",
		1, types, NULL
	};
	char	   *username;
	Oid			owner;

	if (partner_api_execute(&statement, &jobname, NULL, SPI_OK_SELECT) == 0)
		return;
	username = partner_api_field_text(0, 1);
	owner = get_role_oid(username, true);
	if (OidIsValid(owner) && !has_privs_of_role(role, owner))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("routine \"%s\" belongs to role \"%s\"",
					   TextDatumGetCString(jobname), username),
				errhint("That role, its members and superusers may change it."));
}

/*
 * SQL: keep_routine(jobname, schedule, command) -> jobid.  The worker runs it
 * from now on, as the calling role.
 */
Datum
partner_api_keep_routine(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	static PartnerApiStatement keep = {
		"INSERT INTO partner_api.routines AS r"
		"       (jobname, schedule, command, username)"
		" VALUES ($1, $2, $3, $4) ON CONFLICT (jobname) DO UPDATE"
		"    SET schedule = excluded.schedule, command = excluded.command,"
		"        username = excluded.username"
		"  WHERE (r.schedule, r.command, r.username) IS DISTINCT FROM"
		"        (excluded.schedule, excluded.command, excluded.username)",
		4, types, NULL
	};
	static PartnerApiStatement find = {
		"SELECT jobid FROM partner_api.routines WHERE jobname = $1",
		1, types, NULL
	};
	PartnerApiOwnerScope scope;
	Oid			role = GetUserId();
	Datum		values[4];
	Datum		jobid;
	bool		isnull;

	PreventCommandIfReadOnly("schedule_routines()");
	for (int i = 0; i < 3; i++)
		values[i] = PG_GETARG_DATUM(i);
	values[3] = CStringGetTextDatum(GetUserNameFromId(role, false));
	partner_api_owner_begin(&scope);
	check_routine_owner(values[0], role);
	partner_api_execute(&keep, values, NULL, SPI_OK_INSERT);
	partner_api_execute(&find, values, NULL, SPI_OK_SELECT);
	jobid = partner_api_field(0, 1, &isnull);
	partner_api_owner_end(&scope);
	PG_RETURN_DATUM(jobid);
}

/*
 * SQL: drop_routine(jobname) -> was there one?  A run of it goes on to its
 * end.
 */
Datum
partner_api_drop_routine(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {TEXTOID};
	static PartnerApiStatement statement = {
		"DELETE FROM partner_api.routines WHERE jobname = $1",
		1, types, NULL
	};
	PartnerApiOwnerScope scope;
	Oid			role = GetUserId();
	Datum		jobname = PG_GETARG_DATUM(0);
	bool		found;

	PreventCommandIfReadOnly("remove_routine()");
	partner_api_owner_begin(&scope);
	check_routine_owner(jobname, role);
	found = partner_api_execute(&statement, &jobname, NULL,
								SPI_OK_DELETE) > 0;
	partner_api_owner_end(&scope);
	PG_RETURN_BOOL(found);
}

/* SQL: routines_changed(): the worker looks at the table after the commit. */
Datum
partner_api_routines_changed_sql(PG_FUNCTION_ARGS)
{
	partner_api_routines_changed_at_commit();
	PG_RETURN_VOID();
}
