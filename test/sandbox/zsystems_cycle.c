/*-------------------------------------------------------------------------
 *
 * zsystems_cycle.c
 *	  zsystems: what time does to a subscription.
 *
 * A subscription always has one pending invoice while it runs.  When that
 * falls due it is paid, and the next one is written; or it is not, and the
 * subscription is past due, and suspended when the plan's tolerance is over.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "zsystems.h"

#include <string.h>
#include <time.h>

#include "clock.h"
#include "instance.h"

#define MS_PER_SECOND INT64_C(1000)
#define MS_PER_DAY INT64_C(86400000)

const char *const sandbox_subscription_states[SANDBOX_SUB_STATES] = {
	"active", "trial", "past_due", "suspended", "cancelled", "expired"
};

/* A moment some months later; the last day of a month that is too short. */
static int64_t
add_months(int64_t ms, int months)
{
	time_t		seconds = (time_t) (ms / MS_PER_SECOND);
	struct tm	parts;
	int			day;

	gmtime_r(&seconds, &parts);
	day = parts.tm_mday;
	parts.tm_mon += months;
	seconds = timegm(&parts);
	gmtime_r(&seconds, &parts);
	if (parts.tm_mday != day)
		seconds -= parts.tm_mday * (MS_PER_DAY / MS_PER_SECOND);
	return (int64_t) seconds * MS_PER_SECOND + ms % MS_PER_SECOND;
}

/* When the invoice after one that is due then falls due. */
static int64_t
next_due(const SandboxRecord *plan, int64_t due)
{
	const char *frequency =
	json_string_value(json_object_get(plan->fields, "frequency"));
	int			interval = (int) sandbox_plan_number(plan, "interval");

	if (interval < 1)
		interval = 1;
	if (strcmp(frequency, "daily") == 0)
		return due + (long) interval * MS_PER_DAY;
	if (strcmp(frequency, "weekly") == 0)
		return due + (long) interval * 7 * MS_PER_DAY;
	return add_months(due, strcmp(frequency, "annualy") == 0 ?
					  12 * interval : interval);
}

static SandboxRecord *
plan_of(const SandboxRecord *subscription)
{
	return sandbox_record_named(SANDBOX_PLANS,
								json_object_get(subscription->fields,
												"plano_id"));
}

/* Change what has become of an invoice. */
void
sandbox_invoice_status(SandboxRecord *invoice, const char *status)
{
	json_object_set_new(invoice->fields, "status", json_string(status));
	if (strcmp(status, "paid") == 0)
		sandbox_record_time(invoice, "paid_at", sandbox_clock_now());
	sandbox_record_touch(invoice);
}

/* Write an invoice of a subscription. */
static SandboxRecord *
write_invoice(const SandboxRecord *subscription, json_t *amount, int64_t due)
{
	SandboxRecord *invoice =
	sandbox_record_add(SANDBOX_INVOICES,
					   json_pack("{s:I, s:o, s:s, s:n}",
								 "assinatura_id", subscription->id,
								 "amount", amount,
								 "status", "pending", "paid_at"),
					   NULL);

	sandbox_record_time(invoice, "date_invoice", due);
	return invoice;
}

/* The invoice of a subscription that is still to be paid, or NULL. */
static SandboxRecord *
pending_invoice(const SandboxRecord *subscription)
{
	size_t		i;

	for (i = sandbox_record_count(SANDBOX_INVOICES); i > 0; i--)
	{
		SandboxRecord *invoice = sandbox_record_get(SANDBOX_INVOICES, i - 1);
		const json_t *of = json_object_get(invoice->fields, "assinatura_id");
		const json_t *status = json_object_get(invoice->fields, "status");

		if (json_integer_value(of) == subscription->id &&
			strcmp(json_string_value(status), "pending") == 0)
			return invoice;
	}
	return NULL;
}

/* The subscription's next invoice is due then. */
static void
set_due(SandboxRecord *subscription, int64_t due)
{
	char		text[SANDBOX_TIME_LEN];

	subscription->due = due;
	sandbox_iso_time(due, text);
	json_object_set_new(subscription->fields, "due_date",
						json_stringn(text, strlen("YYYY-MM-DD")));
	sandbox_record_schedule(subscription,
							due < subscription->expires_at ? due :
							subscription->expires_at);
}

/* Write the next pending invoice. */
static void
expect_payment(SandboxRecord *subscription, int64_t due)
{
	json_t	   *amount = json_object_get(subscription->fields, "amount");

	write_invoice(subscription, json_incref(amount), due);
	set_due(subscription, due);
}

/* The pending invoice is due: it is paid, or the subscription is past due. */
static void
charge(SandboxRecord *subscription)
{
	const SandboxRecord *plan = plan_of(subscription);
	SandboxRecord *invoice = pending_invoice(subscription);

	if (plan == NULL || invoice == NULL)
	{
		sandbox_record_schedule(subscription, SANDBOX_NEVER);
		return;
	}
	if (sandbox_config.invoices_paid)
	{
		subscription->state = SANDBOX_SUB_ACTIVE;
		sandbox_invoice_status(invoice, "paid");
		expect_payment(subscription, next_due(plan, subscription->due));
	}
	else
	{
		subscription->state = SANDBOX_SUB_PAST_DUE;
		sandbox_record_schedule(subscription, subscription->due + MS_PER_DAY *
								sandbox_plan_number(plan,
													"tolerance_period"));
	}
}

/* A new subscription of a plan: what joining costs, then the first cycle. */
void
sandbox_subscription_begin(SandboxRecord *subscription,
						   const SandboxRecord *plan)
{
	int64_t		now = sandbox_clock_now();
	long		setup = sandbox_plan_number(plan, "setup_amount");
	long		grace = sandbox_plan_number(plan, "grace_period");
	long		months = sandbox_plan_number(plan, "subscription_duration");

	if (months > 0)
		subscription->expires_at = add_months(now, (int) months);
	sandbox_record_time(subscription, "expiration_date",
						subscription->expires_at);
	if (setup > 0)
		sandbox_invoice_status(write_invoice(subscription,
											 json_real((double) setup / 100),
											 now), "paid");
	subscription->state = grace > 0 ? SANDBOX_SUB_TRIAL : SANDBOX_SUB_ACTIVE;
	expect_payment(subscription, now + grace * MS_PER_DAY);
	if (grace == 0)
		charge(subscription);
}

/* Enter a state in which nothing is charged; an end voids what is pending. */
void
sandbox_subscription_enter(SandboxRecord *subscription,
						   SandboxSubscriptionState state)
{
	SandboxRecord *invoice = pending_invoice(subscription);

	subscription->state = state;
	sandbox_record_schedule(subscription, SANDBOX_NEVER);
	if (state == SANDBOX_SUB_SUSPENDED)
		sandbox_record_time(subscription, "suspended_at",
							sandbox_clock_now());
	else if (invoice != NULL)
		sandbox_invoice_status(invoice, "voided");
	sandbox_record_touch(subscription);
}

/* Go on: what fell due meanwhile is due now, the rest when it was. */
void
sandbox_subscription_resume(SandboxRecord *subscription)
{
	int64_t		now = sandbox_clock_now();

	subscription->state = SANDBOX_SUB_ACTIVE;
	json_object_del(subscription->fields, "suspended_at");
	set_due(subscription, subscription->due > now ? subscription->due : now);
	sandbox_zsystems_tick();
	sandbox_record_touch(subscription);
}

/* Something is due by the sandbox's clock. */
void
sandbox_subscription_wake(SandboxRecord *subscription)
{
	int64_t		moment = subscription->next;

	if (moment >= subscription->expires_at)
		sandbox_subscription_enter(subscription, SANDBOX_SUB_EXPIRED);
	else if (subscription->state == SANDBOX_SUB_PAST_DUE)
		sandbox_subscription_enter(subscription, SANDBOX_SUB_SUSPENDED);
	else
		charge(subscription);
}
