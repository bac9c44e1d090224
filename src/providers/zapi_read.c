/*-------------------------------------------------------------------------
 *
 * zapi_read.c
 *	  Z-API: reads of one instance, which bring it on line.
 *
 * These go to the instance itself, so they carry the client token where the
 * account asks for one, not the partner token.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/common.h"
#include "providers/zapi.h"

static const PartnerApiZapiRoute routes[] = {
	[PARTNER_API_READ_STATUS] = {"GET", true, false, {"status"}},
	[PARTNER_API_READ_QR] = {"GET", true, false, {"qr-code", "image"}},
	[PARTNER_API_READ_QR_URL] = {"GET", true, false, {"qr-code"}},
	[PARTNER_API_READ_PHONE_CODE] = {"GET", true, false, {"phone-code"}}
};

/*
 * See provider.h.
 */
bool
partner_api_zapi_supports_read(PartnerApiRead read, const char **hint)
{
	*hint = NULL;
	return read < (int) lengthof(routes);
}

/*
 * See provider.h.
 */
void
partner_api_zapi_check_read(PartnerApiRead read, const char *parameter)
{
	if (read == PARTNER_API_READ_PHONE_CODE)
		partner_api_check_phone(parameter);
}

/*
 * See provider.h.  The parameter has passed check_read().
 */
void
partner_api_zapi_build_read(PartnerApiRead read,
							const PartnerApiTarget *target,
							const char *parameter,
							const PartnerApiCredential *credential,
							PartnerApiRequest *request)
{
	partner_api_zapi_start(request, &routes[read], target->id, target->token,
						   credential);
	if (read == PARTNER_API_READ_PHONE_CODE)
		partner_api_request_segment(request, parameter);
}

/*
 * Decode the image of a QR code, a data URI; false with *message if it is
 * none.
 */
static bool
parse_image(const char *uri, PartnerApiReadResult *result, char **message)
{
	const char *const prefix = "data:image/png;base64,";

	if (pg_strncasecmp(uri, prefix, strlen(prefix)) == 0)
		uri += strlen(prefix);
	result->bytes = partner_api_decode_png(uri);
	if (result->bytes == NULL)
		*message = pstrdup("answer is no PNG image in base64");
	return result->bytes != NULL;
}

/*
 * Why an answer does not hold the member that was asked for, in words.
 */
static char *
missing_member(const json_t *root, const char *key)
{
	char	   *words = partner_api_error_words(root);

	if (words != NULL)
		return words;
	if (json_object_get(root, "challenge") != NULL)
		return pstrdup("phone asks for a passkey check first");
	return psprintf("answer has no \"%s\"", key);
}

/*
 * Read a status.  Its "error" describes the state, also a good one ("You are
 * already connected."), and makes the answer an error only where the state
 * itself is missing.
 */
static bool
parse_status(const json_t *root, PartnerApiReadResult *result, char **message)
{
	if (!json_is_boolean(json_object_get(root, "connected")))
	{
		*message = missing_member(root, "connected");
		return false;
	}
	result->connected = partner_api_json_true(root, "connected");
	result->phone_connected = partner_api_json_true(root,
													"smartphoneConnected");
	result->text = partner_api_json_string(root, "error");
	return true;
}

/*
 * Read a "value", with which all reads but the status answer.  Beside an
 * error it proves nothing.
 */
static bool
parse_value(PartnerApiRead read, const json_t *root,
			PartnerApiReadResult *result, char **message)
{
	char	   *value = partner_api_json_string(root, "value");

	if (partner_api_error_words(root) != NULL ||
		value == NULL || *value == '\0')
	{
		*message = missing_member(root, "value");
		return false;
	}
	if (read == PARTNER_API_READ_QR)
		return parse_image(value, result, message);
	result->text = value;
	return true;
}

/*
 * See provider.h.
 */
bool
partner_api_zapi_parse_read(PartnerApiRead read,
							const PartnerApiResponse *response,
							PartnerApiReadResult *result, char **message)
{
	json_t	   *root;

	memset(result, 0, sizeof(*result));
	if (!partner_api_zapi_success(response))
	{
		*message = partner_api_response_words(response);
		return false;
	}
	root = partner_api_json_parse(response->body, response->body_len, message);
	if (root == NULL)
		return false;
	return read == PARTNER_API_READ_STATUS ?
		parse_status(root, result, message) :
		parse_value(read, root, result, message);
}
