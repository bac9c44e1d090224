/*-------------------------------------------------------------------------
 *
 * commit_times.c
 *	  Enqueue creates, each in a transaction of its own, and note when each
 *	  was committed.
 *
 * usage: commit_times CONNINFO PREFIX COUNT INTERVAL_US
 *
 * A transaction is begun every INTERVAL_US, or as soon as the one before it
 * is through.  For each one line is printed: the name, when COMMIT was sent
 * and when its answer was there, in microseconds of the real-time clock,
 * which is the clock of the sandbox's journal.  The truth lies between: the
 * server commits after the first and before the second.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ENQUEUE \
	"SELECT partner_api.enqueue_create_instance('bench', $1, trial_end => 'lapse')"

static PGconn *connection;

/* End with a reason. */
static void
fail(const char *why)
{
	fprintf(stderr, "commit_times: %s\n", why);
	exit(1);
}

/* Microseconds of a clock. */
static int64_t
clock_us(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (int64_t) time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* A statement must have gone well. */
static void
check(PGresult *result, ExecStatusType wanted)
{
	if (PQresultStatus(result) != wanted)
		fail(PQerrorMessage(connection));
	PQclear(result);
}

/* One transaction, and its line. */
static void
enqueue(const char *prefix, long number)
{
	char		name[128];
	const char *values[1] = {name};
	int64_t		sent;
	int64_t		committed;

	snprintf(name, sizeof(name), "%s-%ld", prefix, number);
	check(PQexec(connection, "BEGIN"), PGRES_COMMAND_OK);
	check(PQexecPrepared(connection, "enqueue", 1, values, NULL, NULL, 0),
		  PGRES_TUPLES_OK);
	sent = clock_us(CLOCK_REALTIME);
	check(PQexec(connection, "COMMIT"), PGRES_COMMAND_OK);
	committed = clock_us(CLOCK_REALTIME);
	printf("%s %" PRId64 " %" PRId64 "\n", name, sent, committed);
}

/* Sleep until a time of the monotonic clock. */
static void
wait_until(int64_t time_us)
{
	struct timespec time;

	time.tv_sec = time_us / 1000000;
	time.tv_nsec = time_us % 1000000 * 1000;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

int
main(int argc, char **argv)
{
	long		count;
	long		interval_us;
	int64_t		start;

	if (argc != 5)
		fail("usage: commit_times CONNINFO PREFIX COUNT INTERVAL_US");
	count = strtol(argv[3], NULL, 10);
	interval_us = strtol(argv[4], NULL, 10);
	connection = PQconnectdb(argv[1]);
	if (PQstatus(connection) != CONNECTION_OK)
		fail(PQerrorMessage(connection));
	check(PQprepare(connection, "enqueue", ENQUEUE, 1, NULL),
		  PGRES_COMMAND_OK);

	start = clock_us(CLOCK_MONOTONIC);
	for (long i = 1; i <= count; i++)
	{
		wait_until(start + i * interval_us);
		enqueue(argv[2], i);
	}
	PQfinish(connection);
	return 0;
}
