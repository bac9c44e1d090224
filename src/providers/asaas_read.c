/*-------------------------------------------------------------------------
 *
 * asaas_read.c
 *	  Asaas: reads of single things, of what a payer needs, and of the account.
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

/* A member of an answer that is handed on as text. */
typedef struct Member
{
	const char *name;			/* here */
	const char *key;			/* in the API */
} Member;

/* A read: where it is, whose id it takes, what its answer holds. */
typedef struct ReadTraits
{
	PartnerApiAsaasRoute route;
	const char *id_argument;	/* NULL: it is of the account */
	PartnerApiObject object;	/* what is told whole; or the members */
	Member		members[6];		/* ended by one without a name */
} ReadTraits;

/* the path of the account's status ends with a slash */
static const ReadTraits reads[PARTNER_API_READS] = {
	[PARTNER_API_READ_CUSTOMER] = {
		.route = {"GET", {"customers", ID}},
		.id_argument = "customer_id",
		.object = PARTNER_API_CUSTOMER
	},
	[PARTNER_API_READ_CHARGE] = {
		.route = {"GET", {"payments", ID}},
		.id_argument = "charge_id",
		.object = PARTNER_API_CHARGE
	},
	[PARTNER_API_READ_RECURRENCE] = {
		.route = {"GET", {"subscriptions", ID}},
		.id_argument = "recurrence_id",
		.object = PARTNER_API_RECURRENCE
	},
	[PARTNER_API_READ_BOLETO] = {
		.route = {"GET", {"payments", ID, "identificationField"}},
		.id_argument = "charge_id",
		.members = {
			{"line", "identificationField"},
			{"our_number", "nossoNumero"},
			{"bar_code", "barCode"}
		}
	},
	[PARTNER_API_READ_PIX] = {
		.route = {"GET", {"payments", ID, "pixQrCode"}},
		.id_argument = "charge_id",
		.members = {
			{"payload", "payload"},
			{"image", "encodedImage"},
			{"expires", "expirationDate"}
		}
	},
	[PARTNER_API_READ_VIEWS] = {
		.route = {"GET", {"payments", ID, "viewingInfo"}},
		.id_argument = "charge_id",
		.members = {
			{"invoice_viewed", "invoiceViewedDate"},
			{"boleto_viewed", "boletoViewedDate"}
		}
	},
	[PARTNER_API_READ_BALANCE] = {
		.route = {"GET", {"finance", "balance"}}
	},
	[PARTNER_API_READ_ACCOUNT] = {
		.route = {"GET", {"myAccount", "status", ""}},
		.members = {
			{"account_id", "id"},
			{"commercial_info", "commercialInfo"},
			{"bank_account_info", "bankAccountInfo"},
			{"documentation", "documentation"},
			{"general", "general"}
		}
	},
	[PARTNER_API_READ_CHARGE_LIMIT] = {
		.route = {"GET", {"payments", "limits"}}
	}
};

/*
 * See provider.h.
 */
bool
partner_api_asaas_supports_read(PartnerApiRead read, const char **hint)
{
	*hint = NULL;
	if (reads[read].route.method != NULL)
		return true;
	*hint = "The provider has no instances and no plans; it tells of customers, charges and recurrences.";
	return false;
}

/*
 * See provider.h: these reads have no parameter.
 */
void
partner_api_asaas_check_read(PartnerApiRead read, const char *parameter)
{
}

/*
 * See provider.h.  Raises ERROR for what is no id.
 */
void
partner_api_asaas_build_read(PartnerApiRead read,
							 const PartnerApiTarget *target,
							 const char *parameter,
							 const PartnerApiCredential *credential,
							 PartnerApiRequest *request)
{
	const ReadTraits *traits = &reads[read];

	if (traits->id_argument != NULL)
		partner_api_asaas_check_id(traits->id_argument, target->id);
	partner_api_asaas_start(request, &traits->route, target->id, credential);
}

/* ---- answers ---- */

/*
 * The texts of an answer, by our names; NULL if it has none of them.
 */
static json_t *
texts_of(const json_t *root, const Member *members)
{
	json_t	   *fields = partner_api_json_object();

	for (; members->name != NULL; members++)
		partner_api_json_put_text(fields, members->name,
								  partner_api_filled_text(root,
														  members->key));
	return json_object_size(fields) == 0 ? NULL : fields;
}

/*
 * Is it a time that names no zone, or a day?
 */
static bool
is_local_time(const char *str)
{
	int64		ms;
	bool		zoned;

	return partner_api_is_date(str) ||
		(partner_api_parse_time(str, &ms, &zoned) && !zoned);
}

/*
 * What it takes to pay by Pix: what is no image, or no time, is left out;
 * without the code there is nothing.
 */
static json_t *
pix_of(const json_t *root, const Member *members,
	   PartnerApiReadResult *result)
{
	json_t	   *fields = texts_of(root, members);
	const char *image = partner_api_json_string(root, "encodedImage");
	const char *expires = partner_api_json_string(root, "expirationDate");

	if (fields == NULL || json_object_get(fields, "payload") == NULL)
		return NULL;
	if (image != NULL)
		result->bytes = partner_api_decode_png(image);
	if (result->bytes == NULL)
		(void) json_object_del(fields, "image");
	if (expires == NULL || !is_local_time(expires))
		(void) json_object_del(fields, "expires");
	return fields;
}

/*
 * When a charge was looked at; where it was not, both members are null.
 */
static json_t *
views_of(const json_t *root, const Member *members)
{
	json_t	   *fields = texts_of(root, members);

	if (fields != NULL)
		return fields;
	for (; members->name != NULL; members++)
	{
		if (json_object_get(root, members->key) != NULL)
			return partner_api_json_object();
	}
	return NULL;
}

/*
 * The balance of the account; NULL if the answer has none.
 */
static json_t *
balance_of(const json_t *exact)
{
	json_t	   *fields = partner_api_json_object();
	int64		cents;

	if (!partner_api_asaas_amount(json_object_get(exact, "balance"), &cents))
		return NULL;
	partner_api_json_put_int64(fields, "balance_cents", cents);
	return fields;
}

/*
 * How many charges a day may see made, and has; NULL if the answer does not
 * say.
 */
static json_t *
charge_limit_of(const json_t *root)
{
	const json_t *daily =
	json_object_get(json_object_get(root, "creation"), "daily");
	json_t	   *fields = partner_api_json_object();
	int64		number;

	if (!json_is_object(daily))
		return NULL;
	if (partner_api_json_int64(daily, "limit", &number))
		partner_api_json_put_int64(fields, "daily_limit", number);
	if (partner_api_json_int64(daily, "used", &number))
		partner_api_json_put_int64(fields, "used", number);
	partner_api_json_put_bool(fields, "reached",
							  partner_api_json_true(daily, "wasReached"));
	return fields;
}

/*
 * What an answer tells, by our names; NULL if it is something else.
 */
static json_t *
told_by(PartnerApiRead read, const PartnerApiAsaasAnswer *answer,
		PartnerApiReadResult *result)
{
	const ReadTraits *traits = &reads[read];

	switch (read)
	{
		case PARTNER_API_READ_CUSTOMER:
		case PARTNER_API_READ_CHARGE:
		case PARTNER_API_READ_RECURRENCE:
			return partner_api_asaas_id(answer->plain) == NULL ? NULL :
				partner_api_asaas_fields(traits->object, answer);
		case PARTNER_API_READ_PIX:
			return pix_of(answer->plain, traits->members, result);
		case PARTNER_API_READ_VIEWS:
			return views_of(answer->plain, traits->members);
		case PARTNER_API_READ_BALANCE:
			return balance_of(answer->exact);
		case PARTNER_API_READ_CHARGE_LIMIT:
			return charge_limit_of(answer->plain);
		default:
			return texts_of(answer->plain, traits->members);
	}
}

/*
 * See provider.h.
 */
bool
partner_api_asaas_parse_read(PartnerApiRead read,
							 const PartnerApiResponse *response,
							 PartnerApiReadResult *result, char **message)
{
	PartnerApiAsaasAnswer answer;
	json_t	   *told;

	memset(result, 0, sizeof(*result));
	if (!partner_api_asaas_open(response, &answer, message))
		return false;
	told = told_by(read, &answer, result);
	if (told == NULL)
	{
		*message = pstrdup("answer does not hold what was asked for");
		return false;
	}
	result->text = partner_api_json_print(told);
	return true;
}
