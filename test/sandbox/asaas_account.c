/*-------------------------------------------------------------------------
 *
 * asaas_account.c
 *	  Asaas: the account itself, its balance and its ledger.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "asaas.h"

/* GET /finance/balance */
void
sandbox_asaas_account_balance(SandboxRequest *request)
{
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:o}", "balance",
								 sandbox_asaas_reais(sandbox_asaas_balance())));
}

/* GET /myAccount/status/ */
void
sandbox_asaas_account_status(SandboxRequest *request)
{
	const char *word = sandbox_config.asaas_account_approved ?
	"APPROVED" : "PENDING";

	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:s, s:s, s:s, s:s, s:s}", "id",
								 "75ef1ec6-8aa0-4a5f-b9e0-2d3b0a6f21c1",
								 "commercialInfo", word,
								 "bankAccountInfo", word,
								 "documentation", word, "general", word));
}

/* GET /myAccount/accountNumber */
void
sandbox_asaas_account_number(SandboxRequest *request)
{
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:s, s:s, s:s}", "agency", "0001",
								 "account", "1234567", "accountDigit", "8"));
}

/* GET /myAccount/commercialInfo/ */
void
sandbox_asaas_account_info(SandboxRequest *request)
{
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:s, s:s, s:s}", "status",
								 sandbox_config.asaas_account_approved ?
								 "APPROVED" : "PENDING",
								 "personType", "JURIDICA",
								 "companyName", "Sandbox Ltda."));
}

/* GET /myAccount/fees/ */
void
sandbox_asaas_account_fees(SandboxRequest *request)
{
	json_t	   *fee = sandbox_asaas_reais(sandbox_config.asaas_fee_cents);

	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:{s:{s:O}, s:{s:O}}}", "payment",
								 "bankSlip", "defaultValue", fee,
								 "pix", "fixedFeeValue", fee));
	json_decref(fee);
}

/* POST /sandbox/myAccount/approve */
void
sandbox_asaas_account_approve(SandboxRequest *request)
{
	sandbox_config.asaas_account_approved = true;
	request->effects++;
	sandbox_asaas_account_status(request);
}

/* GET /financialTransactions */
void
sandbox_asaas_transaction_list(SandboxRequest *request)
{
	static const SandboxAsaasFilter filters[] = {
		{"startDate", "date", SANDBOX_ASAAS_FROM},
		{"finishDate", "date", SANDBOX_ASAAS_UNTIL}
	};
	const SandboxAsaasList list = {
		SANDBOX_ASAAS_TRANSACTIONS, filters, lengthof(filters), NULL, NULL
	};

	sandbox_asaas_list(request, &list);
}
