/*-------------------------------------------------------------------------
 *
 * objects.c
 *	  Reads of what is no instance: plans, subscriptions, clients, invoices.
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
#include "live.h"
#include "redact.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

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

/*
 * SQL: remote_objects(server, list, query): the rows of a list; query narrows
 * it to a document's client, or is the subscription whose invoices are listed.
 */
Datum
partner_api_remote_objects(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	PartnerApiFilter filter = {0};
	char	   *name = utf8_argument(fcinfo, 1, "list");
	PartnerApiServer *server = server_argument(fcinfo);
	ListCell   *lc;

	if (!partner_api_list_parse(name, &filter.list) ||
		filter.list == PARTNER_API_LIST_INSTANCES)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("unknown list \"%s\"", name),
				errhint("Lists are: plans, subscriptions, clients, invoices."));
	partner_api_live_check_list(server, filter.list);
	if (partner_api_list_is_narrow(filter.list))
		filter.query = utf8_argument(fcinfo, 2, "query");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	foreach(lc, partner_api_live_list(server, &filter))
	{
		const PartnerApiListRow *row = lfirst(lc);
		Datum		value = as_jsonb(server, row->fields);
		bool		isnull = false;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value,
							 &isnull);
	}
	return (Datum) 0;
}

/* SQL: remote_object(server, object, object_id): a plan or a subscription. */
Datum
partner_api_remote_object(PG_FUNCTION_ARGS)
{
	PartnerApiServer *server = server_argument(fcinfo);
	char	   *object = utf8_argument(fcinfo, 1, "object");
	PartnerApiTarget target = {0};
	PartnerApiReadResult result = {0};
	PartnerApiRead read = PARTNER_API_READ_PLAN;

	if (strcmp(object, partner_api_object_name(PARTNER_API_SUBSCRIPTION)) == 0)
		read = PARTNER_API_READ_SUBSCRIPTION;
	else if (strcmp(object, partner_api_object_name(PARTNER_API_PLAN)) != 0)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("a \"%s\" cannot be read alone", object),
				errhint("Objects are: plan, subscription."));
	target.id = utf8_argument(fcinfo, 2, "object_id");
	partner_api_check_instance_id(target.id);
	partner_api_live_check_read(server, read, NULL);
	partner_api_live_read(server, read, &target, NULL, &result);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in,
										CStringGetDatum(result.text)));
}
