/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  The arguments of an SQL function, by their names, as an action.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_ARGUMENTS_H
#define PARTNER_API_ARGUMENTS_H

#include "postgres.h"

#include "actions.h"
#include "fmgr.h"

extern int	partner_api_fill_by_name(FunctionCallInfo fcinfo,
									 PartnerApiNewAction *action);
extern char *partner_api_argument_server(FunctionCallInfo fcinfo);
extern char *partner_api_argument_required(FunctionCallInfo fcinfo, int arg,
										   const char *name);
extern char *partner_api_argument_text(FunctionCallInfo fcinfo, int arg);
extern char *partner_api_arguments_by_name(FunctionCallInfo fcinfo);
extern char *partner_api_canonical_json(json_t *value);
extern json_t *partner_api_argument_json(FunctionCallInfo fcinfo, int arg,
										 const char *name);
extern json_t *partner_api_argument_texts(FunctionCallInfo fcinfo, int arg,
										  const char *name);

#endif							/* PARTNER_API_ARGUMENTS_H */
