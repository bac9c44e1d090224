/*-------------------------------------------------------------------------
 *
 * asaas_list.c
 *	  Asaas: lists, by filters and in pages, newest first.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_LIMIT 10
#define MAX_LIMIT 100

/* One page of a list while it is put together. */
typedef struct Page
{
	bool		lean;
	long		offset;
	long		limit;
	long		total;
	json_t	   *rows;
} Page;

/* Is a text value, or a flag as a word, the wanted one? */
static bool
is_equal(const json_t *value, const char *wanted)
{
	if (json_is_boolean(value))
		return strcmp(json_is_true(value) ? "true" : "false", wanted) == 0;
	return json_is_string(value) &&
		strcmp(json_string_value(value), wanted) == 0;
}

/* The next digit of a text at or after a place, or its end. */
static const char *
next_digit(const char *place)
{
	while (*place != '\0' && !isdigit((unsigned char) *place))
		place++;
	return place;
}

/* Do two texts have the same digits? */
static bool
same_digits(const char *one, const char *other)
{
	one = next_digit(one);
	other = next_digit(other);
	while (*one == *other && *one != '\0')
	{
		one = next_digit(one + 1);
		other = next_digit(other + 1);
	}
	return *one == *other;
}

/* Days as text sort as they follow each other. */
static bool
passes(const SandboxAsaas *record, const SandboxAsaasFilter *filter,
	   const char *wanted)
{
	const SandboxAsaas *source =
	filter->test == SANDBOX_ASAAS_OF_CUSTOMER ? record->customer : record;
	const json_t *value = source != NULL ?
	json_object_get(source->fields, filter->field) : NULL;
	const char *text = json_string_value(value);

	switch (filter->test)
	{
		case SANDBOX_ASAAS_EQUAL:
		case SANDBOX_ASAAS_OF_CUSTOMER:
			return is_equal(value, wanted);
		case SANDBOX_ASAAS_CONTAINS:
			return text != NULL && strcasestr(text, wanted) != NULL;
		case SANDBOX_ASAAS_DIGITS:
			return text != NULL && same_digits(text, wanted);
		case SANDBOX_ASAAS_FROM:
			return text != NULL && strncmp(text, wanted, strlen(wanted)) >= 0;
		case SANDBOX_ASAAS_UNTIL:
			return text != NULL && strncmp(text, wanted, strlen(wanted)) <= 0;
	}
	return false;
}

static bool
passes_all(const SandboxAsaas *record, const SandboxAsaasList *list,
		   char **wanted)
{
	size_t		i;

	if (!sandbox_asaas_listed(record) ||
		(list->keep != NULL && !list->keep(record, list->context)))
		return false;
	for (i = 0; i < list->filter_count; i++)
	{
		if (wanted[i] != NULL &&
			!passes(record, &list->filters[i], wanted[i]))
			return false;
	}
	return true;
}

/* Visit what a list shows for a request's filters, newest first. */
void
sandbox_asaas_visit(const SandboxRequest *request,
					const SandboxAsaasList *list,
					SandboxAsaasVisit visit, void *context)
{
	char	   *wanted[SANDBOX_ASAAS_MAX_FILTERS];
	size_t		i;

	for (i = 0; i < list->filter_count; i++)
		wanted[i] = sandbox_query_value(request, list->filters[i].query);
	for (i = sandbox_asaas_count(list->kind); i > 0; i--)
	{
		const SandboxAsaas *record = sandbox_asaas_get(list->kind, i - 1);

		if (passes_all(record, list, wanted))
			visit(record, context);
	}
	for (i = 0; i < list->filter_count; i++)
		free(wanted[i]);
}

static void
add_row(const SandboxAsaas *record, void *context)
{
	Page	   *page = context;

	if (page->total >= page->offset &&
		page->total < page->offset + page->limit)
		json_array_append_new(page->rows,
							  sandbox_asaas_shown(record, page->lean));
	page->total++;
}

static long
query_number(const SandboxRequest *request, const char *name, long least,
			 long otherwise)
{
	char	   *text = sandbox_query_value(request, name);
	long		result;

	if (!sandbox_parse_long(text, least, INT_MAX, &result))
		result = otherwise;
	free(text);
	return result;
}

/* Answer with one page of a list; brackets must have been encoded. */
void
sandbox_asaas_list(SandboxRequest *request, const SandboxAsaasList *list)
{
	Page		page;
	bool		more;

	if (strpbrk(request->query, "[]") != NULL)
	{
		sandbox_reply_text(&request->reply, 400, "text/html",
						   "<html><body><h1>400 Bad Request</h1>"
						   "</body></html>\n");
		return;
	}
	memset(&page, 0, sizeof(page));
	page.lean = (request->access & SANDBOX_ASAAS_LEAN) != 0;
	page.offset = query_number(request, "offset", 0, 0);
	page.limit = query_number(request, "limit", 1, DEFAULT_LIMIT);
	if (page.limit > MAX_LIMIT)
		page.limit = MAX_LIMIT;
	page.rows = json_array();
	sandbox_asaas_visit(request, list, add_row, &page);
	more = page.offset + page.limit < page.total;
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:s, s:b, s:I, s:I, s:I, s:o}",
								 "object", "list", "hasMore", more,
								 "totalCount", (json_int_t) page.total,
								 "limit", (json_int_t) page.limit,
								 "offset", (json_int_t) page.offset,
								 "data", page.rows));
}
