/*-------------------------------------------------------------------------
 *
 * live.c
 *	  Reads at a provider from the caller's own backend.
 *
 * They change nothing, so they need no action: the backend sends them itself,
 * on a connection that it keeps, and may be cancelled at any time.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "listing.h"
#include "live.h"
#include "miscadmin.h"
#include "policy.h"
#include "redact.h"
#include "storage/condition_variable.h"
#include "utils/memutils.h"

/* A backend reads one thing at a time. */
#define BACKEND_CONNECTIONS 2
/* A cancel is noticed after this long at the latest. */
#define POLL_SLICE_MS 10

/* The engine of this backend, made on first use and kept. */
static PartnerApiHttp *
backend_engine(void)
{
	static PartnerApiHttp *engine = NULL;

	if (engine == NULL)
		engine = partner_api_http_create(TopMemoryContext,
										 BACKEND_CONNECTIONS);
	return engine;
}

/* A server as the current user may use it, with the credential. */
PartnerApiServer *
partner_api_live_server(const char *name)
{
	PartnerApiServer *server = partner_api_server_load(name, GetUserId());

	partner_api_server_load_credential(server, GetUserId());
	return server;
}

/* ---- limits ---- */

/* Words for what keeps reads away for a time. */
static const char *
shut_words(PartnerApiShut shut)
{
	switch (shut)
	{
		case PARTNER_API_SHUT_RETRY_AFTER:
			return "The provider asked to be left alone (Retry-After).";
		case PARTNER_API_SHUT_USED_UP:
			return "The provider's rate limit is used up until its reset.";
		case PARTNER_API_SHUT_BUSY:
			return "The provider said that there are too many requests.";
		case PARTNER_API_SHUT_RATE:
			return "The server's rate_limit is used up.";
		case PARTNER_API_SHUT_QUOTA:
			return "The server's request_quota is used up.";
		case PARTNER_API_SHUT_POLLS:
			return "The poll_share of the server's request_quota is used up.";
		default:
			return "As many requests are in flight as max_concurrency allows.";
	}
}

static void refuse(const PartnerApiServer *server,
				   const PartnerApiRefusal *refusal)
			pg_attribute_noreturn();

/* Raise ERROR for a read that may not start in time. */
static void
refuse(const PartnerApiServer *server, const PartnerApiRefusal *refusal)
{
	if (refusal->shut == PARTNER_API_SHUT_CIRCUIT)
		ereport(ERROR,
				errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
				errmsg("server \"%s\" is not reached", server->name),
				errdetail("%d requests in a row failed, the last with: %s.  Nothing was sent; the next probe is due in %d s.",
						  refusal->failures, refusal->last_error,
						  (int) (refusal->probe_in_us / 1000000)),
				errhint("Check the network; partner_api.test_connection('%s') tries at once.",
						server->name));
	ereport(ERROR,
			errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			errmsg("server \"%s\" takes no request now", server->name),
			errdetail("%s  Nothing was sent.", shut_words(refusal->shut)),
			refusal->wait_us > 0 ?
			errhint("Try again in %d s; see partner_api.server_health.",
					(int) (refusal->wait_us / 1000000) + 1) :
			errhint("Try again, or raise max_concurrency of the server; see partner_api.server_health."));
}

/*
 * Take a place among the requests of the credential, interruptibly.  Waits no
 * longer than a request may take; raises ERROR if there is none until then.
 */
static void
enter(const PartnerApiServer *server, PartnerApiUrgency urgency,
	  PartnerApiPermit *permit)
{
	int64		give_up_at = 0;
	PartnerApiRefusal refusal;

	while (!partner_api_limits_enter(&server->limits, urgency, permit,
									 &refusal))
	{
		int64		now = partner_api_monotonic_us();

		if (give_up_at == 0)
			give_up_at = now + server->endpoint.timeout_ms * INT64CONST(1000);
		if (refusal.shut == PARTNER_API_SHUT_CIRCUIT ||
			now >= give_up_at || now + refusal.wait_us > give_up_at)
			refuse(server, &refusal);
		partner_api_limits_sleep(&refusal, refusal.wait_us > 0 ?
								 refusal.wait_us : give_up_at - now);
	}
	if (give_up_at != 0)
		ConditionVariableCancelSleep();
}

/* ---- requests ---- */

/* Send a read and wait for its answer, interruptibly. */
static const PartnerApiResponse *
exchange(const PartnerApiServer *server, const PartnerApiRequest *request)
{
	PartnerApiHttp *engine = backend_engine();
	PartnerApiCall *call;

	partner_api_check_request_host(request);
	call = partner_api_http_start(engine,
								  CurrentMemoryContext,
								  &server->endpoint, request,
								  false, NULL);

	/* a call that was cancelled earlier is gone with its context */
	while (partner_api_http_next_finished(engine) != call)
	{
		CHECK_FOR_INTERRUPTS();
		partner_api_http_wait(engine, POLL_SLICE_MS, -1);
	}
	return partner_api_call_response(call);
}

/*
 * Send a read, as soon as the limits of its credential allow it, and wait for
 * its answer, interruptibly.  The answer lives in the current context; it may
 * be none (see "complete").
 */
const PartnerApiResponse *
partner_api_live_fetch(const PartnerApiServer *server,
					   PartnerApiUrgency urgency,
					   const PartnerApiRequest *request)
{
	const PartnerApiResponse *volatile response = NULL;
	PartnerApiPermit permit;

	enter(server, urgency, &permit);
	PG_TRY();
	{
		response = exchange(server, request);
	}
	PG_CATCH();
	{
		partner_api_limits_leave(&permit, NULL);
		PG_RE_THROW();
	}
	PG_END_TRY();
	partner_api_limits_leave(&permit,
							 partner_api_goes_elsewhere(server, request) ?
							 NULL : response);
	return response;
}

/* ---- errors ---- */

/* What can be said of an answer without its body. */
static char *
status_words(const PartnerApiResponse *response)
{
	if (!response->complete)
		return psprintf("The request failed: %s.", response->transport_error);
	return psprintf("The provider answered with status %d.", response->status);
}

static void refuse_answer(const PartnerApiServer *server,
						  const char *instance_token,
						  const PartnerApiResponse *response,
						  const char *message) pg_attribute_noreturn();

/* Raise ERROR for a complete answer that is not what was asked for. */
static void
refuse_answer(const PartnerApiServer *server, const char *instance_token,
			  const PartnerApiResponse *response, const char *message)
{
	char	   *words =
	partner_api_redact(message, partner_api_server_secrets(server,
														   instance_token));

	ereport(ERROR,
			errcode(ERRCODE_FDW_UNABLE_TO_CREATE_REPLY),
			errmsg("could not read the answer of server \"%s\"", server->name),
			errdetail("%s The answer: %s", status_words(response),
					  words != NULL ? words : "(nothing)"));
}

/*
 * What a caller can do about a refused read; NULL if nothing in general.  A
 * new instance may refuse its own token for some minutes.
 */
static const char *
read_hint(const PartnerApiServer *server, const char *instance_token,
		  PartnerApiReason reason)
{
	if (reason == PARTNER_API_REASON_CREDENTIAL && instance_token != NULL &&
		server->provider->ready_ms > 0)
		return "Try again in some minutes if the instance is new (its ready_at is null); else partner_api.sync_instances() reads its token anew.";
	switch (reason)
	{
		case PARTNER_API_REASON_LOST:
			return NULL;
		case PARTNER_API_REASON_NOT_READY:
			return "Try again in some minutes; partner_api.reboot_instance() may help an instance that stays so.";
		default:
			return partner_api_reason_hint(reason);
	}
}

/* An answer in the provider's words, or as it is. */
static const char *
answer_words(const PartnerApiServer *server,
			 const PartnerApiResponse *response)
{
	return server->provider->words != NULL ?
		server->provider->words(response) : response->body;
}

/* Raise ERROR unless the answer is complete and no refusal. */
static void
check_answer(const PartnerApiServer *server, const char *instance_token,
			 const PartnerApiResponse *response)
{
	PartnerApiReason reason = partner_api_provider_reason(server->provider,
														  response);
	const char *hint = read_hint(server, instance_token, reason);
	const List *secrets = partner_api_server_secrets(server, instance_token);

	if (instance_token == NULL)
		partner_api_limits_answered(&server->limits, reason);
	if (reason == PARTNER_API_REASON_NONE)
		return;
	if (!response->complete)
		ereport(ERROR,
				errcode(ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION),
				errmsg("could not reach server \"%s\"", server->name),
				errdetail("The request failed: %s.",
						  response->transport_error),
				errhint("Check the server's base_url, ca_file, timeouts and max_response_bytes, and the network."));
	ereport(ERROR,
			errcode(reason == PARTNER_API_REASON_LOST ? ERRCODE_FDW_ERROR :
					partner_api_reason_sqlstate(reason)),
			errmsg("server \"%s\" refused the request with status %d",
				   server->name, response->status),
			response->body_len > 0 ?
			errdetail("The answer: %s",
					  partner_api_redact(answer_words(server, response),
										 secrets)) : 0,
			hint != NULL ? errhint("%s", hint) : 0);
}

/* ---- single values ---- */

/* Raise ERROR for a read that the provider does not have, or not like this. */
void
partner_api_live_check_read(const PartnerApiServer *server,
							PartnerApiRead read, const char *parameter)
{
	const char *hint = NULL;

	if (!server->provider->supports_read(read, &hint))
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("provider \"%s\" does not tell this",
					   server->provider->name),
				hint != NULL ? errhint("%s", hint) : 0);
	server->provider->check_read(read, parameter);
}

/* Send a read of one thing, once it is checked, and wait for its answer. */
static const PartnerApiResponse *
fetch_read(const PartnerApiServer *server, PartnerApiRead read,
		   const PartnerApiTarget *target, const char *parameter)
{
	PartnerApiRequest request = {0};

	server->provider->build_read(read, target, parameter,
								 &server->credential, &request);
	return partner_api_live_fetch(server, PARTNER_API_POLL, &request);
}

/* Take what was read out of its answer; raises ERROR if it is not there. */
static void
take_read(const PartnerApiServer *server, PartnerApiRead read,
		  const PartnerApiTarget *target, const PartnerApiResponse *response,
		  PartnerApiReadResult *result)
{
	const List *secrets = partner_api_server_secrets(server, target->token);
	char	   *message = NULL;

	check_answer(server, target->token, response);
	if (!server->provider->parse_read(read, response, result, &message))
		refuse_answer(server, target->token, response, message);
	if (result->text != NULL)
		result->text = partner_api_redact_whole(result->text, secrets);
}

/*
 * Read something of one instance, plan or subscription, once the read is
 * checked; text is without secrets and in the encoding of the database.
 * Raises ERROR if there is no answer.
 */
void
partner_api_live_read(const PartnerApiServer *server, PartnerApiRead read,
					  const PartnerApiTarget *target, const char *parameter,
					  PartnerApiReadResult *result)
{
	take_read(server, read, target,
			  fetch_read(server, read, target, parameter), result);
}

/*
 * The same of what there may not be, without a parameter; false if the
 * provider says that there is none.
 */
bool
partner_api_live_read_if_any(const PartnerApiServer *server,
							 PartnerApiRead read,
							 const PartnerApiTarget *target,
							 PartnerApiReadResult *result)
{
	const PartnerApiResponse *response = fetch_read(server, read, target,
													NULL);

	switch (partner_api_provider_reason(server->provider, response))
	{
		case PARTNER_API_REASON_REFUSED:
		case PARTNER_API_REASON_NOT_FOUND:
			return false;
		default:
			take_read(server, read, target, response, result);
			return true;
	}
}

/* ---- lists ---- */

/*
 * Read one page of a list; those of its rows that are new are in the current
 * context.  Raises ERROR if it cannot be read, or is one too many.
 */
void
partner_api_live_page(const PartnerApiServer *server,
					  const PartnerApiFilter *filter, int number,
					  PartnerApiListing *listing, PartnerApiPage *page)
{
	MemoryContext rows_context = CurrentMemoryContext;
	MemoryContext call_context = AllocSetContextCreate(rows_context,
													   "partner_api list page",
													   ALLOCSET_DEFAULT_SIZES);
	PartnerApiRequest request = {0};
	const PartnerApiResponse *response;
	char	   *message = NULL;
	bool		readable;

	if (number > PARTNER_API_MOST_PAGES)
		ereport(ERROR,
				errcode(ERRCODE_FDW_ERROR),
				errmsg("the list of server \"%s\" has no end", server->name));
	MemoryContextSwitchTo(call_context);
	server->provider->build_list(filter, number, &server->credential,
								 &request);
	response = partner_api_live_fetch(server, PARTNER_API_POLL, &request);
	/* of one thing "not found" may be what its list is: empty */
	if (response->status != 404 ||
		(!partner_api_list_is_narrow(filter->list) &&
		 !partner_api_list_is_searched(filter->list)))
		check_answer(server, NULL, response);
	MemoryContextSwitchTo(rows_context);
	readable = server->provider->parse_list(filter, response, number, page,
											&message);
	if (!readable)
	{
		check_answer(server, NULL, response);
		refuse_answer(server, NULL, response, message);
	}
	page->rows = partner_api_listing_add(listing, page);
	MemoryContextDelete(call_context);
}

/* Read all pages; false if the list changed meanwhile. */
static bool
read_pages(const PartnerApiServer *server, const PartnerApiFilter *filter,
		   List **rows)
{
	PartnerApiListing listing;
	PartnerApiPage page = {0};

	*rows = NIL;
	partner_api_listing_begin(&listing, server->time_zone);
	for (int number = 1; !page.last; number++)
	{
		memset(&page, 0, sizeof(page));
		partner_api_live_page(server, filter, number, &listing, &page);
		*rows = list_concat(*rows, page.rows);
	}
	partner_api_listing_end(&listing);
	return !listing.moved;
}

/* Raise ERROR for a list that changed each time it was read. */
void
partner_api_live_list_changes(const PartnerApiServer *server)
{
	ereport(ERROR,
			errcode(ERRCODE_FDW_ERROR),
			errmsg("the list of server \"%s\" changes while it is read",
				   server->name),
			errdetail("It was read %d times, and its total was never the same from the first page to the last.",
					  PARTNER_API_MOST_READINGS),
			errhint("Try again."));
}

/* Raise ERROR for a list that the provider does not have. */
void
partner_api_live_check_list(const PartnerApiServer *server,
							PartnerApiList list)
{
	if (!server->provider->supports_list(list))
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("provider \"%s\" has no list of %s",
					   server->provider->name, partner_api_list_name(list)),
				errhint("It lists %s.",
						partner_api_list_name(server->provider->main_list)));
}

/*
 * The provider's whole list, all pages, each instance once, in the current
 * context.  Raises ERROR if any page cannot be read, or if the list keeps
 * changing: a part of a list is never returned.
 */
List *
partner_api_live_list(const PartnerApiServer *server,
					  const PartnerApiFilter *filter)
{
	List	   *rows;

	for (int i = 0; i < PARTNER_API_MOST_READINGS; i++)
	{
		if (read_pages(server, filter, &rows))
			return rows;
	}
	partner_api_live_list_changes(server);
}
