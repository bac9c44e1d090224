/*-------------------------------------------------------------------------
 *
 * zsystems.c
 *	  The zsystems part: its routes, credential and general refusals.
 *
 * The white-label brands of the platform answer the same paths, so nothing
 * here looks at the host.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "zsystems.h"

#include <string.h>

/* All calls want the one credential there is. */
#define TOKEN_CALL 0

/* Time passes for what is kept before anybody sees it. */
static bool
authorize(SandboxRequest *request, int access)
{
	sandbox_zsystems_tick();
	request->partner = sandbox_bearer_token(request);
	if (request->partner == NULL)
		sandbox_zsystems_refuse(request,
								(unsigned) sandbox_config.zsystems_unauthorized_status,
								SANDBOX_REFUSAL_ERROR, "Token inválido");
	return request->partner != NULL;
}

static bool
owns(const SandboxRequest *request)
{
	static const char *const roots[] = {"planos", "clientes"};
	size_t		i;

	for (i = 0; i < lengthof(roots) && request->segment_count > 0; i++)
	{
		if (strcmp(request->segments[0], roots[i]) == 0)
			return true;
	}
	return false;
}

static void
refuse(SandboxRequest *request, unsigned status)
{
	sandbox_zsystems_refuse(request, status, SANDBOX_REFUSAL_ERROR,
							status == 404 ? "Rota não encontrada" :
							status == 405 ? "Método não permitido" :
							status == 415 ? "Content-Type inválido" :
							"JSON inválido");
	if (status == 405)
		sandbox_reply_header(&request->reply, "Allow", request->allowed);
}

#define ROUTE(name, verb, rule, serve, ...) \
	{SANDBOX_ ## name, verb, {__VA_ARGS__}, TOKEN_CALL, SANDBOX_ ## rule, \
	serve}

/* Fixed paths go before those that match any id. */
static const SandboxRoute routes[] = {
	ROUTE(CREATE_PLAN, "POST", BODY_ANY, sandbox_plan_create, "planos"),
	ROUTE(LIST_PLANS, "GET", NO_BODY, sandbox_plan_list, "planos"),
	ROUTE(CREATE_SUBSCRIPTION, "POST", BODY_REQUIRED,
		  sandbox_subscription_create, "planos", "assinar"),
	ROUTE(LIST_SUBSCRIPTIONS, "GET", NO_BODY, sandbox_subscription_list,
		  "planos", "assinaturas"),
	ROUTE(READ_PLAN, "GET", NO_BODY, sandbox_plan_read,
		  "planos", SANDBOX_ID),
	ROUTE(CHANGE_PLAN, "PUT", BODY_ANY, sandbox_plan_change,
		  "planos", SANDBOX_ID),
	ROUTE(SUSPEND_SUBSCRIPTION, "POST", BODY_REQUIRED,
		  sandbox_subscription_suspend, "planos", "assinatura", "suspender"),
	ROUTE(REACTIVATE_SUBSCRIPTION, "POST", BODY_REQUIRED,
		  sandbox_subscription_reactivate,
		  "planos", "assinatura", "reativar"),
	ROUTE(REFUND_INVOICE, "POST", BODY_REQUIRED, sandbox_subscription_refund,
		  "planos", "assinatura", "estornar"),
	ROUTE(READ_SUBSCRIPTION, "GET", NO_BODY, sandbox_subscription_read,
		  "planos", "assinatura", SANDBOX_ID),
	ROUTE(CHANGE_SUBSCRIPTION, "PUT", BODY_REQUIRED,
		  sandbox_subscription_change, "planos", "assinatura", SANDBOX_ID),
	ROUTE(CANCEL_SUBSCRIPTION, "DELETE", NO_BODY,
		  sandbox_subscription_cancel, "planos", "assinatura", SANDBOX_ID),
	ROUTE(LIST_INVOICES, "GET", NO_BODY, sandbox_subscription_invoices,
		  "planos", "assinatura", SANDBOX_ID, "faturas"),
	ROUTE(CREATE_CLIENT, "POST", BODY_REQUIRED, sandbox_client_create,
		  "clientes"),
	ROUTE(FIND_CLIENT, "GET", NO_BODY, sandbox_client_find,
		  "clientes", "por_documento", SANDBOX_PARAMETER),
	ROUTE(STORE_CARD, "POST", BODY_REQUIRED, sandbox_card_create,
		  "clientes", SANDBOX_ID, "cartoes")
};

const SandboxProvider sandbox_zsystems = {
	.name = "zsystems",
	.routes = routes,
	.route_count = lengthof(routes),
	.owns = owns,
	.authorize = authorize,
	.refuse = refuse,
	.shown_body = sandbox_card_covered
};
