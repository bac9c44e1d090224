/*-------------------------------------------------------------------------
 *
 * cards.c
 *	  Card data: from the call to the one request that carries it.
 *
 * A card's data is in no row, and so in no file, dump, log or standby: it
 * goes from the caller through a slot to the worker, into one request, and is
 * overwritten on each stretch of that way.  The action's row holds a
 * fingerprint of the number, keyed with a secret of this installation, so
 * that calls with the same idempotency key can be compared; without the key
 * the fingerprint tells nothing, although there are few card numbers.
 *
 * What follows: an action that cannot be sent at once is not recorded, and
 * one that is to be sent again fails.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cards.h"
#include "catalog/pg_type.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "json.h"
#include "owner.h"
#include "redact.h"
#include "spend.h"
#include "utils/builtins.h"
#include "wipe.h"

/* The argument that stands for a card in the action's row. */
#define FINGERPRINT "card_fingerprint"

/* Stands for what is not shown. */
#define MASK "***"

/* What may stand between the digits of a number that is written in groups. */
#define GROUPING " -."

/* Digits at the end of a number that are no secret. */
#define SHOWN_DIGITS 4

/* ---- the fingerprint ---- */

/* The secret of this installation; see the table installation_secrets. */
static bytea *
fingerprint_key(void)
{
	static PartnerApiStatement statement = {
		"SELECT card_key FROM partner_api.installation_secrets", 0, NULL, NULL
	};
	PartnerApiOwnerScope scope;
	MemoryContext context = CurrentMemoryContext;
	MemoryContext before;
	bytea	   *key = NULL;
	bool		isnull;

	partner_api_owner_begin(&scope);
	if (partner_api_execute(&statement, NULL, NULL, SPI_OK_SELECT) > 0)
	{
		Datum		value = partner_api_field(0, 1, &isnull);

		before = MemoryContextSwitchTo(context);
		key = DatumGetByteaPCopy(value);
		MemoryContextSwitchTo(before);
	}
	partner_api_owner_end(&scope);
	if (key == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("table partner_api.installation_secrets is empty"),
				errhint("Restore its row, or drop and create the extension."));
	return key;
}

/* HMAC-SHA256 of a text. */
static void
compute_hmac(const bytea *key, const char *text, uint8 *digest)
{
	pg_hmac_ctx *context = pg_hmac_create(PG_SHA256);

	if (context == NULL ||
		pg_hmac_init(context, (const uint8 *) VARDATA_ANY(key),
					 VARSIZE_ANY_EXHDR(key)) < 0 ||
		pg_hmac_update(context, (const uint8 *) text, strlen(text)) < 0 ||
		pg_hmac_final(context, digest, PG_SHA256_DIGEST_LENGTH) < 0)
	{
		pg_hmac_free(context);
		ereport(ERROR,
				errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("could not compute the fingerprint of a card"));
	}
	pg_hmac_free(context);
}

/* The digits of a card's number, overwritten with the current context. */
static char *
digits_of(const json_t *card)
{
	const char *number = partner_api_json_text(card, "number");
	char	   *digits = partner_api_secret_copy(CurrentMemoryContext,
												 number != NULL ? number : "",
												 number != NULL ?
												 strlen(number) : 0);
	char	   *to = digits;

	for (const char *from = digits; *from != '\0'; from++)
	{
		if (*from >= '0' && *from <= '9')
			*to++ = *from;
	}
	explicit_bzero(to, strlen(to));
	return digits;
}

/* What stands for the card in the action's row; palloc'd. */
static char *
make_fingerprint(const json_t *card)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char	   *digits = digits_of(card);
	char	   *fingerprint = palloc(2 * sizeof(digest) + 1);
	bytea	   *key = fingerprint_key();

	compute_hmac(key, digits, digest);
	partner_api_secret_wipe(digits);
	explicit_bzero(VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	hex_encode((char *) digest, sizeof(digest), fingerprint);
	fingerprint[2 * sizeof(digest)] = '\0';
	return fingerprint;
}

/* ---- the call's side ---- */

/*
 * Card data as JSON; it goes with the current context, which overwrites it.
 */
json_t *
partner_api_card_parse(const char *secret)
{
	char	   *error = NULL;
	json_t	   *card;

	partner_api_json_wipe_freed();
	card = partner_api_json_parse(secret, strlen(secret), &error);
	if (card == NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("card cannot be sent as JSON"));
	if (!partner_api_json_is_object(card))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("card must be a JSON object"));
	return card;
}

/*
 * Take a call's card data apart from its other arguments, which get the
 * fingerprint.
 */
void
partner_api_card_take(PartnerApiNewAction *action, json_t *arguments,
					  Jsonb *card)
{
	StringInfoData text;
	char	   *utf8;

	initStringInfo(&text);
	/* escaped as it may be, it does not grow: that would leave a copy */
	enlargeStringInfo(&text, VARSIZE(card) * 6);
	JsonbToCString(&text, &card->root, VARSIZE(card));
	partner_api_wipe_at_reset(CurrentMemoryContext, text.data, text.maxlen);
	utf8 = partner_api_text_to_utf8(text.data);
	action->secret = partner_api_secret_copy(CurrentMemoryContext, utf8,
											 strlen(utf8));
	partner_api_secret_wipe(utf8);
	partner_api_secret_wipe(text.data);
	partner_api_json_put_text(arguments, FINGERPRINT,
							  make_fingerprint(partner_api_card_parse(action->secret)));
}

/* The call is over, or the worker has it: nothing of it is needed here. */
void
partner_api_card_forget(PartnerApiNewAction *action)
{
	partner_api_secret_wipe(action->secret);
	action->secret = NULL;
}

/* ---- the worker's side ---- */

/*
 * Raise ERROR, which undoes its record, for an action with card data that is
 * not sent at once; the answer says why, if that is known.  A dry run is over
 * already.
 */
void
partner_api_card_check_goes(const PartnerApiNewAction *action,
							const PartnerApiAnswer *answer)
{
	if (action->secret == NULL ||
		(answer != NULL && answer->sqlstate == PARTNER_API_ERRCODE_DRY_RUN))
		return;
	ereport(ERROR,
			errcode(answer != NULL ? answer->sqlstate :
					ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("%s", answer != NULL ? answer->message :
				   "the server takes no request now"),
			errdetail("Nothing was sent or recorded: card data is not kept until it can be."),
			errhint("Call again later."));
}

/* Does the action need card data that is not in its row? */
static bool
needs_card(const json_t *arguments)
{
	return partner_api_json_get(arguments, FINGERPRINT) != NULL;
}

/*
 * The card data to send with an action, in the current context; NULL if it
 * has none.  Raises ERROR if it is gone.
 */
json_t *
partner_api_card_of(const PartnerApiClaim *claim, const json_t *arguments)
{
	if (!needs_card(arguments))
		return NULL;
	if (claim->secret == NULL || claim->secret[0] == '\0')
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("the card data that it needs was not kept"));
	return partner_api_card_parse(claim->secret);
}

/* What stands for it where a request is shown; NULL if it has none. */
json_t *
partner_api_card_masked(const json_t *arguments)
{
	static const char *const members[] = {"holder", "number",
	"security_code", "valid_until"};
	json_t	   *card;

	if (!needs_card(arguments))
		return NULL;
	card = partner_api_json_object();
	for (int i = 0; i < (int) lengthof(members); i++)
		partner_api_json_put_text(card, members[i], MASK);
	return card;
}

/*
 * What must not be shown of the card, should the provider repeat it: a short
 * security code only where it is a JSON text of its own.  In the current
 * context, which overwrites it.
 */
List *
partner_api_card_texts(const PartnerApiClaim *claim)
{
	json_t	   *card;
	const char *code;
	char	   *quoted;

	if (claim->secret == NULL || claim->secret[0] == '\0')
		return NIL;
	card = partner_api_card_parse(claim->secret);
	code = partner_api_json_text(card, "security_code");
	if (code == NULL)
		code = "";
	quoted = psprintf("\"%s\"", code);
	partner_api_wipe_at_reset(CurrentMemoryContext, quoted, strlen(quoted));
	return lappend(lappend(partner_api_json_texts(card), digits_of(card)),
				   quoted);
}

/* Where the number ends that begins here, if it is these digits; else NULL. */
static char *
end_of_number(char *text, const char *digits)
{
	while (*text == *digits)
	{
		text++;
		if (*++digits == '\0')
			return text;
		if (*text != '\0' && strchr(GROUPING, *text) != NULL)
			text++;
	}
	return NULL;
}

/*
 * Overwrite a number but for its last digits.  One that stands where JSON has
 * a value stays a number, or nobody could read the rest.
 */
static void
mask_number(const char *start, char *from, char *end)
{
	const char *before = from;
	int			digits = 0;
	bool		is_value;

	while (before > start && before[-1] == ' ')
		before--;
	is_value = before > start && strchr(":[,", before[-1]) != NULL;
	for (char *c = end - 1; c >= from + is_value; c--)
	{
		if (*c >= '0' && *c <= '9' && ++digits > SHOWN_DIGITS)
			*c = is_value ? '0' : '*';
	}
}

/*
 * Take the card's number out of an answer, in place, should the provider
 * repeat it: before anybody reads it, since what is read may be kept.
 */
void
partner_api_card_mask_answer(const PartnerApiClaim *claim, char *body,
							 size_t len)
{
	char	   *digits;

	if (claim->secret == NULL || claim->secret[0] == '\0')
		return;
	digits = digits_of(partner_api_card_parse(claim->secret));
	for (char *from = body; digits[0] != '\0' && from < body + len; from++)
	{
		char	   *end = end_of_number(from, digits);

		if (end != NULL)
			mask_number(body, from, end);
	}
	partner_api_secret_wipe(digits);
}

/*
 * Is an action that would be sent again at its end, because its card data is
 * gone?  Then it has failed.  arguments: NULL if they were not read yet.
 */
bool
partner_api_card_was_last(const PartnerApiClaim *claim,
						  const json_t *arguments, PartnerApiNextStep *next)
{
	if (strcmp(next->state, "waiting") != 0 ||
		(claim->secret == NULL && !needs_card(arguments)))
		return false;
	next->state = "failed";
	return true;
}

/* Why it was not sent again, added to why it was not done; palloc'd. */
char *
partner_api_card_gone_words(const char *error)
{
	return psprintf("%s; card data is not kept: make the call again", error);
}
