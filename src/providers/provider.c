/*-------------------------------------------------------------------------
 *
 * provider.c
 *	  The registry of providers, and what all of them share.
 *
 * This file owns the rules that hold whoever answers: which HTTP statuses
 * decide an attempt by themselves, how an error is put into words, and which
 * names and ids are fit to be sent.  Whatever needs knowledge of one
 * provider's paths or fields is in that provider's file.
 *
 * Text is UTF-8.  Words taken from an answer are raw: they may repeat a
 * secret that we sent, so the caller masks them before anybody sees them.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"
#include "providers/provider.h"

/*
 * Characters of an instance name.  No provider publishes its limit; 200
 * characters and a nonce stay below the usual column of 255.
 */
#define NAME_LIMIT 200

/* Bytes of an instance id; the ones seen have 32. */
#define ID_LIMIT 255

/*
 * Bytes of a provider's words that are handed on.  Far more than anybody
 * keeps: whoever masks secrets must see them whole before the text is cut.
 */
#define WORDS_LIMIT 65536

/* What would be misread in a URL path or in a log line. */
#define ID_FORBIDDEN "/\\?#%\"'` \t\r\n\f\v"

static const PartnerApiProvider *const providers[] = {
	&partner_api_asaas,
	&partner_api_greenapi,
	&partner_api_zapi,
	&partner_api_zsystems
};

/*
 * The provider of this name, or NULL.
 */
const PartnerApiProvider *
partner_api_provider_find(const char *name)
{
	for (size_t i = 0; i < lengthof(providers); i++)
	{
		if (strcmp(providers[i]->name, name) == 0)
			return providers[i];
	}
	return NULL;
}

/*
 * The known names for a hint: comma-separated, palloc'd.
 */
char *
partner_api_provider_names(void)
{
	char	   *names = pstrdup(providers[0]->name);

	for (size_t i = 1; i < lengthof(providers); i++)
		names = psprintf("%s, %s", names, providers[i]->name);
	return names;
}

/*
 * What an answer's status alone says; REASON_NONE for 2xx.
 *
 * LOST is for every status that leaves open whether the request had an
 * effect.  5xx: the provider may have failed after acting, and a gateway
 * reports 502 or 504 while the application behind it goes on.  408 and 499:
 * somebody on the way gave up waiting.  425: an early copy of the request was
 * put off, which says nothing about another copy.  302 and 303: the usual
 * answer of a form that has done its work and shows the result elsewhere.
 *
 * 301, 307 and 308 say the opposite: nothing was done here, the same request
 * belongs elsewhere.  It is not sent there, because a token must not follow
 * a redirect, so the base URL is wrong: PROTOCOL, as for 405 and 415.
 */
PartnerApiReason
partner_api_status_reason(int status)
{
	switch (status)
	{
		case 401:
		case 403:
			return PARTNER_API_REASON_CREDENTIAL;
		case 404:
			return PARTNER_API_REASON_NOT_FOUND;
		case 301:
		case 307:
		case 308:
		case 405:
		case 415:
			return PARTNER_API_REASON_PROTOCOL;
		case 408:
		case 425:
		case 499:
			return PARTNER_API_REASON_LOST;
		case 429:
			return PARTNER_API_REASON_BUSY;
	}

	if (status >= 200 && status < 300)
		return PARTNER_API_REASON_NONE;
	if (status >= 400 && status < 500)
		return PARTNER_API_REASON_REFUSED;
	return PARTNER_API_REASON_LOST;
}

/*
 * Why a response is no success, as far as its outside shows; REASON_NONE if
 * its body decides.
 */
PartnerApiReason
partner_api_response_reason(const PartnerApiResponse *response)
{
	if (!response->sent)
		return PARTNER_API_REASON_UNREACHABLE;
	if (!response->complete)
		return PARTNER_API_REASON_LOST;
	return partner_api_status_reason(response->status);
}

/*
 * The same at a provider: a token that lacks a permission is good for other
 * calls.
 */
static PartnerApiReason
outside_reason(const PartnerApiProvider *provider,
			   const PartnerApiResponse *response)
{
	PartnerApiReason reason = partner_api_response_reason(response);

	return reason == PARTNER_API_REASON_CREDENTIAL &&
		response->status == 403 && provider->grants_calls ?
		PARTNER_API_REASON_PERMISSION : reason;
}

/*
 * Why a response to a read or a list is no success.
 */
PartnerApiReason
partner_api_provider_reason(const PartnerApiProvider *provider,
							const PartnerApiResponse *response)
{
	if (provider->reason == NULL || !response->complete)
		return outside_reason(provider, response);
	return provider->reason(response);
}

/*
 * An answer that is no success in words, never NULL.
 */
static char *
provider_words(const PartnerApiProvider *provider,
			   const PartnerApiResponse *response)
{
	if (provider->words == NULL || !response->complete)
		return partner_api_response_words(response);
	return provider->words(response);
}

/*
 * Decide what no body can change, and leave 2xx and the refusals to the
 * provider.
 */
static void
judge(const PartnerApiProvider *provider, const PartnerApiAction *action,
	  const PartnerApiResponse *response, PartnerApiVerdict *verdict)
{
	memset(verdict, 0, sizeof(*verdict));
	verdict->reason = outside_reason(provider, response);
	verdict->retry_after_ms = response->retry_after_ms;

	switch (verdict->reason)
	{
		case PARTNER_API_REASON_NONE:
		case PARTNER_API_REASON_NOT_FOUND:
		case PARTNER_API_REASON_REFUSED:
			provider->judge(action, response, verdict);
			return;
		case PARTNER_API_REASON_UNREACHABLE:
		case PARTNER_API_REASON_BUSY:
			/* turned away before anything was done */
			verdict->kind = PARTNER_API_RETRY;
			break;
		case PARTNER_API_REASON_LOST:
			verdict->kind = PARTNER_API_UNKNOWN;
			break;
		case PARTNER_API_REASON_CREDENTIAL:
			/* what is new may not be known yet to whom it is asked of */
			if (partner_api_kind_traits(action->kind)->asks)
			{
				provider->judge(action, response, verdict);
				return;
			}
			verdict->kind = PARTNER_API_FAILED;
			break;
		case PARTNER_API_REASON_PERMISSION:
		case PARTNER_API_REASON_PROTOCOL:
			/* the same request would be turned away again */
			verdict->kind = PARTNER_API_FAILED;
			break;
		case PARTNER_API_REASON_NOT_READY:
			break;				/* no status says so */
	}
	verdict->message = provider_words(provider, response);
}

/*
 * What one attempt proved.  A lost answer of what only asks is no riddle: it
 * is asked again.
 */
void
partner_api_provider_judge(const PartnerApiProvider *provider,
						   const PartnerApiAction *action,
						   const PartnerApiResponse *response,
						   PartnerApiVerdict *verdict)
{
	judge(provider, action, response, verdict);
	if (verdict->kind == PARTNER_API_UNKNOWN &&
		partner_api_kind_traits(action->kind)->asks)
		verdict->kind = PARTNER_API_RETRY;
}

/*
 * Does text hold a control character: C0 with its line breaks, DEL, or C1
 * (in UTF-8, C2 followed by 80 to 9F)?
 */
bool
partner_api_text_has_control(const char *str)
{
	for (const unsigned char *c = (const unsigned char *) str; *c != 0; c++)
	{
		if (*c < 0x20 || *c == 0x7F)
			return true;
		if (*c == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0)
			return true;
	}
	return false;
}

/*
 * What is wrong with an id, as a sentence; NULL if nothing is.
 */
const char *
partner_api_id_fault(const char *id)
{
	if (id == NULL || *id == '\0')
		return "The id is empty.";
	if (strlen(id) > ID_LIMIT)
		return "The id is longer than " CppAsString2(ID_LIMIT) " bytes.";
	if (strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return "The id is a relative path.";
	if (strpbrk(id, ID_FORBIDDEN) != NULL)
		return "The id contains a slash, a quote, a blank, a line break "
			"or one of ? # %.";
	if (partner_api_text_has_control(id))
		return "The id contains a control character.";
	return NULL;
}

/*
 * Raise ERROR for an id that no provider can have given out.  Ids are opaque,
 * so only what could change the meaning of a URL is refused.  The id is not
 * repeated in the error, which may go to a log.
 */
void
partner_api_check_instance_id(const char *instance_id)
{
	const char *fault = partner_api_id_fault(instance_id);

	if (fault != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("invalid instance id"),
				errdetail_internal("%s", fault),
				errhint("Give the id exactly as the provider shows it."));
}

/*
 * Raise ERROR for a name that must not be given to an instance: missing,
 * blank, longer than 200 characters (a nonce not counted), or with control
 * characters.
 */
void
partner_api_check_instance_name(const char *name)
{
	if (name == NULL || name[strspn(name, " ")] == '\0')
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("instance name must not be empty"),
				errdetail("The name is missing or consists of blanks."),
				errhint("Give a name of 1 to %d characters.", NAME_LIMIT));

	if (partner_api_count_characters(name) > NAME_LIMIT)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("instance name is too long"),
				errdetail("The name has %d characters.",
						  partner_api_count_characters(name)),
				errhint("Give a name of 1 to %d characters.", NAME_LIMIT));

	if (partner_api_text_has_control(name))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("instance name must not contain control characters"),
				errdetail("The name contains a line break, a tab or another "
						  "control character."),
				errhint("Give a name on one line."));
}

/*
 * The name as it is sent: the nonce follows it, so that the name stays
 * readable and a create whose answer was lost can be found in a list.
 */
char *
partner_api_name_with_nonce(const char *name, const char *nonce)
{
	return nonce == NULL ? pstrdup(name) : psprintf("%s [%s]", name, nonce);
}

/*
 * White space as ASCII has it, whatever the locale says.
 */
static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * A palloc'd copy of text without surrounding white space, cut between two
 * characters where it is too long to keep; NULL if nothing is left.
 */
static char *
clip_words(const char *str, size_t len)
{
	while (len > 0 && is_blank(*str))
	{
		str++;
		len--;
	}
	if (len > WORDS_LIMIT)
	{
		len = WORDS_LIMIT;
		while (len > 0 && ((unsigned char) str[len] & 0xC0) == 0x80)
			len--;
	}
	while (len > 0 && is_blank(str[len - 1]))
		len--;
	return len == 0 ? NULL : pnstrdup(str, len);
}

/*
 * The string member of an object in words, or NULL if it has none to show.
 */
static char *
member_words(const json_t *root, const char *key)
{
	const json_t *member = json_object_get(root, key);

	return clip_words(json_string_value(member), json_string_length(member));
}

/*
 * The words of an answer's "error" member, or NULL if it reports no error:
 * absent, null, false and blank mean that there is none.  Where the member is
 * not text (true, a code, an object), "message" usually has the words.
 */
char *
partner_api_error_words(const json_t *root)
{
	const json_t *error = json_object_get(root, "error");
	char	   *words;

	if (error == NULL || json_is_null(error) || json_is_false(error))
		return NULL;
	if (json_is_string(error))
		return member_words(root, "error");

	words = member_words(root, "message");
	if (words == NULL)
	{
		words = partner_api_json_print(error);
		words = clip_words(words, strlen(words));
	}
	return words;
}

/*
 * Words for a body that is no JSON object.  A page of markup tells a reader
 * nothing; a line of text does, if it is text: without NUL, and UTF-8, which
 * jansson checks for us.
 */
static char *
text_words(const PartnerApiResponse *response)
{
	const char *body = response->body;
	size_t		len = response->body_len;
	char	   *words = len == 0 ? NULL : clip_words(body, len);
	json_t	   *str;
	bool		is_text;

	if (words == NULL)
		return psprintf("HTTP %d with an empty body", response->status);
	if (*words == '<')
		return psprintf("HTTP %d with a page of markup", response->status);

	str = json_string(words);
	is_text = (str != NULL && memchr(body, '\0', len) == NULL);
	json_decref(str);
	if (!is_text)
		return psprintf("HTTP %d with a body that is not text",
						response->status);
	return words;
}

/*
 * An answer that is no success in words, never NULL: the provider's own
 * where it has some, otherwise a description of what came.
 */
char *
partner_api_response_words(const PartnerApiResponse *response)
{
	json_t	   *root;
	char	   *fault;
	char	   *words;

	if (!response->sent || !response->complete)
		return pstrdup(response->transport_error != NULL ?
					   response->transport_error : "no answer");
	if (response->body_len == 0)
		return text_words(response);

	root = partner_api_json_parse(response->body, response->body_len, &fault);
	words = partner_api_error_words(root);
	if (words == NULL)
		words = member_words(root, "message");
	if (words == NULL)
		words = member_words(root, "description");
	if (words == NULL)
		words = text_words(response);
	return words;
}

/*
 * The subscription state as instances.status writes it.
 */
const char *
partner_api_subscription_name(PartnerApiSubscription subscription)
{
	switch (subscription)
	{
		case PARTNER_API_SUBSCRIPTION_TRIAL:
			return "trial";
		case PARTNER_API_SUBSCRIPTION_SIGNED:
			return "signed";
		case PARTNER_API_SUBSCRIPTION_CANCELLING:
			return "cancelling";
		case PARTNER_API_SUBSCRIPTION_CANCELLED:
			return "ended";
		case PARTNER_API_SUBSCRIPTION_DELETED:
			return "deleted";
		case PARTNER_API_SUBSCRIPTION_UNKNOWN:
			break;
	}
	return "unknown";
}
