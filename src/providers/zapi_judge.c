/*-------------------------------------------------------------------------
 *
 * zapi_judge.c
 *	  Z-API: what an answer to an action proves.
 *
 * The shared rules have taken out lost answers, wrong credentials and wrong
 * requests; here are the 2xx and the refusals.  Z-API reports errors with a
 * success status too, documents few bodies, and answers some calls with no
 * body at all, so each rule below asks what an answer proves, and whatever
 * proves nothing stays unknown: the list of instances then decides.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"
#include "providers/zapi.h"

/* What a piece of an answer to a bulk delete says about an instance. */
typedef enum Says
{
	SAYS_NOTHING,
	SAYS_YES,
	SAYS_NO
} Says;

/*
 * Do the words blame who calls rather than what is asked?  The allow-list of
 * addresses and the client token are refused with a status that is not
 * documented, or with 400.
 */
static bool
blames_caller(const char *words)
{
	if (partner_api_words_contain(words, "client-token") ||
		partner_api_words_contain(words, "bad credentials"))
		return true;
	if (pg_strcasecmp(words, "null not allowed") == 0)
		return true;
	return words[0] == '[' && partner_api_words_contain(words, "] not allowed");
}

/*
 * The provider said no, with a 4xx or with an error in a 2xx.
 *
 * To sign a paid instance again is refused as "already ... paid"; what was
 * asked for is there, and the call names one instance, so it is done.
 *
 * "Not found" stays a failure for a delete as well: a wrong base URL or path
 * gives the same answer, and to record a deletion that never was is worse
 * than a failure that says why.
 */
static void
judge_refusal(const PartnerApiAction *action,
			  const PartnerApiResponse *response, char *words,
			  PartnerApiVerdict *verdict)
{
	PartnerApiReason reason = PARTNER_API_REASON_REFUSED;

	if (action->kind == PARTNER_API_SIGN_INSTANCE &&
		partner_api_words_contain(words, "already") &&
		partner_api_words_contain(words, "paid"))
	{
		partner_api_decide_done(verdict);
		return;
	}

	if (blames_caller(words))
		reason = PARTNER_API_REASON_CREDENTIAL;
	else if (response->status == 404 ||
			 (action->instance_id != NULL &&
			  partner_api_words_contain(words, "not found")))
		reason = PARTNER_API_REASON_NOT_FOUND;
	partner_api_decide(verdict, PARTNER_API_FAILED, reason, words);
}

/*
 * A 2xx answer to a create.  An instance exists exactly if there are its id
 * and its token, whatever else the answer says.  An error without either is a
 * refusal; one of the two alone is a sign that something was made.
 */
static void
judge_create(const PartnerApiAction *action,
			 const PartnerApiResponse *response, const json_t *root,
			 PartnerApiVerdict *verdict)
{
	char	   *id = partner_api_json_string(root, "id");
	char	   *token = partner_api_json_string(root, "token");
	char	   *error = partner_api_error_words(root);
	bool		has_id = (id != NULL && *id != '\0');
	bool		has_token = (token != NULL && *token != '\0');

	if (has_id && has_token)
	{
		partner_api_decide_done(verdict);
		verdict->instance_id = id;
		verdict->instance_token = token;
		verdict->due_ms = partner_api_zapi_time(root, "due");
	}
	else if (error != NULL && !has_id && !has_token)
		judge_refusal(action, response, error, verdict);
	else
		partner_api_decide(verdict, PARTNER_API_UNKNOWN,
						   PARTNER_API_REASON_LOST,
						   pstrdup("answer has no id and token of an instance"));
}

/*
 * A 2xx JSON answer to an action on one instance.  Only an error, or a
 * refusal in the "value" that some calls answer with, makes it a no; when the
 * subscription runs out is told by some answers and not by others.
 */
static void
judge_instance(const PartnerApiAction *action,
			   const PartnerApiResponse *response, const json_t *root,
			   PartnerApiVerdict *verdict)
{
	char	   *error = partner_api_error_words(root);

	if (error == NULL && (json_is_false(json_object_get(root, "value")) ||
						  json_is_false(json_object_get(root, "success"))))
		error = partner_api_json_print(root);

	if (error != NULL)
		judge_refusal(action, response, error, verdict);
	else
	{
		partner_api_decide_done(verdict);
		verdict->due_ms = partner_api_zapi_time(root, "due");
	}
}

/*
 * A word that stands for a yes or a no: the status of an instance, or the
 * name of the list that it is in.
 */
static Says
word_says(const char *word)
{
	static const char *const yes[] = {"deleted", "ok", "succeeded", "success"};
	static const char *const no[] = {"error", "errors", "failed", "refused"};

	for (size_t i = 0; i < lengthof(yes); i++)
	{
		if (pg_strcasecmp(word, yes[i]) == 0)
			return SAYS_YES;
	}
	for (size_t i = 0; i < lengthof(no); i++)
	{
		if (pg_strcasecmp(word, no[i]) == 0)
			return SAYS_NO;
	}
	return SAYS_NOTHING;
}

/*
 * What the members of an element say, beside its place in the answer.
 */
static Says
element_says(const json_t *element)
{
	const json_t *flag = json_object_get(element, "deleted");
	const char *status;

	if (partner_api_error_words(element) != NULL)
		return SAYS_NO;
	if (flag == NULL)
		flag = json_object_get(element, "success");
	if (json_is_boolean(flag))
		return json_is_true(flag) ? SAYS_YES : SAYS_NO;
	status = json_string_value(json_object_get(element, "status"));
	return status == NULL ? SAYS_NOTHING : word_says(status);
}

/*
 * Note what an element of an answer says about an instance: in "found", its
 * id gets true, or the words of the refusal.  Where two elements disagree,
 * the refusal stays.
 */
static void
note_element(json_t *found, const json_t *element, Says by_place)
{
	const json_t *id = element;
	Says		says = element_says(element);
	char	   *words;

	if (json_is_object(element))
	{
		id = json_object_get(element, "id");
		if (id == NULL)
			id = json_object_get(element, "instanceId");
	}
	if (says == SAYS_NOTHING)
		says = by_place;
	if (!json_is_string(id) || says == SAYS_NOTHING ||
		json_is_string(json_object_get(found, json_string_value(id))))
		return;

	words = partner_api_error_words(element);
	if (words == NULL)
		words = partner_api_json_string(element, "message");
	if (words == NULL)
		words = pstrdup("provider refused without a reason");
	if (says == SAYS_YES)
		partner_api_json_put_bool(found, json_string_value(id), true);
	else
		partner_api_json_put_text(found, json_string_value(id), words);
}

/*
 * Collect what an answer to a bulk delete says, by id.  Its shape is not
 * published, so any list in it is read, and what neither a list's name nor
 * its elements decide is left out.
 */
static json_t *
collect_outcomes(json_t *root)
{
	json_t	   *found = partner_api_json_object();
	const char *key;
	json_t	   *list;
	json_t	   *element;
	size_t		i;

	json_array_foreach(root, i, element)
		note_element(found, element, SAYS_NOTHING);
	json_object_foreach(root, key, list)
	{
		json_array_foreach(list, i, element)
			note_element(found, element, word_says(key));
	}
	return found;
}

/*
 * The outcome of one instance from what was collected.
 */
static PartnerApiOutcome *
make_outcome(const json_t *found, const char *instance_id)
{
	const json_t *note = json_object_get(found, instance_id);
	PartnerApiOutcome *outcome = palloc0(sizeof(PartnerApiOutcome));

	outcome->instance_id = pstrdup(instance_id);
	outcome->done = json_is_true(note);
	if (note == NULL)
		outcome->message = pstrdup("provider did not report this instance");
	else if (!outcome->done)
		outcome->message = pstrdup(json_string_value(note));
	return outcome;
}

/*
 * A 2xx JSON answer to a bulk delete.  It is done when the answer accounts
 * for every instance, refused ones included; if it leaves one out, that one
 * may be gone or not, and the list has to tell.
 */
static void
judge_batch(const PartnerApiAction *action,
			const PartnerApiResponse *response, json_t *root,
			PartnerApiVerdict *verdict)
{
	json_t	   *ids = json_object_get(action->arguments, "instance_ids");
	json_t	   *found = collect_outcomes(root);
	char	   *error = partner_api_error_words(root);
	int			missing = 0;
	json_t	   *id;
	size_t		i;

	if (error != NULL && json_object_size(found) == 0)
	{
		judge_refusal(action, response, error, verdict);
		return;
	}

	partner_api_decide_done(verdict);
	json_array_foreach(ids, i, id)
	{
		PartnerApiOutcome *outcome = make_outcome(found,
												  json_string_value(id));

		verdict->outcomes = lappend(verdict->outcomes, outcome);
		if (json_object_get(found, outcome->instance_id) == NULL)
			missing++;
	}
	if (missing > 0)
		partner_api_decide(verdict, PARTNER_API_UNKNOWN,
						   PARTNER_API_REASON_LOST,
						   psprintf("provider did not report %d of %d instances",
									missing, (int) json_array_size(ids)));
}

/*
 * Is a body one that confirms without telling anything?  Most calls are
 * documented with a status alone, one with the text "OK".
 */
static bool
bare_confirmation(const PartnerApiResponse *response)
{
	static const char *const bodies[] = {"", "OK", "\"OK\"", "true", "null"};
	const char *body = response->body;
	size_t		len = response->body_len;

	while (len > 0 && (body[len - 1] == '\n' || body[len - 1] == '\r'))
		len--;
	for (size_t i = 0; i < lengthof(bodies); i++)
	{
		if (len == strlen(bodies[i]) &&
			pg_strncasecmp(body, bodies[i], len) == 0)
			return true;
	}
	return false;
}

/*
 * A 2xx answer.  A body that cannot be read, such as a page of a proxy or
 * half an object, may stand for a success as well as for an error.
 */
static void
judge_success(const PartnerApiAction *action,
			  const PartnerApiResponse *response, PartnerApiVerdict *verdict)
{
	bool		create = (action->kind == PARTNER_API_CREATE_INSTANCE);
	bool		batch = (action->kind == PARTNER_API_DELETE_INSTANCES);
	char	   *fault = "JSON value is no object";
	json_t	   *root;

	if (!create && !batch && bare_confirmation(response))
	{
		partner_api_decide_done(verdict);
		return;
	}

	root = partner_api_json_parse(response->body, response->body_len, &fault);
	if (json_is_object(root) && create)
		judge_create(action, response, root, verdict);
	else if (batch && (json_is_object(root) || json_is_array(root)))
		judge_batch(action, response, root, verdict);
	else if (json_is_object(root))
		judge_instance(action, response, root, verdict);
	else
		partner_api_decide(verdict, PARTNER_API_UNKNOWN,
						   PARTNER_API_REASON_LOST,
						   psprintf("HTTP %d, but %s", response->status, fault));
}

/*
 * See provider.h.
 */
void
partner_api_zapi_judge(const PartnerApiAction *action,
					   const PartnerApiResponse *response,
					   PartnerApiVerdict *verdict)
{
	if (partner_api_zapi_success(response))
		judge_success(action, response, verdict);
	else
		judge_refusal(action, response, partner_api_response_words(response),
					  verdict);
}
