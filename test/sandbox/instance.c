/*-------------------------------------------------------------------------
 *
 * instance.c
 *	  The rules of one instance's life: trial, subscription, end.
 *
 * Where the provider's documents leave a choice, the configuration makes it
 * or README.md says which one was taken.  Every effect is counted here and
 * nowhere else, so the counters cannot disagree with the state.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "instance.h"

#include <ctype.h>
#include <string.h>

#include "clock.h"
#include "ledger.h"
#include "util.h"

#define MS_PER_DAY INT64_C(86400000)
#define ID_DIGITS 32
#define TOKEN_DIGITS 24
#define DELETE_DAYS 40

/* Day 10: unpaid instances expire; day 15: they are deleted. */
#define EXPIRY_DAY 10
#define DAYS_FROM_EXPIRY_TO_DELETION 5

/* The provider's invoices follow Brazil's calendar, which has no DST. */
#define INVOICE_UTC_OFFSET (-3)

const char *const sandbox_state_names[SANDBOX_STATES] = {
	"trial", "signed", "expired", "cancelling", "cancelled", "lapsed",
	"deleted"
};

const char *const sandbox_effect_names[SANDBOX_EFFECTS] = {
	"creates", "signs", "updates", "cancels", "deletes", "disconnects"
};

static const char *const payment_literals[SANDBOX_STATES] = {
	"TRIAL", "PAID", "PENDING", "IN_CANCELLATION", "CANCELED", "CANCELED",
	"CANCELED"
};

static void
count_effect(SandboxInstance *instance, SandboxEffect effect)
{
	instance->effects.count[effect]++;
	instance->name_effects->count[effect]++;
}

/* The end of what a subscription signed now owes: day 10 of next month. */
int64_t
sandbox_invoice_due(int64_t now)
{
	return sandbox_month_start(now, 1, INVOICE_UTC_OFFSET) +
		(EXPIRY_DAY - 1) * MS_PER_DAY;
}

/* What is stored for a name, as the configuration mangles it. */
static char *
stored_name(const char *name)
{
	char	   *result = sandbox_strdup(name);
	size_t		len = strlen(name);
	size_t		i;

	if (sandbox_config.name_rule == SANDBOX_NAME_UPPER)
	{
		for (i = 0; i < len; i++)
			result[i] = (char) toupper((unsigned char) result[i]);
	}
	if (sandbox_config.name_rule == SANDBOX_NAME_TRUNCATED &&
		len > (size_t) sandbox_config.name_bytes)
	{
		len = (size_t) sandbox_config.name_bytes;
		while (len > 0 && ((unsigned char) name[len] & 0xC0) == 0x80)
			len--;
		result[len] = '\0';
	}
	return result;
}

static char *
random_code(int digits)
{
	char	   *result = sandbox_alloc((size_t) digits + 1);

	sandbox_random_hex(result, digits);
	return result;
}

/*
 * maker is NULL for an instance that was not made through the API.  The
 * caller enters the result in the ledger.
 */
SandboxInstance *
sandbox_instance_create(const char *name, bool mobile, json_t *settings,
						SandboxToken *maker)
{
	SandboxInstance *instance = sandbox_alloc(sizeof(*instance));
	int64_t		now = sandbox_clock_now();

	instance->id = random_code(ID_DIGITS);
	instance->token = random_code(TOKEN_DIGITS);
	instance->requested_name = sandbox_strdup(name);
	instance->name = maker != NULL ? stored_name(name) : sandbox_strdup(name);
	instance->middleware = mobile ? "mobile" : "web";
	instance->settings = json_incref(settings);
	instance->maker = maker;
	instance->state = SANDBOX_TRIAL;
	instance->created_at = now;
	instance->visible_at = now;
	instance->due = now + sandbox_config.trial_seconds * INT64_C(1000);
	instance->name_effects =
		sandbox_ledger_name_effects(instance->requested_name);
	if (maker != NULL)
	{
		instance->visible_at +=
			sandbox_config.list_lag_seconds * INT64_C(1000);
		maker->created++;
		maker->alive++;
		count_effect(instance, SANDBOX_CREATES);
	}
	return instance;
}

/* Does the provider still know it? */
bool
sandbox_instance_exists(const SandboxInstance *instance)
{
	return instance->state != SANDBOX_LAPSED &&
		instance->state != SANDBOX_DELETED;
}

/* May it be used? */
bool
sandbox_instance_runs(const SandboxInstance *instance)
{
	return instance->state == SANDBOX_TRIAL ||
		instance->state == SANDBOX_SIGNED ||
		instance->state == SANDBOX_CANCELLING;
}

/* The list's paymentStatus. */
const char *
sandbox_instance_payment(const SandboxInstance *instance)
{
	return instance->literal != NULL ? instance->literal :
		payment_literals[instance->state];
}

static void
vanish(SandboxInstance *instance, SandboxState state)
{
	instance->state = state;
	instance->connected = false;
	if (instance->maker != NULL)
		instance->maker->alive--;
}

/* Start the subscription; also of what ended, as long as it exists. */
const char *
sandbox_instance_sign(SandboxInstance *instance, bool with_calls)
{
	int64_t		now = sandbox_clock_now();

	if (instance->state == SANDBOX_SIGNED)
		return "This instance is already paid";
	if (instance->state == SANDBOX_CANCELLING)
		return "This instance is in cancellation";
	instance->state = SANDBOX_SIGNED;
	instance->with_calls = with_calls;
	instance->signed_at = now;
	instance->due = sandbox_invoice_due(now);
	instance->cancelled_at = 0;
	instance->ends_at = 0;
	instance->ended_at = 0;
	count_effect(instance, SANDBOX_SIGNS);
	sandbox_ledger_changed(instance);
	return NULL;
}

/* Add calls to a subscription; there is no way back. */
const char *
sandbox_instance_add_calls(SandboxInstance *instance)
{
	if (instance->state != SANDBOX_SIGNED)
		return "This instance has no subscription";
	if (!instance->with_calls)
		count_effect(instance, SANDBOX_UPDATES);
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
sandbox_instance_cancel(SandboxInstance *instance)
{
	int64_t		now = sandbox_clock_now();

	if (instance->cancelled_at != 0)
		return false;
	instance->cancelled_at = now;
	instance->ends_at = instance->state == SANDBOX_SIGNED ?
		end_of_cancelled(instance, now) : now;
	instance->due = instance->ends_at;
	instance->state = SANDBOX_CANCELLING;
	count_effect(instance, SANDBOX_CANCELS);
	if (instance->ends_at <= now)
		sandbox_instance_wake(instance);
	sandbox_ledger_changed(instance);
	return true;
}

/* Delete what may be deleted. */
const char *
sandbox_instance_delete(SandboxInstance *instance)
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
	count_effect(instance, SANDBOX_DELETES);
	sandbox_ledger_changed(instance);
	return NULL;
}

/* Unlink the phone; false if none was linked. */
bool
sandbox_instance_disconnect(SandboxInstance *instance)
{
	if (!instance->connected)
		return false;
	instance->connected = false;
	count_effect(instance, SANDBOX_DISCONNECTS);
	return true;
}

/* When time alone next changes it; SANDBOX_NEVER if it does not. */
int64_t
sandbox_instance_next(const SandboxInstance *instance)
{
	switch (instance->state)
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
		instance->due = sandbox_invoice_due(instance->due);
	else
	{
		instance->state = SANDBOX_EXPIRED;
		instance->ended_at = instance->due;
	}
}

/* Make happen what sandbox_instance_next() announced, dated as announced. */
void
sandbox_instance_wake(SandboxInstance *instance)
{
	int64_t		when = sandbox_instance_next(instance);

	switch (instance->state)
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
