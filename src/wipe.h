/*-------------------------------------------------------------------------
 *
 * wipe.h
 *	  Memory that does not keep what was in it.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_WIPE_H
#define PARTNER_API_WIPE_H

#include "postgres.h"

extern void partner_api_wipe_at_reset(MemoryContext context, void *memory,
									  size_t size);
extern char *partner_api_secret_copy(MemoryContext context, const char *text,
									 size_t len);
extern void partner_api_secret_wipe(char *secret);

/* for libraries that allocate by themselves */
extern void partner_api_wiping_free(void *memory);
extern void *partner_api_wiping_realloc(void *memory, size_t size);

#endif							/* PARTNER_API_WIPE_H */
