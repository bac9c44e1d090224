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
#include "providers/kinds.h"

/* ---- reading operations: sent by the caller's own backend ---- */

typedef enum PartnerApiRead
{
	PARTNER_API_READ_STATUS,
	PARTNER_API_READ_QR,
	PARTNER_API_READ_QR_URL,
	PARTNER_API_READ_PHONE_CODE,
	PARTNER_API_READ_SETTINGS,
	PARTNER_API_READ_PLAN,
	PARTNER_API_READ_SUBSCRIPTION,
	PARTNER_API_READ_CUSTOMER,
	PARTNER_API_READ_CHARGE,
	PARTNER_API_READ_RECURRENCE,
	PARTNER_API_READ_BOLETO,	/* digits to pay a charge by */
	PARTNER_API_READ_PIX,		/* the same as code and image */
	PARTNER_API_READ_VIEWS,		/* when a charge was looked at */
	PARTNER_API_READ_BALANCE,	/* of the account, as all below */
	PARTNER_API_READ_ACCOUNT,
	PARTNER_API_READ_CHARGE_LIMIT
} PartnerApiRead;

#define PARTNER_API_READS (PARTNER_API_READ_CHARGE_LIMIT + 1)

/* What a provider is asked to act with; tokens are NUL-terminated text. */
typedef struct PartnerApiCredential
{
	const char *token;			/* partner token, never NULL */
	const char *client_token;	/* account security token, or NULL */
} PartnerApiCredential;

/* What a request is about, and where it is reached. */
typedef struct PartnerApiTarget
{
	const char *id;				/* of an instance, plan ...; NULL for none */
	const char *token;			/* of the instance; NULL if not known */
	const char *url;			/* base URL of the instance's own calls, as
								 * the server's option or the provider says;
								 * NULL: by the provider's rule */
} PartnerApiTarget;

/* One action as a provider sees it.  Everything is borrowed. */
typedef struct PartnerApiAction
{
	PartnerApiKind kind;
	const char *instance_id;	/* what it acts on; NULL for a create and a
								 * bulk delete */
	const char *instance_token; /* NULL where it has none */
	const char *instance_url;	/* see PartnerApiTarget */
	const char *nonce;			/* NULL if the server's name_nonce is off */
	json_t	   *arguments;		/* object; see each provider's check() */
	json_t	   *tokens;			/* bulk delete: object, id -> token */
	json_t	   *secret;			/* card data, never stored; or NULL */
	bool		again;			/* an answer to it was lost before */
	int64		now_ms;			/* for check(): unix ms; 0 if not known */
} PartnerApiAction;

typedef struct PartnerApiPair
{
	const char *name;
	const char *value;
} PartnerApiPair;

/* One part of a multipart/form-data body; sizes in bytes. */
typedef struct PartnerApiPart
{
	const char *name;
	const char *value;
	size_t		value_len;
	const char *file_name;		/* NULL: a text part */
} PartnerApiPart;

/*
 * A request relative to the server's base URL, or to one of its own.
 * Segments and query values are given decoded; the transport percent-encodes
 * them.
 */
typedef struct PartnerApiRequest
{
	const char *base_url;		/* NULL: the server's */
	const char *method;			/* "GET", "POST", "PUT", "DELETE" */
	List	   *path;			/* of char *, one per segment */
	List	   *query;			/* of PartnerApiPair * */
	List	   *headers;		/* of PartnerApiPair * */
	const char *body;			/* UTF-8, or NULL for none */
	size_t		body_len;
	List	   *parts;			/* of PartnerApiPart *: multipart/form-data,
								 * in place of a body; the transport adds its
								 * Content-Type */
	bool		secret;			/* set by the caller of build(): the body,
								 * palloc'd, holds card data */
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
	PARTNER_API_REASON_PERMISSION,	/* 403 where it is about the call */
	PARTNER_API_REASON_NOT_FOUND,	/* the provider does not know the id */
	PARTNER_API_REASON_REFUSED, /* the provider said no, in its own words */
	PARTNER_API_REASON_BUSY,	/* 429 and the like */
	PARTNER_API_REASON_NOT_READY,	/* what is asked for is still on its way */
	PARTNER_API_REASON_PROTOCOL /* 405, 415: our request is wrong */
} PartnerApiReason;

typedef struct PartnerApiVerdict
{
	PartnerApiVerdictKind kind;
	PartnerApiReason reason;
	char	   *message;		/* provider's words, raw; NULL if done */
	int64		retry_after_ms; /* -1 if the provider named none */
	/* what a "done" told us; NULL or 0 where it told nothing */
	char	   *instance_id;	/* of what was made */
	char	   *instance_token;
	char	   *instance_url;	/* base URL of its own calls */
	int64		due_ms;			/* unix ms; 0 if absent or unreadable */
	char	   *fields;			/* JSON object: what else it told, by the
								 * names of our columns; no secrets */
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
	PARTNER_API_SUBSCRIPTION_CANCELLED, /* cancelled */
	PARTNER_API_SUBSCRIPTION_DELETED	/* the list keeps it for a while */
} PartnerApiSubscription;

/*
 * One row of a provider's own list.  Of what is no instance it has the id,
 * as "name" the text that carries our nonce, and the fields.
 */
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
	int64		deleted_ms;		/* unix ms; 0 if absent or unreadable */
	PartnerApiSubscription subscription;
	bool		phone_connected;
	bool		whatsapp_connected;
	bool		connection_unknown; /* the list does not show the last two */
	bool		billed_apart;	/* free, or paid for in another way */
	char	   *details;		/* JSON object of the row without secrets */
	char	   *fields;			/* no instance: JSON object, by the names of
								 * our columns */
} PartnerApiListRow;

typedef struct PartnerApiPage
{
	List	   *rows;			/* of PartnerApiListRow * */
	int64		total;			/* rows of all pages; -1 if it does not say */
	bool		last;			/* no further page is to be read */
	bool		local_times;	/* its times are wall-clock times of the
								 * server's zone, given as if they were UTC */
} PartnerApiPage;

/* What one row shows of an action whose outcome is unknown. */
typedef enum PartnerApiSight
{
	PARTNER_API_SIGHT_NOTHING,	/* it is about something else */
	PARTNER_API_SIGHT_EFFECT,
	PARTNER_API_SIGHT_NO_EFFECT,
	PARTNER_API_SIGHT_RIDDLE	/* it is about it, and cannot be read */
} PartnerApiSight;

typedef struct PartnerApiFilter
{
	PartnerApiList list;
	const char *query;			/* what to search for, or NULL: a name or id;
								 * of clients the document, of invoices the
								 * subscription, of notifications the
								 * customer; of lists that are searched by
								 * several terms "name=value&...",
								 * percent-encoded */
	const char *middleware;		/* "web", "mobile" or NULL for all */
	int			page_size;		/* rows a page; 0 for the default */
} PartnerApiFilter;

/* What a read answered; which field is filled depends on the operation. */
typedef struct PartnerApiReadResult
{
	bool		connected;		/* READ_STATUS */
	bool		phone_connected;
	char	   *text;			/* STATUS: detail; QR_URL, PHONE_CODE: value;
								 * SETTINGS and what is no instance: JSON
								 * object without secrets */
	bytea	   *bytes;			/* READ_QR, READ_PIX: PNG image */
} PartnerApiReadResult;

/* What a provider sends by itself, to a webhook. */
typedef struct PartnerApiEvent
{
	char	   *id;				/* never NULL, as the name */
	char	   *name;			/* of what happened, in the provider's word */
	int64		at_ms;			/* when, unix ms; 0 if absent or unreadable */
	bool		local_time;		/* that is a wall-clock time of the server's
								 * zone, given as if it were UTC */
	char	   *charge_id;		/* that it is about; NULL: it is about none */
	char	   *fields;			/* JSON object: the charge, by the names of
								 * our columns; NULL if there is none */
	char	   *body;			/* JSON object: all of it, without secrets */
} PartnerApiEvent;

typedef struct PartnerApiProvider
{
	const char *name;			/* value of the server option "provider" */
	const char *base_url;		/* default of the option "base_url" */
	PartnerApiList main_list;	/* what a connection test and a survey read */
	int64		trial_ms;		/* length of a trial; 0 if there is none */
	int64		ready_ms;		/* a new instance may take so long before it
								 * answers; 0 if it answers at once */
	int			page_rows;		/* rows that a page of its list holds */
	int			most_requests;	/* it takes at a time; 0: it does not say */
	int			request_quota;	/* default of that option; 0: no limit */
	/* its list of instances can be searched: query and middleware */
	bool		searches_list;
	/* an instance too many costs money until it is deleted? */
	bool		removes_surplus;
	/* a deleted instance leaves its phone linked? */
	bool		disconnects_first;
	/* what carries a nonce shows it as it was sent, by its documentation? */
	bool		keeps_nonces;
	/* its tokens have permissions: one is good for some calls only? */
	bool		grants_calls;
	/* its instances are reached at hosts of their own? */
	bool		own_hosts;
	/* what a connection test reads; NULL: a row of the main list */
	const PartnerApiRead *test_read;
	/* of days, and times without a zone; NULL: it writes none, or in UTC */
	const char *time_zone;

	/* Can the provider do this?  hint (may be NULL) says what to use. */
	bool		(*supports) (PartnerApiKind kind, const char **hint);
	bool		(*supports_read) (PartnerApiRead read, const char **hint);
	bool		(*supports_list) (PartnerApiList list);

	/* Does a request of this kind carry the token of its instance? */
	bool		(*needs_token) (PartnerApiKind kind);

	/*
	 * Does it need the client token of the user mapping?  The hook may be
	 * NULL, where none does.
	 */
	bool		(*needs_client_token) (PartnerApiKind kind);

	/*
	 * Why a credential cannot be one for this base URL, as a sentence; NULL
	 * if nothing shows before a request.  The hook may be NULL.
	 */
	const char *(*credential_fault) (const PartnerApiCredential *credential,
									 const char *base_url);

	/* Raise ERROR for arguments that must not be sent. */
	void		(*check) (const PartnerApiAction *action);

	void		(*build) (const PartnerApiAction *action,
						  const PartnerApiCredential *credential,
						  PartnerApiRequest *request);

	/*
	 * Why a complete answer to a read or a list is a refusal, by its body
	 * too; REASON_NONE: it is none.  NULL: its status decides.
	 */
	PartnerApiReason (*reason) (const PartnerApiResponse *response);

	/*
	 * An answer that is no success in words, never NULL.  NULL: by the shared
	 * rules.
	 */
	char	   *(*words) (const PartnerApiResponse *response);

	/* Judge a complete answer that the shared rules leave to the provider. */
	void		(*judge) (const PartnerApiAction *action,
						  const PartnerApiResponse *response,
						  PartnerApiVerdict *verdict);

	/* Lists: page counts from 1. */
	void		(*build_list) (const PartnerApiFilter *filter, int page,
							   const PartnerApiCredential *credential,
							   PartnerApiRequest *request);
	/* false: not a list; *message (raw) says what it is instead */
	bool		(*parse_list) (const PartnerApiFilter *filter,
							   const PartnerApiResponse *response, int page,
							   PartnerApiPage *result, char **message);

	/*
	 * What to search the main list for to find all that was made since a
	 * time; NULL: read it whole.  The hook may be NULL.
	 */
	const char *(*survey_query) (int64 since_ms);

	/*
	 * Of actions on what is no instance, NULL where a provider has none: what
	 * to search its list for (NULL: read it whole), and what a row shows of
	 * the action, which was sent at sent_ms.
	 */
	const char *(*look_query) (const PartnerApiAction *action);
	PartnerApiSight (*sight) (const PartnerApiAction *action, int64 sent_ms,
							  const PartnerApiListRow *row);

	/*
	 * Before something is made that the provider may have already, what to
	 * search its list for (NULL: nothing), and whether a row is what would be
	 * made.  The hooks may be NULL.
	 */
	const char *(*find_query) (const PartnerApiAction *action);
	bool		(*is_there) (const PartnerApiAction *action,
							 const PartnerApiListRow *row);

	/*
	 * Reads.  check_read raises ERROR for a bad parameter; parse_read returns
	 * false with *message where the answer holds no value.
	 */
	void		(*check_read) (PartnerApiRead read, const char *parameter);

	/*
	 * Answer a read without a request; false for one that takes a request,
	 * NULL if all do.  The answer may hold the token of the instance.
	 */
	bool		(*answer_read) (PartnerApiRead read,
								const PartnerApiTarget *target,
								PartnerApiReadResult *result);
	void		(*build_read) (PartnerApiRead read,
							   const PartnerApiTarget *target,
							   const char *parameter,
							   const PartnerApiCredential *credential,
							   PartnerApiRequest *request);
	bool		(*parse_read) (PartnerApiRead read,
							   const PartnerApiResponse *response,
							   PartnerApiReadResult *result, char **message);

	/*
	 * Events: the header, in lower case, that carries the token of the
	 * webhook, and what a body says; false with *message if it is no event.
	 * NULL: it sends none.
	 */
	const char *event_header;
	bool		(*parse_event) (const char *body, size_t len,
								PartnerApiEvent *event, char **message);
} PartnerApiProvider;

/* provider.c: the registry, and what all providers share */
extern const PartnerApiProvider *partner_api_provider_find(const char *name);
extern char *partner_api_provider_names(void);
extern void partner_api_provider_judge(const PartnerApiProvider *provider,
									   const PartnerApiAction *action,
									   const PartnerApiResponse *response,
									   PartnerApiVerdict *verdict);
extern const char *partner_api_subscription_name(PartnerApiSubscription subscription);
extern PartnerApiReason partner_api_status_reason(int status);
extern PartnerApiReason partner_api_response_reason(const PartnerApiResponse *response);
extern PartnerApiReason partner_api_provider_reason(const PartnerApiProvider *provider,
													const PartnerApiResponse *response);
extern const char *partner_api_id_fault(const char *id);
extern void partner_api_check_instance_id(const char *instance_id);
extern void partner_api_check_instance_name(const char *name);
extern char *partner_api_name_with_nonce(const char *name, const char *nonce);

/* provider.c: for the providers' own use */
extern bool partner_api_text_has_control(const char *text);
extern char *partner_api_error_words(const json_t *root);
extern char *partner_api_response_words(const PartnerApiResponse *response);

extern const PartnerApiProvider partner_api_asaas;
extern const PartnerApiProvider partner_api_greenapi;
extern const PartnerApiProvider partner_api_zapi;
extern const PartnerApiProvider partner_api_zsystems;

#endif							/* PARTNER_API_PROVIDER_H */
