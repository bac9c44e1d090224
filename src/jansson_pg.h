/*-------------------------------------------------------------------------
 *
 * jansson_pg.h
 *	  jansson beside PostgreSQL: one name means two things.
 *
 * The backend exports its SQL function json_object(), and the dynamic linker
 * would bind a call of jansson's function of that name to it.  So jansson's is
 * declared away here, and partner_api_json_object() makes an object without
 * it.  json_typeof is a function there and a macro here: theirs is declared
 * first.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_JANSSON_PG_H
#define PARTNER_API_JANSSON_PG_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/fmgrprotos.h"

#define json_object partner_api_not_json_object
#include <jansson.h>
#undef json_object

#endif							/* PARTNER_API_JANSSON_PG_H */
