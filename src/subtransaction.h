/*-------------------------------------------------------------------------
 *
 * subtransaction.h
 *	  Work that may fail alone.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_SUBTRANSACTION_H
#define PARTNER_API_SUBTRANSACTION_H

#include "postgres.h"

extern ErrorData *partner_api_try(void (*work) (void *arg), void *arg);

#endif							/* PARTNER_API_SUBTRANSACTION_H */
