/*-------------------------------------------------------------------------
 *
 * asaas_fields.c
 *	  Asaas: what is told of customers, charges and the rest, by the names of
 *	  our columns.
 *
 * Members that are absent or null are left out: of absent relations they may
 * be either.  Words such as a status are handed on as they are, known or not.
 * "details" has all that was told, without secrets.  With a charge it is said
 * when it was so ("answered_at"): several ways of telling overtake each other.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"

#include "json.h"
#include "providers/asaas.h"
#include "providers/common.h"

typedef enum ColumnType
{
	COLUMN_TEXT,
	COLUMN_DAY,
	COLUMN_CENTS,
	COLUMN_FLAG,
	COLUMN_COUNT,
	COLUMN_REFUNDS,				/* cents: their sum */
	COLUMN_JSON
} ColumnType;

typedef struct Column
{
	const char *name;			/* of our column */
	const char *key;			/* in the API */
	ColumnType	type;
} Column;

static const Column customer_columns[] = {
	{"customer_id", "id", COLUMN_TEXT},
	{"name", "name", COLUMN_TEXT},
	{"document", "cpfCnpj", COLUMN_TEXT},
	{"email", "email", COLUMN_TEXT},
	{"phone", "phone", COLUMN_TEXT},
	{"mobile", "mobilePhone", COLUMN_TEXT},
	{"group_name", "groupName", COLUMN_TEXT},
	{"notifications_disabled", "notificationDisabled", COLUMN_FLAG},
	{"external_reference", "externalReference", COLUMN_TEXT},
	{"created_on", "dateCreated", COLUMN_DAY},
	{"deleted", "deleted", COLUMN_FLAG}
};

static const Column charge_columns[] = {
	{"charge_id", "id", COLUMN_TEXT},
	{"customer_id", "customer", COLUMN_TEXT},
	{"recurrence_id", "subscription", COLUMN_TEXT},
	{"installment_id", "installment", COLUMN_TEXT},
	{"billing_type", "billingType", COLUMN_TEXT},
	{"status", "status", COLUMN_TEXT},
	{"value_cents", "value", COLUMN_CENTS},
	{"net_value_cents", "netValue", COLUMN_CENTS},
	{"original_value_cents", "originalValue", COLUMN_CENTS},
	{"interest_value_cents", "interestValue", COLUMN_CENTS},
	{"refunded_cents", "refunds", COLUMN_REFUNDS},
	{"description", "description", COLUMN_TEXT},
	{"due_on", "dueDate", COLUMN_DAY},
	{"original_due_on", "originalDueDate", COLUMN_DAY},
	{"paid_on", "paymentDate", COLUMN_DAY},
	{"payer_paid_on", "clientPaymentDate", COLUMN_DAY},
	{"confirmed_on", "confirmedDate", COLUMN_DAY},
	{"credited_on", "creditDate", COLUMN_DAY},
	{"credit_expected_on", "estimatedCreditDate", COLUMN_DAY},
	{"invoice_url", "invoiceUrl", COLUMN_TEXT},
	{"invoice_number", "invoiceNumber", COLUMN_TEXT},
	{"boleto_url", "bankSlipUrl", COLUMN_TEXT},
	{"receipt_url", "transactionReceiptUrl", COLUMN_TEXT},
	{"our_number", "nossoNumero", COLUMN_TEXT},
	{"external_reference", "externalReference", COLUMN_TEXT},
	{"created_on", "dateCreated", COLUMN_DAY},
	{"deleted", "deleted", COLUMN_FLAG}
};

static const Column recurrence_columns[] = {
	{"recurrence_id", "id", COLUMN_TEXT},
	{"customer_id", "customer", COLUMN_TEXT},
	{"billing_type", "billingType", COLUMN_TEXT},
	{"cycle", "cycle", COLUMN_TEXT},
	{"status", "status", COLUMN_TEXT},
	{"value_cents", "value", COLUMN_CENTS},
	{"description", "description", COLUMN_TEXT},
	{"next_due_on", "nextDueDate", COLUMN_DAY},
	{"ends_on", "endDate", COLUMN_DAY},
	{"max_payments", "maxPayments", COLUMN_COUNT},
	{"external_reference", "externalReference", COLUMN_TEXT},
	{"created_on", "dateCreated", COLUMN_DAY},
	{"deleted", "deleted", COLUMN_FLAG}
};

static const Column notification_columns[] = {
	{"notification_id", "id", COLUMN_TEXT},
	{"customer_id", "customer", COLUMN_TEXT},
	{"event", "event", COLUMN_TEXT},
	{"enabled", "enabled", COLUMN_FLAG},
	{"email_customer", "emailEnabledForCustomer", COLUMN_FLAG},
	{"sms_customer", "smsEnabledForCustomer", COLUMN_FLAG},
	{"phone_customer", "phoneCallEnabledForCustomer", COLUMN_FLAG},
	{"whatsapp_customer", "whatsappEnabledForCustomer", COLUMN_FLAG},
	{"email_provider", "emailEnabledForProvider", COLUMN_FLAG},
	{"sms_provider", "smsEnabledForProvider", COLUMN_FLAG},
	{"schedule_offset", "scheduleOffset", COLUMN_COUNT},
	{"deleted", "deleted", COLUMN_FLAG}
};

static const Column webhook_columns[] = {
	{"webhook_id", "id", COLUMN_TEXT},
	{"name", "name", COLUMN_TEXT},
	{"url", "url", COLUMN_TEXT},
	{"email", "email", COLUMN_TEXT},
	{"enabled", "enabled", COLUMN_FLAG},
	{"interrupted", "interrupted", COLUMN_FLAG},
	{"send_type", "sendType", COLUMN_TEXT},
	{"has_token", "hasAuthToken", COLUMN_FLAG},
	{"penalized_requests", "penalizedRequestsCount", COLUMN_COUNT},
	{"events", "events", COLUMN_JSON}
};

/* The columns of a sort of thing, in their order. */
typedef struct Columns
{
	const Column *all;
	size_t		count;
} Columns;

#define COLUMNS(table) {table, lengthof(table)}

static const Columns columns[PARTNER_API_OBJECTS] = {
	[PARTNER_API_CUSTOMER] = COLUMNS(customer_columns),
	[PARTNER_API_CHARGE] = COLUMNS(charge_columns),
	[PARTNER_API_RECURRENCE] = COLUMNS(recurrence_columns),
	[PARTNER_API_NOTIFICATION] = COLUMNS(notification_columns),
	[PARTNER_API_WEBHOOK] = COLUMNS(webhook_columns)
};

/*
 * Cents of an amount that may be less than nothing; false if it is none.
 */
bool
partner_api_asaas_amount(const json_t *value, int64 *cents)
{
	const char *str = json_string_value(value);
	bool		negative = (str != NULL && *str == '-') ||
	(json_is_integer(value) && json_integer_value(value) < 0);
	json_t	   *size;
	bool		is_amount;

	if (!negative)
		return partner_api_cents(value, cents);
	if (str == NULL)
		str = partner_api_json_print(value);
	size = partner_api_json_own(json_string(str + 1));
	is_amount = partner_api_cents(size, cents);
	*cents = -*cents;
	return is_amount;
}

/*
 * What was given back, or is on its way, by the refunds of a charge.
 */
static int64
refunded_cents(const json_t *refunds)
{
	int64		sum = 0;

	for (size_t i = 0; i < json_array_size(refunds); i++)
	{
		const json_t *refund = json_array_get(refunds, i);
		const char *status =
		json_string_value(json_object_get(refund, "status"));
		int64		cents;

		if ((status == NULL || strcmp(status, "CANCELLED") != 0) &&
			partner_api_cents(json_object_get(refund, "value"), &cents) &&
			pg_add_s64_overflow(sum, cents, &sum))
			return 0;
	}
	return sum;
}

/*
 * Set a column, if the member suits it.
 */
static void
put_column(json_t *fields, const Column *column, const json_t *exact)
{
	json_t	   *value = json_object_get(exact, column->key);
	int64		number;

	switch (column->type)
	{
		case COLUMN_TEXT:
			partner_api_json_put_text(fields, column->name,
									  partner_api_filled_text(exact,
															  column->key));
			break;
		case COLUMN_DAY:
			partner_api_json_put_text(fields, column->name,
									  partner_api_day(value));
			break;
		case COLUMN_CENTS:
			if (partner_api_asaas_amount(value, &number))
				partner_api_json_put_int64(fields, column->name, number);
			break;
		case COLUMN_FLAG:
			if (json_is_boolean(value))
				partner_api_json_put(fields, column->name, value);
			break;
		case COLUMN_COUNT:
			if (partner_api_json_int64(exact, column->key, &number) &&
				number >= 0 && number <= PG_INT32_MAX)
				partner_api_json_put_int64(fields, column->name, number);
			break;
		case COLUMN_REFUNDS:
			number = refunded_cents(value);
			if (number > 0)
				partner_api_json_put_int64(fields, column->name, number);
			break;
		case COLUMN_JSON:
			if (json_is_array(value))
				partner_api_json_put(fields, column->name, value);
			break;
	}
}

/*
 * Say when the provider told it, by its clock, if that is known.
 */
void
partner_api_asaas_put_time(json_t *fields, int64 answered_ms)
{
	if (answered_ms > 0)
		partner_api_json_put_text(fields, "answered_at",
								  partner_api_time_text(answered_ms));
}

/*
 * What was told of a thing, by our columns.  Its secrets are taken out in
 * place.
 */
json_t *
partner_api_asaas_fields(PartnerApiObject object,
						 const PartnerApiAsaasAnswer *told)
{
	const Columns *known = &columns[object];
	json_t	   *fields = partner_api_json_object();

	for (size_t i = 0; i < known->count; i++)
		put_column(fields, &known->all[i], told->exact);
	partner_api_remove_secrets(told->plain);
	partner_api_json_put(fields, "details", told->plain);
	if (object == PARTNER_API_CHARGE)
		partner_api_asaas_put_time(fields, told->answered_ms);
	return fields;
}
