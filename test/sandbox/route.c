/*-------------------------------------------------------------------------
 *
 * route.c
 *	  Which operation a request asks for.
 *
 * Each provider brings a table of routes.  A path is cut at its slashes
 * before it is decoded, so that an encoded slash stays inside its segment.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MASK "***"

const char *const sandbox_operation_names[SANDBOX_OPERATIONS] = {
	"create_instance", "list_instances", "sign_instance",
	"update_subscription", "cancel_instance", "delete_instance",
	"delete_instances", "qr_code", "qr_code_image", "phone_code",
	"instance_status", "disconnect_instance", "unknown"
};

static const SandboxProvider *const providers[] = {
	&sandbox_zapi
};

bool
sandbox_operation_parse(const char *name, SandboxOperation *operation)
{
	int			i;

	for (i = 0; i < SANDBOX_OPERATIONS; i++)
	{
		if (strcmp(sandbox_operation_names[i], name) == 0)
		{
			*operation = (SandboxOperation) i;
			return true;
		}
	}
	return false;
}

/* Cut and decode the path; segment_count is -1 if that cannot be done. */
static void
cut_path(SandboxRequest *request)
{
	char	   *rest;
	char	   *segment;

	request->segment_count = 0;
	request->decoded = sandbox_strdup(request->path);
	rest = request->decoded + (*request->decoded == '/');
	while ((segment = strsep(&rest, "/")) != NULL)
	{
		if (request->segment_count == SANDBOX_MAX_SEGMENTS ||
			!sandbox_percent_decode(segment))
		{
			request->segment_count = -1;
			return;
		}
		request->segments[request->segment_count++] = segment;
	}
}

/* Does the path fit?  If so, pick up what its variable segments hold. */
static bool
match_path(SandboxRequest *request, const SandboxRoute *route)
{
	int			i;

	for (i = 0; i < request->segment_count; i++)
	{
		const char *want = route->path[i];

		if (want == NULL ||
			(*want == '{' ? *request->segments[i] == '\0' :
			 strcmp(want, request->segments[i]) != 0))
			return false;
	}
	if (i < SANDBOX_MAX_SEGMENTS && route->path[i] != NULL)
		return false;
	for (i = 0; i < request->segment_count; i++)
	{
		if (strcmp(route->path[i], SANDBOX_ID) == 0)
			request->id = request->segments[i];
		else if (strcmp(route->path[i], SANDBOX_TOKEN) == 0)
		{
			request->token = request->segments[i];
			request->token_segment = i;
		}
		else if (strcmp(route->path[i], SANDBOX_PARAMETER) == 0)
			request->parameter = request->segments[i];
	}
	return true;
}

static void
allow_method(SandboxRequest *request, const char *method)
{
	size_t		len = strlen(request->allowed);

	snprintf(request->allowed + len, sizeof(request->allowed) - len,
			 "%s%s", len > 0 ? ", " : "", method);
}

/* Try one provider's routes. */
static void
match_provider(SandboxRequest *request, const SandboxProvider *provider)
{
	int			i;

	for (i = 0; i < provider->route_count && request->route == NULL; i++)
	{
		const SandboxRoute *route = &provider->routes[i];

		if (!match_path(request, route))
			continue;
		request->provider = provider;
		request->access = route->access;
		if (strcmp(route->method, request->method) == 0)
		{
			request->route = route;
			request->operation = route->operation;
		}
		else
			allow_method(request, route->method);
	}
}

/* What follows "token" is one, also in a path that no route has. */
static void
find_token_segment(SandboxRequest *request)
{
	int			i;

	for (i = 1; i < request->segment_count; i++)
	{
		if (strcmp(request->segments[i - 1], "token") == 0)
			request->token_segment = i;
	}
}

/* Find the route of a request whose path and method are set. */
void
sandbox_route(SandboxRequest *request)
{
	size_t		i;

	request->operation = SANDBOX_UNKNOWN_OPERATION;
	request->token_segment = -1;
	cut_path(request);
	if (request->segment_count < 0)
		return;
	for (i = 0; i < lengthof(providers) && request->route == NULL; i++)
		match_provider(request, providers[i]);
	if (request->route == NULL)
		find_token_segment(request);
}

/* The path as sent, with the instance token covered. */
char *
sandbox_masked_path(const SandboxRequest *request)
{
	const char *start = request->path + (*request->path == '/');
	const char *end;
	int			i;

	if (request->token_segment < 0)
		return sandbox_strdup(request->path);
	for (i = 0; i < request->token_segment; i++)
		start = strchr(start, '/') + 1;
	end = strchrnul(start, '/');
	return sandbox_printf("%.*s" MASK "%s", (int) (start - request->path),
						  request->path, end);
}

/* The decoded value of a query parameter, to be freed; NULL if absent. */
char *
sandbox_query_value(const SandboxRequest *request, const char *name)
{
	size_t		len = strlen(name);
	const char *part = request->query;

	while (*part != '\0')
	{
		const char *end = strchrnul(part, '&');

		if (strncmp(part, name, len) == 0 && part[len] == '=')
		{
			const char *start = part + len + 1;
			char	   *value = sandbox_strndup(start, (size_t) (end - start));
			char	   *plus;

			for (plus = value; (plus = strchr(plus, '+')) != NULL;)
				*plus = ' ';
			if (sandbox_percent_decode(value))
				return value;
			free(value);
			return NULL;
		}
		part = *end == '&' ? end + 1 : end;
	}
	return NULL;
}
