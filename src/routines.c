/*-------------------------------------------------------------------------
 *
 * routines.c
 *	  SQL functions of routines: when a schedule is next.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "schedule.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(partner_api_next_run);

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
				errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				errmsg("there is no run after an infinite time"));
	next = partner_api_schedule_next(&schedule, after);
	if (TIMESTAMP_IS_NOEND(next))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(next);
}
