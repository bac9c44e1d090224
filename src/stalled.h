/*-------------------------------------------------------------------------
 *
 * stalled.h
 *	  Actions of which nobody knows how long they will wait.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_STALLED_H
#define PARTNER_API_STALLED_H

#include "postgres.h"

#include "accounts.h"
#include "slots.h"

extern bool partner_api_is_stalled(PartnerApiAccounts *accounts,
								   const char *server, PartnerApiKind kind,
								   const char *role, PartnerApiAnswer *answer);
extern PartnerApiAnswer *partner_api_answer_of_stalled(PartnerApiAccounts *accounts,
													   int64 action_id);

#endif							/* PARTNER_API_STALLED_H */
