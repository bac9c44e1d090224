/*-------------------------------------------------------------------------
 *
 * polls.c
 *	  Reading charges for refresh_payments(), a page at a time.
 *
 * What to ask for and what the answers mean is SQL.  It runs as the owner of
 * the tables; what is read is read for the caller, who is named.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "arguments.h"
#include "clock.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "live.h"
#include "providers/common.h"
#include "redact.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(partner_api_read_charges);

/* The rows of a page as a JSON array, without secrets. */
static Datum
page_charges(const PartnerApiServer *server, const PartnerApiPage *page)
{
	StringInfoData text;
	ListCell   *lc;

	initStringInfo(&text);
	foreach(lc, page->rows)
	{
		const PartnerApiListRow *row = lfirst(lc);

		appendStringInfo(&text, "%c%s", text.len == 0 ? '[' : ',',
						 row->fields);
	}
	appendStringInfoString(&text, text.len == 0 ? "[]" : "]");
	return DirectFunctionCall1(jsonb_in,
							   CStringGetDatum(partner_api_redact_whole(text.data,
																		partner_api_server_secrets(server, NULL))));
}

/* What to search for: one charge, or what the query says. */
static char *
search_terms(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(3))
		return partner_api_argument_required(fcinfo, 2, "query");
	return psprintf("charge_id=%s",
					partner_api_url_encode(partner_api_text_to_utf8(text_to_cstring(PG_GETARG_TEXT_PP(3)))));
}

/*
 * SQL: read_charges(server, caller, query, charge_id, page) -> charges, total,
 * is_last, asked_at, polls_left: one page of a search, or one charge.
 * asked_at is this moment, by our clock: what stands in the answer was so
 * then, or later.
 */
Datum
partner_api_read_charges(PG_FUNCTION_ARGS)
{
	char	   *caller = partner_api_argument_required(fcinfo, 1, "caller");
	Oid			role = get_role_oid(caller, false);
	PartnerApiServer *server =
	partner_api_server_load(partner_api_argument_server(fcinfo), role);
	PartnerApiFilter filter = {.list = PARTNER_API_LIST_CHARGES,
		.query = search_terms(fcinfo)
	};
	PartnerApiListing listing;
	PartnerApiPage page = {0};
	TupleDesc	desc;
	Datum		values[5];
	bool		nulls[5] = {false};
	int			left;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	partner_api_server_load_credential(server, role);
	partner_api_live_check_list(server, filter.list);
	values[3] = TimestampTzGetDatum(GetCurrentTimestamp() +
									partner_api_clock_ahead());
	partner_api_listing_begin(&listing, server->time_zone);
	partner_api_live_page(server, &filter, PG_GETARG_INT32(4), &listing,
						  &page);
	partner_api_listing_end(&listing);
	left = partner_api_limits_polls_left(&server->limits);

	values[0] = page_charges(server, &page);
	values[1] = Int64GetDatum(page.total);
	nulls[1] = page.total < 0;
	values[2] = BoolGetDatum(page.last);
	values[4] = Int32GetDatum(left);
	nulls[4] = left == PARTNER_API_NO_QUOTA;
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values,
											 nulls));
}
