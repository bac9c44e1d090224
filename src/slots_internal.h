/*-------------------------------------------------------------------------
 *
 * slots_internal.h
 *	  The slots as they lie in shared memory; for slots.c and slot_call.c.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_SLOTS_INTERNAL_H
#define PARTNER_API_SLOTS_INTERNAL_H

#include "postgres.h"

#include "shared.h"
#include "slots.h"
#include "storage/condition_variable.h"

#define PARTNER_API_SLOT_BYTES 16384

typedef enum SlotState
{
	SLOT_FREE,
	SLOT_ASKED,
	SLOT_TAKEN,
	SLOT_ABANDONED,
	SLOT_BOUND,
	SLOT_ANSWERED
} SlotState;

/* Protected by partner_api_shared->lock. */
typedef struct Slot
{
	SlotState	state;
	uint64		ticket;			/* of the request in it; never used again */
	Oid			database;
	int			process;		/* the caller's latch */
	int64		action_id;		/* 0 until the worker has recorded it */
	int			len;
	char		data[PARTNER_API_SLOT_BYTES];
} Slot;

typedef struct Slots
{
	ConditionVariable freed;
	uint64		asked;			/* requests so far */
	int			count;
	Slot		slots[FLEXIBLE_ARRAY_MEMBER];
} Slots;

extern Slots *partner_api_slots;

extern void partner_api_lock_slots(void);
extern void partner_api_unlock_slots(void);
extern void partner_api_slot_message(const Slot *slot, char *buffer,
									 StringInfo message);
extern void partner_api_slot_forget(Slot *slot);

#endif							/* PARTNER_API_SLOTS_INTERNAL_H */
