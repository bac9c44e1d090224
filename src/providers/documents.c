/*-------------------------------------------------------------------------
 *
 * documents.c
 *	  The numbers by which Brazil knows people and companies.
 *
 * They carry check digits, so a slip of the keyboard is found before anything
 * is sent.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "providers/common.h"

#define CPF_LEN 11
#define CNPJ_LEN 14

/*
 * The text without the characters of "marks".
 */
char *
partner_api_text_without(const char *str, const char *marks)
{
	char	   *copy = palloc(strlen(str) + 1);
	char	   *end = copy;

	for (; *str != '\0'; str++)
	{
		if (strchr(marks, *str) == NULL)
			*end++ = *str;
	}
	*end = '\0';
	return copy;
}

/*
 * The check digit that follows these characters: weights from 2 upwards, from
 * right to left, beginning again after "most"; modulo 11.  A letter counts as
 * its distance from '0', as those of newer company numbers do.
 */
static char
check_digit(const char *str, int len, int most)
{
	int			sum = 0;
	int			weight = 2;

	for (int i = len - 1; i >= 0; i--)
	{
		sum += (str[i] - '0') * weight;
		weight = weight == most ? 2 : weight + 1;
	}
	sum %= 11;
	return sum < 2 ? '0' : '0' + (11 - sum);
}

/*
 * Do the last two of these characters check the others?  One character over
 * and over would pass, but is nobody's number.
 */
static bool
checks_out(const char *str, int len, int most)
{
	bool		varied = false;

	for (int i = 1; i < len; i++)
		varied = varied || str[i] != str[0];
	return varied &&
		str[len - 2] == check_digit(str, len - 2, most) &&
		str[len - 1] == check_digit(str, len - 1, most);
}

/*
 * A CPF or CNPJ as it is sent, without punctuation; NULL if it is neither, or
 * its check digits do not fit.  The first twelve characters of a CNPJ may be
 * capital letters.
 */
char *
partner_api_document(const char *str)
{
	const char *const digits = "0123456789";
	char	   *document;
	size_t		len;

	if (str == NULL)
		return NULL;
	document = partner_api_text_without(str, " .-/");
	len = strlen(document);
	for (char *c = document; *c != '\0'; c++)
		*c = pg_ascii_toupper((unsigned char) *c);
	if (len == CPF_LEN && strspn(document, digits) == CPF_LEN &&
		checks_out(document, CPF_LEN, CPF_LEN))
		return document;
	if (len == CNPJ_LEN && strspn(document + CNPJ_LEN - 2, digits) == 2 &&
		strspn(document, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == CNPJ_LEN &&
		checks_out(document, CNPJ_LEN, 9))
		return document;
	return NULL;
}
