/*-------------------------------------------------------------------------
 *
 * greenapi.c
 *	  Green API: what it is called, where its calls go, how an action is put
 *	  into a request.
 *
 * There is no authentication header: the partner token is the last segment of
 * the path of a partner call, the instance token that of an instance call.
 * Partner calls go to the server's base URL.  Calls to an instance go to a
 * host of its own, which the option, the answer to its creation or a rule
 * about its id tells.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json.h"
#include "providers/greenapi.h"

/* How long a new instance may take, by the longest of the published times. */
#define READY_MS (INT64CONST(10) * 60 * 1000)

/*
 * The list has one page, of every instance and those deleted in the last
 * three months.
 */
#define PAGE_ROWS 1000000

static const PartnerApiGreenapiCall calls[PARTNER_API_KINDS] = {
	[PARTNER_API_CREATE_INSTANCE] = {"POST", "createInstance", true},
	[PARTNER_API_DELETE_INSTANCE] = {"POST", "deleteInstanceAccount", true},
	[PARTNER_API_DISCONNECT_INSTANCE] = {"GET", "logout", false},
	[PARTNER_API_REBOOT_INSTANCE] = {"GET", "reboot", false},
	[PARTNER_API_CHANGE_SETTINGS] = {"POST", "setSettings", false},
	[PARTNER_API_AWAIT_INSTANCE] = {"GET", "getStateInstance", false},
	[PARTNER_API_CHECK_SETTINGS] = {"GET", "getSettings", false}
};

/*
 * The base URL of an instance's own calls: as somebody said, otherwise by the
 * rule that the provider's pages show for ids of ten digits.  That it holds
 * for longer ids is not documented.  NULL, which is the server's, where the
 * id is too short for it.
 */
static const char *
instance_base_url(const PartnerApiTarget *target)
{
	if (target->url != NULL)
		return pstrdup(target->url);
	if (strlen(target->id) < 4)
		return NULL;
	return psprintf("https://%.4s.api.greenapi.com", target->id);
}

/*
 * Start a request: where it goes, its method and path.
 */
void
partner_api_greenapi_start(PartnerApiRequest *request,
						   const PartnerApiGreenapiCall *call,
						   const PartnerApiTarget *target,
						   const PartnerApiCredential *credential)
{
	partner_api_request_start(request, call->method);
	if (call->by_partner)
	{
		partner_api_request_segment(request, "partner");
		partner_api_request_segment(request, call->name);
		partner_api_request_segment(request, credential->token);
	}
	else
	{
		if (target->id == NULL || target->token == NULL)
			elog(ERROR, "instance of a request is not known");
		request->base_url = instance_base_url(target);
		partner_api_request_segment(request,
									psprintf("waInstance%s", target->id));
		partner_api_request_segment(request, call->name);
		partner_api_request_segment(request, target->token);
	}
	if (strcmp(call->method, "POST") == 0)
		partner_api_request_header(request, "Content-Type",
								   "application/json");
}

/*
 * The id that an object tells, palloc'd; NULL if it tells none.  It is
 * documented as an integer, and some clients have received it as a string.
 */
char *
partner_api_greenapi_id(const json_t *object)
{
	const json_t *id = json_object_get(object, "idInstance");
	char	   *str;

	if (json_is_integer(id))
		str = partner_api_json_print(id);
	else
		str = partner_api_json_string(object, "idInstance");
	return str != NULL && partner_api_greenapi_is_id(str) ? str : NULL;
}

/*
 * Settings as they are sent: switches are the strings "yes" and "no", since
 * the provider takes booleans for mistakes.
 */
json_t *
partner_api_greenapi_settings_sent(const json_t *given)
{
	json_t	   *sent = partner_api_json_object();
	const char *key;
	json_t	   *value;

	json_object_foreach(unconstify(json_t *, given), key, value)
	{
		if (json_is_boolean(value))
			partner_api_json_put_text(sent, key,
									  json_is_true(value) ? "yes" : "no");
		else
			partner_api_json_put(sent, key, value);
	}
	return sent;
}

/*
 * The code of an object that reports an error, 0 for any other value.  The
 * status of such an answer depends on the host that gave it; most often it is
 * 200.  Beside a description the code may be in a string; alone it may not,
 * because the code that links a phone is one.
 */
int64
partner_api_greenapi_error_code(const json_t *root)
{
	const json_t *code = json_object_get(root, "code");
	bool		described =
	json_is_string(json_object_get(root, "description"));
	int64		number;

	if (!json_is_integer(code) && !described)
		return 0;
	if (!partner_api_json_int64(root, "code", &number) || number == 0)
		number = -1;
	return number;
}

/*
 * The JSON of an answer that is no error; NULL with *message if it is one, or
 * no JSON.
 */
json_t *
partner_api_greenapi_open(const PartnerApiResponse *response, char **message)
{
	json_t	   *root;

	if (partner_api_response_reason(response) != PARTNER_API_REASON_NONE)
	{
		*message = partner_api_response_words(response);
		return NULL;
	}
	root = partner_api_json_parse(response->body, response->body_len, message);
	if (partner_api_greenapi_error_code(root) != 0)
	{
		*message = partner_api_response_words(response);
		return NULL;
	}
	return root;
}

/*
 * The state that an instance tells, palloc'd; NULL with *message if it tells
 * none.
 */
char *
partner_api_greenapi_state(const json_t *root, char **message)
{
	char	   *state = partner_api_filled_text(root, "stateInstance");

	if (state == NULL)
		*message = json_is_null(root) ?
			pstrdup("instance is still being made") :
			pstrdup("answer has no \"stateInstance\"");
	return state;
}

/*
 * Body of a create: the settings, and the name, which carries the nonce.
 */
static json_t *
create_body(const PartnerApiAction *action)
{
	json_t	   *name = json_object_get(action->arguments, "name");
	json_t	   *body =
	partner_api_greenapi_settings_sent(json_object_get(action->arguments,
													   "settings"));

	partner_api_json_put_text(body, "name",
							  partner_api_name_with_nonce(json_string_value(name),
														  action->nonce));
	return body;
}

/*
 * Put an action into a request.  The arguments have passed check().
 */
static void
build(const PartnerApiAction *action, const PartnerApiCredential *credential,
	  PartnerApiRequest *request)
{
	PartnerApiTarget target = {
		action->instance_id, action->instance_token, action->instance_url
	};

	partner_api_greenapi_start(request, &calls[action->kind], &target,
							   credential);
	switch (action->kind)
	{
		case PARTNER_API_CREATE_INSTANCE:
			partner_api_request_json(request, create_body(action));
			break;
		case PARTNER_API_CHANGE_SETTINGS:
			partner_api_request_json(request,
									 partner_api_greenapi_settings_sent(json_object_get(action->arguments,
																						"settings")));
			break;
		case PARTNER_API_DELETE_INSTANCE:
			/* by hand: the integers of jansson have a sign */
			request->body = psprintf("{\"idInstance\":%s}",
									 action->instance_id);
			request->body_len = strlen(request->body);
			break;
		default:
			break;
	}
}

/*
 * See provider.h.
 */
static bool
supports(PartnerApiKind kind, const char **hint)
{
	*hint = NULL;
	if (calls[kind].method != NULL)
		return true;
	switch (kind)
	{
		case PARTNER_API_SIGN_INSTANCE:
			*hint = "An instance is billed from its creation; there is nothing to sign.";
			break;
		case PARTNER_API_UPDATE_SUBSCRIPTION:
			*hint = "An instance is billed by the day; there is no subscription to change.";
			break;
		case PARTNER_API_CANCEL_INSTANCE:
			*hint = "Use delete_instance(): it ends an instance at once and for good, and cannot be undone.";
			break;
		case PARTNER_API_DELETE_INSTANCES:
			*hint = "Use delete_instance() for each of them.";
			break;
		default:
			*hint = "Plans, subscriptions and clients are at a server of provider \"zsystems\", customers and charges at one of \"asaas\".";
			break;
	}
	return false;
}

/*
 * See provider.h.
 */
static bool
supports_list(PartnerApiList list)
{
	return list == PARTNER_API_LIST_INSTANCES;
}

/*
 * Partner calls name an instance by its id alone.
 */
static bool
needs_token(PartnerApiKind kind)
{
	return !calls[kind].by_partner;
}

const PartnerApiProvider partner_api_greenapi = {
	.name = "greenapi",
	.base_url = "https://api.green-api.com",
	.main_list = PARTNER_API_LIST_INSTANCES,
	.trial_ms = 0,				/* billed from its creation */
	.ready_ms = READY_MS,
	.page_rows = PAGE_ROWS,
	.removes_surplus = true,
	.disconnects_first = true,
	.own_hosts = true,
	.time_zone = "Etc/GMT-3",	/* three hours ahead of UTC */
	.supports = supports,
	.supports_read = partner_api_greenapi_supports_read,
	.supports_list = supports_list,
	.needs_token = needs_token,
	.check = partner_api_greenapi_check,
	.build = build,
	.reason = partner_api_greenapi_reason,
	.judge = partner_api_greenapi_judge,
	.build_list = partner_api_greenapi_build_list,
	.parse_list = partner_api_greenapi_parse_list,
	.check_read = partner_api_greenapi_check_read,
	.answer_read = partner_api_greenapi_answer_read,
	.build_read = partner_api_greenapi_build_read,
	.parse_read = partner_api_greenapi_parse_read
};
