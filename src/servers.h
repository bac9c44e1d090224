/*-------------------------------------------------------------------------
 *
 * servers.h
 *	  Foreign servers and user mappings of the wrapper: configuration and
 *	  credentials, loaded anew for each use.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_SERVERS_H
#define PARTNER_API_SERVERS_H

#include "postgres.h"

#include "http.h"
#include "limits_shared.h"
#include "pgtime.h"
#include "providers/provider.h"

/* What may be limited; see caps.c. */
typedef enum PartnerApiCap
{
	PARTNER_API_MAX_INSTANCES,
	PARTNER_API_MAX_NEW_PER_DAY,
	PARTNER_API_MAX_CYCLE_CENTS,
	PARTNER_API_TOKEN_QUOTA		/* of the credential */
} PartnerApiCap;

#define PARTNER_API_CAPS (PARTNER_API_TOKEN_QUOTA + 1)
#define PARTNER_API_NO_CAP (-1)

typedef struct PartnerApiServer
{
	Oid			oid;
	char	   *name;
	const PartnerApiProvider *provider;
	PartnerApiEndpoint endpoint;
	const char *instance_base_url;	/* of all its instances; NULL: each its
									 * own */
	pg_tz	   *time_zone;		/* of times that name none */
	int64		list_lag;		/* microseconds */
	int64		sign_lead;		/* microseconds */
	char	   *trial_end;		/* sign, lapse or ask */
	bool		name_nonce;
	/* what becomes of one that is unknown when its deadline is near */
	bool		repeats_unknown_create;
	bool		repeats_unknown_sign;
	bool		dry_run;
	bool		quota_counts_running;	/* not all that were ever created */
	int			caps[PARTNER_API_CAPS]; /* its quota: after the credential */
	PartnerApiCredential credential;	/* after ..._load_credential */
	PartnerApiLimits limits;	/* the same */
	char	   *token_fingerprint;	/* NULL if not asked for */
} PartnerApiServer;

/* Times before a deadline at which it is announced; 0: never. */
typedef struct PartnerApiDeadlines
{
	int64		warning;		/* microseconds */
	int64		alarm;
} PartnerApiDeadlines;

/* Who sends the events of a server's webhooks, and what shows it. */
typedef struct PartnerApiEventSource
{
	char	   *server;
	const PartnerApiProvider *provider;
	const char *token;			/* that they carry; NULL: none is set */
	pg_tz	   *zone;			/* of times that name none */
} PartnerApiEventSource;

/* servers.c */
extern void partner_api_server_check_usage(const char *name, Oid role);
extern PartnerApiServer *partner_api_server_load(const char *name, Oid role);
extern const char *partner_api_server_read_credential(PartnerApiServer *server,
													  Oid role);
extern void partner_api_server_load_credential(PartnerApiServer *server,
											   Oid role);
extern void partner_api_server_identify_token(PartnerApiServer *server);
extern List *partner_api_server_secrets(const PartnerApiServer *server,
										const char *instance_token);
extern const PartnerApiProvider *partner_api_server_provider(Oid server);
extern List *partner_api_server_names(void);
extern bool partner_api_server_exists(const char *name);
extern bool partner_api_server_is_usable(const char *name, Oid role);
extern PartnerApiDeadlines partner_api_server_deadlines(const char *name);
extern void partner_api_server_event_source(const char *name,
											PartnerApiEventSource *source);
extern char *partner_api_server_owner(const PartnerApiServer *server);
extern bool partner_api_server_in_dry_run(const char *name);
extern const char *partner_api_cap_name(PartnerApiCap cap);

/* options.c */
typedef enum PartnerApiOptionKind
{
	PARTNER_API_OPTION_TEXT,
	PARTNER_API_OPTION_INTEGER,
	PARTNER_API_OPTION_RATE,
	PARTNER_API_OPTION_INTERVAL,
	PARTNER_API_OPTION_CHOICE,
	PARTNER_API_OPTION_URL,
	PARTNER_API_OPTION_ZONE,
	PARTNER_API_OPTION_PROVIDER,
	PARTNER_API_OPTION_LIST
} PartnerApiOptionKind;

/* What a provider must have for an option of its servers to mean anything. */
typedef enum PartnerApiOptionNeed
{
	PARTNER_API_NEEDS_NOTHING,
	PARTNER_API_NEEDS_INSTANCES,
	PARTNER_API_NEEDS_TRIALS,
	PARTNER_API_NEEDS_OWN_HOSTS,	/* of its instances */
	PARTNER_API_NEEDS_LOCAL_TIMES	/* without a zone */
} PartnerApiOptionNeed;

typedef struct PartnerApiOption
{
	const char *name;
	Oid			catalog;		/* whose options: pg_foreign_server, ... */
	PartnerApiOptionKind kind;
	bool		superuser_only;
	const char *fallback;		/* NULL: none, or from the provider */
	int			min;
	int			max;
	const char *choices;		/* comma-separated */
	PartnerApiOptionNeed need;
} PartnerApiOption;

extern const char *partner_api_option_text(List *options, const char *name);
extern int	partner_api_option_integer(List *options, const char *name);
extern double partner_api_option_rate(List *options, const char *name);
extern int	partner_api_option_limit(List *options, Oid catalog,
									 const char *name);
extern int64 partner_api_option_interval(List *options, const char *name);
extern pg_tz *partner_api_option_zone(List *options,
									  const PartnerApiProvider *provider);

/* option_values.c */
extern void partner_api_option_refuse(const PartnerApiOption *option,
									  const char *detail)
			pg_attribute_noreturn();
extern int	partner_api_option_parse_integer(const PartnerApiOption *option,
											 const char *value);
extern double partner_api_option_parse_rate(const PartnerApiOption *option,
											const char *value);
extern int64 partner_api_option_parse_interval(const PartnerApiOption *option,
											   const char *value);
extern pg_tz *partner_api_option_parse_zone(const PartnerApiOption *option,
											const char *value);
extern void partner_api_option_check(const PartnerApiOption *option,
									 const char *value);

/* hosts.c */
extern void partner_api_check_url(const char *what, const char *base_url);
extern void partner_api_check_allowed_host(const char *base_url);
extern void partner_api_check_request_host(const PartnerApiRequest *request);
extern bool partner_api_goes_elsewhere(const PartnerApiServer *server,
									   const PartnerApiRequest *request);

/* secrets.c */
extern char *partner_api_read_token_file(const char *path);
extern void partner_api_check_token(const char *token, const char *what);

#endif							/* PARTNER_API_SERVERS_H */
