/*-------------------------------------------------------------------------
 *
 * test_window.c
 *	  Unit tests of window.c: counting requests, closing, merging.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "window.h"

#define SECOND INT64CONST(1000000)
#define NOW (1000 * SECOND)
#define LENGTH (60 * SECOND)

static const PartnerApiWindowRules rules = {.quota = 5,.polls = 2,
	.length_us = LENGTH
};

static void
count(PartnerApiWindow *window, bool polling, int64 now, int times)
{
	for (int i = 0; i < times; i++)
		partner_api_window_count(window, &rules, polling, now);
}

static int
room(const PartnerApiWindow *window, bool polling, int64 now)
{
	return partner_api_window_room(window, &rules, polling, now);
}

static void
test_closes(const void *unused)
{
	PartnerApiWindow window = {0};

	assert_false(partner_api_window_is_open(&window, LENGTH, NOW));
	count(&window, false, NOW, 1);
	count(&window, true, NOW + 59 * SECOND, 2);
	assert_int_equal(window.opened_at, NOW);
	assert_int_equal(room(&window, false, NOW + 59 * SECOND), 2);
	assert_int_equal(room(&window, true, NOW + 59 * SECOND), 0);
	assert_true(partner_api_window_is_open(&window, LENGTH, NOW + LENGTH - 1));

	/* whatever happened at its end, the next one is new */
	assert_false(partner_api_window_is_open(&window, LENGTH, NOW + LENGTH));
	assert_int_equal(room(&window, false, NOW + LENGTH), 5);
	assert_int_equal(room(&window, true, NOW + LENGTH), 2);
	count(&window, false, NOW + LENGTH + 7, 1);
	assert_int_equal(window.opened_at, NOW + LENGTH + 7);
	assert_int_equal(window.used, 1);
	assert_int_equal(window.polled, 0);
}

static void
test_shares(const void *unused)
{
	PartnerApiWindow window = {0};

	count(&window, false, NOW, 4);
	assert_int_equal(room(&window, true, NOW), 1);
	assert_false(partner_api_window_is_used_up(&window, &rules, NOW));
	count(&window, true, NOW, 3);
	assert_int_equal(room(&window, true, NOW), 0);
	assert_int_equal(room(&window, false, NOW), 0);
	assert_true(partner_api_window_is_used_up(&window, &rules, NOW));
	assert_false(partner_api_window_is_used_up(&window, &rules, NOW + LENGTH));
}

static void
test_uncounted(const void *unused)
{
	PartnerApiWindow window = {0};

	count(&window, true, NOW, 1);
	partner_api_window_uncount(&window, true);
	assert_false(partner_api_window_is_open(&window, LENGTH, NOW));
	partner_api_window_uncount(&window, true);
	assert_int_equal(window.used, 0);
	assert_int_equal(window.polled, 0);
}

static void
test_unlimited(const void *unused)
{
	PartnerApiWindow window = {0};
	const PartnerApiWindowRules none = {.length_us = LENGTH};

	assert_int_equal(partner_api_window_room(&window, &none, true, NOW),
					 PARTNER_API_NO_QUOTA);
	assert_int_equal(partner_api_window_room(&window, &none, false, NOW),
					 PARTNER_API_NO_QUOTA);
	partner_api_window_count(&window, &none, true, NOW);
	assert_int_equal(window.used, 0);
	assert_false(partner_api_window_is_used_up(&window, &none, NOW));
}

static void
test_merge(const void *unused)
{
	PartnerApiWindow earlier = {NOW - 10 * SECOND, 3, 1};
	PartnerApiWindow window = {0};

	partner_api_window_merge(&window, &earlier, LENGTH, NOW);
	assert_int_equal(window.opened_at, NOW - 10 * SECOND);
	assert_int_equal(window.used, 3);
	assert_int_equal(window.polled, 1);

	/* requests since, before the row could be read */
	memset(&window, 0, sizeof(window));
	count(&window, true, NOW, 1);
	partner_api_window_merge(&window, &earlier, LENGTH, NOW);
	assert_int_equal(window.opened_at, NOW - 10 * SECOND);
	assert_int_equal(window.used, 4);
	assert_int_equal(window.polled, 2);

	/* one that has closed does not count */
	earlier.opened_at = NOW - LENGTH;
	partner_api_window_merge(&window, &earlier, LENGTH, NOW);
	assert_int_equal(window.used, 4);
}

int
main(void)
{
	add_test("a window opens with a request and closes in time", test_closes);
	add_test("polling has a share of it", test_shares);
	add_test("what was not sent is not counted", test_uncounted);
	add_test("no quota", test_unlimited);
	add_test("what was counted before", test_merge);
	return run_suite("window");
}
