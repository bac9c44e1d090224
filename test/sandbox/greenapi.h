/*-------------------------------------------------------------------------
 *
 * greenapi.h
 *	  What the files of the Green API part share.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_GREENAPI_H
#define SANDBOX_GREENAPI_H

#include "instance.h"
#include "request.h"

#define SANDBOX_GREENAPI_UNAUTHORIZED "Unauthorized"
#define SANDBOX_GREENAPI_INVALID "Bad Request Validation failed"

/* greenapi.c: refuse a call of the account, or one of an instance */
extern void sandbox_greenapi_fail(SandboxRequest *request, int code,
								  const char *description);
extern void sandbox_greenapi_refuse(SandboxRequest *request, unsigned status,
									const char *text);

/* greenapi_rules.c: the life of an instance */
typedef enum SandboxGreenapiState
{
	SANDBOX_MAKING,				/* its state reads as null */
	SANDBOX_STARTING,			/* being made, or restarting */
	SANDBOX_READY,
	SANDBOX_GONE,				/* deleted, still listed */
	SANDBOX_FORGOTTEN			/* deleted long ago */
} SandboxGreenapiState;

extern const SandboxRules sandbox_greenapi_rules;

extern bool sandbox_greenapi_exists(const SandboxInstance *instance);
extern void sandbox_greenapi_delete(SandboxInstance *instance);
extern void sandbox_greenapi_restart(SandboxInstance *instance);
extern int64_t sandbox_greenapi_renewal(const SandboxInstance *instance);

/* greenapi_settings.c */
extern bool sandbox_greenapi_check_settings(const json_t *settings);
extern void sandbox_greenapi_create_settings(SandboxInstance *instance);
extern void sandbox_greenapi_change_settings(SandboxInstance *instance,
											 const json_t *changes);
extern json_t *sandbox_greenapi_show_settings(const SandboxInstance *instance);

/* greenapi_instance.c: handlers of the calls with an instance's token */
extern void sandbox_greenapi_state(SandboxRequest *request);
extern void sandbox_greenapi_read_settings(SandboxRequest *request);
extern void sandbox_greenapi_set_settings(SandboxRequest *request);
extern void sandbox_greenapi_qr(SandboxRequest *request);
extern void sandbox_greenapi_code(SandboxRequest *request);
extern void sandbox_greenapi_logout(SandboxRequest *request);
extern void sandbox_greenapi_reboot(SandboxRequest *request);

#endif							/* SANDBOX_GREENAPI_H */
