/*-------------------------------------------------------------------------
 *
 * journal.h
 *	  What was asked for, and how often: the request ring and the counters.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_JOURNAL_H
#define SANDBOX_JOURNAL_H

#include "request.h"

/* What the journal says of a request that got no answer at all */
#define SANDBOX_STATUS_CLOSED 0

extern bool sandbox_journal_log;	/* also print each request */

extern void sandbox_journal_begin(SandboxRequest *request);
extern void sandbox_journal_fault(const SandboxRequest *request, long rule);
extern void sandbox_journal_served(const SandboxRequest *request);
extern void sandbox_journal_end(const SandboxRequest *request,
								unsigned status);
extern void sandbox_journal_gone(const SandboxRequest *request);
extern void sandbox_journal_forget(void);
extern void sandbox_journal_reset(void);

extern json_t *sandbox_journal_operations(void);
extern void sandbox_journal_requests(const SandboxRequest *request,
									 SandboxBuffer *result);

#endif							/* SANDBOX_JOURNAL_H */
