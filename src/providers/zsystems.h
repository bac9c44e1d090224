/*-------------------------------------------------------------------------
 *
 * zsystems.h
 *	  What the files of the zsystems provider share among themselves.
 *
 * zsystems.c has the paths and builds requests; zsystems_plan.c and
 * zsystems_subscription.c know how plans, and everything about those who
 * subscribe to them, are written in either direction; zsystems_card.c
 * what cards are; zsystems_check.c refuses arguments;
 * zsystems_answer.c reads what any answer holds; zsystems_judge.c judges
 * answers to actions; zsystems_list.c reads the lists and single things;
 * zsystems_sight.c says what their rows show of a lost answer.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_ZSYSTEMS_H
#define PARTNER_API_ZSYSTEMS_H

#include "providers/provider.h"

/* A path; PARTNER_API_ZSYSTEMS_ID stands for an id or a document. */
typedef struct PartnerApiZsystemsRoute
{
	const char *method;
	const char *path[5];		/* ended by NULL */
} PartnerApiZsystemsRoute;

#define PARTNER_API_ZSYSTEMS_ID "*"

/* One member of an object that is sent: its name here and there. */
typedef struct PartnerApiZsystemsMember
{
	const char *name;			/* in an argument */
	const char *key;			/* in the API */
	bool		required;
} PartnerApiZsystemsMember;

/* The columns of subscriptions.status and invoices.status that rules need. */
#define PARTNER_API_ZSYSTEMS_SUSPENDED "suspended"
#define PARTNER_API_ZSYSTEMS_CANCELLED "cancelled"
#define PARTNER_API_ZSYSTEMS_EXPIRED "expired"
#define PARTNER_API_ZSYSTEMS_UNKNOWN "unknown"
#define PARTNER_API_ZSYSTEMS_VOIDED "voided"

/* zsystems.c */
extern void partner_api_zsystems_start(PartnerApiRequest *request,
									   const PartnerApiZsystemsRoute *route,
									   const char *id,
									   const PartnerApiCredential *credential);
extern bool partner_api_zsystems_success(const PartnerApiResponse *response);

/* zsystems_check.c */
extern void partner_api_zsystems_check(const PartnerApiAction *action);
extern void partner_api_zsystems_check_id(const char *argument,
										  const char *id);

/* zsystems_plan.c */
extern void partner_api_zsystems_check_plan(const PartnerApiAction *action);
extern json_t *partner_api_zsystems_plan_body(const PartnerApiAction *action);
extern const char *partner_api_zsystems_frequency(const char *frequency);
extern List *partner_api_zsystems_plan_parts(const PartnerApiAction *action);
extern bool partner_api_zsystems_is_multipart(const PartnerApiAction *action);
extern json_t *partner_api_zsystems_plan_fields(const json_t *plan);

/* zsystems_subscription.c */
extern void partner_api_zsystems_check_subscription(const PartnerApiAction *action);
extern void partner_api_zsystems_check_client(const PartnerApiAction *action);
extern json_t *partner_api_zsystems_subscription_body(const PartnerApiAction *action);
extern json_t *partner_api_zsystems_client_body(const PartnerApiAction *action);
extern json_t *partner_api_zsystems_subscription_fields(const json_t *subscription);
extern json_t *partner_api_zsystems_client_fields(const json_t *client);
extern json_t *partner_api_zsystems_invoice_fields(const json_t *invoice);

/* zsystems_card.c */
extern void partner_api_zsystems_check_card(const json_t *card, int64 now_ms);
extern json_t *partner_api_zsystems_card_body(const json_t *card,
											  bool long_year);
extern json_t *partner_api_zsystems_card_fields(const json_t *card);

/* zsystems_answer.c */
extern json_t *partner_api_zsystems_open(const PartnerApiResponse *response,
										 char **message);
extern bool partner_api_zsystems_denies(const json_t *root);
extern char *partner_api_zsystems_words(const json_t *root);
extern char *partner_api_zsystems_refusal(const json_t *root);
extern char *partner_api_zsystems_response_words(const PartnerApiResponse *response);
extern char *partner_api_zsystems_id(const json_t *value);
extern bool partner_api_zsystems_count(const json_t *object, const char *key,
									   int64 *count);
extern void partner_api_zsystems_put_id(json_t *object, const char *key,
										const char *id);
extern bool partner_api_zsystems_holds_card(const json_t *value);
extern void partner_api_zsystems_put_details(json_t *fields,
											 json_t *details);

/* zsystems_judge.c */
extern void partner_api_zsystems_judge(const PartnerApiAction *action,
									   const PartnerApiResponse *response,
									   PartnerApiVerdict *verdict);

/* zsystems_list.c */
extern bool partner_api_zsystems_supports_list(PartnerApiList list);
extern void partner_api_zsystems_build_list(const PartnerApiFilter *filter,
											int page,
											const PartnerApiCredential *credential,
											PartnerApiRequest *request);
extern bool partner_api_zsystems_parse_list(const PartnerApiFilter *filter,
											const PartnerApiResponse *response,
											int page, PartnerApiPage *result,
											char **message);
extern bool partner_api_zsystems_supports_read(PartnerApiRead read,
											   const char **hint);
extern void partner_api_zsystems_check_read(PartnerApiRead read,
											const char *parameter);
extern void partner_api_zsystems_build_read(PartnerApiRead read,
											const PartnerApiTarget *target,
											const char *parameter,
											const PartnerApiCredential *credential,
											PartnerApiRequest *request);
extern bool partner_api_zsystems_parse_read(PartnerApiRead read,
											const PartnerApiResponse *response,
											PartnerApiReadResult *result,
											char **message);

/* zsystems_sight.c */
extern const char *partner_api_zsystems_look_query(const PartnerApiAction *action);
extern PartnerApiSight partner_api_zsystems_sight(const PartnerApiAction *action,
												  int64 sent_ms,
												  const PartnerApiListRow *row);

#endif							/* PARTNER_API_ZSYSTEMS_H */
