/*-------------------------------------------------------------------------
 *
 * greenapi_rules.c
 *	  Green API: the rules of one instance's life, and what it is billed.
 *
 * There is no trial: an instance costs money from its creation until it is
 * deleted.  It cannot be used at once, and a deleted one stays in the list
 * for months.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "greenapi.h"

#include <ctype.h>
#include <stdlib.h>

#include "clock.h"
#include "ledger.h"

#define MS_PER_HOUR INT64_C(3600000)
#define MS_PER_DAY (24 * MS_PER_HOUR)
#define TOKEN_DIGITS 50

/* Where the provider's days begin, whatever its times are written in */
#define BILLING_UTC_OFFSET 3

static const char *const states[] = {
	"making", "starting", "ready", "deleted", "forgotten", NULL
};

static SandboxOrder listed;

/* An id that no instance has. */
static char *
new_id(void)
{
	int			digits = (int) sandbox_config.greenapi_id_digits;
	char	   *result = sandbox_alloc((size_t) digits + 1);

	do
		sandbox_random_digits(result, digits);
	while (sandbox_ledger_find(result) != NULL);
	return result;
}

/* From now on it is made, then starts, then is ready. */
static void
enter_making(SandboxInstance *instance, int64_t now)
{
	instance->state = SANDBOX_MAKING;
	instance->starts_at = now +
		sandbox_config.greenapi_making_seconds * INT64_C(1000);
	instance->ready_at = sandbox_config.greenapi_needs_reboot ? 0 :
		instance->starts_at +
		sandbox_config.greenapi_starting_seconds * INT64_C(1000);
}

/* One that no create call made was ready before we knew it. */
static void
begin(SandboxInstance *instance)
{
	char	   *c;

	instance->id = new_id();
	instance->token = sandbox_random_code(TOKEN_DIGITS);
	for (c = instance->token; *c != '\0'; c++)
		*c = (char) tolower((unsigned char) *c);
	if (instance->maker != NULL)
		enter_making(instance, instance->created_at);
	else
		instance->state = SANDBOX_READY;
}

/* Is it in the provider's books, be it as deleted? */
bool
sandbox_greenapi_exists(const SandboxInstance *instance)
{
	return instance->state != SANDBOX_FORGOTTEN;
}

/* What getStateInstance answers; NULL while it is being made. */
static const char *
state_word(const SandboxInstance *instance)
{
	switch ((SandboxGreenapiState) instance->state)
	{
		case SANDBOX_MAKING:
			return NULL;
		case SANDBOX_READY:
			return instance->connected ? "authorized" : "notAuthorized";
		case SANDBOX_STARTING:
		case SANDBOX_GONE:
		case SANDBOX_FORGOTTEN:
			break;
	}
	return "starting";
}

/* When time alone next changes it; SANDBOX_NEVER if it does not. */
static int64_t
next_change(const SandboxInstance *instance)
{
	switch ((SandboxGreenapiState) instance->state)
	{
		case SANDBOX_MAKING:
			return instance->starts_at;
		case SANDBOX_STARTING:
			return instance->ready_at != 0 ? instance->ready_at :
				SANDBOX_NEVER;
		case SANDBOX_GONE:
			return instance->deleted_at +
				sandbox_config.greenapi_deleted_days * MS_PER_DAY;
		case SANDBOX_READY:
		case SANDBOX_FORGOTTEN:
			break;
	}
	return SANDBOX_NEVER;
}

/* Make happen what next_change() announced. */
static void
wake(SandboxInstance *instance)
{
	if (instance->state == SANDBOX_MAKING)
		instance->state = SANDBOX_STARTING;
	else if (instance->state == SANDBOX_STARTING)
		instance->state = SANDBOX_READY;
	else if (instance->state == SANDBOX_GONE)
		instance->state = SANDBOX_FORGOTTEN;
}

/* It starts again; a phone stays linked. */
void
sandbox_greenapi_restart(SandboxInstance *instance)
{
	instance->state = SANDBOX_STARTING;
	instance->ready_at = sandbox_clock_now() +
		sandbox_config.greenapi_restart_seconds * INT64_C(1000);
	sandbox_ledger_changed(instance);
}

/* Delete for good; a linked phone stays linked, as the provider warns. */
void
sandbox_greenapi_delete(SandboxInstance *instance)
{
	sandbox_instance_vanish(instance, SANDBOX_GONE);
	instance->deleted_at = sandbox_clock_now();
	sandbox_instance_count(instance, SANDBOX_DELETES);
	sandbox_ledger_changed(instance);
}

/* Put it into a state as if the calls had been made now. */
static void
enter(SandboxInstance *instance, int state)
{
	int64_t		now = sandbox_clock_now();

	enter_making(instance, now);
	if (state != SANDBOX_MAKING)
		instance->starts_at = now;
	if (state != SANDBOX_MAKING && state != SANDBOX_STARTING)
		instance->ready_at = now;
	if (state == SANDBOX_GONE || state == SANDBOX_FORGOTTEN)
		instance->deleted_at = now;
	instance->state = state;
}

static bool
is_listed(const SandboxInstance *instance)
{
	return sandbox_greenapi_exists(instance);
}

/* The last moment for which it is billed so far. */
static int64_t
billed_until(const SandboxInstance *instance)
{
	return instance->deleted_at != 0 ? instance->deleted_at - 1 :
		sandbox_clock_now();
}

/* It is renewed each day by itself: when next, or was to be next. */
int64_t
sandbox_greenapi_renewal(const SandboxInstance *instance)
{
	int64_t		age = billed_until(instance) - instance->created_at;

	return instance->created_at + (age / MS_PER_DAY + 1) * MS_PER_DAY;
}

static int64_t
billing_day(int64_t ms)
{
	return (ms + BILLING_UTC_OFFSET * MS_PER_HOUR) / MS_PER_DAY;
}

/* Each day on which it existed is billed, also the one of its creation. */
static void
describe(const SandboxInstance *instance, json_t *shown)
{
	int64_t		until = billed_until(instance);

	if (until < instance->created_at)
		until = instance->created_at;
	json_object_set_new(shown, "days_billed",
						json_integer(billing_day(until) -
									 billing_day(instance->created_at) + 1));
}

static const SandboxField fields[] = {
	SANDBOX_FIELD(starts_at, TIME),
	SANDBOX_FIELD(ready_at, TIME),
	SANDBOX_FIELD(business, FLAG),
	SANDBOX_FIELD(free, FLAG)
};

const SandboxRules sandbox_greenapi_rules = {
	.name = "greenapi",
	.states = states,
	.status_field = "stateInstance",
	.fields = fields,
	.field_count = lengthof(fields),
	.listed = &listed,
	.begin = begin,
	.enter = enter,
	.status = state_word,
	.is_listed = is_listed,
	.next = next_change,
	.wake = wake,
	.describe = describe
};
