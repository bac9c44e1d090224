/*-------------------------------------------------------------------------
 *
 * server.c
 *	  The HTTP server, its event loop, and requests that have to wait.
 *
 * There is one thread.  The loop waits on libmicrohttpd's epoll set, on
 * signals, on standard input, and on the sockets of held requests, whose
 * connections libmicrohttpd does not watch while they are suspended.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "asaas.h"
#include "clock.h"
#include "index.h"
#include "journal.h"
#include "outgoing.h"

#define MAX_CONNECTIONS 8192
#define MAX_BODY ((size_t) 16 * 1024 * 1024)
#define LISTEN_BACKLOG 1024
#define MAX_EVENTS 64

static struct MHD_Daemon *server = NULL;
static int	loop_fd = -1;
static int	signal_fd = -1;
static bool stopping = false;
static uint64_t last_peer = 0;
static SandboxHeap wakeups;		/* monotonic ms to SandboxRequest */
static SandboxRequest *held = NULL;

/* Marks in the loop's events that are not held requests */
static char server_mark;
static char signal_mark;
static char stdin_mark;
static char outgoing_mark;

bool
sandbox_stopping(void)
{
	return stopping;
}

const char *
sandbox_request_header(const SandboxRequest *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
									   name);
}

static void
watch(int fd, uint32_t events, void *mark)
{
	struct epoll_event event;

	memset(&event, 0, sizeof(event));
	event.events = events;
	event.data.ptr = mark;

	/* a plain file on standard input cannot be watched, nor need it be */
	if (epoll_ctl(loop_fd, EPOLL_CTL_ADD, fd, &event) != 0 && errno != EPERM)
		abort();
}

static int
socket_of(const SandboxRequest *request)
{
	const union MHD_ConnectionInfo *info;

	info = MHD_get_connection_info(request->connection,
								   MHD_CONNECTION_INFO_CONNECTION_FD);
	return info->connect_fd;
}

/* Let the connection sleep; it wakes by itself after ms. */
void
sandbox_suspend_for(SandboxRequest *request, int64_t ms)
{
	request->timed = true;
	sandbox_heap_push(&wakeups, sandbox_monotonic_ms() + ms, request, 0);
	MHD_suspend_connection(request->connection);
}

/*
 * Keep a request's answer back, and notice if its client goes away, unless
 * that is not to matter.
 */
static void
hold(SandboxRequest *request)
{
	request->phase = SANDBOX_HELD;
	request->next_held = held;
	if (held != NULL)
		held->previous_held = request;
	held = request;
	if (!request->undeterred)
		watch(socket_of(request), EPOLLRDHUP, request);
	if (request->withheld)
		MHD_suspend_connection(request->connection);
	else
		sandbox_suspend_for(request, request->delay_ms);
}

/* The opposite: the handler is called again for this request. */
static void
let_go(SandboxRequest *request)
{
	if (request->phase == SANDBOX_HELD)
	{
		epoll_ctl(loop_fd, EPOLL_CTL_DEL, socket_of(request), NULL);
		if (request->previous_held != NULL)
			request->previous_held->next_held = request->next_held;
		else
			held = request->next_held;
		if (request->next_held != NULL)
			request->next_held->previous_held = request->previous_held;
		request->phase = SANDBOX_LET_GO;
	}
	if (request->timed)
		sandbox_heap_remove(&wakeups, request);
	request->timed = false;
	/* a connection that is closed does not come to finish() any more */
	if (request->undeterred && request->deferred)
		sandbox_dispatch_deferred(request);
	MHD_resume_connection(request->connection);
}

/* Let all go that wait for a release; returns how many. */
unsigned
sandbox_release_withheld(void)
{
	SandboxRequest *request = held;
	unsigned	count = 0;

	while (request != NULL)
	{
		SandboxRequest *next = request->next_held;

		if (request->withheld)
		{
			let_go(request);
			count++;
		}
		request = next;
	}
	return count;
}

/* libmicrohttpd read a request line: this is where a request begins. */
static void *
begin_request(void *cls, const char *uri, struct MHD_Connection *connection)
{
	SandboxRequest *request = sandbox_alloc(sizeof(*request));
	const char *question = strchrnul(uri, '?');
	const union MHD_ConnectionInfo *info;

	request->arrived_us = sandbox_real_us();
	request->connection = connection;
	info = MHD_get_connection_info(connection,
								   MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	request->peer = info->socket_context;
	request->reused = request->peer->requests > 0;
	request->peer->requests++;
	request->path = sandbox_strndup(uri, (size_t) (question - uri));
	request->query = sandbox_strdup(*question == '?' ? question + 1 : "");
	return request;
}

static void
end_request(void *cls, struct MHD_Connection *connection, void **context,
			enum MHD_RequestTerminationCode reason)
{
	SandboxRequest *request = *context;

	if (request == NULL)
		return;
	*context = NULL;
	sandbox_journal_gone(request);
	if (request->provider != NULL && request->provider->ended != NULL)
		request->provider->ended(request);
	if (request->timed)
		sandbox_heap_remove(&wakeups, request);
	sandbox_reply_clear(&request->reply);
	json_decref(request->json);
	json_decref(request->fault);
	free(request->body.data);
	free(request->decoded);
	free(request->path);
	free(request->query);
	free(request);
}

/* Answer a request whose time has come. */
static enum MHD_Result
finish(SandboxRequest *request)
{
	if (request->gone)
		return MHD_NO;
	if (request->deferred)
		sandbox_dispatch_deferred(request);
	return sandbox_reply_send(request);
}

/* The whole request is here. */
static enum MHD_Result
handle_complete(SandboxRequest *request)
{
	sandbox_dispatch(request);
	if (!request->withheld && request->delay_ms <= 0)
		return finish(request);
	hold(request);
	return MHD_YES;
}

/* libmicrohttpd calls this for headers, each part of a body, and the end. */
static enum MHD_Result
handle(void *cls, struct MHD_Connection *connection, const char *url,
	   const char *method, const char *version, const char *data,
	   size_t *size, void **context)
{
	SandboxRequest *request = *context;

	switch (request->phase)
	{
		case SANDBOX_HEADERS:
			snprintf(request->method, sizeof(request->method), "%s", method);
			request->phase = SANDBOX_BODY;
			return MHD_YES;
		case SANDBOX_BODY:
			if (*size == 0)
				return handle_complete(request);
			if (request->body.len + *size > MAX_BODY)
				return MHD_NO;
			sandbox_buffer_append(&request->body, data, *size);
			*size = 0;
			return MHD_YES;
		case SANDBOX_HELD:
			return MHD_YES;
		case SANDBOX_LET_GO:
			return finish(request);
	}
	return MHD_NO;
}

static void
count_connection(void *cls, struct MHD_Connection *connection, void **context,
				 enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
	{
		SandboxPeer *peer = sandbox_alloc(sizeof(*peer));

		peer->number = ++last_peer;
		*context = peer;
	}
	else
	{
		free(*context);
		*context = NULL;
	}
}

/* As many descriptors as we may have. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
	{
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Make SIGTERM and SIGINT readable, and SIGPIPE harmless. */
static void
watch_signals(void)
{
	sigset_t	set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	watch(signal_fd, EPOLLIN, &signal_mark);
}

static struct MHD_Daemon *
start_daemon(const SandboxServerOptions *options, struct sockaddr_in *address)
{
	unsigned	flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, options->certificate},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, options->key},
		{MHD_OPTION_END, 0, NULL}
	};

	flags |= MHD_USE_SUPPRESS_DATE_NO_CLOCK;	/* reply.c writes it */
	if (options->certificate != NULL)
		flags |= MHD_USE_TLS;
	else
		tls[0].option = MHD_OPTION_END;
	return MHD_start_daemon(flags, options->port, NULL, NULL, handle, NULL,
							MHD_OPTION_SOCK_ADDR, (struct sockaddr *) address,
							MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U,
							MHD_OPTION_LISTEN_BACKLOG_SIZE,
							(unsigned) LISTEN_BACKLOG,
							MHD_OPTION_CONNECTION_LIMIT,
							(unsigned) MAX_CONNECTIONS,
							MHD_OPTION_URI_LOG_CALLBACK, begin_request, NULL,
							MHD_OPTION_NOTIFY_COMPLETED, end_request, NULL,
							MHD_OPTION_NOTIFY_CONNECTION, count_connection,
							NULL,
							MHD_OPTION_ARRAY, tls,
							MHD_OPTION_END);
}

/* The options' texts are needed only during the call. */
uint16_t
sandbox_server_start(const SandboxServerOptions *options)
{
	struct sockaddr_in address;

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_port = htons(options->port);
	if (inet_pton(AF_INET, options->host, &address.sin_addr) != 1)
	{
		fprintf(stderr, "not an IPv4 address: %s\n", options->host);
		return 0;
	}
	raise_descriptor_limit();
	server = start_daemon(options, &address);
	if (server == NULL)
	{
		fprintf(stderr, "could not listen on %s port %u\n", options->host,
				options->port);
		return 0;
	}
	loop_fd = epoll_create1(EPOLL_CLOEXEC);
	watch(MHD_get_daemon_info(server, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
		  EPOLLIN, &server_mark);
	watch_signals();
	watch(sandbox_outgoing_fd(), EPOLLIN, &outgoing_mark);
	if (options->exit_on_eof)
		watch(STDIN_FILENO, EPOLLIN, &stdin_mark);
	return MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT)->port;
}

/* Sleep no longer than so many ms; less than 0 is no bound. */
static void
bound(int64_t *limit, int64_t ms)
{
	if (ms >= 0 && (*limit < 0 || ms < *limit))
		*limit = ms;
}

/* How long the loop may sleep, in ms; -1 for ever. */
static int
sleep_limit(void)
{
	MHD_UNSIGNED_LONG_LONG wanted;
	int64_t		limit = -1;

	if (MHD_get_timeout(server, &wanted) == MHD_YES)
		bound(&limit, wanted > INT32_MAX ? INT32_MAX : (int64_t) wanted);
	if (wakeups.count > 0)
	{
		int64_t		left = wakeups.items[0].key - sandbox_monotonic_ms();

		bound(&limit, left > 0 ? left : 0);
	}
	bound(&limit, sandbox_asaas_sleep_ms());
	bound(&limit, sandbox_outgoing_sleep_ms());
	return limit > INT32_MAX ? INT32_MAX : (int) limit;
}

static void
read_stdin(void)
{
	char		ignored[256];

	if (read(STDIN_FILENO, ignored, sizeof(ignored)) == 0)
		stopping = true;
}

static void
handle_event(const struct epoll_event *event)
{
	if (event->data.ptr == &signal_mark)
		stopping = true;
	else if (event->data.ptr == &stdin_mark)
		read_stdin();
	else if (event->data.ptr != &server_mark &&
			 event->data.ptr != &outgoing_mark)
	{
		SandboxRequest *request = event->data.ptr;

		request->gone = true;
		let_go(request);
	}
}

/* Wake those whose delay is over, or all. */
static void
wake_due(int64_t now)
{
	while (wakeups.count > 0 && wakeups.items[0].key <= now)
		let_go(wakeups.items[0].value);
}

void
sandbox_server_run(void)
{
	struct epoll_event events[MAX_EVENTS];

	while (!stopping)
	{
		int			count = epoll_wait(loop_fd, events, MAX_EVENTS,
									   sleep_limit());
		int			i;

		for (i = 0; i < count; i++)
			handle_event(&events[i]);
		wake_due(sandbox_monotonic_ms());
		sandbox_asaas_tick();
		sandbox_outgoing_run();
		MHD_run(server);
	}
	sandbox_release_withheld();
	wake_due(INT64_MAX);
	MHD_run(server);
	MHD_stop_daemon(server);
	sandbox_heap_clear(&wakeups);
	close(signal_fd);
	close(loop_fd);
}
