/*-------------------------------------------------------------------------
 *
 * unwritten.h
 *	  Settlements from the moment an attempt ends until they are on disk.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_UNWRITTEN_H
#define PARTNER_API_UNWRITTEN_H

#include "postgres.h"

#include "settle.h"
#include "shared.h"

extern void partner_api_unwritten_add(const List *settlements);
extern bool partner_api_unwritten_any(void);
extern int	partner_api_unwritten_count(const char *server);
extern List *partner_api_unwritten_write(PartnerApiWorkerEntry *entry);
extern void partner_api_unwritten_forget(const List *written);

#endif							/* PARTNER_API_UNWRITTEN_H */
