/*-------------------------------------------------------------------------
 *
 * settle.h
 *	  Settlements: what attempts proved, written down in groups.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_SETTLE_H
#define PARTNER_API_SETTLE_H

#include "postgres.h"

#include "claims.h"
#include "datatype/timestamp.h"

/*
 * What one attempt came to.  Lives in its claim's context; text is UTF-8, and
 * what came from outside has been redacted.
 */
typedef struct PartnerApiSettlement
{
	PartnerApiClaim *claim;
	int64		action_id;
	int64		lease;
	int			attempts;
	int			looks;
	const char *purpose;		/* send or look */
	const char *verdict;		/* NULL: no attempt was made */
	int			http_status;	/* 0: none */
	int			latency_ms;
	TimestampTz started_at;
	TimestampTz finished_at;
	const char *error;			/* NULL if none */
	const char *state;			/* the action's next state */
	TimestampTz run_at;
	const char *outcome;		/* JSON; NULL if none */
	const char *event;			/* kind of the event; NULL if none */
	const char *event_object;	/* of what sort; NULL: of an instance */
	const char *event_instance; /* its instance, plan ... */
	const char *event_details;	/* JSON */
	const char *token;			/* instance token to keep; NULL if none */
	TimestampTz trial_ends_at;	/* of the trial that it began; 0: none */
	TimestampTz sign_at;		/* when that is to be signed; 0: never */
	bool		changes_readiness;	/* see follow_readiness() */
	bool		stranded;		/* its instance is there, without its token */
	bool		nonce_seen;		/* the list showed a nonce unmodified */
	int			surplus;		/* further instances of a create that it
								 * showed */
	/* for a waiting call */
	int			sqlstate;
	const char *hint;
	/* filled when it is recorded */
	bool		recorded;
	bool		blocked;		/* a session held its row before */
	char	   *result;			/* JSON of the instance, if a call waits */
} PartnerApiSettlement;

extern void partner_api_settle(List *settlements, TimestampTz now);
extern void partner_api_settle_jumped_signs(List *claims, TimestampTz now);
extern void partner_api_note_unsendable(void);
extern void partner_api_release_approved(void);

#endif							/* PARTNER_API_SETTLE_H */
