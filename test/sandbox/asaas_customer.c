/*-------------------------------------------------------------------------
 *
 * asaas_customer.c
 *	  Asaas: customers.
 *
 * Two of them may have the same CPF or CNPJ, and the same external
 * reference: nothing is unique but the id.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <stdlib.h>
#include <string.h>

#include "ledger.h"

#define MAX_COMPLEMENT 255

/* Members of a customer that a client may set */
static const char *const known[] = {
	"name", "email", "company", "phone", "mobilePhone", "address",
	"addressNumber", "complement", "province", "postalCode",
	"additionalEmails", "externalReference", "notificationDisabled",
	"observations", "municipalInscription", "stateInscription", "groupName",
	"foreignCustomer"
};

static bool
is_blank(const json_t *value)
{
	return json_string_length(value) == 0;
}

/* Is a text short enough, if there is one? */
static bool
fits(const json_t *value, size_t most)
{
	return value == NULL || json_is_null(value) ||
		(json_is_string(value) && json_string_length(value) <= most);
}

static bool
is_phone(const json_t *value)
{
	char	   *digits = sandbox_asaas_digits(json_string_value(value));
	size_t		len = strlen(digits);

	free(digits);
	return is_blank(value) || len == 10 || len == 11;
}

/* Check the members that a body has; at the first bad one it stops. */
static bool
check_members(SandboxRequest *request)
{
	const json_t *body = request->json;
	const json_t *document = json_object_get(body, "cpfCnpj");
	const char *email = json_string_value(json_object_get(body, "email"));

	if (document != NULL &&
		!sandbox_asaas_is_document(json_string_value(document)))
		return sandbox_asaas_invalid(request, "object",
									 "O CPF/CNPJ informado é inválido.");
	if (email != NULL && *email != '\0' && strchr(email, '@') == NULL)
		return sandbox_asaas_invalid(request, "email",
									 "O email informado é inválido.");
	if (!is_phone(json_object_get(body, "mobilePhone")))
		return sandbox_asaas_invalid(request, "mobilePhone",
									 "O celular informado é inválido.");
	if (!is_phone(json_object_get(body, "phone")))
		return sandbox_asaas_invalid(request, "phone",
									 "O telefone informado é inválido.");
	if (!fits(json_object_get(body, "complement"), MAX_COMPLEMENT))
		return sandbox_asaas_invalid(request, "complement",
									 "O complemento informado é muito longo.");
	return true;
}

/* Take a body over; of the document only the digits are kept. */
static void
take(SandboxAsaas *customer, const json_t *body)
{
	const char *document =
	json_string_value(json_object_get(body, "cpfCnpj"));
	char	   *digits;

	sandbox_asaas_take(customer, body, known, lengthof(known));
	if (document == NULL)
		return;
	digits = sandbox_asaas_digits(document);
	sandbox_asaas_put(customer, "cpfCnpj", json_string(digits));
	sandbox_asaas_put(customer, "personType",
					  json_string(strlen(digits) == 11 ?
								  "FISICA" : "JURIDICA"));
	free(digits);
}

/* Keep a new customer, with the notifications that each one has. */
SandboxAsaas *
sandbox_asaas_customer_enter(const json_t *body, SandboxToken *maker)
{
	SandboxAsaas *customer =
	sandbox_asaas_add(SANDBOX_ASAAS_CUSTOMERS,
					  json_pack("{s:s, s:b, s:b, s:n, s:n, s:n}",
								"object", "customer", "deleted", 0,
								"notificationDisabled", 0, "email",
								"mobilePhone", "externalReference"),
					  maker);
	const char *reference;

	sandbox_asaas_put(customer, "dateCreated",
					  sandbox_asaas_day_json(sandbox_asaas_today()));
	take(customer, body);
	sandbox_asaas_notification_make(customer);
	reference = sandbox_asaas_text(customer, "externalReference");
	if (maker != NULL && reference != NULL)
		sandbox_ledger_name_effects(reference)->count[SANDBOX_CREATES]++;
	return customer;
}

/* POST /customers */
void
sandbox_asaas_customer_create(SandboxRequest *request)
{
	const json_t *body = request->json;

	if (is_blank(json_object_get(body, "name")))
		sandbox_asaas_invalid(request, "name",
							  "O nome do cliente deve ser informado.");
	else if (is_blank(json_object_get(body, "cpfCnpj")))
		sandbox_asaas_invalid(request, "cpfCnpj",
							  "O CPF ou CNPJ do cliente deve ser informado.");
	else if (check_members(request))
	{
		request->effects++;
		sandbox_asaas_reply(request,
							sandbox_asaas_customer_enter(body,
														 request->partner));
	}
}

static bool
is_shown(const SandboxAsaas *customer, const void *context)
{
	return sandbox_config.asaas_list_deleted ||
		!sandbox_asaas_flag(customer, "deleted");
}

/* GET /customers */
void
sandbox_asaas_customer_list(SandboxRequest *request)
{
	static const SandboxAsaasFilter filters[] = {
		{"name", "name", SANDBOX_ASAAS_CONTAINS},
		{"email", "email", SANDBOX_ASAAS_EQUAL},
		{"cpfCnpj", "cpfCnpj", SANDBOX_ASAAS_DIGITS},
		{"groupName", "groupName", SANDBOX_ASAAS_EQUAL},
		{"externalReference", "externalReference", SANDBOX_ASAAS_EQUAL}
	};
	const SandboxAsaasList list = {
		SANDBOX_ASAAS_CUSTOMERS, filters, lengthof(filters), is_shown, NULL
	};

	sandbox_asaas_list(request, &list);
}

/* GET /customers/{id}, also of one that is deleted */
void
sandbox_asaas_customer_read(SandboxRequest *request)
{
	SandboxAsaas *customer = sandbox_asaas_of(request,
											  SANDBOX_ASAAS_CUSTOMERS);

	if (customer != NULL)
		sandbox_asaas_reply(request, customer);
}

/* The customer of the path that is deleted or is not; else NULL, replied. */
static SandboxAsaas *
customer_that(SandboxRequest *request, bool deleted)
{
	SandboxAsaas *customer = sandbox_asaas_of(request,
											  SANDBOX_ASAAS_CUSTOMERS);

	if (customer == NULL ||
		sandbox_asaas_flag(customer, "deleted") == deleted)
		return customer;
	sandbox_asaas_impossible(request, deleted ?
							 "O cliente não está removido." :
							 "O cliente está removido.");
	return NULL;
}

/* PUT /customers/{id} */
void
sandbox_asaas_customer_change(SandboxRequest *request)
{
	SandboxAsaas *customer = customer_that(request, false);
	const json_t *name = json_object_get(request->json, "name");

	if (customer == NULL)
		return;
	if (name != NULL && is_blank(name))
		sandbox_asaas_invalid(request, "name",
							  "O nome do cliente deve ser informado.");
	else if (check_members(request))
	{
		take(customer, request->json);
		request->effects++;
		sandbox_asaas_reply(request, customer);
	}
}

/* Remove a customer, and with it what is still to be paid. */
void
sandbox_asaas_customer_remove(SandboxAsaas *customer)
{
	size_t		i;

	sandbox_asaas_put(customer, "deleted", json_true());
	for (i = 0; i < sandbox_asaas_count(SANDBOX_ASAAS_SUBSCRIPTIONS); i++)
	{
		SandboxAsaas *subscription =
		sandbox_asaas_get(SANDBOX_ASAAS_SUBSCRIPTIONS, i);

		if (subscription->customer == customer &&
			!sandbox_asaas_flag(subscription, "deleted"))
			sandbox_asaas_subscription_remove(subscription);
	}
	for (i = 0; i < sandbox_asaas_count(SANDBOX_ASAAS_PAYMENTS); i++)
	{
		SandboxAsaas *payment = sandbox_asaas_get(SANDBOX_ASAAS_PAYMENTS, i);

		if (payment->customer == customer && sandbox_asaas_is_open(payment))
			sandbox_asaas_remove(payment);
	}
}

/* DELETE /customers/{id} */
void
sandbox_asaas_customer_delete(SandboxRequest *request)
{
	SandboxAsaas *customer = customer_that(request, false);

	if (customer == NULL)
		return;
	sandbox_asaas_customer_remove(customer);
	request->effects++;
	sandbox_asaas_reply_deleted(request, customer);
}

/* POST /customers/{id}/restore: what was deleted with it stays deleted */
void
sandbox_asaas_customer_restore(SandboxRequest *request)
{
	SandboxAsaas *customer = customer_that(request, true);

	if (customer == NULL)
		return;
	sandbox_asaas_put(customer, "deleted", json_false());
	request->effects++;
	sandbox_asaas_reply(request, customer);
}
