/*-------------------------------------------------------------------------
 *
 * guard.c
 *	  Keeps the extension from being dropped while a call is in flight.
 *
 * Dropping the table would forget a paid call whose answer is still to come.
 * One hook sees every way in which the table can be dropped: DROP EXTENSION,
 * DROP SCHEMA ... CASCADE, DROP OWNED.  It comes when all locks are taken, and
 * those may have to wait for a caller that waits for the worker; so another
 * refuses the plain commands before they lock anything.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "executor/tuptable.h"
#include "guard.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static object_access_hook_type previous_object_access = NULL;
static ProcessUtility_hook_type previous_utility = NULL;

/* Is this the table of open actions? */
static bool
is_pending_actions(Oid relation)
{
	char	   *name = get_rel_name(relation);
	Oid			namespace = get_namespace_oid("partner_api", true);

	return name != NULL && strcmp(name, "pending_actions") == 0 &&
		OidIsValid(namespace) &&
		get_rel_namespace(relation) == namespace &&
		get_rel_relkind(relation) == RELKIND_RELATION;
}

/* May this action have had an effect that is not recorded? */
static bool
state_is_in_flight(TupleTableSlot *slot, AttrNumber attribute)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attribute, &isnull);
	char	   *state;

	if (isnull)
		return false;
	state = TextDatumGetCString(value);
	return strcmp(state, "sending") == 0 || strcmp(state, "unknown") == 0;
}

/* How many actions may have had an effect that is not recorded yet? */
static int
count_in_flight(Oid table)
{
	Relation	relation = table_open(table, AccessShareLock);
	AttrNumber	attribute = get_attnum(table, "state");
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(relation, snapshot, 0, NULL);
	int			count = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		if (state_is_in_flight(slot, attribute))
			count++;
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, AccessShareLock);
	return count;
}

/* Raise ERROR if anything is in flight. */
static void
refuse_while_in_flight(Oid table)
{
	int			count = count_in_flight(table);

	if (count == 0)
		return;
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_IN_USE),
			errmsg("cannot drop extension \"partner_api\" while actions are in flight"),
			errdetail_plural("%d action is sending or unknown: its effect would be forgotten.",
							 "%d actions are sending or unknown: their effects would be forgotten.",
							 count, count),
			errhint("Wait until partner_api.pending_actions shows none in these states."));
}

/* The hook that comes when the table is about to go. */
static void
on_object_access(ObjectAccessType access, Oid class_id, Oid object_id,
				 int sub_id, void *arg)
{
	if (previous_object_access != NULL)
		previous_object_access(access, class_id, object_id, sub_id, arg);
	if (access == OAT_DROP && class_id == RelationRelationId && sub_id == 0 &&
		is_pending_actions(object_id))
		refuse_while_in_flight(object_id);
}

/* Does the command drop the extension, or its schema? */
static bool
drops_us(const Node *command)
{
	const DropStmt *drop = (const DropStmt *) command;
	ListCell   *lc;

	if (!IsA(command, DropStmt) ||
		(drop->removeType != OBJECT_EXTENSION &&
		 drop->removeType != OBJECT_SCHEMA))
		return false;
	foreach(lc, drop->objects)
	{
		if (strcmp(strVal(lfirst(lc)), "partner_api") == 0)
			return true;
	}
	return false;
}

/* The hook that comes before the command locks anything. */
static void
on_utility(PlannedStmt *statement, const char *query, bool read_only_tree,
		   ProcessUtilityContext context, ParamListInfo params,
		   QueryEnvironment *environment, DestReceiver *destination,
		   QueryCompletion *completion)
{
	if (IsTransactionState() && drops_us(statement->utilityStmt))
	{
		Oid			namespace = get_namespace_oid("partner_api", true);
		Oid			table = OidIsValid(namespace) ?
		get_relname_relid("pending_actions", namespace) : InvalidOid;

		if (OidIsValid(table))
			refuse_while_in_flight(table);
	}
	if (previous_utility != NULL)
		previous_utility(statement, query, read_only_tree, context, params,
						 environment, destination, completion);
	else
		standard_ProcessUtility(statement, query, read_only_tree, context,
								params, environment, destination, completion);
}

/* Install the hooks in this process; earlier ones are kept. */
void
partner_api_install_guard(void)
{
	previous_object_access = object_access_hook;
	object_access_hook = on_object_access;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = on_utility;
}
