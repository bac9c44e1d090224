/*-------------------------------------------------------------------------
 *
 * common.h
 *	  What the files of several providers have in common: putting requests
 *	  together, refusing arguments, reading values out of answers.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_COMMON_H
#define PARTNER_API_COMMON_H

#include "providers/provider.h"

/* ---- refusals.c: arguments that must not be sent ---- */

typedef enum PartnerApiSettingType
{
	PARTNER_API_SETTING_BOOLEAN,
	PARTNER_API_SETTING_SWITCH, /* a boolean that is sent as "yes" or "no" */
	PARTNER_API_SETTING_TEXT,	/* of up to "max" characters, if that is set */
	PARTNER_API_SETTING_URL,	/* a webhook: https only */
	PARTNER_API_SETTING_NUMBER, /* a whole one from min to max */
	PARTNER_API_SETTING_CHOICE	/* one of "choices" */
} PartnerApiSettingType;

/* One setting of an instance. */
typedef struct PartnerApiSetting
{
	const char *name;
	PartnerApiSettingType type;
	int			min;
	int			max;
	const char *const *choices; /* ended by NULL */
	bool		may_be_empty;	/* a URL: none */
	bool		for_good;		/* only for a new instance */
} PartnerApiSetting;

/* All settings of a provider's instances, in the order of hints. */
typedef struct PartnerApiSettings
{
	const char *provider;
	const char *why_https;		/* of webhooks, as a sentence */
	const PartnerApiSetting *known;
	size_t		count;
} PartnerApiSettings;

extern const PartnerApiSetting *partner_api_setting_find(const PartnerApiSettings *settings,
														 const char *name);
extern void partner_api_settings_check(const PartnerApiSettings *settings,
									   const json_t *given, bool of_new);
extern char *partner_api_shown_key(const char *key);
extern const char *partner_api_type_name(const json_t *value);
extern void partner_api_check_phone(const char *number);
extern void partner_api_refuse(const char *argument, const char *must,
							   const char *detail,
							   const char *hint) pg_attribute_noreturn();
extern const char *partner_api_line_argument(const json_t *object,
											 const char *prefix,
											 const char *name,
											 bool required);

/* ---- requests.c: the parts of a request, all copied ---- */

extern void partner_api_request_start(PartnerApiRequest *request,
									  const char *method);
extern void partner_api_request_segment(PartnerApiRequest *request,
										const char *segment);
extern void partner_api_request_query(PartnerApiRequest *request,
									  const char *name, const char *value);
extern void partner_api_request_header(PartnerApiRequest *request,
									   const char *name, const char *value);
extern void partner_api_request_json(PartnerApiRequest *request,
									 const json_t *body);
extern char *partner_api_url_encode(const char *str);
extern char *partner_api_url_decode(const char *str, size_t len);

/* ---- verdicts.c ---- */

extern void partner_api_decide(PartnerApiVerdict *verdict,
							   PartnerApiVerdictKind kind,
							   PartnerApiReason reason, char *message);
extern void partner_api_decide_done(PartnerApiVerdict *verdict);
extern bool partner_api_words_contain(const char *words, const char *part);

/* ---- values.c: values in answers ---- */

extern bool partner_api_parse_time(const char *str, int64 *ms, bool *zoned);
extern bytea *partner_api_decode_base64(const char *str);
extern bytea *partner_api_decode_png(const char *base64);
extern void partner_api_remove_secrets(json_t *value);
extern char *partner_api_filled_text(const json_t *object, const char *key);
extern int	partner_api_count_characters(const char *str);

/* ---- documents.c ---- */

extern char *partner_api_document(const char *str);
extern char *partner_api_text_without(const char *str, const char *marks);

/* ---- money.c ---- */

extern bool partner_api_cents(const json_t *value, int64 *cents);
extern char *partner_api_decimals(int64 hundredths);

/* ---- dates.c ---- */

extern bool partner_api_is_date(const char *str);
extern char *partner_api_day(const json_t *value);
extern bool partner_api_instant(const json_t *value, int64 *ms);
extern char *partner_api_time_text(int64 ms);
extern void partner_api_put_time(json_t *object, const char *key,
								 const json_t *value);
extern char *partner_api_today(int64 now_ms);

#endif							/* PARTNER_API_COMMON_H */
