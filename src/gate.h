/*-------------------------------------------------------------------------
 *
 * gate.h
 *	  How many requests a credential may start now: pure rules.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_GATE_H
#define PARTNER_API_GATE_H

#include "postgres.h"

#include "window.h"

/* What the server's options say. */
typedef struct PartnerApiGateRules
{
	int			lanes;			/* requests in flight at most */
	double		rate;			/* requests a second; 0: no limit */
	int			burst;			/* of them at once */
	int			circuit_failures;	/* that open the circuit; 0: none do */
	int64		circuit_pause_us;	/* until a probe */
	PartnerApiWindowRules window;	/* requests in a stretch of time */
} PartnerApiGateRules;

/* What a request may claim for itself. */
typedef enum PartnerApiUrgency
{
	PARTNER_API_ORDINARY,		/* leaves room to those with a deadline */
	PARTNER_API_POLL,			/* the same, and no action waits for it */
	PARTNER_API_URGENT,			/* has a deadline */
	PARTNER_API_LAST_CHANCE,	/* is too late otherwise */
	PARTNER_API_PROBE			/* asks whether the provider is back */
} PartnerApiUrgency;

typedef enum PartnerApiCircuit
{
	PARTNER_API_CIRCUIT_CLOSED, /* requests pass */
	PARTNER_API_CIRCUIT_OPEN,	/* the provider is not reached */
	PARTNER_API_CIRCUIT_PROBING /* one request finds out */
} PartnerApiCircuit;

/* Why a gate is shut; the provider's own words are the two in the middle. */
typedef enum PartnerApiShut
{
	PARTNER_API_NOT_SHUT,
	PARTNER_API_SHUT_LANES,		/* as many in flight as may be */
	PARTNER_API_SHUT_RATE,		/* our own rate_limit */
	PARTNER_API_SHUT_QUOTA,		/* request_quota */
	PARTNER_API_SHUT_POLLS,		/* the part of it that is for polling */
	PARTNER_API_SHUT_RETRY_AFTER,
	PARTNER_API_SHUT_USED_UP,	/* the provider's rate limit */
	PARTNER_API_SHUT_BUSY,		/* 429 that says no more than that */
	PARTNER_API_SHUT_CIRCUIT,
	PARTNER_API_SHUT_REFUSED	/* the token is; see limits_refused.c */
} PartnerApiShut;

/* What the end of a request tells about the provider. */
typedef struct PartnerApiGateNews
{
	bool		reached;		/* it answered */
	bool		unreached;		/* no answer; neither: nothing is known */
	PartnerApiShut hold;		/* it asked to be left alone ... */
	int64		hold_us;		/* ... for so long; SHUT_BUSY names none */
} PartnerApiGateNews;

/* Times are of one monotonic clock, in microseconds. */
typedef struct PartnerApiGate
{
	int			in_flight;
	double		tokens;			/* of the rate; below zero: owed */
	int64		filled_at;		/* when tokens were counted; 0: never */
	PartnerApiWindow window;
	int64		held_until;
	PartnerApiShut held_by;
	int			busy;			/* answers in a row that named no time */
	PartnerApiCircuit circuit;
	int			failures;		/* in a row */
	int64		probe_at;
} PartnerApiGate;

extern int	partner_api_gate_room(PartnerApiGate *gate,
								  const PartnerApiGateRules *rules,
								  PartnerApiUrgency urgency, int64 now,
								  PartnerApiShut *shut, int64 *opens_at);
extern int	partner_api_gate_polls_left(const PartnerApiGate *gate,
										const PartnerApiGateRules *rules,
										int64 now);
extern void partner_api_gate_enter(PartnerApiGate *gate,
								   const PartnerApiGateRules *rules,
								   PartnerApiUrgency urgency, int64 now);
extern void partner_api_gate_again(PartnerApiGate *gate,
								   const PartnerApiGateRules *rules,
								   PartnerApiUrgency urgency, int64 now);
extern void partner_api_gate_back_out(PartnerApiGate *gate,
									  const PartnerApiGateRules *rules,
									  PartnerApiUrgency urgency, bool probe,
									  int64 now);
extern void partner_api_gate_leave(PartnerApiGate *gate);
extern bool partner_api_gate_learn(PartnerApiGate *gate,
								   const PartnerApiGateRules *rules,
								   const PartnerApiGateNews *news,
								   bool probe, int64 now);
extern void partner_api_gate_turn(PartnerApiGate *gate, int64 ahead);

#endif							/* PARTNER_API_GATE_H */
