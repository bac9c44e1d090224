/*-------------------------------------------------------------------------
 *
 * zapi.h
 *	  What the files of the Z-API part share.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_ZAPI_H
#define SANDBOX_ZAPI_H

#include "instance.h"
#include "request.h"

#define SANDBOX_ZAPI_WEB "web"
#define SANDBOX_ZAPI_MOBILE "mobile"
#define SANDBOX_ZAPI_NOT_FOUND "Instance not found"

/* zapi.c: the instance of the path, or NULL with 404 as the reply */
extern SandboxInstance *sandbox_zapi_instance(SandboxRequest *request);

/* zapi_rules.c: the life of an instance */
typedef enum SandboxZapiState
{
	SANDBOX_TRIAL,
	SANDBOX_SIGNED,
	SANDBOX_EXPIRED,			/* invoice unpaid; deleted some days later */
	SANDBOX_CANCELLING,			/* cancelled, still running */
	SANDBOX_CANCELLED,			/* cancelled and ended */
	SANDBOX_LAPSED,				/* trial over, gone */
	SANDBOX_DELETED				/* gone */
} SandboxZapiState;

extern const SandboxRules sandbox_zapi_rules;

extern bool sandbox_zapi_exists(const SandboxInstance *instance);
extern bool sandbox_zapi_runs(const SandboxInstance *instance);

/* Each returns NULL if done, or why not (static text). */
extern const char *sandbox_zapi_sign(SandboxInstance *instance,
									 bool with_calls);
extern const char *sandbox_zapi_add_calls(SandboxInstance *instance);
extern const char *sandbox_zapi_delete(SandboxInstance *instance);

/* false: it was cancelled before, nothing changed */
extern bool sandbox_zapi_cancel(SandboxInstance *instance);

/* zapi_instance.c: handlers of the calls with a Client-Token */
extern void sandbox_zapi_qr_code(SandboxRequest *request);
extern void sandbox_zapi_phone_code(SandboxRequest *request);
extern void sandbox_zapi_status(SandboxRequest *request);
extern void sandbox_zapi_disconnect(SandboxRequest *request);
extern void sandbox_zapi_restart(SandboxRequest *request);

#endif							/* SANDBOX_ZAPI_H */
