/*-------------------------------------------------------------------------
 *
 * bare_requests.c
 *	  How fast libcurl's multi interface sends creates by itself.
 *
 * usage: bare_requests URL TOKEN COUNT CONCURRENCY
 *        bare_requests --version
 *
 * Sends COUNT creates to the sandbox at URL, CONCURRENCY of them in flight,
 * on kept connections and handles, with the loop and the options of transport
 * that cost anything in the extension.  Prints the rate.  This is what the
 * worker could reach if it wrote nothing down, so the program does nothing
 * that it does not have to.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS 1000

/* One request in flight, with the handle and buffer that it keeps. */
typedef struct Lane
{
	CURL	   *easy;
	char		body[64];
} Lane;

static CURLM *multi;
static long wanted;
static long started = 0;
static long finished = 0;

/* End with a reason. */
static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "bare_requests: %s: %s\n", what, why);
	exit(1);
}

/* Seconds of the monotonic clock. */
static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}

/* The answers' bodies are of no interest. */
static size_t
ignore(char *data, size_t size, size_t count, void *arg)
{
	(void) data;
	(void) arg;
	return size * count;
}

/* Headers of every request. */
static struct curl_slist *
make_headers(const char *token)
{
	char		line[256];
	struct curl_slist *headers;

	snprintf(line, sizeof(line), "Authorization: Bearer %s", token);
	headers = curl_slist_append(NULL, line);
	headers = curl_slist_append(headers, "Content-Type: application/json");
	return curl_slist_append(headers, "Expect:");
}

/* Make a lane's handle, with everything that stays the same. */
static void
open_lane(Lane *lane, const char *base_url, struct curl_slist *headers)
{
	char		url[256];

	snprintf(url, sizeof(url), "%s/instances/integrator/on-demand", base_url);
	lane->easy = curl_easy_init();
	if (lane->easy == NULL)
		fail("could not start", "out of memory");
	curl_easy_setopt(lane->easy, CURLOPT_URL, url);
	curl_easy_setopt(lane->easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(lane->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(lane->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(lane->easy, CURLOPT_WRITEFUNCTION, ignore);
	curl_easy_setopt(lane->easy, CURLOPT_PRIVATE, lane);
	curl_easy_setopt(lane->easy, CURLOPT_POSTFIELDS, lane->body);
}

/* Send the next create on a lane, unless all are sent. */
static void
send_next(Lane *lane)
{
	if (started == wanted)
		return;
	started++;
	snprintf(lane->body, sizeof(lane->body), "{\"name\": \"bare %ld\"}",
			 started);
	curl_easy_setopt(lane->easy, CURLOPT_POSTFIELDSIZE,
					 (long) strlen(lane->body));
	curl_multi_add_handle(multi, lane->easy);
}

/* Take what is answered and send the next on its lane. */
static void
take_finished(void)
{
	CURLMsg    *message;
	int			queued;

	while ((message = curl_multi_info_read(multi, &queued)) != NULL)
	{
		Lane	   *lane;
		long		status;

		if (message->data.result != CURLE_OK)
			fail("request failed", curl_easy_strerror(message->data.result));
		curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE,
						  &status);
		if (status != 200)
			fail("request failed", "the answer is not 200");
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &lane);
		curl_multi_remove_handle(multi, lane->easy);
		finished++;
		send_next(lane);
	}
}

/* Send all and wait for the answers; returns the seconds it took. */
static double
send_all(const char *base_url, const char *token, long concurrency)
{
	struct curl_slist *headers = make_headers(token);
	Lane	   *lanes = calloc((size_t) concurrency, sizeof(Lane));
	double		start = now();
	double		seconds;

	if (lanes == NULL)
		fail("could not start", "out of memory");
	for (long i = 0; i < concurrency; i++)
	{
		open_lane(&lanes[i], base_url, headers);
		send_next(&lanes[i]);
	}
	while (finished < wanted)
	{
		int			running;

		curl_multi_perform(multi, &running);
		take_finished();
		if (finished < wanted)
			curl_multi_poll(multi, NULL, 0, POLL_MS, NULL);
	}
	seconds = now() - start;

	for (long i = 0; i < concurrency; i++)
		curl_easy_cleanup(lanes[i].easy);
	curl_slist_free_all(headers);
	free(lanes);
	return seconds;
}

int
main(int argc, char **argv)
{
	long		concurrency;

	if (argc == 2 && strcmp(argv[1], "--version") == 0)
	{
		printf("libcurl %s\n", curl_version_info(CURLVERSION_NOW)->version);
		return 0;
	}
	if (argc != 5)
		fail("usage", "bare_requests URL TOKEN COUNT CONCURRENCY");
	wanted = strtol(argv[3], NULL, 10);
	concurrency = strtol(argv[4], NULL, 10);
	curl_global_init(CURL_GLOBAL_ALL);
	multi = curl_multi_init();
	if (multi == NULL)
		fail("could not start", "out of memory");
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, concurrency);
	printf("%.1f\n",
		   (double) wanted / send_all(argv[1], argv[2], concurrency));
	curl_multi_cleanup(multi);
	curl_global_cleanup();
	return 0;
}
