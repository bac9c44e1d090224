/*-------------------------------------------------------------------------
 *
 * test_json.c
 *	  Unit tests of json.c.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "json.h"

/* ---- parsing ---- */

typedef struct ParseRow
{
	const char *name;
	const char *json;
	const char *printed;		/* NULL: refused */
	const char *error;
} ParseRow;

static const ParseRow parse_rows[] = {
	{"parse an object", "{\"a\": [1, true, null, \"x\"]}",
	"{\"a\":[1,true,null,\"x\"]}", NULL},
	{"parse a scalar", " 12 ", "12", NULL},
	{"parse a string", "\"x\"", "\"x\"", NULL},
	{"parse null", "null", "null", NULL},
	{"parse UTF-8", "\"\xC3\xA7\"", "\"\xC3\xA7\"", NULL},
	{"parse an escape", "\"\\u00e7\"", "\"\xC3\xA7\"", NULL},
	{"parse a surrogate pair", "\"\\ud83d\\ude00\"",
	"\"\xF0\x9F\x98\x80\"", NULL},
	{"parse the largest integer", "9223372036854775807",
	"9223372036854775807", NULL},
	{"last of two equal keys wins", "{\"a\":1,\"a\":2}", "{\"a\":2}", NULL},
	{"refuse nothing", "", NULL, "JSON text ends too early at byte 0"},
	{"refuse blanks", "  ", NULL, "JSON text ends too early at byte 2"},
	{"refuse half an object", "{\"token\":\"SECRET", NULL,
	"JSON text ends too early at byte 16"},
	{"refuse a page", "<html>SECRET", NULL,
	"text is not valid JSON at byte 1"},
	{"refuse text after the value", "{} SECRET", NULL,
	"JSON text continues after its value at byte 9"},
	{"refuse invalid UTF-8", "\"SECRET\xFF\"", NULL,
	"JSON text is not valid UTF-8 at byte 7"},
	{"refuse overlong UTF-8", "\"\xC0\x80\"", NULL,
	"JSON text is not valid UTF-8 at byte 1"},
	{"refuse a lone surrogate", "\"\\ud83d\"", NULL,
	"text is not valid JSON at byte 8"},
	{"refuse an escaped NUL", "\"a\\u0000b\"", NULL,
	"JSON text contains a NUL character at byte 10"},
	{"refuse an escaped NUL in a key", "{\"a\\u0000b\":1}", NULL,
	"JSON text contains a NUL character at byte 11"},
	{"refuse a line break in a string", "\"a\nb\"", NULL,
	"text is not valid JSON at byte 2"},
	{"parse an integer out of range", "[9223372036854775808]",
	"[\"9223372036854775808\"]", NULL},
	{"parse one below zero", "{\"a\":-9223372036854775809}",
	"{\"a\":\"-9223372036854775809\"}", NULL},
	{"parse one beside others and strings",
		"[\"18446744073709551615\\\\\",18446744073709551615,1,-2.5,\"\\\"\"]",
		"[\"18446744073709551615\\\\\",\"18446744073709551615\",1,-2.5,"
	"\"\\\"\"]", NULL},
	{"parse one at the end", "99999999999999999999",
	"\"99999999999999999999\"", NULL},
	{"refuse one of far more bits", "[100000000000000000000]", NULL,
	"JSON text contains a number out of range at byte 22"},
	{"refuse half a text with an integer out of range",
		"[9223372036854775808,", NULL,
	"JSON text ends too early at byte 23"},
	{"refuse a real out of range", "[1e999]", NULL,
	"JSON text contains a number out of range at byte 6"},
	{"refuse single quotes", "{'a':1}", NULL,
	"text is not valid JSON at byte 2"}
};

static void
test_parse(const void *data)
{
	const ParseRow *row = data;
	char	   *error = NULL;
	json_t	   *value = partner_api_json_parse(row->json, strlen(row->json),
											   &error);

	assert_text(error, row->error);
	assert_text(value == NULL ? NULL : partner_api_json_print(value),
				row->printed);
}

/*
 * The length decides, not a NUL.
 */
static void
test_parse_length(const void *unused)
{
	char	   *error = NULL;

	assert_text(partner_api_json_print(partner_api_json_parse("[1]x", 3,
															  &error)),
				"[1]");
	assert_null(partner_api_json_parse("\"a\0b\"", 5, &error));
	assert_text(error, "text is not valid JSON at byte 2");
	assert_null(partner_api_json_parse("[]\0[]", 5, &error));
}

/*
 * Deep nesting is an error, not a stack overflow.
 */
static void
test_parse_depth(const void *unused)
{
	const size_t depth = 100000;
	char	   *json = palloc(depth);
	char	   *error = NULL;

	memset(json, '[', depth);
	assert_null(partner_api_json_parse(json, depth, &error));
	assert_text(error, "JSON text is nested too deeply at byte 2049");
}

/* ---- ownership ---- */

static void
test_own_until_reset(const void *unused)
{
	json_t	   *value = json_incref(json_string("x"));

	assert_ptr_equal(partner_api_json_own(value), value);
	assert_int_equal(value->refcount, 2);
	backend_reset();
	assert_int_equal(value->refcount, 1);
	json_decref(value);
}

static void
own(void *value)
{
	(void) partner_api_json_own(value);
}

static void
test_own_null(const void *unused)
{
	const BackendError *error = backend_catch(own, NULL);

	assert_non_null(error);
	assert_int_equal(error->sqlstate, ERRCODE_OUT_OF_MEMORY);
}

/*
 * Where the owner cannot be allocated, the value is released at once.
 */
static void
test_own_without_memory(const void *unused)
{
	json_t	   *value = json_incref(json_string("x"));
	const BackendError *error;

	backend_fail_palloc_after(0);
	error = backend_catch(own, value);
	assert_non_null(error);
	assert_int_equal(error->sqlstate, ERRCODE_OUT_OF_MEMORY);
	assert_int_equal(value->refcount, 1);
	json_decref(value);
}

static void
print_shared(void *value)
{
	(void) partner_api_json_print(value);
}

static void
test_print_without_memory(const void *unused)
{
	json_t	   *value = json_of("{'a':['b',{'c':1}]}");

	assert_survives_no_memory(print_shared, value);
}

static void
parse_valid(void *json)
{
	char	   *error;

	assert_non_null(partner_api_json_parse(json, strlen(json), &error));
}

/*
 * Running out of memory does not make a text look invalid, except inside a
 * string: there jansson itself takes it for a syntax error.
 */
static void
test_parse_without_memory(const void *unused)
{
	assert_survives_no_memory(parse_valid, quoted("[[1],{},3,null,1.5]"));
}

/* ---- building ---- */

static void
build_object(void *unused)
{
	json_t	   *object = partner_api_json_object();
	json_t	   *list = partner_api_json_array();
	json_t	   *element;

	partner_api_json_put(object, "list", list);
	partner_api_json_put(object, "absent", NULL);
	element = partner_api_json_append_object(list);
	partner_api_json_put_int64(element, "n", PG_INT64_MAX);
	partner_api_json_put_text(element, "s", "\xC3\xA3");
	partner_api_json_put_text(element, "absent", NULL);
	partner_api_json_put_bool(element, "b", true);
	(void) partner_api_json_append_object(list);
	partner_api_json_append_text(list, "t");
	assert_text(partner_api_json_print(object),
				"{\"list\":[{\"n\":9223372036854775807,"
				"\"s\":\"\xC3\xA3\",\"b\":true},{},\"t\"]}");
}

static void
test_build(const void *unused)
{
	build_object(NULL);
	assert_survives_no_memory(build_object, NULL);
}

static void
test_look_into(const void *unused)
{
	json_t	   *object = json_of("{'a':['x',{'s':'y','n':1,'t':'z'}]}");
	json_t	   *array = partner_api_json_get(object, "a");
	List	   *texts;

	assert_true(partner_api_json_is_object(object));
	assert_false(partner_api_json_is_object(array));
	assert_false(partner_api_json_is_object(NULL));
	assert_int_equal(partner_api_json_count(array), 2);
	assert_int_equal(partner_api_json_count(NULL), 0);
	assert_text(partner_api_json_text_at(array, 0), "x");
	assert_null(partner_api_json_text_at(array, 1));
	assert_null(partner_api_json_at(array, 2));
	texts = partner_api_json_texts(partner_api_json_at(array, 1));
	assert_int_equal(list_length(texts), 2);
	assert_text(linitial(texts), "y");
	assert_text(lsecond(texts), "z");
	assert_null(partner_api_json_texts(NULL));
}

/* ---- members ---- */

static void
test_string(const void *unused)
{
	json_t	   *object = json_of("{'a':'x','b':1,'c':null,'d':''}");

	assert_text(partner_api_json_string(object, "a"), "x");
	assert_null(partner_api_json_string(object, "b"));
	assert_null(partner_api_json_string(object, "c"));
	assert_text(partner_api_json_string(object, "d"), "");
	assert_null(partner_api_json_string(object, "e"));
	assert_null(partner_api_json_string(json_of("['a']"), "a"));
	assert_null(partner_api_json_string(NULL, "a"));
	assert_ptr_not_equal(partner_api_json_string(object, "a"),
						 json_string_value(json_object_get(object, "a")));
}

static void
test_text(const void *unused)
{
	json_t	   *object = json_of("{'a':'x','b':-1,'c':null,'d':'',"
								 "'f':false,'g':{'h':['y',1.5]}}");

	assert_text(partner_api_json_as_text(object, "a"), "x");
	assert_text(partner_api_json_as_text(object, "b"), "-1");
	assert_null(partner_api_json_as_text(object, "c"));
	assert_text(partner_api_json_as_text(object, "d"), "");
	assert_null(partner_api_json_as_text(object, "e"));
	assert_text(partner_api_json_as_text(object, "f"), "false");
	assert_text(partner_api_json_as_text(object, "g"), "{\"h\":[\"y\",1.5]}");
	assert_null(partner_api_json_as_text(NULL, "a"));
}

static void
test_true(const void *unused)
{
	json_t	   *object = json_of("{'a':true,'b':false,'c':null,'d':'true'}");

	assert_true(partner_api_json_true(object, "a"));
	assert_false(partner_api_json_true(object, "b"));
	assert_false(partner_api_json_true(object, "c"));
	assert_false(partner_api_json_true(object, "d"));
	assert_false(partner_api_json_true(object, "e"));
	assert_false(partner_api_json_true(NULL, "a"));
}

typedef struct IntegerRow
{
	const char *name;
	const char *value;			/* of the member "n"; NULL: absent */
	bool		read;
	int64		expected;
} IntegerRow;

static const IntegerRow integer_rows[] = {
	{"integer from a number", "1648565999675", true,
	INT64CONST(1648565999675)},
	{"integer from digits", "'1648565999675'", true,
	INT64CONST(1648565999675)},
	{"integer zero", "0", true, 0},
	{"integer from leading zeros", "'007'", true, 7},
	{"integer below zero", "-5", true, -5},
	/* doubles end at 2^53 */
	{"integer no double can hold", "9007199254740993", true,
	INT64CONST(9007199254740993)},
	{"integer digits no double can hold", "'9007199254740993'", true,
	INT64CONST(9007199254740993)},
	{"integer at the limit", "'9223372036854775807'", true, PG_INT64_MAX},
	{"no integer above the limit", "'9223372036854775808'", false, 0},
	{"no integer far above the limit", "'99999999999999999999'", false, 0},
	{"no integer from a fraction", "1.5", false, 0},
	{"no integer from a whole real", "1648565999675.0", false, 0},
	{"no integer from an exponent", "1e12", false, 0},
	{"no integer from a sign", "'-5'", false, 0},
	{"no integer from blanks", "' 5'", false, 0},
	{"no integer from words", "'5ms'", false, 0},
	{"no integer from nothing", "''", false, 0},
	{"no integer from null", "null", false, 0},
	{"no integer from a boolean", "true", false, 0},
	{"no integer from an array", "[1]", false, 0},
	{"no integer where absent", NULL, false, 0}
};

static void
test_integer(const void *data)
{
	const IntegerRow *row = data;
	int64		result = 42;
	json_t	   *object = json_of(row->value == NULL ? "{}" :
								 psprintf("{'n':%s}", row->value));

	assert_int_equal(partner_api_json_int64(object, "n", &result), row->read);
	assert_int_equal(result, row->read ? row->expected : 42);
}

/* ---- decimals ---- */

typedef struct DecimalRow
{
	const char *name;
	const char *text;
	const char *expected;		/* printed again, or the error */
} DecimalRow;

static const DecimalRow decimal_rows[] = {
	{"decimals as they are written",
		"{\"a\":19.90,\"b\":-0.10,\"c\":[1.0,2]}",
	"{\"a\":\"19.90\",\"b\":\"-0.10\",\"c\":[\"1.0\",2]}"},
	{"decimals that doubles do not hold", "90071992547409931.25",
	"\"90071992547409931.25\""},
	{"exponents", "[1e2,1E+2,1.5e-3]",
	"[\"1e2\",\"1E+2\",\"1.5e-3\"]"},
	{"decimals in texts", "{\"1.5\":\"a \\\" 2.5\"}",
	"{\"1.5\":\"a \\\" 2.5\"}"},
	{"integers", "[0,-1,9223372036854775807]", "[0,-1,9223372036854775807]"},
	{"integers that are too long", "[18446744073709551615,0.5]",
	"[\"18446744073709551615\",\"0.5\"]"},
	{"no number", "[1.2.3]", "text is not valid JSON at byte 5"},
	{"no number either", "[01.5]", "text is not valid JSON at byte 2"},
	{"half a number", "1.", "text is not valid JSON at byte 2"}
};

static void
test_decimals(const void *data)
{
	const DecimalRow *row = data;
	char	   *error = NULL;
	json_t	   *value = partner_api_json_parse_decimals(row->text,
														strlen(row->text),
														&error);

	assert_text(value != NULL ? partner_api_json_print(value) : error,
				row->expected);
}

int
main(void)
{
	add_table(test_parse, parse_rows);
	add_test("parse exactly len bytes", test_parse_length);
	add_test("refuse deep nesting", test_parse_depth);
	add_test("own a value until the context is reset", test_own_until_reset);
	add_test("own nothing", test_own_null);
	add_test("own without memory", test_own_without_memory);
	add_test("parse without memory", test_parse_without_memory);
	add_test("print without memory", test_print_without_memory);
	add_test("build an object", test_build);
	add_test("look into a value", test_look_into);
	add_test("string members", test_string);
	add_test("members as text", test_text);
	add_test("true members", test_true);
	add_table(test_integer, integer_rows);
	add_table(test_decimals, decimal_rows);
	return run_suite("json");
}
