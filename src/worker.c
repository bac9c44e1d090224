/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  The worker of one database: the only sender of what changes anything.
 *
 * It sleeps until the next due time, a commit that enqueued something, a
 * waiting call, or a socket.  A pass writes down what has finished, claims
 * what can be sent now, and commits once; then the claims go on the wire.
 * So intents are flushed before they are sent, verdicts share a commit with
 * the next claims, and no transaction is open while a request is on the wire.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "clock.h"
#include "commands/extension.h"
#include "http.h"
#include "launcher.h"
#include "mirror.h"
#include "miscadmin.h"
#include "owner.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "servers.h"
#include "settings.h"
#include "shared.h"
#include "slots.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "subtransaction.h"
#include "tcop/tcopprot.h"
#include "transfers.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* COMMIT PREPARED wakes nobody, and a lock that is released neither. */
#define SAFETY_PASS_MS 10000
/* While requests are in flight, the latch is looked at this often. */
#define POLL_SLICE_MS 1
/* A pass that fails is tried again after this, doubling up to the last. */
#define FIRST_FAILURE_PAUSE_MS 100
#define LAST_FAILURE_PAUSE_MS 10000
/* Looks are reads: they share the connections but not a server's lanes. */
#define MOST_LOOKS 16
/* Time without pauses that makes a worker's end an accident. */
#define QUICK_END_US (60 * USECS_PER_SEC)

static PartnerApiWorkerEntry *entry;
static PartnerApiHttp *http;
static PartnerApiAccounts accounts;
static MemoryContext pass_context;	/* reset before each pass */
static MemoryContext claims_context;	/* parent of all claims */
static List *settled = NIL;		/* settlements that are to be written */
static TimestampTz next_due = DT_NOBEGIN;	/* by our clock */
static TimestampTz last_time_pass = DT_NOBEGIN; /* by the real clock */
static int64 clock_ahead = 0;	/* as of the last pass */

/*
 * The pass that is running, or that failed.  Its transfers outlive a failure
 * after the commit: they are claimed, so they must be sent or settled.
 */
typedef struct Pass
{
	TimestampTz now;
	bool		committed;
	List	   *transfers;		/* to be started; in claims_context */
	List	   *answers;		/* for waiting calls */
} Pass;

static Pass pass;

/* ---- the worker's place in shared memory ---- */

static void
detach_worker(int code, Datum arg)
{
	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
	if (entry->state == PARTNER_API_WORKER_RUNNING &&
		entry->exit != PARTNER_API_EXIT_NO_EXTENSION)
	{
		bool		quick = GetCurrentTimestamp() - entry->started_at < QUICK_END_US;

		entry->exit = PARTNER_API_EXIT_ENDED;
		entry->quick_ends = quick ? entry->quick_ends + 1 : 0;
	}
	entry->state = PARTNER_API_WORKER_STOPPED;
	entry->process = PARTNER_API_NO_PROCESS;
	entry->pid = 0;
	entry->in_flight = 0;
	entry->ended_at = GetCurrentTimestamp();
	LWLockRelease(partner_api_shared->lock);
	partner_api_wake_process(partner_api_shared->launcher);
}

static void
attach_worker(void)
{
	LWLockAcquire(partner_api_shared->lock, LW_EXCLUSIVE);
	entry->state = PARTNER_API_WORKER_RUNNING;
	entry->exit = PARTNER_API_EXIT_NONE;
	entry->database_oid = MyDatabaseId;
	entry->process = MyProc->pgprocno;
	entry->pid = MyProcPid;
	entry->starts++;
	entry->started_at = GetCurrentTimestamp();
	LWLockRelease(partner_api_shared->lock);
}

/* Tell how it goes; a torn read of a counter does no harm. */
static void
report_state(void)
{
	int			in_flight = partner_api_transfers_total();

	entry->in_flight = in_flight;
	if (in_flight > 0)
	{
		char		activity[64];

		snprintf(activity, sizeof(activity), "%d requests in flight",
				 in_flight);
		pgstat_report_activity(STATE_RUNNING, activity);
	}
	else
		pgstat_report_activity(STATE_IDLE, "waiting for actions");
}

/* ---- writing down what has finished ---- */

static void
settle_group(void *group)
{
	partner_api_settle((List *) group, partner_api_clock_now());
}

/*
 * Write all settlements; if the group fails, one by one, so that a row that
 * cannot be written now holds up nobody else.  Returns those written.
 */
static List *
write_settled(void)
{
	List	   *written = NIL;
	ListCell   *lc;

	if (settled == NIL)
		return NIL;
	if (partner_api_try(settle_group, settled) == NULL)
		return list_copy(settled);
	foreach(lc, settled)
	{
		ErrorData  *error = partner_api_try(settle_group,
											list_make1(lfirst(lc)));

		if (error == NULL)
			written = lappend(written, lfirst(lc));
		else
			strlcpy(entry->last_error, error->message,
					sizeof(entry->last_error));
	}
	return written;
}

/* What a waiting call is told; NULL while the action goes on. */
static PartnerApiAnswer *
make_answer(const PartnerApiSettlement *settlement)
{
	PartnerApiAnswer *answer;

	if (strcmp(settlement->state, "waiting") == 0)
		return NULL;
	answer = palloc0(sizeof(PartnerApiAnswer));
	answer->action_id = settlement->action_id;
	if (strcmp(settlement->state, "done") == 0)
	{
		answer->result = settlement->result;
		return answer;
	}
	answer->sqlstate = settlement->sqlstate != 0 ? settlement->sqlstate :
		ERRCODE_EXTERNAL_ROUTINE_EXCEPTION;
	answer->message = psprintf("%s at server \"%s\" is %s",
							   partner_api_kind_name(settlement->claim->kind),
							   settlement->claim->server, settlement->state);
	answer->detail = psprintf("Action " INT64_FORMAT ": %s.",
							  settlement->action_id, settlement->error);
	answer->hint = unconstify(char *, settlement->hint);
	return answer;
}

static List *
make_answers(const List *written)
{
	List	   *answers = NIL;
	ListCell   *lc;

	foreach(lc, written)
	{
		PartnerApiAnswer *answer = make_answer(lfirst(lc));

		if (answer != NULL)
			answers = lappend(answers, answer);
	}
	return answers;
}

/* After the commit: what was written needs no memory any more. */
static void
forget(const List *written)
{
	ListCell   *lc;

	foreach(lc, written)
	{
		PartnerApiSettlement *settlement = lfirst(lc);

		if (!settlement->recorded)
			ereport(LOG,
					errcode(ERRCODE_WARNING),
					errmsg("partner_api action " INT64_FORMAT " was settled under another lease",
						   settlement->action_id));
		settled = list_delete_ptr(settled, settlement);
		MemoryContextDelete(settlement->claim->context);
	}
}

/* ---- claiming ---- */

static void
prepare_claims(const List *claims)
{
	ListCell   *lc;

	foreach(lc, claims)
	{
		PartnerApiTransfer *transfer = partner_api_transfer_prepare(&accounts,
																	lfirst(lc));
		MemoryContext before = MemoryContextSwitchTo(claims_context);

		pass.transfers = lappend(pass.transfers, transfer);
		MemoryContextSwitchTo(before);
	}
}

/* Transfers that will be in flight to a server after this pass. */
static int
server_load(const char *server)
{
	int			load = partner_api_transfers_count(server);
	ListCell   *lc;

	foreach(lc, pass.transfers)
	{
		PartnerApiTransfer *transfer = lfirst(lc);

		if (strcmp(transfer->claim->server, server) == 0)
			load++;
	}
	return load;
}

/* Connections that are left for this pass. */
static int
connections_left(void)
{
	return partner_api_max_connections - partner_api_transfers_total() -
		list_length(pass.transfers);
}

/* Lanes that are left to a server; one is kept for deadlines. */
static int
lanes_left(const char *server, bool with_deadline)
{
	int			lanes = partner_api_server_lanes(server);

	if (!with_deadline && lanes > 1)
		lanes--;
	return Min(lanes - server_load(server), connections_left());
}

static void
claim_for_server(const char *server)
{
	for (int i = 0; i < 2; i++)
	{
		bool		with_deadline = (i == 0);
		List	   *claims;

		claims = partner_api_claim_due(claims_context, server, pass.now,
									   lanes_left(server, with_deadline),
									   with_deadline);
		partner_api_settle_jumped_signs(claims, pass.now);
		prepare_claims(claims);
	}
}

/* ---- waiting calls ---- */

/* A request from a slot on its way to becoming a claim. */
typedef struct SlotClaim
{
	int			slot;
	PartnerApiNewAction *action;
	TimestampTz now;
	PartnerApiClaim *claim;		/* NULL: there was an earlier action */
	PartnerApiAnswer *answer;	/* how that one went, if it is closed */
} SlotClaim;

static void
record_slot(void *arg)
{
	SlotClaim  *slot = arg;
	PartnerApiEnqueued enqueued = partner_api_action_enqueue(slot->action);

	partner_api_slot_bind(slot->slot, enqueued.action_id);
	if (enqueued.existed)
		slot->answer = partner_api_answer_of_closed(enqueued.action_id);
	else
	{
		slot->claim = partner_api_claim_action(claims_context,
											   enqueued.action_id, slot->now);
		partner_api_settle_jumped_signs(list_make1(slot->claim), slot->now);
	}
}

/* Tell the caller that its request could not be recorded. */
static void
refuse_slot(int slot, const ErrorData *error)
{
	PartnerApiAnswer answer = {0};

	answer.sqlstate = error->sqlerrcode;
	answer.message = error->message;
	answer.detail = error->detail;
	answer.hint = error->hint;
	partner_api_slot_answer(slot, &answer);
}

/* Take the request of a slot if it can be sent now. */
static void
serve_slot(int index)
{
	SlotClaim	slot = {.slot = index,.now = pass.now};
	ErrorData  *error;

	slot.action = partner_api_slot_peek(index);
	if (slot.action == NULL ||
		lanes_left(slot.action->server, false) <= 0 ||
		partner_api_instance_is_busy(slot.action->server,
									 slot.action->instance_id,
									 slot.action->kind, pass.now) ||
		!partner_api_slot_take(index))
		return;
	error = partner_api_try(record_slot, &slot);
	if (error != NULL)
		refuse_slot(index, error);
	else if (slot.claim != NULL)
		prepare_claims(list_make1(slot.claim));
	else if (slot.answer != NULL)
		pass.answers = lappend(pass.answers, slot.answer);
}

/* ---- one pass ---- */

/* Has a due time come, has the clock been turned, or is it time to be safe? */
static bool
time_has_passed(int64 ahead_before)
{
	return pass.now >= next_due || clock_ahead != ahead_before ||
		GetCurrentTimestamp() - last_time_pass >= SAFETY_PASS_MS * INT64CONST(1000);
}

/* What time brings: deadlines, lapsed trials, ended services. */
static void
pass_time(void)
{
	pass.answers = list_concat(pass.answers,
							   partner_api_settle_deadlines(pass.now));
	partner_api_mirror_pass_time(pass.now);
	partner_api_mirror_apply_backlog();
	partner_api_note_unsendable();
	last_time_pass = GetCurrentTimestamp();
}

static void
claim_work(void)
{
	ListCell   *lc;
	int			looks;

	for (int i = 0; i < partner_api_slot_count(); i++)
		serve_slot(i);
	foreach(lc, partner_api_server_names())
		claim_for_server(lfirst(lc));
	looks = Min(MOST_LOOKS, connections_left());
	prepare_claims(partner_api_claim_looks(claims_context, pass.now,
												 looks));
}

/* The extension may have been dropped since: then this worker is done. */
static void
require_extension(void)
{
	if (OidIsValid(get_extension_oid("partner_api", true)))
		return;
	entry->exit = PARTNER_API_EXIT_NO_EXTENSION;
	proc_exit(0);
}

static void
begin_pass(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(pass_context);
	require_extension();
	pass.committed = false;
	pass.answers = NIL;
	clock_ahead = partner_api_clock_ahead();
	pass.now = partner_api_clock_now();
}

static void
end_pass(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pass.committed = true;
	MemoryContextSwitchTo(pass_context);
}

/* A settlement that is to be written by the next pass. */
static void
keep_settlement(PartnerApiSettlement *settlement)
{
	MemoryContext before = MemoryContextSwitchTo(claims_context);

	settled = lappend(settled, settlement);
	MemoryContextSwitchTo(before);
}

/* Put on the wire what was claimed; what cannot be is settled next. */
static void
start_transfers(void)
{
	while (pass.transfers != NIL)
	{
		PartnerApiTransfer *transfer = linitial(pass.transfers);
		PartnerApiSettlement *settlement;

		pass.transfers = list_delete_first(pass.transfers);
		settlement = partner_api_transfer_start(transfer, pass.now);
		if (settlement != NULL)
			keep_settlement(settlement);
		else
			entry->requests++;
	}
}

/* Claims that were not committed were never made. */
static void
discard_transfers(void)
{
	while (pass.transfers != NIL)
	{
		PartnerApiTransfer *transfer = linitial(pass.transfers);

		pass.transfers = list_delete_first(pass.transfers);
		MemoryContextDelete(transfer->claim->context);
	}
}

static void
answer_calls(void)
{
	ListCell   *lc;

	foreach(lc, pass.answers)
		partner_api_slots_answer_action(lfirst(lc));
}

/* One pass: write down, claim, commit, send. */
static void
do_pass(void)
{
	List	   *written;
	int64		ahead_before = clock_ahead;

	begin_pass();
	written = write_settled();
	pass.answers = make_answers(written);
	if (time_has_passed(ahead_before))
		pass_time();
	if (partner_api_enabled)
		claim_work();
	next_due = partner_api_next_due(pass.now);
	end_pass();

	answer_calls();
	forget(written);
	start_transfers();
	partner_api_accounts_end_pass(&accounts);
	entry->passes++;
	entry->last_pass_at = GetCurrentTimestamp();
	pgstat_report_stat(false);
	report_state();
}

/* ---- the loop ---- */

/* Take in what has finished since; returns whether anything has. */
static bool
take_finished(void)
{
	PartnerApiCall *call;
	bool		any = false;

	while ((call = partner_api_http_next_finished(http)) != NULL)
	{
		PartnerApiSettlement *settlement =
			partner_api_transfer_finish(call,
										GetCurrentTimestamp() + clock_ahead);

		if (settlement == NULL)
			continue;
		keep_settlement(settlement);
		any = true;
	}
	return any;
}

/* Milliseconds until the next due time, or the safety pass. */
static long
time_to_sleep(void)
{
	TimestampTz now = GetCurrentTimestamp() + clock_ahead;

	if (TIMESTAMP_NOT_FINITE(next_due))
		return SAFETY_PASS_MS;
	if (next_due <= now)
		return 0;
	return (long) Min((next_due - now) / 1000 + 1, SAFETY_PASS_MS);
}

static void
serve_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/*
 * Sleep until a time, driving the transfers; returns early when one has
 * finished or, if "alert", when somebody wakes us.
 */
static void
sleep_until(TimestampTz until, bool alert)
{
	for (;;)
	{
		long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
														   until);

		serve_interrupts();
		if (left <= 0 || (alert && MyLatch->is_set))
			break;
		if (!PostmasterIsAlive())
			proc_exit(1);
		if (partner_api_transfers_total() > 0)
		{
			partner_api_http_wait(http, POLL_SLICE_MS);
			if (take_finished() && alert)
				break;
		}
		else
		{
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 left, PG_WAIT_EXTENSION);
			if (!alert)
				ResetLatch(MyLatch);
		}
	}
	ResetLatch(MyLatch);
}

/*
 * Sleep until there is something to do.  Settlements that could not be
 * written are tried again after a pause.
 */
static void
wait_for_work(void)
{
	long		sleep_ms = settled != NIL ? FIRST_FAILURE_PAUSE_MS :
		time_to_sleep();

	sleep_until(TimestampTzPlusMilliseconds(GetCurrentTimestamp(), sleep_ms),
				true);
}

/* Undo a failed pass; what is settled stays in memory. */
static void
recover(MemoryContext context)
{
	MemoryContextSwitchTo(context);
	HOLD_INTERRUPTS();
	EmitErrorReport();
	strlcpy(entry->last_error, "a pass failed: see the server log",
			sizeof(entry->last_error));
	AbortCurrentTransaction();
	FlushErrorState();
	MemoryContextSwitchTo(context);
	RESUME_INTERRUPTS();
}

static bool
try_pass(void)
{
	bool		succeeded = true;
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		start_transfers();		/* of a pass that failed after its commit */
		do_pass();
	}
	PG_CATCH();
	{
		recover(context);
		succeeded = false;
	}
	PG_END_TRY();
	if (!succeeded)
	{
		if (!pass.committed)
			discard_transfers();
		partner_api_accounts_end_pass(&accounts);
	}
	return succeeded;
}

static void
loop(void)
{
	int			pause_ms = 0;

	for (;;)
	{
		MemoryContextReset(pass_context);
		MemoryContextSwitchTo(pass_context);
		take_finished();
		if (try_pass())
		{
			pause_ms = 0;
			wait_for_work();
		}
		else
		{
			pause_ms = Min(Max(pause_ms * 2, FIRST_FAILURE_PAUSE_MS),
						   LAST_FAILURE_PAUSE_MS);
			sleep_until(TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													pause_ms), false);
		}
	}
}

/* ---- starting ---- */

static void
set_session(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * The worker's session: whatever the database's settings say, commits are
 * flushed, nothing waits for a caller's lock, and names mean what they say.
 */
static void
prepare_session(void)
{
	if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
		set_session("synchronous_commit", "on");
	set_session("application_name", "partner_api worker");
	set_session("search_path", "pg_catalog, pg_temp");
	set_session("lock_timeout", "50ms");
	set_session("statement_timeout", "0");
	set_session("idle_in_transaction_session_timeout", "0");
	set_session("default_transaction_isolation", "read committed");
	set_session("default_transaction_read_only", "off");
	set_session("jit", "off");
}

/* Descriptors are a budget: keep what libcurl may use out of PostgreSQL's. */
static void
reserve_descriptors(void)
{
	for (int i = 0; i < partner_api_max_connections; i++)
		ReserveExternalFD();
}

/* Settle what the worker before this one left. */
static void
take_over(void)
{
	int			orphans;

	begin_pass();
	orphans = partner_api_claim_orphans(pass.now);
	end_pass();
	partner_api_slots_orphaned();
	if (orphans > 0)
		ereport(LOG,
				errmsg("partner_api takes over %d actions in flight", orphans));
}

/* Entry point of a worker; the argument is its entry in shared memory. */
void
partner_api_worker_main(Datum index)
{
	entry = &partner_api_shared->workers[DatumGetInt32(index)];

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	before_shmem_exit(detach_worker, (Datum) 0);
	BackgroundWorkerInitializeConnection(NameStr(entry->database), NULL, 0);

	prepare_session();
	attach_worker();
	pass_context = AllocSetContextCreate(TopMemoryContext, "partner_api pass",
										 ALLOCSET_DEFAULT_SIZES);
	claims_context = AllocSetContextCreate(TopMemoryContext,
										   "partner_api claims",
										   ALLOCSET_DEFAULT_SIZES);
	accounts.parent = claims_context;
	MemoryContextSwitchTo(pass_context);
	take_over();
	reserve_descriptors();
	http = partner_api_http_create(TopMemoryContext,
								   partner_api_max_connections);
	partner_api_transfers_init(http);
	loop();
}
