/*-------------------------------------------------------------------------
 *
 * launcher.h
 *	  The launcher starts and restarts workers; the worker's entry point.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_LAUNCHER_H
#define PARTNER_API_LAUNCHER_H

#include "postgres.h"

extern void partner_api_register_launcher(void);

extern PGDLLEXPORT void partner_api_launcher_main(Datum arg);
extern PGDLLEXPORT void partner_api_worker_main(Datum entry);

#endif							/* PARTNER_API_LAUNCHER_H */
