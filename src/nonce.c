/*-------------------------------------------------------------------------
 *
 * nonce.c
 *	  Nonces: how a name tells which of our actions made the instance.
 *
 * A nonce is "pa-", the installation, "-", the action, "-", eight random
 * digits, and follows the name in brackets.  The digits are hexadecimal but
 * for those of the action.  A provider may change the letters' case or put
 * something after it: then it still tells whose the instance is.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "nonce.h"

#define PREFIX "pa-"
/* an action's number has no more digits than fit an int64 */
#define MOST_DIGITS 18

/* Take so many hexadecimal digits from *p; false if they are not there. */
static bool
take_hex(const char **p, int count)
{
	for (; count > 0; count--, (*p)++)
	{
		if (!isxdigit((unsigned char) **p))
			return false;
	}
	return true;
}

/* Take a character from *p; false if it is not there. */
static bool
take(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/* Take the number of an action from *p; false if there is none. */
static bool
take_number(const char **p, int64 *number)
{
	const char *start = *p;

	*number = 0;
	while (**p >= '0' && **p <= '9' && *p - start < MOST_DIGITS)
		*number = *number * 10 + (*(*p)++ - '0');
	return *p > start;
}

/* Does the text from start to end hold a capital letter? */
static bool
has_capital(const char *start, const char *end)
{
	for (; start < end; start++)
	{
		if (*start >= 'A' && *start <= 'Z')
			return true;
	}
	return false;
}

/* So many characters in lower case, with a NUL after them. */
static void
copy_lower(char *target, const char *source, int count)
{
	for (int i = 0; i < count; i++)
		target[i] = pg_ascii_tolower((unsigned char) source[i]);
	target[count] = '\0';
}

/* Read a nonce that begins at "start"; false if none does. */
static bool
read_nonce(const char *name, const char *start, PartnerApiNonce *nonce)
{
	const char *p = start + strlen(PREFIX);
	const char *random;

	if (pg_strncasecmp(start, PREFIX, strlen(PREFIX)) != 0 ||
		!take_hex(&p, PARTNER_API_INSTALLATION_LEN) ||
		!take(&p, '-') || !take_number(&p, &nonce->action_id) ||
		!take(&p, '-'))
		return false;
	random = p;
	if (!take_hex(&p, PARTNER_API_NONCE_RANDOM_LEN))
		return false;
	copy_lower(nonce->installation, start + strlen(PREFIX),
			   PARTNER_API_INSTALLATION_LEN);
	copy_lower(nonce->random, random, PARTNER_API_NONCE_RANDOM_LEN);
	nonce->unmodified = start > name && start[-1] == '[' &&
		strcmp(p, "]") == 0 && !has_capital(start, p);
	return true;
}

/*
 * Find the nonce of a name, in any case and any place; false if it has none.
 * The last one counts: a name that is given may be a copy of an older one.
 */
bool
partner_api_nonce_find(const char *name, PartnerApiNonce *nonce)
{
	bool		found = false;

	if (name == NULL)
		return false;
	for (const char *p = name; *p != '\0'; p++)
	{
		if ((*p == 'p' || *p == 'P') && read_nonce(name, p, nonce))
			found = true;
	}
	return found;
}

/* Are these the same, whatever was done to their letters? */
bool
partner_api_nonce_equal(const PartnerApiNonce *nonce,
						const PartnerApiNonce *other)
{
	return nonce->action_id == other->action_id &&
		strcmp(nonce->random, other->random) == 0 &&
		strcmp(nonce->installation, other->installation) == 0;
}
