/*-------------------------------------------------------------------------
 *
 * outgoing.h
 *	  Requests that the sandbox sends by itself.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_OUTGOING_H
#define SANDBOX_OUTGOING_H

#include <stdint.h>

/* Called once the request has ended; status 0: there was no answer. */
typedef void (*SandboxOutgoingDone) (void *context, int status);

/* POST body to an http:// URL; headers are whole lines, each with CR LF. */
extern void sandbox_outgoing_post(const char *url, const char *headers,
								  const char *body, int64_t limit_ms,
								  SandboxOutgoingDone done, void *context);

/* For the event loop: what to watch, how long to wait, what to do. */
extern int	sandbox_outgoing_fd(void);
extern int64_t sandbox_outgoing_sleep_ms(void);
extern void sandbox_outgoing_run(void);

/* Break all off; nobody is called. */
extern void sandbox_outgoing_clear(void);

#endif							/* SANDBOX_OUTGOING_H */
