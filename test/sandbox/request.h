/*-------------------------------------------------------------------------
 *
 * request.h
 *	  One request on its way, its answer, and the routes that it may take.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_REQUEST_H
#define SANDBOX_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <microhttpd.h>

#include "config.h"
#include "util.h"

#define SANDBOX_MAX_SEGMENTS 12

/* What a request asks for; route.c has the names. */
typedef enum SandboxOperation
{
	SANDBOX_CREATE_INSTANCE,
	SANDBOX_LIST_INSTANCES,
	SANDBOX_SIGN_INSTANCE,
	SANDBOX_UPDATE_SUBSCRIPTION,
	SANDBOX_CANCEL_INSTANCE,
	SANDBOX_DELETE_INSTANCE,
	SANDBOX_DELETE_INSTANCES,
	SANDBOX_QR_CODE,
	SANDBOX_QR_CODE_IMAGE,
	SANDBOX_PHONE_CODE,
	SANDBOX_INSTANCE_STATUS,
	SANDBOX_DISCONNECT_INSTANCE,
	SANDBOX_READ_SETTINGS,
	SANDBOX_CHANGE_SETTINGS,
	SANDBOX_REBOOT_INSTANCE,
	SANDBOX_CREATE_PLAN,
	SANDBOX_LIST_PLANS,
	SANDBOX_READ_PLAN,
	SANDBOX_CHANGE_PLAN,
	SANDBOX_CREATE_SUBSCRIPTION,
	SANDBOX_LIST_SUBSCRIPTIONS,
	SANDBOX_READ_SUBSCRIPTION,
	SANDBOX_CHANGE_SUBSCRIPTION,
	SANDBOX_CANCEL_SUBSCRIPTION,
	SANDBOX_SUSPEND_SUBSCRIPTION,
	SANDBOX_REACTIVATE_SUBSCRIPTION,
	SANDBOX_LIST_INVOICES,
	SANDBOX_REFUND_INVOICE,
	SANDBOX_CREATE_CLIENT,
	SANDBOX_FIND_CLIENT,
	SANDBOX_STORE_CARD,
	SANDBOX_CREATE_CUSTOMER,
	SANDBOX_LIST_CUSTOMERS,
	SANDBOX_READ_CUSTOMER,
	SANDBOX_CHANGE_CUSTOMER,
	SANDBOX_DELETE_CUSTOMER,
	SANDBOX_RESTORE_CUSTOMER,
	SANDBOX_LIST_NOTIFICATIONS,
	SANDBOX_CHANGE_NOTIFICATION,
	SANDBOX_CHANGE_NOTIFICATIONS,
	SANDBOX_CREATE_CHARGE,
	SANDBOX_LIST_CHARGES,
	SANDBOX_READ_CHARGE,
	SANDBOX_CHARGE_STATUS,
	SANDBOX_CHARGE_VIEWS,
	SANDBOX_BOLETO_LINE,
	SANDBOX_PIX_CODE,
	SANDBOX_BILLING_INFO,
	SANDBOX_CHANGE_CHARGE,
	SANDBOX_DELETE_CHARGE,
	SANDBOX_RESTORE_CHARGE,
	SANDBOX_REFUND_CHARGE,
	SANDBOX_RECEIVE_CHARGE,
	SANDBOX_UNDO_RECEIVE_CHARGE,
	SANDBOX_PAY_CHARGE,
	SANDBOX_CAPTURE_CHARGE,
	SANDBOX_SIMULATE_CHARGE,
	SANDBOX_CHARGE_LIMITS,
	SANDBOX_CHARGE_STATISTICS,
	SANDBOX_CREATE_RECURRENCE,
	SANDBOX_LIST_RECURRENCES,
	SANDBOX_READ_RECURRENCE,
	SANDBOX_CHANGE_RECURRENCE,
	SANDBOX_DELETE_RECURRENCE,
	SANDBOX_LIST_RECURRENCE_CHARGES,
	SANDBOX_PAYMENT_BOOK,
	SANDBOX_CREATE_WEBHOOK,
	SANDBOX_LIST_WEBHOOKS,
	SANDBOX_READ_WEBHOOK,
	SANDBOX_CHANGE_WEBHOOK,
	SANDBOX_DELETE_WEBHOOK,
	SANDBOX_RESUME_WEBHOOK,
	SANDBOX_READ_BALANCE,
	SANDBOX_ACCOUNT_STATUS,
	SANDBOX_ACCOUNT_DATA,
	SANDBOX_LIST_TRANSACTIONS,
	SANDBOX_SANDBOX_HELPER,
	SANDBOX_UNKNOWN_OPERATION
} SandboxOperation;

#define SANDBOX_OPERATIONS (SANDBOX_UNKNOWN_OPERATION + 1)

/* How an answer goes out. */
typedef enum SandboxDelivery
{
	SANDBOX_SEND,
	SANDBOX_SEND_HALF,			/* and close, short of Content-Length */
	SANDBOX_SEND_SLOWLY,		/* "chunk" bytes every "chunk_ms" */
	SANDBOX_SEND_BIG,			/* JSON of "bytes" bytes */
	SANDBOX_SEND_ENDLESSLY,
	SANDBOX_CLOSE,				/* no answer, orderly close */
	SANDBOX_RESET				/* no answer, TCP reset */
} SandboxDelivery;

typedef struct SandboxReply
{
	unsigned	status;
	SandboxBuffer body;
	const char *content_type;	/* static, or NULL for none */
	json_t	   *headers;		/* further ones, name to text, or NULL */
	SandboxDelivery delivery;
	size_t		bytes;
	size_t		chunk;
	int64_t		chunk_ms;
} SandboxReply;

/* A client's connection. */
typedef struct SandboxPeer
{
	uint64_t	number;
	uint64_t	requests;
} SandboxPeer;

typedef enum SandboxPhase
{
	SANDBOX_HEADERS,
	SANDBOX_BODY,
	SANDBOX_HELD,				/* suspended, by delay or until released */
	SANDBOX_LET_GO				/* resumed, its answer is due */
} SandboxPhase;

typedef struct SandboxRequest
{
	struct MHD_Connection *connection;
	SandboxPeer *peer;
	SandboxPhase phase;
	int64_t		arrived_us;
	bool		reused;

	char	   *path;			/* as sent, without the query */
	char	   *query;			/* as sent, "" if none */
	char		method[16];
	char	   *decoded;		/* storage of segments */
	char	   *segments[SANDBOX_MAX_SEGMENTS];
	int			segment_count;	/* -1: malformed or too many */
	unsigned	secrets;		/* bit i: segment i is to be masked */
	SandboxBuffer body;

	/* by route.c */
	const struct SandboxProvider *provider; /* NULL: no such path */
	const struct SandboxRoute *route;	/* NULL: no such path or method */
	SandboxOperation operation;
	int			access;			/* credential that the path wants */
	char		allowed[64];	/* methods of the path; "" if no such path */
	const char *id;
	const char *token;
	const char *parameter;

	/* by the provider */
	SandboxToken *partner;
	json_t	   *json;			/* the body, if it is JSON */
	unsigned	effects;
	bool		counted;		/* among those that are on their way */

	/* by fault.c: what is to be done to the answer */
	json_t	   *fault;			/* the rule's own object, or NULL */
	int			fault_type;
	bool		fault_serves;	/* the provider's part happens */
	int64_t		delay_ms;
	bool		withheld;
	bool		deferred;		/* the provider's part is still to come */
	bool		undeterred;		/* and comes even if the client goes away */
	bool		gone;			/* the client went away meanwhile */
	bool		timed;			/* a wake-up is pending */
	struct SandboxRequest *next_held;
	struct SandboxRequest *previous_held;

	uint64_t	seq;			/* in the journal, 0 if not there */
	SandboxReply reply;
} SandboxRequest;

typedef void (*SandboxHandler) (SandboxRequest *request);

/*
 * Path segments that match anything but nothing; text before one, in the
 * same segment, must be there: "waInstance" SANDBOX_ID.
 */
#define SANDBOX_ID "{id}"
#define SANDBOX_TOKEN "{token}"
#define SANDBOX_PARAMETER "{parameter}"

typedef enum SandboxBodyRule
{
	SANDBOX_NO_BODY,
	SANDBOX_BODY_OPTIONAL,
	SANDBOX_BODY_REQUIRED,
	SANDBOX_BODY_ANY			/* of any type; the handler reads it */
} SandboxBodyRule;

typedef struct SandboxRoute
{
	SandboxOperation operation;
	const char *method;
	const char *path[SANDBOX_MAX_SEGMENTS];
	int			access;			/* the provider's: which credential */
	SandboxBodyRule body;
	SandboxHandler handler;
} SandboxRoute;

typedef struct SandboxProvider
{
	const char *name;
	const SandboxRoute *routes;
	int			route_count;

	/* Is a path that no route has its own all the same?  NULL: never */
	bool		(*owns) (const SandboxRequest *request);

	/* Which segments of any path hold its tokens?  NULL: none */
	unsigned	(*secrets) (const SandboxRequest *request);

	/* Check the credential; if it is refused, fill the reply */
	bool		(*authorize) (SandboxRequest *request, int access);

	/*
	 * Fill the reply to what reaches no handler: 404 no such path, 405 no
	 * such method, 415 not sent as JSON, 400 no JSON object
	 */
	void		(*refuse) (SandboxRequest *request, unsigned status);

	/*
	 * What the journal may keep of a body, to be freed; NULL: all of it. The
	 * member may be NULL too.
	 */
	char	   *(*shown_body) (const SandboxRequest *request);

	/* A request that may have been counted is over; or NULL */
	void		(*ended) (const SandboxRequest *request);
} SandboxProvider;

/* zapi.c */
extern const SandboxProvider sandbox_zapi;

/* greenapi.c */
extern const SandboxProvider sandbox_greenapi;

/* zsystems.c */
extern const SandboxProvider sandbox_zsystems;

/* asaas.c */
extern const SandboxProvider sandbox_asaas;

/* route.c */
extern const char *const sandbox_operation_names[SANDBOX_OPERATIONS];
extern bool sandbox_operation_parse(const char *name,
									SandboxOperation *operation);
extern void sandbox_route(SandboxRequest *request);
extern char *sandbox_masked_path(const SandboxRequest *request);
extern char *sandbox_query_value(const SandboxRequest *request,
								 const char *name);

/* dispatch.c */
extern bool sandbox_accept_json(SandboxRequest *request);
extern SandboxToken *sandbox_bearer_token(const SandboxRequest *request);
extern void sandbox_dispatch(SandboxRequest *request);
extern void sandbox_dispatch_deferred(SandboxRequest *request);

/* reply.c */
extern void sandbox_reply_json(SandboxReply *reply, unsigned status,
							   json_t *body);
extern void sandbox_reply_text(SandboxReply *reply, unsigned status,
							   const char *content_type, const char *text);
extern void sandbox_reply_error(SandboxReply *reply, unsigned status,
								const char *error);
extern void sandbox_reply_header(SandboxReply *reply, const char *name,
								 const char *value);
extern void sandbox_reply_clear(SandboxReply *reply);
extern enum MHD_Result sandbox_reply_send(SandboxRequest *request);

/* server.c, for the other files */
extern const char *sandbox_request_header(const SandboxRequest *request,
										  const char *name);
extern void sandbox_suspend_for(SandboxRequest *request, int64_t ms);
extern bool sandbox_stopping(void);
extern unsigned sandbox_release_withheld(void);

#endif							/* SANDBOX_REQUEST_H */
