/*-------------------------------------------------------------------------
 *
 * answers.h
 *	  What waiting calls are told of their action.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_ANSWERS_H
#define PARTNER_API_ANSWERS_H

#include "postgres.h"

#include "settle.h"
#include "slots.h"

extern PartnerApiAnswer *partner_api_answer_of_settlement(const PartnerApiSettlement *settlement);
extern PartnerApiAnswer *partner_api_answer_of_row(int row,
												   MemoryContext context);
extern PartnerApiAnswer *partner_api_answer_of_closed(int64 action_id);
extern PartnerApiAnswer *partner_api_answer_unconfirmed(void);

#endif							/* PARTNER_API_ANSWERS_H */
