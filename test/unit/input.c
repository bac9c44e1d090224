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
		200, 201, 204, 400, 401, 403, 404, 405, 409, 429, 500, 302, 466, 499
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

/* What backend_catch() is to run. */
typedef struct Step
{
	void		(*function) (Input *input);
	Input		input;
} Step;

static void
run_step(void *arg)
{
	Step	   *step = arg;

	step->function(&step->input);
}

/*
 * Take the next name from a list as partner_api_provider_names() writes it.
 */
static const PartnerApiProvider *
take_provider(char **names)
{
	char	   *name = *names + strspn(*names, ", ");
	size_t		len = strcspn(name, ", ");

	*names = name + len + (name[len] != '\0');
	name[len] = '\0';
	return partner_api_provider_find(name);
}

void
try_providers(void (*step) (Input *input), const uint8 *bytes, size_t size)
{
	char		buffer[200];
	char	   *names = buffer;

	strlcpy(buffer, partner_api_provider_names(), sizeof(buffer));
	while (*names != '\0')
	{
		Step		arg = {step, {bytes, size, take_provider(&names)}};
		const BackendError *error;

		require(arg.input.provider != NULL);
		error = backend_catch(run_step, &arg);
		if (error != NULL)
			fprintf(stderr, "%s raised: %s\n", arg.input.provider->name,
					error->message);
		require(error == NULL);
		backend_reset();
	}
}
