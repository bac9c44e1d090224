/*-------------------------------------------------------------------------
 *
 * provider.h
 *	  What a provider is: pure functions from arguments to a request and
 *	  from an answer to a verdict.
 *
 * A provider file knows its paths, fields and traps, and nothing else: no
 * SQL, no settings, no sockets, no tables.  It uses palloc in the current
 * memory context, ereport for arguments that it refuses, and jansson through
 * json.h.  That is why it can be tested and fuzzed alone (test/unit).
 *
 * The words: an *action* is one intended change at a provider, kept as a row
 * until it is closed; an *attempt* is one request sent for it; a *verdict* is
 * what one attempt proved; an *instance* is one gateway at the provider.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_PROVIDER_H
#define PARTNER_API_PROVIDER_H

#include "postgres.h"

#include "jansson_pg.h"

#include "nodes/pg_list.h"

/* ---- mutating operations: each is an action ---- */

typedef enum PartnerApiKind
{
	PARTNER_API_CREATE_INSTANCE,
	PARTNER_API_SIGN_INSTANCE,
	PARTNER_API_UPDATE_SUBSCRIPTION,
	PARTNER_API_CANCEL_INSTANCE,
	PARTNER_API_DELETE_INSTANCE,
	PARTNER_API_DELETE_INSTANCES,
	PARTNER_API_DISCONNECT_INSTANCE
} PartnerApiKind;

#define PARTNER_API_KINDS (PARTNER_API_DISCONNECT_INSTANCE + 1)

/* ---- reading operations: sent by the caller's own backend ---- */

typedef enum PartnerApiRead
{
	PARTNER_API_READ_STATUS,
	PARTNER_API_READ_QR,
	PARTNER_API_READ_QR_URL,
	PARTNER_API_READ_PHONE_CODE
} PartnerApiRead;

/* What a provider is asked to act with; tokens are NUL-terminated text. */
typedef struct PartnerApiCredential
{
	const char *token;			/* partner token, never NULL */
	const char *client_token;	/* account security token, or NULL */
} PartnerApiCredential;

/* One action as a provider sees it.  Everything is borrowed. */
typedef struct PartnerApiAction
{
	PartnerApiKind kind;
	const char *instance_id;	/* NULL for create and bulk delete */
	const char *instance_token; /* NULL where instance_id is */
	const char *nonce;			/* NULL if the server's name_nonce is off */
	json_t	   *arguments;		/* object; see each provider's check() */
	json_t	   *tokens;			/* bulk delete: object, id -> token */
} PartnerApiAction;

typedef struct PartnerApiPair
{
	const char *name;
	const char *value;
} PartnerApiPair;

/*
 * A request relative to the server's base URL.  Segments and query values
 * are given decoded; the transport percent-encodes them.
 */
typedef struct PartnerApiRequest
{
	const char *method;			/* "GET", "POST", "PUT", "DELETE" */
	List	   *path;			/* of char *, one per segment */
	List	   *query;			/* of PartnerApiPair * */
	List	   *headers;		/* of PartnerApiPair * */
	const char *body;			/* UTF-8, or NULL for none */
	size_t		body_len;
} PartnerApiRequest;

/*
 * What came back.  "sent" is true once the first byte may have left; with
 * "complete" false there is no answer to judge, and "transport_error" says
 * why in words without secrets.
 */
typedef struct PartnerApiResponse
{
	bool		sent;
	bool		complete;
	int			status;			/* HTTP status, 0 if none was read */
	const char *content_type;	/* NULL if absent */
	const char *body;			/* NUL-terminated for convenience */
	size_t		body_len;
	int64		retry_after_ms; /* -1 if absent */
	int64		used_up_ms;		/* the rate limit is, for so long; else -1 */
	int64		date_ms;		/* Date header, unix ms; 0 if absent */
	const char *transport_error;	/* NULL if complete */
} PartnerApiResponse;

typedef enum PartnerApiVerdictKind
{
	PARTNER_API_DONE,			/* definite yes */
	PARTNER_API_FAILED,			/* definite no, permanent */
	PARTNER_API_RETRY,			/* definite no, transient */
	PARTNER_API_UNKNOWN			/* anything else after the first byte */
} PartnerApiVerdictKind;

/* Why it is not "done"; decides SQLSTATE, hint and retry policy. */
typedef enum PartnerApiReason
{
	PARTNER_API_REASON_NONE,
	PARTNER_API_REASON_UNREACHABLE, /* nothing was sent */
	PARTNER_API_REASON_LOST,	/* sent, no readable answer */
	PARTNER_API_REASON_CREDENTIAL,	/* 401, 403: token or allow-list */
	PARTNER_API_REASON_NOT_FOUND,	/* the provider does not know the id */
	PARTNER_API_REASON_REFUSED, /* the provider said no, in its own words */
	PARTNER_API_REASON_BUSY,	/* 429 and the like */
	PARTNER_API_REASON_PROTOCOL /* 405, 415: our request is wrong */
} PartnerApiReason;

typedef struct PartnerApiVerdict
{
	PartnerApiVerdictKind kind;
	PartnerApiReason reason;
	char	   *message;		/* provider's words, raw; NULL if done */
	int64		retry_after_ms; /* -1 if the provider named none */
	/* what a "done" told us; NULL or 0 where it told nothing */
	char	   *instance_id;
	char	   *instance_token;
	int64		due_ms;			/* unix ms; 0 if absent or unreadable */
	List	   *outcomes;		/* bulk delete: PartnerApiOutcome * */
} PartnerApiVerdict;

/* One instance's part of a bulk delete. */
typedef struct PartnerApiOutcome
{
	char	   *instance_id;
	bool		done;
	char	   *message;		/* NULL if done */
} PartnerApiOutcome;

/* The subscription state that a list row proves. */
typedef enum PartnerApiSubscription
{
	PARTNER_API_SUBSCRIPTION_UNKNOWN,	/* a literal we do not know */
	PARTNER_API_SUBSCRIPTION_TRIAL,
	PARTNER_API_SUBSCRIPTION_SIGNED,	/* paid, pending, retry... */
	PARTNER_API_SUBSCRIPTION_CANCELLING,	/* cancelled, still running */
	PARTNER_API_SUBSCRIPTION_CANCELLED	/* cancelled */
} PartnerApiSubscription;

/* One row of the provider's own list. */
typedef struct PartnerApiListRow
{
	char	   *instance_id;	/* never NULL */
	char	   *instance_token; /* NULL if the list does not show it */
	char	   *name;			/* NULL if absent, as for all below */
	char	   *payment_status; /* the provider's literal */
	char	   *middleware;
	char	   *created;		/* as the provider wrote it */
	int64		created_ms;		/* unix ms; 0 if absent or unreadable */
	int64		due_ms;			/* unix ms; 0 if absent or unreadable */
	PartnerApiSubscription subscription;
	bool		phone_connected;
	bool		whatsapp_connected;
	char	   *details;		/* JSON object of the row without secrets */
} PartnerApiListRow;

typedef struct PartnerApiPage
{
	List	   *rows;			/* of PartnerApiListRow * */
	int64		total;			/* rows of all pages; -1 if it does not say */
	bool		last;			/* no further page is to be read */
} PartnerApiPage;

typedef struct PartnerApiFilter
{
	const char *query;			/* name or id to search for, or NULL */
	const char *middleware;		/* "web", "mobile" or NULL for all */
	int			page_size;		/* rows a page; 0 for the default */
} PartnerApiFilter;

/* What a read answered; which field is filled depends on the operation. */
typedef struct PartnerApiReadResult
{
	bool		connected;		/* READ_STATUS */
	bool		phone_connected;
	char	   *text;			/* STATUS: detail; QR_URL, PHONE_CODE: value */
	bytea	   *bytes;			/* READ_QR: PNG image */
} PartnerApiReadResult;

typedef struct PartnerApiProvider
{
	const char *name;			/* value of the server option "provider" */
	const char *base_url;		/* default of the option "base_url" */
	int64		trial_ms;		/* length of a trial; 0 if there is none */
	int			page_rows;		/* rows that a page of its list holds */
	/* an instance too many costs money until it is deleted? */
	bool		removes_surplus;

	/* Can the provider do this?  hint (may be NULL) says what to use. */
	bool		(*supports) (PartnerApiKind kind, const char **hint);

	/* Raise ERROR for arguments that must not be sent. */
	void		(*check) (const PartnerApiAction *action);

	void		(*build) (const PartnerApiAction *action,
						  const PartnerApiCredential *credential,
						  PartnerApiRequest *request);

	/* Judge a complete answer that the shared rules leave to the provider. */
	void		(*judge) (const PartnerApiAction *action,
						  const PartnerApiResponse *response,
						  PartnerApiVerdict *verdict);

	/* Lists: page counts from 1. */
	void		(*build_list) (const PartnerApiFilter *filter, int page,
							   const PartnerApiCredential *credential,
							   PartnerApiRequest *request);
	/* false: not a list; *message (raw) says what it is instead */
	bool		(*parse_list) (const PartnerApiResponse *response, int page,
							   PartnerApiPage *result, char **message);

	/*
	 * Reads.  check_read raises ERROR for a bad parameter; parse_read returns
	 * false with *message where the answer holds no value.
	 */
	void		(*check_read) (PartnerApiRead read, const char *parameter);
	void		(*build_read) (PartnerApiRead read, const char *instance_id,
							   const char *instance_token,
							   const char *parameter,
							   const PartnerApiCredential *credential,
							   PartnerApiRequest *request);
	bool		(*parse_read) (PartnerApiRead read,
							   const PartnerApiResponse *response,
							   PartnerApiReadResult *result, char **message);
} PartnerApiProvider;

/* provider.c: the registry, and what all providers share */
extern const PartnerApiProvider *partner_api_provider_find(const char *name);
extern char *partner_api_provider_names(void);
extern const char *partner_api_kind_name(PartnerApiKind kind);
extern bool partner_api_kind_is_paid(PartnerApiKind kind);
extern bool partner_api_kind_parse(const char *name, PartnerApiKind *kind);
extern void partner_api_provider_judge(const PartnerApiProvider *provider,
									   const PartnerApiAction *action,
									   const PartnerApiResponse *response,
									   PartnerApiVerdict *verdict);
extern const char *partner_api_subscription_name(PartnerApiSubscription subscription);
extern PartnerApiReason partner_api_response_reason(const PartnerApiResponse *response);
extern void partner_api_check_instance_id(const char *instance_id);
extern void partner_api_check_instance_name(const char *name);
extern char *partner_api_name_with_nonce(const char *name, const char *nonce);

/* provider.c: for the providers' own use */
extern bool partner_api_text_has_control(const char *text);
extern char *partner_api_error_words(const json_t *root);
extern char *partner_api_response_words(const PartnerApiResponse *response);

extern const PartnerApiProvider partner_api_zapi;

#endif							/* PARTNER_API_PROVIDER_H */
