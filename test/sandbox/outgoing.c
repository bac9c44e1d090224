/*-------------------------------------------------------------------------
 *
 * outgoing.c
 *	  Requests that the sandbox sends by itself.
 *
 * Each has a connection of its own, which never blocks: the receiver may be
 * slow, or ask the sandbox something before it answers.  Only plain HTTP to
 * an IPv4 address or to localhost is spoken.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "outgoing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "util.h"

#define SCHEME "http://"
#define MAX_ANSWER ((size_t) 65536)
#define MAX_EVENTS 32

typedef struct Flight
{
	int			fd;				/* -1: it could not even begin */
	SandboxBuffer out;
	size_t		sent;
	SandboxBuffer in;
	int64_t		deadline;		/* monotonic ms */
	SandboxOutgoingDone done;
	void	   *context;
	struct Flight *next;
} Flight;

static int	set_fd = -1;
static Flight *flights = NULL;

/* The epoll set of all connections, made when it is first asked for. */
int
sandbox_outgoing_fd(void)
{
	if (set_fd < 0)
		set_fd = epoll_create1(EPOLL_CLOEXEC);
	return set_fd;
}

/* Cut a URL into address and path; false if it is not one of ours. */
static bool
read_url(const char *url, struct sockaddr_in *address, const char **path)
{
	char		host[64];
	const char *start = url + strlen(SCHEME);
	size_t		len;
	long		port = 80;

	if (strncmp(url, SCHEME, strlen(SCHEME)) != 0)
		return false;
	len = strcspn(start, ":/");
	if (len >= sizeof(host))
		return false;
	snprintf(host, sizeof(host), "%.*s", (int) len, start);
	*path = start + strcspn(start, "/");
	if (start[len] == ':')
	{
		char	   *digits = sandbox_strndup(start + len + 1, (size_t)
											 (*path - start) - len - 1);
		bool		good = sandbox_parse_long(digits, 1, 65535, &port);

		free(digits);
		if (!good)
			return false;
	}
	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t) port);
	return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ?
					 "127.0.0.1" : host, &address->sin_addr) == 1;
}

/* Begin to connect; -1 if that fails at once. */
static int
begin_connect(const struct sockaddr_in *address, Flight *flight)
{
	struct epoll_event event;
	int			fd = socket(AF_INET,
							SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	memset(&event, 0, sizeof(event));
	event.events = EPOLLIN | EPOLLOUT;
	event.data.ptr = flight;
	if ((connect(fd, (const struct sockaddr *) address,
				 sizeof(*address)) != 0 && errno != EINPROGRESS) ||
		epoll_ctl(sandbox_outgoing_fd(), EPOLL_CTL_ADD, fd, &event) != 0)
	{
		close(fd);
		return -1;
	}
	return fd;
}

/* A request that cannot begin ends in the next turn of the loop. */
void
sandbox_outgoing_post(const char *url, const char *headers, const char *body,
					  int64_t limit_ms, SandboxOutgoingDone done,
					  void *context)
{
	Flight	   *flight = sandbox_alloc(sizeof(*flight));
	struct sockaddr_in address;
	const char *path = "/";
	const char *host = url + strlen(SCHEME);

	flight->fd = -1;
	flight->done = done;
	flight->context = context;
	flight->deadline = sandbox_monotonic_ms();
	if (read_url(url, &address, &path))
	{
		char	   *head =
		sandbox_printf("POST %s HTTP/1.1\r\nHost: %.*s\r\n%s"
					   "Content-Length: %zu\r\nConnection: close\r\n\r\n",
					   *path != '\0' ? path : "/", (int) strcspn(host, "/"),
					   host, headers, strlen(body));

		sandbox_buffer_text(&flight->out, head);
		sandbox_buffer_text(&flight->out, body);
		free(head);
		flight->fd = begin_connect(&address, flight);
		if (flight->fd >= 0)
			flight->deadline += limit_ms;
	}
	flight->next = flights;
	flights = flight;
}

static void
free_flight(Flight *flight)
{
	if (flight->fd >= 0)
		close(flight->fd);
	free(flight->out.data);
	free(flight->in.data);
	free(flight);
}

/* Take a flight off the list and tell of its end. */
static void
end_flight(Flight *flight, int status)
{
	Flight	  **link = &flights;
	SandboxOutgoingDone done = flight->done;
	void	   *context = flight->context;

	while (*link != flight)
		link = &(*link)->next;
	*link = flight->next;
	free_flight(flight);
	done(context, status);
}

/* The status of an answer that is complete; -1 while it is not. */
static int
status_of(const SandboxBuffer *in)
{
	const char *end = in->data != NULL ? strstr(in->data, "\r\n\r\n") : NULL;
	const char *length;
	int			status;

	if (end == NULL || sscanf(in->data, "HTTP/1.%*d %d", &status) != 1)
		return -1;
	length = strcasestr(in->data, "\r\nContent-Length:");
	if (length != NULL && length < end &&
		in->len - (size_t) (end + 4 - in->data) <
		strtoul(length + 17, NULL, 10))
		return -1;
	return status;
}

/* Send what the connection takes; false if it is broken. */
static bool
send_some(Flight *flight)
{
	struct epoll_event event;

	while (flight->sent < flight->out.len)
	{
		ssize_t		count = send(flight->fd,
								 flight->out.data + flight->sent,
								 flight->out.len - flight->sent,
								 MSG_NOSIGNAL);

		if (count < 0)
			return errno == EAGAIN || errno == EINTR;
		flight->sent += (size_t) count;
	}
	memset(&event, 0, sizeof(event));
	event.events = EPOLLIN;
	event.data.ptr = flight;
	return epoll_ctl(set_fd, EPOLL_CTL_MOD, flight->fd, &event) == 0;
}

/* Read what has come; false at its end. */
static bool
read_some(Flight *flight)
{
	char		block[4096];
	ssize_t		count;

	while ((count = recv(flight->fd, block, sizeof(block), 0)) > 0)
	{
		sandbox_buffer_append(&flight->in, block, (size_t) count);
		if (flight->in.len > MAX_ANSWER)
			return false;
	}
	return count < 0 && (errno == EAGAIN || errno == EINTR);
}

static void
serve_flight(Flight *flight, uint32_t events)
{
	bool		alive = true;
	int			status;

	if ((events & EPOLLOUT) != 0 && flight->sent < flight->out.len)
		alive = send_some(flight);
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		alive = read_some(flight) && alive;
	status = status_of(&flight->in);
	if (status >= 0 || !alive)
		end_flight(flight, status > 0 ? status : 0);
}

/* How long the loop may sleep, in ms; -1 for ever. */
int64_t
sandbox_outgoing_sleep_ms(void)
{
	int64_t		limit = -1;
	const Flight *flight;

	for (flight = flights; flight != NULL; flight = flight->next)
	{
		int64_t		left = flight->deadline - sandbox_monotonic_ms();

		if (left < 0)
			left = 0;
		if (limit < 0 || left < limit)
			limit = left;
	}
	return limit;
}

/* One whose time is over, or NULL. */
static Flight *
late_flight(void)
{
	int64_t		now = sandbox_monotonic_ms();
	Flight	   *flight = flights;

	while (flight != NULL && flight->deadline > now)
		flight = flight->next;
	return flight;
}

/*
 * Do what can be done without waiting.  What ends may begin others, so the
 * events of one turn are all of flights that were there before it.
 */
void
sandbox_outgoing_run(void)
{
	struct epoll_event events[MAX_EVENTS];
	Flight	   *flight;
	int			count;
	int			i;

	if (flights == NULL)
		return;
	count = epoll_wait(sandbox_outgoing_fd(), events, MAX_EVENTS, 0);
	for (i = 0; i < count; i++)
		serve_flight(events[i].data.ptr, events[i].events);
	while ((flight = late_flight()) != NULL)
		end_flight(flight, 0);
}

void
sandbox_outgoing_clear(void)
{
	while (flights != NULL)
	{
		Flight	   *next = flights->next;

		free_flight(flights);
		flights = next;
	}
}
