/*-------------------------------------------------------------------------
 *
 * values.c
 *	  Values that several providers write alike: times, images, rows that
 *	  carry secrets.
 *
 * A row is shown without its secrets: members whose names speak of tokens,
 * secrets or passwords are left out, and URLs lose user, query and fragment,
 * where webhook and proxy keys are.  A key in a URL's path cannot be told
 * from any other path and stays.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/base64.h"

#include "json.h"
#include "providers/common.h"

static const char png_magic[] = {
	'\x89', 'P', 'N', 'G', '\r', '\n', '\x1a', '\n'
};

/*
 * Take a number of exactly this many digits from *str; false if it is not
 * there.
 */
static bool
take_number(const char **str, int digits, int *number)
{
	*number = 0;
	for (; digits > 0; digits--, (*str)++)
	{
		if (**str < '0' || **str > '9')
			return false;
		*number = *number * 10 + (**str - '0');
	}
	return true;
}

/*
 * Take one of these characters from *str; false if none of them is there.
 */
static bool
take_character(const char **str, const char *characters)
{
	if (**str == '\0' || strchr(characters, **str) == NULL)
		return false;
	(*str)++;
	return true;
}

/*
 * Days from 1970-01-01 to a date; false if there is no such date.
 */
static bool
days_since_1970(int year, int month, int day, int *days)
{
	static const int before[] = {
		0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365
	};
	bool		leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	int			past = year - 1;

	if (year < 1970 || month < 1 || month > 12 || day < 1 ||
		day > before[month] - before[month - 1] + (leap && month == 2))
		return false;
	*days = 365 * (year - 1970) + past / 4 - past / 100 + past / 400 -
		(1969 / 4 - 1969 / 100 + 1969 / 400) +
		before[month - 1] + (leap && month > 2) + day - 1;
	return true;
}

/*
 * Take a zone ("Z", "+hh", "+hhmm", "+hh:mm") from *str, in minutes east.
 */
static bool
take_zone(const char **str, int *minutes)
{
	const char *sign = *str;
	int			hour;
	int			minute = 0;

	*minutes = 0;
	if (take_character(str, "Zz"))
		return true;
	if (!take_character(str, "+-") || !take_number(str, 2, &hour))
		return false;
	if (**str != '\0')
	{
		(void) take_character(str, ":");
		if (!take_number(str, 2, &minute))
			return false;
	}
	*minutes = (*sign == '-' ? -1 : 1) * (hour * 60 + minute);
	return hour < 24 && minute < 60;
}

/*
 * Read a date and time as ISO 8601 writes it, in unix milliseconds; false if
 * it is anything else.  Without a zone it names no instant: *ms is then what
 * it would be in UTC, and the caller must know better.
 */
bool
partner_api_parse_time(const char *str, int64 *ms, bool *zoned)
{
	int			year,
				month,
				day,
				hour,
				minute,
				second,
				days,
				zone = 0,
				fraction = 0;

	if (!take_number(&str, 4, &year) || !take_character(&str, "-") ||
		!take_number(&str, 2, &month) || !take_character(&str, "-") ||
		!take_number(&str, 2, &day) || !take_character(&str, "Tt ") ||
		!take_number(&str, 2, &hour) || !take_character(&str, ":") ||
		!take_number(&str, 2, &minute) || !take_character(&str, ":") ||
		!take_number(&str, 2, &second))
		return false;
	if (take_character(&str, "."))
	{
		for (int scale = 100; *str >= '0' && *str <= '9'; scale /= 10)
			fraction += (*str++ - '0') * scale;
	}
	*zoned = (*str != '\0');
	if ((*zoned && !take_zone(&str, &zone)) || *str != '\0' ||
		hour > 23 || minute > 59 || second > 60 ||
		!days_since_1970(year, month, day, &days))
		return false;
	*ms = ((days * INT64CONST(24) + hour) * 60 + minute - zone) * 60000 +
		second * INT64CONST(1000) + fraction;
	return true;
}

/*
 * Decode base64; NULL unless it is exactly that.  PostgreSQL's decoder also
 * takes any number of "=" at the end, so that is refused here.
 */
bytea *
partner_api_decode_base64(const char *str)
{
	size_t		len = strlen(str);
	size_t		digits = strspn(str, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
								"abcdefghijklmnopqrstuvwxyz0123456789+/");
	bytea	   *bytes;
	int			size;

	if (len - digits > 2)
		return NULL;

	size = pg_b64_dec_len(len);
	bytes = palloc(VARHDRSZ + size);
	size = pg_b64_decode(str, len, (void *) VARDATA(bytes), size);
	if (size < 0)
		return NULL;
	SET_VARSIZE(bytes, VARHDRSZ + size);
	return bytes;
}

/*
 * Decode a PNG image in base64; NULL if it is none.
 */
bytea *
partner_api_decode_png(const char *base64)
{
	bytea	   *bytes = partner_api_decode_base64(base64);

	if (bytes == NULL || VARSIZE(bytes) < VARHDRSZ + sizeof(png_magic) ||
		memcmp(VARDATA(bytes), png_magic, sizeof(png_magic)) != 0)
		return NULL;
	return bytes;
}

/*
 * Does the name of a member say that its value is secret?
 */
static bool
names_secret(const char *key)
{
	static const char *const parts[] = {"token", "secret", "password"};
	char	   *lower = pstrdup(key);

	for (char *c = lower; *c != '\0'; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	for (size_t i = 0; i < lengthof(parts); i++)
	{
		if (strstr(lower, parts[i]) != NULL)
			return true;
	}
	return false;
}

/*
 * Cut user, query and fragment out of a string that holds a URL.
 */
static void
strip_url(json_t *string)
{
	const char *str = json_string_value(string);
	const char *host = strstr(str, "://");
	const char *path;
	char	   *stripped;
	int			scheme_len;

	if (host == NULL)
		return;
	host += strlen("://");
	scheme_len = host - str;
	path = host + strcspn(host, "/?#");
	for (const char *c = host; c < path; c++)
	{
		if (*c == '@')
			host = c + 1;
	}
	stripped = psprintf("%.*s%.*s", scheme_len, str,
						(int) (path - host + strcspn(path, "?#")), host);
	if (json_string_set(string, stripped) != 0)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory"),
				errdetail("Failed while taking secrets out of an answer."));
}

/*
 * Take the secrets out of an object, in place.  Rows are flat as documented; a
 * key that is added some day may not be.
 */
void
partner_api_remove_secrets(json_t *value)
{
	const char *key;
	json_t	   *member;
	void	   *next;
	size_t		i;

	json_object_foreach_safe(value, next, key, member)
	{
		if (names_secret(key))
			(void) json_object_del(value, key);
		else
			partner_api_remove_secrets(member);
	}
	json_array_foreach(value, i, member)
		partner_api_remove_secrets(member);
	if (json_is_string(value))
		strip_url(value);
}

/*
 * A string member, palloc'd; NULL if it is absent or empty.
 */
char *
partner_api_filled_text(const json_t *object, const char *key)
{
	char	   *str = partner_api_json_string(object, key);

	return str == NULL || *str == '\0' ? NULL : str;
}

/*
 * Number of characters of a UTF-8 text.
 */
int
partner_api_count_characters(const char *str)
{
	int			count = 0;

	for (; *str != '\0'; str++)
	{
		if (((unsigned char) *str & 0xC0) != 0x80)
			count++;
	}
	return count;
}
