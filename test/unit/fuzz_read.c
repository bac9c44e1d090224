/*-------------------------------------------------------------------------
 *
 * fuzz_read.c
 *	  Fuzz target: any answer to a read holds a value or says why not.
 *
 * Input: kind of read, status, body.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "input.h"

#include "json.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/*
 * What holds for a value, by what it is of.
 */
static void
require_sound(PartnerApiRead asked, const PartnerApiReadResult *result)
{
	char	   *error;
	json_t	   *object;

	switch (asked)
	{
		case PARTNER_API_READ_STATUS:
			require(result->bytes == NULL);
			return;
		case PARTNER_API_READ_QR:
			require(VARSIZE(result->bytes) >= VARHDRSZ + 8);
			require(memcmp(VARDATA(result->bytes), "\x89PNG", 4) == 0);
			return;
		case PARTNER_API_READ_QR_URL:
		case PARTNER_API_READ_PHONE_CODE:
			require(*result->text != '\0' && result->bytes == NULL);
			return;
		default:
			break;
	}
	object = partner_api_json_parse(result->text, strlen(result->text),
									&error);
	require(json_is_object(object));
	require(json_object_get(object, "webhookUrlToken") == NULL);
}

static void
parse(Input *input)
{
	const PartnerApiProvider *provider = input->provider;
	const PartnerApiTarget target = {"1", "TOKEN", NULL};
	PartnerApiRead asked = take_choice(input, PARTNER_API_READS);
	PartnerApiResponse response = take_response(input);
	PartnerApiReadResult result;
	const char *hint;
	char	   *message = NULL;

	if (!provider->supports_read(asked, &hint))
		return;
	memset(&result, 0x7F, sizeof(result));
	if (provider->answer_read != NULL &&
		provider->answer_read(asked, &target, &result))
		return;
	if (!provider->parse_read(asked, &response, &result, &message))
	{
		require(message != NULL && *message != '\0');
		return;
	}
	require(response.status / 100 == 2);
	require_sound(asked, &result);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	try_providers(parse, bytes, size);
	return 0;
}
