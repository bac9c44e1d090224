/*-------------------------------------------------------------------------
 *
 * zsystems_list.c
 *	  zsystems: lists, and reads of single plans and subscriptions.
 *
 * No list is documented, and none that is known has pages: each is read with
 * one request, and one that speaks of further pages is refused, since part of
 * a list proves nothing.  The provider cannot filter plans and subscriptions.
 *
 * Clients are found by their document alone.  That there is none is an error
 * of the provider's, and the only one that is an empty list; it must be about
 * a client, or a wrong base URL would be taken for it.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"
#include "providers/zsystems.h"

#define ID PARTNER_API_ZSYSTEMS_ID

/* A list: where it is, what its rows are, how they are shown. */
typedef struct ListTraits
{
	PartnerApiZsystemsRoute route;
	const char *key;			/* of the rows; they may be in "data" too */
	json_t	   *(*fields) (const json_t *row);
} ListTraits;

static const ListTraits lists[PARTNER_API_LISTS] = {
	[PARTNER_API_LIST_PLANS] = {
		.route = {"GET", {"planos"}},
		.key = "planos",
		.fields = partner_api_zsystems_plan_fields
	},
	[PARTNER_API_LIST_SUBSCRIPTIONS] = {
		.route = {"GET", {"planos", "assinaturas"}},
		.key = "assinaturas",
		.fields = partner_api_zsystems_subscription_fields
	},
	[PARTNER_API_LIST_CLIENTS] = {
		.route = {"GET", {"clientes", "por_documento", ID}},
		.key = "cliente",
		.fields = partner_api_zsystems_client_fields
	},
	[PARTNER_API_LIST_INVOICES] = {
		.route = {"GET", {"planos", "assinatura", ID, "faturas"}},
		.key = "faturas",
		.fields = partner_api_zsystems_invoice_fields
	}
};

static const PartnerApiZsystemsRoute reads[PARTNER_API_READS] = {
	[PARTNER_API_READ_PLAN] = {"GET", {"planos", ID}},
	[PARTNER_API_READ_SUBSCRIPTION] = {"GET", {"planos", "assinatura", ID}}
};

/* ---- lists ---- */

/*
 * See provider.h.
 */
bool
partner_api_zsystems_supports_list(PartnerApiList list)
{
	return lists[list].key != NULL;
}

/*
 * What a list is asked for, as its path has it; NULL for a whole list.
 * Raises ERROR for what cannot be a document or an id.
 */
static const char *
list_query(const PartnerApiFilter *filter)
{
	const char *document;

	switch (filter->list)
	{
		case PARTNER_API_LIST_CLIENTS:
			document = partner_api_document(filter->query);
			if (document == NULL)
				partner_api_refuse("document", "a CPF or CNPJ",
								   "Clients are found by their "
								   "document alone.",
								   "Give it with or without "
								   "punctuation.");
			return document;
		case PARTNER_API_LIST_INVOICES:
			partner_api_zsystems_check_id("subscription_id", filter->query);
			return filter->query;
		default:
			break;
	}
	return NULL;
}

/*
 * See provider.h.
 */
void
partner_api_zsystems_build_list(const PartnerApiFilter *filter, int page,
								const PartnerApiCredential *credential,
								PartnerApiRequest *request)
{
	partner_api_zsystems_start(request, &lists[filter->list].route,
							   list_query(filter), credential);
}

/*
 * Does an answer speak of more than one page?
 */
static bool
has_pages(const json_t *root)
{
	static const char *const keys[] = {
		"lastPage", "last_page", "totalPages", "total_pages"
	};
	int64		pages;

	for (size_t i = 0; i < lengthof(keys); i++)
	{
		if (partner_api_json_int64(root, keys[i], &pages) && pages > 1)
			return true;
	}
	return false;
}

/*
 * Does an answer say that there is no client of the document?
 */
static bool
says_no_client(const PartnerApiResponse *response)
{
	static const char *const clients[] = {
		"client", "customer", "document", "cpf", "cnpj"
	};
	static const char *const absences[] = {
		"o encontrad", "o cadastrad", "o localizad", "inexistente",
		"o existe", "not found"
	};
	const char *words;
	bool		absent = false;
	json_t	   *root;
	char	   *fault;

	if (!partner_api_zsystems_success(response) && response->status != 404)
		return false;
	root = partner_api_json_parse(response->body, response->body_len, &fault);
	words = partner_api_zsystems_denies(root) || response->status == 404 ?
		partner_api_zsystems_words(root) :
		partner_api_zsystems_refusal(root);
	for (size_t i = 0; i < lengthof(absences) && words != NULL; i++)
		absent = absent || partner_api_words_contain(words, absences[i]);
	for (size_t i = 0; i < lengthof(clients) && absent; i++)
	{
		if (partner_api_words_contain(words, clients[i]))
			return true;
	}
	return false;
}

/*
 * The rows of an answer as an array; NULL if it has none.  The answer to a
 * search for one client is that client, or null.
 */
static json_t *
rows_of(json_t *root, const PartnerApiFilter *filter)
{
	json_t	   *rows = json_is_array(root) ? root :
	json_object_get(root, lists[filter->list].key);
	json_t	   *alone;

	if (rows == NULL)
		rows = json_object_get(root, "data");
	if (json_is_array(rows) || filter->list != PARTNER_API_LIST_CLIENTS)
		return json_is_array(rows) ? rows : NULL;
	if (!json_is_object(rows) && !json_is_null(rows))
		return NULL;
	alone = partner_api_json_array();
	if (json_is_object(rows) && json_array_append(alone, rows) != 0)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory"),
				errdetail("Failed while reading a list."));
	return alone;
}

/*
 * Read a row, and take the secrets out of item; NULL if it has no id.
 */
static PartnerApiListRow *
parse_row(json_t *item, const PartnerApiFilter *filter)
{
	PartnerApiListRow *row = palloc0(sizeof(PartnerApiListRow));
	json_t	   *fields;

	row->instance_id = json_is_object(item) ?
		partner_api_zsystems_id(item) : NULL;
	if (row->instance_id == NULL)
		return NULL;
	fields = lists[filter->list].fields(item);
	if (filter->list == PARTNER_API_LIST_PLANS)
		row->name = partner_api_filled_text(item, "description");
	if (filter->list == PARTNER_API_LIST_INVOICES &&
		json_object_get(fields, "subscription_id") == NULL)
		partner_api_json_put_text(fields, "subscription_id", filter->query);
	row->created = partner_api_filled_text(item, "created");
	if (!partner_api_instant(json_object_get(item, "created"),
							 &row->created_ms))
		row->created_ms = 0;
	partner_api_zsystems_put_details(fields, item);
	row->details = partner_api_json_print(item);
	row->fields = partner_api_json_print(fields);
	return row;
}

/*
 * See provider.h.
 */
bool
partner_api_zsystems_parse_list(const PartnerApiFilter *filter,
								const PartnerApiResponse *response, int page,
								PartnerApiPage *result, char **message)
{
	json_t	   *root;
	json_t	   *rows;
	json_t	   *item;
	size_t		i;

	memset(result, 0, sizeof(*result));
	result->total = -1;
	result->last = true;
	if (filter->list == PARTNER_API_LIST_CLIENTS && says_no_client(response))
		return true;
	root = partner_api_zsystems_open(response, message);
	if (root == NULL)
		return false;
	rows = rows_of(root, filter);
	if (rows == NULL || has_pages(root))
	{
		*message = rows != NULL ?
			pstrdup("answer has pages, and how to read them is not documented") :
			psprintf("answer has no list \"%s\"", lists[filter->list].key);
		return false;
	}
	json_array_foreach(rows, i, item)
	{
		PartnerApiListRow *row = parse_row(item, filter);

		if (row == NULL)
		{
			*message = psprintf("row %d of the list has no id", (int) i + 1);
			return false;
		}
		result->rows = lappend(result->rows, row);
	}
	return true;
}

/* ---- reads ---- */

/*
 * See provider.h.
 */
bool
partner_api_zsystems_supports_read(PartnerApiRead read, const char **hint)
{
	*hint = NULL;
	if (reads[read].method != NULL)
		return true;
	*hint = "The provider has no instances; it tells of plans and "
		"subscriptions.";
	return false;
}

/*
 * See provider.h: these reads have no parameter.
 */
void
partner_api_zsystems_check_read(PartnerApiRead read, const char *parameter)
{
}

/*
 * See provider.h.  Raises ERROR for what is no id of the provider.
 */
void
partner_api_zsystems_build_read(PartnerApiRead read,
								const PartnerApiTarget *target,
								const char *parameter,
								const PartnerApiCredential *credential,
								PartnerApiRequest *request)
{
	partner_api_zsystems_check_id(read == PARTNER_API_READ_PLAN ? "plan_id" :
								  "subscription_id", target->id);
	partner_api_zsystems_start(request, &reads[read], target->id, credential);
}

/*
 * See provider.h.
 */
bool
partner_api_zsystems_parse_read(PartnerApiRead read,
								const PartnerApiResponse *response,
								PartnerApiReadResult *result, char **message)
{
	bool		of_plan = read == PARTNER_API_READ_PLAN;
	json_t	   *root = partner_api_zsystems_open(response, message);
	json_t	   *told;
	json_t	   *fields;

	memset(result, 0, sizeof(*result));
	if (root == NULL)
		return false;
	told = json_object_get(root, of_plan ? "plano" : "assinatura");
	if (told == NULL)
		told = json_object_get(root, "data");
	if (!json_is_object(told) || partner_api_zsystems_id(told) == NULL)
	{
		*message = psprintf("answer has no %s",
							of_plan ? "plan" : "subscription");
		return false;
	}
	fields = of_plan ? partner_api_zsystems_plan_fields(told) :
		partner_api_zsystems_subscription_fields(told);
	partner_api_zsystems_put_details(fields, told);
	result->text = partner_api_json_print(fields);
	return true;
}
