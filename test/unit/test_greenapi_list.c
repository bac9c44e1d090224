/*-------------------------------------------------------------------------
 *
 * test_greenapi_list.c
 *	  Unit tests of greenapi_list.c: reading the provider's list.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

static const PartnerApiFilter everything;

/* Parse a list that must be one. */
static PartnerApiPage
page_of(const PartnerApiFilter *filter, const char *body)
{
	PartnerApiResponse response = answer_of(200, body);
	PartnerApiPage result;
	char	   *message = "unset";

	memset(&result, 0x7F, sizeof(result));
	if (!partner_api_greenapi.parse_list(filter, &response, 1, &result,
										 &message))
		fail_msg("not a list: %s", message);
	assert_true(result.last);
	assert_true(result.local_times);
	assert_int_equal(result.total, list_length(result.rows));
	return result;
}

/* Parse a list of one row with these members besides its id. */
static PartnerApiListRow *
row_of(const char *members)
{
	PartnerApiPage page;

	page = page_of(&everything, psprintf("[{'idInstance':7107000001%s}]",
										 members));
	assert_int_equal(list_length(page.rows), 1);
	return linitial(page.rows);
}

/* ---- what is no list ---- */

typedef struct BadListRow
{
	const char *name;
	int			status;
	const char *body;
	const char *message;
} BadListRow;

static const BadListRow bad_list_rows[] = {
	{"wrong token with success", 200,
	"{'code':401,'description':'Unauthorized'}", "Unauthorized"},
	{"wrong token with an error status", 400,
	"{'code':401,'description':'Unauthorized'}", "Unauthorized"},
	{"wrong token in plain text", 400, "Unauthorized", "Unauthorized"},
	{"wrong token as others say it", 401, "", "HTTP 401 with an empty body"},
	{"list with an error status", 500, "[]", "[]"},
	{"object", 200, "{'idInstance':1}", "answer is no list"},
	{"null", 200, "null", "answer is no list"},
	{"empty body", 200, "", "JSON text ends too early at byte 0"},
	{"page of markup", 200, "<html></html>",
	"text is not valid JSON at byte 1"},
	{"half a list", 200, "[{'idInstance':1},",
	"JSON text ends too early at byte 18"},
	{"row without an id", 200, "[{'idInstance':1},{'name':'x'}]",
	"row 2 of the list has no id"},
	{"row with an id in letters", 200, "[{'idInstance':'A'}]",
	"row 1 of the list has no id"},
	{"row with an id of a fraction", 200, "[{'idInstance':1.5}]",
	"row 1 of the list has no id"},
	{"row with an id below zero", 200, "[{'idInstance':-1}]",
	"row 1 of the list has no id"},
	{"row with an id of null", 200, "[{'idInstance':null}]",
	"row 1 of the list has no id"},
	{"row of a number", 200, "[1]", "row 1 of the list has no id"}
};

static void
test_bad_list(const void *data)
{
	const BadListRow *row = data;
	PartnerApiResponse response = answer_of(row->status, row->body);
	PartnerApiPage page;
	char	   *message = NULL;

	assert_false(partner_api_greenapi.parse_list(&everything, &response, 1,
												 &page, &message));
	assert_text(message, row->message);
}

static void
test_lost_list(const void *unused)
{
	PartnerApiResponse response = answer_of(200, "[]");
	PartnerApiPage page;
	char	   *message = NULL;

	response.complete = false;
	response.transport_error = "timed out";
	assert_false(partner_api_greenapi.parse_list(&everything, &response, 1,
												 &page, &message));
	assert_text(message, "timed out");
}

/* ---- rows ---- */

static void
test_whole_row(const void *unused)
{
	const char *const shown =
	"'name':'Acme [n]','typeInstance':'whatsapp','typeAccount':'',"
	"'partnerUserUiid':'','timeCreated':'2022-06-03T18:39:44',"
	"'timeDeleted':'0001-01-01T00:00:00','deleted':false,"
	"'tariff':'PARTNER_23','isFree':false,'isPartner':true,"
	"'expirationDate':'2022-06-09T18:39:44','isExpired':false";
	PartnerApiListRow *row;

	row = row_of(psprintf(",%s,'apiTokenInstance':'SECRET'", shown));
	assert_text(row->instance_id, "7107000001");
	assert_text(row->instance_token, "SECRET");
	assert_text(row->name, "Acme [n]");
	assert_text(row->middleware, "whatsapp");
	assert_text(row->created, "2022-06-03T18:39:44");
	assert_int_equal(row->created_ms, INT64CONST(1654281584000));
	assert_int_equal(row->deleted_ms, 0);
	assert_int_equal(row->due_ms, 0);
	assert_int_equal(row->subscription, PARTNER_API_SUBSCRIPTION_SIGNED);
	assert_text(row->payment_status, NULL);
	assert_true(row->connection_unknown);
	assert_false(row->billed_apart);
	assert_false(row->phone_connected);
	assert_false(row->whatsapp_connected);
	assert_text(row->details,
				quoted(psprintf("{'idInstance':7107000001,%s}", shown)));
}

static void
test_bare_row(const void *unused)
{
	static const char *const members[] = {
		"",
		",'apiTokenInstance':'','name':'','typeInstance':'',"
		"'timeCreated':'','timeDeleted':''",
		",'apiTokenInstance':null,'name':null,'typeInstance':null,"
		"'timeCreated':null,'timeDeleted':null,'deleted':null",
		",'apiTokenInstance':1,'name':[],'typeInstance':{},"
		"'timeCreated':1,'timeDeleted':false"
	};

	for (size_t i = 0; i < lengthof(members); i++)
	{
		PartnerApiListRow *row = row_of(members[i]);

		assert_text(row->instance_token, NULL);
		assert_text(row->name, NULL);
		assert_text(row->middleware, NULL);
		assert_text(row->created, NULL);
		assert_int_equal(row->created_ms, 0);
		assert_int_equal(row->deleted_ms, 0);
		assert_int_equal(row->subscription, PARTNER_API_SUBSCRIPTION_SIGNED);
	}
}

typedef struct ApartRow
{
	const char *name;
	const char *members;
	bool		apart;
} ApartRow;

static const ApartRow apart_rows[] = {
	{"bill that the row does not name", "", false},
	{"bill of a partner", ",'isPartner':true,'isFree':false", false},
	{"bill of another tariff", ",'isPartner':false,'isFree':false", true},
	{"bill of another tariff alone", ",'isPartner':false", true},
	{"bill of a free instance", ",'isPartner':true,'isFree':true", true},
	{"bill of null", ",'isPartner':null,'isFree':null", false},
	{"bill in words", ",'isPartner':'false','isFree':'true'", false}
};

static void
test_apart(const void *data)
{
	const ApartRow *row = data;

	assert_int_equal(row_of(row->members)->billed_apart, row->apart);
}

typedef struct IdRow
{
	const char *name;
	const char *value;
	const char *id;
} IdRow;

static const IdRow id_rows[] = {
	{"id as a number", "1101728000", "1101728000"},
	{"id as a string", "'1101728000'", "1101728000"},
	{"id of twelve digits", "710700000123", "710700000123"},
	{"id of 63 bits", "9223372036854775807", "9223372036854775807"},
	{"id of 64 bits", "18446744073709551615", "18446744073709551615"},
	{"id of 64 bits as a string", "'18446744073709551615'",
	"18446744073709551615"}
};

static void
test_id(const void *data)
{
	const IdRow *expected = data;
	PartnerApiPage page;

	page = page_of(&everything, psprintf("[{'idInstance':%s}]",
										 expected->value));
	assert_text(((PartnerApiListRow *) linitial(page.rows))->instance_id,
				expected->id);
}

typedef struct TimeRow
{
	const char *name;
	const char *value;
	int64		ms;
} TimeRow;

static const TimeRow time_rows[] = {
	{"time", "2022-06-09T09:19:04", INT64CONST(1654766344000)},
	{"time with milliseconds", "2022-06-09T09:19:04.5",
	INT64CONST(1654766344500)},
	{"time with more of a fraction", "2022-06-09T09:19:04.1234567",
	INT64CONST(1654766344123)},
	{"never", "0001-01-01T00:00:00", 0},
	{"never, with a fraction", "0001-01-01T00:00:00.0000000", 0},
	{"time with a zone", "2022-06-09T09:19:04Z", 0},
	{"time with an offset", "2022-06-09T09:19:04+03:00", 0},
	{"time of no day", "2022-06-31T09:19:04", 0},
	{"time in words", "yesterday", 0}
};

static void
test_time(const void *data)
{
	const TimeRow *expected = data;
	PartnerApiListRow *row;

	row = row_of(psprintf(",'timeCreated':'%s','timeDeleted':'%s'",
						  expected->value, expected->value));
	assert_int_equal(row->created_ms, expected->ms);
	assert_int_equal(row->deleted_ms, expected->ms);
	assert_text(row->created, expected->value);
}

typedef struct DeletedRow
{
	const char *name;
	const char *members;
	PartnerApiSubscription subscription;
} DeletedRow;

static const DeletedRow deleted_rows[] = {
	{"deleted", ",'deleted':true,'timeDeleted':'2022-06-09T09:19:04'",
	PARTNER_API_SUBSCRIPTION_DELETED},
	{"deleted at no time", ",'deleted':true", PARTNER_API_SUBSCRIPTION_DELETED},
	{"deleted at a time alone", ",'timeDeleted':'2022-06-09T09:19:04'",
	PARTNER_API_SUBSCRIPTION_DELETED},
	{"not deleted whatever the time",
		",'deleted':false,'timeDeleted':'2022-06-09T09:19:04'",
	PARTNER_API_SUBSCRIPTION_SIGNED},
	{"expired", ",'deleted':false,'isExpired':true",
	PARTNER_API_SUBSCRIPTION_SIGNED},
	{"deleted in words", ",'deleted':'yes'",
	PARTNER_API_SUBSCRIPTION_UNKNOWN}
};

static void
test_deleted(const void *data)
{
	const DeletedRow *expected = data;

	assert_int_equal(row_of(expected->members)->subscription,
					 expected->subscription);
}

/* ---- searching ---- */

typedef struct SearchRow
{
	const char *name;
	PartnerApiFilter filter;
	const char *ids;
} SearchRow;

static const SearchRow search_rows[] = {
	{"everything", {.page_size = 1}, "1 12 3"},
	{"an id", {.query = "1"}, "1"},
	{"a whole name", {.query = "Acme [n-1]"}, "1"},
	{"part of a name, in any case", {.query = "acme"}, "1 12"},
	{"no such name", {.query = "Globex"}, ""},
	{"a messenger", {.middleware = "telegram"}, "12"},
	{"a name and a messenger", {.query = "Acme",.middleware = "v3"}, ""}
};

static void
test_search(const void *data)
{
	const SearchRow *row = data;
	PartnerApiPage page;
	const char *ids = "";
	ListCell   *cell;

	page = page_of(&row->filter,
				   "[{'idInstance':1,'name':'Acme [n-1]',"
				   "'typeInstance':'whatsapp'},"
				   "{'idInstance':12,'name':'Acme [n-2]',"
				   "'typeInstance':'telegram'},"
				   "{'idInstance':3}]");
	foreach(cell, page.rows)
		ids = psprintf("%s%s%s", ids, *ids == '\0' ? "" : " ",
					   ((PartnerApiListRow *) lfirst(cell))->instance_id);
	assert_text(ids, row->ids);
}

static void
parse(void *response)
{
	PartnerApiPage page;
	char	   *message;

	(void) partner_api_greenapi.parse_list(&everything, response, 1, &page,
										   &message);
}

static void
test_list_without_memory(const void *unused)
{
	PartnerApiResponse response;

	response = answer_of(200, "[{'idInstance':1,'name':'a','deleted':false,"
						 "'apiTokenInstance':'T','x':'https://h/?q',"
						 "'timeCreated':'2022-06-09T09:19:04'}]");
	assert_survives_no_memory(parse, &response);
}

int
main(void)
{
	add_table(test_bad_list, bad_list_rows);
	add_test("list that was lost", test_lost_list);
	add_test("whole row", test_whole_row);
	add_test("row with an id alone", test_bare_row);
	add_table(test_apart, apart_rows);
	add_table(test_id, id_rows);
	add_table(test_time, time_rows);
	add_table(test_deleted, deleted_rows);
	add_table(test_search, search_rows);
	add_test("list without memory", test_list_without_memory);
	return run_suite("greenapi list");
}
