/*-------------------------------------------------------------------------
 *
 * policy.h
 *	  From a verdict to what becomes of the action: pure decisions.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_POLICY_H
#define PARTNER_API_POLICY_H

#include "postgres.h"

#include "claims.h"
#include "servers.h"
#include "utils/timestamp.h"

/*
 * An action that a provider sends away until after its deadline is tried once
 * more so long before that.
 */
#define PARTNER_API_LAST_CHANCE_US (5 * USECS_PER_SEC)

/* What becomes of an action; states as in the table. */
typedef struct PartnerApiNextStep
{
	const char *state;
	TimestampTz run_at;			/* meaningful while it stays open */
	int			attempts;		/* requests sent so far */
	int			looks;
} PartnerApiNextStep;

/* What a complete listing showed of an unknown action. */
typedef enum PartnerApiFinding
{
	PARTNER_API_FINDING_EFFECT, /* it has happened */
	PARTNER_API_FINDING_NO_EFFECT,	/* it shows the state before */
	PARTNER_API_FINDING_CONTRADICTION	/* neither: a person must look */
} PartnerApiFinding;

/* What a complete listing is worth as evidence about an unknown action. */
typedef struct PartnerApiEvidence
{
	PartnerApiFinding finding;
	bool		whole;			/* it was read without a filter, or a search
								 * of it proves as much */
	bool		last;			/* so late that an effect would show */
	bool		shows_nonces;	/* the server's list shows them unmodified */
	bool		stranger;		/* what has none may be the effect all the
								 * same */
} PartnerApiEvidence;

extern PartnerApiNextStep partner_api_after_attempt(const PartnerApiClaim *claim,
													const PartnerApiVerdict *verdict,
													TimestampTz now);
extern PartnerApiNextStep partner_api_after_look(const PartnerApiClaim *claim,
												 const PartnerApiEvidence *evidence,
												 const PartnerApiServer *server,
												 TimestampTz now);
extern PartnerApiNextStep partner_api_after_failed_look(const PartnerApiClaim *claim,
														const PartnerApiServer *server,
														TimestampTz now);
extern const char *partner_api_why_not_again(const PartnerApiClaim *claim,
											 const PartnerApiServer *server,
											 bool list_shows_nonces);
extern bool partner_api_failure_is_harmless(PartnerApiKind kind);
extern bool partner_api_look_is_last(const PartnerApiClaim *claim);
extern TimestampTz partner_api_decide_by(const PartnerApiClaim *claim,
										 const PartnerApiServer *server);
extern bool partner_api_look_needs_whole(const PartnerApiClaim *claim,
										 const PartnerApiServer *server,
										 TimestampTz begun_at);
extern int	partner_api_reason_sqlstate(PartnerApiReason reason);
extern const char *partner_api_reason_hint(PartnerApiReason reason);

#endif							/* PARTNER_API_POLICY_H */
