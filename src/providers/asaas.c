/*-------------------------------------------------------------------------
 *
 * asaas.c
 *	  Asaas: what it is called, where its endpoints are, how an action is put
 *	  into a request.
 *
 * The key goes with every call, in "access_token", and so does a User-Agent,
 * without which newer accounts are turned away.  A GET has no body: with one
 * it is refused before it reaches the API.
 *
 * A webhook's own token is the second secret of the user mapping: it must be
 * there for whoever compares it, and arguments are kept.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/asaas.h"
#include "providers/common.h"

#define ID PARTNER_API_ASAAS_ID

static const PartnerApiAsaasRoute routes[PARTNER_API_KINDS] = {
	[PARTNER_API_CREATE_CUSTOMER] =
	{"POST", {"customers"}},
	[PARTNER_API_CHANGE_CUSTOMER] =
	{"PUT", {"customers", ID}},
	[PARTNER_API_DELETE_CUSTOMER] =
	{"DELETE", {"customers", ID}},
	[PARTNER_API_RESTORE_CUSTOMER] =
	{"POST", {"customers", ID, "restore"}},
	[PARTNER_API_CREATE_CHARGE] =
	{"POST", {"payments"}},
	[PARTNER_API_CHANGE_CHARGE] =
	{"PUT", {"payments", ID}},
	[PARTNER_API_DELETE_CHARGE] =
	{"DELETE", {"payments", ID}},
	[PARTNER_API_RESTORE_CHARGE] =
	{"POST", {"payments", ID, "restore"}},
	[PARTNER_API_REFUND_CHARGE] =
	{"POST", {"payments", ID, "refund"}},
	[PARTNER_API_RECEIVE_CHARGE] =
	{"POST", {"payments", ID, "receiveInCash"}},
	[PARTNER_API_UNDO_RECEIVE_CHARGE] =
	{"POST", {"payments", ID, "undoReceivedInCash"}},
	[PARTNER_API_CREATE_RECURRENCE] =
	{"POST", {"subscriptions"}},
	[PARTNER_API_CHANGE_RECURRENCE] =
	{"PUT", {"subscriptions", ID}},
	[PARTNER_API_DELETE_RECURRENCE] =
	{"DELETE", {"subscriptions", ID}},
	[PARTNER_API_CHECK_NOTIFICATIONS] =
	{"GET", {"customers", ID, "notifications"}},
	[PARTNER_API_CHANGE_NOTIFICATIONS] =
	{"PUT", {"notifications", "batch"}},
	[PARTNER_API_CREATE_WEBHOOK] =
	{"POST", {"webhooks"}},
	[PARTNER_API_CHANGE_WEBHOOK] =
	{"PUT", {"webhooks", ID}},
	[PARTNER_API_DELETE_WEBHOOK] =
	{"DELETE", {"webhooks", ID}}
};

/*
 * Start a request: method, path, key and who we are.
 */
void
partner_api_asaas_start(PartnerApiRequest *request,
						const PartnerApiAsaasRoute *route, const char *id,
						const PartnerApiCredential *credential)
{
	partner_api_request_start(request, route->method);
	for (const char *const *part = route->path; *part != NULL; part++)
	{
		bool		is_id = strcmp(*part, PARTNER_API_ASAAS_ID) == 0;

		if (is_id && id == NULL)
			elog(ERROR, "object of a request is not known");
		partner_api_request_segment(request, is_id ? id : *part);
	}
	partner_api_request_header(request, "access_token", credential->token);
	partner_api_request_header(request, "User-Agent", "partner_api");
}

/*
 * Put an action into a request.  The arguments have passed check().  Each POST
 * and PUT has a body, if only an empty object: it says that it sends JSON.
 */
static void
build(const PartnerApiAction *action, const PartnerApiCredential *credential,
	  PartnerApiRequest *request)
{
	const PartnerApiAsaasRoute *route = &routes[action->kind];

	partner_api_asaas_start(request, route, action->instance_id, credential);
	if (strcmp(route->method, "DELETE") == 0 ||
		strcmp(route->method, "GET") == 0)
		return;
	partner_api_request_header(request, "Content-Type", "application/json");
	request->body =
		partner_api_asaas_print(partner_api_asaas_body(action, credential));
	request->body_len = strlen(request->body);
}

/*
 * Asaas has customers and what they are to pay, no instances and no plans.
 */
static bool
supports(PartnerApiKind kind, const char **hint)
{
	*hint = NULL;
	if (routes[kind].method != NULL)
		return true;
	switch (partner_api_kind_traits(kind)->object)
	{
		case PARTNER_API_PLAN:
			*hint = "The provider has no plans: register your own with partner_api.register_plan().";
			break;
		case PARTNER_API_SUBSCRIPTION:
			*hint = "Call partner_api.subscribe() for a plan of your own, or create_recurrence() for charges that the provider makes by itself.";
			break;
		case PARTNER_API_CLIENT:
			*hint = "Use create_customer().";
			break;
		case PARTNER_API_INVOICE:
			*hint = "Use refund_charge().";
			break;
		default:
			*hint = "The provider charges customers; use a server of another provider.";
			break;
	}
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

/*
 * Without its token an event that comes to a webhook is anybody's word.
 */
static bool
needs_client_token(PartnerApiKind kind)
{
	return kind == PARTNER_API_CREATE_WEBHOOK;
}

/* ---- the key and where it belongs ---- */

/*
 * Does the base URL have this host?
 */
static bool
has_host(const char *base_url, const char *host)
{
	const char *start = strstr(base_url, "://");
	size_t		len = strlen(host);

	return start != NULL && pg_strncasecmp(start + 3, host, len) == 0 &&
		strchr("/:", start[3 + len]) != NULL;
}

/*
 * See provider.h.  Of the older keys it does not show where they belong; and
 * nothing is said of hosts that are not the provider's own.
 */
static const char *
credential_fault(const PartnerApiCredential *credential, const char *base_url)
{
	const char *key = credential->token;
	bool		production = has_host(base_url, "api.asaas.com") ||
	has_host(base_url, "www.asaas.com");
	bool		sandbox = has_host(base_url, "api-sandbox.asaas.com") ||
	has_host(base_url, "sandbox.asaas.com");

	if (!production && !sandbox)
		return NULL;
	if (strncmp(key, "aact_", strlen("aact_")) == 0)
		return "Keys begin with a dollar sign, and this one has lost it: a shell or a file of variables takes it away.";
	if (production && strncmp(key, "$aact_hmlg_", strlen("$aact_hmlg_")) == 0)
		return "It is a key of the sandbox, and the base URL that of production.";
	if (sandbox && strncmp(key, "$aact_prod_", strlen("$aact_prod_")) == 0)
		return "It is a key of production, and the base URL that of the sandbox.";
	return NULL;
}

/* the smallest call that needs the key */
static const PartnerApiRead test_read = PARTNER_API_READ_BALANCE;

const PartnerApiProvider partner_api_asaas = {
	.name = "asaas",
	.base_url = "https://api.asaas.com/v3",
	.main_list = PARTNER_API_LIST_CHARGES,
	.page_rows = 100,
	.most_requests = 50,
	.request_quota = 25000,
	.keeps_nonces = true,
	.grants_calls = true,
	.test_read = &test_read,
	.time_zone = "America/Sao_Paulo",
	.supports = supports,
	.supports_read = partner_api_asaas_supports_read,
	.supports_list = partner_api_asaas_supports_list,
	.needs_token = needs_token,
	.needs_client_token = needs_client_token,
	.credential_fault = credential_fault,
	.check = partner_api_asaas_check,
	.build = build,
	.words = partner_api_asaas_words,
	.judge = partner_api_asaas_judge,
	.build_list = partner_api_asaas_build_list,
	.parse_list = partner_api_asaas_parse_list,
	.survey_query = partner_api_asaas_survey_query,
	.look_query = partner_api_asaas_look_query,
	.sight = partner_api_asaas_sight,
	.find_query = partner_api_asaas_find_query,
	.is_there = partner_api_asaas_is_there,
	.check_read = partner_api_asaas_check_read,
	.build_read = partner_api_asaas_build_read,
	.parse_read = partner_api_asaas_parse_read,
	.event_header = "asaas-access-token",
	.parse_event = partner_api_asaas_parse_event
};
