/*-------------------------------------------------------------------------
 *
 * calls.h
 *	  Waiting calls as a pass of the worker serves them.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_CALLS_H
#define PARTNER_API_CALLS_H

#include "postgres.h"

#include "accounts.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

/* The waiting calls of a pass. */
typedef struct PartnerApiCalls
{
	PartnerApiAccounts *accounts;
	MemoryContext claims;		/* parent of new claims */
	MemoryContext kept;			/* of the next two lists: outlives a pass */
	TimestampTz now;
	List	   *tickets;		/* of slots that were taken */
	List	   *transfers;		/* to be started */
	List	   *answers;		/* for those that are not to wait */
} PartnerApiCalls;

extern void partner_api_calls_serve(PartnerApiCalls *calls);
extern void partner_api_calls_committed(PartnerApiCalls *calls);
extern void partner_api_calls_failed(PartnerApiCalls *calls);

#endif							/* PARTNER_API_CALLS_H */
