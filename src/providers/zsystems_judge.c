/*-------------------------------------------------------------------------
 *
 * zsystems_judge.c
 *	  zsystems: what an answer to an action proves.
 *
 * The shared rules have taken out lost answers, wrong credentials and wrong
 * requests; here are the 2xx and the refusals.  A 2xx is a success only if
 * its body is an object that does not refuse and names what was made, or
 * affirms what was done; it may as well be a refusal, and a 202 may be both:
 * a client whose document is registered is refused with the id that it has.
 * What neither refuses nor affirms stays unknown, and a list decides.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"
#include "providers/zsystems.h"

/*
 * Do the words say that there is no such thing?  They are Portuguese, with a
 * word for each gender.
 */
static bool
says_not_found(const char *words)
{
	return partner_api_words_contain(words, "o encontrad") ||
		partner_api_words_contain(words, "not found");
}

/*
 * The provider said no, in these words.
 */
static void
judge_refusal(const PartnerApiAction *action,
			  const PartnerApiResponse *response, char *words,
			  PartnerApiVerdict *verdict)
{
	bool		not_found = response->status == 404 ||
	(action->instance_id != NULL && says_not_found(words));

	partner_api_decide(verdict, PARTNER_API_FAILED,
					   not_found ? PARTNER_API_REASON_NOT_FOUND :
					   PARTNER_API_REASON_REFUSED, words);
}

/*
 * A 4xx.  A 404 that does not say in words what was not found may be about
 * the endpoint: only that of create_plan is documented.
 */
static void
judge_error(const PartnerApiAction *action,
			const PartnerApiResponse *response, PartnerApiVerdict *verdict)
{
	char	   *words = partner_api_zsystems_response_words(response);

	if (response->status == 404 && action->kind != PARTNER_API_CREATE_PLAN &&
		!says_not_found(words))
		words = psprintf("%s (the provider does not document this operation, and may not have it)",
						 words);
	judge_refusal(action, response, words, verdict);
}

/*
 * The part of an answer that tells what was made or changed, or NULL.
 */
static json_t *
told_by(const PartnerApiAction *action, const json_t *root)
{
	const char *key = "data";

	switch (partner_api_kind_traits(action->kind)->object)
	{
		case PARTNER_API_PLAN:
			key = "plano";
			break;
		case PARTNER_API_CLIENT:
			key = "cliente";
			break;
		case PARTNER_API_CARD:
			key = "cartaoId";
			break;
		default:
			break;
	}
	if (json_object_get(root, key) == NULL)
		key = "data";
	return json_object_get(root, key);
}

/*
 * Set the frequency as it was sent, where the answer does not show it: it may
 * have been given in another spelling.
 */
static void
put_sent_frequency(json_t *fields, const PartnerApiAction *action)
{
	const json_t *given = json_object_get(action->arguments, "frequency");

	if (json_object_get(fields, "frequency") == NULL)
		partner_api_json_put_text(fields, "frequency",
								  partner_api_zsystems_frequency(json_string_value(given)));
}

/*
 * Set the document of a client, as lists show it, where an answer does not
 * repeat it.
 */
static void
put_document(json_t *fields, const PartnerApiAction *action)
{
	const json_t *given = json_object_get(action->arguments, "document");

	if (json_object_get(fields, "document") == NULL)
		partner_api_json_put_text(fields, "document",
								  partner_api_document(json_string_value(given)));
}

/*
 * What an answer told, by our columns; where it told an id alone, just that.
 */
static json_t *
told_fields(const PartnerApiAction *action, json_t *told)
{
	json_t	   *fields;

	switch (partner_api_kind_traits(action->kind)->object)
	{
		case PARTNER_API_PLAN:
			fields = partner_api_zsystems_plan_fields(told);
			put_sent_frequency(fields, action);
			break;
		case PARTNER_API_SUBSCRIPTION:
			fields = partner_api_zsystems_subscription_fields(told);
			break;
		case PARTNER_API_CLIENT:
			fields = partner_api_zsystems_client_fields(told);
			put_document(fields, action);
			break;
		case PARTNER_API_CARD:
			fields = partner_api_zsystems_card_fields(told);
			partner_api_json_put_text(fields, "client_id",
									  action->instance_id);
			break;
		default:
			return NULL;
	}
	if (json_is_object(told))
		partner_api_zsystems_put_details(fields, told);
	return fields;
}

/*
 * Set a verdict of done, with what was told.
 */
static void
decide_done(const PartnerApiAction *action, json_t *told, const char *id,
			bool existed, PartnerApiVerdict *verdict)
{
	const PartnerApiKindTraits *traits =
	partner_api_kind_traits(action->kind);
	json_t	   *fields = id == NULL ? NULL : told_fields(action, told);

	partner_api_decide_done(verdict);
	if (traits->creates || traits->object == PARTNER_API_CARD)
		verdict->instance_id = pstrdup(id);
	if (fields == NULL)
		return;
	if (existed)
		partner_api_json_put_bool(fields, "existed", true);
	verdict->fields = partner_api_json_print(fields);
}

/*
 * An answer to what makes something.  A refusal that names an id is either,
 * but for a client, who is there and has that id.
 */
static void
judge_made(const PartnerApiAction *action,
		   const PartnerApiResponse *response, const json_t *root,
		   PartnerApiVerdict *verdict)
{
	char	   *refusal = partner_api_zsystems_refusal(root);
	json_t	   *told = told_by(action, root);
	char	   *id = partner_api_zsystems_id(told);

	if (id != NULL && (refusal == NULL ||
					   action->kind == PARTNER_API_CREATE_CLIENT))
		decide_done(action, told, id, refusal != NULL, verdict);
	else if (id != NULL)
		partner_api_decide(verdict, PARTNER_API_UNKNOWN,
						   PARTNER_API_REASON_LOST,
						   psprintf("answer refuses, but has an id: %s",
									refusal));
	else if (refusal != NULL)
		judge_refusal(action, response, refusal, verdict);
	else
		partner_api_decide(verdict, PARTNER_API_UNKNOWN,
						   PARTNER_API_REASON_LOST,
						   pstrdup("answer has no id of what was made"));
}

/*
 * Does an answer say in so many words that it is a success?
 */
static bool
affirms(const json_t *root)
{
	const json_t *success = json_object_get(root, "success");

	return json_is_true(success) ||
		(json_is_integer(success) && json_integer_value(success) == 1) ||
		(json_is_string(success) &&
		 pg_strcasecmp(json_string_value(success), "true") == 0);
}

/*
 * An answer to what changes something that has an id: it names that, or says
 * that it is a success.  Of a refund only the latter is known.
 */
static void
judge_changed(const PartnerApiAction *action,
			  const PartnerApiResponse *response, const json_t *root,
			  PartnerApiVerdict *verdict)
{
	char	   *refusal = partner_api_zsystems_refusal(root);
	json_t	   *told = action->kind == PARTNER_API_REFUND_INVOICE ? NULL :
	told_by(action, root);
	char	   *id = partner_api_zsystems_id(told);

	if (refusal != NULL)
		judge_refusal(action, response, refusal, verdict);
	else if (id != NULL ? strcmp(id, action->instance_id) == 0 :
			 affirms(root))
		decide_done(action, told, id, false, verdict);
	else
		partner_api_decide(verdict, PARTNER_API_UNKNOWN,
						   PARTNER_API_REASON_LOST,
						   pstrdup(id != NULL ?
								   "answer is about another id" :
								   "answer does not say that it was done"));
}

/*
 * See provider.h.
 */
void
partner_api_zsystems_judge(const PartnerApiAction *action,
						   const PartnerApiResponse *response,
						   PartnerApiVerdict *verdict)
{
	const PartnerApiKindTraits *traits =
	partner_api_kind_traits(action->kind);
	char	   *fault = "JSON value is no object";
	json_t	   *root;

	if (!partner_api_zsystems_success(response))
	{
		judge_error(action, response, verdict);
		return;
	}
	root = partner_api_json_parse(response->body, response->body_len, &fault);
	if (!json_is_object(root))
		partner_api_decide(verdict, PARTNER_API_UNKNOWN,
						   PARTNER_API_REASON_LOST,
						   psprintf("HTTP %d, but %s", response->status,
									fault));
	else if (traits->creates || traits->object == PARTNER_API_CARD)
		judge_made(action, response, root, verdict);
	else
		judge_changed(action, response, root, verdict);
}
