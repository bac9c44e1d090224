/*-------------------------------------------------------------------------
 *
 * fuzz_check.c
 *	  Fuzz target: any arguments are refused in good form, or can be sent.
 *
 * Input: kind of action, then its arguments as JSON.  An "id" among them is
 * the action's instance.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "input.h"

#include "json.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* An action that is tried on a provider. */
typedef struct Trial
{
	const PartnerApiProvider *provider;
	PartnerApiAction action;
} Trial;

static void
check(void *arg)
{
	const Trial *trial = arg;

	trial->provider->check(&trial->action);
}

/*
 * What was let through makes a request: a path of segments that stay
 * segments, https where it has a host of its own, and a body that is JSON and
 * says so.
 */
static void
build(void *arg)
{
	const Trial *trial = arg;
	PartnerApiRequest request;
	ListCell   *cell;
	char	   *error;
	bool		says_json = false;

	trial->provider->build(&trial->action, &fuzz_credential, &request);
	require(request.path != NIL);
	require(request.base_url == NULL ||
			strncmp(request.base_url, "https://", 8) == 0);
	foreach(cell, request.path)
	{
		const char *segment = lfirst(cell);

		require(*segment != '\0' && strpbrk(segment, "/\\\r\n") == NULL);
		require(strcmp(segment, "..") != 0);
	}
	foreach(cell, request.headers)
	{
		const PartnerApiPair *header = lfirst(cell);

		require(strpbrk(header->value, "\r\n") == NULL);
		if (strcmp(header->name, "Content-Type") == 0)
			says_json = strcmp(header->value, "application/json") == 0;
	}
	require(request.body == NULL || request.parts == NIL);
	require(request.body == NULL || says_json);
	require(request.body == NULL ||
			partner_api_json_parse(request.body, request.body_len,
								   &error) != NULL);
}

/*
 * An error is one line and two sentences, in printable characters.
 */
static void
require_good_form(const BackendError *error)
{
	require(error->sqlstate == ERRCODE_INVALID_PARAMETER_VALUE ||
			error->sqlstate == ERRCODE_FDW_INVALID_OPTION_NAME);
	for (const char *c = error->message; *c != '\0'; c++)
		require(*c >= ' ' && *c <= '~');
	require(error->message[0] >= 'a' && error->message[0] <= 'z');
	require(error->detail[0] >= 'A' && error->detail[0] <= 'Z');
	require(error->hint[0] >= 'A' && error->hint[0] <= 'Z');
}

/*
 * Each element of a bulk delete with a token.
 */
static json_t *
tokens_of(const json_t *arguments)
{
	json_t	   *ids = json_object_get(arguments, "instance_ids");
	json_t	   *tokens = partner_api_json_object();
	json_t	   *id;
	size_t		i;

	json_array_foreach(ids, i, id)
	{
		if (json_is_string(id))
			json_object_set_new(tokens, json_string_value(id),
								json_string("T"));
	}
	return tokens;
}

/*
 * An action that a provider has, with its arguments; false if the input is
 * none.
 */
static bool
take_action(Input *input, PartnerApiAction *action)
{
	const char *hint;
	char	   *str;
	size_t		len;
	char	   *fault;

	action->kind = take_choice(input, PARTNER_API_KINDS);
	str = take_text(input, &len);
	action->arguments = partner_api_json_parse(str, len, &fault);
	if (!input->provider->supports(action->kind, &hint) ||
		!json_is_object(action->arguments))
		return false;
	action->tokens = tokens_of(action->arguments);
	action->secret = json_object_get(action->arguments, "card");
	action->nonce = "nonce";
	if (!partner_api_kind_traits(action->kind)->creates &&
		action->kind != PARTNER_API_DELETE_INSTANCES)
	{
		action->instance_id = partner_api_json_string(action->arguments, "id");
		action->instance_token = "TOKEN";
	}
	return true;
}

static void
check_and_build(Input *input)
{
	Trial		trial = {.provider = input->provider};
	const BackendError *error;

	if (!take_action(input, &trial.action))
		return;
	error = backend_catch(check, &trial);
	if (error != NULL)
		require_good_form(error);
	else
		require(backend_catch(build, &trial) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	try_providers(check_and_build, bytes, size);
	return 0;
}
