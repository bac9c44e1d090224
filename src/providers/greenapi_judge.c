/*-------------------------------------------------------------------------
 *
 * greenapi_judge.c
 *	  Green API: what an answer to an action proves.
 *
 * A status proves little: errors come with 200 and a code in the body, and
 * which status an error has depends on the host that answers.  So success is
 * what has the shape of it, a refusal is read by its code where it has one,
 * and whatever is neither stays unknown: the list of instances then decides.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/greenapi.h"

/* The provider has no instance to give away: asked again after so long. */
#define NONE_FREE_MS 60000

/* A code of the provider's own, in answers to a create. */
#define CODE_NONE_FREE 100

/* What a call to an instance that is no more is refused with. */
#define GONE "instance is deleted"

/*
 * Where the URL of a new instance's own calls may be found in an answer; both
 * are promised or asked for, neither was seen in a recorded one.
 */
static const char *const url_members[] = {"apiUrl", "apiUrlInstance"};

/*
 * What says that a call to an instance was done.
 */
static const char *
confirmation(PartnerApiKind kind)
{
	switch (kind)
	{
		case PARTNER_API_DELETE_INSTANCE:
			return "deleteInstanceAccount";
		case PARTNER_API_DISCONNECT_INSTANCE:
			return "isLogout";
		case PARTNER_API_REBOOT_INSTANCE:
			return "isReboot";
		default:
			return "saveSettings";
	}
}

/*
 * Try again, and not before so long.
 */
static void
decide_not_ready(PartnerApiVerdict *verdict, int64 after_ms, char *message)
{
	partner_api_decide(verdict, PARTNER_API_RETRY,
					   PARTNER_API_REASON_NOT_READY, message);
	verdict->retry_after_ms = Max(verdict->retry_after_ms, after_ms);
}

/*
 * Why an answer is a refusal: by its code, by words that mean the same, or by
 * its status.
 */
static PartnerApiReason
refusal_reason(const PartnerApiResponse *response, int64 code,
			   const char *words)
{
	if (partner_api_words_contain(words, "unauthorized"))
		return PARTNER_API_REASON_CREDENTIAL;
	if (partner_api_words_contain(words, GONE))
		return PARTNER_API_REASON_NOT_FOUND;
	if (code == 0)
		return partner_api_status_reason(response->status);
	return partner_api_status_reason(code > 0 && code < 600 ? (int) code : 0);
}

/*
 * See provider.h.  The same error has a status of its own at one host and
 * none at the other.  A list, which may be long, is not taken apart for this.
 */
PartnerApiReason
partner_api_greenapi_reason(const PartnerApiResponse *response)
{
	PartnerApiReason reason = partner_api_response_reason(response);
	char	   *fault = NULL;
	char	   *words;
	int64		code;

	if (reason == PARTNER_API_REASON_NONE && response->body_len > 0 &&
		response->body[0] == '[')
		return reason;
	code =
		partner_api_greenapi_error_code(partner_api_json_parse(response->body,
															   response->body_len,
															   &fault));
	if (reason == PARTNER_API_REASON_NONE && code == 0)
		return reason;
	words = partner_api_response_words(response);
	if (partner_api_words_contain(words, "starting"))
		return PARTNER_API_REASON_NOT_READY;
	reason = refusal_reason(response, code, words);
	return reason == PARTNER_API_REASON_NONE ?
		PARTNER_API_REASON_REFUSED : reason;
}

/*
 * A refusal, as far as every call has the same.  A code that is no refusal
 * (the trap: 200 is one of an error) leaves open what was done.
 *
 * "Not found" to a delete says that no such instance exists, but also comes
 * for an id that never was one of this account's; the list has to agree.
 */
static void
judge_reason(const PartnerApiAction *action, PartnerApiReason reason,
			 int64 code, char *words, PartnerApiVerdict *verdict)
{
	PartnerApiVerdictKind kind = PARTNER_API_FAILED;

	if (reason == PARTNER_API_REASON_NONE)
		reason = PARTNER_API_REASON_LOST;
	if (reason == PARTNER_API_REASON_BUSY)
		kind = PARTNER_API_RETRY;
	else if (reason == PARTNER_API_REASON_LOST ||
			 (reason == PARTNER_API_REASON_NOT_FOUND && code != 0 &&
			  action->kind == PARTNER_API_DELETE_INSTANCE))
		kind = PARTNER_API_UNKNOWN;
	partner_api_decide(verdict, kind, reason, words);
}

/*
 * Is a call refused only because the instance is on its way?  What is waited
 * for may also be "unauthorized" or "expired" at first.
 */
static bool
is_on_its_way(PartnerApiKind kind, const char *words)
{
	switch (kind)
	{
		case PARTNER_API_CREATE_INSTANCE:
		case PARTNER_API_DELETE_INSTANCE:
			return false;
		case PARTNER_API_AWAIT_INSTANCE:
			return !partner_api_words_contain(words, GONE);
		default:
			return partner_api_words_contain(words, "starting");
	}
}

/*
 * The provider said no.
 */
static void
judge_refusal(const PartnerApiAction *action,
			  const PartnerApiResponse *response, int64 code,
			  PartnerApiVerdict *verdict)
{
	bool		create = (action->kind == PARTNER_API_CREATE_INSTANCE);
	char	   *words = partner_api_response_words(response);
	PartnerApiReason reason = refusal_reason(response, code, words);

	if (create && (code == CODE_NONE_FREE ||
				   partner_api_words_contain(words, "no free instances")))
		decide_not_ready(verdict, NONE_FREE_MS, words);
	else if (create &&
			 partner_api_words_contain(words, "error saving instance"))
		/* it may have been made before it could not be saved */
		partner_api_decide(verdict, PARTNER_API_UNKNOWN,
						   PARTNER_API_REASON_LOST, words);
	else if (is_on_its_way(action->kind, words))
		decide_not_ready(verdict, PARTNER_API_GREENAPI_NOT_READY_MS, words);
	else if (action->kind == PARTNER_API_DISCONNECT_INSTANCE &&
			 partner_api_words_contain(words, "not authorized"))
		partner_api_decide_done(verdict);	/* no phone was linked */
	else
		judge_reason(action, reason, code, words, verdict);
}

/*
 * The base URL that an answer to a create tells, palloc'd; NULL if it tells
 * none that a token may be sent to: https, a host, and at most a port and a
 * plain path.
 */
static char *
told_url(const json_t *root)
{
	static const char *const letters =
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

	for (size_t i = 0; i < lengthof(url_members); i++)
	{
		char	   *url = partner_api_filled_text(root, url_members[i]);
		const char *rest = url == NULL ? "" : url;
		size_t		host;

		if (strncmp(rest, "https://", 8) != 0)
			continue;
		rest += 8;
		host = strspn(rest, letters);
		rest += host;
		if (*rest == ':' && rest[1] >= '0' && rest[1] <= '9')
			rest += 1 + strspn(rest + 1, "0123456789");
		while (host > 0 && *rest == '/' && strncmp(rest, "/..", 3) != 0)
			rest += 1 + strspn(rest + 1, letters);
		if (host > 0 && *rest == '\0')
			return url;
	}
	return NULL;
}

/*
 * An answer to a create.  An instance exists exactly if there are its id and
 * its token, with a status that says so; one of them alone, or both with
 * another status, is a sign that something was made.
 */
static void
judge_create(const PartnerApiAction *action,
			 const PartnerApiResponse *response, const json_t *root,
			 int64 code, PartnerApiVerdict *verdict)
{
	bool		success = (verdict->reason == PARTNER_API_REASON_NONE);
	char	   *id = partner_api_greenapi_id(root);
	char	   *token = partner_api_filled_text(root, "apiTokenInstance");
	char	   *messenger = partner_api_filled_text(root, "typeInstance");

	if (success && id != NULL && token != NULL)
	{
		partner_api_decide_done(verdict);
		verdict->instance_id = id;
		verdict->instance_token = token;
		verdict->instance_url = told_url(root);
		if (messenger != NULL)
		{
			json_t	   *fields = partner_api_json_object();

			partner_api_json_put_text(fields, "middleware", messenger);
			verdict->fields = partner_api_json_print(fields);
		}
	}
	else if (id == NULL && token == NULL && (!success || code != 0))
		judge_refusal(action, response, code, verdict);
	else
		partner_api_decide(verdict, PARTNER_API_UNKNOWN,
						   PARTNER_API_REASON_LOST,
						   success ?
						   pstrdup("answer has no id and token of an instance") :
						   psprintf("HTTP %d, but with id or token of an instance",
									response->status));
}

/*
 * A 2xx answer with the state of an instance that is waited for.
 */
static void
judge_state(const json_t *root, PartnerApiVerdict *verdict)
{
	char	   *message = NULL;
	char	   *state = partner_api_greenapi_state(root, &message);
	json_t	   *fields;

	if (state == NULL)
		decide_not_ready(verdict, PARTNER_API_GREENAPI_NOT_READY_MS, message);
	else if (strcmp(state, "starting") == 0)
		decide_not_ready(verdict, PARTNER_API_GREENAPI_NOT_READY_MS,
						 pstrdup("instance is starting"));
	else
	{
		partner_api_decide_done(verdict);
		fields = partner_api_json_object();
		/* a phone that is off, or was blocked, is linked all the same */
		partner_api_json_put_bool(fields, "connected",
								  strcmp(state, "notAuthorized") != 0);
		partner_api_json_put_text(fields, "state", state);
		verdict->fields = partner_api_json_print(fields);
	}
}

/*
 * Is a setting found as it was asked for?  A number may come as a string.
 */
static bool
is_kept(const json_t *asked, const json_t *found, const char *key)
{
	int64		wanted;
	int64		have;

	if (partner_api_json_int64(asked, key, &wanted))
		return partner_api_json_int64(found, key, &have) && have == wanted;
	return json_equal(json_object_get(asked, key),
					  json_object_get(found, key));
}

/*
 * A copy that goes with the current memory context; NULL for NULL.
 */
static json_t *
copy_of(const json_t *value)
{
	return value == NULL ? NULL :
		partner_api_json_own(json_deep_copy(value));
}

/*
 * Both values of a setting; of the webhook's token only that it differs, of
 * its URL what is no secret.
 */
static json_t *
describe_difference(const char *key, const json_t *asked, const json_t *found)
{
	json_t	   *pair = partner_api_json_object();

	if (strcmp(key, "webhookUrlToken") == 0)
		partner_api_json_put_bool(pair, "secret", true);
	else
	{
		partner_api_json_put(pair, "asked", copy_of(asked));
		partner_api_json_put(pair, "found", copy_of(found));
		partner_api_remove_secrets(pair);
	}
	return pair;
}

/*
 * The settings that were asked for and are not found so.
 */
static json_t *
settings_difference(const json_t *asked, const json_t *found)
{
	json_t	   *differ = partner_api_json_object();
	const char *key;
	json_t	   *value;

	json_object_foreach(unconstify(json_t *, asked), key, value)
	{
		if (partner_api_greenapi_is_told(key) && !is_kept(asked, found, key))
			partner_api_json_put(differ, key,
								 describe_difference(key, value,
													 json_object_get(found,
																	 key)));
	}
	return differ;
}

/*
 * A 2xx answer with the settings of an instance, to be compared with those
 * that it was made with.
 */
static void
judge_settings(const PartnerApiAction *action, const json_t *root,
			   PartnerApiVerdict *verdict)
{
	json_t	   *asked =
	partner_api_greenapi_settings_sent(json_object_get(action->arguments,
													   "settings"));
	json_t	   *found = partner_api_greenapi_settings_sent(root);
	json_t	   *fields = partner_api_json_object();

	if (json_object_size(root) == 0)
	{
		decide_not_ready(verdict, PARTNER_API_GREENAPI_NOT_READY_MS,
						 pstrdup("answer has no settings"));
		return;
	}
	partner_api_decide_done(verdict);
	partner_api_json_put(fields, "settings_differ",
						 settings_difference(asked, found));
	verdict->fields = partner_api_json_print(fields);
}

/*
 * A 2xx answer to a call that is confirmed by a member of its own.
 */
static void
judge_confirmation(const PartnerApiAction *action, const json_t *root,
				   PartnerApiVerdict *verdict)
{
	const char *member = confirmation(action->kind);
	const json_t *flag = json_object_get(root, member);

	if (json_is_true(flag))
		partner_api_decide_done(verdict);
	else if (json_is_false(flag))
		partner_api_decide(verdict, PARTNER_API_FAILED,
						   PARTNER_API_REASON_REFUSED,
						   psprintf("provider answered \"%s\": false",
									member));
	else
		partner_api_decide(verdict, PARTNER_API_UNKNOWN,
						   PARTNER_API_REASON_LOST,
						   psprintf("answer has no \"%s\"", member));
}

/*
 * See provider.h.
 */
void
partner_api_greenapi_judge(const PartnerApiAction *action,
						   const PartnerApiResponse *response,
						   PartnerApiVerdict *verdict)
{
	char	   *fault = NULL;
	json_t	   *root = partner_api_json_parse(response->body,
											  response->body_len, &fault);
	int64		code = partner_api_greenapi_error_code(root);

	if (action->kind == PARTNER_API_CREATE_INSTANCE && root != NULL)
		judge_create(action, response, root, code, verdict);
	else if (verdict->reason != PARTNER_API_REASON_NONE || code != 0)
		judge_refusal(action, response, code, verdict);
	else if (root == NULL)
		partner_api_decide(verdict, PARTNER_API_UNKNOWN,
						   PARTNER_API_REASON_LOST,
						   psprintf("HTTP %d, but %s", response->status,
									fault));
	else if (action->kind == PARTNER_API_AWAIT_INSTANCE)
		judge_state(root, verdict);
	else if (action->kind == PARTNER_API_CHECK_SETTINGS)
		judge_settings(action, root, verdict);
	else
		judge_confirmation(action, root, verdict);
}
