/*-------------------------------------------------------------------------
 *
 * http_url.c
 *	  URLs taken apart and put together by libcurl's parser, so that what is
 *	  checked is what is used.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>

#include "http.h"
#include "lib/stringinfo.h"
#include "wipe.h"

/* An owner for a URL handle: freed with the current memory context. */
typedef struct OwnedUrl
{
	CURLU	   *handle;
	MemoryContextCallback release;
} OwnedUrl;

/*
 * Initialise libcurl on first use.  Not done in _PG_init: the postmaster must
 * not start threads or TLS state that its children would inherit.  What
 * libcurl frees is overwritten: URLs, headers and bodies hold tokens, and
 * some a card's data.
 */
void
partner_api_curl_init(void)
{
	static bool done = false;

	if (done)
		return;
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc,
							 partner_api_wiping_free,
							 partner_api_wiping_realloc, strdup,
							 calloc) != CURLE_OK)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("could not initialize libcurl"));
	done = true;
}

/* Reset callback of owned_url(). */
static void
release_url(void *arg)
{
	curl_url_cleanup(((OwnedUrl *) arg)->handle);
}

/* A URL handle that goes with the current memory context. */
static CURLU *
owned_url(void)
{
	OwnedUrl   *owned = palloc0(sizeof(OwnedUrl));

	owned->release.func = release_url;
	owned->release.arg = owned;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &owned->release);
	owned->handle = curl_url();
	if (owned->handle == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory"));
	return owned->handle;
}

/* One part of a URL as a palloc'd copy, or NULL if it has none. */
static char *
url_part(CURLU *url, CURLUPart part)
{
	char	   *value = NULL;
	char	   *copy;

	if (curl_url_get(url, part, &value,
					 part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0) != CURLUE_OK)
		return NULL;
	copy = MemoryContextAllocExtended(CurrentMemoryContext,
									  strlen(value) + 1, MCXT_ALLOC_NO_OOM);
	if (copy != NULL)
		memcpy(copy, value, strlen(value) + 1);
	curl_free(value);
	if (copy == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory"));
	return copy;
}

/*
 * What is wrong with a base URL, as a sentence, or NULL with *parts filled.
 * All memory is in the current context.
 */
char *
partner_api_url_problem(const char *url, PartnerApiUrl *parts)
{
	CURLU	   *handle;
	char	   *port;

	partner_api_curl_init();
	handle = owned_url();
	if (curl_url_set(handle, CURLUPART_URL, url, 0) != CURLUE_OK)
		return "It is not a URL.";
	if (url_part(handle, CURLUPART_USER) != NULL ||
		url_part(handle, CURLUPART_PASSWORD) != NULL)
		return "It must not contain a user name or a password.";
	if (url_part(handle, CURLUPART_QUERY) != NULL ||
		url_part(handle, CURLUPART_FRAGMENT) != NULL)
		return "It must not contain a query or a fragment.";

	parts->scheme = url_part(handle, CURLUPART_SCHEME);
	parts->host = url_part(handle, CURLUPART_HOST);
	port = url_part(handle, CURLUPART_PORT);
	if (parts->scheme == NULL || parts->host == NULL || port == NULL)
		return "It must name a scheme and a host.";
	parts->port = (int) strtol(port, NULL, 10);
	if (strcmp(parts->scheme, "https") != 0 &&
		strcmp(parts->scheme, "http") != 0)
		return "Its scheme must be https.";
	return NULL;
}

/* Append one path segment, percent-encoded. */
static void
append_segment(StringInfo path, const char *segment)
{
	char	   *escaped;

	/* make room first, so that no error can strand libcurl's memory */
	enlargeStringInfo(path, 3 * strlen(segment) + 2);
	escaped = curl_easy_escape(NULL, segment, 0);
	if (escaped == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory"));
	appendStringInfoChar(path, '/');
	appendBinaryStringInfo(path, escaped, strlen(escaped));
	curl_free(escaped);
}

/*
 * The full URL of a request, palloc'd: the base URL's own path, then the
 * segments, then the query.
 */
char *
partner_api_url_compose(const char *base_url, const PartnerApiRequest *request)
{
	CURLU	   *url;
	StringInfoData path;
	char	   *base_path;
	ListCell   *lc;

	partner_api_curl_init();
	url = owned_url();
	if (curl_url_set(url, CURLUPART_URL, base_url, 0) != CURLUE_OK)
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_STRING_FORMAT),
				errmsg("invalid base URL \"%s\"", base_url));

	initStringInfo(&path);
	base_path = url_part(url, CURLUPART_PATH);
	if (base_path != NULL && strcmp(base_path, "/") != 0)
		appendStringInfoString(&path, base_path);
	if (path.len > 0 && path.data[path.len - 1] == '/')
		path.data[--path.len] = '\0';
	foreach(lc, request->path)
		append_segment(&path, lfirst(lc));
	if (curl_url_set(url, CURLUPART_PATH, path.data, 0) != CURLUE_OK)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory"));

	foreach(lc, request->query)
	{
		const PartnerApiPair *pair = lfirst(lc);
		char	   *item = psprintf("%s=%s", pair->name, pair->value);

		if (curl_url_set(url, CURLUPART_QUERY, item,
						 CURLU_APPENDQUERY | CURLU_URLENCODE) != CURLUE_OK)
			ereport(ERROR,
					errcode(ERRCODE_OUT_OF_MEMORY),
					errmsg("out of memory"));
	}
	return url_part(url, CURLUPART_URL);
}
