/*-------------------------------------------------------------------------
 *
 * due.h
 *	  What the worker knows of what is due.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_DUE_H
#define PARTNER_API_DUE_H

#include "postgres.h"

#include "claims.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

extern void partner_api_due_anything(void);
extern void partner_api_due_at(TimestampTz at, TimestampTz now);

extern void partner_api_due_begin_pass(TimestampTz woken_for);
extern bool partner_api_due_may_be(const char *server, bool with_deadline);
extern List *partner_api_due_claim(MemoryContext parent,
								   PartnerApiClaimScope *scope);
extern void partner_api_due_put_back(const char *server, bool with_deadline);
extern void partner_api_due_exhausted(const char *server, bool with_deadline,
									  TimestampTz now);
extern List *partner_api_due_claim_looks(MemoryContext parent,
										 TimestampTz now, int limit);
extern void partner_api_due_claim_failed(void);
extern void partner_api_due_end_pass(TimestampTz now);
extern TimestampTz partner_api_due_next(void);
extern int64 partner_api_due_time_to_look_ms(void);

#endif							/* PARTNER_API_DUE_H */
