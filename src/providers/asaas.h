/*-------------------------------------------------------------------------
 *
 * asaas.h
 *	  What the files of the Asaas provider share among themselves.
 *
 * asaas.c has the paths and builds requests; asaas_check.c refuses arguments;
 * asaas_body.c knows how what is given is sent, and asaas_fields.c how what is
 * told is shown; asaas_answer.c opens answers and puts refusals into words;
 * asaas_judge.c judges answers to actions; asaas_list.c has the lists,
 * asaas_read.c the single reads; asaas_event.c reads the events of webhooks;
 * asaas_sight.c says what the rows of lists show of a lost answer.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_ASAAS_H
#define PARTNER_API_ASAAS_H

#include "providers/provider.h"

/* A path; PARTNER_API_ASAAS_ID stands for an id. */
typedef struct PartnerApiAsaasRoute
{
	const char *method;
	const char *path[4];		/* ended by NULL */
} PartnerApiAsaasRoute;

#define PARTNER_API_ASAAS_ID "*"

typedef enum PartnerApiAsaasType
{
	PARTNER_API_ASAAS_TEXT,		/* on one line, of up to "most" characters */
	PARTNER_API_ASAAS_LONG_TEXT,	/* on any number of them */
	PARTNER_API_ASAAS_DOCUMENT, /* CPF or CNPJ */
	PARTNER_API_ASAAS_CENTS,	/* more than nothing */
	PARTNER_API_ASAAS_COMING_DAY,	/* today or later */
	PARTNER_API_ASAAS_PAST_DAY, /* today or earlier */
	PARTNER_API_ASAAS_COUNT,	/* a whole number from "least" */
	PARTNER_API_ASAAS_FLAG,
	PARTNER_API_ASAAS_CHOICE,	/* one of "choices" */
	PARTNER_API_ASAAS_URL,		/* https only */
	PARTNER_API_ASAAS_WORDS,	/* an array of words */
	PARTNER_API_ASAAS_DISCOUNT, /* an object of terms, as those below */
	PARTNER_API_ASAAS_INTEREST,
	PARTNER_API_ASAAS_FINE
} PartnerApiAsaasType;

/* What an operation does with an argument. */
typedef enum PartnerApiAsaasUse
{
	PARTNER_API_ASAAS_ANY,		/* optional, for a new thing and a change */
	PARTNER_API_ASAAS_REQUIRED, /* of a new thing */
	PARTNER_API_ASAAS_NEW_REQUIRED, /* the same, and no change has it */
	PARTNER_API_ASAAS_CHANGE	/* only of a change */
} PartnerApiAsaasUse;

/* One argument, and the member that it is sent as. */
typedef struct PartnerApiAsaasField
{
	const char *name;			/* of the argument */
	const char *key;			/* in the API */
	PartnerApiAsaasType type;
	PartnerApiAsaasUse use;
	int			least;
	int			most;
	const char *const *choices; /* ended by NULL */
} PartnerApiAsaasField;

/* The arguments of an operation. */
typedef struct PartnerApiAsaasForm
{
	const PartnerApiAsaasField *fields;
	size_t		count;
} PartnerApiAsaasForm;

/*
 * An answer that could be read: once as it is, to be shown, and once with its
 * decimals as texts, to be taken for money.
 */
typedef struct PartnerApiAsaasAnswer
{
	json_t	   *plain;
	json_t	   *exact;
	int64		answered_ms;	/* by the provider's clock; 0 if not known */
} PartnerApiAsaasAnswer;

/* asaas.c */
extern void partner_api_asaas_start(PartnerApiRequest *request,
									const PartnerApiAsaasRoute *route,
									const char *id,
									const PartnerApiCredential *credential);

/* asaas_check.c */
extern void partner_api_asaas_check(const PartnerApiAction *action);
extern void partner_api_asaas_check_id(const char *argument, const char *id);
extern bool partner_api_asaas_percent(const json_t *terms,
									  int64 *hundredths);

/* asaas_body.c */
extern PartnerApiAsaasForm partner_api_asaas_form(PartnerApiKind kind);
extern json_t *partner_api_asaas_body(const PartnerApiAction *action,
									  const PartnerApiCredential *credential);
extern char *partner_api_asaas_print(const json_t *body);
extern const PartnerApiAsaasField *partner_api_asaas_switches(size_t *count);
extern const char *partner_api_asaas_document(const char *str);

/* asaas_event.c */
extern bool partner_api_asaas_parse_event(const char *body, size_t len,
										  PartnerApiEvent *event,
										  char **message);

/* asaas_fields.c */
extern json_t *partner_api_asaas_fields(PartnerApiObject object,
										const PartnerApiAsaasAnswer *told);
extern void partner_api_asaas_put_time(json_t *fields, int64 answered_ms);
extern bool partner_api_asaas_amount(const json_t *value, int64 *cents);

/* asaas_answer.c */
extern char *partner_api_asaas_words(const PartnerApiResponse *response);
extern bool partner_api_asaas_open(const PartnerApiResponse *response,
								   PartnerApiAsaasAnswer *answer,
								   char **message);
extern PartnerApiAsaasAnswer partner_api_asaas_member(const PartnerApiAsaasAnswer *answer,
													  const char *key);
extern PartnerApiAsaasAnswer partner_api_asaas_element(const PartnerApiAsaasAnswer *answer,
													   size_t index);
extern const char *partner_api_asaas_id(const json_t *object);

/* asaas_judge.c */
extern void partner_api_asaas_judge(const PartnerApiAction *action,
									const PartnerApiResponse *response,
									PartnerApiVerdict *verdict);

/* asaas_list.c */
extern bool partner_api_asaas_supports_list(PartnerApiList list);
extern void partner_api_asaas_build_list(const PartnerApiFilter *filter,
										 int page,
										 const PartnerApiCredential *credential,
										 PartnerApiRequest *request);
extern bool partner_api_asaas_parse_list(const PartnerApiFilter *filter,
										 const PartnerApiResponse *response,
										 int page, PartnerApiPage *result,
										 char **message);
extern const char *partner_api_asaas_survey_query(int64 since_ms);

/* asaas_read.c */
extern bool partner_api_asaas_supports_read(PartnerApiRead read,
											const char **hint);
extern void partner_api_asaas_check_read(PartnerApiRead read,
										 const char *parameter);
extern void partner_api_asaas_build_read(PartnerApiRead read,
										 const PartnerApiTarget *target,
										 const char *parameter,
										 const PartnerApiCredential *credential,
										 PartnerApiRequest *request);
extern bool partner_api_asaas_parse_read(PartnerApiRead read,
										 const PartnerApiResponse *response,
										 PartnerApiReadResult *result,
										 char **message);

/* asaas_sight.c */
extern const char *partner_api_asaas_look_query(const PartnerApiAction *action);
extern PartnerApiSight partner_api_asaas_sight(const PartnerApiAction *action,
											   int64 sent_ms,
											   const PartnerApiListRow *row);
extern const char *partner_api_asaas_find_query(const PartnerApiAction *action);
extern bool partner_api_asaas_is_there(const PartnerApiAction *action,
									   const PartnerApiListRow *row);

#endif							/* PARTNER_API_ASAAS_H */
