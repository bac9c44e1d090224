/*-------------------------------------------------------------------------
 *
 * connection_test.c
 *	  SQL: test_connection(), and the record of what it found.
 *
 * Whoever tests wants to know what is wrong, so that nearly all that can be
 * is a result and no error: the network, the provider's refusal, a token of
 * another environment.  Each result is a row of its own in connection_tests:
 * two sessions that test at a time do not wait for each other.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "fmgr.h"
#include "funcapi.h"
#include "live.h"
#include "miscadmin.h"
#include "owner.h"
#include "policy.h"
#include "redact.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(partner_api_test_connection);

/* What a test found. */
typedef struct Finding
{
	bool		ok;
	int			http_status;	/* 0: no answer */
	int64		latency_us;		/* -1: nothing was sent */
	char	   *detail;
} Finding;

/* ---- what is sent ---- */

/* A read that needs the token and no more. */
static void
build_test(const PartnerApiServer *server, const PartnerApiFilter *filter,
		   PartnerApiRequest *request)
{
	const PartnerApiProvider *provider = server->provider;
	PartnerApiTarget target = {0};

	if (provider->test_read != NULL)
		provider->build_read(*provider->test_read, &target, NULL,
							 &server->credential, request);
	else
		provider->build_list(filter, 1, &server->credential, request);
}

/* Does the answer hold what was asked for? */
static bool
passes_test(const PartnerApiServer *server, const PartnerApiFilter *filter,
			const PartnerApiResponse *response)
{
	const PartnerApiProvider *provider = server->provider;
	PartnerApiReadResult result = {0};
	PartnerApiPage page = {0};
	char	   *message = NULL;

	if (partner_api_provider_reason(provider, response) !=
		PARTNER_API_REASON_NONE)
		return false;
	if (provider->test_read != NULL)
		return provider->parse_read(*provider->test_read, response, &result,
									&message);
	return provider->parse_list(filter, response, 1, &page, &message);
}

/* ---- what is said of it ---- */

/* The call of a request: a key may be good for some and not for others. */
static char *
call_name(const PartnerApiRequest *request)
{
	char	   *name = psprintf("%s ", request->method);
	ListCell   *lc;

	foreach(lc, request->path)
		name = psprintf("%s/%s", name, (char *) lfirst(lc));
	return name;
}

/* An answer that is no success, in words; a provider's own name the call. */
static char *
failure_words(const PartnerApiServer *server,
			  const PartnerApiRequest *request,
			  const PartnerApiResponse *response)
{
	const PartnerApiProvider *provider = server->provider;
	const List *secrets = partner_api_server_secrets(server, NULL);

	if (!response->complete)
		return pstrdup(response->transport_error);
	if (provider->words == NULL)
		return partner_api_redact(response->body, secrets);
	return psprintf("%s: %s", call_name(request),
					partner_api_redact(provider->words(response), secrets));
}

/* What is to be said about an answer to the test. */
static char *
test_detail(const PartnerApiServer *server, const PartnerApiRequest *request,
			const PartnerApiResponse *response, bool ok)
{
	PartnerApiReason reason = partner_api_provider_reason(server->provider,
														  response);
	const char *hint = reason == PARTNER_API_REASON_LOST ? NULL :
	partner_api_reason_hint(reason);
	char	   *words;

	if (ok)
		return psprintf("server \"%s\" accepts the token", server->name);
	words = failure_words(server, request, response);
	return hint != NULL ? psprintf("%s (%s)", words, hint) : words;
}

/* ---- the test ---- */

/*
 * Send the test and judge its answer.  Whoever asks wants to know now: it
 * probes an open circuit.
 */
static void
run_test(const PartnerApiServer *server, Finding *finding)
{
	PartnerApiFilter filter = {.list = server->provider->main_list,
		.page_size = 1
	};
	PartnerApiRequest request = {0};
	const PartnerApiResponse *response;
	int64		started = partner_api_monotonic_us();

	build_test(server, &filter, &request);
	response = partner_api_live_fetch(server, PARTNER_API_PROBE, &request);
	partner_api_limits_answered(&server->limits,
								partner_api_provider_reason(server->provider,
															response));
	finding->ok = passes_test(server, &filter, response);
	finding->http_status = response->status;
	finding->detail = test_detail(server, &request, response, finding->ok);
	finding->latency_us = partner_api_monotonic_us() - started;
}

/*
 * Record what was found, for server_health.  A standby and a read-only
 * transaction can test, but record nothing.
 */
static void
record_finding(const char *server, const Finding *finding)
{
	static const Oid types[] = {NAMEOID, TIMESTAMPTZOID, NAMEOID, BOOLOID,
		INT4OID, FLOAT8OID, TEXTOID
	};
	static PartnerApiStatement statement = {
		"INSERT INTO partner_api.connection_tests (server, tested_at,"
		"    tested_by, ok, http_status, latency_ms, detail)"
		" VALUES ($1, $2, $3, $4, nullif($5, 0),"
		"         CASE WHEN $6 >= 0 THEN $6 END, $7)", 7, types, NULL
	};
	PartnerApiOwnerScope scope;
	NameData	name;
	NameData	role;
	Datum		values[7];

	if (XactReadOnly)
		return;
	namestrcpy(&name, server);
	namestrcpy(&role, GetUserNameFromId(GetUserId(), false));
	values[0] = NameGetDatum(&name);
	values[1] = TimestampTzGetDatum(partner_api_clock_now());
	values[2] = NameGetDatum(&role);
	values[3] = BoolGetDatum(finding->ok);
	values[4] = Int32GetDatum(finding->http_status);
	values[5] = Float8GetDatum((double) finding->latency_us / 1000.0);
	values[6] = CStringGetTextDatum(finding->detail);
	partner_api_owner_begin(&scope);
	partner_api_execute(&statement, values, NULL, SPI_OK_INSERT);
	partner_api_owner_end(&scope);
}

/*
 * SQL: test_connection(server) -> ok, http_status, latency_ms, detail.  Reads
 * one row of the list, or what the provider has for it, which costs nothing
 * and needs the token.
 */
Datum
partner_api_test_connection(PG_FUNCTION_ARGS)
{
	PartnerApiServer *server =
	partner_api_server_load(NameStr(*PG_GETARG_NAME(0)), GetUserId());
	const char *fault = partner_api_server_read_credential(server,
														   GetUserId());
	Finding		finding = {.latency_us = -1};
	Datum		values[4];
	bool		nulls[4] = {false};
	TupleDesc	desc;

	if (fault != NULL)
		finding.detail = psprintf("the token is not one of server \"%s\": %s",
								  server->name, fault);
	else
		run_test(server, &finding);
	record_finding(server->name, &finding);

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = BoolGetDatum(finding.ok);
	values[1] = Int32GetDatum(finding.http_status);
	nulls[1] = finding.http_status == 0;
	values[2] = Float8GetDatum((double) finding.latency_us / 1000.0);
	nulls[2] = finding.latency_us < 0;
	values[3] = CStringGetTextDatum(finding.detail);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values,
											 nulls));
}
