/*-------------------------------------------------------------------------
 *
 * asaas_gate.c
 *	  Asaas: who may call, and how often.
 *
 * A key is accepted as it is configured, and also with the prefix of the
 * environment before it, so that the sandbox's general token will do.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define MS_PER_SECOND INT64_C(1000)
#define KEY_PREFIX "$aact_"

/* In the order of the numbers in asaas.c */
static const char *const permissions[] = {
	"CUSTOMER", "CUSTOMER_NOTIFICATION", "PAYMENT", "SUBSCRIPTION",
	"WEBHOOK", "ACCOUNT_INFO", "FINANCIAL_TRANSACTION"
};

/* A count that starts anew some time after its first request. */
typedef struct Window
{
	int64_t		ends_at;		/* 0: none is open */
	long		used;
} Window;

static Window account;
static Window endpoints[SANDBOX_OPERATIONS];
static long concurrent_gets = 0;

/* The prefix of the keys of this or of the other environment. */
static const char *
prefix(bool other)
{
	bool		production =
	sandbox_config.asaas_environment == SANDBOX_ASAAS_PRODUCTION;

	return production != other ? KEY_PREFIX "prod_" : KEY_PREFIX "hmlg_";
}

static bool
starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* The accepted token that the request bears, or NULL with a reply. */
static SandboxToken *
check_key(SandboxRequest *request)
{
	const char *key = sandbox_request_header(request, "access_token");
	const char *code = "invalid_access_token";
	SandboxToken *token = NULL;

	if (key == NULL || *key == '\0')
		code = "access_token_not_found";
	else if (starts_with(key, prefix(true)))
		code = "invalid_environment";
	else
	{
		token = sandbox_config_token(key);
		if (token == NULL && starts_with(key, prefix(false)))
			token = sandbox_config_token(key + strlen(prefix(false)));
		if (token != NULL && token->expires_at <= sandbox_clock_now())
			token = NULL;
		if (!starts_with(key, KEY_PREFIX))
			code = "invalid_access_token_format";
	}
	if (token == NULL)
		sandbox_asaas_refuse(request, 401, code,
							 "A chave de API fornecida é inválida");
	return token;
}

/* May the key do this?  If not, fill the reply. */
static bool
check_permission(SandboxRequest *request, int access)
{
	const json_t *granted = request->partner->permissions;
	const char *name = permissions[SANDBOX_ASAAS_PERMISSION(access)];
	const char *level = json_string_value(json_object_get(granted, name));

	if (granted == NULL ||
		(level != NULL && (strcmp(level, "READ_WRITE") == 0 ||
						   (access & SANDBOX_ASAAS_WRITE) == 0)))
		return true;
	return sandbox_asaas_refuse(request, 403, "insufficient_permission",
								"A chave de API não possui permissão para"
								" realizar esta operação");
}

/*
 * Count a request; false if the window has no room for it.  One that ends
 * too late is left from before the clock was turned back.
 */
static bool
take_place(Window *window, long room, long seconds)
{
	int64_t		now = sandbox_clock_now();

	if (window->ends_at <= now ||
		window->ends_at > now + seconds * MS_PER_SECOND)
	{
		window->ends_at = now + seconds * MS_PER_SECOND;
		window->used = 0;
	}
	window->used++;
	return window->used <= room;
}

static bool
too_many(SandboxRequest *request)
{
	return sandbox_asaas_refuse(request, 429, "too_many_requests",
								"Limite de requisições excedido");
}

/* Tell a client where it stands with an endpoint. */
static void
rate_headers(SandboxRequest *request, const Window *window)
{
	long		limit = sandbox_config.asaas_rate_limit;
	int64_t		left = window->ends_at - sandbox_clock_now();
	const char *const names[] = {
		"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"
	};
	long		values[] = {
		limit, window->used < limit ? limit - window->used : 0,
		(long) ((left + MS_PER_SECOND - 1) / MS_PER_SECOND)
	};
	size_t		i;

	for (i = 0; i < lengthof(names); i++)
	{
		char	   *text = sandbox_printf("%ld", values[i]);

		sandbox_reply_header(&request->reply, names[i], text);
		free(text);
	}
}

/* The limit of one endpoint; to try again at once keeps the block alive. */
static bool
check_endpoint(SandboxRequest *request)
{
	Window	   *window = &endpoints[request->operation];
	long		seconds = sandbox_config.asaas_rate_seconds;
	bool		fits;

	if (sandbox_config.asaas_rate_limit == 0)
		return true;
	fits = take_place(window, sandbox_config.asaas_rate_limit, seconds);
	if (!fits)
	{
		window->ends_at = sandbox_clock_now() + seconds * MS_PER_SECOND;
		too_many(request);
	}
	if (sandbox_config.asaas_rate_headers)
		rate_headers(request, window);
	return fits;
}

/* All three limits; if one is reached, fill the reply. */
static bool
check_limits(SandboxRequest *request)
{
	if (strcmp(request->method, "GET") == 0)
	{
		request->counted = true;
		concurrent_gets++;
		if (concurrent_gets > sandbox_config.asaas_concurrent_gets)
			return too_many(request);
	}
	if (!take_place(&account, sandbox_config.asaas_window_requests,
					sandbox_config.asaas_window_seconds))
		return too_many(request);
	return check_endpoint(request);
}

/* The edge refuses what the API itself never sees. */
static bool
pass_edge(SandboxRequest *request)
{
	if (strcmp(request->method, "GET") != 0 || request->body.len == 0)
		return true;
	sandbox_reply_text(&request->reply, 403, "text/html",
					   "<html><body><h1>403 ERROR</h1>"
					   "The request could not be satisfied."
					   "</body></html>\n");
	return false;
}

/* Time passes for what is kept before anybody sees it. */
bool
sandbox_asaas_authorize(SandboxRequest *request, int access)
{
	sandbox_asaas_tick();
	if (!pass_edge(request))
		return false;
	if (sandbox_config.asaas_user_agent_required &&
		sandbox_request_header(request, "User-Agent") == NULL)
		return sandbox_asaas_refuse(request, 400, "invalid_user_agent",
									"O header User-Agent é obrigatório");
	request->partner = check_key(request);
	return request->partner != NULL &&
		check_permission(request, access) && check_limits(request);
}

/* The request is over. */
void
sandbox_asaas_ended(const SandboxRequest *request)
{
	if (request->counted && concurrent_gets > 0)
		concurrent_gets--;
}

/* Forget all windows; requests that are on their way go on counting. */
void
sandbox_asaas_gate_reset(void)
{
	memset(&account, 0, sizeof(account));
	memset(endpoints, 0, sizeof(endpoints));
}
