/*-------------------------------------------------------------------------
 *
 * partner_api.c
 *	  Entry point of the library.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "guard.h"
#include "launcher.h"
#include "miscadmin.h"
#include "settings.h"
#include "shared.h"
#include "storage/ipc.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static shmem_request_hook_type previous_shmem_request = NULL;
static shmem_startup_hook_type previous_shmem_startup = NULL;

/* Hook: ask for shared memory. */
static void
shmem_request(void)
{
	if (previous_shmem_request != NULL)
		previous_shmem_request();
	partner_api_shared_request();
}

/* Hook: set shared memory up. */
static void
shmem_startup(void)
{
	if (previous_shmem_startup != NULL)
		previous_shmem_startup();
	partner_api_shared_startup();
}

/*
 * Settings and the guard work in any session; the worker needs the library
 * in shared_preload_libraries.
 */
void
_PG_init(void)
{
	partner_api_define_settings();
	partner_api_install_guard();

	if (!process_shared_preload_libraries_in_progress)
		return;

	previous_shmem_request = shmem_request_hook;
	shmem_request_hook = shmem_request;
	previous_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
	partner_api_register_launcher();
}
