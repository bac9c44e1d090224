/*-------------------------------------------------------------------------
 *
 * owner.c
 *	  SQL as the owner of the extension's tables.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "owner.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* Owner of the tables, that is, of the extension. */
static Oid
table_owner(void)
{
	Oid			namespace = get_namespace_oid("partner_api", true);
	Oid			table = InvalidOid;
	HeapTuple	tuple;
	Oid			owner;

	if (OidIsValid(namespace))
		table = get_relname_relid("pending_actions", namespace);
	if (!OidIsValid(table))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("extension \"partner_api\" is not installed in this database"),
				errhint("Run CREATE EXTENSION partner_api."));

	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/*
 * Become the owner and connect to SPI.  On error, transaction abort undoes
 * all of it.
 */
void
partner_api_owner_begin(PartnerApiOwnerScope *scope)
{
	Oid			owner = table_owner();

	GetUserIdAndSecContext(&scope->user, &scope->security_context);
	SetUserIdAndSecContext(owner, scope->security_context |
						   SECURITY_LOCAL_USERID_CHANGE);
	scope->guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
}

/* Disconnect from SPI and become the caller again. */
void
partner_api_owner_end(const PartnerApiOwnerScope *scope)
{
	SPI_finish();
	AtEOXact_GUC(false, scope->guc_level);
	SetUserIdAndSecContext(scope->user, scope->security_context);
}

/*
 * Execute a statement, which must end with the given SPI code; returns the
 * number of rows processed.  Must be called between begin and end, or in a
 * worker that is connected to SPI.
 */
uint64
partner_api_execute(PartnerApiStatement *statement, Datum *values,
					const char *nulls, int expected)
{
	MemoryContext before = CurrentMemoryContext;
	int			rc;

	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->sql, statement->nargs,
									   unconstify(Oid *, statement->types));

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare \"%s\": %s", statement->sql,
				 SPI_result_code_string(SPI_result));
		statement->plan = plan;
	}

	rc = SPI_execute_plan(statement->plan, values, nulls, false, 0);
	/* SPI leaves us in its own context, which SPI_finish() deletes */
	MemoryContextSwitchTo(before);
	if (rc != expected)
		elog(ERROR, "unexpected result of \"%s\": %s", statement->sql,
			 SPI_result_code_string(rc));
	return SPI_processed;
}

/* Field of the last result; row counts from 0, column from 1. */
Datum
partner_api_field(int row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column, isnull);
}

/* The same as text, palloc'd in the current context; NULL if null. */
char *
partner_api_field_text(int row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						column);
}
