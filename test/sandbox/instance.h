/*-------------------------------------------------------------------------
 *
 * instance.h
 *	  One instance: what all providers' instances have in common.
 *
 * Each provider has rules of its own for an instance's life; ledger.c keeps
 * all instances, whose ever they are.  Times are unix ms by the sandbox's
 * clock; 0 means that it did not happen.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_INSTANCE_H
#define SANDBOX_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "config.h"
#include "index.h"

#define SANDBOX_NEVER INT64_MAX

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
	const struct SandboxRules *rules;
	char	   *id;
	char	   *token;
	char	   *name;			/* as stored */
	char	   *requested_name; /* as sent */
	char	   *literal;		/* to show as the provider's own status word,
								 * or NULL */
	json_t	   *settings;		/* create body, or NULL */
	SandboxToken *maker;		/* NULL if seeded */
	int			state;			/* one of the rules' */
	bool		connected;		/* a phone is linked */
	int64_t		created_at;
	int64_t		visible_at;
	int64_t		deleted_at;
	SandboxEffectCounts effects;
	SandboxEffectCounts *name_effects;	/* shared by all of this name */

	/* Z-API's */
	const char *middleware;		/* "web" or "mobile" */
	bool		with_calls;
	int64_t		due;
	int64_t		signed_at;
	int64_t		cancelled_at;
	int64_t		ends_at;
	int64_t		ended_at;
	int64_t		lapsed_at;

	/* Green API's */
	int64_t		starts_at;
	int64_t		ready_at;		/* 0: not without a reboot */
	bool		business;		/* of the tariff that is billed apart */
	bool		free;

	/* ledger.c's own */
	size_t		position;
	bool		listed;
	unsigned	generation;
} SandboxInstance;

/* A member that the control API shows, and may set if it is no stamp. */
typedef enum SandboxFieldType
{
	SANDBOX_FIELD_FLAG,
	SANDBOX_FIELD_WORD,			/* one of words */
	SANDBOX_FIELD_TIME,
	SANDBOX_FIELD_STAMP			/* a time that only the rules set */
} SandboxFieldType;

typedef struct SandboxField
{
	const char *name;
	SandboxFieldType type;
	size_t		offset;
	const char *const *words;	/* ends in NULL */
} SandboxField;

#define SANDBOX_FIELD(name, kind) \
	{#name, SANDBOX_FIELD_##kind, offsetof(SandboxInstance, name), NULL}

/* A provider's rules of an instance's life. */
typedef struct SandboxRules
{
	const char *name;			/* the provider's */
	const char *const *states;	/* words of the states, ends in NULL */
	const char *status_field;	/* what the provider calls its status word */
	const SandboxField *fields;
	int			field_count;
	SandboxOrder *listed;		/* ledger.c's: positions that are listed */

	/* Give a new one, dated and named, its id, token and first state. */
	void		(*begin) (SandboxInstance *instance);

	/* Put it into a state as if the calls had been made now. */
	void		(*enter) (SandboxInstance *instance, int state);

	/* The status word, if no literal takes its place; NULL: it has none */
	const char *(*status) (const SandboxInstance *instance);

	/* Does its state let the list show it? */
	bool		(*is_listed) (const SandboxInstance *instance);

	/* When time alone next changes it, or SANDBOX_NEVER; and that change */
	int64_t		(*next) (const SandboxInstance *instance);
	void		(*wake) (SandboxInstance *instance);

	/* Add to what the control API shows of it; may be NULL */
	void		(*describe) (const SandboxInstance *instance, json_t *shown);
} SandboxRules;

/* Words for effects, as the control API shows them */
extern const char *const sandbox_effect_names[SANDBOX_EFFECTS];

/* The rules of all providers; NULL beyond the last */
extern const SandboxRules *sandbox_rules_get(size_t i);

/* What is stored for a name, to be freed */
extern char *sandbox_mangled_name(const char *name);

/* A new instance; takes a reference to settings */
extern SandboxInstance *sandbox_instance_create(const SandboxRules *rules,
												const char *name,
												json_t *settings,
												SandboxToken *maker);

extern void sandbox_instance_count(SandboxInstance *instance,
								   SandboxEffect effect);
extern void sandbox_instance_vanish(SandboxInstance *instance, int state);
extern bool sandbox_instance_disconnect(SandboxInstance *instance);
extern const char *sandbox_instance_status(const SandboxInstance *instance);
extern char *sandbox_random_code(int digits);

#endif							/* SANDBOX_INSTANCE_H */
