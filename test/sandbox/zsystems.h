/*-------------------------------------------------------------------------
 *
 * zsystems.h
 *	  What the files of the zsystems part share: records and refusals.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_ZSYSTEMS_H
#define SANDBOX_ZSYSTEMS_H

#include "request.h"

typedef enum SandboxRecordKind
{
	SANDBOX_PLANS,
	SANDBOX_SUBSCRIPTIONS,
	SANDBOX_CLIENTS,
	SANDBOX_CARDS,
	SANDBOX_INVOICES
} SandboxRecordKind;

#define SANDBOX_RECORD_KINDS (SANDBOX_INVOICES + 1)

typedef enum SandboxSubscriptionState
{
	SANDBOX_SUB_ACTIVE,
	SANDBOX_SUB_TRIAL,			/* inside the plan's grace_period */
	SANDBOX_SUB_PAST_DUE,		/* an invoice is not paid */
	SANDBOX_SUB_SUSPENDED,
	SANDBOX_SUB_CANCELLED,
	SANDBOX_SUB_EXPIRED
} SandboxSubscriptionState;

#define SANDBOX_SUB_STATES (SANDBOX_SUB_EXPIRED + 1)

/* Anything that the provider keeps.  Times as in instance.h. */
typedef struct SandboxRecord
{
	SandboxRecordKind kind;
	json_int_t	id;
	json_t	   *fields;			/* as the provider shows them */
	json_t	   *sent;			/* of a plan: how it was sent, or NULL */
	SandboxToken *maker;		/* NULL if seeded, or not made by a call */
	int64_t		created_at;
	int64_t		visible_at;		/* in lists */
	bool		removed;		/* by hand, elsewhere */

	/* of subscriptions */
	SandboxSubscriptionState state;
	int64_t		due;			/* of the pending invoice */
	int64_t		expires_at;		/* or SANDBOX_NEVER */
	int64_t		next;			/* when something happens by itself */
	unsigned	generation;		/* of "next" */
} SandboxRecord;

/* Words for kinds and states, as the control API shows them */
extern const char *const sandbox_record_kinds[SANDBOX_RECORD_KINDS];
extern const char *const sandbox_subscription_states[SANDBOX_SUB_STATES];

/* zsystems_store.c */
extern SandboxRecord *sandbox_record_add(SandboxRecordKind kind,
										 json_t *fields,
										 SandboxToken *maker);
extern SandboxRecord *sandbox_record_find(SandboxRecordKind kind,
										  const char *id);
extern SandboxRecord *sandbox_record_named(SandboxRecordKind kind,
										   const json_t *id);
extern SandboxRecord *sandbox_record_get(SandboxRecordKind kind,
										 size_t position);
extern size_t sandbox_record_count(SandboxRecordKind kind);
extern bool sandbox_record_listed(const SandboxRecord *record);
extern json_t *sandbox_record_list(SandboxRecordKind kind,
								   json_t *(*row) (const SandboxRecord *));
extern void sandbox_record_schedule(SandboxRecord *record, int64_t next);
extern void sandbox_record_touch(SandboxRecord *record);
extern void sandbox_record_time(SandboxRecord *record, const char *key,
								int64_t ms);
extern void sandbox_zsystems_tick(void);

/* zsystems_errors.c: the shape of a refusal where the provider shows many */
typedef enum SandboxRefusal
{
	SANDBOX_REFUSAL_SEEN,		/* each call as it was seen to refuse */
	SANDBOX_REFUSAL_ERROR,
	SANDBOX_REFUSAL_ERROR_OBJECT,
	SANDBOX_REFUSAL_ERRORS,
	SANDBOX_REFUSAL_ERROS,
	SANDBOX_REFUSAL_MESSAGE
} SandboxRefusal;

extern void sandbox_zsystems_refuse(SandboxRequest *request, unsigned status,
									SandboxRefusal seen, const char *text);
extern void sandbox_zsystems_reject(SandboxRequest *request,
									SandboxRefusal seen, const char *text);
extern void sandbox_zsystems_misfit(SandboxRequest *request,
									SandboxRefusal seen, const char *field);
extern void sandbox_zsystems_unknown(SandboxRequest *request,
									 const char *what);
extern void sandbox_zsystems_declined(SandboxRequest *request, bool marked);

/* zsystems_form.c: the body of a plan, from JSON or from form parts */
extern json_t *sandbox_form_read(SandboxRequest *request, json_t **parts);

/* zsystems_plan.c */
extern void sandbox_plan_create(SandboxRequest *request);
extern void sandbox_plan_list(SandboxRequest *request);
extern void sandbox_plan_read(SandboxRequest *request);
extern void sandbox_plan_change(SandboxRequest *request);
extern long sandbox_plan_number(const SandboxRecord *plan, const char *key);

/* zsystems_client.c */
extern void sandbox_client_create(SandboxRequest *request);
extern void sandbox_client_find(SandboxRequest *request);
extern void sandbox_card_create(SandboxRequest *request);
extern SandboxRecord *sandbox_client_known(const char *document);
extern SandboxRecord *sandbox_client_enter(const json_t *client,
										   SandboxToken *maker);
extern const char *sandbox_client_document(const json_t *client);
extern const char *sandbox_client_misfit(const json_t *client);
extern const char *sandbox_card_misfit(const json_t *card);
extern SandboxRecord *sandbox_card_enter(const json_t *card,
										 const SandboxRecord *client,
										 SandboxToken *maker);
extern char *sandbox_card_covered(const SandboxRequest *request);

/* zsystems_subscription.c: what a client asks for */
extern void sandbox_subscription_create(SandboxRequest *request);
extern void sandbox_subscription_list(SandboxRequest *request);
extern void sandbox_subscription_read(SandboxRequest *request);
extern void sandbox_subscription_change(SandboxRequest *request);
extern void sandbox_subscription_cancel(SandboxRequest *request);
extern void sandbox_subscription_suspend(SandboxRequest *request);
extern void sandbox_subscription_reactivate(SandboxRequest *request);
extern void sandbox_subscription_invoices(SandboxRequest *request);
extern void sandbox_subscription_refund(SandboxRequest *request);

/* zsystems_cycle.c: what time does to a subscription */
extern void sandbox_subscription_begin(SandboxRecord *subscription,
									   const SandboxRecord *plan);
extern void sandbox_subscription_wake(SandboxRecord *subscription);
extern void sandbox_subscription_enter(SandboxRecord *subscription,
									   SandboxSubscriptionState state);
extern void sandbox_subscription_resume(SandboxRecord *subscription);
extern void sandbox_invoice_status(SandboxRecord *invoice,
								   const char *status);

/* zsystems_control.c: the control API's calls about records */
extern bool sandbox_record_kind_parse(const char *name,
									  SandboxRecordKind *kind);
extern void sandbox_zsystems_state(SandboxRequest *request,
								   SandboxRecordKind kind);
extern void sandbox_zsystems_seed(SandboxRequest *request);
extern void sandbox_zsystems_remove(SandboxRequest *request);
extern void sandbox_zsystems_reset(void);

#endif							/* SANDBOX_ZSYSTEMS_H */
