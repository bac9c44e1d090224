/*-------------------------------------------------------------------------
 *
 * greenapi.c
 *	  Green API: routes, credentials, refusals and the partner calls.
 *
 * Both tokens travel in the path.  The same refusal of a partner call comes
 * as HTTP 200 with a code in the body or as a status of its own, depending
 * on the provider's host: the configuration says which.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "greenapi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "ledger.h"

/* The host whose refusals have a status; the other is api.greenapi.com */
#define STATUS_HOST "api.green-api.com"

#define PARTNER_PATH "partner"
#define INSTANCE_PATH "waInstance"

#define CODE_NO_FREE 100
#define CODE_NOT_SAVED 200
#define NO_FREE \
	"Temporarily no free instances. Try after a while, " \
	"we are already fixing this problem."
#define NOT_SAVED "Error saving instance. Try creating the instance again."

#define NEVER_TEXT "0001-01-01T00:00:00"

/* Which of the two tokens a path ends in */
typedef enum Access
{
	PARTNER_CALL,
	INSTANCE_CALL
} Access;

/* The form of a partner call's refusal, the host's if it decides. */
static SandboxGreenapiErrors
error_form(const SandboxRequest *request)
{
	const char *host = sandbox_request_header(request, "Host");

	if (sandbox_config.greenapi_errors != SANDBOX_ERRORS_HOST)
		return (SandboxGreenapiErrors) sandbox_config.greenapi_errors;
	return host != NULL &&
		strncmp(host, STATUS_HOST, strlen(STATUS_HOST)) == 0 ?
		SANDBOX_ERRORS_TEXT : SANDBOX_ERRORS_ENVELOPE;
}

/* Refuse a call of the account. */
void
sandbox_greenapi_fail(SandboxRequest *request, int code,
					  const char *description)
{
	SandboxGreenapiErrors form = error_form(request);
	unsigned	status = 200;

	if (form != SANDBOX_ERRORS_ENVELOPE)
		status = sandbox_config.greenapi_error_status != 0 ?
			(unsigned) sandbox_config.greenapi_error_status :
			code >= 400 ? (unsigned) code : 400;
	if (form == SANDBOX_ERRORS_TEXT)
		sandbox_reply_text(&request->reply, status, "text/plain",
						   description);
	else
		sandbox_reply_json(&request->reply, status,
						   json_pack("{s:i, s:s}", "code", code,
									 "description", description));
}

/* Refuse a call of an instance, whose statuses are true everywhere. */
void
sandbox_greenapi_refuse(SandboxRequest *request, unsigned status,
						const char *text)
{
	if (error_form(request) == SANDBOX_ERRORS_JSON)
		sandbox_reply_json(&request->reply, status,
						   json_pack("{s:s}", "message", text));
	else
		sandbox_reply_text(&request->reply, status, "text/plain", text);
}

/* Does the path belong to Green API, and to which kind of call? */
static bool
owns(const SandboxRequest *request)
{
	return request->segment_count > 0 &&
		(strcmp(request->segments[0], PARTNER_PATH) == 0 ||
		 strncmp(request->segments[0], INSTANCE_PATH,
				 strlen(INSTANCE_PATH)) == 0);
}

/*
 * A token follows the method; where there is nothing after that, the path is
 * composed wrongly, and what should be a method may be a token.
 */
static unsigned
secrets(const SandboxRequest *request)
{
	if (!owns(request))
		return 0;
	return request->segment_count > 2 ? ~3U : ~1U;
}

/* A path that does not exist is answered as a bad token is. */
static void
refuse(SandboxRequest *request, unsigned status)
{
	switch (status)
	{
		case 404:
			sandbox_greenapi_fail(request, 401,
								  SANDBOX_GREENAPI_UNAUTHORIZED);
			break;
		case 405:
			sandbox_greenapi_refuse(request, 404, "Not Found");
			break;
		case 415:
			sandbox_greenapi_refuse(request, 400, SANDBOX_GREENAPI_INVALID);
			break;
		default:
			sandbox_greenapi_refuse(request, 400,
									"Unexpected token _ in JSON at position 0");
			break;
	}
}

/* An instance's token is checked with the instance. */
static bool
authorize(SandboxRequest *request, int access)
{
	if (access == INSTANCE_CALL)
		return true;
	request->partner = sandbox_config_token(request->token);
	if (request->partner == NULL)
		sandbox_greenapi_fail(request, 401, SANDBOX_GREENAPI_UNAUTHORIZED);
	return request->partner != NULL;
}

/* An id as the configuration says. */
static json_t *
id_json(const SandboxInstance *instance)
{
	return sandbox_config.greenapi_id_as_string ?
		json_string(instance->id) :
		json_integer(strtoll(instance->id, NULL, 10));
}

/* Its messenger, as asked for at its creation. */
static const char *
type_of(const SandboxInstance *instance)
{
	const char *type = json_string_value(json_object_get(instance->settings,
														 "typeInstance"));

	return type != NULL ? type : "whatsapp";
}

/* Is the create acceptable?  If not, fill the reply. */
static bool
check_create(SandboxRequest *request)
{
	const json_t *name = json_object_get(request->json, "name");

	if ((name != NULL && !json_is_string(name)) ||
		!sandbox_greenapi_check_settings(request->json))
		sandbox_greenapi_fail(request, 400, SANDBOX_GREENAPI_INVALID);
	else if (sandbox_config.greenapi_free_instances == 0)
		sandbox_greenapi_fail(request, CODE_NO_FREE, NO_FREE);
	else if (sandbox_config.greenapi_save_errors > 0)
	{
		sandbox_config.greenapi_save_errors--;
		sandbox_greenapi_fail(request, CODE_NOT_SAVED, NOT_SAVED);
	}
	else
		return true;
	return false;
}

/* Make the instance that an acceptable create asks for. */
static SandboxInstance *
make_instance(SandboxRequest *request)
{
	const char *name = json_string_value(json_object_get(request->json,
														 "name"));
	SandboxInstance *instance;

	instance = sandbox_instance_create(&sandbox_greenapi_rules,
									   name != NULL ? name : "",
									   request->json, request->partner);
	sandbox_greenapi_create_settings(instance);
	if (*instance->name == '\0')
	{
		free(instance->name);
		instance->name = sandbox_printf("Instance %s", instance->id);
	}
	sandbox_ledger_add(instance);
	if (sandbox_config.greenapi_free_instances > 0)
		sandbox_config.greenapi_free_instances--;
	return instance;
}

/* POST createInstance */
static void
create_instance(SandboxRequest *request)
{
	static const char *const url_keys[] = {"apiUrl", "apiUrlInstance"};
	SandboxInstance *instance;
	json_t	   *body;

	if (!check_create(request))
		return;
	instance = make_instance(request);
	request->effects++;
	body = json_pack("{s:o, s:s, s:s}", "idInstance", id_json(instance),
					 "apiTokenInstance", instance->token,
					 "typeInstance", type_of(instance));
	if (*sandbox_config.greenapi_api_url != '\0')
		json_object_set_new(body,
							url_keys[sandbox_config.greenapi_api_url_key],
							json_string(sandbox_config.greenapi_api_url));
	sandbox_reply_json(&request->reply, 200, body);
}

/* A time as the provider writes it, in a zone that it does not name. */
static json_t *
local_time(int64_t ms)
{
	char		text[SANDBOX_TIME_LEN];

	if (ms == 0)
		return json_string(NEVER_TEXT);
	sandbox_iso_time(ms + sandbox_config.greenapi_utc_offset_hours *
					 INT64_C(3600000), text);
	text[strcspn(text, sandbox_config.greenapi_fractions ? "Z" : ".")] = '\0';
	return json_string(text);
}

/* One row of the list. */
static json_t *
list_row(const SandboxInstance *instance)
{
	json_t	   *row;

	row = json_pack("{s:o, s:s, s:s, s:s, s:s}",
					"idInstance", id_json(instance), "name", instance->name,
					"typeInstance", type_of(instance), "typeAccount", "",
					"partnerUserUiid", "");
	json_object_update_new(row,
						   json_pack("{s:o, s:o, s:b, s:s, s:b, s:b, s:o, s:b}",
									 "timeCreated",
									 local_time(instance->created_at),
									 "timeDeleted",
									 local_time(instance->deleted_at),
									 "deleted",
									 instance->state == SANDBOX_GONE,
									 "tariff", instance->business ? "BUSINESS" :
									 "PARTNER_23",
									 "isFree", instance->free,
									 "isPartner", !instance->business,
									 "expirationDate",
									 local_time(sandbox_greenapi_renewal(instance)),
									 "isExpired", 0));
	if (sandbox_config.greenapi_list_token == SANDBOX_LIST_TOKEN_SHOWN)
		json_object_set_new(row, "apiTokenInstance",
							json_string(instance->token));
	else if (sandbox_config.greenapi_list_token == SANDBOX_LIST_TOKEN_NULL)
		json_object_set_new(row, "apiTokenInstance", json_null());
	return row;
}

/* GET or POST getInstances: all there are, as a bare array. */
static void
list_instances(SandboxRequest *request)
{
	SandboxFilter all = {&sandbox_greenapi_rules, NULL, NULL};
	SandboxBuffer *out = &request->reply.body;
	size_t		count = sandbox_ledger_count();
	SandboxInstance **found = sandbox_alloc(count * sizeof(*found));
	size_t		i;

	sandbox_ledger_page(&all, 0, count, found, &count);
	sandbox_reply_text(&request->reply, 200, "application/json", "[");
	for (i = 0; i < count; i++)
	{
		if (i > 0)
			sandbox_buffer_text(out, ",");
		sandbox_buffer_json(out, list_row(found[i]));
	}
	sandbox_buffer_text(out, "]");
	free(found);
}

/* POST deleteInstanceAccount; of one that is gone it says "not found". */
static void
delete_instance(SandboxRequest *request)
{
	const json_t *value = json_object_get(request->json, "idInstance");
	SandboxInstance *instance;
	char		id[24];

	if (!json_is_integer(value))
	{
		sandbox_greenapi_fail(request, 400, SANDBOX_GREENAPI_INVALID);
		return;
	}
	snprintf(id, sizeof(id), "%lld", (long long) json_integer_value(value));
	instance = sandbox_ledger_find(id);
	if (instance == NULL || instance->rules != &sandbox_greenapi_rules ||
		instance->deleted_at != 0)
	{
		sandbox_greenapi_fail(request, 404, "Not found");
		return;
	}
	sandbox_greenapi_delete(instance);
	request->effects++;
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:b}", "deleteInstanceAccount", 1));
}

#define PARTNER(method) {PARTNER_PATH, method, SANDBOX_TOKEN}, PARTNER_CALL
#define INSTANCE(method) \
	{INSTANCE_PATH SANDBOX_ID, method, SANDBOX_TOKEN}, INSTANCE_CALL

static const SandboxRoute routes[] = {
	{SANDBOX_CREATE_INSTANCE, "POST", PARTNER("createInstance"),
	SANDBOX_BODY_OPTIONAL, create_instance},
	{SANDBOX_LIST_INSTANCES, "GET", PARTNER("getInstances"),
	SANDBOX_NO_BODY, list_instances},
	{SANDBOX_LIST_INSTANCES, "POST", PARTNER("getInstances"),
	SANDBOX_NO_BODY, list_instances},
	{SANDBOX_DELETE_INSTANCE, "POST", PARTNER("deleteInstanceAccount"),
	SANDBOX_BODY_REQUIRED, delete_instance},
	{SANDBOX_INSTANCE_STATUS, "GET", INSTANCE("getStateInstance"),
	SANDBOX_NO_BODY, sandbox_greenapi_state},
	{SANDBOX_READ_SETTINGS, "GET", INSTANCE("getSettings"),
	SANDBOX_NO_BODY, sandbox_greenapi_read_settings},
	{SANDBOX_CHANGE_SETTINGS, "POST", INSTANCE("setSettings"),
	SANDBOX_BODY_REQUIRED, sandbox_greenapi_set_settings},
	{SANDBOX_QR_CODE, "GET", INSTANCE("qr"),
	SANDBOX_NO_BODY, sandbox_greenapi_qr},
	{SANDBOX_PHONE_CODE, "POST", INSTANCE("getAuthorizationCode"),
	SANDBOX_BODY_REQUIRED, sandbox_greenapi_code},
	{SANDBOX_DISCONNECT_INSTANCE, "GET", INSTANCE("logout"),
	SANDBOX_NO_BODY, sandbox_greenapi_logout},
	{SANDBOX_REBOOT_INSTANCE, "GET", INSTANCE("reboot"),
	SANDBOX_NO_BODY, sandbox_greenapi_reboot}
};

const SandboxProvider sandbox_greenapi = {
	.name = "greenapi",
	.routes = routes,
	.route_count = lengthof(routes),
	.owns = owns,
	.secrets = secrets,
	.authorize = authorize,
	.refuse = refuse
};
