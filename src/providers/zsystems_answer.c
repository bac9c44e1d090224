/*-------------------------------------------------------------------------
 *
 * zsystems_answer.c
 *	  zsystems: what any of its answers holds: a refusal, ids, counts.
 *
 * There is no single shape of an error, and a success status proves nothing:
 * the reasons of a refusal are looked for in four members, in this order,
 * which are texts, lists or objects.
 *
 * Money is written in two ways.  Of a plan it is whole cents; of
 * subscriptions and invoices it is decimal reais.  A number that is neither
 * is left out: to guess its unit from its size would be wrong by a factor of
 * a hundred.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"
#include "providers/zsystems.h"

/* Most texts of a refusal that are handed on. */
#define MOST_WORDS 20

/* ---- refusals ---- */

/*
 * Does an answer say that it is no success?
 */
bool
partner_api_zsystems_denies(const json_t *root)
{
	const json_t *success = json_object_get(root, "success");
	const char *word = json_string_value(success);

	if (word != NULL)
		return pg_strcasecmp(word, "false") == 0 || strcmp(word, "0") == 0;
	return json_is_false(success) ||
		(json_is_integer(success) && json_integer_value(success) == 0);
}

/*
 * Add the texts inside a value to *words, in their order; of an object with a
 * message just that.
 */
static void
collect_words(const json_t *value, int *count, char **words)
{
	const char *key;
	json_t	   *member;
	size_t		i;

	if (json_is_string(value) && json_string_length(value) > 0 &&
		++*count <= MOST_WORDS)
		*words = *words == NULL ? pstrdup(json_string_value(value)) :
			psprintf("%s; %s", *words, json_string_value(value));
	if (json_is_string(json_object_get(value, "message")))
	{
		collect_words(json_object_get(value, "message"), count, words);
		return;
	}
	json_array_foreach(value, i, member)
		collect_words(member, count, words);
	json_object_foreach(unconstify(json_t *, value), key, member)
		collect_words(member, count, words);
}

/*
 * The words of a member that says why not; NULL if it is absent, or holds
 * nothing, as null, false and empty lists do.
 */
static char *
member_words(const json_t *root, const char *key)
{
	const json_t *member = json_object_get(root, key);
	char	   *words = NULL;
	int			count = 0;

	if (member == NULL || json_is_null(member) || json_is_false(member))
		return NULL;
	collect_words(member, &count, &words);
	if (words == NULL && !json_is_string(member) &&
		!(json_is_array(member) && json_array_size(member) == 0) &&
		!(json_is_object(member) && json_object_size(member) == 0))
		words = partner_api_json_print(member);
	return words;
}

/*
 * What an acquirer's refusal says, "CODE - WORDS": it comes as a message that
 * is a code, a hyphen and a JSON object.  NULL for any other message.
 */
static char *
acquirer_words(const json_t *root)
{
	const char *message = json_string_value(json_object_get(root, "message"));
	const char *start = message == NULL ? NULL : strstr(message, " - {");
	json_t	   *told;
	char	   *fault;
	char	   *words;

	if (start == NULL)
		return NULL;
	told = partner_api_json_parse(start + strlen(" - "),
								  strlen(start) - strlen(" - "), &fault);
	words = member_words(told, "error");
	return words == NULL ? NULL :
		psprintf("%.*s - %s", (int) (start - message), message, words);
}

/*
 * The reason that an answer gives, wherever it is; NULL if it gives none.
 */
char *
partner_api_zsystems_words(const json_t *root)
{
	static const char *const members[] = {"error", "errors", "erros"};
	char	   *words = NULL;

	for (size_t i = 0; i < lengthof(members) && words == NULL; i++)
		words = member_words(root, members[i]);
	if (words == NULL)
		words = acquirer_words(root);
	return words != NULL ? words : member_words(root, "message");
}

/*
 * The words of a refusal in an answer whose status may say the opposite; NULL
 * if it is none.  A message alone refuses nothing: successes have one too.
 */
char *
partner_api_zsystems_refusal(const json_t *root)
{
	static const char *const members[] = {"error", "errors", "erros"};
	char	   *words;

	if (partner_api_zsystems_denies(root))
	{
		words = partner_api_zsystems_words(root);
		return words != NULL ? words : partner_api_json_print(root);
	}
	for (size_t i = 0; i < lengthof(members); i++)
	{
		words = member_words(root, members[i]);
		if (words != NULL)
			return words;
	}
	return acquirer_words(root);
}

/*
 * An answer that is no success in words, never NULL.
 */
char *
partner_api_zsystems_response_words(const PartnerApiResponse *response)
{
	json_t	   *root = NULL;
	char	   *words = NULL;
	char	   *fault;

	if (response->complete && response->body_len > 0)
		root = partner_api_json_parse(response->body, response->body_len,
									  &fault);
	if (json_is_object(root))
		words = partner_api_zsystems_words(root);
	return words != NULL ? words : partner_api_response_words(response);
}

/*
 * The JSON value of an answer that holds what was asked for, object or array;
 * NULL with *message (raw) if it is a refusal or cannot be read.
 */
json_t *
partner_api_zsystems_open(const PartnerApiResponse *response, char **message)
{
	json_t	   *root;

	if (!partner_api_zsystems_success(response))
	{
		*message = partner_api_zsystems_response_words(response);
		return NULL;
	}
	root = partner_api_json_parse(response->body, response->body_len,
								  message);
	if (root == NULL)
		return NULL;
	*message = partner_api_zsystems_refusal(root);
	if (*message == NULL && !json_is_object(root) && !json_is_array(root))
		*message = pstrdup("answer is no JSON object");
	return *message == NULL ? root : NULL;
}

/* ---- ids ---- */

/*
 * The id that a value is, a number or a text, or has as an object; NULL if
 * there is none.
 */
char *
partner_api_zsystems_id(const json_t *value)
{
	const char *str;

	if (json_is_object(value))
		value = json_object_get(value, "id");
	if (json_is_integer(value) && json_integer_value(value) > 0)
		return psprintf(INT64_FORMAT, (int64) json_integer_value(value));
	str = json_string_value(value);
	if (str == NULL || *str == '\0' || partner_api_text_has_control(str))
		return NULL;
	return pstrdup(str);
}

/*
 * Set an id as the API writes it: a number, if it is one.
 */
void
partner_api_zsystems_put_id(json_t *object, const char *key, const char *id)
{
	int64		number;

	partner_api_json_put_text(object, key, id);
	if (id != NULL && id[0] != '0' &&
		partner_api_json_int64(object, key, &number))
		partner_api_json_put_int64(object, key, number);
}

/* ---- numbers ---- */

/*
 * A member that counts something, a number or digits; false if it is absent,
 * negative, or more than an integer column takes.
 */
bool
partner_api_zsystems_count(const json_t *object, const char *key,
						   int64 *count)
{
	return partner_api_json_int64(object, key, count) &&
		*count >= 0 && *count <= PG_INT32_MAX;
}

/* ---- what the provider told beyond our columns ---- */

/*
 * Does a member hold the data of a card?  Ids of cards and last digits are no
 * secret.
 */
static bool
names_card(const char *key)
{
	static const char *const keys[] = {
		"card", "cartao", "card_number", "cardNumber", "numero_cartao",
		"numeroCartao", "cvv", "cvv2", "cvc", "cvc2", "codigoSeguranca",
		"codigo_seguranca", "security_code", "securityCode", "senha"
	};

	for (size_t i = 0; i < lengthof(keys); i++)
	{
		if (pg_strcasecmp(keys[i], key) == 0)
			return true;
	}
	return false;
}

/*
 * Is the data of a card anywhere inside a value?
 */
bool
partner_api_zsystems_holds_card(const json_t *value)
{
	const char *key;
	json_t	   *member;
	size_t		i;

	json_object_foreach(unconstify(json_t *, value), key, member)
	{
		if (names_card(key) || partner_api_zsystems_holds_card(member))
			return true;
	}
	json_array_foreach(value, i, member)
	{
		if (partner_api_zsystems_holds_card(member))
			return true;
	}
	return false;
}

/*
 * Take the data of cards out of a value, in place.
 */
static void
remove_cards(json_t *value)
{
	const char *key;
	json_t	   *member;
	void	   *next;
	size_t		i;

	json_object_foreach_safe(value, next, key, member)
	{
		if (names_card(key))
			(void) json_object_del(value, key);
		else
			remove_cards(member);
	}
	json_array_foreach(value, i, member)
		remove_cards(member);
}

/*
 * Set "details" of fields: all that was told, without its secrets, which are
 * taken out in place.
 */
void
partner_api_zsystems_put_details(json_t *fields, json_t *details)
{
	remove_cards(details);
	partner_api_remove_secrets(details);
	partner_api_json_put(fields, "details", details);
}
