/*-------------------------------------------------------------------------
 *
 * greenapi_list.c
 *	  Green API: the list of instances.
 *
 * One answer holds them all, without pages and without filters, and with
 * those that were deleted in the last three months.  It is a bare array: an
 * object in its place is an error, whatever its status.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/greenapi.h"

static const PartnerApiGreenapiCall list_call = {"GET", "getInstances", true};

/*
 * See provider.h.  What is searched for is picked out of the answer.
 */
void
partner_api_greenapi_build_list(const PartnerApiFilter *filter, int page,
								const PartnerApiCredential *credential,
								PartnerApiRequest *request)
{
	partner_api_greenapi_start(request, &list_call, NULL, credential);
}

/*
 * A time of a row on the clock of the provider's zone, in milliseconds; 0 if
 * it has none, which the provider writes as the first day of the first year.
 * Times carry no zone; one that does would not be on that clock.
 */
static int64
local_ms(const json_t *item, const char *key)
{
	const char *str = json_string_value(json_object_get(item, key));
	int64		ms;
	bool		zoned;

	if (str == NULL || !partner_api_parse_time(str, &ms, &zoned) || zoned)
		return 0;
	return ms;
}

/*
 * What a row proves.  "deleted" decides, and neither "isExpired" nor
 * "expirationDate", which is the next day's renewal; an instance that exists
 * is billed.
 */
static PartnerApiSubscription
parse_deleted(const json_t *item, const PartnerApiListRow *row)
{
	const json_t *deleted = json_object_get(item, "deleted");

	if (json_is_true(deleted))
		return PARTNER_API_SUBSCRIPTION_DELETED;
	if (json_is_false(deleted))
		return PARTNER_API_SUBSCRIPTION_SIGNED;
	if (deleted == NULL || json_is_null(deleted))
		return row->deleted_ms != 0 ? PARTNER_API_SUBSCRIPTION_DELETED :
			PARTNER_API_SUBSCRIPTION_SIGNED;
	return PARTNER_API_SUBSCRIPTION_UNKNOWN;
}

/*
 * Ordinary instances of the same console have a tariff and a bill of their
 * own, and free ones none.  Older answers do not say, and had neither.
 */
static bool
is_billed_apart(const json_t *item)
{
	return json_is_false(json_object_get(item, "isPartner")) ||
		json_is_true(json_object_get(item, "isFree"));
}

/*
 * Read a row, and take the secrets out of item; NULL if it names no instance.
 */
static PartnerApiListRow *
parse_row(json_t *item)
{
	PartnerApiListRow *row = palloc0(sizeof(PartnerApiListRow));

	row->instance_id = partner_api_greenapi_id(item);
	if (row->instance_id == NULL)
		return NULL;
	row->instance_token = partner_api_filled_text(item, "apiTokenInstance");
	row->name = partner_api_filled_text(item, "name");
	row->middleware = partner_api_filled_text(item, "typeInstance");
	row->created = partner_api_filled_text(item, "timeCreated");
	row->created_ms = local_ms(item, "timeCreated");
	row->deleted_ms = local_ms(item, "timeDeleted");
	row->subscription = parse_deleted(item, row);
	row->connection_unknown = true;
	row->billed_apart = is_billed_apart(item);
	partner_api_remove_secrets(item);
	row->details = partner_api_json_print(item);
	return row;
}

/*
 * Is this a row that was searched for: by its id, by a part of its name, by
 * its messenger?
 */
static bool
is_wanted(const PartnerApiListRow *row, const PartnerApiFilter *filter)
{
	if (filter->middleware != NULL &&
		(row->middleware == NULL ||
		 strcmp(row->middleware, filter->middleware) != 0))
		return false;
	return filter->query == NULL ||
		strcmp(row->instance_id, filter->query) == 0 ||
		(row->name != NULL &&
		 partner_api_words_contain(row->name, filter->query));
}

/*
 * See provider.h.
 */
bool
partner_api_greenapi_parse_list(const PartnerApiFilter *filter,
								const PartnerApiResponse *response, int page,
								PartnerApiPage *result, char **message)
{
	json_t	   *root = partner_api_greenapi_open(response, message);
	json_t	   *item;
	size_t		i;

	if (root != NULL && !json_is_array(root))
		*message = pstrdup("answer is no list");
	if (!json_is_array(root))
		return false;

	memset(result, 0, sizeof(*result));
	result->last = true;
	result->local_times = true;
	json_array_foreach(root, i, item)
	{
		PartnerApiListRow *row = parse_row(item);

		if (row == NULL)
		{
			*message = psprintf("row %d of the list has no id", (int) i + 1);
			return false;
		}
		if (is_wanted(row, filter))
			result->rows = lappend(result->rows, row);
	}
	result->total = list_length(result->rows);
	return true;
}
