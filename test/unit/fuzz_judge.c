/*-------------------------------------------------------------------------
 *
 * fuzz_judge.c
 *	  Fuzz target: any answer to any action gets a verdict that holds.
 *
 * Input: kind of action, status, body.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "input.h"

#include "json.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/*
 * An action of this kind; one with two instances if it is a bulk delete.
 */
static PartnerApiAction
action_of(PartnerApiKind kind)
{
	const char *const arguments = "{\"name\":\"a\",\"with_calls\":true,"
	"\"instance_ids\":[\"A\",\"B\"]}";
	PartnerApiAction action = {.kind = kind};
	char	   *error;

	action.arguments = partner_api_json_parse(arguments, strlen(arguments),
											  &error);
	if (kind != PARTNER_API_CREATE_INSTANCE &&
		kind != PARTNER_API_DELETE_INSTANCES)
	{
		action.instance_id = "A";
		action.instance_token = "TOKEN";
	}
	return action;
}

/*
 * What holds for each verdict, whatever the answer was.
 */
static void
require_sound(const PartnerApiAction *action,
			  const PartnerApiResponse *response,
			  const PartnerApiVerdict *verdict)
{
	bool		done = (verdict->kind == PARTNER_API_DONE);

	require(done == (verdict->reason == PARTNER_API_REASON_NONE));
	require(done == (verdict->message == NULL));
	require(!done || *response->body != '<');
	require(done || *verdict->message != '\0');
	require(verdict->kind != PARTNER_API_RETRY || response->status == 429);
	require(verdict->due_ms == 0 ||
			(done && verdict->due_ms >= INT64CONST(1000000000000)));
	if (action->kind == PARTNER_API_CREATE_INSTANCE && done)
	{
		require(response->status / 100 == 2);
		require(*verdict->instance_id != '\0');
		require(*verdict->instance_token != '\0');
	}
	else
		require(verdict->instance_id == NULL &&
				verdict->instance_token == NULL);
	if (action->kind == PARTNER_API_DELETE_INSTANCES && done)
		require(list_length(verdict->outcomes) == 2);
}

static void
judge(void *input)
{
	PartnerApiAction action = action_of(take_choice(input,
													PARTNER_API_KINDS));
	PartnerApiResponse response = take_response(input);
	PartnerApiVerdict verdict;
	ListCell   *cell;

	memset(&verdict, 0x7F, sizeof(verdict));
	partner_api_provider_judge(&partner_api_zapi, &action, &response,
							   &verdict);
	require_sound(&action, &response, &verdict);
	foreach(cell, verdict.outcomes)
	{
		PartnerApiOutcome *outcome = lfirst(cell);

		require(outcome->done == (outcome->message == NULL));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Input		input = {bytes, size};

	must_not_raise(judge, &input);
	return 0;
}
