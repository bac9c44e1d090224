/*-------------------------------------------------------------------------
 *
 * json.c
 *	  jansson under PostgreSQL's rules.
 *
 * This file owns the border between the two: jansson allocates with malloc
 * and reports by return value, PostgreSQL frees by memory context and reports
 * by ereport.  So each value gets a context as its owner before anything can
 * throw, and nothing that throws is ever called from inside jansson; that is
 * also why jansson keeps its own allocator and is not pointed at palloc.
 *
 * Text on this side is UTF-8, whatever the database's encoding is.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/memutils.h"

#include "json.h"
#include "wipe.h"

/* Characters of an integer of 64 bits, where 63 do not suffice. */
#define LONG_INTEGER 19
#define LONGEST_INTEGER 20

/* Registered on a context; lives in that context too. */
typedef struct JsonOwner
{
	MemoryContextCallback release;
	json_t	   *value;
} JsonOwner;

/*
 * Raise the error for a jansson call that ran out of memory.
 */
static void
out_of_memory(void)
{
	ereport(ERROR,
			errcode(ERRCODE_OUT_OF_MEMORY),
			errmsg("out of memory"),
			errdetail("Failed while handling a JSON value."));
}

/*
 * Reset callback: drop the context's reference.
 */
static void
release_value(void *arg)
{
	JsonOwner  *owner = (JsonOwner *) arg;

	json_decref(owner->value);
}

/*
 * See json.h.  The owner is allocated without throwing, so that the value
 * cannot be lost between its creation and its registration.
 */
json_t *
partner_api_json_own(json_t *value)
{
	JsonOwner  *owner;

	if (value == NULL)
		out_of_memory();

	owner = palloc_extended(sizeof(JsonOwner),
							MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO);
	if (owner == NULL)
	{
		json_decref(value);
		out_of_memory();
	}

	owner->value = value;
	owner->release.func = release_value;
	owner->release.arg = owner;
	MemoryContextRegisterResetCallback(CurrentMemoryContext,
									   &owner->release);
	return value;
}

/*
 * What is wrong with a text, in our words: jansson's own message quotes the
 * text around the fault.
 */
static const char *
parse_fault(enum json_error_code code)
{
	switch (code)
	{
		case json_error_premature_end_of_input:
			return "JSON text ends too early";
		case json_error_invalid_utf8:
			return "JSON text is not valid UTF-8";
		case json_error_null_character:
		case json_error_null_byte_in_key:
			return "JSON text contains a NUL character";
		case json_error_numeric_overflow:
			return "JSON text contains a number out of range";
		case json_error_stack_overflow:
			return "JSON text is nested too deeply";
		case json_error_end_of_input_expected:
			return "JSON text continues after its value";
		default:
			return "text is not valid JSON";
	}
}

/*
 * Length of the number at the beginning of a text, with its sign; 0 if there
 * is none.  *decimal: does it have a fraction or an exponent?
 */
static size_t
number_len(const char *str, const char *end, bool *decimal)
{
	const char *c = str;

	*decimal = false;
	if (c < end && *c == '-')
		c++;
	if (c == end || *c < '0' || *c > '9' ||
		(*c == '0' && c + 1 < end && c[1] >= '0' && c[1] <= '9'))
		return 0;
	for (; c < end; c++)
	{
		bool		sign = (*c == '-' || *c == '+') && strchr("eE", c[-1]);

		if (*c == '.' || *c == 'e' || *c == 'E')
			*decimal = true;
		else if (!sign && (*c < '0' || *c > '9'))
			break;
	}
	return c - str;
}

/* Is the number an integer that is too long for jansson, or near it? */
static bool
is_long_integer(size_t len, bool decimal)
{
	return !decimal && len >= LONG_INTEGER && len <= LONGEST_INTEGER;
}

/* Is it one that would become a double? */
static bool
is_decimal(size_t len, bool decimal)
{
	return decimal;
}

/*
 * A copy of a JSON text with those of its numbers in quotes that are chosen,
 * palloc'd; *len is set to its length.
 */
static char *
quote_numbers(const char *str, size_t *len,
			  bool (*chosen) (size_t len, bool decimal))
{
	const char *end = str + *len;
	char	   *copy = palloc_extended(2 * *len + 1, MCXT_ALLOC_HUGE);
	char	   *to = copy;
	bool		in_string = false;

	while (str < end)
	{
		bool		decimal = false;
		size_t		digits = in_string ? 0 : number_len(str, end, &decimal);
		bool		quoted = digits > 0 && chosen(digits, decimal);
		size_t		taken = Max(digits, 1);

		if (*str == '"')
			in_string = !in_string;
		else if (in_string && *str == '\\' && str + 1 < end)
			taken = 2;
		if (quoted)
			*to++ = '"';
		memcpy(to, str, taken);
		to += taken;
		str += taken;
		if (quoted)
			*to++ = '"';
	}
	*len = to - copy;
	return copy;
}

/*
 * Parse, and once more if there is a number that is too long.  Ids have up to
 * 64 bits, of which jansson has 63; its way out, reading them as doubles,
 * would make them others.
 */
static json_t *
load(const char *str, size_t len, json_error_t *fault)
{
	json_t	   *value;
	char	   *copy;

	/* without memory jansson often sets neither code nor text */
	memset(fault, 0, sizeof(*fault));
	value = json_loadb(str, len, JSON_DECODE_ANY, fault);
	if (value != NULL || fault->text[0] == '\0' ||
		json_error_code(fault) != json_error_numeric_overflow)
		return value;

	copy = quote_numbers(str, &len, is_long_integer);
	memset(fault, 0, sizeof(*fault));
	value = json_loadb(copy, len, JSON_DECODE_ANY, fault);
	return value;
}

/*
 * See json.h.
 */
json_t *
partner_api_json_parse(const char *str, size_t len, char **error)
{
	json_error_t fault;
	json_t	   *value = load(str, len, &fault);

	if (value != NULL)
		return partner_api_json_own(value);

	if (fault.text[0] == '\0' ||
		json_error_code(&fault) == json_error_out_of_memory)
		out_of_memory();
	*error = psprintf("%s at byte %d",
					  parse_fault(json_error_code(&fault)), fault.position);
	return NULL;
}

/*
 * See json.h.  What quotes hide would no longer be seen to be no number, so
 * the text is parsed as it is first.
 */
json_t *
partner_api_json_parse_decimals(const char *str, size_t len, char **error)
{
	char	   *copy;

	if (partner_api_json_parse(str, len, error) == NULL)
		return NULL;
	copy = quote_numbers(str, &len, is_decimal);
	return partner_api_json_parse(copy, len, error);
}

/*
 * See json.h.  Its memory still comes from malloc(), so that values made
 * before can be freed as well.
 */
void
partner_api_json_wipe_freed(void)
{
	json_set_alloc_funcs(malloc, partner_api_wiping_free);
}

/*
 * See json.h.  jansson writes into a buffer of ours: a string of its own
 * would be lost if copying it threw.
 *
 * A number with a point has passed through a double.  With 15 digits it is
 * written as it came, 49.9 and not 49.899999999999999; no amount of money has
 * more.
 */
char *
partner_api_json_print(const json_t *value)
{
	const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY |
	JSON_REAL_PRECISION(15);
	size_t		size = json_dumpb(value, NULL, 0, flags);
	char	   *str;

	if (size == 0)
		out_of_memory();

	str = palloc(size + 1);
	if (json_dumpb(value, str, size, flags) != size)
		out_of_memory();
	str[size] = '\0';
	return str;
}

/*
 * See json.h.
 */
char *
partner_api_json_string(const json_t *object, const char *key)
{
	const char *str = json_string_value(json_object_get(object, key));

	return str == NULL ? NULL : pstrdup(str);
}

/*
 * See json.h.
 */
char *
partner_api_json_as_text(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (value == NULL || json_is_null(value))
		return NULL;
	return json_is_string(value) ? pstrdup(json_string_value(value)) :
		partner_api_json_print(value);
}

/*
 * See json.h.
 */
bool
partner_api_json_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

/*
 * Read a string that consists of digits only; false if it is anything else
 * or does not fit.
 */
static bool
digits_to_int64(const char *str, int64 *result)
{
	int64		sum = 0;

	if (*str == '\0')
		return false;
	for (; *str != '\0'; str++)
	{
		if (*str < '0' || *str > '9')
			return false;
		if (pg_mul_s64_overflow(sum, 10, &sum) ||
			pg_add_s64_overflow(sum, *str - '0', &sum))
			return false;
	}
	*result = sum;
	return true;
}

/*
 * See json.h.
 */
bool
partner_api_json_int64(const json_t *object, const char *key, int64 *result)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_integer(value))
	{
		*result = json_integer_value(value);
		return true;
	}
	if (json_is_string(value))
		return digits_to_int64(json_string_value(value), result);
	return false;
}

/*
 * See json.h.
 */
json_t *
partner_api_json_object(void)
{
	return partner_api_json_own(json_pack("{}"));
}

/*
 * See json.h.
 */
json_t *
partner_api_json_array(void)
{
	return partner_api_json_own(json_array());
}

/*
 * Raise ERROR where jansson had no memory; it tells in its return value.
 */
static void
check_stored(int result)
{
	if (result != 0)
		ereport(ERROR,
				errcode(ERRCODE_OUT_OF_MEMORY),
				errmsg("out of memory"));
}

/*
 * See json.h.
 */
void
partner_api_json_put(json_t *object, const char *key, json_t *value)
{
	if (value != NULL)
		check_stored(json_object_set(object, key, value));
}

/*
 * See json.h.
 */
void
partner_api_json_put_text(json_t *object, const char *key, const char *text)
{
	if (text != NULL)
		check_stored(json_object_set_new(object, key, json_string(text)));
}

/*
 * See json.h.
 */
void
partner_api_json_put_bool(json_t *object, const char *key, bool value)
{
	check_stored(json_object_set_new(object, key, json_boolean(value)));
}

/*
 * See json.h.
 */
void
partner_api_json_put_int64(json_t *object, const char *key, int64 value)
{
	check_stored(json_object_set_new(object, key, json_integer(value)));
}

/*
 * See json.h.
 */
json_t *
partner_api_json_append_object(json_t *array)
{
	json_t	   *object = json_pack("{}");

	check_stored(json_array_append_new(array, object));
	return object;
}

/*
 * See json.h.
 */
void
partner_api_json_append_text(json_t *array, const char *text)
{
	check_stored(json_array_append_new(array, json_string(text)));
}

/*
 * See json.h.
 */
void
partner_api_json_merge(json_t *object, json_t *other)
{
	const char *key;
	json_t	   *value;

	json_object_foreach(other, key, value)
		partner_api_json_put(object, key, value);
}

/*
 * See json.h.
 */
json_t *
partner_api_json_without(json_t *object, const char *key)
{
	json_t	   *copy = partner_api_json_object();

	partner_api_json_merge(copy, object);
	(void) json_object_del(copy, key);
	return copy;
}

/*
 * See json.h.
 */
bool
partner_api_json_is_object(const json_t *value)
{
	return json_is_object(value);
}

/*
 * See json.h.
 */
json_t *
partner_api_json_get(const json_t *object, const char *key)
{
	return json_object_get(object, key);
}

/*
 * See json.h.
 */
int
partner_api_json_count(const json_t *array)
{
	return (int) json_array_size(array);
}

/*
 * See json.h.
 */
json_t *
partner_api_json_at(const json_t *array, int index)
{
	return json_array_get(array, index);
}

/*
 * See json.h.
 */
const char *
partner_api_json_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/*
 * See json.h.
 */
const char *
partner_api_json_text_at(const json_t *array, int index)
{
	return json_string_value(json_array_get(array, index));
}

/*
 * See json.h.
 */
List *
partner_api_json_texts(const json_t *object)
{
	List	   *texts = NIL;
	const char *key;
	json_t	   *value;

	json_object_foreach(unconstify(json_t *, object), key, value)
	{
		if (json_is_string(value))
			texts = lappend(texts,
							unconstify(char *, json_string_value(value)));
	}
	return texts;
}
