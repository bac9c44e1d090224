/*-------------------------------------------------------------------------
 *
 * zapi.c
 *	  Z-API: what it is called, where its endpoints are, how an action is
 *	  put into a request.
 *
 * Z-API has three secrets, and each has its place: the partner token goes
 * into "Authorization" of partner calls, the client token into
 * "Client-Token" of calls to an instance (only where the account asks for
 * it), and the instance token into the path.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"
#include "providers/zapi.h"

/*
 * A trial is said to last two days.  To the hour it is only known from the
 * "due" of an answer, so this is for where that is missing.
 */
#define TRIAL_MS (INT64CONST(2) * 24 * 60 * 60 * 1000)

/*
 * Two paths are published for changing a subscription, with and without
 * "on-demand".  This is the one that a client is known to use; the other one
 * would show as a 404 or 405 and is not tried by itself.
 */
static const PartnerApiZapiRoute routes[PARTNER_API_KINDS] = {
	[PARTNER_API_CREATE_INSTANCE] =
	{"POST", false, true, {"integrator", "on-demand"}},
	[PARTNER_API_SIGN_INSTANCE] =
	{"POST", true, true, {"integrator", "on-demand", "subscription"}},
	[PARTNER_API_UPDATE_SUBSCRIPTION] =
	{"PUT", true, true, {"integrator", "on-demand", "subscription", "update"}},
	[PARTNER_API_CANCEL_INSTANCE] =
	{"POST", true, true, {"integrator", "on-demand", "cancel"}},
	[PARTNER_API_DELETE_INSTANCE] =
	{"DELETE", true, true, {"integrator", "on-demand", "delete"}},
	[PARTNER_API_DELETE_INSTANCES] =
	{"POST", false, true, {"integrator", "on-demand", "batch-delete"}},
	[PARTNER_API_DISCONNECT_INSTANCE] =
	{"GET", true, false, {"disconnect"}},
	[PARTNER_API_REBOOT_INSTANCE] =
	{"GET", true, false, {"restart"}}
};

/*
 * Start a request: method, path and the headers that go with the route.
 * Content-Type also goes with an empty body, since Z-API answers 415 where it
 * misses it.
 */
void
partner_api_zapi_start(PartnerApiRequest *request,
					   const PartnerApiZapiRoute *route,
					   const char *instance_id, const char *instance_token,
					   const PartnerApiCredential *credential)
{
	partner_api_request_start(request, route->method);
	partner_api_request_segment(request, "instances");
	if (route->of_instance)
	{
		if (instance_id == NULL || instance_token == NULL)
			elog(ERROR, "instance of a request is not known");
		partner_api_request_segment(request, instance_id);
		partner_api_request_segment(request, "token");
		partner_api_request_segment(request, instance_token);
	}
	for (const char *const *part = route->path; *part != NULL; part++)
		partner_api_request_segment(request, *part);

	if (route->by_partner)
		partner_api_request_header(request, "Authorization",
								   psprintf("Bearer %s", credential->token));
	else if (credential->client_token != NULL)
		partner_api_request_header(request, "Client-Token",
								   credential->client_token);

	if (route->method[0] == 'P')	/* POST, PUT */
		partner_api_request_header(request, "Content-Type",
								   "application/json");
}

/*
 * Did the answer arrive with a status that says yes?  Which 2xx it is differs
 * between Z-API's own pages.
 */
bool
partner_api_zapi_success(const PartnerApiResponse *response)
{
	return partner_api_response_reason(response) ==
		PARTNER_API_REASON_NONE;
}

/*
 * Body of a create: the settings as given, and the name, which carries the
 * nonce.
 */
static json_t *
create_body(const PartnerApiAction *action)
{
	json_t	   *settings = json_object_get(action->arguments, "settings");
	json_t	   *name = json_object_get(action->arguments, "name");
	json_t	   *body = partner_api_json_object();
	char	   *sent_name;
	const char *key;
	json_t	   *value;

	sent_name = partner_api_name_with_nonce(json_string_value(name),
											action->nonce);
	json_object_foreach(settings, key, value)
		partner_api_json_put(body, key, value);
	partner_api_json_put_text(body, "name", sent_name);
	return body;
}

/*
 * Body of a sign or of a change of the subscription, NULL for none: calls
 * can be asked for, but not asked away.
 */
static json_t *
calls_body(const PartnerApiAction *action)
{
	json_t	   *body;

	if (!partner_api_json_true(action->arguments, "with_calls"))
		return NULL;
	body = partner_api_json_object();
	partner_api_json_put_bool(body, "withCalls", true);
	return body;
}

/*
 * Body of a bulk delete: each id with its token.
 */
static json_t *
batch_body(const PartnerApiAction *action)
{
	json_t	   *ids = json_object_get(action->arguments, "instance_ids");
	json_t	   *body = partner_api_json_object();
	json_t	   *instances = partner_api_json_array();
	size_t		i;
	json_t	   *id;

	partner_api_json_put(body, "instances", instances);
	json_array_foreach(ids, i, id)
	{
		json_t	   *token = json_object_get(action->tokens,
											json_string_value(id));
		json_t	   *instance = partner_api_json_append_object(instances);

		if (!json_is_string(token))
			elog(ERROR, "instance of a request is not known");
		partner_api_json_put(instance, "id", id);
		partner_api_json_put(instance, "token", token);
	}
	return body;
}

/*
 * Put an action into a request.  The arguments have passed check().
 */
static void
build(const PartnerApiAction *action, const PartnerApiCredential *credential,
	  PartnerApiRequest *request)
{
	json_t	   *body = NULL;

	partner_api_zapi_start(request, &routes[action->kind],
						   action->instance_id, action->instance_token,
						   credential);

	switch (action->kind)
	{
		case PARTNER_API_CREATE_INSTANCE:
			body = create_body(action);
			break;
		case PARTNER_API_SIGN_INSTANCE:
		case PARTNER_API_UPDATE_SUBSCRIPTION:
			body = calls_body(action);
			break;
		case PARTNER_API_DELETE_INSTANCES:
			body = batch_body(action);
			break;
		default:
			break;
	}
	if (body != NULL)
		partner_api_request_json(request, body);
}

/*
 * Z-API has instances and subscriptions of theirs, no plans and no clients.
 */
static bool
supports(PartnerApiKind kind, const char **hint)
{
	*hint = partner_api_kind_of_instance(kind) ? NULL :
		"Plans and what belongs to them are on a server of provider \"zsystems\", customers and charges on one of \"asaas\".";
	return routes[kind].method != NULL;
}

/*
 * See provider.h.
 */
static bool
supports_list(PartnerApiList list)
{
	return list == PARTNER_API_LIST_INSTANCES;
}

/*
 * Every path to an instance has its token in it, and so has a bulk delete.
 */
static bool
needs_token(PartnerApiKind kind)
{
	return true;
}

const PartnerApiProvider partner_api_zapi = {
	.name = "zapi",
	.base_url = "https://api.z-api.io",
	.main_list = PARTNER_API_LIST_INSTANCES,
	.trial_ms = TRIAL_MS,
	.page_rows = PARTNER_API_ZAPI_PAGE_ROWS,
	.searches_list = true,
	.removes_surplus = false,	/* refused for a trial, which lapses */
	.supports = supports,
	.supports_read = partner_api_zapi_supports_read,
	.supports_list = supports_list,
	.needs_token = needs_token,
	.check = partner_api_zapi_check,
	.build = build,
	.judge = partner_api_zapi_judge,
	.build_list = partner_api_zapi_build_list,
	.parse_list = partner_api_zapi_parse_list,
	.check_read = partner_api_zapi_check_read,
	.build_read = partner_api_zapi_build_read,
	.parse_read = partner_api_zapi_parse_read
};
