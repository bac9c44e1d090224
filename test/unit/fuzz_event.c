/*-------------------------------------------------------------------------
 *
 * fuzz_event.c
 *	  Fuzz target: any body that a webhook gets is an event or is not one.
 *
 * Input: body.
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
}

static void
parse(Input *input)
{
	const PartnerApiProvider *provider = input->provider;
	PartnerApiEvent event;
	char	   *message = NULL;
	size_t		len;
	char	   *body = take_text(input, &len);

	require((provider->parse_event == NULL) ==
			(provider->event_header == NULL));
	if (provider->parse_event == NULL)
		return;
	memset(&event, 0x7F, sizeof(event));
	if (!provider->parse_event(body, len, &event, &message))
	{
		require(message != NULL && *message != '\0');
		return;
	}
	require(*event.id != '\0' && *event.name != '\0');
	require_object(event.body);
	require((event.charge_id == NULL) == (event.fields == NULL));
	if (event.fields != NULL)
		require_object(event.fields);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	try_providers(parse, bytes, size);
	return 0;
}
