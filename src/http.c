/*-------------------------------------------------------------------------
 *
 * http.c
 *	  The transport: calls on libcurl's multi interface.
 *
 * Four rules keep libcurl and longjmp apart.  No callback here raises an
 * error: it takes a short count and leaves a note in the call.  Every handle
 * has an owner, a memory context, before anything can throw.  Interrupts are
 * served by the caller between partner_api_http_next_finished() and
 * partner_api_http_wait(), never inside.  And while libcurl runs, all signals
 * are blocked, so that a resolver thread which it starts inherits a mask that
 * keeps PostgreSQL's signal handlers out of it.
 *
 * A mutating request is sent once.  libcurl repeats a POST by itself when a
 * reused connection dies before an answer, although the provider may have
 * acted on it: the pre-request callback marks a call as sent and refuses a
 * second pass.
 *
 * What was sent is overwritten once the call is over, as far as it is ours;
 * what libcurl has made of it goes with its handle, see http_url.c.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>
#include <signal.h>
#include <time.h>

#include "compat.h"
#include "http.h"
#include "http_body.h"
#include "http_headers.h"
#include "lib/ilist.h"
#include "utils/memutils.h"
#include "wipe.h"

/*
 * A change does not go out on a connection that was idle for longer: the other
 * end may be closing it (after 5 s or more), and its outcome would be unknown.
 */
#define MOST_IDLE_S 4L
#define FIRST_BODY_BYTES 4096
/* nobody is sent away for longer than a day */
#define MOST_RETRY_AFTER_S 86400

struct PartnerApiHttp
{
	CURLM	   *multi;
	int			running;		/* calls that are not finished */
	dlist_head	calls;			/* all calls that hold an easy handle */
	dlist_head	finished;		/* answered, not yet taken */
	CURL	  **spare;			/* easy handles to be used again */
	int			spares;			/* how many there are */
	int			max_spares;		/* and how many may be kept */
	PartnerApiLastDate last_date;
	MemoryContextCallback release;
};

struct PartnerApiCall
{
	dlist_node	node;			/* in calls */
	dlist_node	finished_node;	/* in finished */
	bool		is_finished;
	PartnerApiHttp *http;		/* NULL once the engine is gone */
	CURL	   *easy;
	struct curl_slist *headers;
	PartnerApiBody sending;
	bool		mutating;
	bool		secret;			/* the body must not stay in memory */
	bool		sent;
	bool		too_large;
	size_t		max_bytes;
	char	   *body;			/* malloc'd: written by a callback */
	size_t		body_len;
	size_t		body_size;
	char		content_type[128];
	int64		date_ms;
	PartnerApiHeaders rate_limit;
	PartnerApiResponse response;
	void	   *arg;
	MemoryContextCallback release;
};

/* ---- ownership ---- */

/* Let a call go: its easy handle leaves the engine. */
static void
detach_call(PartnerApiCall *call)
{
	if (call->http == NULL)
		return;
	if (call->easy != NULL)
		curl_multi_remove_handle(call->http->multi, call->easy);
	dlist_delete(&call->node);
	if (call->is_finished)
		dlist_delete(&call->finished_node);
	else
		call->http->running--;
	call->http = NULL;
}

/* Reset callback: free what the call holds, in whatever state. */
static void
release_call(void *arg)
{
	PartnerApiCall *call = arg;

	detach_call(call);
	partner_api_body_release(&call->sending);
	if (call->easy != NULL)
		curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	partner_api_wiping_free(call->body);	/* may repeat what was sent */
}

/* Reset callback: cut off the calls that are left, then close. */
static void
release_http(void *arg)
{
	PartnerApiHttp *http = arg;
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &http->calls)
		detach_call(dlist_container(PartnerApiCall, node, iter.cur));
	while (http->spares > 0)
		curl_easy_cleanup(http->spare[--http->spares]);
	if (http->multi != NULL)
		curl_multi_cleanup(http->multi);
}

/*
 * Make an engine that keeps up to max_connections connections.  It lives as
 * long as "owner"; calls that outlive it are cut off.
 */
PartnerApiHttp *
partner_api_http_create(MemoryContext owner, int max_connections)
{
	PartnerApiHttp *http;

	partner_api_curl_init();
	http = MemoryContextAllocZero(owner, sizeof(PartnerApiHttp));
	dlist_init(&http->calls);
	dlist_init(&http->finished);
	http->max_spares = max_connections;
	http->spare = MemoryContextAlloc(owner, max_connections * sizeof(CURL *));
	http->release.func = release_http;
	http->release.arg = http;
	MemoryContextRegisterResetCallback(owner, &http->release);

	http->multi = curl_multi_init();
	if (http->multi == NULL ||
		curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS,
						  (long) max_connections) != CURLM_OK ||
		curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
						  (long) max_connections) != CURLM_OK)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("could not initialize libcurl"));
	return http;
}

/*
 * Easy handles are used again: to make one is what costs most about a short
 * request.  Resetting one drops all options of the last request, so that no
 * token, callback or pointer of it is left for the next.
 */
static CURL *
get_handle(PartnerApiHttp *http)
{
	return http->spares > 0 ? http->spare[--http->spares] : curl_easy_init();
}

/*
 * Take the handle of a call that is through.  One that was given up in the
 * middle is not worth the doubt: its call frees it.  One that has sent a
 * secret keeps a buffer with it: that goes at once.
 */
static void
reclaim_handle(PartnerApiHttp *http, PartnerApiCall *call)
{
	partner_api_body_release(&call->sending);
	if (call->secret)
	{
		curl_easy_cleanup(call->easy);
		call->easy = NULL;
		return;
	}
	if (http->spares == http->max_spares)
		return;
	curl_easy_reset(call->easy);
	http->spare[http->spares++] = call->easy;
	call->easy = NULL;
}

/* ---- callbacks: nothing here may raise an error ---- */

/* Room for "more" further bytes; false if there is none to be had. */
static bool
grow_body(PartnerApiCall *call, size_t more)
{
	size_t		wanted = call->body_len + more + 1;
	size_t		size = Max(call->body_size, FIRST_BODY_BYTES);
	char	   *body;

	if (wanted <= call->body_size)
		return true;
	while (size < wanted)
		size *= 2;
	body = realloc(call->body, size);
	if (body == NULL)
		return false;
	call->body = body;
	call->body_size = size;
	return true;
}

/* Keep a part of the body; a short count ends the transfer. */
static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	PartnerApiCall *call = arg;
	size_t		len = size * count;

	if (call->body_len + len > call->max_bytes)
	{
		call->too_large = true;
		return 0;
	}
	if (!grow_body(call, len))
		return 0;
	memcpy(call->body + call->body_len, data, len);
	call->body_len += len;
	call->body[call->body_len] = '\0';
	return len;
}

/*
 * The Date header tells how far the provider's clock is from ours; others may
 * tell of its rate limit.
 */
static size_t
on_header(char *data, size_t size, size_t count, void *arg)
{
	PartnerApiCall *call = arg;
	size_t		len = size * count;

	if (!partner_api_headers_take_date(&call->http->last_date, data, len,
									   &call->date_ms))
		partner_api_headers_add(&call->rate_limit, data, len);
	return len;
}

#ifdef PARTNER_API_HAVE_PREREQ
/*
 * Called when the request is about to be written to a connection: from here
 * on the provider may act on it.
 */
static int
on_prerequest(void *arg, char *remote_ip, char *local_ip,
			  int remote_port, int local_port)
{
	PartnerApiCall *call = arg;

	if (call->sent && call->mutating)
		return CURL_PREREQFUNC_ABORT;
	call->sent = true;
	return CURL_PREREQFUNC_OK;
}
#endif

/* ---- starting a call ---- */

/* Raise ERROR if libcurl refused an option. */
static void
check_setopt(CURLcode code)
{
	if (code != CURLE_OK)
		ereport(ERROR,
				errcode(ERRCODE_FDW_ERROR),
				errmsg("could not prepare a request"),
				errdetail("libcurl: %s.", curl_easy_strerror(code)));
}

#define SETOPT(call, option, value) \
	check_setopt(curl_easy_setopt((call)->easy, option, value))

/* Add a header line; libcurl copies it. */
static void
append_header(PartnerApiCall *call, const char *line)
{
	struct curl_slist *headers = curl_slist_append(call->headers, line);

	if (headers == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory"));
	call->headers = headers;
}

/*
 * Headers as given, but never one that carries a second header inside: the
 * values come from options and token files.
 */
static void
set_headers(PartnerApiCall *call, const PartnerApiRequest *request)
{
	ListCell   *lc;

	foreach(lc, request->headers)
	{
		const PartnerApiPair *pair = lfirst(lc);
		char	   *line;

		if (strpbrk(pair->value, "\r\n") != NULL)
			ereport(ERROR,
					errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("value of header \"%s\" contains a line break",
						   pair->name));
		line = psprintf("%s: %s", pair->name, pair->value);
		append_header(call, line);
		explicit_bzero(line, strlen(line));
		pfree(line);
	}
	append_header(call, "Expect:");
	SETOPT(call, CURLOPT_HTTPHEADER, call->headers);
}

/* What bounds a request and what it must not do. */
static void
set_limits(PartnerApiCall *call, const PartnerApiEndpoint *endpoint)
{
	call->max_bytes = endpoint->max_response_bytes;
	SETOPT(call, CURLOPT_CONNECTTIMEOUT_MS,
		   (long) endpoint->connect_timeout_ms);
	SETOPT(call, CURLOPT_TIMEOUT_MS, (long) endpoint->timeout_ms);
	SETOPT(call, CURLOPT_NOSIGNAL, 1L);
	SETOPT(call, CURLOPT_FOLLOWLOCATION, 0L);
	SETOPT(call, CURLOPT_PATH_AS_IS, 1L);
	/* a proxy from the environment would see where tokens go */
	SETOPT(call, CURLOPT_PROXY, "");
	partner_api_restrict_protocols_compat(call->easy);
	partner_api_quick_exit_compat(call->easy);
	if (endpoint->ca_file != NULL)
		SETOPT(call, CURLOPT_CAINFO, endpoint->ca_file);
}

/* What libcurl tells us about the transfer. */
static void
set_callbacks(PartnerApiCall *call)
{
	SETOPT(call, CURLOPT_PRIVATE, call);
	SETOPT(call, CURLOPT_WRITEFUNCTION, on_body);
	SETOPT(call, CURLOPT_WRITEDATA, call);
	SETOPT(call, CURLOPT_HEADERFUNCTION, on_header);
	SETOPT(call, CURLOPT_HEADERDATA, call);
	SETOPT(call, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	if (call->mutating)
		SETOPT(call, CURLOPT_MAXAGE_CONN, MOST_IDLE_S);
#ifdef PARTNER_API_HAVE_PREREQ
	SETOPT(call, CURLOPT_PREREQFUNCTION, on_prerequest);
	SETOPT(call, CURLOPT_PREREQDATA, call);
#else
	/* no way to see a second pass: no connection that could cause one */
	if (call->mutating)
		SETOPT(call, CURLOPT_FRESH_CONNECT, 1L);
#endif
}

/*
 * Put a request on the wire.  The call lives as long as "owner"; deleting
 * that context gives the call up, whatever its state.  Raises ERROR if the
 * request cannot be prepared; then nothing was sent.
 */
PartnerApiCall *
partner_api_http_start(PartnerApiHttp *http, MemoryContext owner,
					   const PartnerApiEndpoint *endpoint,
					   const PartnerApiRequest *request,
					   bool mutating, void *arg)
{
	PartnerApiCall *call = MemoryContextAllocZero(owner,
												  sizeof(PartnerApiCall));
	char	   *url;

	call->mutating = mutating;
	call->secret = request->secret;
	call->arg = arg;
	call->release.func = release_call;
	call->release.arg = call;
	MemoryContextRegisterResetCallback(owner, &call->release);

	call->easy = get_handle(http);
	if (call->easy == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory"));
	url = partner_api_url_compose(request->base_url != NULL ?
								  request->base_url : endpoint->base_url,
								  request);
	SETOPT(call, CURLOPT_URL, url);
	explicit_bzero(url, strlen(url));	/* may hold an instance token */
	set_callbacks(call);
	set_limits(call, endpoint);
	partner_api_body_set(&call->sending, call->easy, request);
	SETOPT(call, CURLOPT_CUSTOMREQUEST, request->method);
	set_headers(call, request);

	if (curl_multi_add_handle(http->multi, call->easy) != CURLM_OK)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("could not start a request"));
	call->http = http;
	dlist_push_tail(&http->calls, &call->node);
	http->running++;
	return call;
}

/* ---- finishing ---- */

/*
 * Words for a transfer that brought no answer.  libcurl's own error buffer is
 * not used: it may quote what was sent.
 */
static const char *
transport_error(const PartnerApiCall *call, CURLcode code)
{
	if (call->too_large)
		return "the answer is larger than max_response_bytes";
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return "the connection was closed before the answer";
	return curl_easy_strerror(code);
}

/* When we may come again, as far as the provider says. */
static void
note_limits(PartnerApiCall *call, curl_off_t retry_after)
{
	PartnerApiResponse *response = &call->response;
	int64		now_ms = call->date_ms != 0 ? call->date_ms :
	(int64) time(NULL) * 1000;
	int64		reset_ms = partner_api_headers_reset_ms(&call->rate_limit,
														now_ms);

	response->retry_after_ms = retry_after > 0 ?
		Min(retry_after, MOST_RETRY_AFTER_S) * 1000 : -1;
	if (response->status == 429)
		response->retry_after_ms = Max(response->retry_after_ms, reset_ms);
	response->used_up_ms =
		partner_api_headers_used_up(&call->rate_limit) ? reset_ms : -1;
}

/* Take down what a finished transfer brought. */
static void
finish_call(PartnerApiCall *call, CURLcode code)
{
	PartnerApiResponse *response = &call->response;
	const char *content_type = NULL;
	curl_off_t	retry_after = 0;
	long		status = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &content_type);
	curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after);
#ifndef PARTNER_API_HAVE_PREREQ
	{
		curl_off_t	pretransfer = 0;

		curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T,
						  &pretransfer);
		call->sent = pretransfer > 0;
	}
#endif
	response->sent = call->sent;
	response->complete = (code == CURLE_OK);
	response->status = (int) status;
	if (content_type != NULL)
	{
		strlcpy(call->content_type, content_type, sizeof(call->content_type));
		response->content_type = call->content_type;
	}
	response->body = call->body != NULL ? call->body : "";
	response->body_len = call->body_len;
	response->date_ms = call->date_ms;
	note_limits(call, retry_after);
	if (!response->complete)
		response->transport_error = transport_error(call, code);

	call->is_finished = true;
	call->http->running--;
	dlist_push_tail(&call->http->finished, &call->finished_node);
}

/* Drive all transfers as far as they go without waiting. */
static void
perform(PartnerApiHttp *http)
{
	CURLMsg    *message;
	CURLMcode	code;
	int			running;
	int			queued;
	sigset_t	all;
	sigset_t	before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = curl_multi_perform(http->multi, &running);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code != CURLM_OK)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("could not drive requests"),
				errdetail("libcurl: %s.", curl_multi_strerror(code)));

	while ((message = curl_multi_info_read(http->multi, &queued)) != NULL)
	{
		PartnerApiCall *call;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
						  (char **) &call);
		finish_call(call, message->data.result);
	}
}

/*
 * The next call that is finished, or NULL if none is.  Its answer stays valid
 * until its owner goes.
 */
PartnerApiCall *
partner_api_http_next_finished(PartnerApiHttp *http)
{
	PartnerApiCall *call;

	if (dlist_is_empty(&http->finished) && http->running > 0)
		perform(http);
	if (dlist_is_empty(&http->finished))
		return NULL;
	call = dlist_container(PartnerApiCall, finished_node,
						   dlist_pop_head_node(&http->finished));
	curl_multi_remove_handle(http->multi, call->easy);
	dlist_delete(&call->node);
	call->http = NULL;
	reclaim_handle(http, call);
	return call;
}

/*
 * Sleep until a transfer can go on, a signal arrives, the time is over, or
 * there is something to read from "fd", unless that is negative.
 */
void
partner_api_http_wait(PartnerApiHttp *http, int timeout_ms, int fd)
{
	struct curl_waitfd more = {.fd = fd,.events = CURL_WAIT_POLLIN};
	CURLMcode	code = curl_multi_poll(http->multi, &more, fd >= 0 ? 1 : 0,
									   timeout_ms, NULL);

	if (code != CURLM_OK)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("could not wait for requests"),
				errdetail("libcurl: %s.", curl_multi_strerror(code)));
}

/* What the caller gave to partner_api_http_start(). */
void *
partner_api_call_arg(const PartnerApiCall *call)
{
	return call->arg;
}

/* The answer of a finished call; owned by the call. */
const PartnerApiResponse *
partner_api_call_response(const PartnerApiCall *call)
{
	return &call->response;
}
