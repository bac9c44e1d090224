/*-------------------------------------------------------------------------
 *
 * mirror.h
 *	  The mirror of instances, plans and so on: what events add up to.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_MIRROR_H
#define PARTNER_API_MIRROR_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

/* What events ask of the mirror beside the rows of new instances. */
#define PARTNER_API_MIRROR_CHANGES 1	/* rows change, signs are withdrawn */
#define PARTNER_API_MIRROR_SIGNS 2	/* signs are scheduled */
#define PARTNER_API_MIRROR_OBJECTS 4	/* they are of what is no instance */
#define PARTNER_API_MIRROR_READINESS 8	/* states, settings, what follows */
#define PARTNER_API_MIRROR_ALL \
	(PARTNER_API_MIRROR_CHANGES | PARTNER_API_MIRROR_SIGNS | \
	 PARTNER_API_MIRROR_READINESS)

extern void partner_api_mirror_apply_or_defer(Datum event_ids, int needs);
extern void partner_api_mirror_apply_backlog(void);
extern ErrorData *partner_api_mirror_pass_time(TimestampTz now);
extern char *partner_api_mirror_row(const char *server, const char *object,
									const char *id);
extern int	partner_api_mirror_count(const char *server, int limit);
extern bool partner_api_nonce_was_seen(const char *server);
extern void partner_api_note_nonce_seen(const char *server, TimestampTz now);

#endif							/* PARTNER_API_MIRROR_H */
