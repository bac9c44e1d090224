/*-------------------------------------------------------------------------
 *
 * zapi_rules.c
 *	  Z-API: the rules of one instance's life: trial, subscription, end.
 *
 * Where the provider's documents leave a choice, the configuration makes it
 * or README.md says which one was taken.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "zapi.h"

#include "clock.h"
#include "ledger.h"

#define MS_PER_DAY INT64_C(86400000)
#define ID_DIGITS 32
#define TOKEN_DIGITS 24
#define DELETE_DAYS 40

/* Day 10: unpaid instances expire; day 15: they are deleted. */
#define EXPIRY_DAY 10
#define DAYS_FROM_EXPIRY_TO_DELETION 5

/* The provider's invoices follow Brazil's calendar, which has no DST. */
#define INVOICE_UTC_OFFSET (-3)

static const char *const states[] = {
	"trial", "signed", "expired", "cancelling", "cancelled", "lapsed",
	"deleted", NULL
};

static const char *const payment_literals[] = {
	"TRIAL", "PAID", "PENDING", "IN_CANCELLATION", "CANCELED", "CANCELED",
	"CANCELED"
};

static const char *const middlewares[] = {
	SANDBOX_ZAPI_WEB, SANDBOX_ZAPI_MOBILE, NULL
};

static SandboxOrder listed;

/* The end of what a subscription signed now owes: day 10 of next month. */
static int64_t
invoice_due(int64_t now)
{
	return sandbox_month_start(now, 1, INVOICE_UTC_OFFSET) +
		(EXPIRY_DAY - 1) * MS_PER_DAY;
}

static void
begin(SandboxInstance *instance)
{
	instance->id = sandbox_random_code(ID_DIGITS);
	instance->token = sandbox_random_code(TOKEN_DIGITS);
	instance->middleware = SANDBOX_ZAPI_WEB;
	instance->state = SANDBOX_TRIAL;
	instance->due = instance->created_at +
		sandbox_config.trial_seconds * INT64_C(1000);
}

/* Does the provider still know it? */
bool
sandbox_zapi_exists(const SandboxInstance *instance)
{
	return instance->state != SANDBOX_LAPSED &&
		instance->state != SANDBOX_DELETED;
}

/* May it be used? */
bool
sandbox_zapi_runs(const SandboxInstance *instance)
{
	return instance->state == SANDBOX_TRIAL ||
		instance->state == SANDBOX_SIGNED ||
		instance->state == SANDBOX_CANCELLING;
}

/* The list's paymentStatus. */
static const char *
payment_status(const SandboxInstance *instance)
{
	return payment_literals[instance->state];
}

static bool
is_listed(const SandboxInstance *instance)
{
	return sandbox_zapi_exists(instance) &&
		(instance->state != SANDBOX_CANCELLED || sandbox_config.list_ended);
}

static void
vanish(SandboxInstance *instance, SandboxZapiState state)
{
	sandbox_instance_vanish(instance, state);
	instance->connected = false;
}

/* When time alone next changes it; SANDBOX_NEVER if it does not. */
static int64_t
next_change(const SandboxInstance *instance)
{
	switch ((SandboxZapiState) instance->state)
	{
		case SANDBOX_TRIAL:
		case SANDBOX_SIGNED:
			return instance->due;
		case SANDBOX_EXPIRED:
			return instance->due + DAYS_FROM_EXPIRY_TO_DELETION * MS_PER_DAY;
		case SANDBOX_CANCELLING:
			return instance->ends_at;
		case SANDBOX_CANCELLED:
		case SANDBOX_LAPSED:
		case SANDBOX_DELETED:
			break;
	}
	return SANDBOX_NEVER;
}

/* The end of a paid month: the next one, if the invoice is paid. */
static void
end_month(SandboxInstance *instance)
{
	if (sandbox_config.invoices_paid)
		instance->due = invoice_due(instance->due);
	else
	{
		instance->state = SANDBOX_EXPIRED;
		instance->ended_at = instance->due;
	}
}

/* Make happen what next_change() announced, dated as announced. */
static void
wake(SandboxInstance *instance)
{
	int64_t		when = next_change(instance);

	switch ((SandboxZapiState) instance->state)
	{
		case SANDBOX_TRIAL:
			vanish(instance, SANDBOX_LAPSED);
			instance->lapsed_at = when;
			break;
		case SANDBOX_SIGNED:
			end_month(instance);
			break;
		case SANDBOX_EXPIRED:
			vanish(instance, SANDBOX_DELETED);
			instance->deleted_at = when;
			break;
		case SANDBOX_CANCELLING:
			instance->state = SANDBOX_CANCELLED;
			instance->ended_at = when;
			break;
		case SANDBOX_CANCELLED:
		case SANDBOX_LAPSED:
		case SANDBOX_DELETED:
			break;
	}
}

/* Start the subscription; also of what ended, as long as it exists. */
const char *
sandbox_zapi_sign(SandboxInstance *instance, bool with_calls)
{
	int64_t		now = sandbox_clock_now();

	if (instance->state == SANDBOX_SIGNED)
		return "This instance is already paid";
	if (instance->state == SANDBOX_CANCELLING)
		return "This instance is in cancellation";
	instance->state = SANDBOX_SIGNED;
	instance->with_calls = with_calls;
	instance->signed_at = now;
	instance->due = invoice_due(now);
	instance->cancelled_at = 0;
	instance->ends_at = 0;
	instance->ended_at = 0;
	sandbox_instance_count(instance, SANDBOX_SIGNS);
	sandbox_ledger_changed(instance);
	return NULL;
}

/* Add calls to a subscription; there is no way back. */
const char *
sandbox_zapi_add_calls(SandboxInstance *instance)
{
	if (instance->state != SANDBOX_SIGNED)
		return "This instance has no subscription";
	if (!instance->with_calls)
		sandbox_instance_count(instance, SANDBOX_UPDATES);
	instance->with_calls = true;
	return NULL;
}

/* When a subscription that is cancelled now ends. */
static int64_t
end_of_cancelled(const SandboxInstance *instance, int64_t now)
{
	switch ((SandboxCancelRule) sandbox_config.cancel_rule)
	{
		case SANDBOX_CANCEL_DAYS:
			return now + sandbox_config.cancel_days * MS_PER_DAY;
		case SANDBOX_CANCEL_DUE:
			return instance->due;
		case SANDBOX_CANCEL_MONTH_END:
			return sandbox_month_start(now, 1, INVOICE_UTC_OFFSET) - 1000;
		case SANDBOX_CANCEL_IMMEDIATE:
			break;
	}
	return now;
}

/* Cancel; false if that was done before, which changes nothing. */
bool
sandbox_zapi_cancel(SandboxInstance *instance)
{
	int64_t		now = sandbox_clock_now();

	if (instance->cancelled_at != 0)
		return false;
	instance->cancelled_at = now;
	instance->ends_at = instance->state == SANDBOX_SIGNED ?
		end_of_cancelled(instance, now) : now;
	instance->due = instance->ends_at;
	instance->state = SANDBOX_CANCELLING;
	sandbox_instance_count(instance, SANDBOX_CANCELS);
	if (instance->ends_at <= now)
		wake(instance);
	sandbox_ledger_changed(instance);
	return true;
}

/* Delete what may be deleted. */
const char *
sandbox_zapi_delete(SandboxInstance *instance)
{
	int64_t		now = sandbox_clock_now();

	if (instance->connected)
		return "The instance must be disconnected before it is deleted";
	if (instance->state == SANDBOX_TRIAL)
		return "An instance in trial cannot be deleted";
	if (instance->state == SANDBOX_CANCELLING)
		return "The subscription of this instance is in cancellation";
	if (instance->state != SANDBOX_CANCELLED)
		return "The subscription of this instance must be canceled";
	if (now < instance->cancelled_at + DELETE_DAYS * MS_PER_DAY)
		return "40 days must have passed since the cancellation";
	vanish(instance, SANDBOX_DELETED);
	instance->deleted_at = now;
	sandbox_instance_count(instance, SANDBOX_DELETES);
	sandbox_ledger_changed(instance);
	return NULL;
}

/* Put an instance into a state as if the calls had been made now. */
static void
enter(SandboxInstance *instance, int state)
{
	int64_t		now = sandbox_clock_now();

	instance->state = state;
	if (state == SANDBOX_SIGNED || state == SANDBOX_EXPIRED ||
		state == SANDBOX_CANCELLING)
	{
		instance->signed_at = now;
		instance->due = invoice_due(now);
	}
	if (state == SANDBOX_CANCELLING || state == SANDBOX_CANCELLED)
	{
		instance->cancelled_at = now;
		instance->ends_at = state == SANDBOX_CANCELLED ? now :
			now + sandbox_config.cancel_days * MS_PER_DAY;
		instance->due = instance->ends_at;
	}
	if (state == SANDBOX_EXPIRED || state == SANDBOX_CANCELLED)
		instance->ended_at = now;
	if (state == SANDBOX_LAPSED)
		instance->lapsed_at = now;
	if (state == SANDBOX_DELETED)
		instance->deleted_at = now;
}

static const SandboxField fields[] = {
	{"middleware", SANDBOX_FIELD_WORD, offsetof(SandboxInstance, middleware),
	middlewares},
	SANDBOX_FIELD(with_calls, FLAG),
	SANDBOX_FIELD(due, TIME),
	SANDBOX_FIELD(signed_at, TIME),
	SANDBOX_FIELD(cancelled_at, TIME),
	SANDBOX_FIELD(ends_at, TIME),
	SANDBOX_FIELD(ended_at, STAMP),
	SANDBOX_FIELD(lapsed_at, STAMP)
};

const SandboxRules sandbox_zapi_rules = {
	.name = "zapi",
	.states = states,
	.status_field = "paymentStatus",
	.fields = fields,
	.field_count = lengthof(fields),
	.listed = &listed,
	.begin = begin,
	.enter = enter,
	.status = payment_status,
	.is_listed = is_listed,
	.next = next_change,
	.wake = wake
};
