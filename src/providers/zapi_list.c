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
 * and "details" is the row without it: members whose names speak of tokens,
 * secrets or passwords are left out, and URLs lose user, query and fragment,
 * where webhook and proxy keys are.  A key in a URL's path cannot be told
 * from any other path and stays.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
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
 * Take a number of exactly this many digits from *str; false if it is not
 * there.
 */
static bool
take_number(const char **str, int digits, int *number)
{
	*number = 0;
	for (; digits > 0; digits--, (*str)++)
	{
		if (**str < '0' || **str > '9')
			return false;
		*number = *number * 10 + (**str - '0');
	}
	return true;
}

/*
 * Take one of these characters from *str; false if none of them is there.
 */
static bool
take_character(const char **str, const char *characters)
{
	if (**str == '\0' || strchr(characters, **str) == NULL)
		return false;
	(*str)++;
	return true;
}

/*
 * Days from 1970-01-01 to a date; false if there is no such date.
 */
static bool
days_since_1970(int year, int month, int day, int *days)
{
	static const int before[] = {
		0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365
	};
	bool		leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	int			past = year - 1;

	if (year < 1970 || month < 1 || month > 12 || day < 1 ||
		day > before[month] - before[month - 1] + (leap && month == 2))
		return false;
	*days = 365 * (year - 1970) + past / 4 - past / 100 + past / 400 -
		(1969 / 4 - 1969 / 100 + 1969 / 400) +
		before[month - 1] + (leap && month > 2) + day - 1;
	return true;
}

/*
 * Take a zone ("Z", "+hh", "+hhmm", "+hh:mm") from *str, in minutes east.
 */
static bool
take_zone(const char **str, int *minutes)
{
	const char *sign = *str;
	int			hour;
	int			minute = 0;

	*minutes = 0;
	if (take_character(str, "Zz"))
		return true;
	if (!take_character(str, "+-") || !take_number(str, 2, &hour))
		return false;
	if (**str != '\0')
	{
		(void) take_character(str, ":");
		if (!take_number(str, 2, &minute))
			return false;
	}
	*minutes = (*sign == '-' ? -1 : 1) * (hour * 60 + minute);
	return hour < 24 && minute < 60;
}

/*
 * A date and time as ISO 8601 writes it, in unix milliseconds; 0 if it is
 * anything else.  Without a zone it names no instant: the provider's pages do
 * not say whether such a time would be UTC or Brazilian.
 */
static int64
iso8601_ms(const char *str)
{
	int			year,
				month,
				day,
				hour,
				minute,
				second,
				days,
				zone,
				ms = 0;

	if (!take_number(&str, 4, &year) || !take_character(&str, "-") ||
		!take_number(&str, 2, &month) || !take_character(&str, "-") ||
		!take_number(&str, 2, &day) || !take_character(&str, "Tt ") ||
		!take_number(&str, 2, &hour) || !take_character(&str, ":") ||
		!take_number(&str, 2, &minute) || !take_character(&str, ":") ||
		!take_number(&str, 2, &second))
		return 0;
	if (take_character(&str, "."))
	{
		for (int scale = 100; *str >= '0' && *str <= '9'; scale /= 10)
			ms += (*str++ - '0') * scale;
	}
	if (!take_zone(&str, &zone) || *str != '\0' ||
		hour > 23 || minute > 59 || second > 60 ||
		!days_since_1970(year, month, day, &days))
		return 0;
	return ((days * INT64CONST(24) + hour) * 60 + minute - zone) * 60000 +
		second * INT64CONST(1000) + ms;
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
 * Does the name of a member say that its value is secret?
 */
static bool
names_secret(const char *key)
{
	static const char *const parts[] = {"token", "secret", "password"};
	char	   *lower = pstrdup(key);

	for (char *c = lower; *c != '\0'; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	for (size_t i = 0; i < lengthof(parts); i++)
	{
		if (strstr(lower, parts[i]) != NULL)
			return true;
	}
	return false;
}

/*
 * Cut user, query and fragment out of a string that holds a URL.
 */
static void
strip_url(json_t *string)
{
	const char *str = json_string_value(string);
	const char *host = strstr(str, "://");
	const char *path;
	char	   *stripped;
	int			scheme_len;

	if (host == NULL)
		return;
	host += strlen("://");
	scheme_len = host - str;
	path = host + strcspn(host, "/?#");
	for (const char *c = host; c < path; c++)
	{
		if (*c == '@')
			host = c + 1;
	}
	stripped = psprintf("%.*s%.*s", scheme_len, str,
						(int) (path - host + strcspn(path, "?#")), host);
	if (json_string_set(string, stripped) != 0)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory"),
				errdetail("Failed while reading a list."));
}

/*
 * Take the secrets out of a row, in place.  Rows are flat as documented; a
 * key that is added some day may not be.
 */
static void
remove_secrets(json_t *value)
{
	const char *key;
	json_t	   *member;
	void	   *next;
	size_t		i;

	json_object_foreach_safe(value, next, key, member)
	{
		if (names_secret(key))
			(void) json_object_del(value, key);
		else
			remove_secrets(member);
	}
	json_array_foreach(value, i, member)
		remove_secrets(member);
	if (json_is_string(value))
		strip_url(value);
}

/*
 * The string member of a row, NULL if it is absent or empty.
 */
static char *
row_text(const json_t *item, const char *key)
{
	char	   *str = partner_api_json_string(item, key);

	return str == NULL || *str == '\0' ? NULL : str;
}

/*
 * Fill a row's time of creation: text as documented, or a number, which is
 * how Z-API writes its other times.
 */
static void
parse_created(const json_t *item, PartnerApiListRow *row)
{
	const json_t *created = json_object_get(item, "created");

	row->created = json_is_integer(created) ?
		partner_api_json_print(created) : row_text(item, "created");
	row->created_ms = partner_api_zapi_time(item, "created");
	if (row->created_ms == 0 && json_is_string(created))
		row->created_ms = iso8601_ms(json_string_value(created));
}

/*
 * Read a row, and take the secrets out of item; NULL if it names no instance.
 */
static PartnerApiListRow *
parse_row(json_t *item)
{
	PartnerApiListRow *row = palloc0(sizeof(PartnerApiListRow));

	row->instance_id = row_text(item, "id");
	if (row->instance_id == NULL)
		return NULL;
	row->instance_token = row_text(item, "token");
	row->name = row_text(item, "name");
	row->payment_status = row_text(item, "paymentStatus");
	row->subscription = parse_payment_status(row->payment_status);
	row->middleware = row_text(item, "middleware");
	parse_created(item, row);
	row->due_ms = partner_api_zapi_time(item, "due");
	row->phone_connected = partner_api_json_true(item, "phoneConnected");
	row->whatsapp_connected = partner_api_json_true(item,
													"whatsappConnected");
	remove_secrets(item);
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
	partner_api_zapi_query(request, "page", psprintf("%d", page));
	partner_api_zapi_query(request, "pageSize", psprintf("%d", size));
	if (filter->query != NULL)
		partner_api_zapi_query(request, "query", filter->query);
	if (filter->middleware != NULL)
		partner_api_zapi_query(request, "middleware", filter->middleware);
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
