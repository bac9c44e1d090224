/*-------------------------------------------------------------------------
 *
 * zsystems_client.c
 *	  zsystems: clients and their cards.
 *
 * Of a card only the last digits, the holder and the expiry are kept; its
 * number and code are covered before the request ring sees them.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "zsystems.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define SHOWN_DIGITS 4
#define MIN_CARD_DIGITS 13
#define MAX_CARD_DIGITS 19
#define COVER "***"

static const char *
text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* The document that a client is known by, or NULL. */
const char *
sandbox_client_document(const json_t *client)
{
	const char *cpf = text_of(client, "cpf");

	return cpf != NULL ? cpf : text_of(client, "cnpj");
}

/* Are these two documents the same digits? */
static bool
same_document(const char *one, const char *other)
{
	for (;; one++, other++)
	{
		while (*one != '\0' && !isdigit((unsigned char) *one))
			one++;
		while (*other != '\0' && !isdigit((unsigned char) *other))
			other++;
		if (*one != *other)
			return false;
		if (*one == '\0')
			return true;
	}
}

/* The client with a document, or NULL. */
SandboxRecord *
sandbox_client_known(const char *document)
{
	size_t		i;

	for (i = 0; i < sandbox_record_count(SANDBOX_CLIENTS); i++)
	{
		SandboxRecord *client = sandbox_record_get(SANDBOX_CLIENTS, i);
		const char *known = sandbox_client_document(client->fields);

		if (!client->removed && known != NULL &&
			same_document(known, document))
			return client;
	}
	return NULL;
}

static size_t
count_digits(const char *text)
{
	return text != NULL ? strspn(text, "0123456789") : 0;
}

/* The field of a client that is missing, or NULL. */
const char *
sandbox_client_misfit(const json_t *client)
{
	const char *cpf = text_of(client, "cpf");
	const char *document = sandbox_client_document(client);

	if (text_of(client, "nome") == NULL || *text_of(client, "nome") == '\0')
		return "nome";
	if (document == NULL)
		return "cpf";
	if (cpf != NULL && strlen(cpf) != 11)
		return "cpf";
	return cpf == NULL && strlen(document) != 14 ? "cnpj" : NULL;
}

/* Keep a client, as it was sent. */
SandboxRecord *
sandbox_client_enter(const json_t *client, SandboxToken *maker)
{
	return sandbox_record_add(SANDBOX_CLIENTS,
							  json_copy((json_t *) client), maker);
}

/* POST /clientes: a document that is known is refused under 202. */
void
sandbox_client_create(SandboxRequest *request)
{
	const char *misfit = sandbox_client_misfit(request->json);
	SandboxRecord *client;

	if (misfit != NULL)
	{
		sandbox_zsystems_misfit(request, SANDBOX_REFUSAL_ERRORS, misfit);
		return;
	}
	client = sandbox_client_known(sandbox_client_document(request->json));
	if (client != NULL)
	{
		sandbox_reply_json(&request->reply, 202,
						   json_pack("{s:b, s:s, s:{s:I}}", "success", 0,
									 "error", "Documento já cadastrado",
									 "cliente", "id", client->id));
		return;
	}
	client = sandbox_client_enter(request->json, request->partner);
	request->effects++;
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:b, s:O}", "success", 1,
								 "cliente", client->fields));
}

/* GET /clientes/por_documento/{document} */
void
sandbox_client_find(SandboxRequest *request)
{
	SandboxRecord *client = sandbox_client_known(request->parameter);

	if (client == NULL)
		sandbox_zsystems_unknown(request, "Cliente");
	else
		sandbox_reply_json(&request->reply, 200,
						   json_pack("{s:b, s:O}", "success", 1,
									 "cliente", client->fields));
}

/* Is MM/YYYY or MM/YY a month that is not over? */
static bool
is_valid_until(const char *text)
{
	int			month;
	int			year;
	int			end = 0;
	char		now[SANDBOX_TIME_LEN];
	char		last[16];

	if (text == NULL || sscanf(text, "%2d/%4d%n", &month, &year, &end) != 2 ||
		text[end] != '\0' || month < 1 || month > 12)
		return false;
	if (year < 100)
		year += 2000;
	sandbox_iso_time(sandbox_clock_now(), now);
	snprintf(last, sizeof(last), "%04d-%02d", year, month);
	return strncmp(last, now, strlen(last)) >= 0;
}

/* The field of a card that is refused, or NULL. */
const char *
sandbox_card_misfit(const json_t *card)
{
	const char *number = text_of(card, "numero");
	const char *code = text_of(card, "codigoSeguranca");
	size_t		digits = count_digits(number);

	if (text_of(card, "titular") == NULL)
		return "cartao.titular";
	if (digits < MIN_CARD_DIGITS || digits > MAX_CARD_DIGITS ||
		number[digits] != '\0')
		return "cartao.numero";
	if (count_digits(code) < 3 || strlen(code) > 4)
		return "cartao.codigoSeguranca";
	return is_valid_until(text_of(card, "validade")) ? NULL :
		"cartao.validade";
}

static const char *
last_digits(const char *number)
{
	size_t		len = strlen(number);

	return len > SHOWN_DIGITS ? number + len - SHOWN_DIGITS : number;
}

/* Keep what may be kept of a card that fits. */
SandboxRecord *
sandbox_card_enter(const json_t *card, const SandboxRecord *client,
				   SandboxToken *maker)
{
	return sandbox_record_add(SANDBOX_CARDS,
							  json_pack("{s:I, s:s, s:s, s:s}",
										"cliente_id", client->id,
										"titular", text_of(card, "titular"),
										"ultimos_digitos",
										last_digits(text_of(card, "numero")),
										"validade",
										text_of(card, "validade")),
							  maker);
}

/* POST /clientes/{id}/cartoes */
void
sandbox_card_create(SandboxRequest *request)
{
	SandboxRecord *client = sandbox_record_find(SANDBOX_CLIENTS, request->id);
	const char *misfit = sandbox_card_misfit(request->json);
	SandboxRecord *card;

	if (client == NULL)
	{
		sandbox_zsystems_unknown(request, "Cliente");
		return;
	}
	if (misfit != NULL)
	{
		sandbox_zsystems_misfit(request, SANDBOX_REFUSAL_ERRORS, misfit);
		return;
	}
	card = sandbox_card_enter(request->json, client, request->partner);
	request->effects++;
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:b, s:{s:I, s:O}}", "success", 1,
								 "cartaoId", "id", card->id,
								 "ultimos_digitos",
								 json_object_get(card->fields,
												 "ultimos_digitos")));
}

/* Cover what nobody may keep of a card. */
static void
cover_card(json_t *card)
{
	const char *number = text_of(card, "numero");

	if (number != NULL)
		json_object_set_new(card, "numero",
							json_sprintf(COVER "%s", last_digits(number)));
	if (json_object_get(card, "codigoSeguranca") != NULL)
		json_object_set_new(card, "codigoSeguranca", json_string(COVER));
}

/*
 * The body of a request as the journal may show it, to be freed.  One that
 * is not JSON is not shown at all where a card may be in it.
 */
char *
sandbox_card_covered(const SandboxRequest *request)
{
	json_t	   *body;
	SandboxBuffer text = {NULL, 0, 0};

	if (request->operation != SANDBOX_CREATE_SUBSCRIPTION &&
		request->operation != SANDBOX_CHANGE_SUBSCRIPTION &&
		request->operation != SANDBOX_STORE_CARD)
		return NULL;
	body = request->body.len > 0 ?
		json_loadb(request->body.data, request->body.len, 0, NULL) : NULL;
	if (body == NULL)
		return sandbox_strdup(COVER);
	cover_card(request->operation == SANDBOX_STORE_CARD ? body :
			   json_object_get(body, "cartao"));
	sandbox_buffer_json(&text, body);
	return text.data;
}
