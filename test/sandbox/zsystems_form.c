/*-------------------------------------------------------------------------
 *
 * zsystems_form.c
 *	  A plan's body: JSON, or the parts of a form.
 *
 * A form is taken apart by libmicrohttpd, so that what counts is what a
 * server reads in it, not what the client meant to write.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "zsystems.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PARSER_BYTES 65536
#define CONTENT_KEPT 4096

/* The parts read so far, and the one that is being read. */
typedef struct Form
{
	json_t	   *parts;
	json_t	   *part;			/* borrowed from parts */
	SandboxBuffer content;
} Form;

/* The current part is complete: note its size and the start of its text. */
static void
end_part(Form *form)
{
	size_t		kept = form->content.len;

	if (form->part == NULL)
		return;
	if (kept > CONTENT_KEPT)
		kept = CONTENT_KEPT;
	json_object_set_new(form->part, "bytes",
						json_integer((json_int_t) form->content.len));
	if (form->content.data != NULL)
		sandbox_force_utf8(form->content.data, kept);
	json_object_set_new(form->part, "content",
						json_stringn(form->content.data != NULL ?
									 form->content.data : "", kept));
	form->content.len = 0;
	form->part = NULL;
}

/* libmicrohttpd's iterator over the parts; a part may come in pieces. */
static enum MHD_Result
take_piece(void *cls, enum MHD_ValueKind kind, const char *key,
		   const char *filename, const char *content_type,
		   const char *transfer_encoding, const char *data, uint64_t offset,
		   size_t size)
{
	Form	   *form = cls;

	if (offset == 0)
	{
		end_part(form);
		form->part = json_pack("{s:s, s:s?, s:s?}", "name", key,
							   "filename", filename,
							   "content_type", content_type);
		json_array_append_new(form->parts, form->part);
	}
	sandbox_buffer_append(&form->content, data, size);
	return MHD_YES;
}

/* The parts of a multipart body, or NULL if it is none. */
static json_t *
read_parts(SandboxRequest *request)
{
	Form		form = {json_array(), NULL, {NULL, 0, 0}};
	struct MHD_PostProcessor *parser =
	MHD_create_post_processor(request->connection, PARSER_BYTES,
							  take_piece, &form);
	bool		good = parser != NULL && request->body.len > 0 &&
	MHD_post_process(parser, request->body.data,
					 request->body.len) == MHD_YES;

	if (parser != NULL && MHD_destroy_post_processor(parser) != MHD_YES)
		good = false;
	end_part(&form);
	free(form.content.data);
	if (good)
		return form.parts;
	json_decref(form.parts);
	return NULL;
}

/* The text parts as an object; files are not fields of a plan. */
static json_t *
fields_of(const json_t *parts)
{
	json_t	   *fields = json_object();
	size_t		i;

	for (i = 0; i < json_array_size(parts); i++)
	{
		const json_t *part = json_array_get(parts, i);
		const char *name = json_string_value(json_object_get(part, "name"));

		if (name != NULL && json_is_null(json_object_get(part, "filename")))
			json_object_set(fields, name, json_object_get(part, "content"));
	}
	return fields;
}

static bool
is_multipart(const SandboxRequest *request)
{
	static const char type[] = "multipart/form-data;";
	const char *value = sandbox_request_header(request, "Content-Type");

	return value != NULL && strncasecmp(value, type, sizeof(type) - 1) == 0;
}

/*
 * The members of a body that is JSON or a form, to be released; of a form,
 * *parts becomes its parts, else NULL.  If it is neither, the reply is
 * filled and the result is NULL.
 */
json_t *
sandbox_form_read(SandboxRequest *request, json_t **parts)
{
	*parts = NULL;
	if (!is_multipart(request))
		return sandbox_accept_json(request) ? json_incref(request->json) :
			NULL;
	*parts = read_parts(request);
	if (*parts != NULL)
		return fields_of(*parts);
	sandbox_zsystems_refuse(request, 400, SANDBOX_REFUSAL_ERROR,
							"multipart inválido");
	return NULL;
}
