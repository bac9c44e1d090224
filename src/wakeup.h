/*-------------------------------------------------------------------------
 *
 * wakeup.h
 *	  Wake-ups at commit.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_WAKEUP_H
#define PARTNER_API_WAKEUP_H

#include "postgres.h"

#include "datatype/timestamp.h"

extern void partner_api_wake_worker_at_commit(void);
extern void partner_api_wake_worker_for_new(TimestampTz run_at);
extern void partner_api_pauses_changed_at_commit(void);
extern void partner_api_routines_changed_at_commit(void);
extern void partner_api_wake_worker_for_options(void);

#endif							/* PARTNER_API_WAKEUP_H */
