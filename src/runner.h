/*-------------------------------------------------------------------------
 *
 * runner.h
 *	  The process of one run of a routine.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_RUNNER_H
#define PARTNER_API_RUNNER_H

#include "postgres.h"

extern PGDLLEXPORT void partner_api_runner_main(Datum number);

#endif							/* PARTNER_API_RUNNER_H */
