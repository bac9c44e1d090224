/*-------------------------------------------------------------------------
 *
 * dispatch.c
 *	  The way of one request: fault, checks, handler, disguise.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "control.h"
#include "fault.h"
#include "journal.h"
#include "ledger.h"

/* Is the Content-Type application/json, with parameters or without? */
static bool
says_json(const SandboxRequest *request)
{
	static const char json_type[] = "application/json";
	const char *value = sandbox_request_header(request, "Content-Type");
	size_t		len = sizeof(json_type) - 1;

	if (value == NULL || strncasecmp(value, json_type, len) != 0)
		return false;
	return value[len] == '\0' || value[len] == ';' ||
		isspace((unsigned char) value[len]);
}

/* The accepted token that the request bears, or NULL. */
SandboxToken *
sandbox_bearer_token(const SandboxRequest *request)
{
	static const char scheme[] = "Bearer ";
	const char *value = sandbox_request_header(request, "Authorization");

	if (value == NULL || strncmp(value, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	return sandbox_config_token(value + sizeof(scheme) - 1);
}

/* Read the body as a JSON object; if it is none, fill the reply. */
bool
sandbox_accept_json(SandboxRequest *request)
{
	if (!says_json(request))
	{
		request->provider->refuse(request, 415);
		return false;
	}
	if (request->body.len > 0)
		request->json = json_loadb(request->body.data, request->body.len,
								   0, NULL);
	if (!json_is_object(request->json))
	{
		request->provider->refuse(request, 400);
		return false;
	}
	return true;
}

/* Read the body that the route wants; if it is refused, fill the reply. */
static bool
accept_body(SandboxRequest *request)
{
	SandboxBodyRule rule = request->route->body;

	return rule == SANDBOX_NO_BODY || rule == SANDBOX_BODY_ANY ||
		(rule == SANDBOX_BODY_OPTIONAL && request->body.len == 0) ||
		sandbox_accept_json(request);
}

/* The provider's part: its checks in its order, then the handler. */
static void
run_provider(SandboxRequest *request)
{
	const SandboxProvider *provider = request->provider;

	if (provider == NULL)
		sandbox_reply_error(&request->reply, 404, "Not Found");
	else if (request->route == NULL && *request->allowed == '\0')
		provider->refuse(request, 404);
	else if (!provider->authorize(request, request->access))
		return;
	else if (request->route == NULL)
		provider->refuse(request, 405);
	else if (accept_body(request))
		request->route->handler(request);
}

static void
serve(SandboxRequest *request)
{
	sandbox_ledger_tick();
	run_provider(request);
	sandbox_journal_served(request);
}

/* Make the answer now, but for what a delay defers. */
static void
make_answer(SandboxRequest *request)
{
	if (request->fault == NULL || request->fault_serves)
		serve(request);
	else
		sandbox_reply_json(&request->reply, 200, json_object());
	if (request->fault != NULL)
		sandbox_fault_disguise(request);
}

/*
 * Handle a request that has arrived whole.  Afterwards its reply is made,
 * unless it is deferred; delay_ms and withheld say when it may go.
 */
void
sandbox_dispatch(SandboxRequest *request)
{
	if (sandbox_control(request))
		return;
	sandbox_route(request);
	sandbox_journal_begin(request);
	sandbox_fault_strike(request);
	if (!request->deferred)
		make_answer(request);
}

/* The delay is over: do what was deferred. */
void
sandbox_dispatch_deferred(SandboxRequest *request)
{
	request->deferred = false;
	make_answer(request);
}
