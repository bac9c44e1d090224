/*-------------------------------------------------------------------------
 *
 * transfers.h
 *	  Transfers: claims on the wire.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_TRANSFERS_H
#define PARTNER_API_TRANSFERS_H

#include "postgres.h"

#include "accounts.h"
#include "claims.h"
#include "http.h"
#include "lib/ilist.h"
#include "policy.h"
#include "settle.h"

/* One claim on the wire; lives in the claim's context. */
typedef struct PartnerApiTransfer
{
	dlist_node	node;			/* among those in flight */
	PartnerApiClaim *claim;
	PartnerApiAccount *account;
	PartnerApiPermit permit;	/* its place among those of the credential */
	MemoryContextCallback release;	/* gives that back */
	json_t	   *arguments;
	TimestampTz started_at;		/* by our clock */
	int64		started_us;		/* monotonic */
	bool		elsewhere;		/* to a host of the instance's own */
	struct PartnerApiSearch *search;	/* for what it would make; NULL: none,
										 * or over */
	const char *found_as;		/* event: it was there already; or NULL */
	/* looks only: */
	struct PartnerApiLook *look;	/* the list as it is read */
	struct PartnerApiSighting *sighting;	/* what it shows of this action */
	bool		whole_list;		/* read it without a filter */
	List	   *companions;		/* settled by the same list */
} PartnerApiTransfer;

/* transfers.c */
extern void partner_api_transfers_init(PartnerApiHttp *http);
extern PartnerApiTransfer *partner_api_transfer_prepare(PartnerApiAccounts *accounts,
														PartnerApiClaim *claim);
extern List *partner_api_transfer_start(PartnerApiTransfer *transfer,
										TimestampTz now);
extern List *partner_api_transfer_finish(PartnerApiCall *call,
										 TimestampTz now);
extern int	partner_api_transfers_count(const char *server,
										PartnerApiPurpose purpose);
extern int	partner_api_transfers_total(void);
extern bool partner_api_transfer_in_flight(int64 action_id);
extern void partner_api_transfer_parse(PartnerApiTransfer *transfer);
extern void partner_api_transfer_keep(PartnerApiTransfer *transfer,
									  MemoryContext parent);
extern void partner_api_transfer_action(const PartnerApiTransfer *transfer,
										PartnerApiAction *action);
extern List *partner_api_transfer_secrets(const PartnerApiTransfer *transfer);
extern PartnerApiSettlement *partner_api_settlement_new(const PartnerApiTransfer *transfer,
														const PartnerApiNextStep *next,
														TimestampTz now);
extern void partner_api_transfer_request(PartnerApiTransfer *transfer,
										 MemoryContext owner,
										 const PartnerApiRequest *request,
										 bool mutating);

/* searches.c */

/* What a page of a search has shown. */
typedef enum PartnerApiFound
{
	PARTNER_API_FOUND_MORE,		/* there are more pages */
	PARTNER_API_FOUND_NOTHING,	/* what is to be made is not there */
	PARTNER_API_FOUND_OUT		/* it is there, or nobody knows */
} PartnerApiFound;

extern bool partner_api_search_start(PartnerApiTransfer *transfer);
extern PartnerApiFound partner_api_search_page(PartnerApiTransfer *transfer,
											   const PartnerApiResponse *response,
											   PartnerApiVerdict *verdict);

/* unsent.c */
extern const char *partner_api_why_obsolete(const PartnerApiClaim *claim);
extern List *partner_api_settle_local_failures(const PartnerApiTransfer *transfer,
											   const ErrorData *error,
											   bool give_up, TimestampTz now);
extern List *partner_api_settle_unread(const PartnerApiTransfer *transfer,
									   const ErrorData *error,
									   TimestampTz now);
extern PartnerApiSettlement *partner_api_settle_unsent(const PartnerApiTransfer *transfer,
													   const char *state,
													   const char *why,
													   TimestampTz now);

/* outcome.c */
extern void partner_api_outcome_describe(const PartnerApiTransfer *transfer,
										 const PartnerApiVerdict *verdict,
										 int64 provider_skew_us,
										 PartnerApiSettlement *settlement);

extern TimestampTz partner_api_outcome_await_until(const PartnerApiTransfer *transfer);
extern void partner_api_verdict_consider(const PartnerApiTransfer *transfer,
										 TimestampTz now,
										 PartnerApiVerdict *verdict);
extern void partner_api_outcome_unready(const PartnerApiTransfer *transfer,
										const PartnerApiVerdict *verdict,
										PartnerApiSettlement *settlement);

/* resolver.c */
extern void partner_api_transfer_page(PartnerApiTransfer *transfer,
									  const PartnerApiFilter *filter,
									  int page, MemoryContext *context);
extern void partner_api_look_start(PartnerApiTransfer *transfer);
extern List *partner_api_look_page(PartnerApiTransfer *transfer,
								   const PartnerApiResponse *response,
								   TimestampTz now);

/* looks.c */
extern List *partner_api_looks_claim(PartnerApiAccounts *accounts,
									 MemoryContext parent, TimestampTz now,
									 int limit);

#endif							/* PARTNER_API_TRANSFERS_H */
