/*-------------------------------------------------------------------------
 *
 * asaas_answer.c
 *	  Asaas: opening answers, and putting refusals into words.
 *
 * A refusal is a list of errors, each with a code and a description for
 * people.  There is no catalogue of the codes; those of a key that is turned
 * away are few, and are told apart here.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/asaas.h"
#include "providers/common.h"

/* Most errors of an answer that are handed on. */
#define MOST_ERRORS 20

/* ---- refusals ---- */

/*
 * What the code of an error means for whoever set up the connection; NULL for
 * one that its description explains.
 */
static const char *
explain_code(const char *code)
{
	static const char *const known[][2] = {
		{"invalid_environment",
		"the key and the base URL belong to different environments"},
		{"invalid_access_token_format",
		"the key is malformed; it begins with a dollar sign, which shells take away"},
		{"invalid_access_token",
		"the key is not valid, or was disabled: one that is not used for 3 months is"},
		{"access_token_not_found", "the request arrived without a key"}
	};

	for (size_t i = 0; i < lengthof(known); i++)
	{
		if (code != NULL && strcmp(known[i][0], code) == 0)
			return known[i][1];
	}
	return NULL;
}

/*
 * One error in words; NULL if it has none.
 */
static char *
error_words(const json_t *error)
{
	const char *code = json_string_value(json_object_get(error, "code"));
	char	   *words = partner_api_filled_text(error, "description");
	const char *meaning = explain_code(code);

	if (words == NULL && code == NULL)
		return NULL;
	words = words == NULL ? pstrdup(code) :
		code == NULL ? words : psprintf("%s (%s)", words, code);
	return meaning == NULL ? words : psprintf("%s: %s", meaning, words);
}

/*
 * The words of all errors; NULL if there are none.
 */
static char *
errors_words(const json_t *root)
{
	const json_t *errors = json_object_get(root, "errors");
	char	   *all = NULL;

	for (size_t i = 0; i < Min(json_array_size(errors), MOST_ERRORS); i++)
	{
		char	   *words = error_words(json_array_get(errors, i));

		if (words != NULL)
			all = all == NULL ? words : psprintf("%s; %s", all, words);
	}
	return all;
}

/*
 * See provider.h.
 */
char *
partner_api_asaas_words(const PartnerApiResponse *response)
{
	char	   *fault;
	json_t	   *root = response->body_len == 0 ? NULL :
	partner_api_json_parse(response->body, response->body_len, &fault);
	char	   *words = errors_words(root);

	if (words == NULL)
		words = partner_api_response_words(response);
	if (response->status == 403)
		words = psprintf("the key lacks the permission for this call, or its list of addresses does not have ours: %s",
						 words);
	return words;
}

/* ---- answers ---- */

/*
 * Does an answer hold errors?  An empty list is none.
 */
static bool
has_errors(const json_t *root)
{
	const json_t *errors = json_object_get(root, "errors");

	return errors != NULL && !json_is_null(errors) &&
		!(json_is_array(errors) && json_array_size(errors) == 0);
}

/*
 * Open an answer that holds what was asked for; false with *message (raw) if
 * it is a refusal or no object.
 */
bool
partner_api_asaas_open(const PartnerApiResponse *response,
					   PartnerApiAsaasAnswer *answer, char **message)
{
	memset(answer, 0, sizeof(*answer));
	answer->answered_ms = response->date_ms;
	if (partner_api_response_reason(response) != PARTNER_API_REASON_NONE)
	{
		*message = response->complete ? partner_api_asaas_words(response) :
			partner_api_response_words(response);
		return false;
	}
	answer->plain = partner_api_json_parse(response->body, response->body_len,
										   message);
	if (answer->plain == NULL)
		return false;
	if (!json_is_object(answer->plain))
		*message = pstrdup("answer is no JSON object");
	else if (has_errors(answer->plain))
		*message = partner_api_asaas_words(response);
	else
	{
		answer->exact = partner_api_json_parse_decimals(response->body,
														response->body_len,
														message);
		return answer->exact != NULL;
	}
	return false;
}

/*
 * The member of an answer that has this name, read both ways.
 */
PartnerApiAsaasAnswer
partner_api_asaas_member(const PartnerApiAsaasAnswer *answer, const char *key)
{
	return (PartnerApiAsaasAnswer)
	{
		json_object_get(answer->plain, key),
			json_object_get(answer->exact, key),
			answer->answered_ms
	};
}

/*
 * The element of an array with this index, read both ways.
 */
PartnerApiAsaasAnswer
partner_api_asaas_element(const PartnerApiAsaasAnswer *answer, size_t index)
{
	return (PartnerApiAsaasAnswer)
	{
		json_array_get(answer->plain, index),
			json_array_get(answer->exact, index),
			answer->answered_ms
	};
}

/*
 * The id of an object, which is opaque text; NULL if it has none.
 */
const char *
partner_api_asaas_id(const json_t *object)
{
	const char *id = json_string_value(json_object_get(object, "id"));

	return id == NULL || *id == '\0' || partner_api_text_has_control(id) ?
		NULL : id;
}
