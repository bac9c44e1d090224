/*-------------------------------------------------------------------------
 *
 * reply.c
 *	  Answers, also those that trickle, break off or never end.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "config.h"
#include "journal.h"

#define STREAM_BLOCK ((size_t) 64 * 1024)

/* What a body that is not sent in one piece is made from. */
typedef struct Stream
{
	SandboxRequest *request;
	SandboxReply reply;			/* owns the body */
	bool		woken;			/* the pause before this chunk is over */
} Stream;

/* Answer with JSON; takes the reference to body. */
void
sandbox_reply_json(SandboxReply *reply, unsigned status, json_t *body)
{
	reply->status = status;
	reply->content_type = "application/json";
	reply->body.len = 0;
	sandbox_buffer_json(&reply->body, body);
}

/* Answer with text; content_type must be static, or NULL for none. */
void
sandbox_reply_text(SandboxReply *reply, unsigned status,
				   const char *content_type, const char *text)
{
	reply->status = status;
	reply->content_type = content_type;
	reply->body.len = 0;
	sandbox_buffer_text(&reply->body, text);
}

void
sandbox_reply_error(SandboxReply *reply, unsigned status, const char *error)
{
	sandbox_reply_json(reply, status, json_pack("{s:s}", "error", error));
}

/* Add a header; a NULL value adds none. */
void
sandbox_reply_header(SandboxReply *reply, const char *name, const char *value)
{
	if (value == NULL)
		return;
	if (reply->headers == NULL)
		reply->headers = json_object();
	json_object_set_new(reply->headers, name, json_string(value));
}

/* Forget the reply and free what it holds. */
void
sandbox_reply_clear(SandboxReply *reply)
{
	free(reply->body.data);
	json_decref(reply->headers);
	memset(reply, 0, sizeof(*reply));
}

static ssize_t
read_half(const SandboxBuffer *body, uint64_t position, char *out, size_t max)
{
	size_t		left = body->len / 2 - (size_t) position;

	if (left == 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (left > max)
		left = max;
	memcpy(out, body->data + position, left);
	return (ssize_t) left;
}

/* One chunk, after a pause in which the connection sleeps. */
static ssize_t
read_slowly(Stream *stream, uint64_t position, char *out, size_t max)
{
	size_t		left = stream->reply.body.len - (size_t) position;

	if (sandbox_stopping())
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (!stream->woken)
	{
		stream->woken = true;
		sandbox_suspend_for(stream->request, stream->reply.chunk_ms);
		return 0;
	}
	stream->woken = false;
	if (left > max)
		left = max;
	if (left > stream->reply.chunk)
		left = stream->reply.chunk;
	memcpy(out, stream->reply.body.data + position, left);
	return (ssize_t) left;
}

/* A JSON object with one long string; total is UINT64_MAX if it never ends. */
static ssize_t
read_generated(uint64_t total, uint64_t position, char *out, size_t max)
{
	static const char head[] = "{\"value\":\"";
	static const char tail[] = "\"}";
	uint64_t	tail_start = total - (sizeof(tail) - 1);
	size_t		len = max;
	size_t		i;

	if (total - position < max)
		len = (size_t) (total - position);
	memset(out, 'x', len);
	for (i = 0; i < len && position + i < sizeof(head) - 1; i++)
		out[i] = head[position + i];
	for (i = len; i > 0 && position + i > tail_start; i--)
		out[i - 1] = tail[position + i - 1 - tail_start];
	return (ssize_t) len;
}

/* libmicrohttpd's content reader */
static ssize_t
read_stream(void *cls, uint64_t position, char *out, size_t max)
{
	Stream	   *stream = cls;

	switch (stream->reply.delivery)
	{
		case SANDBOX_SEND_HALF:
			return read_half(&stream->reply.body, position, out, max);
		case SANDBOX_SEND_SLOWLY:
			return read_slowly(stream, position, out, max);
		case SANDBOX_SEND_BIG:
			return read_generated(stream->reply.bytes, position, out, max);
		case SANDBOX_SEND_ENDLESSLY:
			return read_generated(UINT64_MAX, position, out, max);
		case SANDBOX_SEND:
		case SANDBOX_CLOSE:
		case SANDBOX_RESET:
			break;
	}
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

static void
free_stream(void *cls)
{
	Stream	   *stream = cls;

	sandbox_reply_clear(&stream->reply);
	free(stream);
}

/* The Content-Length of a streamed reply. */
static uint64_t
announced_size(SandboxReply *reply)
{
	/* the shortest body that can be cut off, or be a JSON object */
	const size_t shortest = 12;

	if (reply->delivery == SANDBOX_SEND_ENDLESSLY)
		return MHD_SIZE_UNKNOWN;
	if (reply->delivery == SANDBOX_SEND_BIG)
	{
		if (reply->bytes < shortest)
			reply->bytes = shortest;
		return reply->bytes;
	}
	if (reply->delivery == SANDBOX_SEND_HALF && reply->body.len < shortest)
		return shortest;
	return reply->body.len;
}

/* Turn the reply into libmicrohttpd's; the body goes over to it. */
static struct MHD_Response *
make_response(SandboxRequest *request)
{
	SandboxReply *reply = &request->reply;
	struct MHD_Response *response;

	if (reply->delivery == SANDBOX_SEND)
		response = MHD_create_response_from_buffer(reply->body.len,
												   reply->body.data,
												   MHD_RESPMEM_MUST_FREE);
	else
	{
		Stream	   *stream = sandbox_alloc(sizeof(*stream));
		uint64_t	size = announced_size(reply);

		stream->request = request;
		stream->reply = *reply;
		stream->reply.headers = NULL;
		response = MHD_create_response_from_callback(size, STREAM_BLOCK,
													 read_stream, stream,
													 free_stream);
	}
	if (response == NULL)
		abort();
	memset(&reply->body, 0, sizeof(reply->body));
	return response;
}

/* The Date header, by the clock that the configuration says. */
static void
add_date(struct MHD_Response *response)
{
	static int64_t written_second = -1;
	static char text[SANDBOX_TIME_LEN];
	int64_t		ms;

	if (sandbox_config.date_header == SANDBOX_DATE_NONE)
		return;
	ms = sandbox_config.date_header == SANDBOX_DATE_REAL ?
		sandbox_real_us() / 1000 : sandbox_clock_now();
	ms += sandbox_config.date_skew_seconds * INT64_C(1000);
	if (ms / 1000 != written_second)
	{
		sandbox_http_time(ms, text);
		written_second = ms / 1000;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_DATE, text);
}

static void
add_headers(struct MHD_Response *response, const SandboxReply *reply)
{
	const char *name;
	json_t	   *value;

	add_date(response);
	if (reply->content_type != NULL &&
		json_object_get(reply->headers, MHD_HTTP_HEADER_CONTENT_TYPE) == NULL)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
								reply->content_type);
	json_object_foreach(reply->headers, name, value)
		MHD_add_response_header(response, name, json_string_value(value));
}

/* Have the kernel answer with RST: a connected socket is disassociated. */
static void
reset_connection(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info;
	struct sockaddr nowhere;

	info = MHD_get_connection_info(connection,
								   MHD_CONNECTION_INFO_CONNECTION_FD);
	memset(&nowhere, 0, sizeof(nowhere));
	nowhere.sa_family = AF_UNSPEC;
	if (connect(info->connect_fd, &nowhere, sizeof(nowhere)) != 0)
		shutdown(info->connect_fd, SHUT_RDWR);
}

/* Send the reply, or close; what is returned goes back to libmicrohttpd. */
enum MHD_Result
sandbox_reply_send(SandboxRequest *request)
{
	SandboxReply *reply = &request->reply;
	struct MHD_Response *response;
	enum MHD_Result result;

	if (reply->delivery == SANDBOX_CLOSE || reply->delivery == SANDBOX_RESET)
	{
		sandbox_journal_end(request, SANDBOX_STATUS_CLOSED);
		if (reply->delivery == SANDBOX_RESET)
			reset_connection(request->connection);
		return MHD_NO;
	}
	sandbox_journal_end(request, reply->status);
	response = make_response(request);
	add_headers(response, reply);
	result = MHD_queue_response(request->connection, reply->status, response);
	MHD_destroy_response(response);
	return result;
}
