/*-------------------------------------------------------------------------
 *
 * asaas_judge.c
 *	  Asaas: what an answer to an action proves.
 *
 * The shared rules have taken out lost answers, wrong keys and exhausted
 * limits; here are the 2xx and the refusals.  What was made or changed comes
 * back as an object with its id, what was deleted as its id and "deleted".  A
 * 2xx that cannot be read so stays unknown, and a search decides.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/asaas.h"
#include "providers/common.h"

/*
 * The answer leaves open what has happened.
 */
static void
decide_unknown(PartnerApiVerdict *verdict, const char *why)
{
	partner_api_decide(verdict, PARTNER_API_UNKNOWN, PARTNER_API_REASON_LOST,
					   pstrdup(why));
}

/*
 * Done, with what was told by our columns.
 */
static void
decide_done(const PartnerApiAction *action,
			const PartnerApiAsaasAnswer *answer, PartnerApiVerdict *verdict)
{
	const PartnerApiKindTraits *traits =
	partner_api_kind_traits(action->kind);
	const char *id = partner_api_asaas_id(answer->plain);

	partner_api_decide_done(verdict);
	if (traits->creates)
		verdict->instance_id = pstrdup(id);
	verdict->fields =
		partner_api_json_print(partner_api_asaas_fields(traits->object,
														answer));
}

/*
 * Done: it is deleted, of which little is told.
 */
static void
decide_deleted(const PartnerApiAction *action,
			   const PartnerApiResponse *response, PartnerApiVerdict *verdict)
{
	const PartnerApiKindTraits *traits =
	partner_api_kind_traits(action->kind);
	json_t	   *fields = partner_api_json_object();

	partner_api_json_put_text(fields, traits->id_argument,
							  action->instance_id);
	partner_api_json_put_bool(fields, "deleted", true);
	if (traits->object == PARTNER_API_CHARGE)
		partner_api_asaas_put_time(fields, response->date_ms);
	partner_api_decide_done(verdict);
	verdict->fields = partner_api_json_print(fields);
}

/*
 * The notifications of a customer, as they are or were changed: an array,
 * under one of two names.
 */
static void
judge_notifications(const PartnerApiAction *action,
					const PartnerApiAsaasAnswer *answer,
					PartnerApiVerdict *verdict)
{
	PartnerApiAsaasAnswer all = partner_api_asaas_member(answer,
														 "notifications");
	json_t	   *fields = partner_api_json_object();
	json_t	   *shown = partner_api_json_array();

	if (!json_is_array(all.plain))
		all = partner_api_asaas_member(answer, "data");
	if (!json_is_array(all.plain))
	{
		decide_unknown(verdict, "answer has no notifications");
		return;
	}
	for (size_t i = 0; i < json_array_size(all.plain); i++)
	{
		PartnerApiAsaasAnswer one = partner_api_asaas_element(&all, i);

		partner_api_json_merge(partner_api_json_append_object(shown),
							   partner_api_json_without(partner_api_asaas_fields(PARTNER_API_NOTIFICATION,
																				 &one),
														"details"));
	}
	partner_api_json_put_text(fields, "customer_id", action->instance_id);
	partner_api_json_put(fields, "notifications", shown);
	partner_api_decide_done(verdict);
	verdict->fields = partner_api_json_print(fields);
}

/*
 * An answer to what deletes.
 */
static void
judge_deleted(const PartnerApiAction *action,
			  const PartnerApiResponse *response,
			  const PartnerApiAsaasAnswer *answer, PartnerApiVerdict *verdict)
{
	const char *id = partner_api_asaas_id(answer->plain);

	if (id != NULL && strcmp(id, action->instance_id) != 0)
		decide_unknown(verdict, "answer is about another id");
	else if (partner_api_json_true(answer->plain, "deleted"))
		decide_deleted(action, response, verdict);
	else
		decide_unknown(verdict, "answer does not say that it was deleted");
}

/*
 * An answer that is no refusal.
 */
static void
judge_told(const PartnerApiAction *action,
		   const PartnerApiResponse *response,
		   const PartnerApiAsaasAnswer *answer, PartnerApiVerdict *verdict)
{
	const PartnerApiKindTraits *traits =
	partner_api_kind_traits(action->kind);
	const char *id = partner_api_asaas_id(answer->plain);

	if (traits->object == PARTNER_API_NOTIFICATION)
		judge_notifications(action, answer, verdict);
	else if (traits->absence)
		judge_deleted(action, response, answer, verdict);
	else if (id == NULL)
		decide_unknown(verdict, "answer has no id");
	else if (!traits->creates && strcmp(id, action->instance_id) != 0)
		decide_unknown(verdict, "answer is about another id");
	else
		decide_done(action, answer, verdict);
}

/*
 * See provider.h.
 */
void
partner_api_asaas_judge(const PartnerApiAction *action,
						const PartnerApiResponse *response,
						PartnerApiVerdict *verdict)
{
	bool		success = partner_api_response_reason(response) ==
	PARTNER_API_REASON_NONE;
	PartnerApiAsaasAnswer answer;
	char	   *message = NULL;

	if (response->status == 204 &&
		partner_api_kind_traits(action->kind)->absence)
		decide_deleted(action, response, verdict);
	else if (partner_api_asaas_open(response, &answer, &message))
		judge_told(action, response, &answer, verdict);
	else if (success && !json_is_object(answer.plain))
		decide_unknown(verdict, psprintf("HTTP %d, but %s", response->status,
										 message));
	else
		partner_api_decide(verdict, PARTNER_API_FAILED,
						   response->status == 404 ?
						   PARTNER_API_REASON_NOT_FOUND :
						   PARTNER_API_REASON_REFUSED, message);
}
