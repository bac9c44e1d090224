/*-------------------------------------------------------------------------
 *
 * test_greenapi_read.c
 *	  Unit tests of greenapi_read.c: reads of one instance.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#define STATUS PARTNER_API_READ_STATUS
#define QR PARTNER_API_READ_QR
#define QR_URL PARTNER_API_READ_QR_URL
#define PHONE_CODE PARTNER_API_READ_PHONE_CODE
#define SETTINGS PARTNER_API_READ_SETTINGS

/* The first 8 bytes of every PNG and 2 more. */
#define PNG_10 "iVBORw0KGgoA/w=="

static PartnerApiReadResult
read_of(PartnerApiRead read_kind, const char *body)
{
	PartnerApiResponse response = answer_of(200, body);
	PartnerApiReadResult result;
	char	   *message = "unset";

	memset(&result, 0x7F, sizeof(result));
	if (!partner_api_greenapi.parse_read(read_kind, &response, &result,
										 &message))
		fail_msg("no value: %s", message);
	return result;
}

/* ---- values ---- */

typedef struct StatusRow
{
	const char *name;
	bool		connected;
} StatusRow;

static const StatusRow status_rows[] = {
	{"authorized", true},
	{"notAuthorized", false},
	{"starting", false},
	{"blocked", false},
	{"sleepMode", false},
	{"yellowCard", false},
	{"somethingNew", false}
};

static void
test_status(const void *data)
{
	const StatusRow *row = data;
	PartnerApiReadResult result = read_of(STATUS,
										  psprintf("{'stateInstance':'%s'}",
												   row->name));

	assert_int_equal(result.connected, row->connected);
	assert_int_equal(result.phone_connected, row->connected);
	assert_text(result.text, row->name);
	assert_null(result.bytes);
}

static void
test_image(const void *unused)
{
	PartnerApiReadResult result = read_of(QR, "{'type':'qrCode',"
										  "'message':'" PNG_10 "'}");

	assert_int_equal(VARSIZE(result.bytes) - VARHDRSZ, 10);
	assert_memory_equal(VARDATA(result.bytes), "\x89PNG", 4);
	assert_null(result.text);
}

static void
test_texts(const void *unused)
{
	assert_text(read_of(PHONE_CODE, "{'status':true,'code':'ABCD1234'}").text,
				"ABCD1234");
	assert_text(read_of(PHONE_CODE, "{'status':true,'code':'12345678'}").text,
				"12345678");
	assert_text(read_of(SETTINGS,
						"{'wid':'5511@c.us','stateWebhook':'yes',"
						"'webhookUrl':'https://u:SECRET@h/a?k=SECRET',"
						"'webhookUrlToken':'SECRET'}").text,
				quoted("{'wid':'5511@c.us','stateWebhook':'yes',"
					   "'webhookUrl':'https://h/a'}"));
}

/*
 * The link takes no request, and nothing else is answered without one.
 */
static void
test_link(const void *unused)
{
	const PartnerApiTarget target = {"1101728000", "a1/?+", "https://h"};
	PartnerApiReadResult result;

	memset(&result, 0x7F, sizeof(result));
	for (int read = 0; read < PARTNER_API_READS; read++)
	{
		bool		answered = partner_api_greenapi.answer_read(read, &target,
																&result);

		assert_int_equal(answered, read == QR_URL);
	}
	assert_text(result.text,
				"https://qr.green-api.com/waInstance1101728000/a1%2F%3F%2B");
	assert_null(result.bytes);
}

/* ---- answers without a value ---- */

typedef struct NoValueRow
{
	const char *name;
	PartnerApiRead read;
	int			status;
	const char *body;
	const char *message;
} NoValueRow;

static const NoValueRow no_value_rows[] = {
	{"status of what is being made", STATUS, 200, "null",
	"instance is still being made"},
	{"status without a state", STATUS, 200, "{}",
	"answer has no \"stateInstance\""},
	{"status of another type", STATUS, 200, "{'stateInstance':1}",
	"answer has no \"stateInstance\""},
	{"status with a wrong token", STATUS, 200,
	"{'code':401,'description':'Unauthorized'}", "Unauthorized"},
	{"status with an error status", STATUS, 400,
		"instance in starting process try later",
	"instance in starting process try later"},
	{"QR of what is linked", QR, 200,
		"{'type':'alreadyLogged','message':'instance account already "
		"authorized'}",
	"alreadyLogged: instance account already authorized"},
	{"QR with an error", QR, 200, "{'type':'error','message':'no qr'}",
	"error: no qr"},
	{"QR without a type", QR, 200, "{'message':'" PNG_10 "'}",
	"answer has no \"type\" and \"message\""},
	{"QR without an image", QR, 200, "{'type':'qrCode'}",
	"answer has no \"type\" and \"message\""},
	{"QR of another image", QR, 200, "{'type':'qrCode','message':'R0lGODlh'}",
	"answer is no PNG image in base64"},
	{"QR of no base64", QR, 200, "{'type':'qrCode','message':'-'}",
	"answer is no PNG image in base64"},
	{"QR of what is being made", QR, 200, "null",
	"answer has no \"type\" and \"message\""},
	{"code refused", PHONE_CODE, 200, "{'status':false,'code':''}",
	"provider gave no code for this number"},
	{"code without a status", PHONE_CODE, 200, "{'code':'ABCD'}",
	"answer has no \"status\" and \"code\""},
	{"code that is empty", PHONE_CODE, 200, "{'status':true,'code':''}",
	"answer has no \"status\" and \"code\""},
	{"code with a wrong token", PHONE_CODE, 200,
	"{'code':401,'description':'Unauthorized'}", "Unauthorized"},
	{"no settings", SETTINGS, 200, "{}", "answer has no settings"},
	{"settings of null", SETTINGS, 200, "null", "answer has no settings"},
	{"settings in a list", SETTINGS, 200, "[]", "answer has no settings"},
	{"settings in a page", SETTINGS, 200, "<html>",
	"text is not valid JSON at byte 1"}
};

static void
test_no_value(const void *data)
{
	const NoValueRow *row = data;
	PartnerApiResponse response = answer_of(row->status, row->body);
	PartnerApiReadResult result;
	char	   *message = NULL;

	memset(&result, 0x7F, sizeof(result));
	assert_false(partner_api_greenapi.parse_read(row->read, &response,
												 &result, &message));
	assert_text(message, row->message);
	assert_null(result.text);
	assert_null(result.bytes);
}

/* ---- what tables do not show ---- */

static void
check_phone(void *number)
{
	partner_api_greenapi.check_read(PHONE_CODE, number);
}

static void
test_phone(const void *unused)
{
	assert_null(backend_catch(check_phone, "5511999990000"));
	assert_error(check_phone, "+5511999990000",
				 ERRCODE_INVALID_PARAMETER_VALUE, "invalid phone number");
	assert_error(check_phone, NULL,
				 ERRCODE_INVALID_PARAMETER_VALUE, "invalid phone number");
	assert_error(check_phone, "05511999990000",
				 ERRCODE_INVALID_PARAMETER_VALUE, "invalid phone number");
}

static void
test_supports(const void *unused)
{
	const char *hint;

	for (int read = 0; read < PARTNER_API_READS; read++)
		assert_int_equal(partner_api_greenapi.supports_read(read, &hint),
						 read <= PARTNER_API_READ_SETTINGS);
}

static void
parse_qr(void *response)
{
	PartnerApiReadResult result;
	char	   *message;

	(void) partner_api_greenapi.parse_read(QR, response, &result, &message);
}

static void
parse_settings(void *response)
{
	PartnerApiReadResult result;
	char	   *message;

	(void) partner_api_greenapi.parse_read(SETTINGS, response, &result,
										   &message);
}

static void
test_read_without_memory(const void *unused)
{
	PartnerApiResponse response;

	response = answer_of(200, "{'type':'qrCode','message':'" PNG_10 "'}");
	assert_survives_no_memory(parse_qr, &response);
	response = answer_of(200, "{'webhookUrl':'https://h/?k'}");
	assert_survives_no_memory(parse_settings, &response);
}

int
main(void)
{
	add_table(test_status, status_rows);
	add_test("image", test_image);
	add_test("codes and settings", test_texts);
	add_test("link to the page with the QR code", test_link);
	add_table(test_no_value, no_value_rows);
	add_test("phone numbers", test_phone);
	add_test("what it tells", test_supports);
	add_test("read without memory", test_read_without_memory);
	return run_suite("greenapi read");
}
