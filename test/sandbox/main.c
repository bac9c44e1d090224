/*-------------------------------------------------------------------------
 *
 * main.c
 *	  The sandbox's command line, start and end.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asaas.h"
#include "config.h"
#include "fault.h"
#include "journal.h"
#include "ledger.h"
#include "server.h"
#include "util.h"
#include "zsystems.h"

typedef struct CommandLine
{
	SandboxServerOptions server;
	const char *port_file;
	const char *certificate_file;
	const char *key_file;
	const char *client_token;
	char	  **tokens;
	int			token_count;
} CommandLine;

#define USAGE \
	"usage: partner_sandbox [--host ADDRESS] [--port N] [--port-file FILE]\n" \
	"           [--tls-cert FILE --tls-key FILE] [--token T]...\n" \
	"           [--client-token T] [--log] [--exit-on-eof]\n"

static void
fail(const char *what, const char *which)
{
	fprintf(stderr, "partner_sandbox: %s%s\n%s", what, which, USAGE);
	exit(2);
}

static void
add_token(CommandLine *line, char *token)
{
	line->tokens = sandbox_realloc(line->tokens,
								   (size_t) (line->token_count + 1) *
								   sizeof(char *));
	line->tokens[line->token_count++] = token;
}

static void
read_command_line(int argc, char **argv, CommandLine *line)
{
	static const struct option options[] = {
		{"client-token", required_argument, NULL, 'c'},
		{"exit-on-eof", no_argument, NULL, 'e'},
		{"help", no_argument, NULL, '?'},
		{"host", required_argument, NULL, 'h'},
		{"log", no_argument, NULL, 'l'},
		{"port", required_argument, NULL, 'p'},
		{"port-file", required_argument, NULL, 'f'},
		{"tls-cert", required_argument, NULL, 'C'},
		{"tls-key", required_argument, NULL, 'K'},
		{"token", required_argument, NULL, 't'},
		{NULL, 0, NULL, 0}
	};
	int			c;
	long		port;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
	{
		switch (c)
		{
			case 'c':
				line->client_token = optarg;
				break;
			case 'e':
				line->server.exit_on_eof = true;
				break;
			case 'h':
				line->server.host = optarg;
				break;
			case 'l':
				sandbox_journal_log = true;
				break;
			case 'p':
				if (!sandbox_parse_long(optarg, 0, 65535, &port))
					fail("not a port: ", optarg);
				line->server.port = (uint16_t) port;
				break;
			case 'f':
				line->port_file = optarg;
				break;
			case 'C':
				line->certificate_file = optarg;
				break;
			case 'K':
				line->key_file = optarg;
				break;
			case 't':
				add_token(line, optarg);
				break;
			default:
				fail("bad option", "");
		}
	}
	if (optind < argc)
		fail("unexpected argument: ", argv[optind]);
	if ((line->certificate_file == NULL) != (line->key_file == NULL))
		fail("--tls-cert and --tls-key go together", "");
}

/* A whole file as text; NULL for no name. */
static char *
read_file(const char *name)
{
	SandboxBuffer text = {NULL, 0, 0};
	char		block[4096];
	size_t		len;
	FILE	   *file;

	if (name == NULL)
		return NULL;
	file = fopen(name, "r");
	if (file == NULL)
		fail("could not open ", name);
	while ((len = fread(block, 1, sizeof(block), file)) > 0)
		sandbox_buffer_append(&text, block, len);
	fclose(file);
	if (text.data == NULL)
		fail("empty file: ", name);
	return text.data;
}

/* Write the port so that a reader sees all of it or no file. */
static void
write_port_file(const char *name, unsigned port)
{
	char	   *temporary = sandbox_printf("%s.tmp", name);
	FILE	   *file = fopen(temporary, "w");

	if (file == NULL || fprintf(file, "%u\n", port) < 0 ||
		fclose(file) != 0 || rename(temporary, name) != 0)
		fail("could not write ", name);
	free(temporary);
}

int
main(int argc, char **argv)
{
	static char default_token[] = "sandbox-partner-token";
	CommandLine line;
	uint16_t	port;

	memset(&line, 0, sizeof(line));
	line.server.host = "127.0.0.1";
	line.client_token = "sandbox-client-token";
	read_command_line(argc, argv, &line);
	if (line.token_count == 0)
		add_token(&line, default_token);
	line.server.certificate = read_file(line.certificate_file);
	line.server.key = read_file(line.key_file);
	sandbox_config_init(line.tokens, line.token_count, line.client_token);
	port = sandbox_server_start(&line.server);
	if (port == 0)
		return 1;
	if (line.port_file != NULL)
		write_port_file(line.port_file, port);
	printf("listening on %s://%s:%u\n",
		   line.server.certificate != NULL ? "https" : "http",
		   line.server.host, port);
	fflush(stdout);
	sandbox_server_run();
	sandbox_fault_clear();
	sandbox_journal_reset();
	sandbox_ledger_reset();
	sandbox_zsystems_reset();
	sandbox_asaas_reset();
	free(line.server.certificate);
	free(line.server.key);
	free(line.tokens);
	return 0;
}
