/*-------------------------------------------------------------------------
 *
 * survey.c
 *	  Surveys: the worker's own reading of a server's whole list.
 *
 * A database that was promoted or restored may lack the last commits of the
 * one that it was made from, and with them the record of instances that were
 * paid for.  So nothing is sent to a server until its list has been read whole
 * and taken in: what carries a nonce of this installation is adopted, with its
 * token.  A list may lag behind; it is read once more when its lag is over.
 * Of a long list that can be searched by time, what may be missing is enough.
 *
 * What is open is in the table server_surveys and, in the worker, in memory.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "announce.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "limits_shared.h"
#include "listing.h"
#include "owner.h"
#include "redact.h"
#include "subtransaction.h"
#include "survey.h"
#include "sync.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* A list that cannot be read is tried again after this, doubling. */
#define FIRST_PAUSE (1 * USECS_PER_SEC)
#define MOST_DOUBLINGS 6
/* Everything waits for it, what has a deadline included. */
#define SURVEY_URGENCY PARTNER_API_URGENT

/* One reading of a list; everything of it lives in its context. */
typedef struct Reading
{
	MemoryContext context;
	MemoryContext page_context; /* the call of the page being read */
	PartnerApiAccount *account;
	PartnerApiPermit permit;
	PartnerApiFilter filter;
	PartnerApiListing listing;
	List	   *rows;			/* of PartnerApiListRow * */
	int			page;
	bool		running;		/* a page is on the wire */
	bool		over;			/* read whole, or failed */
	TimestampTz began_at;
	char	   *error;			/* why it failed, in UTF-8; NULL: read whole */
} Reading;

/* One server that is surveyed; in TopMemoryContext. */
typedef struct Survey
{
	char	   *server;
	TimestampTz wanted_at;
	TimestampTz known_until;	/* what was made before is known here */
	bool		listed;			/* a list has been taken in */
	TimestampTz next_at;		/* not before this time, by our clock */
	int			failures;		/* in a row */
	Reading    *reading;		/* NULL: none */
} Survey;

static List *surveys = NIL;		/* of Survey *; only what is open */
static bool stale = false;		/* the table knows better */

/* ---- what is open ---- */

/* Give up, or be done with, what a survey is reading. */
static void
drop_reading(Survey *survey)
{
	if (survey->reading == NULL)
		return;
	partner_api_limits_leave(&survey->reading->permit, NULL);
	MemoryContextDelete(survey->reading->context);
	survey->reading = NULL;
}

/* Forget a survey, and give up its reading. */
static void
forget(Survey *survey)
{
	drop_reading(survey);
	surveys = list_delete_ptr(surveys, survey);
	pfree(survey->server);
	pfree(survey);
}

/* One row of the table, as the worker keeps it. */
static Survey *
read_survey(int row)
{
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
	Survey	   *survey = palloc0(sizeof(Survey));
	bool		isnull;

	survey->server = partner_api_field_text(row, 1);
	survey->wanted_at = DatumGetTimestampTz(partner_api_field(row, 2,
															  &isnull));
	survey->listed = DatumGetBool(partner_api_field(row, 3, &isnull));
	survey->known_until = DatumGetTimestampTz(partner_api_field(row, 4,
																&isnull));
	survey->next_at = survey->wanted_at;
	MemoryContextSwitchTo(before);
	return survey;
}

/* Learn what is open from the table. */
void
partner_api_surveys_load(void)
{
	static PartnerApiStatement statement = {
		"SELECT s.server, s.wanted_at, s.listed_at IS NOT NULL, s.known_until"
		"  FROM partner_api.server_surveys s"
		"  JOIN pg_catalog.pg_foreign_server f ON f.srvname = s.server"
		" WHERE s.finished_at IS NULL", 0, NULL, NULL
	};
	uint64		rows;

	stale = false;
	while (surveys != NIL)
		forget(linitial(surveys));
	rows = partner_api_execute(&statement, NULL, NULL, SPI_OK_SELECT);
	for (int row = 0; row < (int) rows; row++)
	{
		Survey	   *survey = read_survey(row);
		MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);

		surveys = lappend(surveys, survey);
		MemoryContextSwitchTo(before);
	}
}

/* Must a list of this server be taken in before anything is sent to it? */
bool
partner_api_survey_blocks(const char *server)
{
	ListCell   *lc;

	foreach(lc, surveys)
	{
		const Survey *survey = lfirst(lc);

		if (!survey->listed && strcmp(survey->server, server) == 0)
			return true;
	}
	return false;
}

/* Pages on the wire. */
int
partner_api_surveys_running(void)
{
	int			count = 0;
	ListCell   *lc;

	foreach(lc, surveys)
	{
		const Reading *reading = ((Survey *) lfirst(lc))->reading;

		if (reading != NULL && reading->running)
			count++;
	}
	return count;
}

/* Is there a reading whose end is not recorded yet? */
bool
partner_api_surveys_to_take_in(void)
{
	ListCell   *lc;

	foreach(lc, surveys)
	{
		const Reading *reading = ((Survey *) lfirst(lc))->reading;

		if (reading != NULL && reading->over)
			return true;
	}
	return false;
}

/* When the next reading may begin; DT_NOEND if none is wanted. */
TimestampTz
partner_api_surveys_next_due(void)
{
	TimestampTz next = DT_NOEND;
	ListCell   *lc;

	foreach(lc, surveys)
	{
		const Survey *survey = lfirst(lc);

		if (survey->reading == NULL)
			next = Min(next, survey->next_at);
	}
	return next;
}

/* ---- reading ---- */

/* The role that a survey acts as: the server's owner; NULL: no such server. */
static char *
owner_of(const char *server)
{
	static const Oid types[] = {NAMEOID};
	static PartnerApiStatement statement = {
		"SELECT pg_catalog.pg_get_userbyid(srvowner)"
		"  FROM pg_catalog.pg_foreign_server WHERE srvname = $1",
		1, types, NULL
	};
	NameData	name;
	Datum		value = NameGetDatum(&name);

	namestrcpy(&name, server);
	if (partner_api_execute(&statement, &value, NULL, SPI_OK_SELECT) == 0)
		return NULL;
	return partner_api_field_text(0, 1);
}

/* The end of a reading; error: why it proves nothing, NULL if it does. */
static void
end_reading(Reading *reading, const char *error)
{
	reading->over = true;
	reading->running = false;
	if (error != NULL)
		reading->error = MemoryContextStrdup(reading->context, error);
}

/* What is to be read: all, or what this database may lack. */
static void
choose_rows(Reading *reading, TimestampTz known_until)
{
	const PartnerApiProvider *provider = reading->account->server->provider;
	int64		since_ms = partner_api_unix_ms_from_timestamp(known_until);

	reading->filter.list = provider->main_list;
	if (provider->survey_query != NULL)
		reading->filter.query = provider->survey_query(since_ms);
	partner_api_listing_begin(&reading->listing,
							  reading->account->server->time_zone);
}

/* A reading with the account that it uses; needs a transaction. */
static Reading *
new_reading(PartnerApiAccounts *accounts, const Survey *survey,
			const char *role)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "partner_api survey",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	Reading    *reading = palloc0(sizeof(Reading));

	reading->context = context;
	reading->account = partner_api_account_use(accounts, context,
											   survey->server, role);
	if (reading->account->error != NULL)
		end_reading(reading,
					partner_api_message_as_utf8(reading->account->error->message));
	else
		choose_rows(reading, survey->known_until);
	MemoryContextSwitchTo(before);
	return reading;
}

/* The table knows better: the pass has failed, or asked for another survey. */
void
partner_api_surveys_reload(void)
{
	stale = true;
}

/* Make ready what is due, in a transaction. */
void
partner_api_surveys_prepare(PartnerApiAccounts *accounts, TimestampTz now)
{
	List	   *due;
	ListCell   *lc;

	if (stale)
		partner_api_surveys_load();
	due = list_copy(surveys);
	foreach(lc, due)
	{
		Survey	   *survey = lfirst(lc);
		char	   *role;

		if (survey->reading != NULL || survey->next_at > now)
			continue;
		role = owner_of(survey->server);
		if (role == NULL)
			forget(survey);		/* the server was dropped since */
		else
			survey->reading = new_reading(accounts, survey, role);
	}
}

/* Ask for the next page; the call of the page before is given up. */
static void
request_page(PartnerApiHttp *http, Survey *survey)
{
	Reading    *reading = survey->reading;
	const PartnerApiServer *server = reading->account->server;
	PartnerApiRequest request = {0};
	MemoryContext done = reading->page_context;
	MemoryContext before;

	reading->page_context = AllocSetContextCreate(reading->context,
												  "partner_api list page",
												  ALLOCSET_DEFAULT_SIZES);
	before = MemoryContextSwitchTo(reading->page_context);
	reading->page++;
	server->provider->build_list(&reading->filter, reading->page,
								 &server->credential, &request);
	partner_api_http_start(http, reading->page_context, &server->endpoint,
						   &request, false, survey);
	MemoryContextSwitchTo(before);
	if (done != NULL)
		MemoryContextDelete(done);
}

/* What failed, in a caught error; to be called in the reading's context. */
static void
end_with_caught_error(Reading *reading)
{
	ErrorData  *error;

	MemoryContextSwitchTo(reading->context);
	error = CopyErrorData();
	FlushErrorState();
	end_reading(reading, partner_api_message_as_utf8(error->message));
}

/*
 * Take the place of a request at the server; if there is none now, the survey
 * begins anew when there may be one.
 */
static bool
enter(Survey *survey, TimestampTz now)
{
	PartnerApiRefusal refusal;
	Reading    *reading = survey->reading;

	if (partner_api_limits_enter(&reading->account->server->limits,
								 SURVEY_URGENCY, &reading->permit, &refusal))
		return true;
	drop_reading(survey);
	survey->next_at = now + Max(refusal.wait_us, FIRST_PAUSE);
	return false;
}

/* Put the first page of what is ready on the wire; no transaction is open. */
void
partner_api_surveys_start(PartnerApiHttp *http, TimestampTz now)
{
	MemoryContext before = CurrentMemoryContext;
	ListCell   *lc;

	foreach(lc, surveys)
	{
		Survey	   *survey = lfirst(lc);
		Reading    *reading = survey->reading;

		if (reading == NULL || reading->running || reading->over ||
			!enter(survey, now))
			continue;
		reading->began_at = now;
		PG_TRY();
		{
			request_page(http, survey);
			reading->running = true;
		}
		PG_CATCH();
		{
			end_with_caught_error(reading);
		}
		PG_END_TRY();
		MemoryContextSwitchTo(before);
	}
}

/*
 * Take in the rows of a page.  Returns whether there are more pages; if not,
 * the reading is over.  A list that says it has more rows than it shows is
 * taken for whole, as sync_instances() does: it may say so for ever.
 */
static bool
take_rows(Reading *reading, const PartnerApiResponse *response)
{
	const PartnerApiServer *server = reading->account->server;
	PartnerApiPage page = {0};
	char	   *message = NULL;
	const char *problem;

	if (!server->provider->parse_list(&reading->filter, response,
									  reading->page, &page, &message))
	{
		List	   *secrets = partner_api_server_secrets(server, NULL);

		end_reading(reading, partner_api_redact_utf8(message, secrets));
		return false;
	}
	partner_api_limits_answered(&server->limits, PARTNER_API_REASON_NONE);
	reading->rows = list_concat(reading->rows,
								partner_api_listing_add(&reading->listing,
														&page));
	problem = partner_api_listing_problem(&reading->listing, &page);
	if (problem != NULL || page.last)
		end_reading(reading, problem);
	return !reading->over;
}

/* Take in one page; asks for the next one, or ends the reading. */
static void
take_page(PartnerApiHttp *http, Survey *survey,
		  const PartnerApiResponse *response)
{
	Reading    *reading = survey->reading;

	if (!response->complete)
		end_reading(reading, response->transport_error);
	else if (take_rows(reading, response))
	{
		partner_api_limits_go_on(&reading->permit, response);
		request_page(http, survey);
		return;
	}
	partner_api_limits_leave(&reading->permit, response);
}

/* A finished call: false if it is no survey's. */
bool
partner_api_survey_finish(PartnerApiHttp *http, PartnerApiCall *call)
{
	Survey	   *survey = partner_api_call_arg(call);
	MemoryContext before = CurrentMemoryContext;

	if (!list_member_ptr(surveys, survey))
		return false;
	MemoryContextSwitchTo(survey->reading->context);
	PG_TRY();
	{
		take_page(http, survey, partner_api_call_response(call));
	}
	PG_CATCH();
	{
		end_with_caught_error(survey->reading);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(before);
	return true;
}

/* ---- taking in ---- */

/* What the work of taking in needs. */
typedef struct TakeIn
{
	Survey	   *survey;
	TimestampTz now;
	bool		finished;
} TakeIn;

/* Work for partner_api_try(): bring the list into the mirror. */
static void
take_in(void *arg)
{
	TakeIn	   *work = arg;
	Survey	   *survey = work->survey;
	Reading    *reading = survey->reading;
	Datum		counts[PARTNER_API_SYNC_COUNTS];
	bool		nulls[PARTNER_API_SYNC_COUNTS];

	partner_api_sync_apply(reading->account->server, &reading->filter,
						   reading->rows, reading->began_at, counts, nulls);
	partner_api_survey_note(survey->server, NULL, true, work->finished,
							work->now);
	partner_api_announce(LOG, "surveyed", survey->server, 0, NULL,
						 psprintf("has listed server \"%s\": " INT64_FORMAT " %s, " INT64_FORMAT " of them new here",
								  survey->server, DatumGetInt64(counts[0]),
								  partner_api_list_name(reading->filter.list),
								  DatumGetInt64(counts[1])));
}

/* Work for partner_api_try(): say why it goes on. */
static void
note_failure(void *arg)
{
	TakeIn	   *work = arg;

	const Survey *survey = work->survey;

	partner_api_survey_note(survey->server,
							partner_api_text_from_utf8(survey->reading->error),
							survey->listed, false, work->now);
}

/* The reading is over, one way or the other; what comes next? */
static void
go_on(TakeIn *work, bool taken_in, int64 list_lag)
{
	Survey	   *survey = work->survey;

	drop_reading(survey);
	if (taken_in)
	{
		survey->listed = true;
		survey->failures = 0;
		survey->next_at = survey->wanted_at + list_lag;
	}
	else
	{
		survey->next_at = work->now +
			(FIRST_PAUSE << Min(survey->failures, MOST_DOUBLINGS));
		survey->failures++;
	}
	if (taken_in && work->finished)
		forget(survey);
}

/* Take in one reading, or note why it failed. */
static void
take_in_one(PartnerApiWorkerEntry *entry, Survey *survey, TimestampTz now)
{
	Reading    *reading = survey->reading;
	const PartnerApiServer *server = reading->account->server;
	int64		list_lag = server != NULL ? server->list_lag : 0;
	TakeIn		work = {.survey = survey,.now = now};

	work.finished = reading->began_at >= survey->wanted_at + list_lag;
	if (reading->error == NULL)
	{
		ErrorData  *error = partner_api_try(take_in, &work);

		if (error != NULL)
			end_reading(reading, partner_api_message_as_utf8(error->message));
	}
	if (reading->error != NULL)
	{
		partner_api_worker_error(entry,
								 partner_api_text_from_utf8(reading->error));
		(void) partner_api_try(note_failure, &work);
	}
	go_on(&work, reading->error == NULL, list_lag);
}

/* Take in, in the running transaction, what has been read since. */
void
partner_api_surveys_take_in_all(PartnerApiWorkerEntry *entry,
								TimestampTz now)
{
	List	   *all = list_copy(surveys);
	ListCell   *lc;

	foreach(lc, all)
	{
		Survey	   *survey = lfirst(lc);

		if (survey->reading != NULL && survey->reading->over)
			take_in_one(entry, survey, now);
	}
}
