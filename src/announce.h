/*-------------------------------------------------------------------------
 *
 * announce.h
 *	  Telling people and programs that something needs them.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_ANNOUNCE_H
#define PARTNER_API_ANNOUNCE_H

#include "postgres.h"

extern void partner_api_announce(int elevel, const char *event,
								 const char *server, int64 action_id,
								 const char *instance_id,
								 const char *message);
extern void partner_api_announce_routine(int elevel, const char *event,
										 const char *routine,
										 const char *message);

#endif							/* PARTNER_API_ANNOUNCE_H */
