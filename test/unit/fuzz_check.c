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

static void
check(void *action)
{
	partner_api_zapi.check(action);
}

/*
 * What was let through makes a request of one kind of headers, and a body
 * that is JSON.
 */
static void
build(void *action)
{
	PartnerApiRequest request;
	ListCell   *cell;
	char	   *error;

	partner_api_zapi.build(action, &fuzz_credential, &request);
	require(list_length(request.path) >= 2);
	foreach(cell, request.path)
	{
		const char *segment = lfirst(cell);

		require(*segment != '\0' && strpbrk(segment, "/\\\r\n") == NULL);
		require(strcmp(segment, "..") != 0);
	}
	require(request.body == NULL ||
			partner_api_json_parse(request.body, request.body_len,
								   &error) != NULL);
	require(request.body == NULL || list_length(request.headers) == 2);
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

static void
check_and_build(Input *input)
{
	PartnerApiAction action = {0};
	const BackendError *error;
	char	   *str;
	size_t		len;
	char	   *fault;

	action.kind = take_choice(input, PARTNER_API_KINDS);
	str = take_text(input, &len);
	action.arguments = partner_api_json_parse(str, len, &fault);
	if (!json_is_object(action.arguments))
		return;
	action.tokens = tokens_of(action.arguments);
	action.nonce = "nonce";
	if (action.kind != PARTNER_API_CREATE_INSTANCE &&
		action.kind != PARTNER_API_DELETE_INSTANCES)
	{
		action.instance_id = partner_api_json_string(action.arguments, "id");
		action.instance_token = "TOKEN";
	}

	error = backend_catch(check, &action);
	if (error != NULL)
		require_good_form(error);
	else
		require(backend_catch(build, &action) == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Input		input = {bytes, size};

	check_and_build(&input);
	backend_reset();
	return 0;
}
