/*-------------------------------------------------------------------------
 *
 * test_nonce.c
 *	  Unit tests of nonce.c: whose an instance is, by its name.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "nonce.h"

typedef struct NonceRow
{
	const char *name;
	const char *expected;		/* NULL: there is none */
} NonceRow;

static const NonceRow nonce_rows[] = {
	{"Acme [pa-b3e36385-17-8ba48f4c]", "b3e36385 17 8ba48f4c unmodified"},
	{"[pa-b3e36385-17-8ba48f4c]", "b3e36385 17 8ba48f4c unmodified"},
	{"ACME [PA-B3E36385-17-8BA48F4C]", "b3e36385 17 8ba48f4c modified"},
	{"Acme [pa-b3e36385-17-8BA48F4C]", "b3e36385 17 8ba48f4c modified"},
	{"Acme pa-b3e36385-17-8ba48f4c", "b3e36385 17 8ba48f4c modified"},
	{"Acme [pa-b3e36385-17-8ba48f4c] 2", "b3e36385 17 8ba48f4c modified"},
	{"pa-b3e36385-17-8ba48f4c", "b3e36385 17 8ba48f4c modified"},
	{"[pa-b3e36385-17-8ba48f4c] [pa-b3e36385-20-00000000]", "b3e36385 20 00000000 unmodified"},
	{"pa-pa-b3e36385-999999999999999999-8ba48f4c", "b3e36385 999999999999999999 8ba48f4c modified"},
	{"Acme [pa-b3e36385-1234567890123456789-8ba48f4c]", NULL},
	{"Acme [pa-b3e36385-17-8ba48f4]", NULL},
	{"Acme [pa-b3e36385-17-8ba48", NULL},
	{"Acme [pa-b3e36385--8ba48f4c]", NULL},
	{"Acme [pa-b3e3638-17-8ba48f4c]", NULL},
	{"Acme [pa-b3e3638x-17-8ba48f4c]", NULL},
	{"Acme [pa-b3e36385-17_8ba48f4c]", NULL},
	{"Acme", NULL},
	{"", NULL}
};

static void
test_row(const void *arg)
{
	const NonceRow *row = arg;
	PartnerApiNonce nonce;
	char	   *actual = NULL;

	if (partner_api_nonce_find(row->name, &nonce))
		actual = psprintf("%s " INT64_FORMAT " %s %s", nonce.installation,
						  nonce.action_id, nonce.random,
						  nonce.unmodified ? "unmodified" : "modified");
	assert_text(actual, row->expected);
}

static void
test_null(const void *unused)
{
	PartnerApiNonce nonce;

	assert_false(partner_api_nonce_find(NULL, &nonce));
}

static void
test_equal(const void *unused)
{
	PartnerApiNonce nonce;
	PartnerApiNonce other;

	partner_api_nonce_find("A [pa-b3e36385-17-8ba48f4c]", &nonce);
	partner_api_nonce_find("B PA-B3E36385-17-8BA48F4C", &other);
	assert_true(partner_api_nonce_equal(&nonce, &other));
	partner_api_nonce_find("A [pa-b3e36385-17-8ba48f4d]", &other);
	assert_false(partner_api_nonce_equal(&nonce, &other));
	partner_api_nonce_find("A [pa-b3e36385-18-8ba48f4c]", &other);
	assert_false(partner_api_nonce_equal(&nonce, &other));
	partner_api_nonce_find("A [pa-b3e36384-17-8ba48f4c]", &other);
	assert_false(partner_api_nonce_equal(&nonce, &other));
}

int
main(void)
{
	add_table(test_row, nonce_rows);
	add_test("no name", test_null);
	add_test("the same nonce", test_equal);
	return run_suite("nonce");
}
