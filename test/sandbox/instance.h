/*-------------------------------------------------------------------------
 *
 * instance.h
 *	  One instance, and what may be done to it.
 *
 * instance.c has the provider's rules, ledger.c keeps all instances.  Times
 * are unix ms by the sandbox's clock; 0 means that it did not happen.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_INSTANCE_H
#define SANDBOX_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "config.h"

#define SANDBOX_NEVER INT64_MAX

typedef enum SandboxState
{
	SANDBOX_TRIAL,
	SANDBOX_SIGNED,
	SANDBOX_EXPIRED,			/* invoice unpaid; deleted some days later */
	SANDBOX_CANCELLING,			/* cancelled, still running */
	SANDBOX_CANCELLED,			/* cancelled and ended */
	SANDBOX_LAPSED,				/* trial over, gone */
	SANDBOX_DELETED				/* gone */
} SandboxState;

#define SANDBOX_STATES (SANDBOX_DELETED + 1)

typedef enum SandboxEffect
{
	SANDBOX_CREATES,
	SANDBOX_SIGNS,
	SANDBOX_UPDATES,
	SANDBOX_CANCELS,
	SANDBOX_DELETES,
	SANDBOX_DISCONNECTS
} SandboxEffect;

#define SANDBOX_EFFECTS (SANDBOX_DISCONNECTS + 1)

typedef struct SandboxEffectCounts
{
	unsigned	count[SANDBOX_EFFECTS];
} SandboxEffectCounts;

typedef struct SandboxInstance
{
	char	   *id;
	char	   *token;
	char	   *name;			/* as stored */
	char	   *requested_name; /* as sent */
	const char *middleware;		/* "web" or "mobile" */
	char	   *literal;		/* paymentStatus to show, or NULL */
	json_t	   *settings;		/* create body, or NULL */
	SandboxToken *maker;		/* NULL if seeded */
	SandboxState state;
	bool		connected;
	bool		with_calls;
	int64_t		created_at;
	int64_t		visible_at;
	int64_t		due;
	int64_t		signed_at;
	int64_t		cancelled_at;
	int64_t		ends_at;
	int64_t		ended_at;
	int64_t		lapsed_at;
	int64_t		deleted_at;
	SandboxEffectCounts effects;
	SandboxEffectCounts *name_effects;	/* shared by all of this name */

	/* ledger.c's own */
	size_t		position;
	bool		listed;
	unsigned	generation;
} SandboxInstance;

/* Words for states and effects, as the control API shows them */
extern const char *const sandbox_state_names[SANDBOX_STATES];
extern const char *const sandbox_effect_names[SANDBOX_EFFECTS];

/* A new trial; takes a reference to settings */
extern SandboxInstance *sandbox_instance_create(const char *name,
												bool mobile,
												json_t *settings,
												SandboxToken *maker);

/* Each returns NULL if done, or why not (static text). */
extern const char *sandbox_instance_sign(SandboxInstance *instance,
										 bool with_calls);
extern const char *sandbox_instance_add_calls(SandboxInstance *instance);
extern bool sandbox_instance_cancel(SandboxInstance *instance);
extern const char *sandbox_instance_delete(SandboxInstance *instance);
extern bool sandbox_instance_disconnect(SandboxInstance *instance);

extern bool sandbox_instance_exists(const SandboxInstance *instance);
extern bool sandbox_instance_runs(const SandboxInstance *instance);
extern const char *sandbox_instance_payment(const SandboxInstance *instance);

/* Time: what happens next, when; and make it happen */
extern int64_t sandbox_instance_next(const SandboxInstance *instance);
extern void sandbox_instance_wake(SandboxInstance *instance);
extern int64_t sandbox_invoice_due(int64_t now);

#endif							/* SANDBOX_INSTANCE_H */
