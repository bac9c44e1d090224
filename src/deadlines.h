/*-------------------------------------------------------------------------
 *
 * deadlines.h
 *	  Deadlines: said aloud before they pass, and kept when they have.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_DEADLINES_H
#define PARTNER_API_DEADLINES_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

extern List *partner_api_close_missed(TimestampTz now, bool *more);
extern TimestampTz partner_api_announce_deadlines(TimestampTz now);

#endif							/* PARTNER_API_DEADLINES_H */
