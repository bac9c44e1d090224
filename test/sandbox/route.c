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
	"instance_status", "disconnect_instance", "read_settings",
	"change_settings", "reboot_instance", "create_plan", "list_plans",
	"read_plan", "change_plan", "create_subscription", "list_subscriptions",
	"read_subscription", "change_subscription", "cancel_subscription",
	"suspend_subscription", "reactivate_subscription", "list_invoices",
	"refund_invoice", "create_client", "find_client", "store_card",
	"create_customer", "list_customers", "read_customer",
	"change_customer", "delete_customer", "restore_customer",
	"list_notifications", "change_notification", "change_notifications",
	"create_charge", "list_charges", "read_charge", "charge_status",
	"charge_views", "boleto_line", "pix_code", "billing_info",
	"change_charge", "delete_charge", "restore_charge", "refund_charge",
	"receive_charge", "undo_receive_charge", "pay_charge",
	"capture_charge", "simulate_charge", "charge_limits",
	"charge_statistics", "create_recurrence", "list_recurrences",
	"read_recurrence", "change_recurrence", "delete_recurrence",
	"list_recurrence_charges", "payment_book", "create_webhook",
	"list_webhooks", "read_webhook", "change_webhook", "delete_webhook",
	"resume_webhook", "read_balance", "account_status", "account_data",
	"list_transactions", "sandbox_helper",
	"unknown"
};

static const SandboxProvider *const providers[] = {
	&sandbox_zapi,
	&sandbox_greenapi,
	&sandbox_zsystems,
	&sandbox_asaas
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

/* Where a wanted segment becomes variable; at its end if it does not. */
static size_t
fixed_length(const char *want)
{
	return strcspn(want, "{");
}

/* Does a segment fit?  What is variable must not be empty. */
static bool
match_segment(const char *segment, const char *want)
{
	size_t		fixed = fixed_length(want);

	if (want[fixed] == '\0')
		return strcmp(segment, want) == 0;
	return strncmp(segment, want, fixed) == 0 && segment[fixed] != '\0';
}

/* Pick up what a segment that fits holds. */
static void
pick_up(SandboxRequest *request, const char *segment, const char *want)
{
	size_t		fixed = fixed_length(want);

	if (strcmp(want + fixed, SANDBOX_ID) == 0)
		request->id = segment + fixed;
	else if (strcmp(want + fixed, SANDBOX_TOKEN) == 0)
		request->token = segment + fixed;
	else if (strcmp(want + fixed, SANDBOX_PARAMETER) == 0)
		request->parameter = segment + fixed;
}

/* Does the path fit?  If so, pick up what its variable segments hold. */
static bool
match_path(SandboxRequest *request, const SandboxRoute *route)
{
	int			i;

	for (i = 0; i < request->segment_count; i++)
	{
		if (route->path[i] == NULL ||
			!match_segment(request->segments[i], route->path[i]))
			return false;
	}
	if (i < SANDBOX_MAX_SEGMENTS && route->path[i] != NULL)
		return false;
	for (i = 0; i < request->segment_count; i++)
		pick_up(request, request->segments[i], route->path[i]);
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

/* A path that no route has may still be some provider's. */
static void
find_owner(SandboxRequest *request)
{
	size_t		i;

	for (i = 0; i < lengthof(providers) && request->provider == NULL; i++)
	{
		if (providers[i]->owns != NULL && providers[i]->owns(request))
			request->provider = providers[i];
	}
}

/*
 * Find the route of a request whose path and method are set.  Tokens are
 * looked for as all providers write them, also where no route fits.
 */
void
sandbox_route(SandboxRequest *request)
{
	size_t		i;

	request->operation = SANDBOX_UNKNOWN_OPERATION;
	cut_path(request);
	if (request->segment_count < 0)
		return;
	for (i = 0; i < lengthof(providers); i++)
	{
		if (request->route == NULL)
			match_provider(request, providers[i]);
		if (providers[i]->secrets != NULL)
			request->secrets |= providers[i]->secrets(request);
	}
	find_owner(request);
}

/*
 * The path as sent, with its tokens covered, to be freed; of a path that
 * could not be cut nothing is shown.
 */
char *
sandbox_masked_path(const SandboxRequest *request)
{
	SandboxBuffer result = {NULL, 0, 0};
	const char *start = request->path;
	int			i;

	if (request->segment_count < 0)
		return sandbox_strdup(MASK);
	if (*start == '/')
		sandbox_buffer_append(&result, start++, 1);
	for (i = 0; i < request->segment_count; i++)
	{
		size_t		len = strcspn(start, "/");

		if ((request->secrets >> i & 1) != 0)
			sandbox_buffer_text(&result, MASK);
		else
			sandbox_buffer_append(&result, start, len);
		start += len;
		if (*start == '/')
			sandbox_buffer_append(&result, start++, 1);
	}
	return result.data;
}

/* Is this the name before the '=' of a parameter, encoded or not? */
static bool
is_named(const char *part, size_t len, const char *name)
{
	char	   *decoded = sandbox_strndup(part, len);
	bool		result = sandbox_percent_decode(decoded) &&
	strcmp(decoded, name) == 0;

	free(decoded);
	return result;
}

/* The decoded value of a query parameter, to be freed; NULL if absent. */
char *
sandbox_query_value(const SandboxRequest *request, const char *name)
{
	const char *part = request->query;

	while (*part != '\0')
	{
		const char *end = strchrnul(part, '&');
		size_t		len = strcspn(part, "=&");

		if (part[len] == '=' && is_named(part, len, name))
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
