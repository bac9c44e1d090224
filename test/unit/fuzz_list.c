/*-------------------------------------------------------------------------
 *
 * fuzz_list.c
 *	  Fuzz target: any answer is a whole page or none.
 *
 * Input: list and page asked for, status, body.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "input.h"

#include "json.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/*
 * A text is that of a JSON object without tokens.
 */
static void
require_object(const char *str)
{
	char	   *error;
	json_t	   *object = partner_api_json_parse(str, strlen(str), &error);

	require(json_is_object(object));
	require(json_object_get(object, "token") == NULL);
	require(json_object_get(object, "apiTokenInstance") == NULL);
}

/*
 * What holds for each row.
 */
static void
require_sound(const PartnerApiListRow *row, PartnerApiList list)
{
	require(*row->instance_id != '\0');
	require(row->due_ms == 0 || row->due_ms >= INT64CONST(1000000000000));
	require(row->created_ms >= -INT64CONST(86400000));
	require(row->created_ms == 0 || row->created != NULL);
	require(row->deleted_ms >= 0);
	if (list == PARTNER_API_LIST_INSTANCES)
		require_object(row->details);
	else
		require_object(row->fields);
}

/*
 * A row may be shown to any action that is looked for in its list.
 */
static void
look_at(const PartnerApiProvider *provider, PartnerApiList list,
		const PartnerApiListRow *row)
{
	const char *const arguments = "{\"plan_id\":\"1\",\"client\":{"
	"\"document\":\"52998224725\",\"email\":\"a@b.c\"}}";
	PartnerApiAction action = {.instance_id = "1"};
	const char *hint;
	char	   *error;

	action.arguments = partner_api_json_parse(arguments, strlen(arguments),
											  &error);
	for (action.kind = 0; action.kind < PARTNER_API_KINDS; action.kind++)
	{
		if (provider->sight != NULL &&
			provider->supports(action.kind, &hint) &&
			partner_api_kind_traits(action.kind)->list == list)
			require(provider->sight(&action, 0, row) <=
					PARTNER_API_SIGHT_RIDDLE);
	}
}

static void
parse(Input *input)
{
	int			choice = take_choice(input, 3 * PARTNER_API_LISTS);
	PartnerApiFilter filter = {.list = choice / 3};
	PartnerApiResponse response = take_response(input);
	PartnerApiPage page;
	char	   *message = NULL;
	ListCell   *cell;

	if (!input->provider->supports_list(filter.list))
		return;
	memset(&page, 0x7F, sizeof(page));
	if (!input->provider->parse_list(&filter, &response, 1 + choice % 3,
									 &page, &message))
	{
		require(message != NULL && *message != '\0');
		return;
	}
	require(response.status / 100 == 2 ||
			(partner_api_list_is_narrow(filter.list) && page.rows == NIL));
	require(page.last || page.rows != NIL);
	foreach(cell, page.rows)
	{
		require_sound(lfirst(cell), filter.list);
		look_at(input->provider, filter.list, lfirst(cell));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	try_providers(parse, bytes, size);
	return 0;
}
