/*-------------------------------------------------------------------------
 *
 * fuzz_list.c
 *	  Fuzz target: any answer is a whole page or none.
 *
 * Input: page asked for, status, body.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "input.h"

#include "json.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/*
 * What holds for each row.
 */
static void
require_sound(const PartnerApiListRow *row)
{
	char	   *error;
	json_t	   *details = partner_api_json_parse(row->details,
												 strlen(row->details),
												 &error);

	require(*row->instance_id != '\0');
	require(row->due_ms == 0 || row->due_ms >= INT64CONST(1000000000000));
	require(row->created_ms >= -INT64CONST(86400000));
	require(row->created_ms == 0 || row->created != NULL);
	require(row->payment_status != NULL ||
			row->subscription == PARTNER_API_SUBSCRIPTION_UNKNOWN);
	require(json_is_object(details));
	require(json_object_get(details, "token") == NULL);
}

static void
parse(void *input)
{
	int			page_asked = 1 + take_choice(input, 3);
	PartnerApiResponse response = take_response(input);
	PartnerApiFilter filter = {0};
	PartnerApiPage page;
	char	   *message = NULL;
	ListCell   *cell;

	memset(&page, 0x7F, sizeof(page));
	if (!partner_api_zapi.parse_list(&filter, &response, page_asked, &page,
									 &message))
	{
		require(message != NULL && *message != '\0');
		return;
	}
	require(response.status / 100 == 2);
	require(page.last || page.rows != NIL);
	foreach(cell, page.rows)
		require_sound(lfirst(cell));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Input		input = {bytes, size};

	must_not_raise(parse, &input);
	return 0;
}
