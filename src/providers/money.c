/*-------------------------------------------------------------------------
 *
 * money.c
 *	  Amounts in decimal reais, as providers write them, and cents, as we do.
 *
 * Cents are exact in both directions: digits become digits.  A number that has
 * been through a double already, because it was read as one, is taken for the
 * decimals that it stands for, and for none where that is not certain.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "common/int.h"

#include "json.h"
#include "providers/common.h"

/*
 * Cents of reais in decimal digits with a point; false for any other text.
 */
static bool
text_to_cents(const char *str, int64 *cents)
{
	int			decimals = -1;

	*cents = 0;
	if (*str < '0' || *str > '9')
		return false;
	for (; *str != '\0'; str++)
	{
		if (*str == '.' && decimals < 0)
			decimals = 0;
		else if (*str < '0' || *str > '9' || (decimals >= 2 && *str != '0'))
			return false;
		else if (decimals < 2)
		{
			if (decimals >= 0)
				decimals++;
			if (pg_mul_s64_overflow(*cents, 10, cents) ||
				pg_add_s64_overflow(*cents, *str - '0', cents))
				return false;
		}
	}
	for (decimals = Max(decimals, 0); decimals < 2; decimals++)
	{
		if (pg_mul_s64_overflow(*cents, 10, cents))
			return false;
	}
	return true;
}

/*
 * Cents of an amount in decimal reais; false if it is none: not a number, not
 * positive, or with parts of a cent.
 *
 * A JSON number with a point arrives as a double.  The one that is nearest to
 * two decimals differs from them by its rounding alone, a few units in the
 * last place; what differs by more has more decimals.
 */
bool
partner_api_cents(const json_t *value, int64 *cents)
{
	double		exact;
	double		whole;

	if (json_is_string(value))
		return text_to_cents(json_string_value(value), cents);
	if (json_is_integer(value))
		return json_integer_value(value) >= 0 &&
			!pg_mul_s64_overflow(json_integer_value(value), 100, cents);
	if (!json_is_real(value))
		return false;
	exact = json_real_value(value) * 100;
	whole = rint(exact);
	if (!(whole >= 0 && whole < 9007199254740992.0) ||
		fabs(exact - whole) > whole * 4 * DBL_EPSILON)
		return false;
	*cents = (int64) whole;
	return true;
}

/*
 * Hundredths, not negative, in decimal digits with a point: reais of cents.
 */
char *
partner_api_decimals(int64 hundredths)
{
	return psprintf(INT64_FORMAT ".%02d", hundredths / 100,
					(int) (hundredths % 100));
}
