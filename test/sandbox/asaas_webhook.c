/*-------------------------------------------------------------------------
 *
 * asaas_webhook.c
 *	  Asaas: webhooks, as a client registers them.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <string.h>

#define MAX_WEBHOOKS 10

/* Members that a client may set */
static const char *const known[] = {
	"name", "url", "email", "enabled", "interrupted", "apiVersion",
	"authToken", "sendType", "events"
};

static bool
is_url(const json_t *value)
{
	const char *text = json_string_value(value);

	return text != NULL && (strncmp(text, "http://", 7) == 0 ||
							strncmp(text, "https://", 8) == 0);
}

static bool
is_send_type(const json_t *value)
{
	const char *text = json_string_value(value);

	return text != NULL && (strcmp(text, "SEQUENTIALLY") == 0 ||
							strcmp(text, "NON_SEQUENTIALLY") == 0);
}

/* Check the members that a body has. */
static bool
check_members(SandboxRequest *request)
{
	const json_t *url = json_object_get(request->json, "url");
	const json_t *type = json_object_get(request->json, "sendType");
	const json_t *events = json_object_get(request->json, "events");

	if (url != NULL && !is_url(url))
		return sandbox_asaas_invalid(request, "url",
									 "A URL informada é inválida.");
	if (type != NULL && !is_send_type(type))
		return sandbox_asaas_invalid(request, "sendType",
									 "O tipo de envio é inválido.");
	return events == NULL || json_is_array(events) ||
		sandbox_asaas_invalid(request, "events",
							  "Os eventos informados são inválidos.");
}

static size_t
count_webhooks(void)
{
	size_t		result = 0;
	size_t		i;

	for (i = 0; i < sandbox_asaas_count(SANDBOX_ASAAS_WEBHOOKS); i++)
		result += !sandbox_asaas_flag(sandbox_asaas_get(SANDBOX_ASAAS_WEBHOOKS,
														i), "deleted");
	return result;
}

/* Take a body over; the token itself is never answered. */
static void
take(SandboxAsaas *webhook, const json_t *body)
{
	const char *token;

	sandbox_asaas_take(webhook, body, known, lengthof(known));
	token = sandbox_asaas_text(webhook, "authToken");
	sandbox_asaas_put(webhook, "hasAuthToken",
					  json_boolean(token != NULL && *token != '\0'));
}

/* Keep a new webhook. */
SandboxAsaas *
sandbox_asaas_webhook_enter(const json_t *body, SandboxToken *maker)
{
	SandboxAsaas *webhook =
	sandbox_asaas_add(SANDBOX_ASAAS_WEBHOOKS,
					  json_pack("{s:b, s:b, s:i, s:i, s:b, s:s, s:s, s:[]}",
								"enabled", 1, "interrupted", 0,
								"apiVersion", 3, "penalizedRequestsCount", 0,
								"deleted", 0, "url", "", "sendType",
								"SEQUENTIALLY", "events"), maker);

	take(webhook, body);
	return webhook;
}

/* POST /webhooks */
void
sandbox_asaas_webhook_create(SandboxRequest *request)
{
	static const char *const required[] = {
		"name", "url", "email", "sendType", "events"
	};
	SandboxAsaas *webhook;
	size_t		i;

	for (i = 0; i < lengthof(required); i++)
	{
		if (json_object_get(request->json, required[i]) == NULL)
		{
			sandbox_asaas_invalid(request, required[i],
								  "O campo deve ser informado.");
			return;
		}
	}
	if (!check_members(request))
		return;
	if (count_webhooks() >= MAX_WEBHOOKS)
	{
		sandbox_asaas_impossible(request, "O limite de 10 webhooks foi"
								 " atingido.");
		return;
	}
	webhook = sandbox_asaas_webhook_enter(request->json, request->partner);
	request->effects++;
	sandbox_asaas_reply(request, webhook);
}

static bool
is_shown(const SandboxAsaas *webhook, const void *context)
{
	return !sandbox_asaas_flag(webhook, "deleted");
}

/* GET /webhooks */
void
sandbox_asaas_webhook_list(SandboxRequest *request)
{
	const SandboxAsaasList list = {
		SANDBOX_ASAAS_WEBHOOKS, NULL, 0, is_shown, NULL
	};

	sandbox_asaas_list(request, &list);
}

/* The webhook of the path; one that is deleted is gone. */
static SandboxAsaas *
webhook_of(SandboxRequest *request)
{
	SandboxAsaas *webhook = sandbox_asaas_of(request, SANDBOX_ASAAS_WEBHOOKS);

	if (webhook == NULL || !sandbox_asaas_flag(webhook, "deleted"))
		return webhook;
	sandbox_reply_text(&request->reply, 404, NULL, "");
	return NULL;
}

/* GET /webhooks/{id} */
void
sandbox_asaas_webhook_read(SandboxRequest *request)
{
	SandboxAsaas *webhook = webhook_of(request);

	if (webhook != NULL)
		sandbox_asaas_reply(request, webhook);
}

/* PUT /webhooks/{id}; to end an interruption lets its queue go on */
void
sandbox_asaas_webhook_change(SandboxRequest *request)
{
	SandboxAsaas *webhook = webhook_of(request);
	bool		interrupted;

	if (webhook == NULL || !check_members(request))
		return;
	interrupted = sandbox_asaas_flag(webhook, "interrupted");
	take(webhook, request->json);
	request->effects++;
	if (interrupted && !sandbox_asaas_flag(webhook, "interrupted"))
		sandbox_asaas_forgive(webhook);
	sandbox_asaas_pump(webhook);
	sandbox_asaas_reply(request, webhook);
}

/* DELETE /webhooks/{id} */
void
sandbox_asaas_webhook_delete(SandboxRequest *request)
{
	SandboxAsaas *webhook = webhook_of(request);

	if (webhook == NULL)
		return;
	sandbox_asaas_put(webhook, "deleted", json_true());
	request->effects++;
	sandbox_asaas_reply_deleted(request, webhook);
}

/* POST /webhooks/{id}/removeBackoff: the next attempt is now */
void
sandbox_asaas_webhook_resume(SandboxRequest *request)
{
	SandboxAsaas *webhook = webhook_of(request);

	if (webhook == NULL)
		return;
	sandbox_asaas_forgive(webhook);
	request->effects++;
	sandbox_reply_text(&request->reply, 204, NULL, "");
}
