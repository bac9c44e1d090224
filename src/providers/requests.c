/*-------------------------------------------------------------------------
 *
 * requests.c
 *	  The parts that providers put requests together from.
 *
 * A request outlives the arguments that it was made of, so whatever is put
 * into one is copied.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"

/*
 * Begin with a method alone: at the server's base URL, without a path.
 */
void
partner_api_request_start(PartnerApiRequest *request, const char *method)
{
	memset(request, 0, sizeof(*request));
	request->method = method;
}

/*
 * Add a segment to the path.
 */
void
partner_api_request_segment(PartnerApiRequest *request, const char *segment)
{
	request->path = lappend(request->path, pstrdup(segment));
}

/*
 * A list of pairs with one more.
 */
static List *
add_pair(List *pairs, const char *name, const char *value)
{
	PartnerApiPair *pair = palloc(sizeof(PartnerApiPair));

	pair->name = pstrdup(name);
	pair->value = pstrdup(value);
	return lappend(pairs, pair);
}

/*
 * Add a query parameter.
 */
void
partner_api_request_query(PartnerApiRequest *request, const char *name,
						  const char *value)
{
	request->query = add_pair(request->query, name, value);
}

/*
 * Add a header.
 */
void
partner_api_request_header(PartnerApiRequest *request, const char *name,
						   const char *value)
{
	request->headers = add_pair(request->headers, name, value);
}

/*
 * Set the body.  Its Content-Type is for the caller to set: some calls want
 * one without a body too.
 */
void
partner_api_request_json(PartnerApiRequest *request, const json_t *body)
{
	request->body = partner_api_json_print(body);
	request->body_len = strlen(request->body);
}

/*
 * Text as it stands in a URL: whatever is not unreserved there is
 * percent-encoded.  For URLs that are shown; requests are encoded by the
 * transport.
 */
char *
partner_api_url_encode(const char *str)
{
	char	   *encoded = palloc(3 * strlen(str) + 1);
	char	   *end = encoded;

	for (; *str != '\0'; str++)
	{
		if ((*str >= '0' && *str <= '9') || (*str >= 'A' && *str <= 'Z') ||
			(*str >= 'a' && *str <= 'z') || strchr("-._~", *str) != NULL)
			*end++ = *str;
		else
			end += snprintf(end, 4, "%%%02X", (unsigned char) *str);
	}
	*end = '\0';
	return encoded;
}

/*
 * The value of a hexadecimal digit; -1 if it is none.
 */
static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = pg_ascii_tolower((unsigned char) c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * What was encoded, palloc'd.  A percent sign that begins no byte, or the byte
 * NUL, stands for itself.
 */
char *
partner_api_url_decode(const char *str, size_t len)
{
	char	   *decoded = palloc(len + 1);
	char	   *end = decoded;

	for (const char *last = str + len; str < last; str++)
	{
		int			high = *str == '%' && last - str > 2 ?
		hex_value(str[1]) : -1;
		int			low = high >= 0 ? hex_value(str[2]) : -1;

		if (low >= 0 && high + low > 0)
		{
			*end++ = (char) (high * 16 + low);
			str += 2;
		}
		else
			*end++ = *str;
	}
	*end = '\0';
	return decoded;
}
