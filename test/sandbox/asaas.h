/*-------------------------------------------------------------------------
 *
 * asaas.h
 *	  What the files of the Asaas part share: records, dates, refusals.
 *
 * Money is kept in cents; only asaas_value.c knows how it looks on the wire.
 * Days are numbers since 1970-01-01, on the calendar of UTC-3.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_ASAAS_H
#define SANDBOX_ASAAS_H

#include "request.h"

typedef enum SandboxAsaasKind
{
	SANDBOX_ASAAS_CUSTOMERS,
	SANDBOX_ASAAS_NOTIFICATIONS,
	SANDBOX_ASAAS_PAYMENTS,
	SANDBOX_ASAAS_SUBSCRIPTIONS,
	SANDBOX_ASAAS_WEBHOOKS,
	SANDBOX_ASAAS_EVENTS,
	SANDBOX_ASAAS_MESSAGES,
	SANDBOX_ASAAS_TRANSACTIONS
} SandboxAsaasKind;

#define SANDBOX_ASAAS_KINDS (SANDBOX_ASAAS_TRANSACTIONS + 1)

struct SandboxAsaasDelivery;

/* Anything that Asaas keeps.  Times as in instance.h. */
typedef struct SandboxAsaas
{
	SandboxAsaasKind kind;
	size_t		position;		/* among those of its kind, from 0 */
	char	   *id;
	json_t	   *fields;			/* as shown, but money in cents */
	SandboxToken *maker;		/* NULL if no call made it */
	int64_t		created_at;
	int64_t		visible_at;		/* in lists */
	struct SandboxAsaas *customer;	/* that it belongs to, or NULL */
	int64_t		next;			/* when something happens by itself */
	unsigned	generation;		/* of "next" */

	/* of payments */
	struct SandboxAsaas *subscription;	/* that it came of, or NULL */
	const char *method;			/* that it is paid by */
	int64_t		pay_at;			/* or SANDBOX_NEVER, as the next two */
	int64_t		credit_at;
	int64_t		refund_at;
	int			paid_day;
	int			noticed_day;	/* day whose notices are out */
	json_int_t	refunded;		/* cents */
	json_int_t	paid_cents;		/* 0: its value */

	/* of subscriptions */
	int			charges;
	int			day_of_month;

	/* of webhooks: what is still to be delivered */
	struct SandboxAsaasDelivery **queue;
	size_t		queued;

	/* of events: the attempts to deliver it */
	json_t	   *attempts;
} SandboxAsaas;

/* Which permission of a key a call wants, and what it answers. */
#define SANDBOX_ASAAS_WRITE 1
#define SANDBOX_ASAAS_LEAN 2
#define SANDBOX_ASAAS_PERMISSION(access) ((access) >> 2)

/* asaas_gate.c: keys, permissions, limits */
extern bool sandbox_asaas_authorize(SandboxRequest *request, int access);
extern void sandbox_asaas_ended(const SandboxRequest *request);
extern void sandbox_asaas_gate_reset(void);

/* asaas_store.c */
extern const char *const sandbox_asaas_kinds[SANDBOX_ASAAS_KINDS];

/* One query parameter that narrows a list. */
typedef enum SandboxAsaasTest
{
	SANDBOX_ASAAS_EQUAL,
	SANDBOX_ASAAS_CONTAINS,
	SANDBOX_ASAAS_DIGITS,		/* equal, whatever stands between them */
	SANDBOX_ASAAS_FROM,
	SANDBOX_ASAAS_UNTIL,
	SANDBOX_ASAAS_OF_CUSTOMER	/* a field of the record's customer */
} SandboxAsaasTest;

typedef struct SandboxAsaasFilter
{
	const char *query;
	const char *field;
	SandboxAsaasTest test;
} SandboxAsaasFilter;

#define SANDBOX_ASAAS_MAX_FILTERS 28

typedef struct SandboxAsaasList
{
	SandboxAsaasKind kind;
	const SandboxAsaasFilter *filters;
	size_t		filter_count;

	/* Further condition, or NULL */
	bool		(*keep) (const SandboxAsaas *record, const void *context);
	const void *context;
} SandboxAsaasList;

typedef void (*SandboxAsaasVisit) (const SandboxAsaas *record, void *context);

extern int64_t sandbox_asaas_now(void);
extern SandboxAsaas *sandbox_asaas_add(SandboxAsaasKind kind, json_t *fields,
									   SandboxToken *maker);
extern SandboxAsaas *sandbox_asaas_find(SandboxAsaasKind kind,
										const char *id);
extern SandboxAsaas *sandbox_asaas_of(SandboxRequest *request,
									  SandboxAsaasKind kind);
extern SandboxAsaas *sandbox_asaas_get(SandboxAsaasKind kind,
									   size_t position);
extern size_t sandbox_asaas_count(SandboxAsaasKind kind);
extern bool sandbox_asaas_listed(const SandboxAsaas *record);
extern void sandbox_asaas_schedule(SandboxAsaas *record, int64_t next);
extern void sandbox_asaas_tick(void);
extern int64_t sandbox_asaas_sleep_ms(void);
extern void sandbox_asaas_reset(void);

/* asaas_list.c */
extern void sandbox_asaas_visit(const SandboxRequest *request,
								const SandboxAsaasList *list,
								SandboxAsaasVisit visit, void *context);
extern void sandbox_asaas_list(SandboxRequest *request,
							   const SandboxAsaasList *list);

/* asaas_value.c */
extern int	sandbox_asaas_day_of(int64_t ms);
extern int	sandbox_asaas_today(void);
extern int64_t sandbox_asaas_day_start(int day);
extern bool sandbox_asaas_is_day(const json_t *value, int *day);
extern json_t *sandbox_asaas_day_json(int day);
extern json_t *sandbox_asaas_stamp_json(int64_t ms);
extern int	sandbox_asaas_add_months(int day, int months, int day_of_month);
extern int	sandbox_asaas_working_day(int day);
extern json_t *sandbox_asaas_reais(json_int_t cents);
extern bool sandbox_asaas_cents(const json_t *value, json_int_t *cents);
extern bool sandbox_asaas_is_document(const char *text);
extern char *sandbox_asaas_digits(const char *text);
extern const char *sandbox_asaas_text(const SandboxAsaas *record,
									  const char *key);
extern json_int_t sandbox_asaas_number(const SandboxAsaas *record,
									   const char *key);
extern bool sandbox_asaas_flag(const SandboxAsaas *record, const char *key);
extern void sandbox_asaas_put(SandboxAsaas *record, const char *key,
							  json_t *value);
extern void sandbox_asaas_take(SandboxAsaas *record, const json_t *body,
							   const char *const *keys, size_t count);
extern json_t *sandbox_asaas_shown(const SandboxAsaas *record, bool lean);
extern void sandbox_asaas_reply(SandboxRequest *request,
								const SandboxAsaas *record);
extern void sandbox_asaas_reply_deleted(SandboxRequest *request,
										const SandboxAsaas *record);
extern bool sandbox_asaas_refuse(SandboxRequest *request, unsigned status,
								 const char *code, const char *description);
extern bool sandbox_asaas_invalid(SandboxRequest *request, const char *field,
								  const char *description);
extern void sandbox_asaas_impossible(SandboxRequest *request,
									 const char *description);

/* asaas_customer.c */
extern void sandbox_asaas_customer_create(SandboxRequest *request);
extern void sandbox_asaas_customer_list(SandboxRequest *request);
extern void sandbox_asaas_customer_read(SandboxRequest *request);
extern void sandbox_asaas_customer_change(SandboxRequest *request);
extern void sandbox_asaas_customer_delete(SandboxRequest *request);
extern void sandbox_asaas_customer_restore(SandboxRequest *request);
extern SandboxAsaas *sandbox_asaas_customer_enter(const json_t *body,
												  SandboxToken *maker);
extern void sandbox_asaas_customer_remove(SandboxAsaas *customer);

/* asaas_notice.c: notifications of customers, and the messages they send */
extern void sandbox_asaas_notification_list(SandboxRequest *request);
extern void sandbox_asaas_notification_change(SandboxRequest *request);
extern void sandbox_asaas_notification_batch(SandboxRequest *request);
extern void sandbox_asaas_notification_make(SandboxAsaas *customer);
extern void sandbox_asaas_notify(const SandboxAsaas *payment,
								 const char *event);
extern void sandbox_asaas_notify_by_day(const SandboxAsaas *payment,
										int late);

/* asaas_payment.c: what a client asks for */
extern void sandbox_asaas_payment_create(SandboxRequest *request);
extern void sandbox_asaas_payment_list(SandboxRequest *request);
extern void sandbox_asaas_payment_read(SandboxRequest *request);
extern void sandbox_asaas_payment_change(SandboxRequest *request);
extern void sandbox_asaas_payment_delete(SandboxRequest *request);
extern void sandbox_asaas_payment_restore(SandboxRequest *request);
extern void sandbox_asaas_payment_limits(SandboxRequest *request);
extern void sandbox_asaas_payment_simulate(SandboxRequest *request);
extern void sandbox_asaas_payment_statistics(SandboxRequest *request);
extern void sandbox_asaas_payments_of(SandboxRequest *request,
									  const SandboxAsaas *subscription);
extern SandboxAsaas *sandbox_asaas_payment_enter(SandboxAsaas *customer,
												 const json_t *body,
												 SandboxToken *maker);
extern SandboxAsaas *sandbox_asaas_payment_of_body(SandboxRequest *request,
												   const char *due_key);
extern bool sandbox_asaas_is_billing_type(const json_t *value);

/* asaas_settle.c: calls that move money */
extern void sandbox_asaas_payment_refund(SandboxRequest *request);
extern void sandbox_asaas_payment_receive(SandboxRequest *request);
extern void sandbox_asaas_payment_undo(SandboxRequest *request);
extern void sandbox_asaas_payment_by_card(SandboxRequest *request);
extern void sandbox_asaas_payment_capture(SandboxRequest *request);
extern void sandbox_asaas_payment_confirm(SandboxRequest *request);
extern void sandbox_asaas_payment_overdue(SandboxRequest *request);

/* asaas_slip.c: what a payer needs */
extern void sandbox_asaas_payment_status(SandboxRequest *request);
extern void sandbox_asaas_payment_views(SandboxRequest *request);
extern void sandbox_asaas_payment_line(SandboxRequest *request);
extern void sandbox_asaas_payment_pix(SandboxRequest *request);
extern void sandbox_asaas_payment_billing(SandboxRequest *request);

/* asaas_life.c: statuses, and what time does to a payment */
extern bool sandbox_asaas_is_status(const SandboxAsaas *payment,
									const char *status);
extern bool sandbox_asaas_is_open(const SandboxAsaas *payment);
extern void sandbox_asaas_enter_status(SandboxAsaas *payment,
									   const char *status, const char *event);
extern void sandbox_asaas_reopen(SandboxAsaas *payment, const char *event);
extern void sandbox_asaas_begin(SandboxAsaas *payment);
extern void sandbox_asaas_pay(SandboxAsaas *payment, const char *method,
							  int64_t at);
extern void sandbox_asaas_give_back(SandboxAsaas *payment, json_int_t cents,
									const char *description);
extern void sandbox_asaas_remove(SandboxAsaas *payment);
extern void sandbox_asaas_recover(SandboxAsaas *payment);
extern void sandbox_asaas_uphold(SandboxAsaas *payment, const char *event);
extern void sandbox_asaas_payment_wake(SandboxAsaas *payment);
extern json_int_t sandbox_asaas_balance(void);
extern void sandbox_asaas_life_reset(void);

/* asaas_subscription.c */
extern void sandbox_asaas_subscription_create(SandboxRequest *request);
extern void sandbox_asaas_subscription_list(SandboxRequest *request);
extern void sandbox_asaas_subscription_read(SandboxRequest *request);
extern void sandbox_asaas_subscription_change(SandboxRequest *request);
extern void sandbox_asaas_subscription_delete(SandboxRequest *request);
extern void sandbox_asaas_subscription_charges(SandboxRequest *request);
extern void sandbox_asaas_subscription_book(SandboxRequest *request);
extern void sandbox_asaas_subscription_remove(SandboxAsaas *subscription);
extern void sandbox_asaas_subscription_wake(SandboxAsaas *subscription);

/* asaas_webhook.c: registration */
extern void sandbox_asaas_webhook_create(SandboxRequest *request);
extern void sandbox_asaas_webhook_list(SandboxRequest *request);
extern void sandbox_asaas_webhook_read(SandboxRequest *request);
extern void sandbox_asaas_webhook_change(SandboxRequest *request);
extern void sandbox_asaas_webhook_delete(SandboxRequest *request);
extern void sandbox_asaas_webhook_resume(SandboxRequest *request);
extern SandboxAsaas *sandbox_asaas_webhook_enter(const json_t *body,
												 SandboxToken *maker);

/* asaas_event.c: events, and their queues */
extern void sandbox_asaas_event(const char *event, const char *member,
								const SandboxAsaas *record);
extern void sandbox_asaas_pump(SandboxAsaas *webhook);
extern void sandbox_asaas_forgive(SandboxAsaas *webhook);
extern void sandbox_asaas_event_control(SandboxRequest *request);
extern void sandbox_asaas_event_reset(void);

/* asaas_account.c */
extern void sandbox_asaas_account_balance(SandboxRequest *request);
extern void sandbox_asaas_account_status(SandboxRequest *request);
extern void sandbox_asaas_account_number(SandboxRequest *request);
extern void sandbox_asaas_account_info(SandboxRequest *request);
extern void sandbox_asaas_account_fees(SandboxRequest *request);
extern void sandbox_asaas_account_approve(SandboxRequest *request);
extern void sandbox_asaas_transaction_list(SandboxRequest *request);

/* asaas_control.c: the control API's calls */
extern bool sandbox_asaas_kind_parse(const char *name,
									 SandboxAsaasKind *kind);
extern void sandbox_asaas_state(SandboxRequest *request,
								SandboxAsaasKind kind);
extern bool sandbox_asaas_objects(SandboxRequest *request);
extern json_t *sandbox_asaas_record_json(const SandboxAsaas *record);
extern void sandbox_asaas_inbox(SandboxRequest *request);
extern void sandbox_asaas_inbox_reset(void);

/* asaas_deed.c: the control API's calls of payers, banks and Asaas */
extern void sandbox_asaas_charge_control(SandboxRequest *request);

#endif							/* SANDBOX_ASAAS_H */
