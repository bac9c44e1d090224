/*-------------------------------------------------------------------------
 *
 * doorbell.c
 *	  Wakes a worker that waits in libcurl.
 *
 * libcurl's poll knows nothing of latches, and a latch's signal is not sent
 * to a process that does not sleep in WaitLatch().  So a worker that is about
 * to wait in libcurl says so in shared memory, and whoever sets its latch
 * then sends it SIGUSR2 too (partner_api_wake_worker_for()), whose handler
 * writes to a pipe that libcurl's poll watches.  Nothing is lost in between:
 * the worker looks at its latch after it has said so, the others look whether
 * it has said so after they have set the latch.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "doorbell.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/latch.h"

static int	bell[2] = {-1, -1}; /* a pipe: read here, written there */
static volatile sig_atomic_t rung = false;

/* SIGUSR2: somebody has set our latch.  A full pipe rings as well. */
static void
on_ring(SIGNAL_ARGS)
{
	int			save_errno = errno;
	int			rc;

	rung = true;
	rc = write(bell[1], "", 1);
	(void) rc;
	errno = save_errno;
}

/* Make the bell, before signals are unblocked. */
void
partner_api_doorbell_init(void)
{
	if (pipe(bell) != 0 ||
		!pg_set_noblock(bell[0]) || !pg_set_noblock(bell[1]) ||
		fcntl(bell[0], F_SETFD, FD_CLOEXEC) != 0 ||
		fcntl(bell[1], F_SETFD, FD_CLOEXEC) != 0)
		ereport(ERROR,
				errcode_for_file_access(),
				errmsg("could not create a pipe: %m"));
	pqsignal(SIGUSR2, on_ring);
}

/* What was rung so far has been heard. */
static void
silence(void)
{
	char		buffer[64];

	rung = false;
	while (read(bell[0], buffer, sizeof(buffer)) > 0)
		continue;
}

/*
 * Wait until a transfer can go on, our latch is set, a signal arrives, or the
 * time is over.
 */
void
partner_api_doorbell_wait(PartnerApiWorkerEntry *entry, PartnerApiHttp *http,
						  int timeout_ms)
{
	entry->listening = true;
	pg_memory_barrier();
	if (!MyLatch->is_set)
		partner_api_http_wait(http, timeout_ms, bell[0]);
	entry->listening = false;
	if (rung)
		silence();
}
