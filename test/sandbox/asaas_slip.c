/*-------------------------------------------------------------------------
 *
 * asaas_slip.c
 *	  Asaas: what a payer needs: the digits of a boleto, the code of a Pix.
 *
 * Both have right check digits, for clients that look at them.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

#include <stdlib.h>
#include <string.h>

#define BANK "461"				/* of Asaas */
#define BAR_CODE_DIGITS 44
#define DUE_EPOCH 10507			/* 1998-10-08, a day of factor 365 */
#define QR_DAYS 365

/* The payment of the path if it can be paid so; else NULL with a reply. */
static SandboxAsaas *
payment_by(SandboxRequest *request, const char *method)
{
	SandboxAsaas *payment = sandbox_asaas_of(request, SANDBOX_ASAAS_PAYMENTS);
	const char *type;

	if (payment == NULL)
		return NULL;
	type = sandbox_asaas_text(payment, "billingType");
	if (sandbox_asaas_is_open(payment) &&
		(strcmp(type, method) == 0 || strcmp(type, "UNDEFINED") == 0))
		return payment;
	sandbox_asaas_impossible(request, "A cobrança não pode ser paga com esta"
							 " forma de pagamento.");
	return NULL;
}

/* The check digit of a field of the line (modulo 10). */
static int
check_10(const char *digits, size_t len)
{
	int			weight = 2;
	int			sum = 0;

	while (len-- > 0)
	{
		int			part = (digits[len] - '0') * weight;

		sum += part / 10 + part % 10;
		weight = 3 - weight;
	}
	return (10 - sum % 10) % 10;
}

/* The check digit of the bar code, whose place (4) does not count. */
static int
check_11(const char *digits)
{
	int			weight = 2;
	int			sum = 0;
	int			i;

	for (i = BAR_CODE_DIGITS - 1; i >= 0; i--)
	{
		if (i == 4)
			continue;
		sum += (digits[i] - '0') * weight;
		weight = weight == 9 ? 2 : weight + 1;
	}
	sum = 11 - sum % 11;
	return sum == 0 || sum > 9 ? 1 : sum;
}

/*
 * The bar code of a payment, to be freed: bank, currency, check digit, due
 * date, value, number.
 */
static char *
bar_code(const SandboxAsaas *payment)
{
	char	   *result;
	int			due = 0;
	int			factor;

	sandbox_asaas_is_day(json_object_get(payment->fields, "dueDate"), &due);
	factor = (due - DUE_EPOCH + 365) % 9000;
	result = sandbox_printf(BANK "90%04d%010lld%025zu",
							factor < 1000 ? factor + 1000 : factor,
							(long long) sandbox_asaas_number(payment,
															 "value") %
							10000000000LL, 1500000 + payment->position);
	result[4] = (char) ('0' + check_11(result));
	return result;
}

/* The line that a payer types, from the bar code. */
static char *
typed_line(const char *code)
{
	char	   *fields[3];
	char	   *result;
	int			i;

	fields[0] = sandbox_printf("%.4s%.5s", code, code + 19);
	fields[1] = sandbox_printf("%.10s", code + 24);
	fields[2] = sandbox_printf("%.10s", code + 34);
	result = sandbox_printf("%s%d%s%d%s%d%.1s%.14s",
							fields[0], check_10(fields[0], 9),
							fields[1], check_10(fields[1], 10),
							fields[2], check_10(fields[2], 10),
							code + 4, code + 5);
	for (i = 0; i < 3; i++)
		free(fields[i]);
	return result;
}

static json_t *
slip_json(const SandboxAsaas *payment)
{
	char	   *code = bar_code(payment);
	char	   *line = typed_line(code);
	json_t	   *result;

	result = json_pack("{s:s, s:o, s:s}", "identificationField", line,
					   "nossoNumero",
					   json_sprintf("%zu", 1500000 + payment->position),
					   "barCode", code);
	free(line);
	free(code);
	return result;
}

/* CRC-16/CCITT-FALSE, which ends a Pix code */
static unsigned
crc_16(const char *text)
{
	unsigned	crc = 0xFFFF;
	int			bit;

	for (; *text != '\0'; text++)
	{
		crc ^= (unsigned) (unsigned char) *text << 8;
		for (bit = 0; bit < 8; bit++)
			crc = (crc & 0x8000) != 0 ? (crc << 1 ^ 0x1021) & 0xFFFF :
				crc << 1 & 0xFFFF;
	}
	return crc;
}

static json_t *
pix_json(const SandboxAsaas *payment)
{
	char	   *url = sandbox_printf("pix-h.asaas.com/qr/cobv/%s",
									 payment->id);
	char	   *code = sandbox_printf("00020101021226%02zu0014br.gov.bcb.pix"
									  "25%02zu%s52040000530398658"
									  "02BR5909Sandbox S6008Sao Joao"
									  "62070503***6304",
									  strlen(url) + 22, strlen(url), url);
	json_t	   *result;
	int			due = 0;

	sandbox_asaas_is_day(json_object_get(payment->fields, "dueDate"), &due);
	result = json_pack("{s:s, s:o, s:o}", "encodedImage", SANDBOX_PIXEL_PNG,
					   "payload", json_sprintf("%s%04X", code, crc_16(code)),
					   "expirationDate",
					   sandbox_asaas_stamp_json(sandbox_asaas_day_start(due +
																		QR_DAYS)));
	free(url);
	free(code);
	return result;
}

/* GET /payments/{id}/identificationField */
void
sandbox_asaas_payment_line(SandboxRequest *request)
{
	SandboxAsaas *payment = payment_by(request, "BOLETO");

	if (payment != NULL)
		sandbox_reply_json(&request->reply, 200, slip_json(payment));
}

/* GET /payments/{id}/pixQrCode */
void
sandbox_asaas_payment_pix(SandboxRequest *request)
{
	SandboxAsaas *payment = payment_by(request, "PIX");

	if (payment != NULL)
		sandbox_reply_json(&request->reply, 200, pix_json(payment));
}

/* GET /payments/{id}/billingInfo: what there is of each method, or null */
void
sandbox_asaas_payment_billing(SandboxRequest *request)
{
	SandboxAsaas *payment = sandbox_asaas_of(request, SANDBOX_ASAAS_PAYMENTS);
	const char *type;
	bool		any;

	if (payment == NULL)
		return;
	type = sandbox_asaas_text(payment, "billingType");
	any = strcmp(type, "UNDEFINED") == 0;
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:o, s:O?, s:o}",
								 "pix", any || strcmp(type, "PIX") == 0 ?
								 pix_json(payment) : json_null(),
								 "creditCard",
								 json_object_get(payment->fields,
												 "creditCard"),
								 "bankSlip",
								 any || strcmp(type, "BOLETO") == 0 ?
								 slip_json(payment) : json_null()));
}

/* GET /payments/{id}/status */
void
sandbox_asaas_payment_status(SandboxRequest *request)
{
	SandboxAsaas *payment = sandbox_asaas_of(request, SANDBOX_ASAAS_PAYMENTS);

	if (payment != NULL)
		sandbox_reply_json(&request->reply, 200,
						   json_pack("{s:s}", "status",
									 sandbox_asaas_text(payment, "status")));
}

/* GET /payments/{id}/viewingInfo */
void
sandbox_asaas_payment_views(SandboxRequest *request)
{
	SandboxAsaas *payment = sandbox_asaas_of(request, SANDBOX_ASAAS_PAYMENTS);

	if (payment != NULL)
		sandbox_reply_json(&request->reply, 200,
						   json_pack("{s:O?, s:O?}", "invoiceViewedDate",
									 json_object_get(payment->fields,
													 "lastInvoiceViewedDate"),
									 "boletoViewedDate",
									 json_object_get(payment->fields,
													 "lastBankSlipViewedDate")));
}
