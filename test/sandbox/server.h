/*-------------------------------------------------------------------------
 *
 * server.h
 *	  The HTTP server and its event loop.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_SERVER_H
#define SANDBOX_SERVER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct SandboxServerOptions
{
	const char *host;
	uint16_t	port;			/* 0: any free one */
	char	   *certificate;	/* PEM texts, or both NULL */
	char	   *key;
	bool		exit_on_eof;
} SandboxServerOptions;

/* Listen; the port, or 0 with an error printed */
extern uint16_t sandbox_server_start(const SandboxServerOptions *options);

/* Serve until a signal, or the end of standard input, says stop */
extern void sandbox_server_run(void);

#endif							/* SANDBOX_SERVER_H */
