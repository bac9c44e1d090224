/*-------------------------------------------------------------------------
 *
 * limits_shared.h
 *	  The limits of each credential, shared by workers and backends.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_LIMITS_SHARED_H
#define PARTNER_API_LIMITS_SHARED_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "gate.h"
#include "nodes/pg_list.h"
#include "providers/provider.h"

/*
 * A server as one token uses it, in this database: roles with the same token
 * share the limits.
 */
typedef struct PartnerApiCredentialKey
{
	Oid			server;
	uint64		token;			/* keyed hash */
} PartnerApiCredentialKey;

/* What a process knows of a credential when it wants to use it. */
typedef struct PartnerApiLimits
{
	PartnerApiCredentialKey key;
	Oid			role;			/* one that uses it */
	const char *token;			/* the token itself, borrowed */
	PartnerApiGateRules rules;
} PartnerApiLimits;

/* One request's place; given back once, see partner_api_limits_enter(). */
typedef struct PartnerApiPermit
{
	bool		held;
	bool		probe;
	PartnerApiUrgency urgency;
	int			entry;
	PartnerApiCredentialKey key;
	PartnerApiGateRules rules;
} PartnerApiPermit;

#define PARTNER_API_LIMITS_ERROR_BYTES 128

/* Why a request may not start. */
typedef struct PartnerApiRefusal
{
	int			entry;			/* see partner_api_limits_sleep() */
	PartnerApiShut shut;
	int64		wait_us;		/* until it may; 0: until a request ends */
	int			failures;
	int64		probe_in_us;	/* while the circuit is open */
	char		last_error[PARTNER_API_LIMITS_ERROR_BYTES];
} PartnerApiRefusal;

/* What there is to be announced of a credential. */
typedef enum PartnerApiChange
{
	PARTNER_API_CIRCUIT_HAS_OPENED,
	PARTNER_API_CIRCUIT_HAS_CLOSED,
	PARTNER_API_QUOTA_USED_UP
} PartnerApiChange;

/* A credential that is not as it was last announced. */
typedef struct PartnerApiTransition
{
	Oid			server;
	PartnerApiChange change;
	int			quota;
	int64		wait_us;		/* until there is another window */
	int			failures;
	char		last_error[PARTNER_API_LIMITS_ERROR_BYTES];
} PartnerApiTransition;

/* A circuit whose probe is due. */
typedef struct PartnerApiProbeDue
{
	PartnerApiCredentialKey key;
	Oid			role;
} PartnerApiProbeDue;

/* limits_entries.c */
extern Size partner_api_limits_size(void);
extern void partner_api_limits_startup(void);
extern uint64 partner_api_limits_hash(const char *token);

/* limits.c */
extern int	partner_api_limits_room(const PartnerApiLimits *limits,
									PartnerApiUrgency urgency,
									PartnerApiRefusal *refusal);
extern bool partner_api_limits_enter(const PartnerApiLimits *limits,
									 PartnerApiUrgency urgency,
									 PartnerApiPermit *permit,
									 PartnerApiRefusal *refusal);
extern int	partner_api_limits_polls_left(const PartnerApiLimits *limits);
extern void partner_api_limits_back_out(PartnerApiPermit *permit);
extern void partner_api_limits_leave(PartnerApiPermit *permit,
									 const PartnerApiResponse *response);
extern void partner_api_limits_go_on(PartnerApiPermit *permit,
									 const PartnerApiResponse *response);
extern void partner_api_limits_sleep(const PartnerApiRefusal *refusal,
									 int64 most_us);

/* limits_refused.c */
extern void partner_api_limits_answered(const PartnerApiLimits *limits,
										PartnerApiReason reason);
extern int	partner_api_limits_unrefused(const PartnerApiLimits *limits,
										 int room, PartnerApiRefusal *refusal);

/* limits_worker.c */
extern bool partner_api_limits_any_open(void);
extern bool partner_api_limits_any_used_up(void);
extern List *partner_api_limits_transitions(void);
extern void partner_api_limits_announced(void);
extern List *partner_api_limits_probes_due(int64 *next_at);
extern void partner_api_limits_forget_circuit(const PartnerApiCredentialKey *key);
extern void partner_api_limits_turn(int64 ahead);

/* limits_windows.c */
extern void partner_api_windows_record(TimestampTz now);
extern void partner_api_windows_failed(void);

#endif							/* PARTNER_API_LIMITS_SHARED_H */
