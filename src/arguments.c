/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  The arguments of an SQL function, by their names, as an action.
 *
 * An operation whose arguments its provider reads one by one has no code of
 * its own here: each argument that is given becomes a member of the action's
 * arguments, under its own name.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "arguments.h"
#include "cards.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "common/base64.h"
#include "funcapi.h"
#include "json.h"
#include "providers/common.h"
#include "redact.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* Raise ERROR if an argument is null that must be given. */
static void
check_given(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("%s must not be null", name));
}

/* The name of the server, the first argument of most functions. */
char *
partner_api_argument_server(FunctionCallInfo fcinfo)
{
	check_given(fcinfo, 0, "server");
	return pstrdup(NameStr(*PG_GETARG_NAME(0)));
}

/* A text argument that must be given. */
char *
partner_api_argument_required(FunctionCallInfo fcinfo, int arg,
							  const char *name)
{
	check_given(fcinfo, arg, name);
	return text_to_cstring(PG_GETARG_TEXT_PP(arg));
}

/* One that may be null. */
char *
partner_api_argument_text(FunctionCallInfo fcinfo, int arg)
{
	return PG_ARGISNULL(arg) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(arg));
}

/* A jsonb argument as JSON of any sort. */
static json_t *
read_json(FunctionCallInfo fcinfo, int arg, const char *name)
{
	char	   *text;
	char	   *error = NULL;
	json_t	   *value;

	text = JsonbToCString(NULL, &PG_GETARG_JSONB_P(arg)->root, 0);
	text = partner_api_text_to_utf8(text);
	value = partner_api_json_parse(text, strlen(text), &error);
	if (value == NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("%s cannot be sent as JSON", name),
				errdetail("%s.", error),
				errhint("A number may be out of range, or a text hold the character NUL."));
	return value;
}

/* A jsonb argument as a JSON object; raises ERROR if it is none. */
json_t *
partner_api_argument_json(FunctionCallInfo fcinfo, int arg, const char *name)
{
	json_t	   *value = read_json(fcinfo, arg, name);

	if (!partner_api_json_is_object(value))
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("%s must be a JSON object", name));
	return value;
}

/* JSON as canonical jsonb text, so that equal calls look equal. */
char *
partner_api_canonical_json(json_t *value)
{
	char	   *utf8 = partner_api_json_print(value);
	char	   *text = partner_api_text_from_utf8(utf8);
	Datum		jsonb = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));

	return DatumGetCString(DirectFunctionCall1(jsonb_out, jsonb));
}

/* Bytes as base64, which JSON can hold. */
static char *
to_base64(const bytea *bytes)
{
	int			len = VARSIZE_ANY_EXHDR(bytes);
	int			room = pg_b64_enc_len(len);
	char	   *text = palloc(room + 1);
	int			written = pg_b64_encode(VARDATA_ANY(bytes), len, text, room);

	if (written < 0)
		elog(ERROR, "could not encode bytes");
	text[written] = '\0';
	return text;
}

/* Refuse infinite times: no provider knows them. */
static void
check_finite(bool finite, const char *name)
{
	if (!finite)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("argument \"%s\" must be a finite time", name),
				errdetail("The value is infinity or -infinity."),
				errhint("Leave it out where there is no such time."));
}

/* An argument as its type writes it. */
static char *
argument_output(FunctionCallInfo fcinfo, int arg, Oid type)
{
	Oid			function;
	bool		is_varlena;

	getTypeOutputInfo(type, &function, &is_varlena);
	return OidOutputFunctionCall(function, PG_GETARG_DATUM(arg));
}

/* An array of texts as JSON; raises ERROR for one that holds a null. */
json_t *
partner_api_argument_texts(FunctionCallInfo fcinfo, int arg, const char *name)
{
	json_t	   *array = partner_api_json_array();
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(arg), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("%s must not contain nulls", name));
		partner_api_json_append_text(array,
									 partner_api_text_to_utf8(TextDatumGetCString(elements[i])));
	}
	return array;
}

/* Set a member to an argument, in the form that JSON has for its type. */
static void
put_argument(json_t *arguments, const char *name, FunctionCallInfo fcinfo,
			 int arg, Oid type)
{
	static const int utc = 0;	/* equal calls look equal in all zones */
	char		buffer[MAXDATELEN + 1];

	switch (type)
	{
		case BOOLOID:
			partner_api_json_put_bool(arguments, name, PG_GETARG_BOOL(arg));
			break;
		case INT4OID:
			partner_api_json_put_int64(arguments, name, PG_GETARG_INT32(arg));
			break;
		case INT8OID:
			partner_api_json_put_int64(arguments, name, PG_GETARG_INT64(arg));
			break;
		case TEXTOID:
		case NAMEOID:
		case NUMERICOID:
		case DATERANGEOID:
			partner_api_json_put_text(arguments, name,
									  partner_api_text_to_utf8(argument_output(fcinfo, arg, type)));
			break;
		case TEXTARRAYOID:
			partner_api_json_put(arguments, name,
								 partner_api_argument_texts(fcinfo, arg, name));
			break;
		case BYTEAOID:
			partner_api_json_put_text(arguments, name,
									  to_base64(PG_GETARG_BYTEA_PP(arg)));
			break;
		case JSONBOID:
			partner_api_json_put(arguments, name,
								 partner_api_argument_json(fcinfo, arg, name));
			break;
		case DATEOID:
			check_finite(!DATE_NOT_FINITE(PG_GETARG_DATEADT(arg)), name);
			partner_api_json_put_text(arguments, name,
									  JsonEncodeDateTime(buffer, PG_GETARG_DATUM(arg),
														 type, NULL));
			break;
		case TIMESTAMPTZOID:
			check_finite(!TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(arg)),
						 name);
			partner_api_json_put_text(arguments, name,
									  JsonEncodeDateTime(buffer, PG_GETARG_DATUM(arg),
														 type, &utc));
			break;
		default:
			elog(ERROR, "argument \"%s\" has an unexpected type", name);
	}
}

/*
 * The key of the business database's own row, or NULL.  Events that name it
 * have to fit into a notification.
 */
static char *
read_customer_ref(FunctionCallInfo fcinfo, int arg)
{
	char	   *ref = partner_api_argument_text(fcinfo, arg);

	if (ref != NULL && strlen(ref) > 255)
		partner_api_refuse("customer_ref", "at most 255 bytes long",
						   psprintf("It has %zu bytes.", strlen(ref)),
						   "Give the key of the business database's own row.");
	return ref;
}

/* Put one argument where it belongs. */
static void
fill_one(FunctionCallInfo fcinfo, int arg, const char *name, Oid type,
		 PartnerApiNewAction *action, json_t *arguments)
{
	const char *id = partner_api_kind_traits(action->kind)->id_argument;

	if (strcmp(name, "run_at") == 0 || strcmp(name, "deadline") == 0)
		return;					/* the caller's */
	if (id != NULL && strcmp(name, id) == 0)
		action->instance_id = partner_api_argument_required(fcinfo, arg, name);
	else if (strcmp(name, "idempotency_key") == 0)
		action->idempotency_key = partner_api_argument_text(fcinfo, arg);
	else if (strcmp(name, "customer_ref") == 0)
		action->customer_ref = read_customer_ref(fcinfo, arg);
	else if (PG_ARGISNULL(arg))
		return;
	else if (strcmp(name, "card") == 0)
		partner_api_card_take(action, arguments, PG_GETARG_JSONB_P(arg));
	else if (strcmp(name, "notifications") == 0)
		partner_api_json_put(arguments, name, read_json(fcinfo, arg, name));
	else
		put_argument(arguments, name, fcinfo, arg, type);
}

/* The names and types of the running SQL function's arguments. */
static char **
look_up_arguments(FunctionCallInfo fcinfo, Oid **types)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID,
										ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
	char	  **names;
	char	   *modes;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u",
			 fcinfo->flinfo->fn_oid);
	get_func_arg_info(tuple, types, &names, &modes);
	ReleaseSysCache(tuple);
	return names;
}

/*
 * The arguments of the running SQL function as a JSON object, by their names,
 * null being what is not given.
 */
char *
partner_api_arguments_by_name(FunctionCallInfo fcinfo)
{
	json_t	   *arguments = partner_api_json_object();
	Oid		   *types;
	char	  **names = look_up_arguments(fcinfo, &types);

	for (int arg = 0; arg < PG_NARGS(); arg++)
	{
		if (!PG_ARGISNULL(arg))
			put_argument(arguments, names[arg], fcinfo, arg, types[arg]);
	}
	return partner_api_canonical_json(arguments);
}

/*
 * Fill an action from the arguments of the running SQL function.  The server
 * comes first; the id that the kind names, customer_ref and idempotency_key
 * have places of their own, the rest becomes the action's arguments, null
 * being what is not given.  Returns where run_at and deadline are, of a
 * function that has them at its end.
 */
int
partner_api_fill_by_name(FunctionCallInfo fcinfo, PartnerApiNewAction *action)
{
	json_t	   *arguments = partner_api_json_object();
	Oid		   *types;
	char	  **names = look_up_arguments(fcinfo, &types);

	action->server = partner_api_argument_server(fcinfo);
	for (int arg = 1; arg < PG_NARGS(); arg++)
		fill_one(fcinfo, arg, names[arg], types[arg], action, arguments);
	action->arguments = partner_api_canonical_json(arguments);
	return PG_NARGS() - 2;
}
