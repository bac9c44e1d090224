/*-------------------------------------------------------------------------
 *
 * limits_internal.h
 *	  The limits as they lie in shared memory; for limits*.c.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_LIMITS_INTERNAL_H
#define PARTNER_API_LIMITS_INTERNAL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "limits_shared.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"

/* Credentials that can be in use at once; idle ones make room. */
#define MOST_CREDENTIALS 256

/* First digits of a token's SHA-256, as token_usage shows them. */
#define FINGERPRINT_BYTES 17

/* Of an entry whose row, if there is one, is of an earlier memory. */
#define NEVER_RECORDED (-1)

/* One credential; protected by the lock, but for the condition variable. */
typedef struct Entry
{
	ConditionVariable freed;	/* never set up anew: it has no owner */
	bool		used;
	Oid			database;
	PartnerApiCredentialKey key;	/* token 0: see limits_windows.c */
	Oid			role;			/* who used it last, for probes */
	char		fingerprint[FINGERPRINT_BYTES];
	PartnerApiGateRules rules;	/* as of the last use */
	PartnerApiGate gate;
	int64		used_at;		/* monotonic */
	int			waiting_worker; /* process that wants to hear of a free lane */
	bool		announced_open;
	bool		used_up;		/* the quota of the window */
	bool		announced_used_up;
	int			recorded;		/* requests of the window in its row */
	int			refusals;		/* in a row, as far as they matter */
	int64		refused_until;	/* monotonic */
	TimestampTz refused_since;	/* real time; 0: it is not refused */
	/* to be shown; real time, 0: never */
	TimestampTz last_success_at;
	TimestampTz last_failure_at;
	TimestampTz circuit_since;
	char		last_error[PARTNER_API_LIMITS_ERROR_BYTES];
} Entry;

typedef struct Limits
{
	LWLock	   *lock;
	uint64		seed;			/* of token hashes */
	int			highest;		/* entries beyond this were never used */
	int			open;			/* circuits that are not closed */
	int64		changes;		/* to be announced so far */
	int64		used_up_until;	/* monotonic: no quota is from then on */
	int			refused;		/* credentials that the provider refuses */
	Entry		entries[MOST_CREDENTIALS];
} Limits;

/* NULL where the library is not preloaded: then nothing is limited */
extern Limits *partner_api_limits;

extern Entry *partner_api_limits_lock(const PartnerApiLimits *limits,
									  int64 now);

/* these need the lock */
extern Entry *partner_api_limits_find(const PartnerApiCredentialKey *key);
extern Entry *partner_api_limits_entry_of(Oid server, const char *fingerprint,
										  int64 now);
extern void partner_api_limits_circuit_changed(Entry *entry);
extern void partner_api_limits_forget_refusal(Entry *entry);

#endif							/* PARTNER_API_LIMITS_INTERNAL_H */
