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
	"\"instance_ids\":[\"A\",\"B\"],\"settings\":{\"stateWebhook\":true,"
	"\"webhookUrl\":\"https://h/?k\",\"webhookUrlToken\":\"SECRET\","
	"\"delaySendMessagesMilliseconds\":500}}";
	PartnerApiAction action = {.kind = kind};
	char	   *error;

	action.arguments = partner_api_json_parse(arguments, strlen(arguments),
											  &error);
	if (!partner_api_kind_traits(kind)->creates &&
		kind != PARTNER_API_DELETE_INSTANCES)
	{
		action.instance_id = "A";
		action.instance_token = "TOKEN";
	}
	return action;
}

/*
 * What a "done" tells, and what no other verdict does.
 */
static void
require_told(const PartnerApiAction *action,
			 const PartnerApiResponse *response,
			 const PartnerApiVerdict *verdict)
{
	bool		done = (verdict->kind == PARTNER_API_DONE);
	char	   *error;

	require(done || (verdict->instance_id == NULL &&
					 verdict->instance_token == NULL &&
					 verdict->instance_url == NULL &&
					 verdict->fields == NULL && verdict->due_ms == 0));
	require(verdict->due_ms == 0 ||
			verdict->due_ms >= INT64CONST(1000000000000));
	if (done && partner_api_kind_traits(action->kind)->creates)
	{
		require(response->status / 100 == 2);
		require(*verdict->instance_id != '\0');
	}
	if (done && action->kind == PARTNER_API_CREATE_INSTANCE)
		require(*verdict->instance_token != '\0');
	else
		require(verdict->instance_token == NULL &&
				verdict->instance_url == NULL);
	require(verdict->instance_url == NULL ||
			strncmp(verdict->instance_url, "https://", 8) == 0);
	if (verdict->fields != NULL)
	{
		require(json_is_object(partner_api_json_parse(verdict->fields,
													  strlen(verdict->fields),
													  &error)));
		require(strstr(verdict->fields, "SECRET") == NULL ||
				strstr(response->body, "SECRET") != NULL);
	}
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
	require(verdict->kind != PARTNER_API_RETRY ||
			verdict->reason == PARTNER_API_REASON_BUSY ||
			verdict->reason == PARTNER_API_REASON_NOT_READY ||
			partner_api_kind_traits(action->kind)->asks);
	require(verdict->kind != PARTNER_API_UNKNOWN ||
			!partner_api_kind_traits(action->kind)->asks);
	require_told(action, response, verdict);
	if (action->kind == PARTNER_API_DELETE_INSTANCES && done)
		require(list_length(verdict->outcomes) == 2);
}

static void
judge(Input *input)
{
	PartnerApiAction action = action_of(take_choice(input,
													PARTNER_API_KINDS));
	PartnerApiResponse response = take_response(input);
	PartnerApiVerdict verdict;
	const char *hint;
	ListCell   *cell;

	if (!input->provider->supports(action.kind, &hint))
		return;
	memset(&verdict, 0x7F, sizeof(verdict));
	partner_api_provider_judge(input->provider, &action, &response, &verdict);
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
	try_providers(judge, bytes, size);
	return 0;
}
