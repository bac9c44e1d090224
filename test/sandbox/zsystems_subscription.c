/*-------------------------------------------------------------------------
 *
 * zsystems_subscription.c
 *	  zsystems: what a client may ask about subscriptions and their invoices.
 *
 * Amounts are decimal reais here, unlike those of plans.  Each request ends
 * in one answer: what time does is in zsystems_cycle.c.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "zsystems.h"

#include <stdlib.h>
#include <string.h>

#include "instance.h"

#define DONE "Operação realizada com sucesso"

/* Cards with these last digits are not accepted by the acquirer. */
#define DECLINED_CARD "0002"
#define DECLINED_CARD_UNMARKED "0005"

/* Numbers of the states, in the two readings that clients have of them */
static const int six_numbers[SANDBOX_SUB_STATES] = {1, 2, 3, 4, 5, 6};
static const int four_numbers[SANDBOX_SUB_STATES] = {3, 1, 4, 4, 2, 2};

static const char *const titles[SANDBOX_SUB_STATES] = {
	"Ativa", "Em teste", "Em atraso", "Suspensa", "Cancelada", "Expirada"
};

/* A subscription as answers show it. */
static json_t *
shown(const SandboxRecord *subscription)
{
	const int  *numbers =
	sandbox_config.zsystems_status_numbers == SANDBOX_STATUS_SIX ?
	six_numbers : four_numbers;
	SandboxSubscriptionState state = subscription->state;
	json_t	   *result = json_copy(subscription->fields);

	json_object_set_new(result, "ativo",
						json_integer(state < SANDBOX_SUB_SUSPENDED));
	json_object_set_new(result, "status_assinatura_id",
						json_integer(numbers[state]));
	if (sandbox_config.zsystems_status_title)
		json_object_set_new(result, "status_assinatura",
							json_pack("{s:s}", "titulo", titles[state]));
	return result;
}

static void
reply_subscription(SandboxRequest *request, const SandboxRecord *subscription)
{
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:b, s:s, s:o}", "success", 1,
								 "message", DONE,
								 "data", shown(subscription)));
}

/* What the parts of the long form lack, or NULL. */
static const char *
long_form_misfit(const json_t *body)
{
	const char *misfit =
	sandbox_client_misfit(json_object_get(body, "cliente"));

	if (misfit == NULL && !json_is_object(json_object_get(body, "endereco")))
		misfit = "endereco";
	return misfit != NULL ? misfit :
		sandbox_card_misfit(json_object_get(body, "cartao"));
}

/*
 * The card of the body, with its client, both made if they are new; NULL
 * with a reply if something is missing.
 */
static SandboxRecord *
long_form_card(SandboxRequest *request)
{
	const json_t *client = json_object_get(request->json, "cliente");
	const char *misfit = long_form_misfit(request->json);
	SandboxRecord *payer;

	if (misfit != NULL)
	{
		sandbox_zsystems_misfit(request, SANDBOX_REFUSAL_MESSAGE, misfit);
		return NULL;
	}
	payer = sandbox_client_known(sandbox_client_document(client));
	if (payer == NULL)
		payer = sandbox_client_enter(client, request->partner);
	return sandbox_card_enter(json_object_get(request->json, "cartao"), payer,
							  request->partner);
}

/* The stored card that the short form names; NULL with a reply if none. */
static SandboxRecord *
short_form_card(SandboxRequest *request)
{
	SandboxRecord *client =
	sandbox_record_named(SANDBOX_CLIENTS,
						 json_object_get(request->json, "clienteId"));
	SandboxRecord *card =
	sandbox_record_named(SANDBOX_CARDS,
						 json_object_get(request->json, "tokenCardId"));

	if (client != NULL && card != NULL &&
		json_integer_value(json_object_get(card->fields, "cliente_id")) ==
		client->id)
		return card;
	sandbox_zsystems_misfit(request, SANDBOX_REFUSAL_MESSAGE,
							client == NULL ? "clienteId" : "tokenCardId");
	return NULL;
}

/* Does the acquirer take the card?  If not, fill the reply. */
static bool
accept_card(SandboxRequest *request, const SandboxRecord *card)
{
	const char *digits =
	json_string_value(json_object_get(card->fields, "ultimos_digitos"));
	bool		marked = strcmp(digits, DECLINED_CARD) == 0;

	if (!marked && strcmp(digits, DECLINED_CARD_UNMARKED) != 0)
		return true;
	sandbox_zsystems_declined(request, marked);
	return false;
}

/* Cents of a plan as decimal reais. */
static json_t *
reais(long cents)
{
	return json_real((double) cents / 100);
}

/* POST /planos/assinar */
void
sandbox_subscription_create(SandboxRequest *request)
{
	SandboxRecord *plan =
	sandbox_record_named(SANDBOX_PLANS,
						 json_object_get(request->json, "planoId"));
	SandboxRecord *subscription;
	SandboxRecord *card;

	if (plan == NULL)
	{
		sandbox_zsystems_misfit(request, SANDBOX_REFUSAL_MESSAGE, "planoId");
		return;
	}
	card = json_object_get(request->json, "tokenCardId") != NULL ?
		short_form_card(request) : long_form_card(request);
	if (card == NULL || !accept_card(request, card))
		return;
	subscription =
		sandbox_record_add(SANDBOX_SUBSCRIPTIONS,
						   json_pack("{s:s, s:o, s:s, s:I, s:O, s:I}",
									 "payment_method", "credit", "amount",
									 reais(sandbox_plan_number(plan,
															   "amount")),
									 "currency", "BRL", "plano_id", plan->id,
									 "cliente_id",
									 json_object_get(card->fields,
													 "cliente_id"),
									 "cartao_id", card->id),
						   request->partner);
	sandbox_subscription_begin(subscription, plan);
	request->effects++;
	reply_subscription(request, subscription);
}

/* GET /planos/assinaturas */
void
sandbox_subscription_list(SandboxRequest *request)
{
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:b, s:o}", "success", 1, "assinaturas",
								 sandbox_record_list(SANDBOX_SUBSCRIPTIONS,
													 shown)));
}

/* The subscription of an id, or NULL with 404 as the reply. */
static SandboxRecord *
checked(SandboxRequest *request, SandboxRecord *subscription)
{
	if (subscription == NULL)
		sandbox_zsystems_unknown(request, "Assinatura");
	return subscription;
}

static SandboxRecord *
subscription_of(SandboxRequest *request)
{
	return checked(request, sandbox_record_find(SANDBOX_SUBSCRIPTIONS,
												request->id));
}

static SandboxRecord *
subscription_of_body(SandboxRequest *request)
{
	const json_t *id = json_object_get(request->json, "assinatura_id");

	return checked(request, sandbox_record_named(SANDBOX_SUBSCRIPTIONS, id));
}

/* GET /planos/assinatura/{id} */
void
sandbox_subscription_read(SandboxRequest *request)
{
	SandboxRecord *subscription = subscription_of(request);

	if (subscription != NULL)
		sandbox_reply_json(&request->reply, 200,
						   json_pack("{s:o}", "data", shown(subscription)));
}

/* Refuse what the state of a subscription does not allow. */
static void
refuse_state(SandboxRequest *request, const SandboxRecord *subscription)
{
	char	   *text = sandbox_printf("Assinatura %s",
									  titles[subscription->state]);

	sandbox_zsystems_reject(request, SANDBOX_REFUSAL_MESSAGE, text);
	free(text);
}

static bool
has_ended(const SandboxRecord *subscription)
{
	return subscription->state == SANDBOX_SUB_CANCELLED ||
		subscription->state == SANDBOX_SUB_EXPIRED;
}

/* PUT /planos/assinatura/{id}: known members replace the subscription's. */
void
sandbox_subscription_change(SandboxRequest *request)
{
	static const char *const known[] = {
		"payment_method", "amount", "expiration_date", "due_date"
	};
	SandboxRecord *subscription = subscription_of(request);
	size_t		i;

	if (subscription == NULL)
		return;
	if (has_ended(subscription))
	{
		refuse_state(request, subscription);
		return;
	}
	for (i = 0; i < lengthof(known); i++)
	{
		json_t	   *value = json_object_get(request->json, known[i]);

		if (value != NULL)
			json_object_set(subscription->fields, known[i], value);
	}
	sandbox_record_touch(subscription);
	request->effects++;
	reply_subscription(request, subscription);
}

/* Bring a subscription into a state, if it is in none of the others. */
static void
move(SandboxRequest *request, SandboxRecord *subscription,
	 SandboxSubscriptionState state)
{
	if (subscription == NULL)
		return;
	if (has_ended(subscription) || subscription->state == state)
	{
		refuse_state(request, subscription);
		return;
	}
	sandbox_subscription_enter(subscription, state);
	request->effects++;
	reply_subscription(request, subscription);
}

/* DELETE /planos/assinatura/{id} */
void
sandbox_subscription_cancel(SandboxRequest *request)
{
	move(request, subscription_of(request), SANDBOX_SUB_CANCELLED);
}

/* POST /planos/assinatura/suspender */
void
sandbox_subscription_suspend(SandboxRequest *request)
{
	move(request, subscription_of_body(request), SANDBOX_SUB_SUSPENDED);
}

/* POST /planos/assinatura/reativar */
void
sandbox_subscription_reactivate(SandboxRequest *request)
{
	SandboxRecord *subscription = subscription_of_body(request);

	if (subscription == NULL)
		return;
	if (subscription->state != SANDBOX_SUB_SUSPENDED &&
		subscription->state != SANDBOX_SUB_PAST_DUE)
	{
		refuse_state(request, subscription);
		return;
	}
	sandbox_subscription_resume(subscription);
	request->effects++;
	reply_subscription(request, subscription);
}

/* GET /planos/assinatura/{id}/faturas */
void
sandbox_subscription_invoices(SandboxRequest *request)
{
	SandboxRecord *subscription = subscription_of(request);
	json_t	   *list;
	size_t		i;

	if (subscription == NULL)
		return;
	list = json_array();
	for (i = 0; i < sandbox_record_count(SANDBOX_INVOICES); i++)
	{
		const SandboxRecord *invoice = sandbox_record_get(SANDBOX_INVOICES,
														  i);
		const json_t *of = json_object_get(invoice->fields, "assinatura_id");

		if (json_integer_value(of) == subscription->id)
			json_array_append(list, invoice->fields);
	}
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:b, s:o}", "success", 1,
								 "faturas", list));
}

/* POST /planos/assinatura/estornar: give back what an invoice was paid. */
void
sandbox_subscription_refund(SandboxRequest *request)
{
	SandboxRecord *invoice =
	sandbox_record_named(SANDBOX_INVOICES,
						 json_object_get(request->json, "id"));
	const char *status;

	if (invoice == NULL)
	{
		sandbox_zsystems_unknown(request, "Fatura");
		return;
	}
	status = json_string_value(json_object_get(invoice->fields, "status"));
	if (strcmp(status, "paid") != 0)
	{
		sandbox_zsystems_reject(request, SANDBOX_REFUSAL_MESSAGE,
								"A fatura não está paga");
		return;
	}
	sandbox_invoice_status(invoice, "voided");
	request->effects++;
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:b, s:s}", "success", 1,
								 "message", DONE));
}
