/*-------------------------------------------------------------------------
 *
 * objects.c
 *	  Reads of what is no instance: plans, subscriptions, customers, charges
 *	  and so on, and of the account.
 *
 * What a provider shows of one is an object whose members have the names of
 * our columns; the SQL functions that callers use give them types.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "arguments.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "live.h"
#include "providers/common.h"
#include "redact.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(partner_api_remote_objects);
PG_FUNCTION_INFO_V1(partner_api_remote_object);

/* What a provider wrote, UTF-8, as jsonb without secrets. */
static Datum
as_jsonb(const PartnerApiServer *server, const char *text)
{
	const List *secrets = partner_api_server_secrets(server, NULL);

	return DirectFunctionCall1(jsonb_in,
							   CStringGetDatum(partner_api_redact_whole(text,
																		secrets)));
}

/* A text argument as UTF-8. */
static char *
utf8_argument(FunctionCallInfo fcinfo, int arg, const char *name)
{
	return partner_api_text_to_utf8(partner_api_argument_required(fcinfo, arg,
																  name));
}

/* The server, which comes first. */
static PartnerApiServer *
server_argument(FunctionCallInfo fcinfo)
{
	return partner_api_live_server(partner_api_argument_server(fcinfo));
}

/* Raise ERROR for a list that is none of these. */
static void
unknown_list(const char *name)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int list = 0; list < PARTNER_API_LISTS; list++)
	{
		if (list != PARTNER_API_LIST_INSTANCES)
			appendStringInfo(&known, "%s%s", known.len > 0 ? ", " : "",
							 partner_api_list_name((PartnerApiList) list));
	}
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("unknown list \"%s\"", name),
			errhint("Lists are: %s.", known.data));
}

/*
 * SQL: remote_objects(server, list, query): the rows of a list.  Of some lists
 * query says whose they are: a document's clients, a subscription's invoices,
 * a customer's notifications; of others it is a search.
 */
Datum
partner_api_remote_objects(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	PartnerApiFilter filter = {0};
	char	   *name = utf8_argument(fcinfo, 1, "list");
	PartnerApiServer *server = server_argument(fcinfo);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext,
													  "partner_api row",
													  ALLOCSET_DEFAULT_SIZES);
	ListCell   *lc;

	if (!partner_api_list_parse(name, &filter.list) ||
		filter.list == PARTNER_API_LIST_INSTANCES)
		unknown_list(name);
	partner_api_live_check_list(server, filter.list);
	if (partner_api_list_is_narrow(filter.list) ||
		(partner_api_list_is_searched(filter.list) && !PG_ARGISNULL(2)))
		filter.query = utf8_argument(fcinfo, 2, "query");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	foreach(lc, partner_api_live_list(server, &filter))
	{
		const PartnerApiListRow *row = lfirst(lc);
		MemoryContext before = MemoryContextSwitchTo(row_context);
		Datum		value = as_jsonb(server, row->fields);
		bool		isnull = false;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value,
							 &isnull);
		MemoryContextSwitchTo(before);
		MemoryContextReset(row_context);
	}
	MemoryContextDelete(row_context);
	return (Datum) 0;
}

/* What can be read alone, by its name. */
static const struct
{
	const char *name;
	PartnerApiRead read;
	bool		of_account;		/* has no id */
}			readable[] = {
	{"plan", PARTNER_API_READ_PLAN, false},
	{"subscription", PARTNER_API_READ_SUBSCRIPTION, false},
	{"customer", PARTNER_API_READ_CUSTOMER, false},
	{"charge", PARTNER_API_READ_CHARGE, false},
	{"recurrence", PARTNER_API_READ_RECURRENCE, false},
	{"boleto", PARTNER_API_READ_BOLETO, false},
	{"pix", PARTNER_API_READ_PIX, false},
	{"views", PARTNER_API_READ_VIEWS, false},
	{"balance", PARTNER_API_READ_BALANCE, true},
	{"account", PARTNER_API_READ_ACCOUNT, true},
	{"charge_limit", PARTNER_API_READ_CHARGE_LIMIT, true}
};

/* The place of a name among them; raises ERROR for one that is none. */
static int
find_readable(const char *name)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; i < (int) lengthof(readable); i++)
	{
		if (strcmp(readable[i].name, name) == 0)
			return i;
		appendStringInfo(&known, "%s%s", i > 0 ? ", " : "", readable[i].name);
	}
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("a \"%s\" cannot be read alone", name),
			errhint("Objects are: %s.", known.data));
	return -1;
}

/*
 * SQL: remote_object(server, object, object_id): one thing as the provider
 * shows it, what it takes to pay a charge, or something of the account, which
 * has no id.
 */
Datum
partner_api_remote_object(PG_FUNCTION_ARGS)
{
	PartnerApiServer *server = server_argument(fcinfo);
	int			i = find_readable(utf8_argument(fcinfo, 1, "object"));
	PartnerApiTarget target = {0};
	PartnerApiReadResult result = {0};
	const char *fault;

	partner_api_live_check_read(server, readable[i].read, NULL);
	if (!readable[i].of_account)
	{
		target.id = utf8_argument(fcinfo, 2, "object_id");
		fault = partner_api_id_fault(target.id);
		if (fault != NULL)
			partner_api_refuse("object_id", "an id of the provider", fault,
							   "Give the id as the provider shows it.");
	}
	partner_api_live_read(server, readable[i].read, &target, NULL, &result);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in,
										CStringGetDatum(result.text)));
}
