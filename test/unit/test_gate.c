/*-------------------------------------------------------------------------
 *
 * test_gate.c
 *	  Unit tests of gate.c: lanes, rate, quota, the provider's word, the
 *	  circuit.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "gate.h"

#define SECOND INT64CONST(1000000)
#define NOW (1000 * SECOND)

#define ORDINARY PARTNER_API_ORDINARY
#define POLL PARTNER_API_POLL
#define URGENT PARTNER_API_URGENT
#define LAST_CHANCE PARTNER_API_LAST_CHANCE
#define PROBE PARTNER_API_PROBE

static const PartnerApiGateRules plain = {.lanes = 4,.burst = 1,
	.circuit_failures = 3,.circuit_pause_us = 10 * SECOND
};

static const PartnerApiGateNews reached = {.reached = true};
static const PartnerApiGateNews unreached = {.unreached = true};

/* What the last question was answered with. */
static PartnerApiShut shut;
static int64 opens_at;

static int
room(PartnerApiGate *gate, const PartnerApiGateRules *rules,
	 PartnerApiUrgency urgency, int64 now)
{
	return partner_api_gate_room(gate, rules, urgency, now, &shut, &opens_at);
}

/* Start as many as may; returns how many. */
static int
fill(PartnerApiGate *gate, const PartnerApiGateRules *rules,
	 PartnerApiUrgency urgency, int64 now)
{
	int			count = 0;

	while (room(gate, rules, urgency, now) > 0)
	{
		partner_api_gate_enter(gate, rules, urgency, now);
		count++;
	}
	return count;
}

static void
test_lanes(const void *unused)
{
	PartnerApiGate gate = {0};
	PartnerApiGateRules one = plain;

	assert_int_equal(fill(&gate, &plain, ORDINARY, NOW), 3);
	assert_int_equal(shut, PARTNER_API_SHUT_LANES);
	assert_int_equal(opens_at, 0);
	assert_int_equal(fill(&gate, &plain, URGENT, NOW), 1);
	assert_int_equal(room(&gate, &plain, LAST_CHANCE, NOW), 0);
	partner_api_gate_leave(&gate);
	assert_int_equal(room(&gate, &plain, ORDINARY, NOW), 0);
	assert_int_equal(room(&gate, &plain, URGENT, NOW), 1);

	memset(&gate, 0, sizeof(gate));
	one.lanes = 1;
	assert_int_equal(fill(&gate, &one, ORDINARY, NOW), 1);
	assert_int_equal(room(&gate, &one, URGENT, NOW), 0);
}

static void
test_rate(const void *unused)
{
	PartnerApiGate gate = {0};
	PartnerApiGateRules rules = plain;

	rules.lanes = 1000;
	rules.rate = 2;
	rules.burst = 5;
	assert_int_equal(fill(&gate, &rules, ORDINARY, NOW), 4);
	assert_int_equal(shut, PARTNER_API_SHUT_RATE);
	assert_int_equal(opens_at, NOW + SECOND / 2 + 1);
	assert_int_equal(fill(&gate, &rules, URGENT, NOW), 1);
	assert_int_equal(room(&gate, &rules, ORDINARY, opens_at - SECOND / 4), 0);

	/* a second brings two, and one of them is kept */
	assert_int_equal(fill(&gate, &rules, ORDINARY, NOW + SECOND), 1);
	/* however long it takes, never more than the burst */
	assert_int_equal(fill(&gate, &rules, URGENT, NOW + 100 * SECOND), 5);
}

static void
test_slow_rate(const void *unused)
{
	PartnerApiGate gate = {0};
	PartnerApiGateRules rules = plain;

	rules.rate = 0.1;
	assert_int_equal(fill(&gate, &rules, ORDINARY, NOW), 1);
	assert_int_equal(room(&gate, &rules, ORDINARY, NOW + 9 * SECOND), 0);
	assert_int_equal(room(&gate, &rules, ORDINARY, opens_at), 1);
}

static void
test_debt(const void *unused)
{
	PartnerApiGate gate = {0};
	PartnerApiGateRules rules = plain;

	rules.rate = 1;
	assert_int_equal(fill(&gate, &rules, ORDINARY, NOW), 1);
	partner_api_gate_again(&gate, &rules, ORDINARY, NOW);
	partner_api_gate_again(&gate, &rules, ORDINARY, NOW);
	assert_int_equal(room(&gate, &rules, URGENT, NOW), 0);
	assert_int_equal(opens_at, NOW + 3 * SECOND + 1);
	assert_int_equal(room(&gate, &rules, LAST_CHANCE, NOW), 3);
}

static void
test_back_out(const void *unused)
{
	PartnerApiGate gate = {0};
	PartnerApiGateRules rules = plain;

	rules.rate = 1;
	assert_int_equal(fill(&gate, &rules, ORDINARY, NOW), 1);
	partner_api_gate_back_out(&gate, &rules, ORDINARY, false, NOW);
	assert_int_equal(gate.in_flight, 0);
	assert_int_equal(fill(&gate, &rules, ORDINARY, NOW), 1);
}

static void
test_hold(const void *unused)
{
	PartnerApiGate gate = {0};
	PartnerApiGateNews news = {.reached = true,
		.hold = PARTNER_API_SHUT_RETRY_AFTER,.hold_us = 60 * SECOND
	};

	assert_false(partner_api_gate_learn(&gate, &plain, &news, false, NOW));
	assert_int_equal(room(&gate, &plain, URGENT, NOW), 0);
	assert_int_equal(shut, PARTNER_API_SHUT_RETRY_AFTER);
	assert_int_equal(opens_at, NOW + 60 * SECOND);
	assert_int_equal(room(&gate, &plain, LAST_CHANCE, NOW), 4);

	/* a later answer that asks for less does not shorten it */
	news.hold_us = SECOND;
	(void) partner_api_gate_learn(&gate, &plain, &news, false, NOW);
	assert_int_equal(gate.held_until, NOW + 60 * SECOND);
	(void) partner_api_gate_learn(&gate, &plain, &reached, false, NOW);
	assert_int_equal(gate.held_until, NOW + 60 * SECOND);
	assert_int_equal(room(&gate, &plain, ORDINARY, NOW + 60 * SECOND), 3);

	/* nobody is sent away for longer than a day */
	news.hold_us = PG_INT64_MAX / 2;
	(void) partner_api_gate_learn(&gate, &plain, &news, false, NOW);
	assert_int_equal(gate.held_until, NOW + 86400 * SECOND);
}

/* Too many requests, and no word of when there may be more. */
static void
test_busy(const void *unused)
{
	PartnerApiGate gate = {0};
	const PartnerApiGateNews busy = {.reached = true,
		.hold = PARTNER_API_SHUT_BUSY
	};
	int64		now = NOW;

	for (int i = 0; i < 10; i++)
	{
		int64		until = now + (SECOND << Min(i, 6));

		(void) partner_api_gate_learn(&gate, &plain, &busy, false, now);
		/* what was sent together with it is answered alike */
		(void) partner_api_gate_learn(&gate, &plain, &busy, false,
									  now + SECOND / 2);
		assert_int_equal(room(&gate, &plain, URGENT, now), 0);
		assert_int_equal(shut, PARTNER_API_SHUT_BUSY);
		assert_int_equal(opens_at, until);
		assert_int_equal(room(&gate, &plain, LAST_CHANCE, now), 4);
		now = until;
	}
	(void) partner_api_gate_learn(&gate, &plain, &reached, false, now);
	(void) partner_api_gate_learn(&gate, &plain, &busy, false, now);
	assert_int_equal(gate.held_until, now + SECOND);
}

static void
test_quota(const void *unused)
{
	PartnerApiGate gate = {0};
	PartnerApiGateRules rules = plain;

	rules.lanes = 1000;
	rules.window.quota = 10;
	rules.window.polls = 4;
	rules.window.length_us = 100 * SECOND;
	assert_int_equal(partner_api_gate_polls_left(&gate, &plain, NOW),
					 PARTNER_API_NO_QUOTA);
	assert_int_equal(partner_api_gate_polls_left(&gate, &rules, NOW), 4);
	assert_int_equal(fill(&gate, &rules, POLL, NOW), 4);
	assert_int_equal(shut, PARTNER_API_SHUT_POLLS);
	assert_int_equal(opens_at, NOW + 100 * SECOND);
	assert_int_equal(partner_api_gate_polls_left(&gate, &rules, NOW), 0);

	/* the rest is for what acts; pages of its lists are not delayed */
	assert_int_equal(room(&gate, &rules, ORDINARY, NOW + SECOND), 6);
	partner_api_gate_again(&gate, &rules, ORDINARY, NOW + SECOND);
	assert_int_equal(fill(&gate, &rules, URGENT, NOW + SECOND), 5);
	assert_int_equal(shut, PARTNER_API_SHUT_QUOTA);
	assert_int_equal(opens_at, NOW + 100 * SECOND);
	assert_int_equal(room(&gate, &rules, POLL, NOW + SECOND), 0);
	assert_int_equal(shut, PARTNER_API_SHUT_QUOTA);
	assert_true(room(&gate, &rules, LAST_CHANCE, NOW + SECOND) > 0);
	assert_int_equal(room(&gate, &rules, ORDINARY, NOW + 100 * SECOND), 10);

	/* what was not sent is not counted */
	partner_api_gate_back_out(&gate, &rules, POLL, false, NOW);
	assert_int_equal(room(&gate, &rules, POLL, NOW + SECOND), 1);

	/* nor does anything poll while the provider wants to be left alone */
	gate.held_until = NOW + 2 * SECOND;
	assert_int_equal(partner_api_gate_polls_left(&gate, &rules, NOW), 0);
}

/* A share of nothing is no wait of no time. */
static void
test_no_polls(const void *unused)
{
	PartnerApiGate gate = {0};
	PartnerApiGateRules rules = plain;

	rules.window.quota = 10;
	rules.window.length_us = 100 * SECOND;
	assert_int_equal(room(&gate, &rules, POLL, NOW), 0);
	assert_int_equal(shut, PARTNER_API_SHUT_POLLS);
	assert_int_equal(opens_at, NOW + 100 * SECOND);
}

/* A gate whose circuit has just opened. */
static PartnerApiGate
open_circuit(void)
{
	PartnerApiGate gate = {0};

	assert_false(partner_api_gate_learn(&gate, &plain, &unreached, false,
										NOW));
	assert_false(partner_api_gate_learn(&gate, &plain, &unreached, false,
										NOW));
	assert_true(partner_api_gate_learn(&gate, &plain, &unreached, false, NOW));
	return gate;
}

static void
test_circuit_opens(const void *unused)
{
	PartnerApiGate gate = {0};
	PartnerApiGateRules never = plain;

	/* an answer in between begins the row anew */
	(void) partner_api_gate_learn(&gate, &plain, &unreached, false, NOW);
	(void) partner_api_gate_learn(&gate, &plain, &unreached, false, NOW);
	(void) partner_api_gate_learn(&gate, &plain, &reached, false, NOW);
	(void) partner_api_gate_learn(&gate, &plain, &unreached, false, NOW);
	assert_int_equal(gate.circuit, PARTNER_API_CIRCUIT_CLOSED);

	gate = open_circuit();
	assert_int_equal(room(&gate, &plain, ORDINARY, NOW), 0);
	assert_int_equal(shut, PARTNER_API_SHUT_CIRCUIT);
	assert_int_equal(opens_at, 0);
	assert_int_equal(room(&gate, &plain, URGENT, NOW + 100 * SECOND), 0);
	assert_int_equal(room(&gate, &plain, LAST_CHANCE, NOW), 4);

	never.circuit_failures = 0;
	memset(&gate, 0, sizeof(gate));
	for (int i = 0; i < 100; i++)
		assert_false(partner_api_gate_learn(&gate, &never, &unreached, false,
											NOW));
}

static void
test_probe(const void *unused)
{
	PartnerApiGate gate = open_circuit();
	int64		later = NOW + 10 * SECOND;

	assert_int_equal(room(&gate, &plain, PROBE, NOW), 1);
	partner_api_gate_enter(&gate, &plain, PROBE, later);
	assert_int_equal(gate.circuit, PARTNER_API_CIRCUIT_PROBING);
	assert_int_equal(room(&gate, &plain, PROBE, later), 0);
	assert_int_equal(room(&gate, &plain, ORDINARY, later), 0);

	/* it fails: the next one after a pause */
	assert_false(partner_api_gate_learn(&gate, &plain, &unreached, true,
										later));
	partner_api_gate_leave(&gate);
	assert_int_equal(gate.circuit, PARTNER_API_CIRCUIT_OPEN);
	assert_int_equal(gate.probe_at, later + 10 * SECOND);

	/* another that failed late does not put it off */
	(void) partner_api_gate_learn(&gate, &plain, &unreached, false,
								  later + SECOND);
	assert_int_equal(gate.probe_at, later + 10 * SECOND);

	assert_int_equal(room(&gate, &plain, PROBE, later), 1);
	partner_api_gate_enter(&gate, &plain, PROBE, later);
	assert_true(partner_api_gate_learn(&gate, &plain, &reached, true, later));
	partner_api_gate_leave(&gate);
	assert_int_equal(room(&gate, &plain, ORDINARY, later), 3);
	assert_int_equal(gate.failures, 0);
}

static void
test_read_probes(const void *unused)
{
	PartnerApiGate gate = open_circuit();

	/* the worker has a second to be first */
	assert_int_equal(room(&gate, &plain, ORDINARY, NOW + 10 * SECOND), 0);
	assert_int_equal(room(&gate, &plain, ORDINARY, NOW + 11 * SECOND), 1);
	partner_api_gate_enter(&gate, &plain, ORDINARY, NOW + 11 * SECOND);
	assert_int_equal(gate.circuit, PARTNER_API_CIRCUIT_PROBING);
	partner_api_gate_back_out(&gate, &plain, ORDINARY, true,
							  NOW + 11 * SECOND);
	assert_int_equal(gate.circuit, PARTNER_API_CIRCUIT_OPEN);
	assert_int_equal(gate.in_flight, 0);
}

static void
test_last_chance_closes(const void *unused)
{
	PartnerApiGate gate = open_circuit();

	partner_api_gate_enter(&gate, &plain, LAST_CHANCE, NOW);
	assert_int_equal(gate.circuit, PARTNER_API_CIRCUIT_OPEN);
	assert_true(partner_api_gate_learn(&gate, &plain, &reached, false, NOW));
	partner_api_gate_leave(&gate);
	assert_int_equal(gate.circuit, PARTNER_API_CIRCUIT_CLOSED);
}

static void
test_turn(const void *unused)
{
	PartnerApiGate gate = open_circuit();
	PartnerApiGateNews news = {.hold = PARTNER_API_SHUT_USED_UP,
		.hold_us = 60 * SECOND
	};

	(void) partner_api_gate_learn(&gate, &plain, &news, false, NOW);
	gate.window.opened_at = NOW;
	partner_api_gate_turn(&gate, 60 * SECOND);
	assert_int_equal(gate.held_until, NOW);
	assert_int_equal(gate.probe_at, NOW - 50 * SECOND);
	assert_int_equal(gate.window.opened_at, NOW - 60 * SECOND);
}

int
main(void)
{
	add_test("lanes, one kept for deadlines", test_lanes);
	add_test("rate and burst, one kept for deadlines", test_rate);
	add_test("less than one a second", test_slow_rate);
	add_test("pages of a list are owed", test_debt);
	add_test("what was not sent is given back", test_back_out);
	add_test("the provider's word", test_hold);
	add_test("the provider's word, without a time", test_busy);
	add_test("a quota, and a share of it", test_quota);
	add_test("a share of nothing", test_no_polls);
	add_test("failures in a row open the circuit", test_circuit_opens);
	add_test("one probe at a time", test_probe);
	add_test("a read that finds nobody probing", test_read_probes);
	add_test("a last chance that is answered", test_last_chance_closes);
	add_test("a clock that is turned", test_turn);
	return run_suite("gate");
}
