/*-------------------------------------------------------------------------
 *
 * hosts.c
 *	  The hosts that tokens may be sent to.
 *
 * A superuser lists them in partner_api.allowed_hosts, so that a server's
 * owner, or what a provider answers, cannot point a token elsewhere.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "servers.h"
#include "settings.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/varlena.h"

/* Is the host an IPv4 address rather than a name? */
static bool
is_address(const char *host)
{
	struct in_addr address;

	return inet_pton(AF_INET, host, &address) == 1;
}

/* Loopback as it is written: any other name could resolve to anything. */
static bool
is_loopback(const char *host)
{
	struct in_addr address;

	if (inet_pton(AF_INET, host, &address) == 1)
		return (ntohl(address.s_addr) >> 24) == IN_LOOPBACKNET;
	return strcmp(host, "[::1]") == 0 || strcmp(host, "localhost") == 0;
}

/*
 * Does an entry of the setting, host or host:port, cover this URL?  A label *
 * at its beginning stands for any one label, as in certificates.
 */
static bool
entry_covers(const char *entry, const PartnerApiUrl *url)
{
	const char *host = url->host;
	size_t		len;

	if (strncmp(entry, "*.", 2) == 0)
	{
		host = strchr(host, '.');
		if (host == NULL || host == url->host || is_address(url->host))
			return false;
		entry++;
	}
	len = strlen(host);
	if (pg_strncasecmp(entry, host, len) != 0)
		return false;
	if (entry[len] == '\0')
		return true;
	return entry[len] == ':' && strtol(entry + len + 1, NULL, 10) == url->port;
}

/* Does the setting allow the host of this URL? */
static bool
host_allowed(const PartnerApiUrl *url)
{
	char	   *copy = pstrdup(partner_api_allowed_hosts);
	List	   *entries = NIL;
	ListCell   *lc;

	if (!SplitGUCList(copy, ',', &entries))
		return false;
	foreach(lc, entries)
	{
		if (entry_covers(lfirst(lc), url))
			return true;
	}
	return false;
}

/* Refuse a base URL, given by "what", that a token must not be sent to. */
void
partner_api_check_url(const char *what, const char *base_url)
{
	PartnerApiUrl url;
	char	   *problem = partner_api_url_problem(base_url, &url);

	if (problem != NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				errmsg("invalid value of option \"%s\"", what),
				errdetail("%s", problem));
	if (!host_allowed(&url))
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("host \"%s\" is not allowed", url.host),
				errdetail("Tokens are sent only to the hosts in the setting \"partner_api.allowed_hosts\"."),
				errhint("A superuser can add \"%s:%d\" to that setting.",
						url.host, url.port));
	if (strcmp(url.scheme, "https") != 0 && !is_loopback(url.host))
		ereport(ERROR,
				errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				errmsg("plain http to host \"%s\" is not allowed", url.host),
				errdetail("A token would cross the network unencrypted."),
				errhint("Use https."));
}

/*
 * Raise ERROR for a base URL that a token must not be sent to.  Called when
 * the option is written and again at every use, since the setting may change;
 * the last URL that was right is not taken apart again under the same setting.
 */
void
partner_api_check_allowed_host(const char *base_url)
{
	static char *right_url = NULL;
	static char *right_hosts = NULL;

	if (right_url != NULL && right_hosts != NULL &&
		strcmp(right_url, base_url) == 0 &&
		strcmp(right_hosts, partner_api_allowed_hosts) == 0)
		return;
	partner_api_check_url("base_url", base_url);
	if (right_url != NULL)
		pfree(right_url);
	if (right_hosts != NULL)
		pfree(right_hosts);
	right_url = right_hosts = NULL;
	right_url = MemoryContextStrdup(TopMemoryContext, base_url);
	right_hosts = MemoryContextStrdup(TopMemoryContext,
									  partner_api_allowed_hosts);
}

/*
 * Raise ERROR unless a request may go where it says, with the tokens that it
 * carries: instances have hosts of their own, by an option, by the provider's
 * word or by its rule.
 */
void
partner_api_check_request_host(const PartnerApiRequest *request)
{
	if (request->base_url != NULL)
		partner_api_check_url("instance_base_url", request->base_url);
}

/*
 * Does a request go to a host of its own?  Then what comes back, or does not,
 * says nothing about the server's: neither opens its circuit nor holds it.
 */
bool
partner_api_goes_elsewhere(const PartnerApiServer *server,
						   const PartnerApiRequest *request)
{
	return request->base_url != NULL &&
		strcmp(request->base_url, server->endpoint.base_url) != 0;
}
