/*-------------------------------------------------------------------------
 *
 * backend.h
 *	  As much of a PostgreSQL backend as the pure files need to run alone.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BACKEND_H
#define BACKEND_H

#include "postgres.h"

/* What an ereport(ERROR) said; members are empty where it said nothing. */
typedef struct BackendError
{
	int			sqlstate;
	char		message[1024];
	char		detail[1024];
	char		hint[1024];
} BackendError;

/* Run a function; NULL if it returns, else the ERROR that it raised. */
extern const BackendError *backend_catch(void (*function) (void *),
										 void *argument);

/* The last NOTICE or WARNING since the memory context was reset, or NULL. */
extern const BackendError *backend_notice(void);

/* Reset the memory context: run its callbacks, free what was palloc'd. */
extern void backend_reset(void);

/*
 * Let the palloc after "count" further ones fail, as if memory had run out;
 * a negative count lets all succeed.
 */
extern void backend_fail_palloc_after(int count);

#endif							/* BACKEND_H */
