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

extern int	LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
parse(void *input)
{
	PartnerApiRead asked = take_choice(input, PARTNER_API_READ_PHONE_CODE + 1);
	PartnerApiResponse response = take_response(input);
	PartnerApiReadResult result;
	char	   *message = NULL;

	memset(&result, 0x7F, sizeof(result));
	if (!partner_api_zapi.parse_read(asked, &response, &result, &message))
	{
		require(message != NULL && *message != '\0');
		return;
	}
	require(response.status / 100 == 2);
	switch (asked)
	{
		case PARTNER_API_READ_STATUS:
			require(result.bytes == NULL);
			break;
		case PARTNER_API_READ_QR:
			require(VARSIZE(result.bytes) >= VARHDRSZ + 8);
			require(memcmp(VARDATA(result.bytes), "\x89PNG", 4) == 0);
			break;
		case PARTNER_API_READ_QR_URL:
		case PARTNER_API_READ_PHONE_CODE:
			require(*result.text != '\0' && result.bytes == NULL);
			break;
		default:
			break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Input		input = {bytes, size};

	must_not_raise(parse, &input);
	return 0;
}
