/*-------------------------------------------------------------------------
 *
 * zapi.h
 *	  What the two halves of the Z-API part share.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_ZAPI_H
#define SANDBOX_ZAPI_H

#include "instance.h"
#include "request.h"

#define SANDBOX_ZAPI_NOT_FOUND "Instance not found"

/* zapi.c: the instance of the path, or NULL with 404 as the reply */
extern SandboxInstance *sandbox_zapi_instance(SandboxRequest *request);

/* zapi_instance.c: handlers of the calls with a Client-Token */
extern void sandbox_zapi_qr_code(SandboxRequest *request);
extern void sandbox_zapi_phone_code(SandboxRequest *request);
extern void sandbox_zapi_status(SandboxRequest *request);
extern void sandbox_zapi_disconnect(SandboxRequest *request);

#endif							/* SANDBOX_ZAPI_H */
