/*-------------------------------------------------------------------------
 *
 * input.c
 *	  What the fuzz targets share.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "input.h"

const PartnerApiCredential fuzz_credential = {"PARTNER", "CLIENT"};

int
take_choice(Input *input, int limit)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return (uint8) (*input->bytes++ - '0') % limit;
}

char *
take_text(Input *input, size_t *len)
{
	char	   *copy = palloc(input->size + 1);

	memcpy(copy, input->bytes, input->size);
	copy[input->size] = '\0';
	if (len != NULL)
		*len = input->size;
	input->size = 0;
	return copy;
}

PartnerApiResponse
take_response(Input *input)
{
	static const int statuses[] = {
		200, 201, 204, 400, 401, 403, 404, 405, 409, 429, 500, 302
	};
	PartnerApiResponse response = {
		.sent = true,
		.complete = true,
		.retry_after_ms = -1
	};

	response.status = statuses[take_choice(input, lengthof(statuses))];
	response.body = take_text(input, &response.body_len);
	return response;
}

void
must_not_raise(void (*step) (void *), Input *input)
{
	const BackendError *error = backend_catch(step, input);

	if (error != NULL)
		fprintf(stderr, "raised: %s\n", error->message);
	require(error == NULL);
	backend_reset();
}
