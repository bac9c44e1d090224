/*-------------------------------------------------------------------------
 *
 * foreign_lists.c
 *	  The lists that can be foreign tables, their columns and values.
 *
 * A list more is a row of lists[] with the names of its columns.  Values go
 * through text and the input function of the column's type, so that a table
 * made by hand may have other types, fewer columns, or another order.  The
 * token of an instance is in no list: a column would be read by whoever may
 * read the table.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "foreign.h"
#include "foreign/foreign.h"
#include "json.h"
#include "lib/stringinfo.h"
#include "redact.h"
#include "servers.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

/* A longer text is searched for here and not at the provider. */
#define LONGEST_QUERY 512

#define ROW(member) offsetof(PartnerApiListRow, member)
#define TEXT(name, member) \
	{name, "pg_catalog.text", PARTNER_API_COLUMN_TEXT, ROW(member), \
	PARTNER_API_SEARCH_NONE}
#define SEARCHED(name, member, search) \
	{name, "pg_catalog.text", PARTNER_API_COLUMN_TEXT, ROW(member), search}
#define TIME(name, member) \
	{name, "pg_catalog.timestamptz", PARTNER_API_COLUMN_TIME, ROW(member), \
	PARTNER_API_SEARCH_NONE}
#define BOOL(name, member) \
	{name, "pg_catalog.bool", PARTNER_API_COLUMN_BOOL, ROW(member), \
	PARTNER_API_SEARCH_NONE}
#define SPECIAL(name, type, kind, member) \
	{name, type, kind, ROW(member), PARTNER_API_SEARCH_NONE}

#define FIELD(name, type) \
	{name, "pg_catalog." type, PARTNER_API_COLUMN_FIELD, 0, \
	PARTNER_API_SEARCH_NONE}

#define SEARCHED_FIELD(name, search) \
	{name, "pg_catalog.text", PARTNER_API_COLUMN_FIELD, 0, search}

/* As of remote_instances(). */
static const PartnerApiColumn instance_columns[] = {
	SPECIAL("server_name", "pg_catalog.name", PARTNER_API_COLUMN_SERVER,
			instance_id),
	SEARCHED("instance_id", instance_id, PARTNER_API_SEARCH_QUERY),
	SEARCHED("name", name, PARTNER_API_SEARCH_QUERY),
	SPECIAL("status", "pg_catalog.text", PARTNER_API_COLUMN_STATUS,
			subscription),
	TEXT("payment_status", payment_status),
	TIME("created_at", created_ms),
	TIME("due_at", due_ms),
	SEARCHED("instance_middleware", middleware,
			 PARTNER_API_SEARCH_MIDDLEWARE),
	BOOL("phone_connected", phone_connected),
	BOOL("whatsapp_connected", whatsapp_connected),
	SPECIAL("details", "pg_catalog.jsonb", PARTNER_API_COLUMN_JSON, details),
	TIME("deleted_at", deleted_ms)
};

/* As of the tables plans and subscriptions, which also know our own part. */
static const PartnerApiColumn plan_columns[] = {
	SPECIAL("server_name", "pg_catalog.name", PARTNER_API_COLUMN_SERVER,
			instance_id),
	FIELD("plan_id", "text"),
	FIELD("name", "text"),
	FIELD("description", "text"),
	FIELD("email", "text"),
	FIELD("setup_amount_cents", "int8"),
	FIELD("amount_cents", "int8"),
	FIELD("grace_period", "int4"),
	FIELD("tolerance_period", "int4"),
	FIELD("frequency", "text"),
	FIELD("interval_count", "int4"),
	FIELD("logo", "bool"),
	FIELD("currency", "text"),
	FIELD("payment_methods", "text"),
	FIELD("plan_expiration_date", "timestamptz"),
	FIELD("has_expiration", "bool"),
	FIELD("expire_subscriptions", "bool"),
	FIELD("subscription_duration", "int4"),
	SPECIAL("details", "pg_catalog.jsonb", PARTNER_API_COLUMN_JSON_FIELD,
			instance_id)
};

static const PartnerApiColumn subscription_columns[] = {
	SPECIAL("server_name", "pg_catalog.name", PARTNER_API_COLUMN_SERVER,
			instance_id),
	FIELD("subscription_id", "text"),
	FIELD("plan_id", "text"),
	FIELD("client_id", "text"),
	FIELD("status", "text"),
	FIELD("status_id", "int8"),
	FIELD("amount_cents", "int8"),
	FIELD("currency", "text"),
	FIELD("payment_method", "text"),
	FIELD("due_on", "date"),
	FIELD("expires_at", "timestamptz"),
	FIELD("created_at", "timestamptz"),
	FIELD("suspended_at", "timestamptz"),
	SPECIAL("details", "pg_catalog.jsonb", PARTNER_API_COLUMN_JSON_FIELD,
			instance_id)
};

/*
 * As of remote_customer, remote_charge and remote_recurrence.  The id of what
 * is listed is not searched by: asked for that, a provider may show what was
 * deleted and is not in its list.
 */
static const PartnerApiColumn customer_columns[] = {
	SPECIAL("server_name", "pg_catalog.name", PARTNER_API_COLUMN_SERVER,
			instance_id),
	FIELD("customer_id", "text"),
	FIELD("name", "text"),
	SEARCHED_FIELD("document", PARTNER_API_SEARCH_DOCUMENT),
	SEARCHED_FIELD("email", PARTNER_API_SEARCH_EMAIL),
	FIELD("phone", "text"),
	FIELD("mobile", "text"),
	FIELD("group_name", "text"),
	FIELD("notifications_disabled", "bool"),
	SEARCHED_FIELD("external_reference", PARTNER_API_SEARCH_REFERENCE),
	FIELD("created_on", "date"),
	FIELD("deleted", "bool"),
	SPECIAL("details", "pg_catalog.jsonb", PARTNER_API_COLUMN_JSON_FIELD,
			instance_id)
};

static const PartnerApiColumn charge_columns[] = {
	SPECIAL("server_name", "pg_catalog.name", PARTNER_API_COLUMN_SERVER,
			instance_id),
	FIELD("charge_id", "text"),
	SEARCHED_FIELD("customer_id", PARTNER_API_SEARCH_CUSTOMER),
	SEARCHED_FIELD("recurrence_id", PARTNER_API_SEARCH_RECURRENCE),
	FIELD("installment_id", "text"),
	SEARCHED_FIELD("billing_type", PARTNER_API_SEARCH_BILLING_TYPE),
	SEARCHED_FIELD("status", PARTNER_API_SEARCH_STATUS),
	FIELD("value_cents", "int8"),
	FIELD("net_value_cents", "int8"),
	FIELD("original_value_cents", "int8"),
	FIELD("interest_value_cents", "int8"),
	FIELD("description", "text"),
	FIELD("due_on", "date"),
	FIELD("original_due_on", "date"),
	FIELD("paid_on", "date"),
	FIELD("payer_paid_on", "date"),
	FIELD("confirmed_on", "date"),
	FIELD("credited_on", "date"),
	FIELD("credit_expected_on", "date"),
	FIELD("invoice_url", "text"),
	FIELD("invoice_number", "text"),
	FIELD("boleto_url", "text"),
	FIELD("receipt_url", "text"),
	FIELD("our_number", "text"),
	SEARCHED_FIELD("external_reference", PARTNER_API_SEARCH_REFERENCE),
	FIELD("created_on", "date"),
	FIELD("deleted", "bool"),
	SPECIAL("details", "pg_catalog.jsonb", PARTNER_API_COLUMN_JSON_FIELD,
			instance_id)
};

static const PartnerApiColumn recurrence_columns[] = {
	SPECIAL("server_name", "pg_catalog.name", PARTNER_API_COLUMN_SERVER,
			instance_id),
	FIELD("recurrence_id", "text"),
	SEARCHED_FIELD("customer_id", PARTNER_API_SEARCH_CUSTOMER),
	SEARCHED_FIELD("billing_type", PARTNER_API_SEARCH_BILLING_TYPE),
	FIELD("cycle", "text"),
	FIELD("status", "text"),
	FIELD("value_cents", "int8"),
	FIELD("description", "text"),
	FIELD("next_due_on", "date"),
	FIELD("ends_on", "date"),
	FIELD("max_payments", "int4"),
	SEARCHED_FIELD("external_reference", PARTNER_API_SEARCH_REFERENCE),
	FIELD("created_on", "date"),
	FIELD("deleted", "bool"),
	SPECIAL("details", "pg_catalog.jsonb", PARTNER_API_COLUMN_JSON_FIELD,
			instance_id)
};

static const PartnerApiForeignList lists[] = {
	{PARTNER_API_LIST_INSTANCES, "instances", instance_columns,
	lengthof(instance_columns)},
	{PARTNER_API_LIST_PLANS, "plans", plan_columns, lengthof(plan_columns)},
	{PARTNER_API_LIST_SUBSCRIPTIONS, "subscriptions", subscription_columns,
	lengthof(subscription_columns)},
	{PARTNER_API_LIST_CUSTOMERS, "customers", customer_columns,
	lengthof(customer_columns)},
	{PARTNER_API_LIST_CHARGES, "charges", charge_columns,
	lengthof(charge_columns)},
	{PARTNER_API_LIST_RECURRENCES, "recurrences", recurrence_columns,
	lengthof(recurrence_columns)}
};

/* ---- lists ---- */

/* The lists one by one, from 0; NULL after the last. */
const PartnerApiForeignList *
partner_api_foreign_list_at(int index)
{
	return index < (int) lengthof(lists) ? &lists[index] : NULL;
}

/* The list of that name, or NULL. */
static const PartnerApiForeignList *
find_list(const char *name)
{
	for (int i = 0; i < (int) lengthof(lists); i++)
	{
		if (strcmp(lists[i].name, name) == 0)
			return &lists[i];
	}
	return NULL;
}

/* Does the provider have such a list? */
bool
partner_api_foreign_list_offered(const PartnerApiForeignList *list,
								 const PartnerApiProvider *provider)
{
	return provider->supports_list(list->list);
}

/* The list that a foreign table shows; ERROR if its provider has no such. */
const PartnerApiForeignList *
partner_api_foreign_list(Oid table)
{
	const ForeignTable *foreign = GetForeignTable(table);
	const PartnerApiProvider *provider =
	partner_api_server_provider(foreign->serverid);
	const char *name = partner_api_option_text(foreign->options, "list");
	const PartnerApiForeignList *list = name != NULL ? find_list(name) : NULL;

	/* the validator has seen to it, unless the wrapper was without one */
	if (list == NULL)
		ereport(ERROR,
				errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				errmsg("foreign table \"%s\" names no list",
					   get_rel_name(table)));
	if (!partner_api_foreign_list_offered(list, provider))
		ereport(ERROR,
				errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("provider \"%s\" has no list \"%s\"",
					   provider->name, list->name),
				errhint("IMPORT FOREIGN SCHEMA partner_api makes a foreign table of each list that it has."));
	return list;
}

/* ---- columns ---- */

/* Refuse a column that the list does not have; name those that it has. */
static void
unknown_column(const PartnerApiForeignList *list, const char *name)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; i < list->column_count; i++)
		appendStringInfo(&known, "%s%s", i > 0 ? ", " : "",
						 list->columns[i].name);
	ereport(ERROR,
			errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
			errmsg("list \"%s\" has no column \"%s\"", list->name, name),
			errhint("Its columns are: %s.  The option column_name of a column of the foreign table names one of them.",
					known.data));
}

/*
 * The column of the list that a column of the foreign table shows: that of
 * its option "column_name", or of its own name.  Raises ERROR if there is
 * none; NULL for a dropped column.
 */
const PartnerApiColumn *
partner_api_foreign_column(const PartnerApiForeignList *list, Oid table,
						   AttrNumber attribute)
{
	List	   *options = GetForeignColumnOptions(table, attribute);
	const char *name = partner_api_option_text(options, "column_name");

	if (name == NULL)
		name = get_attname(table, attribute, true);
	if (name == NULL)
		return NULL;
	for (int i = 0; i < list->column_count; i++)
	{
		if (strcmp(list->columns[i].name, name) == 0)
			return &list->columns[i];
	}
	unknown_column(list, name);
	return NULL;
}

/* ---- values ---- */

/*
 * Text as it is shown.  A control character becomes a question mark here, as
 * does what the database's encoding lacks, and not a blank: a text with a
 * question mark is never searched for at the provider, so that whatever was
 * changed on the way is found by what is shown.
 */
static char *
shown_text(const char *text)
{
	char	   *copy;

	if (text == NULL)
		return NULL;
	copy = pstrdup(text);
	for (char *p = copy; *p != '\0'; p++)
	{
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			*p = '?';
	}
	return partner_api_redact_whole(copy, NIL);
}

/*
 * A time as text that every DateStyle reads alike; NULL for none.  Valid until
 * the next one.
 */
static char *
shown_time(int64 unix_ms)
{
	if (unix_ms == 0)
		return NULL;
	return unconstify(char *,
					  timestamptz_to_str(partner_api_timestamp_from_unix_ms(unix_ms)));
}

/* JSON as it is shown; NULL for none. */
static char *
shown_json(const char *text)
{
	return text == NULL ? NULL : partner_api_text_from_utf8(text);
}

/*
 * The value of a column in a row with these fields, as text for an input
 * function in the encoding of the database; NULL is null.
 */
char *
partner_api_foreign_value(const PartnerApiColumn *column,
						  const char *server_name,
						  const PartnerApiListRow *row, const json_t *fields)
{
	const char *member = (const char *) row + column->offset;
	const char *text;

	switch (column->kind)
	{
		case PARTNER_API_COLUMN_SERVER:
			return pstrdup(server_name);
		case PARTNER_API_COLUMN_STATUS:
			text = partner_api_subscription_name(row->subscription);
			return shown_text(text);
		case PARTNER_API_COLUMN_TEXT:
			return shown_text(*(char *const *) member);
		case PARTNER_API_COLUMN_TIME:
			return shown_time(*(const int64 *) member);
		case PARTNER_API_COLUMN_BOOL:
			/* both columns of this type are about the connection */
			return row->connection_unknown ? NULL :
				pstrdup(*(const bool *) member ? "t" : "f");
		case PARTNER_API_COLUMN_JSON:
			return shown_json(*(char *const *) member);
		case PARTNER_API_COLUMN_FIELD:
			return shown_text(partner_api_json_as_text(fields, column->name));
		case PARTNER_API_COLUMN_JSON_FIELD:
			return shown_json(partner_api_json_as_text(fields, column->name));
	}
	return NULL;
}

/* Words that charges are documented to be searched by. */
static const char *const statuses[] = {
	"PENDING", "RECEIVED", "CONFIRMED", "OVERDUE", "REFUNDED",
	"RECEIVED_IN_CASH", "REFUND_REQUESTED", "REFUND_IN_PROGRESS",
	"CHARGEBACK_REQUESTED", "CHARGEBACK_DISPUTE",
	"AWAITING_CHARGEBACK_REVERSAL", "DUNNING_REQUESTED",
	"DUNNING_RECEIVED", "AWAITING_RISK_ANALYSIS"
};

static const char *const billing_types[] = {
	"UNDEFINED", "BOLETO", "CREDIT_CARD", "PIX"
};

/* Is it one of these words? */
static bool
is_one_of(const char *value, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		if (strcmp(words[i], value) == 0)
			return true;
	}
	return false;
}

/*
 * May the provider be asked for rows with this value, without losing one that
 * the condition accepts?  What its search matches is not documented; it must
 * be taken to find a name that is given as it was stored.  So no value that
 * may differ from what is stored ("?", see shown_text), that the provider may
 * trim or take for none, or that is too long for a URL.  A kind of instance
 * or a word for a status must be one that is documented: another may be an
 * error.
 */
bool
partner_api_foreign_searchable(PartnerApiSearch search, const char *value)
{
	size_t		len = strlen(value);

	if (search == PARTNER_API_SEARCH_MIDDLEWARE)
		return strcmp(value, "web") == 0 || strcmp(value, "mobile") == 0;
	if (search == PARTNER_API_SEARCH_STATUS)
		return is_one_of(value, statuses, lengthof(statuses));
	if (search == PARTNER_API_SEARCH_BILLING_TYPE)
		return is_one_of(value, billing_types, lengthof(billing_types));
	return len > 0 && len <= LONGEST_QUERY && strchr(value, '?') == NULL &&
		value[0] != ' ' && value[len - 1] != ' ';
}

/* What the provider is asked by: of a term of a query its name. */
const char *
partner_api_foreign_search_name(PartnerApiSearch search)
{
	static const char *const names[PARTNER_API_SEARCHES] = {
		[PARTNER_API_SEARCH_NONE] = "nothing",
		[PARTNER_API_SEARCH_QUERY] = "query",
		[PARTNER_API_SEARCH_MIDDLEWARE] = "middleware",
		[PARTNER_API_SEARCH_CUSTOMER] = "customer_id",
		[PARTNER_API_SEARCH_RECURRENCE] = "recurrence_id",
		[PARTNER_API_SEARCH_STATUS] = "status",
		[PARTNER_API_SEARCH_BILLING_TYPE] = "billing_type",
		[PARTNER_API_SEARCH_DOCUMENT] = "document",
		[PARTNER_API_SEARCH_EMAIL] = "email",
		[PARTNER_API_SEARCH_REFERENCE] = "external_reference"
	};

	return names[search];
}
