/*-------------------------------------------------------------------------
 *
 * fault.h
 *	  Faults on request: rules, and what each type does to a request.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef SANDBOX_FAULT_H
#define SANDBOX_FAULT_H

#include "request.h"

/* Add a rule: its id, or -1 with an error that the caller frees */
extern long sandbox_fault_add(json_t *rule, char **error);
extern bool sandbox_fault_remove(long id);
extern void sandbox_fault_clear(void);
extern json_t *sandbox_fault_json(void);

/* Let the first rule that matches strike: sets the request's fault fields */
extern void sandbox_fault_strike(SandboxRequest *request);

/* Change the reply as the type says; it holds the right one if served */
extern void sandbox_fault_disguise(SandboxRequest *request);

#endif							/* SANDBOX_FAULT_H */
