/*-------------------------------------------------------------------------
 *
 * json.h
 *	  jansson under PostgreSQL's rules: owned by a memory context, strict
 *	  about UTF-8, exact about numbers.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#ifndef PARTNER_API_JSON_H
#define PARTNER_API_JSON_H

#include "postgres.h"

#include "jansson_pg.h"
#include "nodes/pg_list.h"

/*
 * Give "value" to the current memory context: it is released when the
 * context is reset or deleted.  NULL (jansson out of memory) raises ERROR.
 * Returns value.
 */
extern json_t *partner_api_json_own(json_t *value);

/*
 * Parse len bytes of UTF-8; NULL with *error set (palloc'd, no excerpt of the
 * text: it may hold a secret) if they are not one JSON value.  Duplicate keys
 * are accepted (last one wins), depth is bounded by jansson, a NUL inside a
 * string is refused, an integer of 64 bits is read as a string.  The result
 * is owned by the current memory context.
 */
extern json_t *partner_api_json_parse(const char *text, size_t len,
									  char **error);

/*
 * The same with numbers that have a fraction or an exponent as strings, just
 * as they are written: no amount of money passes through a double.
 */
extern json_t *partner_api_json_parse_decimals(const char *text, size_t len,
											   char **error);

/*
 * From now on, in this process, overwrite what jansson frees: its values hold
 * card data.
 */
extern void partner_api_json_wipe_freed(void);

/* A new empty object or array, owned by the current memory context. */
extern json_t *partner_api_json_object(void);
extern json_t *partner_api_json_array(void);

/*
 * Set a member.  Raises ERROR if there is no memory.  Text must be UTF-8; NULL
 * text and a NULL value set nothing.  A value stays the caller's.
 */
extern void partner_api_json_put(json_t *object, const char *key,
								 json_t *value);
extern void partner_api_json_put_text(json_t *object, const char *key,
									  const char *text);
extern void partner_api_json_put_bool(json_t *object, const char *key,
									  bool value);
extern void partner_api_json_put_int64(json_t *object, const char *key,
									   int64 value);

/* Copy the members of another object, which win; NULL has none. */
extern void partner_api_json_merge(json_t *object, json_t *other);

/* A copy of an object without one of its members. */
extern json_t *partner_api_json_without(json_t *object, const char *key);

/* Append to an array; the new object is borrowed from it. */
extern json_t *partner_api_json_append_object(json_t *array);
extern void partner_api_json_append_text(json_t *array, const char *text);

/* Look into a value; NULL and 0 where there is nothing.  Borrowed. */
extern bool partner_api_json_is_object(const json_t *value);
extern json_t *partner_api_json_get(const json_t *object, const char *key);
extern int	partner_api_json_count(const json_t *array);
extern json_t *partner_api_json_at(const json_t *array, int index);
extern const char *partner_api_json_text(const json_t *object,
										 const char *key);
extern const char *partner_api_json_text_at(const json_t *array, int index);

/* The strings among the members of an object, borrowed, as a list. */
extern List *partner_api_json_texts(const json_t *object);

/* Compact serialisation, palloc'd. */
extern char *partner_api_json_print(const json_t *value);

/* Members of an object, palloc'd copies; NULL where absent or not a string. */
extern char *partner_api_json_string(const json_t *object, const char *key);

/*
 * A member as text, palloc'd: a string as it is, anything else as JSON; NULL
 * where absent or null.
 */
extern char *partner_api_json_as_text(const json_t *object, const char *key);

/* false where absent, null or not a boolean */
extern bool partner_api_json_true(const json_t *object, const char *key);

/*
 * An integer that may be a JSON number or a string of digits.  Never passes
 * through a double.  Returns false where absent, fractional or out of range.
 */
extern bool partner_api_json_int64(const json_t *object, const char *key,
								   int64 *result);

#endif							/* PARTNER_API_JSON_H */
