/*-------------------------------------------------------------------------
 *
 * greenapi_read.c
 *	  Green API: reads of one instance, which bring it on line.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/greenapi.h"

static const PartnerApiGreenapiCall calls[PARTNER_API_READS] = {
	[PARTNER_API_READ_STATUS] = {"GET", "getStateInstance", false},
	[PARTNER_API_READ_QR] = {"GET", "qr", false},
	[PARTNER_API_READ_PHONE_CODE] = {"POST", "getAuthorizationCode", false},
	[PARTNER_API_READ_SETTINGS] = {"GET", "getSettings", false}
};

/*
 * See provider.h.
 */
bool
partner_api_greenapi_supports_read(PartnerApiRead read, const char **hint)
{
	*hint = NULL;
	return read == PARTNER_API_READ_QR_URL || calls[read].method != NULL;
}

/*
 * See provider.h.
 */
void
partner_api_greenapi_check_read(PartnerApiRead read, const char *parameter)
{
	if (read == PARTNER_API_READ_PHONE_CODE)
		partner_api_check_phone(parameter);
}

/*
 * See provider.h.  The page that shows the QR code, and renews it, is found
 * by the id and the token alone.
 */
bool
partner_api_greenapi_answer_read(PartnerApiRead read,
								 const PartnerApiTarget *target,
								 PartnerApiReadResult *result)
{
	if (read != PARTNER_API_READ_QR_URL)
		return false;
	memset(result, 0, sizeof(*result));
	result->text = psprintf("https://qr.green-api.com/waInstance%s/%s",
							partner_api_url_encode(target->id),
							partner_api_url_encode(target->token));
	return true;
}

/*
 * See provider.h.  The parameter has passed check_read().
 */
void
partner_api_greenapi_build_read(PartnerApiRead read,
								const PartnerApiTarget *target,
								const char *parameter,
								const PartnerApiCredential *credential,
								PartnerApiRequest *request)
{
	partner_api_greenapi_start(request, &calls[read], target, credential);
	if (read == PARTNER_API_READ_PHONE_CODE)
	{
		json_t	   *body = partner_api_json_object();

		partner_api_json_put_int64(body, "phoneNumber",
								   strtoll(parameter, NULL, 10));
		partner_api_request_json(request, body);
	}
}

/*
 * Read a state.  Whoever asks wants to know whether messages go out, which
 * they do in one state only: "sleepMode" is a phone that is switched off,
 * "yellowCard" one whose messages are held back.  Whether the phone itself is
 * reached is not told apart.
 */
static bool
parse_status(const json_t *root, PartnerApiReadResult *result, char **message)
{
	char	   *state = partner_api_greenapi_state(root, message);

	result->text = state;
	result->connected = (state != NULL && strcmp(state, "authorized") == 0);
	result->phone_connected = result->connected;
	return state != NULL;
}

/*
 * Read the image of a QR code.  An answer of another type than "qrCode" has
 * words in its place: that a phone is linked already, or what is wrong.
 */
static bool
parse_qr(const json_t *root, PartnerApiReadResult *result, char **message)
{
	char	   *type = partner_api_filled_text(root, "type");
	char	   *words = partner_api_filled_text(root, "message");

	if (words == NULL || type == NULL)
		*message = pstrdup("answer has no \"type\" and \"message\"");
	else if (strcmp(type, "qrCode") != 0)
		*message = psprintf("%s: %s", type, words);
	else
	{
		result->bytes = partner_api_decode_png(words);
		if (result->bytes == NULL)
			*message = pstrdup("answer is no PNG image in base64");
	}
	return result->bytes != NULL;
}

/*
 * Read the code that links a phone.
 */
static bool
parse_phone_code(const json_t *root, PartnerApiReadResult *result,
				 char **message)
{
	char	   *code = partner_api_filled_text(root, "code");

	if (code != NULL && partner_api_json_true(root, "status"))
		result->text = code;
	else if (json_is_false(json_object_get(root, "status")))
		*message = pstrdup("provider gave no code for this number");
	else
		*message = pstrdup("answer has no \"status\" and \"code\"");
	return result->text != NULL;
}

/*
 * Read all settings, without the secrets among them.
 */
static bool
parse_settings(json_t *root, PartnerApiReadResult *result, char **message)
{
	if (json_object_size(root) == 0)
	{
		*message = pstrdup("answer has no settings");
		return false;
	}
	partner_api_remove_secrets(root);
	result->text = partner_api_json_print(root);
	return true;
}

/*
 * See provider.h.
 */
bool
partner_api_greenapi_parse_read(PartnerApiRead read,
								const PartnerApiResponse *response,
								PartnerApiReadResult *result, char **message)
{
	json_t	   *root = partner_api_greenapi_open(response, message);

	memset(result, 0, sizeof(*result));
	if (root == NULL)
		return false;
	switch (read)
	{
		case PARTNER_API_READ_STATUS:
			return parse_status(root, result, message);
		case PARTNER_API_READ_QR:
			return parse_qr(root, result, message);
		case PARTNER_API_READ_PHONE_CODE:
			return parse_phone_code(root, result, message);
		default:
			return parse_settings(root, result, message);
	}
}
