/*-------------------------------------------------------------------------
 *
 * asaas_list.c
 *	  Asaas: lists.
 *
 * A list is read in pages of 100, by an offset that counts rows.  Rows that
 * are added meanwhile shift the pages, so a row may be met twice: whoever
 * reads a list takes each id once.
 *
 * A search is a query of several terms, "name=value&...", with the names of
 * our columns.  The term that is the id of what is listed asks for that thing
 * alone: the provider has it at a path of its own, even if it was deleted, and
 * "not found" is then a list of nothing.
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
#define MOST_ROWS 100

/* Clocks and zones differ by less. */
#define SURVEY_MARGIN_MS (INT64CONST(86400000) * 2)

/* A term of a search, here and there. */
typedef struct Term
{
	const char *name;
	const char *key;
} Term;

/* A list: where it and one of its things are, what they are called. */
typedef struct ListTraits
{
	PartnerApiAsaasRoute route;
	const char *id_term;		/* asks for one thing */
	PartnerApiObject object;
	const char *mark;			/* the member that carries a nonce */
	const Term *terms;			/* ended by one without a name */
} ListTraits;

static const Term customer_terms[] = {
	{"name", "name"},
	{"email", "email"},
	{"document", "cpfCnpj"},
	{"group_name", "groupName"},
	{"nonce", "externalReference"},
	{"external_reference", "externalReference"},
	{NULL, NULL}
};

static const Term charge_terms[] = {
	{"customer_id", "customer"},
	{"group_name", "customerGroupName"},
	{"billing_type", "billingType"},
	{"status", "status"},
	{"recurrence_id", "subscription"},
	{"installment_id", "installment"},
	{"nonce", "externalReference"},
	{"external_reference", "externalReference"},
	{"created_from", "dateCreated[ge]"},
	{"created_until", "dateCreated[le]"},
	{"due_from", "dueDate[ge]"},
	{"due_until", "dueDate[le]"},
	{"paid_from", "paymentDate[ge]"},
	{"paid_until", "paymentDate[le]"},
	{"credit_from", "estimatedCreditDate[ge]"},
	{"credit_until", "estimatedCreditDate[le]"},
	{NULL, NULL}
};

static const Term recurrence_terms[] = {
	{"customer_id", "customer"},
	{"group_name", "customerGroupName"},
	{"billing_type", "billingType"},
	{"status", "status"},
	{"nonce", "externalReference"},
	{"external_reference", "externalReference"},
	{"include_deleted", "includeDeleted"},
	{"deleted_only", "deletedOnly"},
	{NULL, NULL}
};

static const Term no_terms[] = {
	{NULL, NULL}
};

static const ListTraits lists[PARTNER_API_LISTS] = {
	[PARTNER_API_LIST_CUSTOMERS] = {
		.route = {"GET", {"customers"}},
		.id_term = "customer_id",
		.object = PARTNER_API_CUSTOMER,
		.mark = "externalReference",
		.terms = customer_terms
	},
	[PARTNER_API_LIST_CHARGES] = {
		.route = {"GET", {"payments"}},
		.id_term = "charge_id",
		.object = PARTNER_API_CHARGE,
		.mark = "externalReference",
		.terms = charge_terms
	},
	[PARTNER_API_LIST_RECURRENCES] = {
		.route = {"GET", {"subscriptions"}},
		.id_term = "recurrence_id",
		.object = PARTNER_API_RECURRENCE,
		.mark = "externalReference",
		.terms = recurrence_terms
	},
	[PARTNER_API_LIST_NOTIFICATIONS] = {
		.route = {"GET", {"customers", ID, "notifications"}},
		.object = PARTNER_API_NOTIFICATION
	},
	[PARTNER_API_LIST_WEBHOOKS] = {
		.route = {"GET", {"webhooks"}},
		.id_term = "webhook_id",
		.object = PARTNER_API_WEBHOOK,
		.mark = "name",
		.terms = no_terms
	}
};

/*
 * See provider.h.
 */
bool
partner_api_asaas_supports_list(PartnerApiList list)
{
	return lists[list].route.method != NULL;
}

/* ---- searches ---- */

/*
 * Take the next term of a search from *query, palloc'd; false at its end.
 */
static bool
take_term(const char **query, PartnerApiPair *term)
{
	size_t		len = *query == NULL ? 0 : strcspn(*query, "&");
	size_t		name_len = *query == NULL ? 0 : strcspn(*query, "=&");

	if (*query == NULL || **query == '\0')
		return false;
	if (name_len == len)
		partner_api_refuse("query", "terms such as \"name=value\"",
						   "A term has no value.",
						   "Join terms with \"&\", and encode what is in them.");
	term->name = partner_api_url_decode(*query, name_len);
	term->value = partner_api_url_decode(*query + name_len + 1,
										 len - name_len - 1);
	*query += len + ((*query)[len] == '&');
	return true;
}

/*
 * The id of the one thing that is asked for; NULL if it is a list.
 */
static const char *
asked_id(const PartnerApiFilter *filter)
{
	const char *id_term = lists[filter->list].id_term;
	const char *query = filter->query;
	PartnerApiPair term;

	while (id_term != NULL && take_term(&query, &term))
	{
		if (strcmp(term.name, id_term) == 0)
			return term.value;
	}
	return NULL;
}

/*
 * Raise ERROR for a term that the list cannot be searched by.
 */
static void
refuse_term(const ListTraits *traits)
{
	char	   *names = pstrdup(traits->id_term);

	for (const Term *term = traits->terms; term->name != NULL; term++)
		names = psprintf("%s, %s", names, term->name);
	partner_api_refuse("query", "of known terms",
					   "A term has a name that the list cannot be searched by.",
					   psprintf("Known names are: %s.", names));
}

/*
 * Add a term of a search to the request.
 */
static void
add_term(PartnerApiRequest *request, const ListTraits *traits,
		 const PartnerApiPair *given)
{
	const Term *term = traits->terms;

	while (term->name != NULL && strcmp(term->name, given->name) != 0)
		term++;
	if (term->name == NULL)
		refuse_term(traits);
	if (partner_api_text_has_control(given->value))
		partner_api_refuse("query", "without control characters",
						   "A value has one.", "Give values on one line.");
	partner_api_request_query(request, term->key, given->value);
}

/* Rows that a page holds. */
static int
page_rows(const PartnerApiFilter *filter)
{
	return filter->page_size > 0 ? Min(filter->page_size, MOST_ROWS) :
		MOST_ROWS;
}

/*
 * See provider.h.  Raises ERROR for terms that are not known, and for what is
 * no id.
 */
void
partner_api_asaas_build_list(const PartnerApiFilter *filter, int page,
							 const PartnerApiCredential *credential,
							 PartnerApiRequest *request)
{
	const ListTraits *traits = &lists[filter->list];
	const char *id = asked_id(filter);
	const char *query = filter->query;
	PartnerApiPair term;

	if (traits->id_term == NULL)
		partner_api_asaas_check_id("customer_id", filter->query);
	partner_api_asaas_start(request, &traits->route, filter->query,
							credential);
	if (id != NULL)
	{
		partner_api_asaas_check_id(traits->id_term, id);
		partner_api_request_segment(request, id);
		return;
	}
	while (traits->id_term != NULL && take_term(&query, &term))
		add_term(request, traits, &term);
	partner_api_request_query(request, "offset",
							  psprintf("%d", (page - 1) * page_rows(filter)));
	partner_api_request_query(request, "limit",
							  psprintf("%d", page_rows(filter)));
}

/* ---- pages ---- */

/*
 * What of a row carries a nonce, in the form that a name has with one; NULL
 * for nothing.
 */
static char *
marked_text(const ListTraits *traits, const json_t *object)
{
	char	   *mark = traits->mark == NULL ? NULL :
	partner_api_filled_text(object, traits->mark);

	if (mark == NULL || traits->object == PARTNER_API_WEBHOOK)
		return mark;
	return psprintf("[%s]", mark);
}

/*
 * Read a row; NULL if it has no id.
 */
static PartnerApiListRow *
parse_row(const PartnerApiFilter *filter, const PartnerApiAsaasAnswer *told)
{
	const ListTraits *traits = &lists[filter->list];
	PartnerApiListRow *row = palloc0(sizeof(PartnerApiListRow));
	const char *id = partner_api_asaas_id(told->plain);
	json_t	   *fields;

	if (id == NULL)
		return NULL;
	row->instance_id = pstrdup(id);
	row->name = marked_text(traits, told->plain);
	row->created = partner_api_filled_text(told->plain, "dateCreated");
	if (row->created == NULL ||
		!partner_api_instant(json_object_get(told->plain, "dateCreated"),
							 &row->created_ms))
		row->created_ms = 0;
	if (partner_api_json_true(told->plain, "deleted"))
		row->subscription = PARTNER_API_SUBSCRIPTION_DELETED;
	fields = partner_api_asaas_fields(traits->object, told);
	if (traits->object == PARTNER_API_NOTIFICATION &&
		json_object_get(fields, "customer_id") == NULL)
		partner_api_json_put_text(fields, "customer_id", filter->query);
	row->details = partner_api_json_print(told->plain);
	row->fields = partner_api_json_print(fields);
	return row;
}

/*
 * Add the rows of a page; false with *message if one cannot be read.
 */
static bool
take_rows(const PartnerApiFilter *filter, const PartnerApiAsaasAnswer *rows,
		  PartnerApiPage *result, char **message)
{
	for (size_t i = 0; i < json_array_size(rows->plain); i++)
	{
		PartnerApiAsaasAnswer one = partner_api_asaas_element(rows, i);
		PartnerApiListRow *row = parse_row(filter, &one);

		if (row == NULL)
		{
			*message = psprintf("row %d of the list has no id", (int) i + 1);
			return false;
		}
		result->rows = lappend(result->rows, row);
	}
	return true;
}

/*
 * The answer is one thing alone: the only row.
 */
static bool
take_one(const PartnerApiFilter *filter, const PartnerApiAsaasAnswer *answer,
		 PartnerApiPage *result, char **message)
{
	PartnerApiListRow *row = parse_row(filter, answer);

	result->last = true;
	if (row == NULL || strcmp(row->instance_id, asked_id(filter)) != 0)
	{
		*message = pstrdup("answer has not the id that was asked for");
		return false;
	}
	result->rows = list_make1(row);
	return true;
}

/*
 * A page of a list.  It must say whether there are more, and one without rows
 * cannot have any behind it.
 */
static bool
take_page(const PartnerApiFilter *filter, const PartnerApiAsaasAnswer *answer,
		  PartnerApiPage *result, char **message)
{
	PartnerApiAsaasAnswer rows = partner_api_asaas_member(answer, "data");
	const json_t *more = json_object_get(answer->plain, "hasMore");

	if (!json_is_array(rows.plain) || !json_is_boolean(more))
		*message = pstrdup("answer is no page of a list");
	else if (json_is_true(more) && json_array_size(rows.plain) == 0)
		*message = pstrdup("page is empty, but is not the last");
	else
	{
		if (!partner_api_json_int64(answer->plain, "totalCount",
									&result->total) || result->total < 0)
			result->total = -1;
		result->last = !json_is_true(more);
		return take_rows(filter, &rows, result, message);
	}
	return false;
}

/*
 * See provider.h.
 */
bool
partner_api_asaas_parse_list(const PartnerApiFilter *filter,
							 const PartnerApiResponse *response, int page,
							 PartnerApiPage *result, char **message)
{
	bool		one = asked_id(filter) != NULL;
	PartnerApiAsaasAnswer answer;

	memset(result, 0, sizeof(*result));
	result->total = -1;
	if (one && response->complete && response->status == 404)
	{
		result->last = true;
		return true;
	}
	if (!partner_api_asaas_open(response, &answer, message))
		return false;
	return one ? take_one(filter, &answer, result, message) :
		take_page(filter, &answer, result, message);
}

/*
 * See provider.h.  An account may have hundreds of thousands of charges, and
 * its requests are counted.
 */
const char *
partner_api_asaas_survey_query(int64 since_ms)
{
	return psprintf("created_from=%s",
					partner_api_today(since_ms - SURVEY_MARGIN_MS));
}
