/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Differences between versions of PostgreSQL and libcurl, in one place.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_COMPAT_H
#define PARTNER_API_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "partner_api needs PostgreSQL 15 or later"
#endif

#include "catalog/pg_foreign_server.h"
#include "miscadmin.h"
#include "postmaster/autovacuum.h"
#include "utils/acl.h"

/* Has the role the right to use the foreign server? */
static inline bool
partner_api_server_usable_compat(Oid server, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ForeignServerRelationId, server, role,
						   ACL_USAGE) == ACLCHECK_OK;
#else
	return pg_foreign_server_aclcheck(server, role,
									  ACL_USAGE) == ACLCHECK_OK;
#endif
}

/* Is this an autovacuum worker? */
static inline bool
partner_api_is_autovacuum_compat(void)
{
#if PG_VERSION_NUM >= 170000
	return AmAutoVacuumWorkerProcess();
#else
	return IsAutoVacuumWorkerProcess();
#endif
}

#ifdef PATHNODE_H

/* A path that scans a foreign table, without order. */
static inline ForeignPath *
partner_api_foreignscan_path_compat(PlannerInfo *root, RelOptInfo *rel,
									double rows, Cost startup, Cost total,
									Relids outer)
{
#if PG_VERSION_NUM >= 180000
	return create_foreignscan_path(root, rel, NULL, rows, 0, startup, total,
								   NIL, outer, NULL, NIL, NIL);
#elif PG_VERSION_NUM >= 170000
	return create_foreignscan_path(root, rel, NULL, rows, startup, total, NIL,
								   outer, NULL, NIL, NIL);
#else
	return create_foreignscan_path(root, rel, NULL, rows, startup, total, NIL,
								   outer, NULL, NIL);
#endif
}

#endif							/* PATHNODE_H */

#ifdef EXECUTOR_H

/* Whose rights count for a scan: the caller's, or those of a view's owner. */
static inline Oid
partner_api_scan_role_compat(ForeignScanState *node)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	Oid			role;

#if PG_VERSION_NUM >= 160000
	role = plan->checkAsUser;
#else
	role = exec_rt_fetch(plan->scan.scanrelid, node->ss.ps.state)->checkAsUser;
#endif
	return OidIsValid(role) ? role : GetUserId();
}

#endif							/* EXECUTOR_H */

#ifdef PQUERY_H

/* Run a portal to its end; "alone": it is all that was asked for. */
static inline bool
partner_api_portal_run_compat(Portal portal, bool alone,
							  DestReceiver *receiver,
							  QueryCompletion *completion)
{
#if PG_VERSION_NUM >= 180000
	return PortalRun(portal, FETCH_ALL, alone, receiver, receiver,
					 completion);
#else
	return PortalRun(portal, FETCH_ALL, alone, true, receiver, receiver,
					 completion);
#endif
}

#endif							/* PQUERY_H */

#ifdef CURLINC_CURL_H

/* The callback that tells when a request is about to be written. */
#if LIBCURL_VERSION_NUM >= 0x075000
#define PARTNER_API_HAVE_PREREQ 1
#endif

/* Only http and https, whatever else libcurl can speak. */
static inline void
partner_api_restrict_protocols_compat(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS,
					 (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/*
 * Do not wait for a name resolution that a transfer has given up: libcurl
 * would join its resolver thread, however long a dead name server takes.  An
 * older libcurl has no such option.
 */
static inline void
partner_api_quick_exit_compat(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075700
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
}

#endif							/* CURLINC_CURL_H */

#endif							/* PARTNER_API_COMPAT_H */
