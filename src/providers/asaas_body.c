/*-------------------------------------------------------------------------
 *
 * asaas_body.c
 *	  Asaas: what arguments its operations take, and how they are sent.
 *
 * For each operation a table says how an argument is called here and there,
 * and what may be in it; the checks go by the same tables.
 *
 * Amounts are cents here and decimal reais there.  They go into the body as
 * digits, never as a binary number, and are printed without quotes.
 *
 * What can be searched by it carries the nonce in externalReference, alone,
 * so that a search for the nonce finds it.  A webhook carries it in its name.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/asaas.h"
#include "providers/common.h"

#define TEXT PARTNER_API_ASAAS_TEXT
#define LONG_TEXT PARTNER_API_ASAAS_LONG_TEXT
#define FLAG PARTNER_API_ASAAS_FLAG
#define CHOICE PARTNER_API_ASAAS_CHOICE
#define ANY PARTNER_API_ASAAS_ANY
#define REQUIRED PARTNER_API_ASAAS_REQUIRED
#define NEW_REQUIRED PARTNER_API_ASAAS_NEW_REQUIRED
#define CHANGE PARTNER_API_ASAAS_CHANGE

#define MOST_DESCRIPTION 500

static const char *const billing_types[] = {
	"UNDEFINED", "BOLETO", "CREDIT_CARD", "PIX", NULL
};

static const char *const cycles[] = {
	"WEEKLY", "BIWEEKLY", "MONTHLY", "BIMONTHLY", "QUARTERLY",
	"SEMIANNUALLY", "YEARLY", NULL
};

static const char *const recurrence_statuses[] = {"ACTIVE", "INACTIVE", NULL};

static const char *const send_types[] = {
	"SEQUENTIALLY", "NON_SEQUENTIALLY", NULL
};

static const PartnerApiAsaasField customer_fields[] = {
	{"name", "name", TEXT,.use = REQUIRED},
	{"document", "cpfCnpj", PARTNER_API_ASAAS_DOCUMENT,.use = REQUIRED},
	{"email", "email", TEXT,.use = ANY},
	{"phone", "phone", TEXT,.use = ANY},
	{"mobile", "mobilePhone", TEXT,.use = ANY},
	{"street", "address", TEXT,.use = ANY},
	{"number", "addressNumber", TEXT,.use = ANY},
	{"complement", "complement", TEXT,.use = ANY,.most = 255},
	{"district", "province", TEXT,.use = ANY},
	{"postal_code", "postalCode", TEXT,.use = ANY},
	{"notifications_disabled", "notificationDisabled", FLAG,.use = ANY},
	{"additional_emails", "additionalEmails", TEXT,.use = ANY},
	{"municipal_inscription", "municipalInscription", TEXT,.use = ANY},
	{"state_inscription", "stateInscription", TEXT,.use = ANY},
	{"observations", "observations", LONG_TEXT,.use = ANY},
	{"group_name", "groupName", TEXT,.use = ANY},
	{"company", "company", TEXT,.use = ANY},
	{"foreign_customer", "foreignCustomer", FLAG,.use = ANY}
};

static const PartnerApiAsaasField charge_fields[] = {
	{"customer_id", "customer", TEXT,.use = NEW_REQUIRED},
	{"billing_type", "billingType", CHOICE,.use = REQUIRED,.choices = billing_types},
	{"value_cents", "value", PARTNER_API_ASAAS_CENTS,.use = REQUIRED},
	{"due_date", "dueDate", PARTNER_API_ASAAS_COMING_DAY,.use = REQUIRED},
	{"description", "description", LONG_TEXT,.use = ANY,.most = MOST_DESCRIPTION},
	{"days_to_cancel", "daysAfterDueDateToRegistrationCancellation",
	PARTNER_API_ASAAS_COUNT,.use = ANY},
	{"discount", "discount", PARTNER_API_ASAAS_DISCOUNT,.use = ANY},
	{"interest", "interest", PARTNER_API_ASAAS_INTEREST,.use = ANY},
	{"fine", "fine", PARTNER_API_ASAAS_FINE,.use = ANY},
	{"postal_service", "postalService", FLAG,.use = ANY}
};

static const PartnerApiAsaasField refund_fields[] = {
	{"value_cents", "value", PARTNER_API_ASAAS_CENTS,.use = ANY},
	{"description", "description", LONG_TEXT,.use = ANY,.most = MOST_DESCRIPTION}
};

static const PartnerApiAsaasField receive_fields[] = {
	{"payment_date", "paymentDate", PARTNER_API_ASAAS_PAST_DAY,.use = REQUIRED},
	{"value_cents", "value", PARTNER_API_ASAAS_CENTS,.use = REQUIRED},
	{"notify_customer", "notifyCustomer", FLAG,.use = ANY}
};

static const PartnerApiAsaasField recurrence_fields[] = {
	{"customer_id", "customer", TEXT,.use = NEW_REQUIRED},
	{"billing_type", "billingType", CHOICE,.use = REQUIRED,.choices = billing_types},
	{"value_cents", "value", PARTNER_API_ASAAS_CENTS,.use = REQUIRED},
	{"next_due_date", "nextDueDate", PARTNER_API_ASAAS_COMING_DAY,.use = REQUIRED},
	{"cycle", "cycle", CHOICE,.use = REQUIRED,.choices = cycles},
	{"description", "description", LONG_TEXT,.use = ANY,.most = MOST_DESCRIPTION},
	{"end_date", "endDate", PARTNER_API_ASAAS_COMING_DAY,.use = ANY},
	{"max_payments", "maxPayments", PARTNER_API_ASAAS_COUNT,.use = ANY,.least = 1},
	{"discount", "discount", PARTNER_API_ASAAS_DISCOUNT,.use = ANY},
	{"interest", "interest", PARTNER_API_ASAAS_INTEREST,.use = ANY},
	{"fine", "fine", PARTNER_API_ASAAS_FINE,.use = ANY},
	{"status", "status", CHOICE,.use = CHANGE,.choices = recurrence_statuses},
	{"update_pending", "updatePendingPayments", FLAG,.use = CHANGE}
};

static const PartnerApiAsaasField webhook_fields[] = {
	{"name", "name", TEXT,.use = REQUIRED},
	{"url", "url", PARTNER_API_ASAAS_URL,.use = REQUIRED},
	{"email", "email", TEXT,.use = REQUIRED},
	{"enabled", "enabled", FLAG,.use = ANY},
	{"interrupted", "interrupted", FLAG,.use = ANY},
	{"send_type", "sendType", CHOICE,.use = ANY,.choices = send_types},
	{"events", "events", PARTNER_API_ASAAS_WORDS,.use = REQUIRED}
};

/* The members of one notification of a customer, but for its id. */
static const PartnerApiAsaasField switches[] = {
	{"enabled", "enabled", FLAG,.use = ANY},
	{"email_customer", "emailEnabledForCustomer", FLAG,.use = ANY},
	{"sms_customer", "smsEnabledForCustomer", FLAG,.use = ANY},
	{"phone_customer", "phoneCallEnabledForCustomer", FLAG,.use = ANY},
	{"whatsapp_customer", "whatsappEnabledForCustomer", FLAG,.use = ANY},
	{"email_provider", "emailEnabledForProvider", FLAG,.use = ANY},
	{"sms_provider", "smsEnabledForProvider", FLAG,.use = ANY},
	{"schedule_offset", "scheduleOffset", PARTNER_API_ASAAS_COUNT,.use = ANY}
};

#define FORM(fields) ((PartnerApiAsaasForm) {fields, lengthof(fields)})

/*
 * The arguments of an operation, but for the id that it acts on.
 */
PartnerApiAsaasForm
partner_api_asaas_form(PartnerApiKind kind)
{
	switch (kind)
	{
		case PARTNER_API_CREATE_CUSTOMER:
		case PARTNER_API_CHANGE_CUSTOMER:
			return FORM(customer_fields);
		case PARTNER_API_CREATE_CHARGE:
		case PARTNER_API_CHANGE_CHARGE:
			return FORM(charge_fields);
		case PARTNER_API_REFUND_CHARGE:
			return FORM(refund_fields);
		case PARTNER_API_RECEIVE_CHARGE:
			return FORM(receive_fields);
		case PARTNER_API_CREATE_RECURRENCE:
		case PARTNER_API_CHANGE_RECURRENCE:
			return FORM(recurrence_fields);
		case PARTNER_API_CREATE_WEBHOOK:
		case PARTNER_API_CHANGE_WEBHOOK:
			return FORM(webhook_fields);
		default:
			break;
	}
	return (PartnerApiAsaasForm)
	{
		NULL, 0
	};
}

/*
 * The members of one of the notifications that are changed.
 */
const PartnerApiAsaasField *
partner_api_asaas_switches(size_t *count)
{
	*count = lengthof(switches);
	return switches;
}

/* ---- what is sent ---- */

/*
 * Terms of a discount, interest or fine: an amount, or a part of the value.
 */
static json_t *
terms_body(const json_t *terms, PartnerApiAsaasType type)
{
	json_t	   *body = partner_api_json_object();
	int64		hundredths;
	int64		days;
	bool		fixed = partner_api_json_int64(terms, "value_cents",
											   &hundredths);

	if (!fixed && !partner_api_asaas_percent(terms, &hundredths))
		return NULL;
	partner_api_json_put_text(body, "value", partner_api_decimals(hundredths));
	if (type == PARTNER_API_ASAAS_DISCOUNT &&
		partner_api_json_int64(terms, "days_before_due", &days))
		partner_api_json_put_int64(body, "dueDateLimitDays", days);
	if (type != PARTNER_API_ASAAS_INTEREST)
		partner_api_json_put_text(body, "type",
								  fixed ? "FIXED" : "PERCENTAGE");
	return body;
}

/*
 * A document as it is sent; NULL for none.  That of a foreign customer is what
 * it is.
 */
const char *
partner_api_asaas_document(const char *str)
{
	char	   *document = str == NULL ? NULL : partner_api_document(str);

	return document != NULL ? document : str;
}

/*
 * Put an argument that is given into the body.
 */
static void
put_field(json_t *body, const json_t *arguments,
		  const PartnerApiAsaasField *field)
{
	json_t	   *value = json_object_get(arguments, field->name);
	int64		number;

	if (value == NULL || json_is_null(value))
		return;
	switch (field->type)
	{
		case PARTNER_API_ASAAS_CENTS:
			if (partner_api_json_int64(arguments, field->name, &number))
				partner_api_json_put_text(body, field->key,
										  partner_api_decimals(number));
			break;
		case PARTNER_API_ASAAS_DOCUMENT:
			partner_api_json_put_text(body, field->key,
									  partner_api_asaas_document(json_string_value(value)));
			break;
		case PARTNER_API_ASAAS_DISCOUNT:
		case PARTNER_API_ASAAS_INTEREST:
		case PARTNER_API_ASAAS_FINE:
			partner_api_json_put(body, field->key,
								 terms_body(value, field->type));
			break;
		default:
			partner_api_json_put(body, field->key, value);
			break;
	}
}

/*
 * Put all that is given of a table into the body.
 */
static void
put_fields(json_t *body, const json_t *arguments,
		   const PartnerApiAsaasField *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		put_field(body, arguments, &fields[i]);
}

/*
 * What a new webhook has beyond its arguments.  Events may come in any order:
 * one that cannot be delivered must not hold up all behind it.
 */
static void
put_webhook(json_t *body, const PartnerApiAction *action,
			const PartnerApiCredential *credential)
{
	const char *name = json_string_value(json_object_get(body, "name"));

	if (action->kind == PARTNER_API_CREATE_WEBHOOK)
	{
		partner_api_json_put_text(body, "name",
								  partner_api_name_with_nonce(name,
															  action->nonce));
		partner_api_json_put_int64(body, "apiVersion", 3);
		if (json_object_get(body, "enabled") == NULL)
			partner_api_json_put_bool(body, "enabled", true);
		if (json_object_get(body, "interrupted") == NULL)
			partner_api_json_put_bool(body, "interrupted", false);
		if (json_object_get(body, "sendType") == NULL)
			partner_api_json_put_text(body, "sendType", "NON_SEQUENTIALLY");
	}
	partner_api_json_put_text(body, "authToken", credential->client_token);
}

/*
 * The notifications of a customer that are changed.
 */
static void
put_notifications(json_t *body, const PartnerApiAction *action)
{
	json_t	   *given = json_object_get(action->arguments, "notifications");
	json_t	   *sent = partner_api_json_array();
	json_t	   *item;
	size_t		i;

	json_array_foreach(given, i, item)
	{
		json_t	   *object = partner_api_json_append_object(sent);

		partner_api_json_put(object, "id",
							 json_object_get(item, "notification_id"));
		put_fields(object, item, switches, lengthof(switches));
	}
	partner_api_json_put_text(body, "customer", action->instance_id);
	partner_api_json_put(body, "notifications", sent);
}

/*
 * What is sent with an action, an object.
 */
json_t *
partner_api_asaas_body(const PartnerApiAction *action,
					   const PartnerApiCredential *credential)
{
	PartnerApiAsaasForm form = partner_api_asaas_form(action->kind);
	json_t	   *body = partner_api_json_object();

	put_fields(body, action->arguments, form.fields, form.count);
	switch (action->kind)
	{
		case PARTNER_API_CREATE_CUSTOMER:
		case PARTNER_API_CREATE_CHARGE:
		case PARTNER_API_CREATE_RECURRENCE:
			partner_api_json_put_text(body, "externalReference",
									  action->nonce);
			break;
		case PARTNER_API_CREATE_WEBHOOK:
		case PARTNER_API_CHANGE_WEBHOOK:
			put_webhook(body, action, credential);
			break;
		case PARTNER_API_CHANGE_NOTIFICATIONS:
			put_notifications(body, action);
			break;
		default:
			break;
	}
	return body;
}

/*
 * Print a body with its amounts as numbers, palloc'd.  They are the members
 * named "value": digits and a point, in our own writing.
 */
char *
partner_api_asaas_print(const json_t *body)
{
	char	   *text = pstrdup("");
	const char *key;
	json_t	   *value;

	json_object_foreach(unconstify(json_t *, body), key, value)
	{
		bool		amount = strcmp(key, "value") == 0 && json_is_string(value);
		char	   *printed = json_is_object(value) ?
		partner_api_asaas_print(value) : partner_api_json_print(value);

		text = psprintf("%s%s\"%s\":%s", text, *text != '\0' ? "," : "", key,
						amount ? json_string_value(value) : printed);
	}
	return psprintf("{%s}", text);
}
