/*-------------------------------------------------------------------------
 *
 * test_asaas_event.c
 *	  Unit tests of the events of Asaas, and of what a charge tells beside its
 *	  fields: refunds, and when it was so.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "json.h"
#include "providers/asaas.h"

/* ---- events ---- */

typedef struct EventRow
{
	const char *name;
	const char *body;
	const char *expected;		/* what it says, or what is wrong */
} EventRow;

static const EventRow good_rows[] = {
	{"payment",
		"{'id':'evt_1&2','event':'PAYMENT_RECEIVED',"
		"'dateCreated':'2030-01-15 08:00:59','payment':{'id':'pay_1',"
		"'status':'RECEIVED','value':19.9,'netValue':18.91}}",
		"evt_1&2 PAYMENT_RECEIVED 1894694459000 local pay_1\n"
		"{'charge_id':'pay_1','status':'RECEIVED','value_cents':1990,"
		"'net_value_cents':1891,'details':{'id':'pay_1','status':'RECEIVED',"
		"'value':19.9,'netValue':18.91}}\n"
		"{'id':'evt_1&2','event':'PAYMENT_RECEIVED',"
		"'dateCreated':'2030-01-15 08:00:59','payment':{'id':'pay_1',"
	"'status':'RECEIVED','value':19.9,'netValue':18.91}}\n"},
	{"event that nobody knows, of nothing known",
		"{'id':'e','event':'NEW','thing':{'id':1}}",
	"e NEW 0 local (none)\n(none)\n{'id':'e','event':'NEW','thing':{'id':1}}\n"},
	{"time with a zone",
		"{'id':'e','event':'X','dateCreated':'2030-01-15T08:00:59Z'}",
		"e X 1894694459000 zoned (none)\n(none)\n"
	"{'id':'e','event':'X','dateCreated':'2030-01-15T08:00:59Z'}\n"},
	{"time that is none",
		"{'id':'e','event':'X','dateCreated':'yesterday'}",
		"e X 0 local (none)\n(none)\n"
	"{'id':'e','event':'X','dateCreated':'yesterday'}\n"},
	{"payment without an id",
		"{'id':'e','event':'PAYMENT_CREATED','payment':{'value':1}}",
		"e PAYMENT_CREATED 0 local (none)\n(none)\n"
	"{'id':'e','event':'PAYMENT_CREATED','payment':{'value':1}}\n"},
	{"payment that is none",
		"{'id':'e','event':'PAYMENT_CREATED','payment':7}",
		"e PAYMENT_CREATED 0 local (none)\n(none)\n"
	"{'id':'e','event':'PAYMENT_CREATED','payment':7}\n"},
	{"id that is no id",
		"{'id':'e','event':'X','payment':{'id':'../p?q'}}",
		"e X 0 local (none)\n(none)\n"
	"{'id':'e','event':'X','payment':{'id':'../p?q'}}\n"},
	{"secrets",
		"{'id':'e','event':'ACCESS_TOKEN_EXPIRED','accessToken':{'id':'k'},"
		"'payment':{'id':'p','creditCardToken':'x'}}",
		"e ACCESS_TOKEN_EXPIRED 0 local p\n"
		"{'charge_id':'p','details':{'id':'p'}}\n"
	"{'id':'e','event':'ACCESS_TOKEN_EXPIRED','payment':{'id':'p'}}\n"}
};

static const EventRow bad_rows[] = {
	{"no id", "{'event':'X'}", "it has no \"id\""},
	{"empty id", "{'id':'','event':'X'}", "it has no \"id\""},
	{"id that is no text", "{'id':7,'event':'X'}", "it has no \"id\""},
	{"no event", "{'id':'e'}", "it has no \"event\""},
	{"array", "[{'id':'e','event':'X'}]", "it has no \"id\""},
	{"text", "'e'", "it has no \"id\""}
};

/* What an event says, in lines. */
static char *
event_text(const PartnerApiEvent *event)
{
	return psprintf("%s %s %lld %s %s\n%s\n%s\n", event->id, event->name,
					(long long) event->at_ms,
					event->local_time ? "local" : "zoned",
					event->charge_id == NULL ? "(none)" : event->charge_id,
					event->fields == NULL ? "(none)" : event->fields,
					event->body);
}

static void
test_event(const void *data)
{
	const EventRow *row = data;
	char	   *body = quoted(row->body);
	PartnerApiEvent event;
	char	   *message = NULL;

	if (!partner_api_asaas.parse_event(body, strlen(body), &event, &message))
		fail_msg("no event: %s", message);
	assert_text(event_text(&event), quoted(row->expected));
}

static void
test_no_event(const void *data)
{
	const EventRow *row = data;
	char	   *body = quoted(row->body);
	PartnerApiEvent event;
	char	   *message = NULL;

	assert_false(partner_api_asaas.parse_event(body, strlen(body), &event,
											   &message));
	assert_text(message, row->expected);
}

static void
test_no_json(const void *unused)
{
	PartnerApiEvent event;
	char	   *message = NULL;

	assert_false(partner_api_asaas.parse_event("{", 1, &event, &message));
	assert_non_null(message);
}

static void
parse_first(void *unused)
{
	char	   *body = quoted(good_rows[0].body);
	PartnerApiEvent event;
	char	   *message;

	(void) partner_api_asaas.parse_event(body, strlen(body), &event,
										 &message);
}

static void
test_no_memory(const void *unused)
{
	assert_survives_no_memory(parse_first, NULL);
}

/* ---- what a charge tells beside its fields ---- */

typedef struct RefundRow
{
	const char *name;
	const char *refunds;
	int64		expected;		/* 0: nothing is told of them */
} RefundRow;

static const RefundRow refund_rows[] = {
	{"none", "null", 0},
	{"an empty list", "[]", 0},
	{"one", "[{'status':'DONE','value':0.1}]", 10},
	{"several, on their way or not",
	"[{'status':'PENDING','value':5},{'status':'DONE','value':2.55}]", 755},
	{"one that was cancelled",
	"[{'status':'CANCELLED','value':5},{'value':1}]", 100},
	{"amounts that are none", "[{'value':'x'},{'value':-1},7]", 0},
	{"more than there is",
	"[{'value':92233720368547758.07},{'value':1}]", 0}
};

static void
test_refunds(const void *data)
{
	const RefundRow *row = data;
	PartnerApiResponse response =
	answer_of(200, psprintf("{'id':'p','refunds':%s}", row->refunds));
	PartnerApiReadResult result = {0};
	char	   *message = NULL;
	int64		cents = 0;

	assert_true(partner_api_asaas.parse_read(PARTNER_API_READ_CHARGE,
											 &response, &result, &message));
	(void) partner_api_json_int64(json_of(result.text), "refunded_cents",
								  &cents);
	assert_int_equal(cents, row->expected);
}

/* The time of the answer goes with a charge, and with nothing else. */
static void
test_answered_at(const void *unused)
{
	PartnerApiResponse response = answer_of(200, "{'id':'p'}");
	PartnerApiReadResult result = {0};
	char	   *message = NULL;

	response.date_ms = INT64CONST(1894694459000);
	assert_true(partner_api_asaas.parse_read(PARTNER_API_READ_CHARGE,
											 &response, &result, &message));
	assert_text(partner_api_json_string(json_of(result.text), "answered_at"),
				"2030-01-15T08:00:59.000Z");
	assert_true(partner_api_asaas.parse_read(PARTNER_API_READ_CUSTOMER,
											 &response, &result, &message));
	assert_text(partner_api_json_string(json_of(result.text), "answered_at"),
				NULL);
}

int
main(void)
{
	add_table(test_event, good_rows);
	add_table(test_no_event, bad_rows);
	add_test("body that is no JSON", test_no_json);
	add_test("event without memory", test_no_memory);
	add_table(test_refunds, refund_rows);
	add_test("time of an answer", test_answered_at);
	return run_suite("asaas_event");
}
