/*-------------------------------------------------------------------------
 *
 * owner.h
 *	  SQL as the owner of the extension's tables.
 *
 * Callers have no right on the tables that record actions; the functions
 * that they may call act on them as the owner, with a search_path that
 * nobody else can write to.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_OWNER_H
#define PARTNER_API_OWNER_H

#include "postgres.h"

#include "executor/spi.h"

typedef struct PartnerApiOwnerScope
{
	Oid			user;
	int			security_context;
	int			guc_level;
} PartnerApiOwnerScope;

extern void partner_api_owner_begin(PartnerApiOwnerScope *scope);
extern void partner_api_owner_end(const PartnerApiOwnerScope *scope);

/* A statement that is prepared on first use in this process. */
typedef struct PartnerApiStatement
{
	const char *sql;
	int			nargs;
	const Oid  *types;
	SPIPlanPtr	plan;
} PartnerApiStatement;

extern uint64 partner_api_execute(PartnerApiStatement *statement,
								  Datum *values, const char *nulls,
								  int expected);
extern Datum partner_api_field(int row, int column, bool *isnull);
extern char *partner_api_field_text(int row, int column);

#endif							/* PARTNER_API_OWNER_H */
