/*-------------------------------------------------------------------------
 *
 * actions.h
 *	  Actions as rows: how one comes to be.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_ACTIONS_H
#define PARTNER_API_ACTIONS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "providers/provider.h"
#include "servers.h"

/* A setting of instances that is a secret, whatever the provider. */
#define PARTNER_API_SECRET_SETTING "webhookUrlToken"

/* An action that is wanted but not recorded yet; text is palloc'd. */
typedef struct PartnerApiNewAction
{
	PartnerApiKind kind;
	Oid			role;			/* acts with its right and mapping */
	char	   *server;
	char	   *instance_id;	/* NULL: none */
	char	   *arguments;		/* JSON object, database encoding */
	char	   *secret;			/* card data: JSON object, UTF-8, never
								 * stored; NULL: none */
	char	   *customer_ref;	/* NULL: none */
	char	   *idempotency_key;	/* NULL: none */
	bool		has_run_at;		/* otherwise now */
	TimestampTz run_at;
	bool		has_deadline;
	TimestampTz deadline;
	bool		dry_run;		/* to be shown, never to be sent */
} PartnerApiNewAction;

typedef struct PartnerApiEnqueued
{
	int64		action_id;
	bool		existed;		/* the idempotency key named it */
	bool		is_preceded;	/* by another of ours, which is sent first */
} PartnerApiEnqueued;

extern void partner_api_action_check_supported(const PartnerApiServer *server,
											   PartnerApiKind kind);
extern json_t *partner_api_action_check_arguments(const PartnerApiProvider *provider,
												  const PartnerApiNewAction *action);
extern PartnerApiServer *partner_api_action_check(PartnerApiNewAction *action);
extern int64 partner_api_action_find(const PartnerApiNewAction *action);
extern char *partner_api_make_nonce(int64 action_id);
extern PartnerApiEnqueued partner_api_action_enqueue(const PartnerApiNewAction *action);

#endif							/* PARTNER_API_ACTIONS_H */
