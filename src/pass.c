/*-------------------------------------------------------------------------
 *
 * pass.c
 *	  One pass of the worker: write down what has finished, claim what can be
 *	  sent now, commit once, send.
 *
 * So intents are flushed before they are sent, verdicts share a commit with
 * the next claims, and no transaction is open while a request is on the wire.
 * A pass may fail anywhere: settlements stay in memory until they are
 * written, and transfers that were claimed before the failure are started by
 * the next pass.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "admission.h"
#include "answers.h"
#include "calls.h"
#include "caps.h"
#include "catalog/namespace.h"
#include "circuits.h"
#include "clock.h"
#include "dispatch.h"
#include "due.h"
#include "identity.h"
#include "owner.h"
#include "pass.h"
#include "settings.h"
#include "spend.h"
#include "storage/ipc.h"
#include "subtransaction.h"
#include "survey.h"
#include "timetable.h"
#include "transfers.h"
#include "unwritten.h"
#include "upkeep.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Looks are reads: they share the connections but not a server's lanes. */
#define MOST_LOOKS 16

static PartnerApiWorkerEntry *entry;
static PartnerApiHttp *http;
static PartnerApiAccounts accounts;
static MemoryContext pass_context;	/* reset before each pass */
static MemoryContext claims_context;	/* parent of all claims in flight */
static MemoryContext new_claims;	/* of those that are not committed yet */
static int	most_connections;	/* as of the start */
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
static PartnerApiCalls calls;	/* its waiting calls */

/*
 * Set up what passes share.  The engine, which takes so many connections, and
 * the worker's entry stay the caller's.
 */
void
partner_api_pass_init(PartnerApiWorkerEntry *worker, PartnerApiHttp *engine,
					  int connections)
{
	entry = worker;
	http = engine;
	pass_context = AllocSetContextCreate(TopMemoryContext, "partner_api pass",
										 ALLOCSET_DEFAULT_SIZES);
	claims_context = AllocSetContextCreate(TopMemoryContext,
										   "partner_api claims",
										   ALLOCSET_DEFAULT_SIZES);
	accounts.parent = claims_context;
	calls.accounts = &accounts;
	calls.kept = claims_context;
	most_connections = connections;
	partner_api_transfers_init(http);
	partner_api_spend_init();
}

/* ---- writing down what has finished ---- */

/* What the calls that wait for these are told. */
static List *
make_answers(const List *written)
{
	List	   *answers = NIL;
	ListCell   *lc;

	foreach(lc, written)
	{
		PartnerApiAnswer *answer;

		answer = partner_api_answer_of_settlement(lfirst(lc));
		if (answer != NULL)
			answers = lappend(answers, answer);
	}
	return answers;
}

/* ---- claiming ---- */

/* Transfers to be started after the commit. */
static void
add_transfers(const List *transfers)
{
	MemoryContext before = MemoryContextSwitchTo(claims_context);

	pass.transfers = list_concat(pass.transfers, transfers);
	MemoryContextSwitchTo(before);
}

/* Connections that are left for this pass. */
static int
connections_left(void)
{
	return most_connections - partner_api_pass_in_flight() -
		list_length(pass.transfers);
}

/* ---- one pass ---- */

/* Has a due time come, has the clock been turned, or is it time to be safe? */
static bool
time_has_passed(int64 ahead_before)
{
	return pass.now >= partner_api_timetable_next() ||
		clock_ahead != ahead_before || partner_api_upkeep_is_due() ||
		partner_api_spend_options_changed();
}

/* Work for partner_api_try(): what a server can take. */
static void
claim_server_work(void *server)
{
	if (!partner_api_survey_blocks(server))
		add_transfers(partner_api_admit_due(server));
}

/* Work for partner_api_try(): looks, as many as may begin. */
static void
claim_look_work(void *looks)
{
	add_transfers(partner_api_admit_looks(*(int *) looks));
}

/*
 * Do work that claims; if it fails, it has claimed nothing, and nobody else is
 * stopped by it.
 */
static void
try_to_claim(void (*work) (void *arg), void *arg)
{
	int			before = list_length(pass.transfers);

	if (!partner_api_note_error(entry, partner_api_try(work, arg)))
	{
		pass.answers = list_concat(pass.answers,
								   partner_api_admission_answers());
		return;
	}
	pass.transfers = list_truncate(pass.transfers, before);
	(void) partner_api_admission_answers();
	partner_api_caps_forget();
	partner_api_due_claim_failed();
}

/* Take the waiting calls that can be sent now. */
static void
serve_calls(void)
{
	calls.claims = new_claims;
	calls.now = pass.now;
	calls.answers = NIL;
	partner_api_calls_serve(&calls);
	add_transfers(calls.transfers);
	calls.transfers = NIL;
	pass.answers = list_concat(pass.answers, calls.answers);
}

/* Claim what can be sent now: calls that wait, due actions, looks. */
static void
claim_work(bool safety)
{
	ListCell   *lc;
	int			looks;

	partner_api_surveys_prepare(&accounts, pass.now);
	partner_api_admission_begin(&accounts, new_claims, pass.now,
								connections_left(), safety);
	serve_calls();
	foreach(lc, partner_api_server_names())
		try_to_claim(claim_server_work, lfirst(lc));
	looks = MOST_LOOKS - partner_api_transfers_count(NULL, PARTNER_API_LOOK);
	try_to_claim(claim_look_work, &looks);
	partner_api_admission_end();
}

/*
 * The extension may have been dropped since: then this worker is done.  By its
 * table, since the names of extensions are in no cache.
 */
static void
require_extension(void)
{
	Oid			namespace = get_namespace_oid("partner_api", true);

	if (OidIsValid(namespace) &&
		OidIsValid(get_relname_relid("pending_actions", namespace)))
		return;
	entry->exit = PARTNER_API_EXIT_NO_EXTENSION;
	proc_exit(0);
}

/* Open the transaction of a pass and read the clock, once. */
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
	new_claims = AllocSetContextCreate(claims_context,
									   "partner_api claims of a pass",
									   ALLOCSET_SMALL_SIZES);
	clock_ahead = partner_api_clock_ahead();
	pass.now = partner_api_clock_now();
}

/*
 * The claims are committed: each lives on until it is settled.  What a failed
 * subtransaction left behind goes.
 */
static void
keep_claims(void)
{
	ListCell   *lc;

	foreach(lc, pass.transfers)
		partner_api_transfer_keep(lfirst(lc), claims_context);
	MemoryContextDelete(new_claims);
	new_claims = NULL;
}

/* Commit: from here on what was claimed must be sent. */
static void
end_pass(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pass.committed = true;
	partner_api_limits_announced();
	keep_claims();
	partner_api_calls_committed(&calls);
	partner_api_dispatch_committed();
	MemoryContextSwitchTo(pass_context);
}

/* The time by our clock, as far as the last pass knows it. */
static TimestampTz
our_time(void)
{
	return GetCurrentTimestamp() + clock_ahead;
}

/* Put on the wire what was claimed; what cannot be is settled next. */
static void
start_transfers(void)
{
	while (pass.transfers != NIL)
	{
		PartnerApiTransfer *transfer = linitial(pass.transfers);
		List	   *settlements;

		pass.transfers = list_delete_first(pass.transfers);
		settlements = partner_api_transfer_start(transfer, our_time());
		partner_api_unwritten_add(settlements);
		if (settlements == NIL)
			entry->requests++;
	}
}

/* Claims that were not committed were never made, nor slots taken. */
static void
discard_claims(void)
{
	partner_api_calls_failed(&calls);
	list_free(pass.transfers);
	pass.transfers = NIL;
	if (new_claims != NULL)
		MemoryContextDelete(new_claims);
	new_claims = NULL;
}

/* Tell the calls that wait, now that it is on disk. */
static void
answer_calls(void)
{
	ListCell   *lc;

	foreach(lc, pass.answers)
		partner_api_slots_answer_action(lfirst(lc));
}

/* Tell that a pass went well. */
static void
count_pass(void)
{
	entry->passes++;
	entry->last_pass_at = GetCurrentTimestamp();
}

/* ---- who we are ---- */

/*
 * Find out whether this worker may act here; if so, settle what the one before
 * it left.
 */
static void
take_over(void)
{
	int			orphans = 0;
	bool		may_act;

	begin_pass();
	may_act = partner_api_identity_check(pass.now);
	if (may_act)
	{
		partner_api_surveys_load();
		orphans = partner_api_upkeep_take_over(pass.now);
		partner_api_due_anything();
	}
	end_pass();
	partner_api_identity_settle(may_act);
	entry->unconfirmed = !may_act;
	partner_api_slots_orphaned();
	if (orphans > 0)
		ereport(LOG,
				errcode(ERRCODE_SUCCESSFUL_COMPLETION),
				errmsg("partner_api takes over %d actions in flight", orphans));
}

/*
 * One pass: write down, claim, commit, send.  Raises ERROR if it fails; then
 * the caller aborts the transaction and calls partner_api_pass_failed().
 */
void
partner_api_pass_run(void)
{
	List	   *written;
	int64		ahead_before;
	bool		safety;

	MemoryContextReset(pass_context);
	if (!partner_api_identity_is_settled())
		take_over();
	if (!partner_api_identity_is_settled())
	{
		partner_api_slots_refuse_all(partner_api_answer_unconfirmed());
		count_pass();
		return;
	}
	ahead_before = clock_ahead; /* not what it was before this worker */
	start_transfers();			/* of a pass that failed after its commit */
	partner_api_dispatch_start();
	partner_api_due_begin_pass(partner_api_woken_for(entry));
	begin_pass();
	if (clock_ahead > ahead_before)
		partner_api_limits_turn(clock_ahead - ahead_before);
	safety = partner_api_upkeep_is_due();
	if (safety)
	{
		entry->last_error[0] = '\0';	/* unless it goes wrong again */
		partner_api_identity_recheck();
	}
	if (partner_api_surveys_to_take_in())
	{
		partner_api_surveys_take_in_all(entry, pass.now);
		partner_api_due_anything();
	}
	written = partner_api_unwritten_write(entry);
	pass.answers = make_answers(written);
	if (time_has_passed(ahead_before))
	{
		pass.answers = list_concat(pass.answers,
								   partner_api_upkeep(entry, pass.now,
													  clock_ahead != ahead_before));
		partner_api_due_anything();
	}
	partner_api_circuits_tend(entry, &accounts, pass.now);
	if (partner_api_enabled && partner_api_identity_is_settled())
		claim_work(safety || clock_ahead != ahead_before);
	partner_api_dispatch_tend(entry, pass.now, safety);
	partner_api_due_end_pass(pass.now);
	end_pass();

	answer_calls();
	partner_api_unwritten_forget(written);
	start_transfers();
	partner_api_surveys_start(http, pass.now);
	partner_api_probes_start(http);
	partner_api_dispatch_start();
	partner_api_accounts_end_pass(&accounts);
	if (safety && !partner_api_identity_is_settled())
		take_over();
	count_pass();
}

/* ---- between passes ---- */

/* Requests of any kind that are on the wire. */
int
partner_api_pass_in_flight(void)
{
	return partner_api_transfers_total() + partner_api_surveys_running() +
		partner_api_probes_running();
}

/* Take in what has finished since; returns whether anything has. */
bool
partner_api_pass_take_finished(void)
{
	PartnerApiCall *call;
	bool		any = false;

	while ((call = partner_api_http_next_finished(http)) != NULL)
	{
		List	   *settlements;

		if (partner_api_probe_finish(call))
		{
			any = true;
			continue;
		}
		if (partner_api_survey_finish(http, call))
			continue;
		settlements = partner_api_transfer_finish(call, our_time());
		any = any || settlements != NIL;
		partner_api_unwritten_add(settlements);
	}
	return any || partner_api_surveys_to_take_in();
}

/* Milliseconds until the next pass, if nothing happens. */
long
partner_api_pass_time_to_sleep(void)
{
	return partner_api_timetable_sleep_ms(our_time());
}

/*
 * After a failed pass, when its transaction is aborted: claims that were not
 * committed were never made.
 */
void
partner_api_pass_failed(void)
{
	if (!pass.committed)
	{
		discard_claims();
		partner_api_dispatch_failed();
	}
	partner_api_surveys_reload();
	partner_api_due_claim_failed();
	partner_api_caps_forget();
	partner_api_windows_failed();
	partner_api_accounts_end_pass(&accounts);
}
