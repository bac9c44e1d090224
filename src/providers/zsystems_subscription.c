/*-------------------------------------------------------------------------
 *
 * zsystems_subscription.c
 *	  zsystems: subscriptions, their clients and invoices, as they are given,
 *	  sent and shown.
 *
 * There are two forms of a subscription: the long one brings a client and a
 * card along, the short one names a client and a card that the provider has.
 * They are told apart by "client" and "client_id".
 *
 * What the provider shows of the state is a number, which its clients read
 * differently, and sometimes a title.  The title decides; the number is kept
 * as it is.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"
#include "providers/zsystems.h"

static const PartnerApiZsystemsMember client_members[] = {
	{"name", "nome", true},
	{"email", "email", false},
	{"birth_date", "dataNascimento", false},
	{"document", NULL, true},
	{"phone", "telefone", false},
	{"mobile", "celular", false}
};

static const PartnerApiZsystemsMember address_members[] = {
	{"street", "logradouro", false},
	{"number", "numero", false},
	{"complement", "complemento", false},
	{"district", "bairro", false},
	{"postal_code", "cep", false},
	{"city", "cidade", false},
	{"state", "estado", false}
};

#define CLIENT_MEMBERS "name, email, birth_date, document, phone, mobile"
#define ADDRESS_MEMBERS \
	"street, number, complement, district, postal_code, city, state"

/* ---- arguments ---- */

/*
 * Raise ERROR for members of an argument that do not suit, or are not known.
 */
static void
check_members(const json_t *object, const char *argument,
			  const PartnerApiZsystemsMember *members, size_t count,
			  const char *names)
{
	size_t		known = 0;

	if (!json_is_object(object))
		partner_api_refuse(argument, "a JSON object",
						   psprintf("The value is %s.",
									partner_api_type_name(object)),
						   psprintf("Its members are: %s.", names));
	for (size_t i = 0; i < count; i++)
	{
		(void) partner_api_line_argument(object, argument, members[i].name,
										 members[i].required);
		if (json_object_get(object, members[i].name) != NULL)
			known++;
	}
	if (known < json_object_size(object))
		partner_api_refuse(argument, "without further members",
						   "It has a member that is not known.",
						   psprintf("Known members are: %s.",
									names));
}

/*
 * Raise ERROR for a client's document or birth date that cannot be one.
 */
static void
check_person(const json_t *client, const char *prefix)
{
	const char *document = partner_api_line_argument(client, prefix,
													 "document", true);
	const char *birth = partner_api_line_argument(client, prefix,
												  "birth_date", false);

	if (partner_api_document(document) == NULL)
		partner_api_refuse(prefix == NULL ? "document" :
						   "client.document",
						   "a CPF or CNPJ",
						   "It has not 11 or 14 digits, or its check "
						   "digits do not fit.",
						   "Give it with or without punctuation.");
	if (birth != NULL && !partner_api_is_date(birth))
		partner_api_refuse(prefix == NULL ? "birth_date" :
						   "client.birth_date",
						   "a date",
						   "It is not of the form YYYY-MM-DD.",
						   "Give a date such as \"1980-12-31\".");
}

/*
 * Raise ERROR for an address that does not suit; there may be none.
 */
static void
check_address(const json_t *arguments)
{
	const json_t *address = json_object_get(arguments, "address");

	if (address != NULL && !json_is_null(address))
		check_members(address, "address", address_members,
					  lengthof(address_members), ADDRESS_MEMBERS);
}

/*
 * Raise ERROR for a client that must not be sent.
 */
void
partner_api_zsystems_check_client(const PartnerApiAction *action)
{
	for (size_t i = 0; i < lengthof(client_members); i++)
		(void) partner_api_line_argument(action->arguments, NULL,
										 client_members[i].name,
										 client_members[i].required);
	check_person(action->arguments, NULL);
	check_address(action->arguments);
}

/* Is the argument given? */
static bool
has(const PartnerApiAction *action, const char *name)
{
	const json_t *value = json_object_get(action->arguments, name);

	return value != NULL && !json_is_null(value);
}

/*
 * Raise ERROR for a short form that brings along what it only names.
 */
static void
check_short_form(const PartnerApiAction *action)
{
	const char *id = partner_api_line_argument(action->arguments, NULL,
											   "client_id", true);

	partner_api_zsystems_check_id("client_id", id);
	(void) partner_api_line_argument(action->arguments, NULL, "card_id",
									 false);
	if (has(action, "address") || action->secret != NULL)
		partner_api_refuse("client_id",
						   "given without address and card",
						   "The provider has the client's address "
						   "already.",
						   "Store a new card with store_card() "
						   "first.");
}

/*
 * Raise ERROR for a long form that lacks its client or card.
 */
static void
check_long_form(const PartnerApiAction *action)
{
	const json_t *client = json_object_get(action->arguments, "client");

	if (!has(action, "client"))
		partner_api_refuse("client", "given, or client_id",
						   "Nobody is named who subscribes.",
						   "Give client, address and card, or "
						   "client_id and card_id.");
	if (has(action, "card_id"))
		partner_api_refuse("card_id", "given with client_id",
						   "A stored card is its client's.",
						   "Give client_id and card_id.");
	check_members(client, "client", client_members,
				  lengthof(client_members), CLIENT_MEMBERS);
	check_person(client, "client");
	check_address(action->arguments);
	partner_api_zsystems_check_card(action->secret, action->now_ms);
}

/*
 * Raise ERROR for an expiration date that is none, or over; false is none.
 */
static void
check_expiration(const PartnerApiAction *action)
{
	const json_t *date = json_object_get(action->arguments,
										 "expiration_date");
	int64		ms;

	if (!has(action, "expiration_date") || json_is_false(date))
		return;
	if (!partner_api_instant(date, &ms))
		partner_api_refuse("expiration_date",
						   "a date, or a time with a zone",
						   "The value cannot be read.",
						   "Give a date such as \"2030-12-31\".");
	if (action->now_ms > 0 && ms <= action->now_ms)
		partner_api_refuse("expiration_date",
						   "in the future",
						   "The subscription would have expired "
						   "already.",
						   "Give a later date.");
}

/*
 * Raise ERROR for a subscription that must not be sent.
 */
void
partner_api_zsystems_check_subscription(const PartnerApiAction *action)
{
	const char *plan_id = partner_api_line_argument(action->arguments, NULL,
													"plan_id", true);

	partner_api_zsystems_check_id("plan_id", plan_id);
	check_expiration(action);
	if (!has(action, "client_id"))
		check_long_form(action);
	else if (has(action, "client"))
		partner_api_refuse("client", "left out, or client_id",
						   "Two clients are named.",
						   "Give client_id for a client that the "
						   "provider has.");
	else
		check_short_form(action);
}

/* ---- what is sent ---- */

/*
 * Put the members that are given into an object, by the API's names.
 */
static void
put_members(json_t *body, const json_t *object,
			const PartnerApiZsystemsMember *members, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		const char *str =
		json_string_value(json_object_get(object, members[i].name));

		if (str != NULL && *str != '\0' && members[i].key != NULL)
			partner_api_json_put_text(body, members[i].key, str);
	}
}

/*
 * A client as it is sent: the name of the document's member says which it is.
 */
static json_t *
client_body(const json_t *client)
{
	json_t	   *body = partner_api_json_object();
	char	   *document =
	partner_api_document(json_string_value(json_object_get(client,
														   "document")));

	put_members(body, client, client_members, lengthof(client_members));
	if (document != NULL)
		partner_api_json_put_text(body, strlen(document) == 11 ? "cpf" :
								  "cnpj", document);
	return body;
}

/*
 * Put the address that is given into the body; there may be none.
 */
static void
put_address(json_t *body, const json_t *arguments)
{
	const json_t *given = json_object_get(arguments, "address");
	json_t	   *address;

	if (!json_is_object(given))
		return;
	address = partner_api_json_object();
	put_members(address, given, address_members, lengthof(address_members));
	partner_api_json_put(body, "endereco", address);
}

/*
 * A new client.  A client of the API is known to send "documento" here, while
 * a subscription's client has "cpf" or "cnpj"; so both are sent.
 */
json_t *
partner_api_zsystems_client_body(const PartnerApiAction *action)
{
	json_t	   *body = client_body(action->arguments);
	json_t	   *document = json_object_get(body, "cpf");

	if (document == NULL)
		document = json_object_get(body, "cnpj");
	partner_api_json_put(body, "documento", document);
	put_address(body, action->arguments);
	return body;
}

/*
 * The text of an argument, or NULL.
 */
static const char *
text_of(const PartnerApiAction *action, const char *name)
{
	return json_string_value(json_object_get(action->arguments, name));
}

/*
 * A new subscription, in the form that its arguments have.
 */
json_t *
partner_api_zsystems_subscription_body(const PartnerApiAction *action)
{
	json_t	   *body = partner_api_json_object();
	json_t	   *expiration = json_object_get(action->arguments,
											 "expiration_date");
	const char *date = json_string_value(expiration);

	partner_api_zsystems_put_id(body, "planoId", text_of(action, "plan_id"));
	if (has(action, "client_id"))
	{
		partner_api_zsystems_put_id(body, "clienteId",
									text_of(action, "client_id"));
		partner_api_zsystems_put_id(body, "tokenCardId",
									text_of(action, "card_id"));
	}
	else
	{
		partner_api_json_put(body, "cliente",
							 client_body(json_object_get(action->arguments,
														 "client")));
		put_address(body, action->arguments);
		partner_api_json_put(body, "cartao",
							 partner_api_zsystems_card_body(action->secret,
															false));
	}
	if (json_is_false(expiration) ||
		(date != NULL && partner_api_is_date(date)))
		partner_api_json_put(body, "expiration_date", expiration);
	else
		partner_api_put_time(body, "expiration_date", expiration);
	return body;
}

/* ---- what is shown ---- */

/*
 * What a title says, in our words.  Titles are not published; these are parts
 * of the words that the two languages have for the states, whatever their
 * gender.  The first that is contained decides, so that "unpaid" and
 * "awaiting payment" are not taken for paid.
 */
static const char *
title_status(const char *title)
{
	static const char *const parts[][2] = {
		{"inativ", PARTNER_API_ZSYSTEMS_UNKNOWN},
		{"inactiv", PARTNER_API_ZSYSTEMS_UNKNOWN},
		{"cancel", PARTNER_API_ZSYSTEMS_CANCELLED},
		{"suspen", PARTNER_API_ZSYSTEMS_SUSPENDED},
		{"pausad", PARTNER_API_ZSYSTEMS_SUSPENDED},
		{"expir", PARTNER_API_ZSYSTEMS_EXPIRED},
		{"encerrad", PARTNER_API_ZSYSTEMS_EXPIRED},
		{"atras", "past_due"},
		{"late", "past_due"},
		{"overdue", "past_due"},
		{"past", "past_due"},
		{"vencid", "past_due"},
		{"inadimpl", "past_due"},
		{"unpaid", "past_due"},
		{"trial", "trial"},
		{"teste", "trial"},
		{"aguard", "waiting"},
		{"waiting", "waiting"},
		{"pend", "waiting"},
		{"ativ", "active"},
		{"activ", "active"},
		{"pago", "paid"},
		{"paga", "paid"},
		{"paid", "paid"}
	};

	for (size_t i = 0; i < lengthof(parts); i++)
	{
		if (partner_api_words_contain(title, parts[i][0]))
			return parts[i][1];
	}
	return PARTNER_API_ZSYSTEMS_UNKNOWN;
}

/*
 * The state of a subscription: by its title, else by the time at which it was
 * suspended or removed, else unknown.  The flag "ativo" is no state: what it
 * says of a trial or a late payer is not known.
 */
static const char *
subscription_status(const json_t *subscription)
{
	const json_t *state = json_object_get(subscription, "status_assinatura");
	const char *title = json_string_value(json_object_get(state, "titulo"));
	const json_t *removed = json_object_get(subscription, "removed");
	int64		ms;

	if (title == NULL)
		title = json_string_value(state);
	if (title != NULL)
		return title_status(title);
	if (json_is_true(removed) || partner_api_instant(removed, &ms))
		return PARTNER_API_ZSYSTEMS_CANCELLED;
	if (partner_api_instant(json_object_get(subscription,
											"suspended_at"), &ms))
		return PARTNER_API_ZSYSTEMS_SUSPENDED;
	return PARTNER_API_ZSYSTEMS_UNKNOWN;
}

/*
 * Set an id from the first of two members that has one.
 */
static void
put_shown_id(json_t *fields, const char *name, const json_t *object,
			 const char *key, const char *other)
{
	char	   *id = partner_api_zsystems_id(json_object_get(object, key));

	if (id == NULL)
		id = partner_api_zsystems_id(json_object_get(object, other));
	partner_api_json_put_text(fields, name, id);
}

/*
 * Set cents from decimal reais, if they are whole.
 */
static void
put_amount(json_t *fields, const json_t *object)
{
	int64		cents;

	if (partner_api_cents(json_object_get(object, "amount"), &cents))
		partner_api_json_put_int64(fields, "amount_cents", cents);
}

/*
 * A subscription by our columns.
 */
json_t *
partner_api_zsystems_subscription_fields(const json_t *subscription)
{
	json_t	   *fields = partner_api_json_object();
	int64		number;

	partner_api_json_put_text(fields, "subscription_id",
							  partner_api_zsystems_id(subscription));
	put_shown_id(fields, "plan_id", subscription, "plano_id", "plano");
	put_shown_id(fields, "client_id", subscription, "cliente_id", "cliente");
	partner_api_json_put_text(fields, "status",
							  subscription_status(subscription));
	if (partner_api_zsystems_count(subscription, "status_assinatura_id",
								   &number))
		partner_api_json_put_int64(fields, "status_id", number);
	put_amount(fields, subscription);
	partner_api_json_put_text(fields, "currency",
							  partner_api_filled_text(subscription,
													  "currency"));
	partner_api_json_put_text(fields, "payment_method",
							  partner_api_filled_text(subscription,
													  "payment_method"));
	partner_api_json_put_text(fields, "due_on",
							  partner_api_day(json_object_get(subscription,
															  "due_date")));
	partner_api_put_time(fields, "expires_at",
						 json_object_get(subscription,
										 "expiration_date"));
	partner_api_put_time(fields, "created_at",
						 json_object_get(subscription, "created"));
	partner_api_put_time(fields, "suspended_at",
						 json_object_get(subscription,
										 "suspended_at"));
	return fields;
}

/*
 * A client by our columns.
 */
json_t *
partner_api_zsystems_client_fields(const json_t *client)
{
	static const char *const keys[] = {"cpf", "cnpj", "documento"};
	json_t	   *fields = partner_api_json_object();
	char	   *document = NULL;

	partner_api_json_put_text(fields, "client_id",
							  partner_api_zsystems_id(client));
	partner_api_json_put_text(fields, "name",
							  partner_api_filled_text(client, "nome"));
	partner_api_json_put_text(fields, "email",
							  partner_api_filled_text(client, "email"));
	for (size_t i = 0; i < lengthof(keys) && document == NULL; i++)
	{
		const json_t *shown = json_object_get(client, keys[i]);

		document = partner_api_document(json_string_value(shown));
	}
	partner_api_json_put_text(fields, "document", document);
	return fields;
}

/*
 * An invoice by our columns.
 */
json_t *
partner_api_zsystems_invoice_fields(const json_t *invoice)
{
	json_t	   *fields = partner_api_json_object();

	partner_api_json_put_text(fields, "invoice_id",
							  partner_api_zsystems_id(invoice));
	put_shown_id(fields, "subscription_id", invoice, "assinatura_id",
				 "assinatura");
	put_amount(fields, invoice);
	partner_api_json_put_text(fields, "status",
							  partner_api_filled_text(invoice, "status"));
	partner_api_json_put_text(fields, "invoiced_on",
							  partner_api_day(json_object_get(invoice,
															  "date_invoice")));
	partner_api_put_time(fields, "paid_at",
						 json_object_get(invoice, "paid_at"));
	return fields;
}
