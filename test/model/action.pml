/*
 * action.pml
 *	  The life of one action, a create, among crashes, lost answers, lists
 *	  that lag behind, and a standby that is promoted.
 *
 * README.md says how it corresponds to the code, what it assumes, and how to
 * read a counterexample.  Each step names the function that does it.  The
 * variants (-DNO_LEASE and so on) leave out one part of the protocol each.
 */

/* How much may go wrong in one execution. */
#ifndef CRASHES
#define CRASHES 0		/* the server crashes, and what is not flushed is lost */
#endif
#ifndef EXITS
#define EXITS 0			/* the worker ends, the server stays */
#endif
#ifndef STOPS
#define STOPS 0			/* the worker is stopped, replaced, and wakes up */
#endif
#ifndef PROMOTIONS
#define PROMOTIONS 0	/* the standby goes on with what it has */
#endif
#ifndef REFUSALS
#define REFUSALS 1		/* definite noes of the provider */
#endif
#ifndef BAD_LISTS
#define BAD_LISTS 1		/* listings that cannot be read whole */
#endif
#ifndef DECISIONS
#define DECISIONS 1		/* cancel_action() or retry_action() */
#endif

#define LAG 1			/* list_lag, in ticks of the clock */
#define MOST_LOST 2		/* MOST_LOST_ATTEMPTS of policy.c, which is 5 */
#define REQUESTS 3		/* at the provider at the same time, if all goes wrong */
#define NOBODY 255

mtype = { worker, replaced };

/* absent: there is no row */
mtype = { absent, waiting, sending, unknown, needs_attention, done,
	failed, cancelled, missed };

/* What has become of a request at the provider. */
mtype = { unused, under_way, no_effect, refused, effective };

/* What a worker is about to do with its claim. */
mtype = { idle, claimed, on_wire, judged, looking };

/* The action's row, in pending_actions or in action_history. */
typedef Row {
	mtype state;
	byte lease;
	byte attempts;
	byte looks;
	byte wait			/* ticks until run_at, while unknown */
};

typedef Request {
	mtype fate;
	bool held;			/* a worker has the connection */
	bool counting;		/* it ended, or its worker did: see left */
	byte left;			/* ticks until an effect must be listed */
	bool listed
};

/* What a worker has in memory: a claim, then its settlement. */
typedef Hand {
	mtype phase;
	byte lease;
	byte claim;			/* which of all claims it is; the code has no such */
	byte request;
	bool found;			/* the look has seen the effect */
	mtype next;
	byte attempts;
	byte looks;
	byte wait
};

Row row;				/* as every session sees it */
Row disk;				/* as it would be after a crash */
Row standby;			/* as it would be after a promotion */
Request request[REQUESTS];
Hand hand[2];			/* of the worker, and of one that it has replaced */

bool slot;				/* a waiting call asks for the action */
bool fresh = true;		/* a new worker, which has not taken over yet */
bool adopted;			/* the survey has recorded the instance */
bool promoted;
bool changed;			/* the identity is not the stored one */
byte surveys;			/* listings to be taken in */
byte survey_wait;
byte claims;			/* all claims ever made */
byte effects;			/* instances at the provider */
bool has_deadline;
bool late;				/* the deadline has passed */
bool mangles;			/* the provider changes names: no nonce is ever found */
bool evidence;			/* its list is known to show our nonces */

hidden byte at;			/* the request that a step is about */

byte crashes = CRASHES, exits = EXITS, stops = STOPS, refusals = REFUSALS;
byte bad_lists = BAD_LISTS, decisions = DECISIONS, promotions = PROMOTIONS;

#define WHO(me) (me -> replaced : worker)
#define IS_OPEN(s) (s == waiting || s == sending || s == unknown)
#define CAN_STILL_ACT (request[0].fate == under_way || \
	request[1].fate == under_way || request[2].fate == under_way)
#define SAME(a, b) (a.state == b.state && a.lease == b.lease && \
	a.attempts == b.attempts && a.looks == b.looks && a.wait == b.wait)
/* Does the list show the effect, by its nonce? */
#define SHOWS(r) (request[r].fate == effective && request[r].listed)
#define LISTED (!mangles && (SHOWS(0) || SHOWS(1) || SHOWS(2)))

/* ---- transactions ---- */

inline copy_row(to, from)
{
	to.state = from.state;
	to.lease = from.lease;
	to.attempts = from.attempts;
	to.looks = from.looks;
	to.wait = from.wait
}

/* A commit of the worker: synchronous_commit is on, whatever others say. */
inline commit_flushed()
{
#ifndef NO_FLUSH
	copy_row(disk, row)
#else
	skip
#endif
}

/* ---- a worker's memory ---- */

inline forget(me)
{
	d_step {
		hand[me].phase = idle;
		hand[me].lease = 0;
		hand[me].claim = 0;
		hand[me].request = NOBODY;
		hand[me].found = false;
		hand[me].next = absent;
		hand[me].attempts = 0;
		hand[me].looks = 0;
		hand[me].wait = 0
	}
}

/* A place at the provider that can tell us nothing any more. */
inline clear_request(r)
{
	d_step {
		request[r].fate = unused;
		request[r].held = false;
		request[r].counting = false;
		request[r].left = 0
	}
}

/* From now on an effect shows within LAG ticks: the assumption of README. */
inline start_counting(r)
{
	if
	:: !request[r].counting ->
		request[r].counting = true;
		request[r].left = LAG
	:: else
	fi
}

inline let_go(r)
{
	start_counting(r);
	request[r].held = false;
	if
	:: request[r].fate == no_effect || request[r].fate == refused ->
		clear_request(r)
	:: else
	fi
}

/* The process is gone, and its connections with it. */
inline die(me)
{
	if
	:: hand[me].phase == on_wire ->
		at = hand[me].request;
		let_go(at)
	:: else
	fi;
	forget(me)
}

/* ---- claims.c ---- */

inline take_lease(me, what)
{
	row.lease = row.lease + 1;
	claims = claims + 1;
	hand[me].phase = what;
	hand[me].lease = row.lease;
	hand[me].claim = claims;
	hand[me].looks = row.looks;
	hand[me].wait = 0
}

/* partner_api_claim_due(), partner_api_claim_action() */
inline claim_to_send(me)
{
	row.state = sending;
	row.attempts = row.attempts + 1;
	row.looks = 0;
#ifdef LAG_FROM_CLAIM
	row.wait = LAG;
#else
	row.wait = 0;
#endif
	take_lease(me, claimed);
	hand[me].attempts = row.attempts;
	commit_flushed();
	printf("worker: claims the action to send it, lease %d\n", row.lease)
}

/*
 * partner_api_claim_looks(); the list is as it is when the look begins, the
 * worst moment of those at which it may be read.
 */
inline claim_look(me)
{
	take_lease(me, looking);
	hand[me].attempts = row.attempts;
	hand[me].found = LISTED;
	commit_flushed();
	printf("worker: begins look %d, lease %d\n", row.looks + 1, row.lease)
}

#ifndef NO_IDENTITY
#define DOUBTED (changed && row.state == waiting)
#else
#define DOUBTED false
#endif

/*
 * partner_api_claim_orphans(), and doubt_open_actions() of identity.c after a
 * promotion: whatever the row says, its request may be under way.
 */
inline take_over()
{
	if
	:: row.state == sending || row.state == unknown || DOUBTED ->
		row.state = unknown;
		row.lease = row.lease + 1;
		claims = claims + 1;
		row.looks = 0;
		row.wait = 0;
		commit_flushed();
		printf("new worker: takes over, unknown, lease %d\n", row.lease)
	:: else ->
		if
		:: changed -> commit_flushed()	/* of the identity */
		:: else
		fi;
		printf("new worker: nothing to take over\n")
	fi;
	changed = false;
	fresh = false
}

/* ---- transfers.c, http.c ---- */

/* partner_api_transfer_start() */
inline send(me)
{
	if
#ifndef NO_LATE_CHECK
	:: late ->				/* is_too_late(): back to where it is closed */
		hand[me].next = waiting;
		hand[me].attempts = hand[me].attempts - 1;
		hand[me].phase = judged;
		printf("worker: too late to send\n")
#endif
	:: else ->
		assert(!late);		/* nothing is sent after its deadline */
		if
		:: request[0].fate == unused -> hand[me].request = 0
		:: else ->
			if
			:: request[1].fate == unused -> hand[me].request = 1
			:: else ->
				assert(request[2].fate == unused);
				hand[me].request = 2
			fi
		fi;
		request[hand[me].request].fate = under_way;
		request[hand[me].request].held = true;
		printf("worker: sends request %d\n", hand[me].request);
		hand[me].phase = on_wire
	fi
}

/* A lost answer: partner_api_after_attempt() of PARTNER_API_UNKNOWN */
inline judge_lost(me)
{
#ifdef REPEAT_ON_UNKNOWN
	hand[me].next = waiting
#else
	hand[me].next = unknown
#endif
}

/*
 * partner_api_transfer_finish() of the request itself: its answer, or the end
 * of the wait for it.
 */
inline finish_send(me)
{
	if
	:: request[hand[me].request].fate == effective -> hand[me].next = done
	:: request[hand[me].request].fate == refused -> hand[me].next = waiting
	:: request[hand[me].request].fate == refused -> hand[me].next = failed
	:: judge_lost(me)		/* timeout, reset, 5xx, garbage */
	fi;
	at = hand[me].request;
	let_go(at);
	hand[me].request = NOBODY;
	hand[me].looks = 0;
	hand[me].phase = judged;
	printf("%e: request ended, to become %e\n", WHO(me), hand[me].next)
}

/* partner_api_look_page(), partner_api_after_look() */
inline finish_look(me)
{
	if
	:: bad_lists > 0 ->		/* partner_api_after_failed_look() */
		bad_lists--;
		if
		:: late -> hand[me].next = needs_attention
		:: else -> hand[me].next = unknown
		fi
	:: hand[me].found -> hand[me].next = done
	:: !hand[me].found ->
		if
#ifndef ONE_LISTING
		:: hand[me].looks == 0 ->
			hand[me].next = unknown;
			hand[me].looks = 1;
			hand[me].wait = LAG
#endif
		:: else ->
			if			/* partner_api_why_not_again() */
#ifndef NO_EVIDENCE
			:: !evidence -> hand[me].next = needs_attention
#endif
			:: hand[me].attempts >= MOST_LOST ->
				hand[me].next = needs_attention
			:: else -> hand[me].next = waiting
			fi
		fi
	fi;
	hand[me].found = false;
	hand[me].phase = judged;
	printf("%e: list read, to become %e\n", WHO(me), hand[me].next)
}

/* ---- settle.c ---- */

#ifndef NO_LEASE
#define CHECK_LEASE true
#define HAS_LEASE(me) (row.lease == hand[me].lease)
#else
#define CHECK_LEASE false
#define HAS_LEASE(me) true
#endif

/* partner_api_settle(), in a transaction of partner_api_unwritten_write() */
inline settle(me)
{
	if
	:: (row.state == sending || row.state == unknown) && HAS_LEASE(me) ->
		assert(hand[me].claim == claims || !CHECK_LEASE);
		row.state = hand[me].next;
		row.attempts = hand[me].attempts;
		row.looks = hand[me].looks;
#ifndef LAG_FROM_CLAIM
		row.wait = hand[me].wait;
#endif
		assert(row.state != done || effects > 0);
		commit_flushed();
		printf("%e: writes %e\n", WHO(me), row.state)
	:: else ->				/* a newer lease: not ours to write */
		printf("%e: may not write %e any more\n", WHO(me), hand[me].next)
	fi;
	forget(me)
}

/* ---- the processes ---- */

/* What a worker does with its claim, whether it was replaced or not. */
#define FINISH(me) \
	:: atomic { hand[me].phase == on_wire -> finish_send(me) } \
	:: atomic { hand[me].phase == looking -> finish_look(me) } \
	:: atomic { hand[me].phase == judged -> settle(me) }

#define SURVEYED (surveys < 2)	/* !partner_api_survey_blocks() */
#define READY (!fresh && hand[0].phase == idle)

/* partner_api_pass_run() */
proctype Worker()
{
end:
	do
	:: atomic { fresh -> take_over() }
	/*
	 * The survey after a change of identity.  The first listing is awaited
	 * before anything is sent, the second comes when the lag is over.
	 */
	:: atomic { !fresh && surveys > 0 && survey_wait == 0 ->
			surveys--;
			survey_wait = LAG;
			if
			:: LISTED && !IS_OPEN(row.state) ->
				adopted = true;
				printf("survey: adopts the instance\n")
			:: else -> printf("survey: nothing to adopt\n")
			fi
		}
	/* record_slot() */
	:: atomic { READY && SURVEYED && slot ->
			slot = false;
			if
			:: row.state == absent -> claim_to_send(0)
			:: else
			fi
		}
	:: atomic { READY && SURVEYED && row.state == waiting && !late ->
			claim_to_send(0)
		}
	:: atomic { READY && row.state == unknown &&
			(row.looks == 0 || row.wait == 0) ->
			claim_look(0)
		}
	/* partner_api_settle_deadlines() */
	:: atomic { !fresh && row.state == waiting && late ->
			row.state = missed;
			commit_flushed();
			printf("worker: closes the action as missed\n")
		}
	:: atomic { hand[0].phase == claimed -> send(0) }
	FINISH(0)
	od
}

/* A worker that was stopped and replaced, and wakes up. */
proctype Replaced()
{
end:
	do
	FINISH(1)
	od
}

/* A session that need not wait for the flush of its commits. */
proctype Caller()
{
	/* enqueue_create_instance(), create_instance() */
	if
	:: atomic { row.state = waiting; printf("caller: enqueues, commits\n") }
	:: atomic { slot = true; printf("caller: calls, waits\n") }
	fi;
end:
	do
	/* cancel_action() */
	:: atomic { decisions > 0 && row.state == waiting ->
			decisions--;
			row.state = cancelled;
			printf("caller: cancels the action\n")
		}
	/*
	 * retry_action().  A person who decides on what needs attention, or after
	 * a promotion, has looked at the provider; and no standby is so far behind
	 * that it does not know yet what was decided on.
	 */
	:: atomic { decisions > 0 && !late &&
			(row.state == failed || row.state == cancelled ||
			 row.state == needs_attention) &&
			((row.state != needs_attention && !promoted) ||
			 (effects == 0 && !CAN_STILL_ACT)) &&
			(promotions == 0 || standby.state == row.state) ->
			decisions--;
			row.state = waiting;
			row.looks = 0;
			printf("caller: has the action sent again\n")
		}
	od
}

/* A flushed intent is lost by a promotion only. */
#ifndef NO_FLUSH
#define UNHEARD_OF promoted
#else
#define UNHEARD_OF true
#endif

/* What the provider does with request r. */
#define FATES(r) \
	:: atomic { request[r].fate == under_way -> \
			request[r].fate = effective; \
			effects++; \
			printf("provider: request %d has its effect\n", r); \
			assert(effects <= 1);	/* never two effects */ \
			assert(disk.state != absent || UNHEARD_OF)	/* nor one unheard of */ \
		} \
	:: atomic { request[r].fate == under_way && request[r].held && \
			refusals > 0 -> \
			refusals--; \
			request[r].fate = refused; \
			printf("provider: refuses request %d\n", r) \
		} \
	:: atomic { request[r].fate == under_way -> \
			request[r].fate = no_effect; \
			printf("provider: request %d is lost on its way\n", r); \
			if \
			:: !request[r].held -> clear_request(r) \
			:: else \
			fi \
		} \
	:: atomic { request[r].fate == effective && !request[r].listed -> \
			request[r].listed = true; \
			printf("provider: lists the effect of request %d\n", r) \
		}

proctype Provider()
{
end:
	do
	FATES(0)
	FATES(1)
	FATES(2)
	od
}

#define COUNT_DOWN(x) if :: x > 0 -> x-- :: else fi

/* Has what must be seen of request r by the next tick been seen? */
#define IN_TIME(r) (!request[r].counting || request[r].left != 1 || \
	(request[r].fate != under_way && \
	 (request[r].fate != effective || request[r].listed)))

#define SOMEBODY_WAITS (row.wait > 0 || hand[0].wait > 0 || \
	hand[1].wait > 0 || survey_wait > 0)

proctype Clock()
{
end:
	do
	:: atomic { SOMEBODY_WAITS && IN_TIME(0) && IN_TIME(1) && IN_TIME(2) ->
			d_step {
				COUNT_DOWN(row.wait);
				COUNT_DOWN(disk.wait);
				COUNT_DOWN(standby.wait);
				COUNT_DOWN(hand[0].wait);
				COUNT_DOWN(hand[1].wait);
				COUNT_DOWN(survey_wait);
				COUNT_DOWN(request[0].left);
				COUNT_DOWN(request[1].left);
				COUNT_DOWN(request[2].left)
			}
			printf("clock: ticks\n")
		}
	:: atomic { has_deadline && !late ->
			late = true;
			printf("clock: the deadline passes\n")
		}
	od
}

proctype Faults()
{
end:
	do
	/* SIGKILL, power: all processes end, and what was not flushed is lost */
	:: atomic { crashes > 0 ->
			crashes--;
			die(0);
			die(1);
			copy_row(row, disk);
			slot = false;
			fresh = true;
			printf("fault: the server crashes\n")
		}
	/* pg_terminate_backend(), an error that the worker does not survive */
	:: atomic { exits > 0 && hand[0].phase != idle ->
			exits--;
			die(0);
			fresh = true;
			printf("fault: the worker ends\n")
		}
	/* another takes over although this one is only stopped */
	:: atomic { stops > 0 && hand[1].phase == idle &&
			(hand[0].phase == on_wire || hand[0].phase == looking ||
			 hand[0].phase == judged) ->
			stops--;
			if
			:: hand[0].phase == on_wire ->
				at = hand[0].request;
				start_counting(at)
			:: else
			fi;
			d_step {
				hand[1].phase = hand[0].phase;
				hand[1].lease = hand[0].lease;
				hand[1].claim = hand[0].claim;
				hand[1].request = hand[0].request;
				hand[1].found = hand[0].found;
				hand[1].next = hand[0].next;
				hand[1].attempts = hand[0].attempts;
				hand[1].looks = hand[0].looks;
				hand[1].wait = hand[0].wait
			}
			forget(0);
			fresh = true;
			printf("fault: the worker is stopped, and another started\n")
		}
	/* the primary is cut off; its last commits are missing here */
	:: atomic { promotions > 0 ->
			promotions--;
			promoted = true;
			die(0);
			die(1);
			copy_row(row, standby);
			copy_row(disk, standby);
			slot = false;
#ifndef NO_IDENTITY
			surveys = 2;
			survey_wait = 0;
			changed = true;
#endif
			fresh = true;
			printf("fault: the standby is promoted\n")
		}
	/* the WAL writer, and replication, get round to it */
	:: atomic { !SAME(disk, row) ->
			copy_row(disk, row);
			printf("server: flushes what is committed\n")
		}
	:: atomic { promotions > 0 && !SAME(standby, disk) ->
			copy_row(standby, disk);
			printf("standby: receives what is flushed\n")
		}
	od
}

/*
 * When nothing can happen any more, the action is settled and its effect, if
 * there is one, is known.  That this moment comes is shown by the absence of
 * cycles.
 */
proctype End()
{
	timeout;
	assert(!IS_OPEN(row.state));
	assert(effects == 0 || row.state == done || row.state == needs_attention ||
		adopted || (promoted && mangles))
}

init
{
	d_step {
		row.state = absent;
		disk.state = absent;
		standby.state = absent;
		forget(0);
		forget(1);
		request[0].fate = unused;
		request[1].fate = unused;
		request[2].fate = unused
	}
	atomic {
		if
		:: mangles = true; printf("provider: changes names\n")
		:: evidence = true; printf("provider: known to show nonces\n")
		:: printf("provider: not known to show nonces\n")
		fi;
		if
		:: has_deadline = true; printf("caller: has a deadline\n")
		:: skip
		fi;
		run Worker();
		run Replaced();
		run Caller();
		run Provider();
		run Clock();
		run Faults();
		run End()
	}
}
