/*-------------------------------------------------------------------------
 *
 * payment_data.c
 *	  What a customer needs to pay an invoice: link, boleto, Pix.
 *
 * The digits of the boleto and the Pix code are asked for when somebody wants
 * them, and kept with the payment until it changes or the code expires; the
 * image of the code is not kept.  The caller's own rights and mapping ask the
 * provider; what is kept, and so is told to customers, nobody else can write.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "live.h"
#include "miscadmin.h"
#include "owner.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(partner_api_invoice_payment_data);

/* What charge_to_pay() says, by column. */
typedef enum ToPayColumn
{
	TO_PAY_SERVER = 1,
	TO_PAY_CHARGE_ID,
	TO_PAY_STATE,				/* what the codes are for */
	TO_PAY_ASK_BOLETO,
	TO_PAY_ASK_PIX,
	TO_PAY_ANY_WAY				/* either may not be there */
} ToPayColumn;

/* What is to be asked for. */
typedef struct ToPay
{
	char	   *server;
	char	   *charge_id;
	char	   *state;
	bool		ask_boleto;
	bool		ask_pix;
	bool		any_way;
} ToPay;

/* What was answered: JSON objects in the database's encoding, or NULL. */
typedef struct Told
{
	char	   *boleto;
	char	   *pix;
	bytea	   *image;
} Told;

/* Columns that keep_payment_data() returns; the image comes after them. */
#define KEPT_COLUMNS 5

/* A boolean field of the last result, which is not null. */
static bool
flag_field(ToPayColumn column)
{
	bool		isnull;

	return DatumGetBool(partner_api_field(0, column, &isnull));
}

/*
 * The charge of an invoice, as the owner.  Raises ERROR if there is nothing
 * to pay.
 */
static void
find_charge(int64 invoice_id, bool with_image, ToPay *to_pay)
{
	static const Oid types[] = {INT8OID, BOOLOID};
	static PartnerApiStatement statement = {
		"SELECT server, charge_id, state, ask_boleto, ask_pix, any_way"
		"  FROM partner_api.charge_to_pay($1, $2)",
		2, types, NULL
	};
	Datum		values[] = {Int64GetDatum(invoice_id),
	BoolGetDatum(with_image)};
	PartnerApiOwnerScope scope;
	MemoryContext context = CurrentMemoryContext;

	partner_api_owner_begin(&scope);
	partner_api_execute(&statement, values, NULL, SPI_OK_SELECT);
	MemoryContextSwitchTo(context);
	to_pay->server = partner_api_field_text(0, TO_PAY_SERVER);
	to_pay->charge_id = partner_api_field_text(0, TO_PAY_CHARGE_ID);
	to_pay->state = partner_api_field_text(0, TO_PAY_STATE);
	to_pay->ask_boleto = flag_field(TO_PAY_ASK_BOLETO);
	to_pay->ask_pix = flag_field(TO_PAY_ASK_PIX);
	to_pay->any_way = flag_field(TO_PAY_ANY_WAY);
	partner_api_owner_end(&scope);
}

/*
 * Ask for one way to pay; NULL if there is none, where the customer may
 * choose.
 */
static char *
ask(const PartnerApiServer *server, PartnerApiRead read, const ToPay *to_pay,
	bytea **image)
{
	PartnerApiTarget target = {.id = to_pay->charge_id};
	PartnerApiReadResult result = {0};

	partner_api_live_check_read(server, read, NULL);
	if (!to_pay->any_way)
		partner_api_live_read(server, read, &target, NULL, &result);
	else if (!partner_api_live_read_if_any(server, read, &target, &result))
		return NULL;
	if (image != NULL)
		*image = result.bytes;
	return result.text;
}

/*
 * Keep what was told with the payment, as the owner; fills the columns of the
 * result but the image.
 */
static void
keep(const ToPay *to_pay, const Told *told, Datum *values, bool *nulls)
{
	static const Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	static PartnerApiStatement statement = {
		"SELECT link, boleto_url, boleto_line, pix_code, pix_expires_at"
		"  FROM partner_api.keep_payment_data($1::name, $2, $3, $4::jsonb,"
		"       $5::jsonb)",
		5, types, NULL
	};
	const char *const texts[] = {to_pay->server, to_pay->charge_id,
	to_pay->state, told->boleto, told->pix};
	Datum		arguments[lengthof(texts)];
	char		absent[lengthof(texts)];
	PartnerApiOwnerScope scope;

	for (int i = 0; i < (int) lengthof(texts); i++)
	{
		absent[i] = texts[i] == NULL ? 'n' : ' ';
		arguments[i] = texts[i] == NULL ? (Datum) 0 :
			CStringGetTextDatum(texts[i]);
	}
	partner_api_owner_begin(&scope);
	partner_api_execute(&statement, arguments, absent, SPI_OK_SELECT);
	for (int i = 0; i < KEPT_COLUMNS; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(SPI_tuptable->tupdesc, i);

		values[i] = partner_api_field(0, i + 1, &nulls[i]);
		if (!nulls[i])
			values[i] = SPI_datumTransfer(values[i], attribute->attbyval,
										  attribute->attlen);
	}
	partner_api_owner_end(&scope);
}

/*
 * SQL: invoice_payment_data(invoice_id, with_image) -> link, boleto_url,
 * boleto_line, pix_code, pix_expires_at, pix_image
 */
Datum
partner_api_invoice_payment_data(PG_FUNCTION_ARGS)
{
	ToPay		to_pay;
	Told		told = {0};
	PartnerApiServer *server;
	TupleDesc	desc;
	Datum		values[KEPT_COLUMNS + 1];
	bool		nulls[KEPT_COLUMNS + 1];

	PreventCommandIfReadOnly("invoice_payment_data()");
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	find_charge(PG_GETARG_INT64(0), PG_GETARG_BOOL(1), &to_pay);
	server = partner_api_live_server(to_pay.server);
	if (to_pay.ask_boleto)
		told.boleto = ask(server, PARTNER_API_READ_BOLETO, &to_pay, NULL);
	if (to_pay.ask_pix)
		told.pix = ask(server, PARTNER_API_READ_PIX, &to_pay, &told.image);
	keep(&to_pay, &told, values, nulls);
	nulls[KEPT_COLUMNS] = !PG_GETARG_BOOL(1) || told.image == NULL;
	values[KEPT_COLUMNS] = PointerGetDatum(told.image);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values,
											 nulls));
}
