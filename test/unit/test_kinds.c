/*-------------------------------------------------------------------------
 *
 * test_kinds.c
 *	  Unit tests of kinds.c: the traits of the operations agree with each
 *	  other.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "providers/kinds.h"

static void
test_names(const void *unused)
{
	PartnerApiKind parsed;

	for (PartnerApiKind kind = 0; kind < PARTNER_API_KINDS; kind++)
	{
		assert_true(partner_api_kind_parse(partner_api_kind_name(kind),
										   &parsed));
		assert_int_equal(parsed, kind);
	}
	assert_false(partner_api_kind_parse("create", &parsed));
	assert_false(partner_api_kind_parse("", &parsed));
}

/* What makes something has no id to name; all else but a batch has. */
static void
test_ids(const void *unused)
{
	for (PartnerApiKind kind = 0; kind < PARTNER_API_KINDS; kind++)
	{
		const PartnerApiKindTraits *traits = partner_api_kind_traits(kind);
		bool		batch = (kind == PARTNER_API_DELETE_INSTANCES);

		assert_int_equal(traits->id_argument == NULL,
						 traits->creates || batch);
		assert_int_equal(traits->event == NULL, batch);
	}
}

/* What may cost money is never repeated without a reason to. */
static void
test_repeats(const void *unused)
{
	for (PartnerApiKind kind = 0; kind < PARTNER_API_KINDS; kind++)
	{
		const PartnerApiKindTraits *traits = partner_api_kind_traits(kind);

		if (traits->creates && kind != PARTNER_API_CREATE_CLIENT)
			assert_true(traits->repeat >= PARTNER_API_REPEAT_BY_NONCE);
		if (traits->repeat == PARTNER_API_REPEAT_BY_NONCE)
			assert_true(traits->creates);
		if (traits->asks)
		{
			assert_int_equal(traits->repeat, PARTNER_API_REPEAT_FREELY);
			assert_false(traits->paid);
		}
	}
}

/* Instances have a list of their own. */
static void
test_lists(const void *unused)
{
	PartnerApiList parsed;

	for (PartnerApiKind kind = 0; kind < PARTNER_API_KINDS; kind++)
		assert_int_equal(partner_api_kind_of_instance(kind),
						 partner_api_kind_traits(kind)->list ==
						 PARTNER_API_LIST_INSTANCES);
	for (PartnerApiList list = 0; list < PARTNER_API_LISTS; list++)
	{
		assert_true(partner_api_list_parse(partner_api_list_name(list),
										   &parsed));
		assert_int_equal(parsed, list);
	}
	assert_false(partner_api_list_parse("instance", &parsed));
}

int
main(void)
{
	add_test("names", test_names);
	add_test("ids", test_ids);
	add_test("repeats", test_repeats);
	add_test("lists", test_lists);
	return run_suite("kinds");
}
