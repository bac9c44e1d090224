/*-------------------------------------------------------------------------
 *
 * redact.c
 *	  Text from outside made fit to be stored and shown.
 *
 * Providers echo tokens, send binary rubbish and speak UTF-8.  Whatever they
 * wrote passes through here before it reaches a text column, a message or a
 * log: secrets out, control characters out, valid in the database's encoding,
 * and short.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "catalog/namespace.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "redact.h"
#include "utils/builtins.h"
#include "utils/resowner.h"

#define MAX_FOREIGN_TEXT 1000
#define SHORTEST_SECRET 4
#define MASK "***"

/* Replace every occurrence of "secret" in text. */
static char *
mask_secret(char *text, const char *secret)
{
	StringInfoData result;
	char	   *found;

	if (secret == NULL || strlen(secret) < SHORTEST_SECRET ||
		strstr(text, secret) == NULL)
		return text;
	initStringInfo(&result);
	while ((found = strstr(text, secret)) != NULL)
	{
		appendBinaryStringInfo(&result, text, found - text);
		appendStringInfoString(&result, MASK);
		text = found + strlen(secret);
	}
	appendStringInfoString(&result, text);
	return result.data;
}

/*
 * Where the value of something called a token begins, after the word itself:
 * "token":"..., \"token\":\"..., token=... or /token/...  NULL if none does.
 */
static const char *
token_value(const char *after)
{
	const char *p = after;

	if (*p == '=' || *p == '/')
		return p + 1;
	p += strspn(p, "\\");
	if (*p != '"')
		return NULL;
	p += 1 + strspn(p + 1, " \t");
	if (*p != ':')
		return NULL;
	p += 1 + strspn(p + 1, " \t\\");
	return *p == '"' ? p + 1 : NULL;
}

/*
 * Mask the values of whatever is called a token, however broken the text
 * around it is: a list row or a create's answer may hold one that we do not
 * know yet.
 */
static char *
mask_token_values(const char *text)
{
	StringInfoData result;

	initStringInfo(&result);
	while (*text != '\0')
	{
		const char *value = NULL;

		if (pg_strncasecmp(text, "token", 5) == 0)
			value = token_value(text + 5);
		if (value == NULL)
		{
			appendStringInfoChar(&result, *text++);
			continue;
		}
		appendBinaryStringInfo(&result, text, value - text);
		appendStringInfoString(&result, MASK);
		text = value + strcspn(value, "\"\\/&?# \t\r\n");
	}
	return result.data;
}

/* Copy with invalid UTF-8 and control characters replaced, cut to "most". */
static char *
clean_utf8(const char *text, int most)
{
	StringInfoData result;
	const unsigned char *p = (const unsigned char *) text;

	initStringInfo(&result);
	while (*p != '\0' && result.len < most)
	{
		int			len = pg_utf_mblen(p);

		if ((int) strnlen((const char *) p, len) < len ||
			!pg_utf8_islegal(p, len))
		{
			appendStringInfoChar(&result, '?');
			p++;
		}
		else
		{
			if (len == 1 && (*p < ' ' || *p == 0x7f))
				appendStringInfoChar(&result, ' ');
			else
				appendBinaryStringInfo(&result, (const char *) p, len);
			p += len;
		}
	}
	if (*p != '\0')
		appendStringInfoString(&result, "...");
	return result.data;
}

/* Replace what is not ASCII, for encodings that cannot hold it. */
static char *
ascii_only(char *text)
{
	for (char *p = text; *p != '\0'; p++)
	{
		if (IS_HIGHBIT_SET(*p))
			*p = '?';
	}
	return text;
}

/*
 * Valid UTF-8 in the encoding of the database; characters that it lacks make
 * the text lose all its accents rather than fail.  palloc'd.
 */
char *
partner_api_text_from_utf8(const char *text)
{
	int			len = strlen(text);
	int			encoding = GetDatabaseEncoding();
	Oid			proc;
	unsigned char *result;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII || len == 0)
		return pstrdup(text);
	proc = FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(proc))
		return ascii_only(pstrdup(text));
	result = palloc0((Size) len * MAX_CONVERSION_GROWTH + 1);
	if (pg_do_encoding_conversion_buf(proc, PG_UTF8, encoding,
									  (unsigned char *) unconstify(char *, text),
									  len, result,
									  len * MAX_CONVERSION_GROWTH + 1,
									  true) < len)
		return ascii_only(pstrdup(text));
	return (char *) result;
}

/* Text of the database as UTF-8; palloc'd. */
char *
partner_api_text_to_utf8(const char *text)
{
	char	   *result = pg_server_to_any(text, strlen(text), PG_UTF8);

	return result == text ? pstrdup(text) : result;
}

/* A copy with every occurrence of a secret masked. */
static char *
mask_secrets(const char *text, const List *secrets)
{
	char	   *result;
	ListCell   *lc;

	result = pstrdup(text);
	foreach(lc, secrets)
		result = mask_secret(result, lfirst(lc));
	return result;
}

/*
 * Text from outside, fit to be stored and shown, cut to some 1,000 bytes;
 * palloc'd, in UTF-8.  NULL stays NULL.  Secrets are masked before anything is
 * cut, so that no part of one is left.  Needs no transaction.
 */
char *
partner_api_redact_utf8(const char *text, const List *secrets)
{
	if (text == NULL)
		return NULL;
	return clean_utf8(mask_token_values(mask_secrets(text, secrets)),
					  MAX_FOREIGN_TEXT);
}

/* The same in the encoding of the database; needs a transaction. */
char *
partner_api_redact(const char *text, const List *secrets)
{
	if (text == NULL)
		return NULL;
	return partner_api_text_from_utf8(partner_api_redact_utf8(text, secrets));
}

/*
 * One of our own error messages as UTF-8, where there may be no transaction to
 * convert it in: without its accents then.  palloc'd.
 */
char *
partner_api_message_as_utf8(const char *message)
{
	if (GetDatabaseEncoding() == PG_UTF8)
		return pstrdup(message);
	return ascii_only(pstrdup(message));
}

/*
 * A value rather than a message: whole, and only what is known to be a secret
 * is masked.
 */
char *
partner_api_redact_whole(const char *text, const List *secrets)
{
	if (text == NULL)
		return NULL;
	return partner_api_text_from_utf8(clean_utf8(mask_secrets(text, secrets),
												 INT_MAX));
}

/* Compute the SHA-256 of a string; the current resource owner is used. */
static void
compute_sha256(const char *text, uint8 *digest)
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);

	if (context == NULL ||
		pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, (const uint8 *) text,
							 strlen(text)) < 0 ||
		pg_cryptohash_final(context, digest, PG_SHA256_DIGEST_LENGTH) < 0)
	{
		pg_cryptohash_free(context);
		ereport(ERROR,
				errcode(ERRCODE_INTERNAL_ERROR),
				errmsg("could not compute a SHA-256 hash"));
	}
	pg_cryptohash_free(context);
}

/*
 * SHA-256 of a string as 64 hex digits, palloc'd.  PostgreSQL's hashes belong
 * to a resource owner, and outside a transaction, as between the passes of the
 * worker, there is none: this lends them one.
 */
char *
partner_api_sha256_hex(const char *text)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char	   *result = palloc(2 * PG_SHA256_DIGEST_LENGTH + 1);
	ResourceOwner lent = NULL;

	if (CurrentResourceOwner == NULL)
		lent = CurrentResourceOwner = ResourceOwnerCreate(NULL,
														  "partner_api hash");
	compute_sha256(text, digest);
	if (lent != NULL)
	{
		CurrentResourceOwner = NULL;
		ResourceOwnerDelete(lent);
	}
	hex_encode((char *) digest, sizeof(digest), result);
	result[2 * sizeof(digest)] = '\0';
	return result;
}

/* What stands for a token in tables: the first 16 digits of its hash. */
char *
partner_api_token_fingerprint(const char *token)
{
	char	   *hash = partner_api_sha256_hex(token);

	hash[16] = '\0';
	return hash;
}
