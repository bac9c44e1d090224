/*-------------------------------------------------------------------------
 *
 * http_body.c
 *	  What a request sends after its headers: a text, or the parts of a form.
 *
 * A text is sent from a copy of ours, since one that libcurl makes could not
 * be overwritten: it may hold card data.  Parts are put together by libcurl,
 * which chooses the boundary and names it in the Content-Type header; the
 * request has no such header of its own then.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "http_body.h"
#include "nodes/pg_list.h"

/* Raise ERROR unless libcurl took what it was given. */
static void
check_taken(CURLcode code)
{
	if (code != CURLE_OK)
		ereport(ERROR,
				errcode(code == CURLE_OUT_OF_MEMORY ? ERRCODE_OUT_OF_MEMORY :
						ERRCODE_FDW_ERROR),
				errmsg("could not prepare the body of a request"),
				errdetail("libcurl: %s.", curl_easy_strerror(code)));
}

/* Raise ERROR unless there was memory for it. */
static void
check_made(const void *made)
{
	if (made == NULL)
		check_taken(CURLE_OUT_OF_MEMORY);
}

/*
 * A name becomes a part of a header: no line break may be in it, whatever the
 * version of libcurl would make of one.
 */
static void
check_name(const char *name)
{
	if (strpbrk(name, "\r\n") != NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("the name of a form field or of a file contains a line break"));
}

/* Add one part to the form. */
static void
add_part(PartnerApiBody *body, const PartnerApiPart *part)
{
	curl_mimepart *added;

	check_name(part->name);
	added = curl_mime_addpart(body->parts);
	check_made(added);
	check_taken(curl_mime_name(added, part->name));
	check_taken(curl_mime_data(added, part->value, part->value_len));
	if (part->file_name != NULL)
	{
		check_name(part->file_name);
		check_taken(curl_mime_filename(added, part->file_name));
	}
}

/* Send the parts as multipart/form-data. */
static void
set_parts(PartnerApiBody *body, CURL *easy, const List *parts)
{
	ListCell   *lc;

	body->parts = curl_mime_init(easy);
	check_made(body->parts);
	foreach(lc, parts)
		add_part(body, lfirst(lc));
	check_taken(curl_easy_setopt(easy, CURLOPT_MIMEPOST, body->parts));
}

/* Send a text, which may be empty. */
static void
set_text(PartnerApiBody *body, CURL *easy, const char *text, size_t len)
{
	if (len > 0)
	{
		body->data = malloc(len);
		check_made(body->data);
		memcpy(body->data, text, len);
		body->len = len;
	}
	check_taken(curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
								 (curl_off_t) len));
	check_taken(curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
								 len > 0 ? body->data : ""));
}

/*
 * Give a request its body.  The call owns it before anything here can throw.
 * A POST or PUT without a body still says that its length is zero.
 */
void
partner_api_body_set(PartnerApiBody *body, CURL *easy,
					 const PartnerApiRequest *request)
{
	if (request->parts != NIL)
		set_parts(body, easy, request->parts);
	else if (request->body != NULL)
		set_text(body, easy, request->body, request->body_len);
	else if (strcmp(request->method, "POST") == 0 ||
			 strcmp(request->method, "PUT") == 0)
		set_text(body, easy, NULL, 0);
	else
		check_taken(curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L));
}

/* Overwrite and free it; the request is sent, or never will be. */
void
partner_api_body_release(PartnerApiBody *body)
{
	if (body->data != NULL)
		explicit_bzero(body->data, body->len);
	free(body->data);
	body->data = NULL;
	curl_mime_free(body->parts);
	body->parts = NULL;
}
