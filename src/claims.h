/*-------------------------------------------------------------------------
 *
 * claims.h
 *	  Claims: actions that the worker holds under a lease.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_CLAIMS_H
#define PARTNER_API_CLAIMS_H

#include "postgres.h"

#include "actions.h"
#include "datatype/timestamp.h"
#include "providers/provider.h"

/*
 * Whose right and mapping an action p is sent with; that before a delete has
 * those of the delete.
 */
#define PARTNER_API_SENDER(p) \
	" CASE WHEN " p ".automatic AND " p ".kind <> 'disconnect_instance' THEN (" \
	"  SELECT pg_catalog.pg_get_userbyid(f.srvowner)" \
	"    FROM pg_catalog.pg_foreign_server f" \
	"   WHERE f.srvname = " p ".server) ELSE " p ".requested_by END"

typedef enum PartnerApiPurpose
{
	PARTNER_API_SEND,			/* the request itself */
	PARTNER_API_LOOK			/* a listing that looks for its effect */
} PartnerApiPurpose;

/*
 * An action under the lease that the worker took.  It owns the memory context
 * that everything about the attempt lives in.  What goes to the provider is
 * UTF-8; server, role and status are in the database's encoding.
 */
typedef struct PartnerApiClaim
{
	MemoryContext context;
	PartnerApiPurpose purpose;
	int64		action_id;
	int64		lease;
	int			attempts;		/* this one included */
	PartnerApiKind kind;
	char	   *server;
	char	   *instance_id;	/* NULL: none */
	char	   *instance_token; /* NULL: none */
	char	   *instance_url;	/* as the provider told it; NULL: it did not */
	char	   *instance_status;	/* of the mirror row; NULL: none */
	bool		instance_unused;	/* surplus, and not connected */
	bool		delete_follows; /* a disconnect before a delete */
	char	   *arguments;		/* JSON, secrets replaced */
	json_t	   *secret_settings;	/* object; NULL: none */
	char	   *secret;			/* card data of a waiting call, JSON; it is
								 * overwritten with the claim at the latest */
	char	   *nonce;
	char	   *former_nonces;	/* separated by blanks; NULL: none */
	char	   *customer_ref;	/* NULL: none */
	char	   *role;
	TimestampTz deadline;		/* 0: none */
	TimestampTz sent_at;
	TimestampTz run_at;			/* when it fell due */
	int			looks;
	int			lost;			/* requests whose answer was lost */
	bool		automatic;
	bool		dry_run;		/* to be shown, never to be sent */
	json_t	   *tokens;			/* bulk actions: id -> token; looks for a
								 * subscription, and creates of a customer: by
								 * id, which are recorded as others' */
} PartnerApiClaim;

/* A place in the order (run_at, action_id) in which actions fall due. */
typedef struct PartnerApiPosition
{
	TimestampTz run_at;
	int64		action_id;
} PartnerApiPosition;

/* Which of a server's due actions to claim. */
typedef struct PartnerApiClaimScope
{
	const char *server;
	TimestampTz now;
	PartnerApiPosition after;	/* only what comes after it */
	int			limit;
	bool		with_deadline;	/* those that have one, or those that do not */
	TimestampTz latest_deadline;	/* DT_NOEND: any */
	bool		paid;			/* also what leads to a bill */
	Datum		roles;			/* name[]; 0: whoever asked for them */
	bool		roles_only;		/* of these roles, or of all others */
} PartnerApiClaimScope;

/* Actions that a worker which is gone left, with the leases they had. */
typedef struct PartnerApiOrphans
{
	Datum		action_ids;		/* bigint[] */
	Datum		leases;			/* bigint[] */
} PartnerApiOrphans;

extern List *partner_api_claim_due(MemoryContext parent,
								   const PartnerApiClaimScope *scope);
extern void partner_api_claims_put_back(const List *claims);
extern void partner_api_looks_put_back(const List *claims, TimestampTz until);
extern List *partner_api_claim_looks(MemoryContext parent, TimestampTz now,
									 int limit);
extern List *partner_api_claim_more_looks(MemoryContext parent,
										  const PartnerApiClaim *leader,
										  TimestampTz now, int limit,
										  bool any_kind);
extern PartnerApiClaim *partner_api_claim_action(MemoryContext parent,
												 int64 action_id,
												 TimestampTz now);
extern bool partner_api_action_has_to_wait(const PartnerApiNewAction *action,
										   TimestampTz now);
extern int	partner_api_claim_orphans(TimestampTz now,
									  const PartnerApiOrphans *among);
extern bool partner_api_list_orphans(MemoryContext context,
									 PartnerApiOrphans *orphans);
extern TimestampTz partner_api_next_due(TimestampTz now);

#endif							/* PARTNER_API_CLAIMS_H */
