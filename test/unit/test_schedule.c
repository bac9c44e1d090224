/*-------------------------------------------------------------------------
 *
 * test_schedule.c
 *	  Unit tests of schedule.c: what cron's schedules say, and when that is
 *	  next.
 *
 * The C library's calendar says what day it is.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include <time.h>

#include "schedule.h"

#define EPOCH_UNIX INT64CONST(946684800)	/* 2000-01-01 */

/* "2024-02-29 13:45:10" as a timestamp */
static TimestampTz
time_of(const char *text)
{
	struct tm	tm = {0};

	assert_int_equal(sscanf(text, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon,
							&tm.tm_mday, &tm.tm_hour, &tm.tm_min,
							&tm.tm_sec), 6);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return ((int64) timegm(&tm) - EPOCH_UNIX) * USECS_PER_SEC;
}

/* And back, with the day of the week. */
static char *
text_of(TimestampTz at)
{
	time_t		unix_time = at / USECS_PER_SEC + EPOCH_UNIX;
	struct tm	tm;
	char		buffer[64];

	if (at == DT_NOEND)
		return pstrdup("never");
	gmtime_r(&unix_time, &tm);
	strftime(buffer, sizeof(buffer), "%a %Y-%m-%d %H:%M:%S", &tm);
	return pstrdup(buffer);
}

/* ---- when ---- */

typedef struct NextRow
{
	const char *schedule;
	const char *after;
	const char *next;
} NextRow;

static const NextRow next_rows[] = {
	/* minutes and hours */
	{"* * * * *", "2026-05-04 10:00:00", "Mon 2026-05-04 10:01:00"},
	{"* * * * *", "2026-05-04 10:00:59", "Mon 2026-05-04 10:01:00"},
	{"17 * * * *", "2026-05-04 10:16:59", "Mon 2026-05-04 10:17:00"},
	{"17 * * * *", "2026-05-04 10:17:00", "Mon 2026-05-04 11:17:00"},
	{"*/15 * * * *", "2026-05-04 10:46:00", "Mon 2026-05-04 11:00:00"},
	{"5-20/7 * * * *", "2026-05-04 10:06:00", "Mon 2026-05-04 10:12:00"},
	{"5-20/7 * * * *", "2026-05-04 10:12:00", "Mon 2026-05-04 10:19:00"},
	{"5-20/7 * * * *", "2026-05-04 10:19:00", "Mon 2026-05-04 11:05:00"},
	{"*/90 3 * * *", "2026-05-04 10:19:00", "Tue 2026-05-05 03:00:00"},
	{"0,59 23 * * *", "2026-05-04 23:00:00", "Mon 2026-05-04 23:59:00"},
	{"0 9-17/4,22 * * *", "2026-05-04 17:00:00", "Mon 2026-05-04 22:00:00"},
	{"59 23 31 12 *", "2026-12-31 23:59:00", "Fri 2027-12-31 23:59:00"},
	{" 40\t3  *\t* * ", "2026-05-04 10:00:00", "Tue 2026-05-05 03:40:00"},
	/* months and days */
	{"0 0 1 * *", "2026-12-01 00:00:00", "Fri 2027-01-01 00:00:00"},
	{"0 0 31 * *", "2026-05-31 00:00:00", "Fri 2026-07-31 00:00:00"},
	{"0 0 31 4,6,9,nov,12 *", "2026-05-31 00:00:00", "Thu 2026-12-31 00:00:00"},
	{"0 0 1 Jan-MAR *", "2026-03-01 00:00:00", "Fri 2027-01-01 00:00:00"},
	{"0 0 * */5 *", "2026-01-31 00:00:00", "Mon 2026-06-01 00:00:00"},
	{"0 0 29 2 *", "2026-01-01 00:00:00", "Tue 2028-02-29 00:00:00"},
	{"0 0 29 2 *", "2096-02-29 00:00:00", "Fri 2104-02-29 00:00:00"},
	{"0 0 29 2 *", "1999-12-31 23:59:59", "Tue 2000-02-29 00:00:00"},
	{"0 0 1 3 *", "2100-02-28 00:00:00", "Mon 2100-03-01 00:00:00"},
	{"0 0 1 1 *", "1969-12-31 23:59:30", "Thu 1970-01-01 00:00:00"},
	{"0 12 * * *", "1999-12-31 11:59:30", "Fri 1999-12-31 12:00:00"},
	/* days of the week */
	{"0 6 * * 1-5", "2026-05-01 06:00:00", "Mon 2026-05-04 06:00:00"},
	{"0 6 * * mon-FRI", "2026-05-01 06:00:00", "Mon 2026-05-04 06:00:00"},
	{"0 6 * * 0", "2026-05-01 06:00:00", "Sun 2026-05-03 06:00:00"},
	{"0 6 * * 7", "2026-05-01 06:00:00", "Sun 2026-05-03 06:00:00"},
	{"0 6 * * Sun", "2026-05-01 06:00:00", "Sun 2026-05-03 06:00:00"},
	{"0 6 * * 6-7", "2026-05-02 06:00:00", "Sun 2026-05-03 06:00:00"},
	{"0 6 * * */3", "2026-05-03 06:00:00", "Wed 2026-05-06 06:00:00"},
	{"0 6 * * 5-7/2", "2026-05-01 06:00:00", "Sun 2026-05-03 06:00:00"},
	/* either day, but both where one begins with an asterisk */
	{"0 0 13 * 5", "2026-05-04 00:00:00", "Fri 2026-05-08 00:00:00"},
	{"0 0 13 * 5", "2026-05-08 00:00:00", "Wed 2026-05-13 00:00:00"},
	{"0 0 */2 * 1", "2026-05-04 00:00:00", "Mon 2026-05-11 00:00:00"},
	{"0 0 13 * */5", "2026-05-04 00:00:00", "Sun 2026-09-13 00:00:00"},
	{"0 0 1-31 * 1", "2026-05-04 00:00:00", "Tue 2026-05-05 00:00:00"},
	/* the last one is the longest wait there is */
	{"0 0 29 2 */6", "2072-03-01 00:00:00", "Sat 2076-02-29 00:00:00"},
	{"0 0 29 2 */7", "2088-02-29 00:00:00", "Sun 2128-02-29 00:00:00"},
	/* words */
	{"@hourly", "2026-05-04 10:00:00", "Mon 2026-05-04 11:00:00"},
	{"@daily", "2026-05-04 00:00:00", "Tue 2026-05-05 00:00:00"},
	{"@midnight", "2026-05-04 00:00:01", "Tue 2026-05-05 00:00:00"},
	{" @weekly ", "2026-05-04 00:00:00", "Sun 2026-05-10 00:00:00"},
	{"@monthly", "2026-05-04 00:00:00", "Mon 2026-06-01 00:00:00"},
	{"@yearly", "2026-05-04 00:00:00", "Fri 2027-01-01 00:00:00"},
	{"@annually", "2026-05-04 00:00:00", "Fri 2027-01-01 00:00:00"},
	{"@reboot", "2026-05-04 00:00:00", "never"}
};

static void
test_next(const void *arg)
{
	const NextRow *row = arg;
	PartnerApiSchedule schedule;

	assert_text(partner_api_schedule_parse(&schedule, row->schedule), NULL);
	assert_text(text_of(partner_api_schedule_next(&schedule,
												  time_of(row->after))),
				row->next);
}

/*
 * Ten years of minutes, each compared with what the calendar says of it.
 */
static void
test_calendar(const void *unused)
{
	PartnerApiSchedule schedule;
	TimestampTz at = time_of("2095-12-31 23:59:00");
	TimestampTz end = time_of("2105-01-01 00:00:00");
	TimestampTz next;

	assert_text(partner_api_schedule_parse(&schedule,
										   "*/20 0,13 28-31 2,3 wed"), NULL);
	next = partner_api_schedule_next(&schedule, at);
	while ((at += USECS_PER_MINUTE) < end)
	{
		time_t		unix_time = at / USECS_PER_SEC + EPOCH_UNIX;
		struct tm	tm;
		bool		due;

		gmtime_r(&unix_time, &tm);
		due = tm.tm_min % 20 == 0 && (tm.tm_hour == 0 || tm.tm_hour == 13) &&
			(tm.tm_mon == 1 || tm.tm_mon == 2) &&
			(tm.tm_mday >= 28 || tm.tm_wday == 3);
		assert_true(due == (at == next));
		if (due)
			next = partner_api_schedule_next(&schedule, at);
	}
}

/*
 * There is nothing after the last timestamp, and infinity does no harm.
 */
static void
test_ends_of_time(const void *unused)
{
	PartnerApiSchedule schedule;

	assert_text(partner_api_schedule_parse(&schedule, "0 0 1 1 *"), NULL);
	assert_true(partner_api_schedule_next(&schedule, END_TIMESTAMP - 1) ==
				DT_NOEND);
	assert_true(partner_api_schedule_next(&schedule, DT_NOEND) == DT_NOEND);
	assert_true(partner_api_schedule_next(&schedule, DT_NOBEGIN) < 0);
	assert_text(partner_api_schedule_parse(&schedule, "* * * * *"), NULL);
	assert_true(partner_api_schedule_next(&schedule, MIN_TIMESTAMP) >
				MIN_TIMESTAMP);
	assert_true(partner_api_schedule_next(&schedule, -1) == 0);
}

/* ---- what is no schedule ---- */

typedef struct RefusedRow
{
	const char *schedule;
	const char *why;
} RefusedRow;

static const RefusedRow refused_rows[] = {
	{"", "The minute is missing."},
	{"  ", "The minute is missing."},
	{"17", "The hour is missing."},
	{"17 * * *", "The day of the week is missing."},
	{"0 0 * * * *", "There is more after the day of the week: \"*\"."},
	{"* * * * * x y", "There is more after the day of the week: \"x y\"."},
	{"60 * * * *", "The minute \"60\" is not between 0 and 59."},
	{"-1 * * * *", "The minute \"-1\" is not a number."},
	{"99999999999999999999 * * * *", "The minute \"99999999999999999999\" is not between 0 and 59."},
	{"* 24 * * *", "The hour \"24\" is not between 0 and 23."},
	{"* 5-24 * * *", "The hour \"24\" is not between 0 and 23."},
	{"* * 0 * *", "The day of the month \"0\" is not between 1 and 31."},
	{"* * 32 * *", "The day of the month \"32\" is not between 1 and 31."},
	{"* * * 13 *", "The month \"13\" is not between 1 and 12."},
	{"* * * 0 *", "The month \"0\" is not between 1 and 12."},
	{"* * * foo *", "The month \"foo\" is neither a number nor a name."},
	{"* * * janx *", "The month \"janx\" is not a list of values and ranges."},
	{"* * * ja *", "The month \"ja\" is neither a number nor a name."},
	{"* * * * 8", "The day of the week \"8\" is not between 0 and 7."},
	{"* jan * * *", "The hour \"jan\" is not a number."},
	{"1, * * * *", "The minute \"\" is not a number."},
	{",1 * * * *", "The minute \",1\" is not a number."},
	{"1,,2 * * * *", "The minute \",2\" is not a number."},
	{"1- * * * *", "The minute \"\" is not a number."},
	{"20-10 * * * *", "The minute \"20-10\" runs backwards."},
	{"0 0 * * fri-sun", "The day of the week \"fri-sun\" runs backwards."},
	{"5/10 * * * *", "The minute \"5/10\" has a step but is no range."},
	{"*/0 * * * *", "The minute \"0\" cannot be a step."},
	{"*/ * * * *", "The minute \"\" is not a step."},
	{"*/x * * * *", "The minute \"x\" is not a step."},
	{"*/-1 * * * *", "The minute \"-1\" is not a step."},
	{"** * * * *", "The minute \"**\" is not a list of values and ranges."},
	{"*-5 * * * *", "The minute \"*-5\" is not a list of values and ranges."},
	{"1.5 * * * *", "The minute \"1.5\" is not a list of values and ranges."},
	{"? * * * *", "The minute \"?\" is not a number."},
	{"0 0 L * *", "The day of the month \"L\" is not a number."},
	{"0\n0 * * *", "The minute \"0\n0\" is not a list of values and ranges."},
	{"30 seconds", "The hour \"seconds\" is not a number."},
	{"@often", "The word \"@often\" is not known."},
	{"@Daily", "The word \"@Daily\" is not known."},
	{"@", "The word \"@\" is not known."},
	{"@dailyx", "The word \"@dailyx\" is not known."},
	{"@dail", "The word \"@dail\" is not known."},
	{"@daily x", "There is more after the word: \"@daily x\"."},
	{"@reboot * * * *", "There is more after the word: \"@reboot * * * *\"."},
	{"0 0 30 2 *", "There is no such day."},
	{"0 0 31 2,4,6,9,11 *", "There is no such day."},
	{"0 0 30 2 */2", "There is no such day."}
};

static void
test_refused(const void *arg)
{
	const RefusedRow *row = arg;
	PartnerApiSchedule schedule;

	assert_text(partner_api_schedule_parse(&schedule, row->schedule),
				row->why);
}

/*
 * A schedule may be as long as pg_cron takes it, and no longer.
 */
static void
test_length(const void *unused)
{
	PartnerApiSchedule schedule;
	char		text[PARTNER_API_LONGEST_SCHEDULE + 2];

	memset(text, ' ', sizeof(text));
	memcpy(text, "* * * * *", strlen("* * * * *"));
	text[PARTNER_API_LONGEST_SCHEDULE] = '\0';
	assert_text(partner_api_schedule_parse(&schedule, text), NULL);
	text[PARTNER_API_LONGEST_SCHEDULE] = ' ';
	text[PARTNER_API_LONGEST_SCHEDULE + 1] = '\0';
	assert_text(partner_api_schedule_parse(&schedule, text),
				"It has more than 999 characters.");
}

int
main(void)
{
	add_table(test_next, next_rows);
	add_test("calendar", test_calendar);
	add_test("ends of time", test_ends_of_time);
	add_table(test_refused, refused_rows);
	add_test("length", test_length);
	return run_suite("schedule");
}
