/*-------------------------------------------------------------------------
 *
 * greenapi_instance.c
 *	  Green API: calls that bring one instance on line.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "greenapi.h"

#include <string.h>

#include "ledger.h"

#define FORBIDDEN "Forbidden"
#define STARTING "instance in starting process try later"
#define EXPIRED \
	"Instance account is expired. Renew your instance from personal area"
#define DELETED "Instance is deleted"
#define NOT_AUTHORIZED "instance account not authorized"
#define ALREADY_AUTHORIZED "instance account already authorized"
#define BAD_DATA "bad request data"

#define CODE_LEN 8
#define MIN_PHONE INT64_C(10000000)
#define MAX_PHONE INT64_C(999999999999999)

/* The instance of the path, if the token is its own, or NULL with a reply. */
static SandboxInstance *
known_instance(SandboxRequest *request)
{
	SandboxInstance *instance = sandbox_ledger_find(request->id);

	if (instance == NULL || instance->rules != &sandbox_greenapi_rules ||
		!sandbox_greenapi_exists(instance))
		sandbox_greenapi_refuse(request, 403, FORBIDDEN);
	else if (strcmp(instance->token, request->token) != 0)
		sandbox_greenapi_refuse(request, 401, SANDBOX_GREENAPI_UNAUTHORIZED);
	else if (instance->state == SANDBOX_GONE &&
			 sandbox_config.greenapi_deleted_calls == SANDBOX_DELETED_REFUSED)
		sandbox_greenapi_refuse(request, 400, DELETED);
	else
		return instance;
	return NULL;
}

/* One that is made, though it may be starting; or NULL with a reply. */
static SandboxInstance *
made_instance(SandboxRequest *request)
{
	SandboxInstance *instance = known_instance(request);

	if (instance == NULL || instance->state != SANDBOX_MAKING)
		return instance;
	if (sandbox_config.greenapi_early == SANDBOX_EARLY_EXPIRED)
		sandbox_greenapi_refuse(request, 400, EXPIRED);
	else
		sandbox_greenapi_refuse(request, 401, SANDBOX_GREENAPI_UNAUTHORIZED);
	return NULL;
}

/* One that may be used, or NULL with a reply. */
static SandboxInstance *
ready_instance(SandboxRequest *request)
{
	SandboxInstance *instance = made_instance(request);

	if (instance == NULL || instance->state == SANDBOX_READY)
		return instance;
	sandbox_greenapi_refuse(request, 400, STARTING);
	return NULL;
}

static void
reply(SandboxRequest *request, json_t *body)
{
	sandbox_reply_json(&request->reply, 200, body);
}

/* GET getStateInstance; the whole body is null while it is being made. */
void
sandbox_greenapi_state(SandboxRequest *request)
{
	SandboxInstance *instance = known_instance(request);
	const char *state;

	if (instance == NULL)
		return;
	state = sandbox_instance_status(instance);
	reply(request, state == NULL ? json_null() :
		  json_pack("{s:s}", "stateInstance", state));
}

/* GET getSettings */
void
sandbox_greenapi_read_settings(SandboxRequest *request)
{
	SandboxInstance *instance = ready_instance(request);

	if (instance != NULL)
		reply(request, sandbox_greenapi_show_settings(instance));
}

/* POST setSettings, which restarts the instance */
void
sandbox_greenapi_set_settings(SandboxRequest *request)
{
	SandboxInstance *instance = ready_instance(request);

	if (instance == NULL)
		return;
	if (!sandbox_greenapi_check_settings(request->json))
	{
		sandbox_greenapi_refuse(request, 400, SANDBOX_GREENAPI_INVALID);
		return;
	}
	sandbox_greenapi_change_settings(instance, request->json);
	sandbox_instance_count(instance, SANDBOX_UPDATES);
	request->effects++;
	sandbox_greenapi_restart(instance);
	reply(request, json_pack("{s:b}", "saveSettings", 1));
}

static void
reply_typed(SandboxRequest *request, const char *type, const char *message)
{
	reply(request, json_pack("{s:s, s:s}", "type", type, "message", message));
}

/* GET qr; that there is none is success of another type. */
void
sandbox_greenapi_qr(SandboxRequest *request)
{
	SandboxInstance *instance = ready_instance(request);

	if (instance == NULL)
		return;
	if (instance->connected)
		reply_typed(request, "alreadyLogged", ALREADY_AUTHORIZED);
	else if (sandbox_config.greenapi_qr == SANDBOX_GREENAPI_QR_ERROR)
		reply_typed(request, "error", "qr code is not available");
	else
		reply_typed(request, "qrCode", SANDBOX_PIXEL_PNG);
}

/* POST getAuthorizationCode; the phone number must be a JSON integer. */
void
sandbox_greenapi_code(SandboxRequest *request)
{
	SandboxInstance *instance = ready_instance(request);
	json_int_t	phone = json_integer_value(json_object_get(request->json,
														   "phoneNumber"));
	char		code[CODE_LEN + 1];

	if (instance == NULL)
		return;
	if (phone < MIN_PHONE || phone > MAX_PHONE)
	{
		sandbox_greenapi_refuse(request, 400, BAD_DATA);
		return;
	}
	if (instance->connected)
	{
		reply(request, json_pack("{s:b, s:s}", "status", 0, "code", ""));
		return;
	}
	sandbox_random_hex(code, CODE_LEN);
	reply(request, json_pack("{s:b, s:s}", "status", 1, "code", code));
}

/* GET logout */
void
sandbox_greenapi_logout(SandboxRequest *request)
{
	SandboxInstance *instance = ready_instance(request);

	if (instance == NULL)
		return;
	if (sandbox_instance_disconnect(instance))
		request->effects++;
	else if (sandbox_config.greenapi_unlinked_logout ==
			 SANDBOX_UNLINKED_REFUSED)
	{
		sandbox_greenapi_refuse(request, 400, NOT_AUTHORIZED);
		return;
	}
	reply(request, json_pack("{s:b}", "isLogout", 1));
}

/* GET reboot, also what helps one that starts for too long */
void
sandbox_greenapi_reboot(SandboxRequest *request)
{
	SandboxInstance *instance = made_instance(request);

	if (instance == NULL)
		return;
	if (instance->state == SANDBOX_GONE)
	{
		sandbox_greenapi_refuse(request, 400, STARTING);
		return;
	}
	request->effects++;
	sandbox_greenapi_restart(instance);
	reply(request, json_pack("{s:b}", "isReboot", 1));
}
