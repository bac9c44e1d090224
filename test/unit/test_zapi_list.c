/*-------------------------------------------------------------------------
 *
 * test_zapi_list.c
 *	  Unit tests of zapi_list.c: reading the provider's list.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

/*
 * Parse a page that must be one.
 */
/* Z-API has one list */
static const PartnerApiFilter filter;

static PartnerApiPage
page_of(const char *body, int page)
{
	PartnerApiResponse response = answer_of(200, body);
	PartnerApiPage result;
	char	   *message = "unset";

	memset(&result, 0x7F, sizeof(result));
	if (!partner_api_zapi.parse_list(&filter, &response, page, &result,
									 &message))
		fail_msg("not a list: %s", message);
	return result;
}

/*
 * Parse a list of one row with these members besides its id.
 */
static PartnerApiListRow *
row_of(const char *members)
{
	PartnerApiPage page;

	page = page_of(psprintf("{'totalPage':1,'content':[{'id':'I'%s}]}",
							members), 1);
	assert_int_equal(list_length(page.rows), 1);
	return linitial(page.rows);
}

/* ---- pages ---- */

typedef struct PageRow
{
	const char *name;
	const char *body;
	int			page;
	int			rows;
	bool		last;
} PageRow;

static const PageRow page_rows[] = {
	{"only page", "{'totalPage':1,'content':[{'id':'A'}]}", 1, 1, true},
	{"first of two pages",
	"{'totalPage':2,'content':[{'id':'A'},{'id':'B'}]}", 1, 2, false},
	{"second of two pages", "{'totalPage':2,'content':[{'id':'A'}]}",
	2, 1, true},
	{"page past the last", "{'totalPage':2,'content':[{'id':'A'}]}",
	3, 1, true},
	{"no rows at all", "{'total':0,'totalPage':0,'content':[]}", 1, 0, true},
	{"no rows before the last page", "{'totalPage':9,'content':[]}",
	2, 0, true},
	{"pages in a string", "{'totalPage':'2','content':[{'id':'A'}]}",
	1, 1, false},
	{"no number of pages", "{'content':[{'id':'A'}]}", 1, 1, false},
	{"no number of pages, no rows", "{'content':[]}", 4, 0, true},
	{"number of pages of the wrong type",
	"{'totalPage':null,'content':[{'id':'A'}]}", 1, 1, false},
	{"misspelt number of pages",
	"{'totalPages':1,'content':[{'id':'A'}]}", 1, 1, false},
	{"error that is none", "{'error':null,'totalPage':1,'content':[]}",
	1, 0, true}
};

static void
test_page(const void *data)
{
	const PageRow *row = data;
	PartnerApiPage page = page_of(row->body, row->page);

	assert_int_equal(list_length(page.rows), row->rows);
	assert_int_equal(page.last, row->last);
}

/* ---- what is no list ---- */

typedef struct BadPageRow
{
	const char *name;
	int			status;
	const char *body;
	const char *message;
} BadPageRow;

static const BadPageRow bad_page_rows[] = {
	{"no content", 200, "{'totalPage':0}",
	"answer has no list \"content\""},
	{"content of null", 200, "{'content':null}",
	"answer has no list \"content\""},
	{"content in an object", 200, "{'content':{'id':'A'}}",
	"answer has no list \"content\""},
	{"bare array", 200, "[{'id':'A'}]",
	"answer has no list \"content\""},
	{"row without an id", 200, "{'content':[{'id':'A'},{'name':'x'}]}",
	"row 2 of the list has no id"},
	{"row with an empty id", 200, "{'content':[{'id':''}]}",
	"row 1 of the list has no id"},
	{"row with a number for an id", 200, "{'content':[{'id':1}]}",
	"row 1 of the list has no id"},
	{"row that is a string", 200, "{'content':['A']}",
	"row 1 of the list has no id"},
	{"row of null", 200, "{'content':[null]}",
	"row 1 of the list has no id"},
	{"error with success", 200, "{'error':'[203.0.113.7] not allowed'}",
	"[203.0.113.7] not allowed"},
	{"empty body", 200, "", "JSON text ends too early at byte 0"},
	{"page of markup", 200, "<html></html>",
	"text is not valid JSON at byte 1"},
	{"half a list", 200, "{'content':[{'id':'A'},",
	"JSON text ends too early at byte 23"},
	{"wrong credentials", 401, "Bad Credentials", "Bad Credentials"},
	{"list with an error status", 500, "{'content':[]}",
	"{\"content\":[]}"},
	{"list where none should be", 405, "", "HTTP 405 with an empty body"}
};

static void
test_bad_page(const void *data)
{
	const BadPageRow *row = data;
	PartnerApiResponse response = answer_of(row->status, row->body);
	PartnerApiPage page;
	char	   *message = NULL;

	assert_false(partner_api_zapi.parse_list(&filter, &response, 1, &page,
											 &message));
	assert_text(message, row->message);
}

static void
test_lost_page(const void *unused)
{
	PartnerApiResponse response = answer_of(200, "{'content':[]}");
	PartnerApiPage page;
	char	   *message = NULL;

	response.complete = false;
	response.transport_error = "timed out";
	assert_false(partner_api_zapi.parse_list(&filter, &response, 1, &page,
											 &message));
	assert_text(message, "timed out");
}

/*
 * Any 2xx is a success: one page says 200, another one 201.
 */
static void
test_page_status(const void *unused)
{
	static const int statuses[] = {200, 201, 203, 206};

	for (size_t i = 0; i < lengthof(statuses); i++)
	{
		PartnerApiResponse response = answer_of(statuses[i],
												"{'content':[]}");
		PartnerApiPage page;
		char	   *message = NULL;

		assert_true(partner_api_zapi.parse_list(&filter, &response, 1, &page,
												&message));
	}
}

/* ---- rows ---- */

static void
test_whole_row(const void *unused)
{
	const char *const members =
	",'token':'T','name':'Acme [n]','tenant':'t',"
	"'created':'2024-06-01T12:00:00Z','due':1648565999675,"
	"'paymentStatus':'TRIAL','middleware':'web',"
	"'phoneConnected':true,'whatsappConnected':true";
	PartnerApiListRow *row = row_of(members);

	assert_text(row->instance_id, "I");
	assert_text(row->instance_token, "T");
	assert_text(row->name, "Acme [n]");
	assert_text(row->payment_status, "TRIAL");
	assert_int_equal(row->subscription, PARTNER_API_SUBSCRIPTION_TRIAL);
	assert_text(row->middleware, "web");
	assert_text(row->created, "2024-06-01T12:00:00Z");
	assert_int_equal(row->created_ms, INT64CONST(1717243200000));
	assert_int_equal(row->due_ms, INT64CONST(1648565999675));
	assert_true(row->phone_connected);
	assert_true(row->whatsapp_connected);
	assert_text(row->details,
				quoted("{'id':'I','name':'Acme [n]','tenant':'t',"
					   "'created':'2024-06-01T12:00:00Z',"
					   "'due':1648565999675,'paymentStatus':'TRIAL',"
					   "'middleware':'web','phoneConnected':true,"
					   "'whatsappConnected':true}"));
}

static void
test_bare_row(const void *unused)
{
	static const char *const members[] = {
		"",
		",'token':'','name':'','created':'','paymentStatus':'',"
		"'middleware':'','due':'','phoneConnected':'','whatsappConnected':''",
		",'token':null,'name':null,'created':null,'paymentStatus':null,"
		"'middleware':null,'due':null,'phoneConnected':null",
		",'token':1,'name':[],'created':{},'paymentStatus':1,"
		"'middleware':true,'due':false,'phoneConnected':'true'"
	};

	for (size_t i = 0; i < lengthof(members); i++)
	{
		PartnerApiListRow *row = row_of(members[i]);

		assert_text(row->instance_token, NULL);
		assert_text(row->name, NULL);
		assert_text(row->payment_status, NULL);
		assert_text(row->middleware, NULL);
		assert_text(row->created, NULL);
		assert_int_equal(row->created_ms, 0);
		assert_int_equal(row->due_ms, 0);
		assert_int_equal(row->subscription, PARTNER_API_SUBSCRIPTION_UNKNOWN);
		assert_false(row->phone_connected);
		assert_false(row->whatsapp_connected);
	}
}

typedef struct StatusRow
{
	const char *name;
	PartnerApiSubscription subscription;
} StatusRow;

static const StatusRow status_rows[] = {
	{"trial", PARTNER_API_SUBSCRIPTION_TRIAL},
	{"TRIAL", PARTNER_API_SUBSCRIPTION_TRIAL},
	{"In trial", PARTNER_API_SUBSCRIPTION_TRIAL},
	{"Em trial", PARTNER_API_SUBSCRIPTION_TRIAL},
	{"paid", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"Pago", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"PENDING", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"pendente", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"PENDING_BANK_SLIP", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"pending bank slip", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"Boleto pendente", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"payment-retry", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"in payment retry", PARTNER_API_SUBSCRIPTION_SIGNED},
	{"In cancellation", PARTNER_API_SUBSCRIPTION_CANCELLING},
	{"Em cancelamento", PARTNER_API_SUBSCRIPTION_CANCELLING},
	{"EM_CANCELAMENTO", PARTNER_API_SUBSCRIPTION_CANCELLING},
	{"canceling", PARTNER_API_SUBSCRIPTION_CANCELLING},
	{"Cancelling", PARTNER_API_SUBSCRIPTION_CANCELLING},
	{"canceled", PARTNER_API_SUBSCRIPTION_CANCELLED},
	{"CANCELLED", PARTNER_API_SUBSCRIPTION_CANCELLED},
	{"Cancelado", PARTNER_API_SUBSCRIPTION_CANCELLED},
	{"unpaid", PARTNER_API_SUBSCRIPTION_UNKNOWN},
	{"paid?", PARTNER_API_SUBSCRIPTION_UNKNOWN},
	{"expired", PARTNER_API_SUBSCRIPTION_UNKNOWN},
	{"- _", PARTNER_API_SUBSCRIPTION_UNKNOWN}
};

static void
test_payment_status(const void *data)
{
	const StatusRow *expected = data;
	PartnerApiListRow *row = row_of(psprintf(",'paymentStatus':'%s'",
											 expected->name));

	assert_int_equal(row->subscription, expected->subscription);
	assert_text(row->payment_status, expected->name);
}

typedef struct CreatedRow
{
	const char *name;
	const char *value;
	int64		ms;
} CreatedRow;

static const CreatedRow created_rows[] = {
	{"created in UTC", "'2024-06-01T12:34:56Z'", INT64CONST(1717245296000)},
	{"created in small letters", "'2024-06-01t12:34:56z'",
	INT64CONST(1717245296000)},
	{"created with a blank", "'2024-06-01 12:34:56Z'",
	INT64CONST(1717245296000)},
	{"created with milliseconds", "'2024-06-01T12:34:56.789Z'",
	INT64CONST(1717245296789)},
	{"created with tenths", "'2024-06-01T12:34:56.7Z'",
	INT64CONST(1717245296700)},
	{"created with nanoseconds", "'2024-06-01T12:34:56.789123456Z'",
	INT64CONST(1717245296789)},
	{"created in Brazil", "'2024-06-01T09:34:56-03:00'",
	INT64CONST(1717245296000)},
	{"created in Brazil, in short", "'2024-06-01T09:34:56-0300'",
	INT64CONST(1717245296000)},
	{"created in Brazil, in hours", "'2024-06-01T09:34:56-03'",
	INT64CONST(1717245296000)},
	{"created in India", "'2024-06-01T18:04:56+05:30'",
	INT64CONST(1717245296000)},
	{"created on a leap day", "'2024-02-29T00:00:00Z'",
	INT64CONST(1709164800000)},
	{"created after a leap day", "'2024-03-01T00:00:00Z'",
	INT64CONST(1709251200000)},
	{"created at the end of a year", "'2023-12-31T23:59:59Z'",
	INT64CONST(1704067199000)},
	{"created in a leap century", "'2000-03-01T00:00:00Z'",
	INT64CONST(951868800000)},
	{"created in no leap century", "'2100-03-01T00:00:00Z'",
	INT64CONST(4107542400000)},
	{"created at the epoch's second second", "'1970-01-01T00:00:01Z'", 1000},
	{"created as a number", "1717245296789", INT64CONST(1717245296789)},
	{"created as digits", "'1717245296789'", INT64CONST(1717245296789)},
	{"created in seconds", "1717245296", 0},
	{"created without a zone", "'2024-06-01T12:34:56'", 0},
	{"created on a day", "'2024-06-01'", 0},
	{"created in words", "'yesterday'", 0},
	{"created on no leap day", "'2023-02-29T00:00:00Z'", 0},
	{"created on the 31st of June", "'2024-06-31T00:00:00Z'", 0},
	{"created in month 13", "'2024-13-01T00:00:00Z'", 0},
	{"created in month 0", "'2024-00-01T00:00:00Z'", 0},
	{"created on day 0", "'2024-06-00T00:00:00Z'", 0},
	{"created at 24 hours", "'2024-06-01T24:00:00Z'", 0},
	{"created at minute 60", "'2024-06-01T12:60:00Z'", 0},
	{"created at second 61", "'2024-06-01T12:00:61Z'", 0},
	{"created in zone 24", "'2024-06-01T12:00:00+24:00'", 0},
	{"created in half a zone", "'2024-06-01T12:00:00+0'", 0},
	{"created in a zone of hours and more", "'2024-06-01T12:00:00+01x'", 0},
	{"created in a zone of minute 60", "'2024-06-01T12:00:00+01:60'", 0},
	{"created, and more", "'2024-06-01T12:34:56Z.'", 0},
	{"created before the epoch", "'1969-12-31T23:59:59Z'", 0},
	{"created in Brazilian order", "'01/06/2024 12:34:56'", 0},
	{"created with signs", "'2024-+6--1T12:34:56Z'", 0}
};

static void
test_created(const void *data)
{
	const CreatedRow *expected = data;
	PartnerApiListRow *row = row_of(psprintf(",'created':%s",
											 expected->value));

	assert_int_equal(row->created_ms, expected->ms);
	/* the provider's own words are kept, quotes aside */
	assert_non_null(strstr(expected->value, row->created));
}

typedef struct DetailsRow
{
	const char *name;
	const char *members;
	const char *details;
} DetailsRow;

static const DetailsRow details_rows[] = {
	{"token is left out", ",'token':'SECRET'", ""},
	{"other tokens are left out",
		",'clientToken':'SECRET','ACCESS_TOKEN':'SECRET',"
	"'webhookSecret':'SECRET','password':'SECRET'", ""},
	{"tokens inside are left out",
		",'x':{'token':'SECRET','y':[{'token':'SECRET','z':1}]}",
	",'x':{'y':[{'z':1}]}"},
	{"token of another type is left out", ",'token':{'SECRET':1}", ""},
	{"query of a webhook is cut",
		",'receivedCallbackUrl':'https://example.com/a/b?key=SECRET#SECRET'",
	",'receivedCallbackUrl':'https://example.com/a/b'"},
	{"query without a path is cut", ",'u':'https://example.com?SECRET'",
	",'u':'https://example.com'"},
	{"fragment is cut", ",'u':'https://example.com/#SECRET'",
	",'u':'https://example.com/'"},
	{"user of a proxy is cut", ",'u':'socks5://SECRET:SECRET@proxy:1080'",
	",'u':'socks5://proxy:1080'"},
	{"user with an at sign is cut", ",'u':'http://SECRET:SEC@RET@proxy/'",
	",'u':'http://proxy/'"},
	{"at sign in a path stays", ",'u':'https://example.com/@acme'",
	",'u':'https://example.com/@acme'"},
	{"URL inside is cut", ",'x':[{'u':'https://h/?SECRET'},'http://S@h']",
	",'x':[{'u':'https://h/'},'http://h']"},
	{"what is no URL stays", ",'name':'a?b#c@d','e':'://'",
	",'name':'a?b#c@d','e':'://'"},
	{"unknown keys stay", ",'a':1.5,'b':null,'c':[true,{}],'d':'\xC3\xA3'",
	",'a':1.5,'b':null,'c':[true,{}],'d':'\xC3\xA3'"}
};

static void
test_details(const void *data)
{
	const DetailsRow *row = data;

	assert_text(row_of(row->members)->details,
				quoted(psprintf("{'id':'I'%s}", row->details)));
}

/*
 * The name is told whole, whatever is cut from the details: a lost create is
 * found by it.
 */
static void
test_name_is_whole(const void *unused)
{
	assert_text(row_of(",'name':'https://a/?b [n]'")->name,
				"https://a/?b [n]");
}

static void
parse(void *response)
{
	PartnerApiPage page;
	char	   *message;

	(void) partner_api_zapi.parse_list(&filter, response, 1, &page, &message);
}

static void
test_list_without_memory(const void *unused)
{
	PartnerApiResponse response;

	response = answer_of(200, "{'totalPage':1,'content':[{'id':'I',"
						 "'token':'T','u':'https://h/?q','created':1}]}");
	assert_survives_no_memory(parse, &response);
}

int
main(void)
{
	add_table(test_page, page_rows);
	add_table(test_bad_page, bad_page_rows);
	add_test("page that was lost", test_lost_page);
	add_test("any 2xx is a page", test_page_status);
	add_test("whole row", test_whole_row);
	add_test("row with an id alone", test_bare_row);
	add_table(test_payment_status, status_rows);
	add_table(test_created, created_rows);
	add_table(test_details, details_rows);
	add_test("name is told whole", test_name_is_whole);
	add_test("list without memory", test_list_without_memory);
	return run_suite("zapi list");
}
