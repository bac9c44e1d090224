/*-------------------------------------------------------------------------
 *
 * asaas_event.c
 *	  Asaas: the events of webhooks.
 *
 * An event has an id, a name and a time, and under the name of a thing that
 * thing as it was then: "payment" is a charge.  Events that are not known yet
 * are read like the others, so that nothing is lost.
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
 * When it happened, by the clocks of the provider's zone: it names none.
 */
static void
read_time(const json_t *root, PartnerApiEvent *event)
{
	const char *str = json_string_value(json_object_get(root, "dateCreated"));
	bool		zoned = false;

	if (str == NULL || !partner_api_parse_time(str, &event->at_ms, &zoned))
		event->at_ms = 0;
	event->local_time = !zoned;
}

/*
 * The charge that it is about, if it has one with an id that the provider can
 * be asked for.
 */
static void
read_charge(const PartnerApiAsaasAnswer *told, PartnerApiEvent *event)
{
	PartnerApiAsaasAnswer charge = partner_api_asaas_member(told, "payment");
	const char *id = partner_api_asaas_id(charge.plain);

	if (id == NULL || partner_api_id_fault(id) != NULL)
		return;
	event->charge_id = pstrdup(id);
	event->fields =
		partner_api_json_print(partner_api_asaas_fields(PARTNER_API_CHARGE,
														&charge));
}

/*
 * See provider.h.
 */
bool
partner_api_asaas_parse_event(const char *body, size_t len,
							  PartnerApiEvent *event, char **message)
{
	PartnerApiAsaasAnswer told = {0};

	memset(event, 0, sizeof(*event));
	told.plain = partner_api_json_parse(body, len, message);
	if (told.plain == NULL)
		return false;
	told.exact = partner_api_json_parse_decimals(body, len, message);
	if (told.exact == NULL)
		return false;
	event->id = partner_api_filled_text(told.plain, "id");
	event->name = partner_api_filled_text(told.plain, "event");
	if (event->id == NULL || event->name == NULL)
	{
		*message = psprintf("it has no \"%s\"",
							event->id == NULL ? "id" : "event");
		return false;
	}
	read_time(told.plain, event);
	read_charge(&told, event);
	partner_api_remove_secrets(told.plain);
	event->body = partner_api_json_print(told.plain);
	return true;
}
