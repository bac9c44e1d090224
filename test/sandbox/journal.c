/*-------------------------------------------------------------------------
 *
 * journal.c
 *	  The request ring and the counters per operation.
 *
 * A request is entered when it has arrived whole, before anything is done
 * about it, so that a test can see one whose answer is withheld.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "journal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING_SIZE 20000
#define BODY_KEPT 8192
#define STATUS_NONE (-1)
#define FAULT_NONE (-1)

typedef struct Entry
{
	uint64_t	seq;			/* 0: free */
	SandboxOperation operation;
	char		method[16];
	char	   *path;
	char	   *query;
	char	   *content_type;	/* NULL if none */
	char	   *body;			/* the first BODY_KEPT bytes */
	size_t		body_kept;
	size_t		body_bytes;
	const char *authorization;
	bool		client_token;
	bool		reused;
	uint64_t	connection;
	int64_t		arrived_us;
	int			status;
	long		fault;
} Entry;

typedef struct Counters
{
	uint64_t	requests;
	uint64_t	effects;
	uint64_t	refused;
	uint64_t	faulted;
} Counters;

bool		sandbox_journal_log = false;

static Entry ring[RING_SIZE];
static uint64_t last_seq = 0;
static Counters counters[SANDBOX_OPERATIONS];

static Entry *
entry_of(uint64_t seq)
{
	Entry	   *entry = &ring[seq % RING_SIZE];

	return seq > 0 && entry->seq == seq ? entry : NULL;
}

static void
free_entry(Entry *entry)
{
	free(entry->path);
	free(entry->query);
	free(entry->content_type);
	free(entry->body);
	memset(entry, 0, sizeof(*entry));
}

static const char *
authorization_kind(const SandboxRequest *request)
{
	const char *value = sandbox_request_header(request, "Authorization");

	if (value == NULL)
		return "none";
	return strncmp(value, "Bearer ", 7) == 0 ? "bearer" : "other";
}

/* Keep the start of the body, or of what may be shown of it. */
static void
keep_body(Entry *entry, const SandboxRequest *request)
{
	char	   *shown = NULL;
	size_t		len = request->body.len;

	if (request->provider != NULL && request->provider->shown_body != NULL)
		shown = request->provider->shown_body(request);
	if (shown != NULL)
		len = strlen(shown);
	entry->body_bytes = request->body.len;
	entry->body_kept = len < BODY_KEPT ? len : BODY_KEPT;
	entry->body = sandbox_strndup(shown != NULL ? shown : request->body.data,
								  entry->body_kept);
	free(shown);
}

/* Enter a request that has arrived and been routed. */
void
sandbox_journal_begin(SandboxRequest *request)
{
	Entry	   *entry;

	counters[request->operation].requests++;
	request->seq = ++last_seq;
	entry = &ring[request->seq % RING_SIZE];
	free_entry(entry);
	entry->seq = request->seq;
	entry->operation = request->operation;
	memcpy(entry->method, request->method, sizeof(entry->method));
	entry->path = sandbox_masked_path(request);
	entry->query = sandbox_strdup(request->query);
	entry->content_type =
		sandbox_strdup(sandbox_request_header(request, "Content-Type"));
	keep_body(entry, request);
	entry->authorization = authorization_kind(request);
	entry->client_token =
		sandbox_request_header(request, "Client-Token") != NULL;
	entry->reused = request->reused;
	entry->connection = request->peer->number;
	entry->arrived_us = request->arrived_us;
	entry->status = STATUS_NONE;
	entry->fault = FAULT_NONE;
}

/* A fault rule strikes the request. */
void
sandbox_journal_fault(const SandboxRequest *request, long rule)
{
	Entry	   *entry = entry_of(request->seq);

	counters[request->operation].faulted++;
	if (entry != NULL)
		entry->fault = rule;
}

/* The provider's own rules made the reply that the request holds now. */
void
sandbox_journal_served(const SandboxRequest *request)
{
	counters[request->operation].effects += request->effects;
	if (request->reply.status >= 400)
		counters[request->operation].refused++;
}

/* The request is answered with this status, or SANDBOX_STATUS_CLOSED. */
void
sandbox_journal_end(const SandboxRequest *request, unsigned status)
{
	Entry	   *entry = entry_of(request->seq);

	if (entry == NULL)
		return;
	entry->status = (int) status;
	if (sandbox_journal_log)
		fprintf(stderr, "%llu %s %s %u\n", (unsigned long long) entry->seq,
				entry->method, entry->path, status);
}

/* The request is over; if nothing answered it, its client went away. */
void
sandbox_journal_gone(const SandboxRequest *request)
{
	const Entry *entry = entry_of(request->seq);

	if (entry != NULL && entry->status == STATUS_NONE)
		sandbox_journal_end(request, SANDBOX_STATUS_CLOSED);
}

/* Empty the ring; the numbers go on. */
void
sandbox_journal_forget(void)
{
	int			i;

	for (i = 0; i < RING_SIZE; i++)
		free_entry(&ring[i]);
}

void
sandbox_journal_reset(void)
{
	sandbox_journal_forget();
	memset(counters, 0, sizeof(counters));
}

/* Counters of all operations. */
json_t *
sandbox_journal_operations(void)
{
	json_t	   *result = json_object();
	int			i;

	for (i = 0; i < SANDBOX_OPERATIONS; i++)
	{
		const Counters *c = &counters[i];

		json_object_set_new(result, sandbox_operation_names[i],
							json_pack("{s:I, s:I, s:I, s:I}",
									  "requests", (json_int_t) c->requests,
									  "effects", (json_int_t) c->effects,
									  "refused", (json_int_t) c->refused,
									  "faulted", (json_int_t) c->faulted));
	}
	return result;
}

/* Text of unknown encoding as a JSON string. */
static json_t *
text_json(const char *text, size_t len)
{
	char	   *copy;
	json_t	   *result;

	if (text == NULL)
		return json_null();
	copy = sandbox_strndup(text, len);
	sandbox_force_utf8(copy, len);
	result = json_string(copy);
	free(copy);
	return result;
}

static json_t *
plain_text_json(const char *text)
{
	return text_json(text, text != NULL ? strlen(text) : 0);
}

static json_t *
entry_json(const Entry *entry)
{
	return json_pack("{s:I, s:s, s:s, s:o, s:o, s:o, s:I, s:b, s:I, s:o, s:s,"
					 " s:b, s:o, s:o, s:I}",
					 "seq", (json_int_t) entry->seq,
					 "operation", sandbox_operation_names[entry->operation],
					 "method", entry->method,
					 "path", plain_text_json(entry->path),
					 "query", plain_text_json(entry->query),
					 "status", entry->status == STATUS_NONE ?
					 json_null() : json_integer(entry->status),
					 "connection", (json_int_t) entry->connection,
					 "reused", entry->reused,
					 "arrived_us", (json_int_t) entry->arrived_us,
					 "content_type", plain_text_json(entry->content_type),
					 "authorization", entry->authorization,
					 "client_token", entry->client_token,
					 "fault", entry->fault == FAULT_NONE ?
					 json_null() : json_integer(entry->fault),
					 "body", text_json(entry->body, entry->body_kept),
					 "body_bytes", (json_int_t) entry->body_bytes);
}

/* A query parameter as a number, or "otherwise". */
static long
query_number(const SandboxRequest *request, const char *name, long otherwise)
{
	char	   *text = sandbox_query_value(request, name);
	long		result;

	if (!sandbox_parse_long(text, 0, LONG_MAX, &result))
		result = otherwise;
	free(text);
	return result;
}

/* Is there an entry of this number that is asked for? */
static bool
wanted(uint64_t seq, const char *operation)
{
	const Entry *entry = entry_of(seq);

	return entry != NULL &&
		(operation == NULL ||
		 strcmp(operation, sandbox_operation_names[entry->operation]) == 0);
}

/* The number from which on there are exactly "limit" wanted ones, or all. */
static uint64_t
start_of_last(long limit, const char *operation)
{
	uint64_t	seq = last_seq + 1;
	uint64_t	oldest = last_seq > RING_SIZE ? last_seq - RING_SIZE : 0;

	while (limit > 0 && seq > oldest + 1)
	{
		if (wanted(--seq, operation))
			limit--;
	}
	return seq;
}

/* Answer GET /_sandbox/requests, whose query chooses. */
void
sandbox_journal_requests(const SandboxRequest *request, SandboxBuffer *result)
{
	char	   *operation = sandbox_query_value(request, "operation");
	long		limit = query_number(request, "limit", LONG_MAX);
	long		since = query_number(request, "since", -1);
	uint64_t	oldest = last_seq > RING_SIZE ? last_seq - RING_SIZE + 1 : 1;
	uint64_t	seq = (uint64_t) since + 1;
	const char *separator = "";
	char		head[64];

	if (since < 0)
		seq = start_of_last(limit, operation);
	else if (seq < oldest)
		seq = oldest;
	snprintf(head, sizeof(head), "{\"last_seq\":%llu,\"requests\":[",
			 (unsigned long long) last_seq);
	sandbox_buffer_text(result, head);
	for (; seq <= last_seq && limit > 0; seq++)
	{
		if (!wanted(seq, operation))
			continue;
		sandbox_buffer_text(result, separator);
		sandbox_buffer_json(result, entry_json(entry_of(seq)));
		separator = ",";
		limit--;
	}
	sandbox_buffer_text(result, "]}");
	free(operation);
}
