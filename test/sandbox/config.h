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

/* A partner token.  Never freed before a reset: instances point to it. */
typedef struct SandboxToken
{
	char	   *text;
	bool		active;			/* accepted at present */
	long		quota;			/* or SANDBOX_UNLIMITED */
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

typedef enum SandboxDateHeader
{
	SANDBOX_DATE_SANDBOX,
	SANDBOX_DATE_REAL,
	SANDBOX_DATE_NONE
} SandboxDateHeader;

/*
 * Enumerated members are int, so that one table can describe all keys.  A
 * rule such as "days:30" is its word in one member, its number in the next.
 */
typedef struct SandboxConfig
{
	char	   *client_token;
	char	   *quota_error;
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
