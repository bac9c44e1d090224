/*-------------------------------------------------------------------------
 *
 * deadlines.c
 *	  Deadlines: said aloud before they pass, and kept when they have.
 *
 * Each server has two times before a deadline, a warning and an alarm.  Once
 * they have come, each open action that is not sent is announced, once: the
 * row says what has been announced, so that a new worker does not say it
 * again.  What was not sent before its deadline is closed as missed and never
 * sent.
 *
 * After an outage thousands may be due at once.  They are taken a group at a
 * time, so that those which can still be sent do not wait for the others.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "announce.h"
#include "answers.h"
#include "catalog/pg_type.h"
#include "closing.h"
#include "deadlines.h"
#include "owner.h"
#include "servers.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* As many are taken at a time: some tens of milliseconds. */
#define MOST_AT_ONCE 1000
/* More than that are announced as one. */
#define MOST_SINGLE 100

/* ---- after the deadline ---- */

/* Say that the action of a row of the last result was not sent in time. */
static void
announce_missed(int row, const PartnerApiAnswer *answer)
{
	partner_api_announce(WARNING, "missed", partner_api_field_text(row, 4),
						 answer->action_id, partner_api_field_text(row, 5),
						 psprintf("%s: %s", answer->message, answer->detail));
}

/*
 * Close what was not sent before its deadline.  A sign that nobody approved,
 * or paid for, was not missed: it was not wanted.  Returns answers, in the
 * current context, for calls that wait; "more" is set if there may be more to
 * close.
 */
List *
partner_api_close_missed(TimestampTz now, bool *more)
{
	static const Oid types[] = {TIMESTAMPTZOID, INT4OID};
	static PartnerApiStatement statement = {
		PARTNER_API_CLOSE(" SELECT p.action_id FROM partner_api.pending_actions p"
						  "  WHERE p.state IN ('waiting', 'held') AND p.deadline <= $1"
						  "  ORDER BY p.deadline LIMIT $2",
						  "CASE WHEN held_for IN ('approval', 'dunning')"
						  " THEN 'cancelled' ELSE 'missed' END",
						  "CASE held_for WHEN 'approval'"
						  " THEN 'the trial was not approved before it ended'"
						  " WHEN 'dunning'"
						  " THEN 'the customer did not pay before the trial ended: '"
						  "      || last_error"
						  " ELSE coalesce('the deadline has passed; last error: '"
						  "               || last_error, 'the deadline has passed') END"),
		2, types, NULL
	};
	Datum		values[2];
	List	   *answers = NIL;
	int64	   *ids;
	uint64		rows;

	values[0] = TimestampTzGetDatum(now);
	values[1] = Int32GetDatum(MOST_AT_ONCE);
	rows = partner_api_execute(&statement, values, NULL,
							   SPI_OK_INSERT_RETURNING);
	ids = palloc(Max(rows, 1) * sizeof(int64));
	for (int row = 0; row < (int) rows; row++)
	{
		PartnerApiAnswer *answer;

		answer = partner_api_answer_of_row(row, CurrentMemoryContext);
		answers = lappend(answers, answer);
		ids[row] = answer->action_id;
		if (strcmp(partner_api_field_text(row, 2), "missed") == 0)
			announce_missed(row, answer);
	}
	if (rows > 0)
		partner_api_note_refusals(ids, (int) rows);
	if (rows == MOST_AT_ONCE)
		*more = true;
	return answers;
}

/* ---- before it ---- */

/* A step from what has been announced of an action to what is to be. */
typedef struct Step
{
	const char *before;			/* as in the column announced */
	const char *level;
	const char *event;
} Step;

/* The first two are about the alarm. */
static const Step steps[] = {
	{"nothing", "alarm", "deadline_alarm"},
	{"warning", "alarm", "deadline_alarm"},
	{"nothing", "warning", "deadline_warning"}
};

/* How long before its deadline an action takes a step; 0: never. */
static int64
step_time(int step, const PartnerApiDeadlines *times)
{
	return step < 2 ? times->alarm : times->warning;
}

/*
 * Servers that have actions with a deadline, those that were dropped too: one
 * probe of the index for each.
 */
static List *
list_servers(void)
{
	static PartnerApiStatement statement = {
		"WITH RECURSIVE s (server) AS ("
		" (SELECT server FROM partner_api.pending_actions"
		"   WHERE deadline IS NOT NULL ORDER BY server LIMIT 1)"
		" UNION ALL"
		" SELECT (SELECT p.server FROM partner_api.pending_actions p"
		"          WHERE p.deadline IS NOT NULL AND p.server > s.server"
		"          ORDER BY p.server LIMIT 1)"
		"   FROM s WHERE s.server IS NOT NULL)"
		" SELECT server FROM s WHERE server IS NOT NULL", 0, NULL, NULL
	};
	uint64		rows = partner_api_execute(&statement, NULL, NULL,
										   SPI_OK_SELECT);
	List	   *servers = NIL;

	for (int row = 0; row < (int) rows; row++)
		servers = lappend(servers, partner_api_field_text(row, 1));
	return servers;
}

/*
 * Mark the actions of a server whose deadline comes within "time", and read
 * what there is to say of them.  One that was never tried is given a minute
 * from when it was due (half of its time, if that is less) to be sent.
 */
static uint64
mark(const char *server, const Step *step, TimestampTz now, int64 time)
{
	static const Oid types[] = {NAMEOID, TEXTOID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, TEXTOID, INT4OID};
	static PartnerApiStatement statement = {
		"WITH due AS MATERIALIZED ("
		" SELECT p.action_id FROM partner_api.pending_actions p"
		"  WHERE p.server = $1 AND p.announced = $2"
		"    AND p.deadline <= $3"
		"    AND (p.deadline > $4 OR p.state IN ('unknown', 'needs_attention'))"
		"    AND p.state <> 'sending'"
		"    AND NOT (p.state = 'waiting' AND p.attempts = 0"
		"             AND p.run_at < p.deadline"
		"             AND p.run_at > $4 - least(interval '1 minute',"
		"                                 (p.deadline - p.run_at) / 2))"
		"  ORDER BY p.deadline LIMIT $6 FOR UPDATE SKIP LOCKED),"
		" marked AS (UPDATE partner_api.pending_actions p"
		"  SET announced = $5 FROM due WHERE p.action_id = due.action_id"
		"  RETURNING p.action_id, p.kind, p.instance_id, p.deadline)"
		" SELECT m.action_id, m.kind, m.instance_id,"
		"        pg_catalog.date_trunc('second', m.deadline - $4)::text,"
		"        coalesce(s.reason, 'it has not been sent yet')"
		"   FROM marked m LEFT JOIN partner_api.stalled_actions s"
		"     ON s.action_id = m.action_id"
		"  ORDER BY m.deadline", 6, types, NULL
	};
	NameData	name;
	Datum		values[6];

	namestrcpy(&name, server);
	values[0] = NameGetDatum(&name);
	values[1] = CStringGetTextDatum(step->before);
	values[2] = TimestampTzGetDatum(now + time);
	values[3] = TimestampTzGetDatum(now);
	values[4] = CStringGetTextDatum(step->level);
	values[5] = Int32GetDatum(MOST_AT_ONCE);
	return partner_api_execute(&statement, values, NULL, SPI_OK_SELECT);
}

/* Say it of each action of the last result. */
static void
announce_each(const char *server, const Step *step, uint64 rows)
{
	for (int row = 0; row < (int) rows; row++)
	{
		bool		isnull;
		int64		action_id = DatumGetInt64(partner_api_field(row, 1,
																&isnull));
		char	   *instance = partner_api_field_text(row, 3);

		partner_api_announce(WARNING, step->event, server, action_id,
							 instance,
							 psprintf("%s: action " INT64_FORMAT
									  " (%s at server \"%s\"%s%s) has %s left: %s",
									  step->event, action_id,
									  partner_api_field_text(row, 2), server,
									  instance == NULL ? "" : ", instance ",
									  instance == NULL ? "" : instance,
									  partner_api_field_text(row, 4),
									  partner_api_field_text(row, 5)));
	}
}

/* Say it of all of them at once. */
static void
announce_together(const char *server, const Step *step, uint64 rows)
{
	partner_api_announce(WARNING, step->event, server, 0, NULL,
						 psprintf("%s: " UINT64_FORMAT
								  " actions at server \"%s\", the first of which has %s left: %s",
								  step->event, rows, server,
								  partner_api_field_text(0, 4),
								  partner_api_field_text(0, 5)));
}

/* The first deadline of a server after a time; DT_NOEND if there is none. */
static TimestampTz
first_deadline(const char *server, const char *announced, TimestampTz after)
{
	static const Oid types[] = {NAMEOID, TEXTOID, TIMESTAMPTZOID};
	static PartnerApiStatement statement = {
		"SELECT deadline FROM partner_api.pending_actions"
		" WHERE server = $1 AND announced = $2 AND deadline > $3"
		" ORDER BY deadline LIMIT 1", 3, types, NULL
	};
	NameData	name;
	Datum		values[3];
	bool		isnull;

	namestrcpy(&name, server);
	values[0] = NameGetDatum(&name);
	values[1] = CStringGetTextDatum(announced);
	values[2] = TimestampTzGetDatum(after);
	if (partner_api_execute(&statement, values, NULL, SPI_OK_SELECT) == 0)
		return DT_NOEND;
	return DatumGetTimestampTz(partner_api_field(0, 1, &isnull));
}

/*
 * Take one step with the actions of a server for which it is time.  Returns
 * when it is to be taken again, as far as the actions are known by now.
 */
static TimestampTz
take_step(const char *server, const Step *step, TimestampTz now, int64 time)
{
	uint64		rows = mark(server, step, now, time);
	TimestampTz first;

	if (rows > MOST_SINGLE)
		announce_together(server, step, rows);
	else
		announce_each(server, step, rows);
	if (rows == MOST_AT_ONCE)
		return now;				/* there may be more */
	first = first_deadline(server, step->before, now + time);
	return first == DT_NOEND ? first : first - time;
}

/*
 * Announce the deadlines that are near.  Returns when there is something to
 * announce next, as far as the actions are known by now.
 */
TimestampTz
partner_api_announce_deadlines(TimestampTz now)
{
	TimestampTz next = DT_NOEND;
	ListCell   *lc;

	foreach(lc, list_servers())
	{
		const char *server = lfirst(lc);
		PartnerApiDeadlines times = partner_api_server_deadlines(server);

		for (int i = 0; i < (int) lengthof(steps); i++)
		{
			int64		time = step_time(i, &times);
			TimestampTz again = DT_NOEND;

			if (time != 0)
				again = take_step(server, &steps[i], now, time);
			next = Min(next, again);
		}
	}
	return next;
}
