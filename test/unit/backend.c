/*-------------------------------------------------------------------------
 *
 * backend.c
 *	  As much of a PostgreSQL backend as the pure files need to run alone.
 *
 * One memory context, which frees each chunk by itself so that an address
 * sanitizer sees every use of freed memory; an ereport that jumps back to the
 * test; and the few functions of list.c.  Signatures come from PostgreSQL's
 * own headers, so a drift does not compile.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <setjmp.h>
#include <stddef.h>

#include "backend.h"
#include "nodes/pg_list.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

/* This file is what the pure files take for the server's printf family. */
#undef vsnprintf
#undef fprintf

/* In front of each palloc'd chunk. */
typedef struct Chunk
{
	struct Chunk *next;
	long long	data[];			/* aligned for whatever is put there */
} Chunk;

MemoryContext CurrentMemoryContext = NULL;

static Chunk *chunks = NULL;
static MemoryContextCallback *callbacks = NULL;
static int	palloc_countdown = -1;

static jmp_buf *catcher = NULL;
static BackendError current;
static int	current_level;
static BackendError notice;
static bool noticed = false;

/* ---- memory ---- */

/*
 * See backend.h.
 */
void
backend_fail_palloc_after(int count)
{
	palloc_countdown = count;
}

/*
 * See backend.h.  Callbacks run in reverse order of registration, as the
 * real ones do.
 */
void
backend_reset(void)
{
	palloc_countdown = -1;
	noticed = false;
	while (callbacks != NULL)
	{
		MemoryContextCallback *callback = callbacks;

		callbacks = callback->next;
		callback->func(callback->arg);
	}
	while (chunks != NULL)
	{
		Chunk	   *chunk = chunks;

		chunks = chunk->next;
		free(chunk);
	}
}

void
MemoryContextRegisterResetCallback(MemoryContext context,
								   MemoryContextCallback *cb)
{
	cb->next = callbacks;
	callbacks = cb;
}

void *
palloc_extended(Size size, int flags)
{
	Chunk	   *chunk = NULL;

	if (palloc_countdown < 0 || palloc_countdown-- > 0)
		chunk = malloc(offsetof(Chunk, data) + size);
	if (chunk == NULL)
	{
		if (flags & MCXT_ALLOC_NO_OOM)
			return NULL;
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory"));
	}
	/* what is not asked to be zero must not happen to be */
	memset(chunk->data, flags & MCXT_ALLOC_ZERO ? 0 : 0x7F, size);
	chunk->next = chunks;
	chunks = chunk;
	return chunk->data;
}

void *
palloc(Size size)
{
	return palloc_extended(size, 0);
}

void *
palloc0(Size size)
{
	return palloc_extended(size, MCXT_ALLOC_ZERO);
}

char *
pnstrdup(const char *in, Size len)
{
	Size		used = strnlen(in, len);
	char	   *copy = palloc(used + 1);

	memcpy(copy, in, used);
	copy[used] = '\0';
	return copy;
}

char *
pstrdup(const char *in)
{
	return pnstrdup(in, strlen(in));
}

char *
psprintf(const char *fmt,...)
{
	va_list		args;
	int			len;
	char	   *text_out;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);

	text_out = palloc(len + 1);
	va_start(args, fmt);
	(void) vsnprintf(text_out, len + 1, fmt, args);
	va_end(args);
	return text_out;
}

/* ---- lists ---- */

List *
list_make1_impl(NodeTag t, ListCell datum1)
{
	List	   *list = palloc0(sizeof(List));

	list->type = t;
	list->length = 1;
	list->elements = palloc(sizeof(ListCell));
	list->elements[0] = datum1;
	return list;
}

List *
lappend(List *list, void *datum)
{
	ListCell   *elements;

	if (list == NIL)
		return list_make1(datum);

	elements = palloc((list->length + 1) * sizeof(ListCell));
	memcpy(elements, list->elements, list->length * sizeof(ListCell));
	elements[list->length++].ptr_value = datum;
	list->elements = elements;
	return list;
}

/* ---- a name that the server has too ---- */

/*
 * PostgreSQL's function.  In a backend jansson's function of this name is out
 * of reach; whoever calls it ends here, and notices.
 */
Datum
json_object(PG_FUNCTION_ARGS)
{
	fprintf(stderr, "json_object of the server was called\n");
	abort();
}

/* ---- errors ---- */

/*
 * See backend.h.  Calls nest no deeper than one.
 */
const BackendError *
backend_catch(void (*function) (void *), void *argument)
{
	jmp_buf		here;
	bool		raised = true;

	catcher = &here;
	if (setjmp(here) == 0)
	{
		function(argument);
		raised = false;
	}
	catcher = NULL;
	return raised ? &current : NULL;
}

/*
 * See backend.h.
 */
const BackendError *
backend_notice(void)
{
	return noticed ? &notice : NULL;
}

bool
errstart(int elevel, const char *domain)
{
	current_level = elevel;
	memset(&current, 0, sizeof(current));
	current.sqlstate = ERRCODE_INTERNAL_ERROR;
	return true;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return errstart(elevel, domain);
}

int
errcode(int sqlerrcode)
{
	current.sqlstate = sqlerrcode;
	return 0;
}

/* Fill a member of the current error from a function's own arguments. */
#define FILL(member, fmt) \
	do { \
		va_list		args; \
\
		va_start(args, fmt); \
		(void) vsnprintf(current.member, sizeof(current.member), fmt, args); \
		va_end(args); \
	} while (0)

int
errmsg(const char *fmt,...)
{
	FILL(message, fmt);
	return 0;
}

int
errmsg_internal(const char *fmt,...)
{
	FILL(message, fmt);
	return 0;
}

int
errdetail(const char *fmt,...)
{
	FILL(detail, fmt);
	return 0;
}

int
errdetail_internal(const char *fmt,...)
{
	FILL(detail, fmt);
	return 0;
}

int
errhint(const char *fmt,...)
{
	FILL(hint, fmt);
	return 0;
}

char *
unpack_sql_state(int sql_state)
{
	static char state[6];

	for (int i = 0; i < 5; i++)
	{
		state[i] = PGUNSIXBIT(sql_state);
		sql_state >>= 6;
	}
	return state;
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	if (current_level < ERROR)
	{
		notice = current;
		noticed = true;
		return;
	}
	if (catcher == NULL)
	{
		fprintf(stderr, "%s:%d: uncaught ERROR: %s\n", filename, lineno,
				current.message);
		abort();
	}
	longjmp(*catcher, 1);
}
