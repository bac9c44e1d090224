/*-------------------------------------------------------------------------
 *
 * zsystems.c
 *	  zsystems (Zspay): what it is called, where its endpoints are, how an
 *	  action is put into a request.
 *
 * One token goes with every call, in "Authorization".  The platform is sold
 * under several brands whose hosts answer the same paths, so the base URL is
 * the server's to say.
 *
 * Only the creation of a plan is documented; the other endpoints are those
 * that clients of the platform are known to use.  Ids are numbers: a word in
 * the place of one would be another endpoint ("/planos/assinaturas"), so
 * nothing else is let through.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"
#include "providers/zsystems.h"

#define ID PARTNER_API_ZSYSTEMS_ID

static const PartnerApiZsystemsRoute routes[PARTNER_API_KINDS] = {
	[PARTNER_API_CREATE_PLAN] =
	{"POST", {"planos"}},
	[PARTNER_API_CHANGE_PLAN] =
	{"PUT", {"planos", ID}},
	[PARTNER_API_CREATE_SUBSCRIPTION] =
	{"POST", {"planos", "assinar"}},
	[PARTNER_API_CHANGE_SUBSCRIPTION] =
	{"PUT", {"planos", "assinatura", ID}},
	[PARTNER_API_SUSPEND_SUBSCRIPTION] =
	{"POST", {"planos", "assinatura", "suspender"}},
	[PARTNER_API_REACTIVATE_SUBSCRIPTION] =
	{"POST", {"planos", "assinatura", "reativar"}},
	[PARTNER_API_CANCEL_SUBSCRIPTION] =
	{"DELETE", {"planos", "assinatura", ID}},
	[PARTNER_API_REFUND_INVOICE] =
	{"POST", {"planos", "assinatura", "estornar"}},
	[PARTNER_API_CREATE_CLIENT] =
	{"POST", {"clientes"}},
	[PARTNER_API_STORE_CARD] =
	{"POST", {"clientes", ID, "cartoes"}}
};

/*
 * Start a request: method, path and token.
 */
void
partner_api_zsystems_start(PartnerApiRequest *request,
						   const PartnerApiZsystemsRoute *route,
						   const char *id,
						   const PartnerApiCredential *credential)
{
	partner_api_request_start(request, route->method);
	for (const char *const *part = route->path; *part != NULL; part++)
	{
		bool		is_id = strcmp(*part, PARTNER_API_ZSYSTEMS_ID) == 0;

		if (is_id && id == NULL)
			elog(ERROR, "object of a request is not known");
		partner_api_request_segment(request, is_id ? id : *part);
	}
	partner_api_request_header(request, "Authorization",
							   psprintf("Bearer %s", credential->token));
}

/*
 * Did the answer arrive with a status that says yes?
 */
bool
partner_api_zsystems_success(const PartnerApiResponse *response)
{
	return partner_api_response_reason(response) ==
		PARTNER_API_REASON_NONE;
}

/*
 * A body that names what is acted on.
 */
static json_t *
id_body(const PartnerApiAction *action, const char *key)
{
	json_t	   *body = partner_api_json_object();

	if (action->instance_id == NULL)
		elog(ERROR, "object of a request is not known");
	partner_api_zsystems_put_id(body, key, action->instance_id);
	return body;
}

/*
 * What is sent as JSON with an action, or NULL for nothing.
 */
static json_t *
make_body(const PartnerApiAction *action)
{
	switch (action->kind)
	{
		case PARTNER_API_CREATE_PLAN:
		case PARTNER_API_CHANGE_PLAN:
			return partner_api_zsystems_plan_body(action);
		case PARTNER_API_CREATE_SUBSCRIPTION:
			return partner_api_zsystems_subscription_body(action);
		case PARTNER_API_CHANGE_SUBSCRIPTION:
			return json_object_get(action->arguments, "changes");
		case PARTNER_API_SUSPEND_SUBSCRIPTION:
		case PARTNER_API_REACTIVATE_SUBSCRIPTION:
			return id_body(action, "assinatura_id");
		case PARTNER_API_REFUND_INVOICE:
			return id_body(action, "id");
		case PARTNER_API_CREATE_CLIENT:
			return partner_api_zsystems_client_body(action);
		case PARTNER_API_STORE_CARD:
			return partner_api_zsystems_card_body(action->secret, true);
		default:
			break;
	}
	return NULL;
}

/*
 * Put an action into a request.  The arguments have passed check().
 */
static void
build(const PartnerApiAction *action, const PartnerApiCredential *credential,
	  PartnerApiRequest *request)
{
	json_t	   *body;

	partner_api_zsystems_start(request, &routes[action->kind],
							   action->instance_id, credential);
	if (partner_api_zsystems_is_multipart(action))
	{
		/* the transport writes Content-Type, which names the boundary */
		request->parts = partner_api_zsystems_plan_parts(action);
		return;
	}
	body = make_body(action);
	if (body != NULL)
	{
		partner_api_request_header(request, "Content-Type",
								   "application/json");
		partner_api_request_json(request, body);
	}
}

/*
 * zsystems has plans and those who subscribe to them, no instances.
 */
static bool
supports(PartnerApiKind kind, const char **hint)
{
	*hint = NULL;
	if (routes[kind].method != NULL)
		return true;
	if (kind == PARTNER_API_DELETE_PLAN)
		*hint = "The provider documents no deletion of plans; let the plan "
			"expire with change_plan(..., has_expiration => true, "
			"plan_expiration_date => ...).";
	else if (partner_api_kind_of_instance(kind))
		*hint = "The provider has no instances; use create_plan() and "
			"create_subscription(), or a server of another provider.";
	else
		*hint = "The provider has plans and who subscribes to them; use "
			"create_client() and create_subscription(), or a server of "
			"provider \"asaas\".";
	return false;
}

/*
 * Nothing here has a token of its own.
 */
static bool
needs_token(PartnerApiKind kind)
{
	return false;
}

const PartnerApiProvider partner_api_zsystems = {
	.name = "zsystems",
	.base_url = "https://api.zsystems.com.br",
	.main_list = PARTNER_API_LIST_PLANS,
	.supports = supports,
	.supports_read = partner_api_zsystems_supports_read,
	.supports_list = partner_api_zsystems_supports_list,
	.needs_token = needs_token,
	.check = partner_api_zsystems_check,
	.build = build,
	.judge = partner_api_zsystems_judge,
	.build_list = partner_api_zsystems_build_list,
	.parse_list = partner_api_zsystems_parse_list,
	.look_query = partner_api_zsystems_look_query,
	.sight = partner_api_zsystems_sight,
	.check_read = partner_api_zsystems_check_read,
	.build_read = partner_api_zsystems_build_read,
	.parse_read = partner_api_zsystems_parse_read
};
