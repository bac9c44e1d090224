/*-------------------------------------------------------------------------
 *
 * pauses.h
 *	  Servers that an operator has paused.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_PAUSES_H
#define PARTNER_API_PAUSES_H

#include "postgres.h"

/* One paused server, as the worker knows it. */
typedef struct PartnerApiPause
{
	NameData	server;
	char	   *reason;			/* NULL: none given */
} PartnerApiPause;

extern void partner_api_pauses_refresh(bool anyway);
extern bool partner_api_pauses_any(void);
extern const PartnerApiPause *partner_api_pause_of(const char *server);

#endif							/* PARTNER_API_PAUSES_H */
