/*-------------------------------------------------------------------------
 *
 * zapi_list.c
 *	  Z-API: the list of instances.
 *
 * The list is the authority on what exists: a lost create is found in it, a
 * deadline is read back from it.  So a page that cannot be read as a whole is
 * not a page, while a value that is merely new (a payment status, a key) is
 * kept as it is.
 *
 * Rows carry secrets.  The instance token is handed over in its own field,
 * and "details" is the row without it and the others.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"
#include "providers/zapi.h"

static const PartnerApiZapiRoute list_route = {"GET", false, true, {NULL}};

typedef struct PaymentStatus
{
	const char *name;
	PartnerApiSubscription subscription;
} PaymentStatus;

/*
 * The states that the documentation speaks of, in both its languages and
 * either spelling; the literals themselves are not published.  Lower case,
 * without blanks, hyphens and underscores.
 */
static const PaymentStatus payment_statuses[] = {
	{"trial", PARTNER_API_SUBSCRIPTION_TRIAL},
	{"intrial", PARTNER_API_SUBSCRIPTION_TRIAL},
	{"emtrial", PARTNER_API_SUBSCRIPTION_TRIAL},
	{"paid", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"pago", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"pending", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"pendente", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"pendingbankslip", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"boletopendente", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"paymentretry", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"inpaymentretry", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"canceling", PARTNER_API_SUBSCRIPTION_CANCELLING},
	{"cancelling", PARTNER_API_SUBSCRIPTION_CANCELLING},
	{"incancellation", PARTNER_API_SUBSCRIPTION_CANCELLING},
	{"emcancelamento", PARTNER_API_SUBSCRIPTION_CANCELLING},
	{"canceled", PARTNER_API_SUBSCRIPTION_CANCELLED},
	{"cancelled", PARTNER_API_SUBSCRIPTION_CANCELLED},
	{"cancelado", PARTNER_API_SUBSCRIPTION_CANCELLED}
};

/*
 * A time of a JSON object in unix milliseconds, 0 if it has none.  Only
 * values of 13 digits (2001 to 2286) are taken: ten would be seconds, and a
 * deadline that is wrong is worse than one that is missing.
 */
int64
partner_api_zapi_time(const json_t *object, const char *key)
{
	int64		ms;

	if (!partner_api_json_int64(object, key, &ms) ||
		ms < INT64CONST(1000000000000) || ms > INT64CONST(9999999999999))
		return 0;
	return ms;
}

/*
 * Which subscription a payment status proves.
 */
static PartnerApiSubscription
parse_payment_status(const char *literal)
{
	char	   *name;
	char	   *end;

	if (literal == NULL)
		return PARTNER_API_SUBSCRIPTION_UNKNOWN;

	name = pstrdup(literal);
	end = name;
	for (; *literal != '\0'; literal++)
	{
		if (strchr(" -_", *literal) == NULL)
			*end++ = pg_ascii_tolower((unsigned char) *literal);
	}
	*end = '\0';

	for (size_t i = 0; i < lengthof(payment_statuses); i++)
	{
		if (strcmp(payment_statuses[i].name, name) == 0)
			return payment_statuses[i].subscription;
	}
	return PARTNER_API_SUBSCRIPTION_UNKNOWN;
}

/*
 * Fill a row's time of creation: text as documented, or a number, which is
 * how Z-API writes its other times.  Text without a zone is left unread: the
 * provider's pages do not say whether it would be UTC or Brazilian.
 */
static void
parse_created(const json_t *item, PartnerApiListRow *row)
{
	const json_t *created = json_object_get(item, "created");
	int64		ms;
	bool		zoned;

	row->created = json_is_integer(created) ?
		partner_api_json_print(created) : partner_api_filled_text(item, "created");
	row->created_ms = partner_api_zapi_time(item, "created");
	if (row->created_ms == 0 && json_is_string(created) &&
		partner_api_parse_time(json_string_value(created), &ms, &zoned) &&
		zoned)
		row->created_ms = ms;
}

/*
 * Read a row, and take the secrets out of item; NULL if it names no instance.
 */
static PartnerApiListRow *
parse_row(json_t *item)
{
	PartnerApiListRow *row = palloc0(sizeof(PartnerApiListRow));

	row->instance_id = partner_api_filled_text(item, "id");
	if (row->instance_id == NULL)
		return NULL;
	row->instance_token = partner_api_filled_text(item, "token");
	row->name = partner_api_filled_text(item, "name");
	row->payment_status = partner_api_filled_text(item, "paymentStatus");
	row->subscription = parse_payment_status(row->payment_status);
	row->middleware = partner_api_filled_text(item, "middleware");
	parse_created(item, row);
	row->due_ms = partner_api_zapi_time(item, "due");
	row->phone_connected = partner_api_json_true(item, "phoneConnected");
	row->whatsapp_connected = partner_api_json_true(item,
													"whatsappConnected");
	partner_api_remove_secrets(item);
	row->details = partner_api_json_print(item);
	return row;
}

/*
 * See provider.h.
 */
void
partner_api_zapi_build_list(const PartnerApiFilter *filter, int page,
							const PartnerApiCredential *credential,
							PartnerApiRequest *request)
{
	int			size = filter->page_size > 0 ? filter->page_size :
	PARTNER_API_ZAPI_PAGE_ROWS;

	partner_api_zapi_start(request, &list_route, NULL, NULL, credential);
	partner_api_request_query(request, "page", psprintf("%d", page));
	partner_api_request_query(request, "pageSize", psprintf("%d", size));
	if (filter->query != NULL)
		partner_api_request_query(request, "query", filter->query);
	if (filter->middleware != NULL)
		partner_api_request_query(request, "middleware", filter->middleware);
}

/*
 * The rows of an answer, or NULL with *message if it is no list.
 */
static json_t *
open_list(const PartnerApiResponse *response, char **message)
{
	json_t	   *root;
	json_t	   *content;

	if (!partner_api_zapi_success(response))
	{
		*message = partner_api_response_words(response);
		return NULL;
	}
	root = partner_api_json_parse(response->body, response->body_len, message);
	content = json_object_get(root, "content");
	if (root != NULL && !json_is_array(content))
	{
		*message = partner_api_error_words(root);
		if (*message == NULL)
			*message = pstrdup("answer has no list \"content\"");
	}
	return json_is_array(content) ? root : NULL;
}

/*
 * See provider.h.  Pages are counted by "totalPage"; without it, the end is
 * where no rows come any more.
 */
bool
partner_api_zapi_parse_list(const PartnerApiFilter *filter,
							const PartnerApiResponse *response, int page,
							PartnerApiPage *result, char **message)
{
	json_t	   *root = open_list(response, message);
	json_t	   *content = json_object_get(root, "content");
	int64		pages;
	json_t	   *item;
	size_t		i;

	if (root == NULL)
		return false;

	memset(result, 0, sizeof(*result));
	if (!partner_api_json_int64(root, "total", &result->total))
		result->total = -1;
	json_array_foreach(content, i, item)
	{
		PartnerApiListRow *row = parse_row(item);

		if (row == NULL)
		{
			*message = psprintf("row %d of the list has no id", (int) i + 1);
			return false;
		}
		result->rows = lappend(result->rows, row);
	}
	result->last = result->rows == NIL ||
		(partner_api_json_int64(root, "totalPage", &pages) && page >= pages);
	return true;
}
