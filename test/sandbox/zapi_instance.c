/*-------------------------------------------------------------------------
 *
 * zapi_instance.c
 *	  Z-API: calls that bring one instance on line.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "zapi.h"

#include <string.h>

#define ALREADY_CONNECTED "You are already connected."
#define NOT_CONNECTED "You are not connected."
#define SUBSCRIBE_AGAIN \
	"To continue sending a message, you must subscribe to this instance again"

#define PHONE_CODE_LEN 8
#define MIN_PHONE_DIGITS 8
#define MAX_PHONE_DIGITS 15

/* The instance of the path if it may be used, or NULL with a reply. */
static SandboxInstance *
usable_instance(SandboxRequest *request)
{
	SandboxInstance *instance = sandbox_zapi_instance(request);

	if (instance == NULL || sandbox_zapi_runs(instance))
		return instance;
	sandbox_reply_error(&request->reply, 400, SUBSCRIBE_AGAIN);
	return NULL;
}

/* As above, and no phone is linked; if one is, that is success with error. */
static SandboxInstance *
unlinked_instance(SandboxRequest *request)
{
	SandboxInstance *instance = usable_instance(request);

	if (instance == NULL || !instance->connected)
		return instance;
	sandbox_reply_error(&request->reply, 200, ALREADY_CONNECTED);
	return NULL;
}

static void
reply_value(SandboxRequest *request, json_t *value)
{
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:o}", "value", value));
}

/* GET /qr-code and /qr-code/image */
void
sandbox_zapi_qr_code(SandboxRequest *request)
{
	char		challenge[33];

	if (unlinked_instance(request) == NULL)
		return;
	if (sandbox_config.qr_form == SANDBOX_QR_DATA_URI)
	{
		reply_value(request, json_string("data:image/png;base64,"
										 SANDBOX_PIXEL_PNG));
		return;
	}
	sandbox_random_hex(challenge, sizeof(challenge) - 1);
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:s}", "challenge", challenge));
}

/* GET /phone-code/{phone} */
void
sandbox_zapi_phone_code(SandboxRequest *request)
{
	size_t		digits = strspn(request->parameter, "0123456789");
	char		code[PHONE_CODE_LEN + 1];

	if (unlinked_instance(request) == NULL)
		return;
	if (request->parameter[digits] != '\0' || digits < MIN_PHONE_DIGITS ||
		digits > MAX_PHONE_DIGITS)
	{
		sandbox_reply_error(&request->reply, 400, "Invalid phone number");
		return;
	}
	sandbox_random_hex(code, PHONE_CODE_LEN);
	reply_value(request, json_string(code));
}

/* GET /status, whose "error" is filled also when all is well */
void
sandbox_zapi_status(SandboxRequest *request)
{
	SandboxInstance *instance = usable_instance(request);

	if (instance == NULL)
		return;
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:b, s:s, s:b}",
								 "connected", instance->connected,
								 "error", instance->connected ?
								 ALREADY_CONNECTED : NOT_CONNECTED,
								 "smartphoneConnected", instance->connected));
}

/* GET /disconnect; also of an instance that has ended */
void
sandbox_zapi_disconnect(SandboxRequest *request)
{
	SandboxInstance *instance = sandbox_zapi_instance(request);

	if (instance == NULL)
		return;
	if (sandbox_instance_disconnect(instance))
		request->effects++;
	reply_value(request, json_true());
}

/* GET /restart; a linked phone stays linked */
void
sandbox_zapi_restart(SandboxRequest *request)
{
	if (usable_instance(request) == NULL)
		return;
	request->effects++;
	reply_value(request, json_true());
}
