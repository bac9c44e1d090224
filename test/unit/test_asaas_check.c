/*-------------------------------------------------------------------------
 *
 * test_asaas_check.c
 *	  Unit tests of the arguments that are not sent to Asaas.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include "providers/asaas.h"

#define CUSTOMER PARTNER_API_CREATE_CUSTOMER
#define CHARGE PARTNER_API_CREATE_CHARGE
#define CHANGE PARTNER_API_CHANGE_CHARGE
#define REFUND PARTNER_API_REFUND_CHARGE
#define RECEIVE PARTNER_API_RECEIVE_CHARGE
#define RECUR PARTNER_API_CREATE_RECURRENCE
#define NOTIFY PARTNER_API_CHANGE_NOTIFICATIONS
#define HOOK PARTNER_API_CREATE_WEBHOOK

#define IS(argument, must) "argument \"" argument "\" must be " must

/* 2030-01-15T02:30:00Z, which is the evening before in Brasilia */
#define NOW_MS INT64CONST(1894674600000)

#define ANA "'name':'Ana','document':'52998224725'"

/* A charge that lacks nothing, with these members in addition. */
#define WITH(members) \
	"{'customer_id':'c','billing_type':'PIX','value_cents':1," \
	"'due_date':'2030-01-14'," members "}"

/* The same of a recurrence. */
#define RECURS(members) \
	"{'customer_id':'c','billing_type':'PIX','value_cents':1," \
	"'next_due_date':'2030-01-14','cycle':'MONTHLY'," members "}"

/* The same of a webhook. */
#define HOOKS(members) "{'name':'W','email':'a@b.c'," members "}"

#define CYCLES "one of WEEKLY, BIWEEKLY, MONTHLY, BIMONTHLY, QUARTERLY, " \
	"SEMIANNUALLY, YEARLY"
#define TERMS "an object of terms"

typedef struct BadRow
{
	const char *name;
	PartnerApiKind kind;
	const char *arguments;
	const char *message;
} BadRow;

static const BadRow bad_rows[] = {
	{"customer without a name", CUSTOMER, "{'document':'52998224725'}",
	IS("name", "given")},
	{"customer with a blank name", CUSTOMER,
	"{'name':' ','document':'52998224725'}", IS("name", "given")},
	{"customer with a name of two lines", CUSTOMER,
		"{'name':'a\\nb','document':'52998224725'}",
	IS("name", "on one line")},
	{"customer without a document", CUSTOMER, "{'name':'Ana'}",
	IS("document", "given")},
	{"CPF with a slip", CUSTOMER, "{'name':'Ana','document':'52998224724'}",
	IS("document", "a CPF or CNPJ")},
	{"CNPJ with a slip", CUSTOMER,
		"{'name':'X','document':'11.222.333/0001-91'}",
	IS("document", "a CPF or CNPJ")},
	{"document that is a number", CUSTOMER,
	"{'name':'Ana','document':52998224725}", IS("document", "a string")},
	{"complement that is long", CUSTOMER, NULL,
	IS("complement", "of up to 255 characters")},
	{"switch that is a word", CUSTOMER,
		"{" ANA ",'notifications_disabled':'yes'}",
	IS("notifications_disabled", "a boolean")},
	{"change of a customer's nothing", PARTNER_API_CHANGE_CUSTOMER, "{}",
	IS("name", "given, or another field")},
	{"change to no name", PARTNER_API_CHANGE_CUSTOMER, "{'name':''}",
	IS("name", "given")},
	{"charge of nobody", CHARGE,
		"{'billing_type':'PIX','value_cents':1,'due_date':'2030-01-15'}",
	IS("customer_id", "given")},
	{"charge of a path", CHARGE,
		"{'customer_id':'a/b','billing_type':'PIX','value_cents':1,"
		"'due_date':'2030-01-15'}",
	IS("customer_id", "an id of the provider")},
	{"charge without a way to pay", CHARGE,
		"{'customer_id':'c','value_cents':1,'due_date':'2030-01-15'}",
	IS("billing_type", "given")},
	{"charge with another way to pay", CHARGE,
		"{'customer_id':'c','billing_type':'pix','value_cents':1,"
		"'due_date':'2030-01-15'}",
	IS("billing_type", "one of UNDEFINED, BOLETO, CREDIT_CARD, PIX")},
	{"charge of nothing", CHARGE,
		"{'customer_id':'c','billing_type':'PIX','value_cents':0,"
		"'due_date':'2030-01-15'}",
	IS("value_cents", "a whole number of cents, 1 or more")},
	{"charge of less than nothing", CHARGE,
		"{'customer_id':'c','billing_type':'PIX','value_cents':-100,"
		"'due_date':'2030-01-15'}",
	IS("value_cents", "a whole number of cents, 1 or more")},
	{"charge with parts of a cent", CHARGE,
		"{'customer_id':'c','billing_type':'PIX','value_cents':1.5,"
		"'due_date':'2030-01-15'}",
	IS("value_cents", "a whole number of cents, 1 or more")},
	{"charge with a value in words", CHARGE,
		"{'customer_id':'c','billing_type':'PIX','value_cents':'100',"
		"'due_date':'2030-01-15'}",
	IS("value_cents", "a whole number of cents, 1 or more")},
	{"charge that was due yesterday", CHARGE,
		"{'customer_id':'c','billing_type':'PIX','value_cents':1,"
		"'due_date':'2030-01-13'}",
	IS("due_date", "today or later")},
	{"charge that is due never", CHARGE,
		"{'customer_id':'c','billing_type':'PIX','value_cents':1,"
		"'due_date':'2030-02-30'}",
	IS("due_date", "a date")},
	{"charge that is due at noon", CHARGE,
		"{'customer_id':'c','billing_type':'PIX','value_cents':1,"
		"'due_date':'2030-02-01T12:00:00'}",
	IS("due_date", "a date")},
	{"description that is long", CHARGE, NULL,
	IS("description", "of up to 500 characters")},
	{"description that is no text", CHARGE, WITH("'description':1"),
	IS("description", "a string")},
	{"registration that is cancelled before", CHARGE,
		WITH("'days_to_cancel':-1"),
	IS("days_to_cancel", "a whole number, 0 or more")},
	{"discount of nothing", CHARGE, WITH("'discount':{}"),
	IS("discount", TERMS)},
	{"discount of two kinds", CHARGE,
		WITH("'discount':{'value_cents':1,'percent':'1'}"),
	IS("discount", TERMS)},
	{"discount with more", CHARGE,
	WITH("'discount':{'percent':'1','x':1}"), IS("discount", TERMS)},
	{"discount that is a number", CHARGE, WITH("'discount':5"),
	IS("discount", "a JSON object")},
	{"interest as an amount", CHARGE, WITH("'interest':{'value_cents':1}"),
	IS("interest", TERMS)},
	{"interest of more than all", CHARGE, WITH("'interest':{'percent':'101'}"),
	IS("interest", TERMS)},
	{"interest with three decimals", CHARGE,
	WITH("'interest':{'percent':'1.255'}"), IS("interest", TERMS)},
	{"interest in binary", CHARGE, WITH("'interest':{'percent':1.25}"),
	IS("interest", TERMS)},
	{"fine with days", CHARGE,
		WITH("'fine':{'percent':'2','days_before_due':1}"),
	IS("fine", TERMS)},
	{"fine of less than nothing", CHARGE, WITH("'fine':{'value_cents':-1}"),
	IS("fine", TERMS)},
	{"change of nothing", CHANGE, "{}",
	IS("billing_type", "given, or another field")},
	{"change of the customer", CHANGE, "{'customer_id':'c'}",
	IS("customer_id", "left out of a change")},
	{"change to a day that is over", CHANGE, "{'due_date':'2029-12-31'}",
	IS("due_date", "today or later")},
	{"refund of nothing", REFUND, "{'value_cents':0}",
	IS("value_cents", "a whole number of cents, 1 or more")},
	{"received on no day", RECEIVE, "{'value_cents':1}",
	IS("payment_date", "given")},
	{"received tomorrow", RECEIVE,
		"{'payment_date':'2030-01-15','value_cents':1}",
	IS("payment_date", "today or earlier")},
	{"received nothing", RECEIVE, "{'payment_date':'2030-01-14'}",
	IS("value_cents", "given")},
	{"recurrence of its own", RECUR,
		"{'customer_id':'c','billing_type':'PIX','value_cents':1,"
		"'next_due_date':'2030-01-15','cycle':'DAILY'}",
	IS("cycle", CYCLES)},
	{"recurrence that has ended", RECUR, RECURS("'end_date':'2029-01-01'"),
	IS("end_date", "today or later")},
	{"recurrence without payments", RECUR, RECURS("'max_payments':0"),
	IS("max_payments", "a whole number, 1 or more")},
	{"recurrence that is new and inactive", RECUR,
		RECURS("'status':'INACTIVE'"),
	IS("status", "left out of what is new")},
	{"notifications of nothing", NOTIFY, "{}",
	IS("notifications", "an array of 1 to 8 objects")},
	{"notification without an id", NOTIFY,
		"{'notifications':[{'enabled':true}]}",
	IS("notification_id", "an id of the provider")},
	{"notification without a change", NOTIFY,
		"{'notifications':[{'notification_id':'n'}]}",
	IS("notifications", "of known members")},
	{"notification with text of one's own", NOTIFY,
		"{'notifications':[{'notification_id':'n','enabled':true,"
		"'text':'x'}]}",
	IS("notifications", "of known members")},
	{"notification that is a word", NOTIFY, "{'notifications':['x']}",
	IS("notification_id", "an id of the provider")},
	{"webhook without encryption", HOOK,
		HOOKS("'url':'http://h/','events':['PAYMENT_RECEIVED']"),
	IS("url", "a URL that begins with https://")},
	{"webhook of nothing", HOOK, HOOKS("'url':'https://h/','events':[]"),
	IS("events", "an array of words")},
	{"webhook of something", HOOK,
		HOOKS("'url':'https://h/','events':['a b']"),
	IS("events", "an array of words")}
};

static const BadRow good_rows[] = {
	{"customer with punctuation", CUSTOMER,
	"{'name':'Ana','document':'529.982.247-25','email':null}", NULL},
	{"customer from abroad", CUSTOMER,
	"{'name':'Eve','document':'X','foreign_customer':true}", NULL},
	{"charge that is due today", CHARGE, WITH("'description':''"), NULL},
	{"discount, interest and fine", CHARGE,
		WITH("'discount':{'percent':'100','days_before_due':0},"
			 "'interest':{'percent':1},'fine':{'value_cents':0}"),
	NULL},
	{"change of a value", CHANGE, "{'value_cents':1}", NULL},
	{"refund of all", REFUND, "{}", NULL},
	{"received today", RECEIVE,
	"{'payment_date':'2030-01-14','value_cents':1}", NULL},
	{"recurrence", RECUR, RECURS("'max_payments':1"), NULL},
	{"change of a recurrence", PARTNER_API_CHANGE_RECURRENCE,
	"{'update_pending':true}", NULL}
};

static PartnerApiAction
action_with(PartnerApiKind kind, const char *arguments)
{
	PartnerApiAction action = action_of(kind, arguments);

	if (partner_api_kind_traits(kind)->creates)
		action.instance_id = NULL;
	action.now_ms = NOW_MS;
	return action;
}

static void
check(void *action)
{
	partner_api_asaas.check(action);
}

/* So many characters of two bytes each. */
static char *
long_text(int characters)
{
	char	   *str = pstrdup("");

	while (characters-- > 0)
		str = psprintf("%s\xC3\xA7", str);
	return str;
}

/* The arguments of a row; those without have a text that is too long. */
static const char *
arguments_of(const BadRow *row, int more)
{
	if (row->arguments != NULL)
		return row->arguments;
	return row->kind == CUSTOMER ?
		psprintf("{" ANA ",'complement':'%s'}", long_text(255 + more)) :
		psprintf(WITH("'description':'%s'"), long_text(500 + more));
}

static void
test_refused(const void *data)
{
	const BadRow *row = data;
	PartnerApiAction action = action_with(row->kind, arguments_of(row, 1));

	assert_error(check, &action, ERRCODE_INVALID_PARAMETER_VALUE,
				 row->message);
	if (row->arguments != NULL)
		return;
	action = action_with(row->kind, arguments_of(row, 0));
	assert_null(backend_catch(check, &action));
}

static void
test_accepted(const void *data)
{
	const BadRow *row = data;
	PartnerApiAction action = action_with(row->kind, row->arguments);
	const BackendError *error = backend_catch(check, &action);

	if (error != NULL)
		fail_msg("refused: %s", error->message);
}

/* Without a clock no day is over. */
static void
test_no_clock(const void *unused)
{
	PartnerApiAction action = action_with(CHANGE, "{'due_date':'2001-01-01'}");

	action.now_ms = 0;
	assert_null(backend_catch(check, &action));
}

/* Ids are opaque, but must stay segments of a path. */
static void
test_ids(const void *unused)
{
	static const char *const bad[] = {"", "..", "a/b", "a b", "a?b", "a%2Fb"};
	PartnerApiAction action = action_with(PARTNER_API_DELETE_CHARGE, "{}");

	assert_null(backend_catch(check, &action));
	for (size_t i = 0; i < lengthof(bad); i++)
	{
		action.instance_id = bad[i];
		assert_error(check, &action, ERRCODE_INVALID_PARAMETER_VALUE,
					 IS("charge_id", "an id of the provider"));
	}
}

/* What people are called by does not get into the log. */
static void
test_values_are_not_repeated(const void *unused)
{
	static const char *const values[] = {"5299822", "Ana", "11.222", "a@b"};

	for (size_t i = 0; i < lengthof(bad_rows); i++)
	{
		PartnerApiAction action = action_with(bad_rows[i].kind,
											  arguments_of(&bad_rows[i], 1));
		const BackendError *error = backend_catch(check, &action);
		char	   *said = psprintf("%s %s", error->message, error->detail);

		for (size_t j = 0; j < lengthof(values); j++)
			assert_null(strstr(said, values[j]));
	}
}

int
main(void)
{
	add_table(test_refused, bad_rows);
	add_table(test_accepted, good_rows);
	add_test("without a clock", test_no_clock);
	add_test("ids", test_ids);
	add_test("values are not repeated", test_values_are_not_repeated);
	return run_suite("asaas check");
}
