/*-------------------------------------------------------------------------
 *
 * ledger.h
 *	  All instances: found by id, listed in order, woken in time.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_LEDGER_H
#define SANDBOX_LEDGER_H

#include <stddef.h>

#include "index.h"
#include "instance.h"

/* Which instances of a provider are asked for */
typedef struct SandboxFilter
{
	const SandboxRules *rules;
	const char *query;			/* or NULL */
	const char *middleware;		/* or NULL */
} SandboxFilter;

extern void sandbox_ledger_add(SandboxInstance *instance);
extern void sandbox_ledger_changed(SandboxInstance *instance);
extern void sandbox_ledger_tick(void);
extern void sandbox_ledger_relist(void);
extern void sandbox_ledger_reset(void);

extern SandboxInstance *sandbox_ledger_find(const char *id);
extern size_t sandbox_ledger_count(void);
extern SandboxInstance *sandbox_ledger_get(size_t position);

/* The listed instances of one page; returns how many there are in all */
extern size_t sandbox_ledger_page(const SandboxFilter *filter, size_t skip,
								  size_t limit, SandboxInstance **page,
								  size_t *count);

extern SandboxEffectCounts *sandbox_ledger_name_effects(const char *name);
extern const SandboxMap *sandbox_ledger_names(void);

#endif							/* SANDBOX_LEDGER_H */
