/*-------------------------------------------------------------------------
 *
 * runner.c
 *	  The process of one run of a routine.
 *
 * A routine may call a provider and take minutes, so it has a process of its
 * own, connected as the role that it belongs to: it can do what that role
 * can, under the settings of that role, and no more.  Its command is run as a
 * session would run it, so that a procedure may commit and VACUUM is
 * possible; several statements are one transaction.
 *
 * How it went is told in shared memory (runs.c) and recorded by the worker:
 * this session may be left in any state, or may be gone.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "owner.h"
#include "parser/analyze.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "runner.h"
#include "runs.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
/* last: what it wraps depends on what is known already */
#include "compat.h"

static emit_log_hook_type previous_emit_log = NULL;
static int64 run_number = 0;

/* ---- telling how it went ---- */

/* Exit callback. */
static void
end_run(int code, Datum arg)
{
	partner_api_run_end(run_number);
}

/*
 * The hook that sees what goes to the log: what ends the process, such as a
 * role that must not connect or an administrator, is the reason.
 */
static void
on_emit_log(ErrorData *error)
{
	if (error->elevel == FATAL && error->message != NULL)
		partner_api_run_tell(run_number, false, error->message);
	if (previous_emit_log != NULL)
		previous_emit_log(error);
}

/* Log an error that the command has raised, and tell of it. */
static void
tell_error(MemoryContext context)
{
	ErrorData  *error;
	StringInfoData message;

	MemoryContextSwitchTo(context);
	HOLD_INTERRUPTS();
	disable_all_timeouts(false);
	EmitErrorReport();
	error = CopyErrorData();
	FlushErrorState();
	AbortCurrentTransaction();
	RESUME_INTERRUPTS();

	MemoryContextSwitchTo(context);
	initStringInfo(&message);
	appendStringInfoString(&message, error->message);
	if (error->detail != NULL)
		appendStringInfo(&message, "; %s", error->detail);
	partner_api_run_tell(run_number, false, message.data);
}

/* ---- running the command ---- */

/*
 * Parse trees and plans outlive the transaction in which they are made: a
 * procedure may end it.
 */
static Portal
open_portal(RawStmt *statement, const char *command)
{
	CommandTag	tag = CreateCommandTag(statement->stmt);
	bool		needs_snapshot = analyze_requires_snapshot(statement);
	List	   *plans;
	Portal		portal;

	if (needs_snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	plans = pg_analyze_and_rewrite_fixedparams(statement, command, NULL, 0,
											   NULL);
	plans = pg_plan_queries(plans, command, CURSOR_OPT_PARALLEL_OK, NULL);
	if (needs_snapshot)
		PopActiveSnapshot();
	portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, NULL, command, tag, plans, NULL);
	PortalStart(portal, NULL, 0, InvalidSnapshot);
	return portal;
}

/* Run one statement of the command, which is the only one if "alone". */
static void
run_statement(RawStmt *statement, const char *command, bool alone,
			  MemoryContext context)
{
	MemoryContext before;
	DestReceiver *receiver;
	QueryCompletion completion;
	Portal		portal;

	if (IsA(statement->stmt, TransactionStmt))
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("a routine cannot begin or end transactions"),
				errhint("Call a procedure that does."));
	before = MemoryContextSwitchTo(context);
	portal = open_portal(statement, command);
	receiver = CreateDestReceiver(DestNone);
	MemoryContextSwitchTo(before);
	(void) partner_api_portal_run_compat(portal, alone, receiver,
										 &completion);
	receiver->rDestroy(receiver);
	PortalDrop(portal, false);
	CommandCounterIncrement();
}

/* Run the statements of the command, and commit. */
static void
run_statements(const char *command, MemoryContext context)
{
	MemoryContext before = MemoryContextSwitchTo(context);
	List	   *statements = pg_parse_query(command);
	ListCell   *lc;

	MemoryContextSwitchTo(before);
	if (log_statement == LOGSTMT_ALL)
		ereport(LOG,
				errmsg("statement: %s", command),
				errhidestmt(true));
	foreach(lc, statements)
	{
		CHECK_FOR_INTERRUPTS();
		run_statement(lfirst(lc), command, list_length(statements) == 1,
					  context);
	}
	CommitTransactionCommand();
}

/* Run the command under the role's time limit, and tell how it went. */
static void
run_command(const char *command, MemoryContext context)
{
	SetCurrentStatementStartTimestamp();
	debug_query_string = command;
	pgstat_report_activity(STATE_RUNNING, command);
	PG_TRY();
	{
		StartTransactionCommand();
		if (StatementTimeout > 0)
			enable_timeout_after(STATEMENT_TIMEOUT, StatementTimeout);
		run_statements(command, context);
		disable_timeout(STATEMENT_TIMEOUT, false);
		partner_api_run_tell(run_number, true, "");
	}
	PG_CATCH();
	{
		tell_error(context);
	}
	PG_END_TRY();
	debug_query_string = NULL;
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* ---- the process ---- */

/*
 * The command and the name of a routine, in the current context; NULL if it
 * was removed, or passed to another role, since the run was ordered.
 */
static char *
read_routine(const PartnerApiRun *run, char **name)
{
	static const Oid types[] = {INT8OID, TEXTOID};
	static PartnerApiStatement statement = {
		"SELECT command, jobname FROM partner_api.routines"
		" WHERE jobid = $1 AND username = $2", 2, types, NULL
	};
	MemoryContext before = CurrentMemoryContext;
	PartnerApiOwnerScope scope;
	char	   *command = NULL;
	Datum		values[2];

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	values[0] = Int64GetDatum(run->jobid);
	values[1] = CStringGetTextDatum(GetUserNameFromId(run->role, false));
	partner_api_owner_begin(&scope);
	if (partner_api_execute(&statement, values, NULL, SPI_OK_SELECT) > 0)
	{
		command = MemoryContextStrdup(before, partner_api_field_text(0, 1));
		*name = MemoryContextStrdup(before, partner_api_field_text(0, 2));
	}
	partner_api_owner_end(&scope);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(before);
	return command;
}

/* Entry point; the argument is the number of the run. */
void
partner_api_runner_main(Datum number)
{
	MemoryContext context;
	PartnerApiRun run;
	char	   *name;
	char	   *command;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	run_number = DatumGetInt64(number);
	if (!partner_api_run_begin(run_number, &run))
		proc_exit(0);
	before_shmem_exit(end_run, (Datum) 0);
	previous_emit_log = emit_log_hook;
	emit_log_hook = on_emit_log;
	BackgroundWorkerInitializeConnectionByOid(run.database, run.role, 0);

	context = AllocSetContextCreate(TopMemoryContext, "partner_api run",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	command = read_routine(&run, &name);
	if (command == NULL)
	{
		partner_api_run_tell(run_number, false,
							 "it was changed before it could run");
		proc_exit(0);
	}
	SetConfigOption("application_name",
					psprintf("partner_api routine %s", name), PGC_USERSET,
					PGC_S_SESSION);
	run_command(command, context);
	proc_exit(0);
}
