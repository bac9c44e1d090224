/*-------------------------------------------------------------------------
 *
 * caps.h
 *	  Caps and quotas: is there room for one more?
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_CAPS_H
#define PARTNER_API_CAPS_H

#include "postgres.h"

#include "actions.h"
#include "servers.h"

/* Which open actions count besides what exists. */
typedef enum PartnerApiCapScope
{
	PARTNER_API_CAP_SENT,		/* those that may have had their effect */
	PARTNER_API_CAP_DUE,		/* and those that are about to be sent */
	PARTNER_API_CAP_WANTED		/* and those for later, or held */
} PartnerApiCapScope;

/* Why there is no room; text in the database's encoding. */
typedef struct PartnerApiCapRefusal
{
	PartnerApiCap cap;
	const char *held_for;		/* as the table has it */
	char	   *message;
	char	   *detail;
	char	   *hint;
} PartnerApiCapRefusal;

extern bool partner_api_begins_billing(const PartnerApiServer *server,
									   PartnerApiKind kind);
extern bool partner_api_caps_concern(const PartnerApiServer *server,
									 PartnerApiKind kind);
extern PartnerApiCapRefusal *partner_api_caps_refusal(const PartnerApiServer *server,
													  PartnerApiKind kind,
													  PartnerApiCapScope scope,
													  int apart);
extern void partner_api_caps_take(const PartnerApiServer *server,
								  PartnerApiKind kind,
								  PartnerApiCapScope scope);
extern int	partner_api_caps_room(const PartnerApiServer *server,
								  PartnerApiKind kind, int most);
extern void partner_api_caps_check(PartnerApiServer *server,
								   const PartnerApiNewAction *action);
extern void partner_api_caps_watch(const PartnerApiServer *server,
								   PartnerApiKind kind, int apart);
extern int64 partner_api_cycle_cost(const PartnerApiServer *server);
extern void partner_api_caps_forget(void);

#endif							/* PARTNER_API_CAPS_H */
