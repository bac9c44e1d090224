/*-------------------------------------------------------------------------
 *
 * config.h
 *	  What a test may change about the provider's behaviour.
 *
 * Where the provider's documents are silent or disagree there is a key here,
 * so that a client can be tested against every reading of them.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_CONFIG_H
#define SANDBOX_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define SANDBOX_UNLIMITED (-1)
#define SANDBOX_NO_EXPIRY INT64_MAX

/* A partner token.  Never freed before a reset: instances point to it. */
typedef struct SandboxToken
{
	char	   *text;
	bool		active;			/* accepted at present */
	long		quota;			/* or SANDBOX_UNLIMITED */
	json_t	   *permissions;	/* of Asaas, by name; NULL: all */
	int64_t		expires_at;		/* of Asaas; SANDBOX_NO_EXPIRY: never */
	long		created;		/* instances made with it, ever */
	long		alive;			/* of these, not gone yet */
} SandboxToken;

typedef enum SandboxQuotaCounts
{
	SANDBOX_QUOTA_CREATED,
	SANDBOX_QUOTA_ALIVE
} SandboxQuotaCounts;

typedef enum SandboxCancelRule
{
	SANDBOX_CANCEL_DAYS,
	SANDBOX_CANCEL_DUE,
	SANDBOX_CANCEL_MONTH_END,
	SANDBOX_CANCEL_IMMEDIATE
} SandboxCancelRule;

typedef enum SandboxListOrder
{
	SANDBOX_OLDEST_FIRST,
	SANDBOX_NEWEST_FIRST
} SandboxListOrder;

typedef enum SandboxQueryMode
{
	SANDBOX_QUERY_SUBSTRING,
	SANDBOX_QUERY_EXACT,
	SANDBOX_QUERY_IGNORE
} SandboxQueryMode;

typedef enum SandboxDueForm
{
	SANDBOX_DUE_NUMBER,
	SANDBOX_DUE_STRING,
	SANDBOX_DUE_ISO,
	SANDBOX_DUE_MISSING
} SandboxDueForm;

typedef enum SandboxNameRule
{
	SANDBOX_NAME_KEPT,
	SANDBOX_NAME_UPPER,
	SANDBOX_NAME_TRUNCATED
} SandboxNameRule;

typedef enum SandboxSignBody
{
	SANDBOX_SIGN_JSON,
	SANDBOX_SIGN_EMPTY
} SandboxSignBody;

typedef enum SandboxQrForm
{
	SANDBOX_QR_DATA_URI,
	SANDBOX_QR_CHALLENGE
} SandboxQrForm;

typedef enum SandboxPlanIdForm
{
	SANDBOX_PLAN_ID_NUMBER,
	SANDBOX_PLAN_ID_STRING,
	SANDBOX_PLAN_ID_OBJECT,
	SANDBOX_PLAN_ID_MISSING
} SandboxPlanIdForm;

typedef enum SandboxPlanListForm
{
	SANDBOX_PLAN_LIST_PLANOS,
	SANDBOX_PLAN_LIST_DATA,
	SANDBOX_PLAN_LIST_ARRAY
} SandboxPlanListForm;

typedef enum SandboxStatusNumbers
{
	SANDBOX_STATUS_SIX,
	SANDBOX_STATUS_FOUR
} SandboxStatusNumbers;

typedef enum SandboxDateHeader
{
	SANDBOX_DATE_SANDBOX,
	SANDBOX_DATE_REAL,
	SANDBOX_DATE_NONE
} SandboxDateHeader;

/* How Green API refuses a partner call */
typedef enum SandboxGreenapiErrors
{
	SANDBOX_ERRORS_ENVELOPE,	/* 200 with code and description */
	SANDBOX_ERRORS_TEXT,
	SANDBOX_ERRORS_JSON,
	SANDBOX_ERRORS_HOST			/* text or envelope, by the Host header */
} SandboxGreenapiErrors;

/* What its instance calls say while the instance is being made */
typedef enum SandboxGreenapiEarly
{
	SANDBOX_EARLY_UNAUTHORIZED,
	SANDBOX_EARLY_EXPIRED
} SandboxGreenapiEarly;

/* Which settings take hold */
typedef enum SandboxGreenapiKept
{
	SANDBOX_KEPT_ALL,
	SANDBOX_KEPT_NONE,
	SANDBOX_KEPT_CREATED,
	SANDBOX_KEPT_CHANGED
} SandboxGreenapiKept;

typedef enum SandboxGreenapiListToken
{
	SANDBOX_LIST_TOKEN_SHOWN,
	SANDBOX_LIST_TOKEN_MISSING,
	SANDBOX_LIST_TOKEN_NULL
} SandboxGreenapiListToken;

typedef enum SandboxGreenapiDeletedCalls
{
	SANDBOX_DELETED_REFUSED,
	SANDBOX_DELETED_STARTING
} SandboxGreenapiDeletedCalls;

typedef enum SandboxGreenapiLogout
{
	SANDBOX_UNLINKED_DONE,
	SANDBOX_UNLINKED_REFUSED
} SandboxGreenapiLogout;

typedef enum SandboxGreenapiQr
{
	SANDBOX_GREENAPI_QR_CODE,
	SANDBOX_GREENAPI_QR_ERROR
} SandboxGreenapiQr;

/* Which environment this is of Asaas */
typedef enum SandboxAsaasEnvironment
{
	SANDBOX_ASAAS_HOMOLOGATION,
	SANDBOX_ASAAS_PRODUCTION
} SandboxAsaasEnvironment;

typedef enum SandboxAsaasAbsent
{
	SANDBOX_ASAAS_ABSENT_MISSING,
	SANDBOX_ASAAS_ABSENT_NULL
} SandboxAsaasAbsent;

/* What the receiver of a webhook has to answer */
typedef enum SandboxAsaasSuccess
{
	SANDBOX_ASAAS_ONLY_200,
	SANDBOX_ASAAS_ANY_2XX
} SandboxAsaasSuccess;

/*
 * Enumerated members are int, so that one table can describe all keys.  A
 * rule such as "days:30" is its word in one member, its number in the next.
 */
typedef struct SandboxConfig
{
	char	   *client_token;
	char	   *quota_error;
	long		inbox_status;
	bool		client_token_required;
	bool		invoices_paid;
	bool		list_ended;
	long		quota_status;
	long		trial_seconds;
	long		list_lag_seconds;
	long		page_size_max;
	long		sign_repeat_status;
	long		date_skew_seconds;
	int			quota_counts;
	int			cancel_rule;
	long		cancel_days;
	int			list_order;
	int			query_mode;
	int			due_form;
	int			name_rule;
	long		name_bytes;
	int			sign_body;
	int			qr_form;
	int			date_header;

	/* Green API's */
	char	   *greenapi_api_url;
	int			greenapi_api_url_key;
	int			greenapi_deleted_calls;
	long		greenapi_deleted_days;
	int			greenapi_early;
	long		greenapi_error_status;
	int			greenapi_errors;
	bool		greenapi_fractions;
	long		greenapi_free_instances;	/* or SANDBOX_UNLIMITED */
	bool		greenapi_id_as_string;
	long		greenapi_id_digits;
	int			greenapi_list_token;
	long		greenapi_making_seconds;
	bool		greenapi_needs_reboot;
	int			greenapi_qr;
	long		greenapi_restart_seconds;
	long		greenapi_save_errors;
	int			greenapi_settings_kept;
	long		greenapi_starting_seconds;
	int			greenapi_unlinked_logout;
	long		greenapi_utc_offset_hours;

	/* Asaas's */
	int			asaas_absent;
	bool		asaas_account_approved;
	long		asaas_ahead_days;
	bool		asaas_boleto_confirms;
	long		asaas_concurrent_gets;
	long		asaas_daily_charges;
	int			asaas_environment;
	long		asaas_fee_cents;
	bool		asaas_list_deleted;
	bool		asaas_rate_headers;
	long		asaas_rate_limit;	/* 0: none */
	long		asaas_rate_seconds;
	long		asaas_refund_seconds;
	bool		asaas_user_agent_required;
	int			asaas_webhook_success;
	long		asaas_webhook_timeout_seconds;
	long		asaas_window_requests;
	long		asaas_window_seconds;

	/* zsystems' */
	int			zsystems_plan_id;
	int			zsystems_plan_list;
	long		zsystems_refusal_status;
	int			zsystems_refusals;
	int			zsystems_status_numbers;
	bool		zsystems_status_title;
	long		zsystems_unauthorized_status;
} SandboxConfig;

extern SandboxConfig sandbox_config;

/* What the command line says, and a reset goes back to */
extern void sandbox_config_init(char **tokens, int count,
								const char *client_token);
extern void sandbox_config_reset(void);

extern SandboxToken *sandbox_config_token(const char *text);
extern int	sandbox_config_token_position(const SandboxToken *token);

/* NULL, or an error that the caller frees and nothing has changed */
extern char *sandbox_config_change(const json_t *changes);
extern json_t *sandbox_config_json(void);

#endif							/* SANDBOX_CONFIG_H */
