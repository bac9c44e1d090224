/*-------------------------------------------------------------------------
 *
 * test_asaas_list.c
 *	  Unit tests of the lists and reads of Asaas, and of what rows show of a
 *	  lost answer.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "json.h"
#include "providers/asaas.h"

#define CHARGES PARTNER_API_LIST_CHARGES

/* ---- pages ---- */

typedef struct PageRow
{
	const char *name;
	PartnerApiList list;
	const char *query;
	int			status;
	const char *body;
	const char *expected;		/* rows, or what is wrong */
} PageRow;

static const PageRow good_rows[] = {
	{"last page", CHARGES, NULL, 200,
		"{'object':'list','hasMore':false,'totalCount':2,'limit':100,"
		"'offset':0,'data':[{'id':'pay_2','value':1.5,"
		"'externalReference':'pa-0123abcd-7-0123abcd',"
		"'dateCreated':'2030-01-15'},{'id':'pay_1','deleted':true}]}",
		"last of 2\n"
		"pay_2 [pa-0123abcd-7-0123abcd] 1894676400000 {'charge_id':'pay_2',"
		"'value_cents':150,"
		"'external_reference':'pa-0123abcd-7-0123abcd',"
		"'created_on':'2030-01-15','details':{'id':'pay_2','value':1.5,"
		"'externalReference':'pa-0123abcd-7-0123abcd',"
		"'dateCreated':'2030-01-15'}}\n"
		"pay_1 (null) 0 deleted {'charge_id':'pay_1','deleted':true,"
	"'details':{'id':'pay_1','deleted':true}}\n"},
	{"page with more behind it", CHARGES, NULL, 200,
		"{'hasMore':true,'data':[{'id':'p'}]}",
		"more of -1\n"
	"p (null) 0 {'charge_id':'p','details':{'id':'p'}}\n"},
	{"nothing", CHARGES, "nonce=x", 200,
	"{'hasMore':false,'totalCount':0,'data':[]}", "last of 0\n"},
	{"one charge", CHARGES, "charge_id=p", 200, "{'id':'p','deleted':true}",
		"last of -1\n"
		"p (null) 0 deleted {'charge_id':'p','deleted':true,"
	"'details':{'id':'p','deleted':true}}\n"},
	{"one charge that is not there", CHARGES, "charge_id=p", 404, "",
	"last of -1\n"},
	{"customers", PARTNER_API_LIST_CUSTOMERS, NULL, 200,
		"{'hasMore':false,'data':[{'id':'c','name':'Ana'}]}",
		"last of -1\n"
		"c (null) 0 {'customer_id':'c','name':'Ana','details':{'id':'c',"
	"'name':'Ana'}}\n"},
	{"notifications", PARTNER_API_LIST_NOTIFICATIONS, "cus_1", 200,
		"{'hasMore':false,'data':[{'id':'n','enabled':true}]}",
		"last of -1\n"
		"n (null) 0 {'notification_id':'n','enabled':true,"
	"'details':{'id':'n','enabled':true},'customer_id':'cus_1'}\n"},
	{"webhooks", PARTNER_API_LIST_WEBHOOKS, NULL, 200,
		"{'hasMore':false,'data':[{'id':'w','name':"
		"'W [pa-0123abcd-7-0123abcd]','authToken':'SECRET'}]}",
		"last of -1\n"
		"w W [pa-0123abcd-7-0123abcd] 0 {'webhook_id':'w',"
		"'name':'W [pa-0123abcd-7-0123abcd]','details':{'id':'w',"
	"'name':'W [pa-0123abcd-7-0123abcd]'}}\n"}
};

static const PageRow bad_rows[] = {
	{"refusal", CHARGES, NULL, 403, "{'errors':[{'code':'x'}]}",
		"the key lacks the permission for this call, or its list of "
	"addresses does not have ours: x"},
	{"list that is not found", CHARGES, NULL, 404, "",
	"HTTP 404 with an empty body"},
	{"no list", CHARGES, NULL, 200, "{'data':{}}",
	"answer is no page of a list"},
	{"list that may have more", CHARGES, NULL, 200, "{'data':[]}",
	"answer is no page of a list"},
	{"list without an end", CHARGES, NULL, 200, "{'data':[],'hasMore':true}",
	"page is empty, but is not the last"},
	{"row without an id", CHARGES, NULL, 200,
		"{'hasMore':false,'data':[{'id':'a'},{'id':1}]}",
	"row 2 of the list has no id"},
	{"row that is none", CHARGES, NULL, 200, "{'hasMore':false,'data':[5]}",
	"row 1 of the list has no id"},
	{"another charge", CHARGES, "charge_id=p", 200, "{'id':'q'}",
	"answer has not the id that was asked for"},
	{"list in place of a charge", CHARGES, "charge_id=p", 200,
		"{'hasMore':false,'data':[]}",
	"answer has not the id that was asked for"}
};

static bool
parse(const PageRow *row, PartnerApiPage *page, char **message)
{
	PartnerApiFilter filter = {.list = row->list,.query = row->query};
	PartnerApiResponse response = answer_of(row->status, row->body);

	memset(page, 0x7F, sizeof(*page));
	return partner_api_asaas.parse_list(&filter, &response, 1, page, message);
}

/* A page in lines. */
static char *
page_text(const PartnerApiPage *page)
{
	char	   *lines = psprintf("%s of %lld\n", page->last ? "last" : "more",
								 (long long) page->total);
	ListCell   *cell;

	foreach(cell, page->rows)
	{
		const PartnerApiListRow *row = lfirst(cell);
		bool		deleted = row->subscription ==
		PARTNER_API_SUBSCRIPTION_DELETED;

		lines = psprintf("%s%s %s %lld %s%s\n", lines, row->instance_id,
						 row->name == NULL ? "(null)" : row->name,
						 (long long) row->created_ms,
						 deleted ? "deleted " : "", row->fields);
	}
	return lines;
}

static void
test_page(const void *data)
{
	PartnerApiPage page;
	char	   *message = NULL;

	if (!parse(data, &page, &message))
		fail_msg("not a list: %s", message);
	assert_text(page_text(&page), quoted(((const PageRow *) data)->expected));
	assert_false(page.local_times);
}

static void
test_bad_page(const void *data)
{
	PartnerApiPage page;
	char	   *message = NULL;

	assert_false(parse(data, &page, &message));
	assert_text(message, ((const PageRow *) data)->expected);
}

static void
parse_first(void *row)
{
	PartnerApiFilter filter = {.list = CHARGES};
	PartnerApiPage page;
	char	   *message;

	(void) partner_api_asaas.parse_list(&filter, row, 1, &page, &message);
}

static void
test_no_memory(const void *unused)
{
	PartnerApiResponse response = answer_of(200, good_rows[0].body);

	assert_survives_no_memory(parse_first, &response);
}

/* ---- reads ---- */

typedef struct ReadRow
{
	const char *name;
	PartnerApiRead read;
	const char *body;
	const char *expected;		/* NULL: it holds nothing */
} ReadRow;

static const ReadRow read_rows[] = {
	{"customer", PARTNER_API_READ_CUSTOMER, "{'id':'c'}",
	"{'customer_id':'c','details':{'id':'c'}}"},
	{"charge without an id", PARTNER_API_READ_CHARGE, "{'value':1}", NULL},
	{"boleto", PARTNER_API_READ_BOLETO,
		"{'identificationField':'0019','nossoNumero':'6543',"
		"'barCode':'0019373'}",
	"{'line':'0019','our_number':'6543','bar_code':'0019373'}"},
	{"Pix", PARTNER_API_READ_PIX,
		"{'encodedImage':'iVBORw0KGgoA','payload':'00020101',"
		"'expirationDate':'2031-01-15 23:59:59'}",
		"{'payload':'00020101','image':'iVBORw0KGgoA',"
	"'expires':'2031-01-15 23:59:59'}"},
	{"Pix without an image and a time", PARTNER_API_READ_PIX,
		"{'encodedImage':'iVBOR','payload':'00020101',"
		"'expirationDate':'2031-02-30 23:59:59'}",
	"{'payload':'00020101'}"},
	{"Pix until a day", PARTNER_API_READ_PIX,
		"{'payload':'00020101','expirationDate':'2031-01-15'}",
	"{'payload':'00020101','expires':'2031-01-15'}"},
	{"Pix until a time of another zone", PARTNER_API_READ_PIX,
		"{'payload':'00020101','expirationDate':'2031-01-15T23:59:59Z'}",
	"{'payload':'00020101'}"},
	{"Pix without a code", PARTNER_API_READ_PIX,
	"{'encodedImage':'iVBORw0KGgoA'}", NULL},
	{"no Pix", PARTNER_API_READ_PIX, "{}", NULL},
	{"seen", PARTNER_API_READ_VIEWS,
		"{'invoiceViewedDate':'2030-01-15 10:00:00',"
		"'boletoViewedDate':null}",
	"{'invoice_viewed':'2030-01-15 10:00:00'}"},
	{"not seen", PARTNER_API_READ_VIEWS, "{'invoiceViewedDate':null}", "{}"},
	{"no view", PARTNER_API_READ_VIEWS, "{'x':1}", NULL},
	{"balance", PARTNER_API_READ_BALANCE, "{'balance':1234.56}",
	"{'balance_cents':123456}"},
	{"balance below nothing", PARTNER_API_READ_BALANCE, "{'balance':-0.5}",
	"{'balance_cents':-50}"},
	{"balance that is none", PARTNER_API_READ_BALANCE, "{'balance':'x'}",
	NULL},
	{"account", PARTNER_API_READ_ACCOUNT,
		"{'id':'a','commercialInfo':'APPROVED','bankAccountInfo':'PENDING',"
		"'documentation':'AWAITING_APPROVAL','general':'PENDING'}",
		"{'account_id':'a','commercial_info':'APPROVED',"
		"'bank_account_info':'PENDING',"
	"'documentation':'AWAITING_APPROVAL','general':'PENDING'}"},
	{"limit", PARTNER_API_READ_CHARGE_LIMIT,
		"{'creation':{'daily':{'limit':1000,'used':7,"
		"'wasReached':false}}}",
	"{'daily_limit':1000,'used':7,'reached':false}"},
	{"no limit", PARTNER_API_READ_CHARGE_LIMIT, "{'creation':{}}", NULL},
	{"refusal", PARTNER_API_READ_BALANCE,
	"{'balance':1,'errors':[{'code':'x'}]}", NULL}
};

static void
test_read(const void *data)
{
	const ReadRow *row = data;
	PartnerApiResponse response = answer_of(200, row->body);
	PartnerApiReadResult result;
	char	   *message = NULL;

	memset(&result, 0x7F, sizeof(result));
	assert_int_equal(partner_api_asaas.parse_read(row->read, &response,
												  &result, &message),
					 row->expected != NULL);
	if (row->expected != NULL)
		assert_text(result.text, quoted(row->expected));
	else
		assert_non_null(message);
}

/* ---- looks ---- */

#define NOTHING PARTNER_API_SIGHT_NOTHING
#define EFFECT PARTNER_API_SIGHT_EFFECT
#define NO_EFFECT PARTNER_API_SIGHT_NO_EFFECT
#define RIDDLE PARTNER_API_SIGHT_RIDDLE

typedef struct SightRow
{
	const char *name;
	PartnerApiKind kind;
	const char *arguments;
	const char *id;
	const char *fields;
	PartnerApiSight expected;
} SightRow;

static const SightRow sight_rows[] = {
	{"create is found by its nonce", PARTNER_API_CREATE_CHARGE, "{}", "ID",
	"{}", NOTHING},
	{"another charge", PARTNER_API_DELETE_CHARGE, "{}", "X",
	"{'deleted':true}", NOTHING},
	{"deleted", PARTNER_API_DELETE_CHARGE, "{}", "ID", "{'deleted':true}",
	EFFECT},
	{"not deleted", PARTNER_API_DELETE_CUSTOMER, "{}", "ID", "{}",
	NO_EFFECT},
	{"recurrence deleted", PARTNER_API_DELETE_RECURRENCE, "{}", "ID",
	"{'deleted':true}", EFFECT},
	{"webhook still there", PARTNER_API_DELETE_WEBHOOK, "{}", "ID", "{}",
	NO_EFFECT},
	{"restored", PARTNER_API_RESTORE_CHARGE, "{}", "ID", "{'deleted':false}",
	EFFECT},
	{"not restored", PARTNER_API_RESTORE_CUSTOMER, "{}", "ID",
	"{'deleted':true}", NO_EFFECT},
	{"change", PARTNER_API_CHANGE_CHARGE, "{}", "ID", "{}", NO_EFFECT},
	{"notifications", PARTNER_API_CHANGE_NOTIFICATIONS, "{}", "not_1", "{}",
	NO_EFFECT},
	{"received", PARTNER_API_RECEIVE_CHARGE, "{}", "ID",
	"{'status':'RECEIVED_IN_CASH'}", EFFECT},
	{"not received", PARTNER_API_RECEIVE_CHARGE, "{}", "ID",
	"{'status':'PENDING'}", NO_EFFECT},
	{"received, but nobody knows", PARTNER_API_RECEIVE_CHARGE, "{}", "ID",
	"{}", RIDDLE},
	{"undone", PARTNER_API_UNDO_RECEIVE_CHARGE, "{}", "ID",
	"{'status':'OVERDUE'}", EFFECT},
	{"not undone", PARTNER_API_UNDO_RECEIVE_CHARGE, "{}", "ID",
	"{'status':'RECEIVED_IN_CASH'}", NO_EFFECT},
	{"refunded", PARTNER_API_REFUND_CHARGE, "{}", "ID",
	"{'status':'REFUND_REQUESTED'}", EFFECT},
	{"not refunded", PARTNER_API_REFUND_CHARGE, "{}", "ID",
	"{'status':'RECEIVED'}", NO_EFFECT},
	{"part refunded, by somebody", PARTNER_API_REFUND_CHARGE,
		"{'value_cents':1}", "ID",
	"{'status':'RECEIVED','details':{'refunds':[{}]}}", RIDDLE},
	{"no part refunded", PARTNER_API_REFUND_CHARGE, "{'value_cents':1}",
		"ID", "{'status':'RECEIVED','details':{'refunds':null}}",
	NO_EFFECT},
	{"refunded, but nobody knows", PARTNER_API_REFUND_CHARGE, "{}", "ID",
	"{}", RIDDLE}
};

static void
test_sight(const void *data)
{
	const SightRow *row = data;
	PartnerApiAction action = action_of(row->kind, row->arguments);
	PartnerApiListRow seen = {0};

	seen.instance_id = pstrdup(row->id);
	seen.fields = quoted(row->fields);
	assert_int_equal(partner_api_asaas.sight(&action, 0, &seen),
					 row->expected);
}

/* What is looked for can be asked for, and proves something. */
static void
test_look_queries(const void *unused)
{
	for (PartnerApiKind kind = 0; kind < PARTNER_API_KINDS; kind++)
	{
		PartnerApiAction action = action_of(kind, "{}");
		PartnerApiFilter filter = {
			.list = partner_api_kind_traits(kind)->list
		};
		PartnerApiRequest request;
		const char *hint;

		if (!partner_api_asaas.supports(kind, &hint))
			continue;
		action.nonce = "pa-0123abcd-7-0123abcd";
		filter.query = partner_api_asaas.look_query(&action);
		assert_int_equal(filter.query != NULL,
						 partner_api_list_is_narrow(filter.list) ||
						 partner_api_list_is_searched(filter.list));
		partner_api_asaas.build_list(&filter, 1, &credential, &request);
		assert_text(request.method, "GET");
	}
}

/* ---- before something is made ---- */

typedef struct FindRow
{
	const char *name;
	PartnerApiKind kind;
	const char *arguments;
	bool		again;
	const char *query;			/* NULL: no search */
	const char *mark;			/* of a row, in the form of a name */
	const char *fields;
	bool		is_there;
} FindRow;

static const FindRow find_rows[] = {
	{"customer of the document", PARTNER_API_CREATE_CUSTOMER,
		"{'document':'123.456.789-09'}", false, "document=12345678909", NULL,
	"{'document':'12345678909','deleted':false}", true},
	{"customer who was deleted", PARTNER_API_CREATE_CUSTOMER,
		"{'document':'12345678909'}", true, "document=12345678909", NULL,
	"{'document':'12345678909','deleted':true}", false},
	{"customer of another document", PARTNER_API_CREATE_CUSTOMER,
		"{'document':'12345678909'}", false, "document=12345678909", NULL,
	"{'document':'52998224725'}", false},
	{"foreign customer", PARTNER_API_CREATE_CUSTOMER,
		"{'document':'AB&1','foreign_customer':true}", false,
	"document=AB%261", NULL, "{'document':'AB&1'}", true},
	{"charge that was not sent yet", PARTNER_API_CREATE_CHARGE, "{}", false,
	NULL, NULL, NULL, false},
	{"charge whose answer was lost", PARTNER_API_CREATE_CHARGE, "{}", true,
		"nonce=pa-0123abcd-7-0123abcd", "[pa-0123abcd-7-0123abcd]", NULL,
	true},
	{"charge of another action", PARTNER_API_CREATE_CHARGE, "{}", true,
		"nonce=pa-0123abcd-7-0123abcd", "[pa-0123abcd-8-0123abcd]", NULL,
	false},
	{"webhook whose answer was lost", PARTNER_API_CREATE_WEBHOOK, "{}", true,
	"", "hook [pa-0123abcd-7-0123abcd]", NULL, true},
	{"what changes something", PARTNER_API_CHANGE_CHARGE, "{}", true, NULL,
	NULL, NULL, false}
};

static void
test_find(const void *data)
{
	const FindRow *row = data;
	PartnerApiAction action = action_of(row->kind, row->arguments);
	PartnerApiListRow seen = {0};
	const char *query;

	action.nonce = "pa-0123abcd-7-0123abcd";
	action.again = row->again;
	query = partner_api_asaas.find_query(&action);
	if (row->query == NULL)
	{
		assert_null(query);
		return;
	}
	assert_text(query, row->query);
	seen.instance_id = pstrdup("ID");
	seen.name = row->mark == NULL ? NULL : pstrdup(row->mark);
	seen.fields = row->fields == NULL ? NULL : quoted(row->fields);
	assert_int_equal(partner_api_asaas.is_there(&action, &seen),
					 row->is_there);
}

/* A survey begins two days before what is known ends, by Brasilia's days. */
static void
test_survey(const void *unused)
{
	/* 2030-01-03 02:00 UTC */
	assert_text(partner_api_asaas.survey_query(INT64CONST(1893636000000)),
				"created_from=2029-12-31");
}

int
main(void)
{
	add_table(test_page, good_rows);
	add_table(test_bad_page, bad_rows);
	add_test("no memory", test_no_memory);
	add_table(test_read, read_rows);
	add_table(test_sight, sight_rows);
	add_test("what looks search for", test_look_queries);
	add_table(test_find, find_rows);
	add_test("what a survey asks for", test_survey);
	return run_suite("asaas list");
}
