/*-------------------------------------------------------------------------
 *
 * zsystems_card.c
 *	  zsystems: cards, as they are given, sent and shown.
 *
 * A card's number has a check digit, so a slip of the keyboard is found here
 * and not by a request.  The data of a card comes apart from the other
 * arguments and goes into the request alone; no error repeats any of it, not
 * even the names of its members: who mixes up name and value must not find a
 * number in the log.  Copies of a number are overwritten before they are
 * freed; those that jansson makes, it overwrites itself where cards are in
 * use.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"
#include "providers/zsystems.h"
#include "wipe.h"

#define LEAST_CARD_LEN 13
#define MOST_CARD_LEN 19
#define CARD_HINT "Give holder, number, security_code and valid_until, all as text."

static const char *const card_members[] = {
	"holder", "number", "security_code", "valid_until"
};

/*
 * Does a card's number pass the check that all of them pass: every second
 * digit from the right doubled, the sum of all digits a multiple of ten?
 */
static bool
passes_luhn(const char *digits, size_t len)
{
	int			sum = 0;

	for (size_t i = 0; i < len; i++)
	{
		int			digit = digits[len - 1 - i] - '0';

		if (i % 2 == 1)
			digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
		sum += digit;
	}
	return sum % 10 == 0;
}

/*
 * Is it the number of a card, with or without blanks and hyphens?
 */
static bool
is_card_number(const char *str)
{
	char	   *number = partner_api_text_without(str, " -");
	size_t		len = strlen(number);
	bool		is_number = len >= LEAST_CARD_LEN && len <= MOST_CARD_LEN &&
	strspn(number, "0123456789") == len && passes_luhn(number, len);

	partner_api_secret_wipe(number);
	return is_number;
}

/*
 * Month and year of "MM/YYYY" or "MM/YY"; false if the text is neither.
 */
static bool
parse_valid_until(const char *str, int *month, int *year)
{
	size_t		len = strlen(str);

	if ((len != 5 && len != 7) || str[2] != '/' ||
		strspn(str, "0123456789") != 2 ||
		strspn(str + 3, "0123456789") != len - 3)
		return false;
	*month = (int) strtol(str, NULL, 10);
	*year = (int) strtol(str + 3, NULL, 10) + (len == 5 ? 2000 : 0);
	return *month >= 1 && *month <= 12 && *year >= 2000;
}

/*
 * Is the month over?  Without a clock nobody can say.
 */
static bool
is_over(int month, int year, int64 now_ms)
{
	char	   *now;

	if (now_ms <= 0)
		return false;
	now = partner_api_time_text(now_ms);
	return strncmp(psprintf("%04d-%02d", year, month), now,
				   strlen("YYYY-MM")) < 0;
}

/*
 * The text of a card's member, which has passed the check.
 */
static const char *
card_text(const json_t *card, const char *name)
{
	const char *str = json_string_value(json_object_get(card, name));

	if (str == NULL)
		elog(ERROR, "card of a request is not known");
	return str;
}

/*
 * Raise ERROR unless a card has its four members, as text, and no other.
 */
static void
check_card_members(const json_t *card)
{
	if (!json_is_object(card))
		partner_api_refuse("card", "a JSON object",
						   "The data of a card is missing, or is "
						   "something else.", CARD_HINT);
	for (size_t i = 0; i < lengthof(card_members); i++)
		(void) partner_api_line_argument(card, "card", card_members[i], true);
	if (json_object_size(card) != lengthof(card_members))
		partner_api_refuse("card", "an object of four members",
						   "It has a member that is not known.",
						   CARD_HINT);
}

/*
 * Raise ERROR for a card that cannot be one.  What it says is not repeated.
 */
void
partner_api_zsystems_check_card(const json_t *card, int64 now_ms)
{
	const char *code;
	int			month;
	int			year;

	check_card_members(card);
	if (!is_card_number(card_text(card, "number")))
		partner_api_refuse("card.number", "the number of a card",
						   "It has not 13 to 19 digits, or its check "
						   "digit does not fit.",
						   "Compare the number with the card.");
	code = card_text(card, "security_code");
	if (strlen(code) < 3 || strlen(code) > 4 ||
		strspn(code, "0123456789") != strlen(code))
		partner_api_refuse("card.security_code",
						   "3 or 4 digits",
						   "It is something else.",
						   "Compare the code with the card.");
	if (!parse_valid_until(card_text(card, "valid_until"), &month, &year))
		partner_api_refuse("card.valid_until", "a month",
						   "It is not of the form MM/YYYY or MM/YY.",
						   "Give a month such as \"08/2031\".");
	if (is_over(month, year, now_ms))
		partner_api_refuse("card.valid_until",
						   "a month that is not over",
						   "The card has expired.",
						   "Ask for a card that is valid.");
}

/*
 * The end of a card's validity as it is sent; what is no month, as in a card
 * that is masked, stays as it is.
 */
static char *
sent_valid_until(const char *str, bool long_year)
{
	int			month;
	int			year;

	if (!parse_valid_until(str, &month, &year))
		return pstrdup(str);
	return long_year ? psprintf("%02d/%04d", month, year) :
		psprintf("%02d/%02d", month, year % 100);
}

/*
 * A card as it is sent.  Clients that store one write the year with four
 * digits, those that subscribe with one write two.
 */
json_t *
partner_api_zsystems_card_body(const json_t *card, bool long_year)
{
	json_t	   *body = partner_api_json_object();
	char	   *number = partner_api_text_without(card_text(card, "number"), " -");

	partner_api_json_put_text(body, "titular", card_text(card, "holder"));
	partner_api_json_put_text(body, "numero", number);
	partner_api_secret_wipe(number);
	partner_api_json_put_text(body, "codigoSeguranca",
							  card_text(card, "security_code"));
	partner_api_json_put_text(body, "validade",
							  sent_valid_until(card_text(card, "valid_until"),
											   long_year));
	return body;
}

/*
 * A stored card by our columns: of its number the last four digits, even if
 * the provider showed more.
 */
json_t *
partner_api_zsystems_card_fields(const json_t *card)
{
	json_t	   *fields = partner_api_json_object();
	char	   *digits = partner_api_filled_text(card, "ultimos_digitos");

	partner_api_json_put_text(fields, "card_id",
							  partner_api_zsystems_id(card));
	if (digits != NULL && strspn(digits, "0123456789*. ") == strlen(digits))
		partner_api_json_put_text(fields, "last_digits",
								  digits + Max(strlen(digits), 4) - 4);
	return fields;
}
