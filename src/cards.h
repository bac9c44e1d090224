/*-------------------------------------------------------------------------
 *
 * cards.h
 *	  Card data: from the call to the one request that carries it.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_CARDS_H
#define PARTNER_API_CARDS_H

#include "postgres.h"

#include "actions.h"
#include "claims.h"
#include "nodes/pg_list.h"
#include "policy.h"
#include "slots.h"
#include "utils/jsonb.h"

/* the call's side */
extern void partner_api_card_take(PartnerApiNewAction *action,
								  json_t *arguments, Jsonb *card);
extern void partner_api_card_forget(PartnerApiNewAction *action);
extern json_t *partner_api_card_parse(const char *secret);

/* the worker's side */
extern void partner_api_card_check_goes(const PartnerApiNewAction *action,
										const PartnerApiAnswer *answer);
extern json_t *partner_api_card_of(const PartnerApiClaim *claim,
								   const json_t *arguments);
extern json_t *partner_api_card_masked(const json_t *arguments);
extern List *partner_api_card_texts(const PartnerApiClaim *claim);
extern void partner_api_card_mask_answer(const PartnerApiClaim *claim,
										 char *body, size_t len);
extern bool partner_api_card_was_last(const PartnerApiClaim *claim,
									  const json_t *arguments,
									  PartnerApiNextStep *next);
extern char *partner_api_card_gone_words(const char *error);

#endif							/* PARTNER_API_CARDS_H */
