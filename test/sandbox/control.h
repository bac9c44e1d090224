/*-------------------------------------------------------------------------
 *
 * control.h
 *	  The control API under /_sandbox/.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_CONTROL_H
#define SANDBOX_CONTROL_H

#include "request.h"

/* Answer a control request; false, untouched, if it is none */
extern bool sandbox_control(SandboxRequest *request);

/* control_state.c: calls about instances and counters */
extern void sandbox_control_state(SandboxRequest *request);
extern void sandbox_control_counters(SandboxRequest *request);
extern void sandbox_control_seed(SandboxRequest *request);
extern void sandbox_control_change(SandboxRequest *request);

#endif							/* SANDBOX_CONTROL_H */
