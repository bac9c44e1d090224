/*-------------------------------------------------------------------------
 *
 * test_zapi_read.c
 *	  Unit tests of zapi_read.c: reads of one instance.
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

/* The first 8 bytes of every PNG, and the same with 1 and 2 more. */
#define PNG_8 "iVBORw0KGgo="
#define PNG_9 "iVBORw0KGgoA"
#define PNG_10 "iVBORw0KGgoA/w=="
#define NO_IMAGE "answer is no PNG image in base64"

static PartnerApiReadResult
read_of(PartnerApiRead read_kind, const char *body)
{
	PartnerApiResponse response = answer_of(200, body);
	PartnerApiReadResult result;
	char	   *message = "unset";

	memset(&result, 0x7F, sizeof(result));
	if (!partner_api_zapi.parse_read(read_kind, &response, &result, &message))
		fail_msg("no value: %s", message);
	return result;
}

/* ---- status ---- */

typedef struct StatusRow
{
	const char *name;
	const char *body;
	bool		connected;
	bool		phone_connected;
	const char *detail;
} StatusRow;

static const StatusRow status_rows[] = {
	{"connected, with what is called an error",
		"{'connected':true,'error':'You are already connected.',"
		"'smartphoneConnected':true}",
	true, true, "You are already connected."},
	{"connected without a phone",
		"{'connected':true,'error':null,'smartphoneConnected':false}",
	true, false, NULL},
	{"not connected",
		"{'connected':false,'error':'You are not connected.',"
		"'smartphoneConnected':false}",
	false, false, "You are not connected."},
	{"state alone", "{'connected':false}", false, false, NULL},
	{"unknown keys", "{'connected':true,'subscribed':true,'x':{}}",
	true, false, NULL}
};

static void
test_status(const void *data)
{
	const StatusRow *row = data;
	PartnerApiReadResult result = read_of(STATUS, row->body);

	assert_int_equal(result.connected, row->connected);
	assert_int_equal(result.phone_connected, row->phone_connected);
	assert_text(result.text, row->detail);
	assert_null(result.bytes);
}

/* ---- values ---- */

static void
test_values(const void *unused)
{
	PartnerApiReadResult result;

	result = read_of(QR_URL, "{'value':'data:image/png;base64," PNG_9 "'}");
	assert_text(result.text, "data:image/png;base64," PNG_9);
	assert_null(result.bytes);
	result = read_of(QR_URL, "{'value':'2@abc,def=='}");
	assert_text(result.text, "2@abc,def==");
	result = read_of(PHONE_CODE, "{'value':'ABCD-1234','error':''}");
	assert_text(result.text, "ABCD-1234");
}

typedef struct ImageRow
{
	const char *name;
	const char *value;
	size_t		size;
	const char *last;			/* last two bytes */
} ImageRow;

static const ImageRow image_rows[] = {
	{"image as a data URI", "data:image/png;base64," PNG_10, 10, "\x00\xFF"},
	{"image as a data URI in any case", "DATA:image/PNG;base64," PNG_9,
	9, "\n\x00"},
	{"image in base64 alone", PNG_9, 9, "\n\x00"},
	{"image of the magic alone", PNG_8, 8, "\x1A\n"}
};

static void
test_image(const void *data)
{
	const ImageRow *row = data;
	PartnerApiReadResult result = read_of(QR, psprintf("{'value':'%s'}",
													   row->value));

	assert_non_null(result.bytes);
	assert_int_equal(VARSIZE(result.bytes) - VARHDRSZ, row->size);
	assert_memory_equal(VARDATA(result.bytes), "\x89PNG", 4);
	assert_memory_equal(VARDATA(result.bytes) + row->size - 2, row->last, 2);
	assert_null(result.text);
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
	{"status without a state", STATUS, 200, "{'error':'no such instance'}",
	"no such instance"},
	{"status of an empty object", STATUS, 200, "{}",
	"answer has no \"connected\""},
	{"status of the wrong type", STATUS, 200, "{'connected':'true'}",
	"answer has no \"connected\""},
	{"status with an error status", STATUS, 400,
		"{'connected':true,'error':'your client-token is not configured'}",
	"your client-token is not configured"},
	{"status in an array", STATUS, 200, "[]", "answer has no \"connected\""},
	{"code with an error", PHONE_CODE, 200,
		"{'value':'ABCD','error':'You are already connected.'}",
	"You are already connected."},
	{"code of null", PHONE_CODE, 200, "{'value':null}",
	"answer has no \"value\""},
	{"empty code", PHONE_CODE, 200, "{'value':''}",
	"answer has no \"value\""},
	{"code of the wrong type", PHONE_CODE, 200, "{'value':1234}",
	"answer has no \"value\""},
	{"code in a string", PHONE_CODE, 200, "'ABCD'",
	"answer has no \"value\""},
	{"code for nobody", PHONE_CODE, 404, "", "HTTP 404 with an empty body"},
	{"QR text with a challenge", QR_URL, 200, "{'challenge':{'a':1}}",
	"phone asks for a passkey check first"},
	{"QR image with a challenge", QR, 200, "{'challenge':'x'}",
	"phone asks for a passkey check first"},
	{"QR image of an empty body", QR, 200, "",
	"JSON text ends too early at byte 0"},
	{"QR image of a page", QR, 200, "<html></html>",
	"text is not valid JSON at byte 1"},
	{"QR image of the magic, cut", QR, 200, "{'value':'iVBORw0KGg=='}",
	NO_IMAGE},
	{"QR image that is none", QR, 200, "{'value':'R0lGODlhAQABAIAA'}",
	NO_IMAGE},
	{"QR image that is a JPEG", QR, 200,
	"{'value':'data:image/jpeg;base64,/9j/4AAQSkZJRgAB'}", NO_IMAGE},
	{"QR image of an empty URI", QR, 200,
	"{'value':'data:image/png;base64,'}", NO_IMAGE},
	{"QR image without padding", QR, 200, "{'value':'iVBORw0KGgo'}",
	NO_IMAGE},
	{"QR image with padding inside", QR, 200,
	"{'value':'" PNG_8 PNG_8 "'}", NO_IMAGE},
	{"QR image with too much padding", QR, 200,
	"{'value':'iVBORw0KGgo====='}", NO_IMAGE},
	{"QR image with a group of padding", QR, 200,
	"{'value':'iVBORw0KGgoA===='}", NO_IMAGE},
	{"QR image with a blank at its end", QR, 200,
	"{'value':'iVBORw0KGgoA '}", NO_IMAGE},
	{"QR image of padding", QR, 200, "{'value':'===='}", NO_IMAGE},
	{"QR image with one odd padding", QR, 200,
	"{'value':'iVBORw0KGgoA=AAA'}", NO_IMAGE},
	{"QR image with blanks", QR, 200, "{'value':'iVBO Rw0KGgoA '}", NO_IMAGE},
	{"QR image in the URL alphabet", QR, 200,
	"{'value':'iVBORw0KGgoA_w=='}", NO_IMAGE},
	{"QR image with a foreign character", QR, 200,
	"{'value':'iVBORw0KGgo\xC3\xA3'}", NO_IMAGE}
};

static void
test_no_value(const void *data)
{
	const NoValueRow *row = data;
	PartnerApiResponse response = answer_of(row->status, row->body);
	PartnerApiReadResult result;
	char	   *message = NULL;

	assert_false(partner_api_zapi.parse_read(row->read, &response, &result,
											 &message));
	assert_text(message, row->message);
	assert_null(result.bytes);
	assert_null(result.text);
}

/* ---- phone numbers ---- */

static void
check_phone(void *phone)
{
	partner_api_zapi.check_read(PHONE_CODE, phone);
}

static void
test_phone_numbers(const void *unused)
{
	static const char *const good[] = {
		"12345678", "5511999990000", "123456789012345"
	};
	static const char *const bad[] = {
		NULL, "", "1234567", "1234567890123456", "+5511999990000",
		"55 11 99999-0000", "5511999990000\n", "551199999000x",
		"../5511999990000", "\xD9\xA1\xD9\xA2\xD9\xA3\xD9\xA4"
	};

	for (size_t i = 0; i < lengthof(good); i++)
		assert_null(backend_catch(check_phone, unconstify(char *, good[i])));
	for (size_t i = 0; i < lengthof(bad); i++)
		assert_error(check_phone, unconstify(char *, bad[i]),
					 ERRCODE_INVALID_PARAMETER_VALUE, "invalid phone number");
}

static void
check_status(void *parameter)
{
	partner_api_zapi.check_read(STATUS, parameter);
}

static void
test_no_parameter(const void *unused)
{
	assert_null(backend_catch(check_status, NULL));
}

static void
parse(void *response)
{
	PartnerApiReadResult result;
	char	   *message;

	(void) partner_api_zapi.parse_read(QR, response, &result, &message);
}

static void
test_read_without_memory(const void *unused)
{
	PartnerApiResponse response = answer_of(200, "{'value':'" PNG_9 "'}");

	assert_survives_no_memory(parse, &response);
}

int
main(void)
{
	add_table(test_status, status_rows);
	add_test("texts and codes", test_values);
	add_table(test_image, image_rows);
	add_table(test_no_value, no_value_rows);
	add_test("phone numbers", test_phone_numbers);
	add_test("other reads have no parameter", test_no_parameter);
	add_test("read without memory", test_read_without_memory);
	return run_suite("zapi read");
}
