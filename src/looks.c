/*-------------------------------------------------------------------------
 *
 * looks.c
 *	  Which looks begin, and which of them share a list.
 *
 * An outage leaves many outcomes unknown at once.  To read a provider's whole
 * list for each of them would take hours; so one reading settles all that an
 * account has due.  Where searching for each takes fewer requests than the
 * whole list, and a search is enough, they stay alone.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "due.h"
#include "mirror.h"
#include "transfers.h"
#include "utils/memutils.h"

/* Each row of a list is shown to all who share it. */
#define MOST_COMPANIONS 1000

/* Looks at one list of an account that are to begin. */
typedef struct Group
{
	PartnerApiAccount *account;
	PartnerApiList list;
	List	   *whole;			/* those that need the whole list */
	List	   *narrow;			/* those that a search is enough for */
} Group;

/* The group of a list of an account, made if there is none. */
static Group *
find_group(List **groups, PartnerApiAccount *account, PartnerApiList list)
{
	Group	   *group;
	ListCell   *lc;

	foreach(lc, *groups)
	{
		group = lfirst(lc);
		if (group->account == account && group->list == list)
			return group;
	}
	group = palloc0(sizeof(Group));
	group->account = account;
	group->list = list;
	*groups = lappend(*groups, group);
	return group;
}

/* Make a claim ready and put it into the group of its account. */
static void
add_to_group(List **groups, PartnerApiAccounts *accounts,
			 PartnerApiClaim *claim, TimestampTz now)
{
	PartnerApiTransfer *transfer = partner_api_transfer_prepare(accounts,
																claim);
	PartnerApiList list = partner_api_kind_traits(claim->kind)->list;
	Group	   *group = find_group(groups, transfer->account, list);

	if (transfer->account->error == NULL &&
		partner_api_look_needs_whole(claim, transfer->account->server, now))
		group->whole = lappend(group->whole, transfer);
	else
		group->narrow = lappend(group->narrow, transfer);
}

/*
 * Does the whole list take no more requests than one for each search?  By what
 * is known here of its length.
 */
static bool
whole_is_cheaper(const Group *group)
{
	int64		searches = list_length(group->narrow);
	int64		rows;

	if (partner_api_list_is_narrow(group->list) ||
		partner_api_list_is_searched(group->list) ||
		searches + list_length(group->whole) < 2)
		return false;
	rows = Max(searches, 1) * group->account->server->provider->page_rows;
	return partner_api_mirror_count(group->account->server_name,
									(int) rows + 1) <= rows;
}

/* What is due beyond the limit and settled by the same list joins it. */
static void
claim_companions(PartnerApiAccounts *accounts, MemoryContext parent,
				 PartnerApiTransfer *leader, TimestampTz now, bool any_kind)
{
	int			room = MOST_COMPANIONS - list_length(leader->companions);
	List	   *claims;
	ListCell   *lc;

	claims = partner_api_claim_more_looks(parent, leader->claim, now, room,
										  any_kind);
	foreach(lc, claims)
	{
		PartnerApiTransfer *companion =
		partner_api_transfer_prepare(accounts, lfirst(lc));
		MemoryContext before = MemoryContextSwitchTo(leader->claim->context);

		leader->companions = lappend(leader->companions, companion);
		MemoryContextSwitchTo(before);
	}
}

/* Let all of these be settled by one reading of the whole list. */
static PartnerApiTransfer *
share_list(const List *transfers)
{
	PartnerApiTransfer *leader = linitial(transfers);
	MemoryContext before = MemoryContextSwitchTo(leader->claim->context);

	leader->whole_list = true;
	leader->companions = list_delete_first(list_copy(transfers));
	MemoryContextSwitchTo(before);
	return leader;
}

/* The transfers of a group. */
static List *
transfers_of_group(Group *group, PartnerApiAccounts *accounts,
				   MemoryContext parent, TimestampTz now)
{
	PartnerApiTransfer *leader;
	bool		all_share;

	if (group->account->error != NULL)
		return group->narrow;
	all_share = whole_is_cheaper(group);
	if (!all_share && group->whole == NIL)
		return group->narrow;
	if (all_share)
	{
		group->whole = list_concat(group->whole, group->narrow);
		group->narrow = NIL;
	}
	leader = share_list(group->whole);
	claim_companions(accounts, parent, leader, now, all_share);
	return lappend(group->narrow, leader);
}

/*
 * Claim looks that are due, as at most "limit" transfers.  Each claim has a
 * context under "parent"; needs the claiming transaction.
 */
List *
partner_api_looks_claim(PartnerApiAccounts *accounts, MemoryContext parent,
						TimestampTz now, int limit)
{
	List	   *claims = partner_api_due_claim_looks(parent, now, limit);
	List	   *groups = NIL;
	List	   *transfers = NIL;
	ListCell   *lc;

	foreach(lc, claims)
		add_to_group(&groups, accounts, lfirst(lc), now);
	foreach(lc, groups)
		transfers = list_concat(transfers,
								transfers_of_group(lfirst(lc), accounts,
												   parent, now));
	return transfers;
}
