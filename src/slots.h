/*-------------------------------------------------------------------------
 *
 * slots.h
 *	  Waiting calls: how a backend hands an action to the worker and gets its
 *	  outcome back.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_SLOTS_H
#define PARTNER_API_SLOTS_H

#include "postgres.h"

#include "actions.h"
#include "lib/stringinfo.h"

/* What a waiting call is told; text is palloc'd. */
typedef struct PartnerApiAnswer
{
	int64		action_id;		/* 0: no action was made */
	int			sqlstate;		/* 0: done */
	char	   *message;
	char	   *detail;
	char	   *hint;
	char	   *result;			/* JSON, when done */
} PartnerApiAnswer;

/* One request in one slot. */
typedef struct PartnerApiTicket
{
	int			slot;
	uint64		number;
} PartnerApiTicket;

/* slot_message.c */
extern void partner_api_put_action(StringInfo message,
								   const PartnerApiNewAction *action);
extern PartnerApiNewAction *partner_api_get_action(StringInfo message);
extern void partner_api_put_answer(StringInfo message,
								   const PartnerApiAnswer *answer);
extern PartnerApiAnswer *partner_api_get_answer(StringInfo message);

/* slots.c */
extern Size partner_api_slots_size(void);
extern void partner_api_slots_startup(void);

/* the backend's side */
extern PartnerApiAnswer *partner_api_slot_call(const PartnerApiNewAction *action);

/* the worker's side */
extern int	partner_api_slot_count(void);
extern PartnerApiNewAction *partner_api_slot_peek(int slot,
												  PartnerApiTicket *ticket);
extern bool partner_api_slot_take(const PartnerApiTicket *ticket);
extern void partner_api_slot_untake(const PartnerApiTicket *ticket);
extern void partner_api_slot_committed(const PartnerApiTicket *ticket);
extern void partner_api_slot_bind(const PartnerApiTicket *ticket,
								  int64 action_id);
extern void partner_api_slot_answer(const PartnerApiTicket *ticket,
									const PartnerApiAnswer *answer);
extern void partner_api_slots_refuse_all(const PartnerApiAnswer *answer);
extern void partner_api_slots_answer_action(const PartnerApiAnswer *answer);
extern int64 partner_api_slot_action(int slot);
extern bool partner_api_slot_waits_for(int64 action_id);
extern void partner_api_slots_orphaned(void);

#endif							/* PARTNER_API_SLOTS_H */
