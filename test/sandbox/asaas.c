/*-------------------------------------------------------------------------
 *
 * asaas.c
 *	  The Asaas part: its routes and general refusals.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <stdlib.h>
#include <string.h>

#define COVER "***"

static bool
owns(const SandboxRequest *request)
{
	return request->segment_count > 0 &&
		strcmp(request->segments[0], "v3") == 0;
}

/* What reaches no handler; a path that does not exist has no body. */
static void
refuse(SandboxRequest *request, unsigned status)
{
	if (status == 404)
		sandbox_reply_text(&request->reply, status, NULL, "");
	else
		sandbox_asaas_refuse(request, status, "invalid_request",
							 status == 405 ? "Método não permitido." :
							 status == 415 ? "Content-Type inválido." :
							 "O corpo da requisição não é um JSON válido.");
	if (status == 405)
		sandbox_reply_header(&request->reply, "Allow", request->allowed);
}

/* Cover a member of a body, if it is there. */
static void
cover(json_t *body, const char *key)
{
	if (json_object_get(body, key) != NULL)
		json_object_set_new(body, key, json_string(COVER));
}

/* The body without the token of a webhook and without card data. */
static char *
shown_body(const SandboxRequest *request)
{
	json_t	   *body;
	json_t	   *card;
	char	   *result;

	if (request->body.len == 0)
		return NULL;
	body = json_loadb(request->body.data, request->body.len, 0, NULL);
	card = json_object_get(body, "creditCard");
	if (card == NULL && json_object_get(body, "authToken") == NULL)
	{
		json_decref(body);
		return NULL;
	}
	cover(body, "authToken");
	cover(card, "number");
	cover(card, "ccv");
	result = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	return result;
}

/* In the order of the names in asaas_gate.c */
#define CUSTOMER (0 << 2)
#define NOTIFICATION (1 << 2)
#define PAYMENT (2 << 2)
#define SUBSCRIPTION (3 << 2)
#define WEBHOOK (4 << 2)
#define ACCOUNT (5 << 2)
#define FINANCE (6 << 2)

#define READ(name, permission, serve, ...) \
	{SANDBOX_ ## name, "GET", {"v3", __VA_ARGS__}, permission, \
	SANDBOX_NO_BODY, sandbox_asaas_ ## serve}
#define WRITE(name, verb, permission, rule, serve, ...) \
	{SANDBOX_ ## name, verb, {"v3", __VA_ARGS__}, \
	(permission) | SANDBOX_ASAAS_WRITE, SANDBOX_ ## rule, \
	sandbox_asaas_ ## serve}
#define LEAN SANDBOX_ASAAS_LEAN

/* Fixed paths go before those that match any id. */
static const SandboxRoute routes[] = {
	WRITE(CREATE_CUSTOMER, "POST", CUSTOMER, BODY_REQUIRED, customer_create,
		  "customers"),
	READ(LIST_CUSTOMERS, CUSTOMER, customer_list, "customers"),
	READ(READ_CUSTOMER, CUSTOMER, customer_read, "customers", SANDBOX_ID),
	WRITE(CHANGE_CUSTOMER, "PUT", CUSTOMER, BODY_REQUIRED, customer_change,
		  "customers", SANDBOX_ID),
	WRITE(DELETE_CUSTOMER, "DELETE", CUSTOMER, NO_BODY, customer_delete,
		  "customers", SANDBOX_ID),
	WRITE(RESTORE_CUSTOMER, "POST", CUSTOMER, BODY_OPTIONAL,
		  customer_restore, "customers", SANDBOX_ID, "restore"),

	READ(LIST_NOTIFICATIONS, NOTIFICATION, notification_list,
		 "customers", SANDBOX_ID, "notifications"),
	WRITE(CHANGE_NOTIFICATIONS, "PUT", NOTIFICATION, BODY_REQUIRED,
		  notification_batch, "notifications", "batch"),
	WRITE(CHANGE_NOTIFICATION, "PUT", NOTIFICATION, BODY_REQUIRED,
		  notification_change, "notifications", SANDBOX_ID),
	WRITE(CHANGE_NOTIFICATION, "POST", NOTIFICATION, BODY_REQUIRED,
		  notification_change, "notifications", SANDBOX_ID),

	WRITE(CREATE_CHARGE, "POST", PAYMENT, BODY_REQUIRED, payment_create,
		  "payments"),
	READ(LIST_CHARGES, PAYMENT, payment_list, "payments"),
	READ(CHARGE_LIMITS, PAYMENT, payment_limits, "payments", "limits"),
	WRITE(SIMULATE_CHARGE, "POST", PAYMENT, BODY_REQUIRED, payment_simulate,
		  "payments", "simulate"),
	READ(READ_CHARGE, PAYMENT, payment_read, "payments", SANDBOX_ID),
	WRITE(CHANGE_CHARGE, "PUT", PAYMENT, BODY_REQUIRED, payment_change,
		  "payments", SANDBOX_ID),
	WRITE(CHANGE_CHARGE, "POST", PAYMENT, BODY_REQUIRED, payment_change,
		  "payments", SANDBOX_ID),
	WRITE(DELETE_CHARGE, "DELETE", PAYMENT, NO_BODY, payment_delete,
		  "payments", SANDBOX_ID),
	READ(CHARGE_STATUS, PAYMENT, payment_status,
		 "payments", SANDBOX_ID, "status"),
	READ(CHARGE_VIEWS, PAYMENT, payment_views,
		 "payments", SANDBOX_ID, "viewingInfo"),
	READ(BOLETO_LINE, PAYMENT, payment_line,
		 "payments", SANDBOX_ID, "identificationField"),
	READ(PIX_CODE, PAYMENT, payment_pix,
		 "payments", SANDBOX_ID, "pixQrCode"),
	READ(BILLING_INFO, PAYMENT, payment_billing,
		 "payments", SANDBOX_ID, "billingInfo"),
	WRITE(RESTORE_CHARGE, "POST", PAYMENT, BODY_OPTIONAL, payment_restore,
		  "payments", SANDBOX_ID, "restore"),
	WRITE(REFUND_CHARGE, "POST", PAYMENT, BODY_OPTIONAL, payment_refund,
		  "payments", SANDBOX_ID, "refund"),
	WRITE(RECEIVE_CHARGE, "POST", PAYMENT, BODY_REQUIRED, payment_receive,
		  "payments", SANDBOX_ID, "receiveInCash"),
	WRITE(UNDO_RECEIVE_CHARGE, "POST", PAYMENT, BODY_OPTIONAL, payment_undo,
		  "payments", SANDBOX_ID, "undoReceivedInCash"),
	WRITE(PAY_CHARGE, "POST", PAYMENT, BODY_REQUIRED, payment_by_card,
		  "payments", SANDBOX_ID, "payWithCreditCard"),
	WRITE(CAPTURE_CHARGE, "POST", PAYMENT, BODY_OPTIONAL, payment_capture,
		  "payments", SANDBOX_ID, "captureAuthorizedPayment"),

	WRITE(CREATE_CHARGE, "POST", PAYMENT | LEAN, BODY_REQUIRED,
		  payment_create, "lean", "payments"),
	READ(LIST_CHARGES, PAYMENT | LEAN, payment_list, "lean", "payments"),
	READ(READ_CHARGE, PAYMENT | LEAN, payment_read,
		 "lean", "payments", SANDBOX_ID),
	WRITE(CHANGE_CHARGE, "PUT", PAYMENT | LEAN, BODY_REQUIRED,
		  payment_change, "lean", "payments", SANDBOX_ID),
	WRITE(DELETE_CHARGE, "DELETE", PAYMENT | LEAN, NO_BODY, payment_delete,
		  "lean", "payments", SANDBOX_ID),
	WRITE(RESTORE_CHARGE, "POST", PAYMENT | LEAN, BODY_OPTIONAL,
		  payment_restore, "lean", "payments", SANDBOX_ID, "restore"),
	WRITE(REFUND_CHARGE, "POST", PAYMENT | LEAN, BODY_OPTIONAL,
		  payment_refund, "lean", "payments", SANDBOX_ID, "refund"),
	WRITE(RECEIVE_CHARGE, "POST", PAYMENT | LEAN, BODY_REQUIRED,
		  payment_receive, "lean", "payments", SANDBOX_ID, "receiveInCash"),
	WRITE(UNDO_RECEIVE_CHARGE, "POST", PAYMENT | LEAN, BODY_OPTIONAL,
		  payment_undo, "lean", "payments", SANDBOX_ID,
		  "undoReceivedInCash"),

	WRITE(CREATE_RECURRENCE, "POST", SUBSCRIPTION, BODY_REQUIRED,
		  subscription_create, "subscriptions"),
	READ(LIST_RECURRENCES, SUBSCRIPTION, subscription_list,
		 "subscriptions"),
	READ(READ_RECURRENCE, SUBSCRIPTION, subscription_read,
		 "subscriptions", SANDBOX_ID),
	WRITE(CHANGE_RECURRENCE, "PUT", SUBSCRIPTION, BODY_REQUIRED,
		  subscription_change, "subscriptions", SANDBOX_ID),
	WRITE(DELETE_RECURRENCE, "DELETE", SUBSCRIPTION, NO_BODY,
		  subscription_delete, "subscriptions", SANDBOX_ID),
	READ(LIST_RECURRENCE_CHARGES, SUBSCRIPTION, subscription_charges,
		 "subscriptions", SANDBOX_ID, "payments"),
	READ(PAYMENT_BOOK, SUBSCRIPTION, subscription_book,
		 "subscriptions", SANDBOX_ID, "paymentBook"),

	WRITE(CREATE_WEBHOOK, "POST", WEBHOOK, BODY_REQUIRED, webhook_create,
		  "webhooks"),
	READ(LIST_WEBHOOKS, WEBHOOK, webhook_list, "webhooks"),
	READ(READ_WEBHOOK, WEBHOOK, webhook_read, "webhooks", SANDBOX_ID),
	WRITE(CHANGE_WEBHOOK, "PUT", WEBHOOK, BODY_REQUIRED, webhook_change,
		  "webhooks", SANDBOX_ID),
	WRITE(DELETE_WEBHOOK, "DELETE", WEBHOOK, NO_BODY, webhook_delete,
		  "webhooks", SANDBOX_ID),
	WRITE(RESUME_WEBHOOK, "POST", WEBHOOK, BODY_OPTIONAL, webhook_resume,
		  "webhooks", SANDBOX_ID, "removeBackoff"),

	READ(READ_BALANCE, FINANCE, account_balance, "finance", "balance"),
	READ(CHARGE_STATISTICS, FINANCE, payment_statistics,
		 "finance", "payment", "statistics"),
	READ(LIST_TRANSACTIONS, FINANCE, transaction_list,
		 "financialTransactions"),
	READ(ACCOUNT_STATUS, ACCOUNT, account_status, "myAccount", "status"),
	READ(ACCOUNT_STATUS, ACCOUNT, account_status, "myAccount", "status", ""),
	READ(ACCOUNT_DATA, ACCOUNT, account_number,
		 "myAccount", "accountNumber"),
	READ(ACCOUNT_DATA, ACCOUNT, account_info,
		 "myAccount", "commercialInfo"),
	READ(ACCOUNT_DATA, ACCOUNT, account_info,
		 "myAccount", "commercialInfo", ""),
	READ(ACCOUNT_DATA, ACCOUNT, account_fees, "myAccount", "fees"),
	READ(ACCOUNT_DATA, ACCOUNT, account_fees, "myAccount", "fees", ""),

	WRITE(SANDBOX_HELPER, "POST", PAYMENT, BODY_OPTIONAL, payment_confirm,
		  "sandbox", "payment", SANDBOX_ID, "confirm"),
	WRITE(SANDBOX_HELPER, "POST", PAYMENT, BODY_OPTIONAL, payment_overdue,
		  "sandbox", "payment", SANDBOX_ID, "overdue"),
	WRITE(SANDBOX_HELPER, "POST", ACCOUNT, BODY_OPTIONAL, account_approve,
		  "sandbox", "myAccount", "approve")
};

const SandboxProvider sandbox_asaas = {
	.name = "asaas",
	.routes = routes,
	.route_count = lengthof(routes),
	.owns = owns,
	.authorize = sandbox_asaas_authorize,
	.refuse = refuse,
	.shown_body = shown_body,
	.ended = sandbox_asaas_ended
};
