/*-------------------------------------------------------------------------
 *
 * zapi.c
 *	  Z-API: routes, credentials and the partner calls.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "zapi.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ledger.h"

#define MAX_BATCH 100

/* Which of the three secrets a path wants */
typedef enum Access
{
	PARTNER_CALL,
	INSTANCE_CALL
} Access;

static const char *const callback_keys[] = {
	"deliveryCallbackUrl", "receivedCallbackUrl",
	"receivedAndDeliveryCallbackUrl", "receivedStatusCallbackUrl",
	"disconnectedCallbackUrl", "connectedCallbackUrl",
	"messageStatusCallbackUrl", "presenceChatCallbackUrl"
};

static bool
authorize_partner(SandboxRequest *request)
{
	request->partner = sandbox_bearer_token(request);
	if (request->partner == NULL)
		sandbox_reply_text(&request->reply, 401, "text/plain",
						   "Bad Credentials");
	return request->partner != NULL;
}

/* The refusal repeats the wrong token, as the provider does. */
static bool
authorize_instance(SandboxRequest *request)
{
	const char *value = sandbox_request_header(request, "Client-Token");
	char	   *error;

	if (!sandbox_config.client_token_required)
		return true;
	if (value == NULL)
	{
		sandbox_reply_error(&request->reply, 400,
							"your client-token is not configured");
		return false;
	}
	if (strcmp(value, sandbox_config.client_token) == 0)
		return true;
	error = sandbox_printf("Client-Token %s not allowed", value);
	sandbox_force_utf8(error, strlen(error));
	sandbox_reply_error(&request->reply, 403, error);
	free(error);
	return false;
}

/* What follows "token" is one. */
static unsigned
secrets(const SandboxRequest *request)
{
	unsigned	result = 0;
	int			i;

	for (i = 1; i < request->segment_count; i++)
	{
		if (strcmp(request->segments[i - 1], "token") == 0)
			result |= 1U << i;
	}
	return result;
}

static void
refuse(SandboxRequest *request, unsigned status)
{
	sandbox_reply_error(&request->reply, status,
						status == 405 ? "Method Not Allowed" :
						status == 415 ? "Unsupported Media Type" :
						"The body is not JSON");
	if (status == 405)
		sandbox_reply_header(&request->reply, "Allow", request->allowed);
}

static bool
authorize(SandboxRequest *request, int access)
{
	return access == PARTNER_CALL ? authorize_partner(request) :
		authorize_instance(request);
}

/* The instance of this id, if it exists and the token is its own. */
static SandboxInstance *
find_instance(const char *id, const char *token)
{
	SandboxInstance *instance = id != NULL ? sandbox_ledger_find(id) : NULL;

	if (instance == NULL || token == NULL ||
		instance->rules != &sandbox_zapi_rules ||
		strcmp(instance->token, token) != 0 ||
		!sandbox_zapi_exists(instance))
		return NULL;
	return instance;
}

SandboxInstance *
sandbox_zapi_instance(SandboxRequest *request)
{
	SandboxInstance *instance = find_instance(request->id, request->token);

	if (instance == NULL)
		sandbox_reply_error(&request->reply, 404, SANDBOX_ZAPI_NOT_FOUND);
	return instance;
}

/* Add "due" to an object in the form that the configuration says. */
static void
set_due(json_t *object, int64_t due)
{
	char		text[SANDBOX_TIME_LEN];

	switch ((SandboxDueForm) sandbox_config.due_form)
	{
		case SANDBOX_DUE_NUMBER:
			json_object_set_new(object, "due", json_integer(due));
			break;
		case SANDBOX_DUE_STRING:
			json_object_set_new(object, "due",
								json_sprintf("%lld", (long long) due));
			break;
		case SANDBOX_DUE_ISO:
			sandbox_iso_time(due, text);
			json_object_set_new(object, "due", json_string(text));
			break;
		case SANDBOX_DUE_MISSING:
			break;
	}
}

/* The field of a create body that has a wrong type, or NULL. */
static const char *
misfit_setting(const json_t *settings)
{
	static const char *const flags[] = {
		"callRejectAuto", "autoReadMessage", "autoReadStatus", "isDevice",
		"businessDevice", "disableEnqueueWhenDisconnected"
	};
	static const char *const texts[] = {
		"sessionName", "callRejectMessage", "deliveryCallbackUrl",
		"receivedCallbackUrl", "receivedAndDeliveryCallbackUrl",
		"disconnectedCallbackUrl", "connectedCallbackUrl",
		"messageStatusCallbackUrl", "presenceChatCallbackUrl"
	};
	size_t		i;

	for (i = 0; i < lengthof(flags); i++)
	{
		const json_t *value = json_object_get(settings, flags[i]);

		if (value != NULL && !json_is_boolean(value) && !json_is_null(value))
			return flags[i];
	}
	for (i = 0; i < lengthof(texts); i++)
	{
		const json_t *value = json_object_get(settings, texts[i]);

		if (value != NULL && !json_is_string(value) && !json_is_null(value))
			return texts[i];
	}
	return NULL;
}

/* May this token make one more? */
static bool
within_quota(const SandboxToken *token)
{
	bool		alive = sandbox_config.quota_counts == SANDBOX_QUOTA_ALIVE;
	long		used = alive ? token->alive : token->created;

	return token->quota == SANDBOX_UNLIMITED || used < token->quota;
}

/* Is the create acceptable?  If not, fill the reply. */
static bool
check_create(SandboxRequest *request, const char *name)
{
	const char *misfit = misfit_setting(request->json);
	char	   *error;

	if (name == NULL || *name == '\0')
	{
		sandbox_reply_error(&request->reply, 400, "name is required");
		return false;
	}
	if (misfit != NULL)
	{
		error = sandbox_printf("%s is invalid", misfit);
		sandbox_reply_error(&request->reply, 400, error);
		free(error);
		return false;
	}
	if (!within_quota(request->partner))
	{
		sandbox_reply_error(&request->reply,
							(unsigned) sandbox_config.quota_status,
							sandbox_config.quota_error);
		return false;
	}
	return true;
}

static void
create_instance(SandboxRequest *request)
{
	const char *name = json_string_value(json_object_get(request->json,
														 "name"));
	SandboxInstance *instance;
	json_t	   *body;

	if (!check_create(request, name))
		return;
	instance = sandbox_instance_create(&sandbox_zapi_rules, name,
									   request->json, request->partner);
	if (json_is_true(json_object_get(request->json, "isDevice")))
		instance->middleware = SANDBOX_ZAPI_MOBILE;
	sandbox_ledger_add(instance);
	request->effects++;
	body = json_pack("{s:s, s:s}", "id", instance->id,
					 "token", instance->token);
	set_due(body, instance->due);
	sandbox_reply_json(&request->reply, 200, body);
}

/* One row of the list. */
static json_t *
list_row(const SandboxInstance *instance)
{
	char		created[SANDBOX_TIME_LEN];
	json_t	   *row;
	size_t		i;

	sandbox_iso_time(instance->created_at, created);
	row = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", instance->id,
					"token", instance->token, "name", instance->name,
					"tenant", "sandbox", "created", created);
	set_due(row, instance->due);
	json_object_update_new(row,
						   json_pack("{s:s, s:s, s:b, s:b}", "paymentStatus",
									 sandbox_instance_status(instance),
									 "middleware", instance->middleware,
									 "phoneConnected", instance->connected,
									 "whatsappConnected",
									 instance->connected));
	for (i = 0; i < lengthof(callback_keys); i++)
	{
		json_t	   *url = json_object_get(instance->settings,
										  callback_keys[i]);

		if (json_is_string(url))
			json_object_set(row, callback_keys[i], url);
		else
			json_object_set_new(row, callback_keys[i], json_string(""));
	}
	return row;
}

/* A query parameter that must be a number from 1. */
static bool
read_page_parameter(SandboxRequest *request, const char *name, long *result)
{
	char	   *text = sandbox_query_value(request, name);
	bool		good = sandbox_parse_long(text, 1, INT_MAX, result);
	char	   *error;

	free(text);
	if (good)
		return true;
	error = sandbox_printf("%s is required and must be a number from 1", name);
	sandbox_reply_error(&request->reply, 400, error);
	free(error);
	return false;
}

/* Fill the reply with one page of what filter lets through. */
static void
reply_page(SandboxRequest *request, const SandboxFilter *filter, size_t page,
		   size_t page_size)
{
	size_t		room = sandbox_ledger_count();
	SandboxInstance **found;
	json_t	   *content = json_array();
	size_t		count;
	size_t		total;
	size_t		i;

	if (room > page_size)
		room = page_size;
	found = sandbox_alloc(room * sizeof(SandboxInstance *));
	total = sandbox_ledger_page(filter, (page - 1) * page_size, room, found,
								&count);
	for (i = 0; i < count; i++)
		json_array_append_new(content, list_row(found[i]));
	free(found);
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:I, s:I, s:I, s:I, s:o}",
								 "total", (json_int_t) total,
								 "totalPage",
								 (json_int_t) ((total + page_size - 1) /
											   page_size),
								 "pageSize", (json_int_t) page_size,
								 "page", (json_int_t) page,
								 "content", content));
}

static void
list_instances(SandboxRequest *request)
{
	long		page;
	long		page_size;
	char	   *query;
	char	   *middleware;
	SandboxFilter filter = {&sandbox_zapi_rules, NULL, NULL};

	if (!read_page_parameter(request, "page", &page) ||
		!read_page_parameter(request, "pageSize", &page_size))
		return;
	if (sandbox_config.page_size_max > 0 &&
		page_size > sandbox_config.page_size_max)
		page_size = sandbox_config.page_size_max;
	query = sandbox_query_value(request, "query");
	middleware = sandbox_query_value(request, "middleware");
	if (query != NULL && *query != '\0')
		filter.query = query;
	if (middleware != NULL && *middleware != '\0')
		filter.middleware = middleware;
	reply_page(request, &filter, (size_t) page, (size_t) page_size);
	free(query);
	free(middleware);
}

/* The answer of sign, update and cancel. */
static void
reply_due(SandboxRequest *request, const SandboxInstance *instance)
{
	json_t	   *body;

	if (sandbox_config.sign_body == SANDBOX_SIGN_EMPTY)
	{
		sandbox_reply_text(&request->reply, 201, NULL, "");
		return;
	}
	body = json_object();
	set_due(body, instance->due);
	sandbox_reply_json(&request->reply, 201, body);
}

/* Read "withCalls"; if it is not a boolean, fill the reply. */
static bool
read_with_calls(SandboxRequest *request, bool *with_calls)
{
	const json_t *value = json_object_get(request->json, "withCalls");

	*with_calls = json_is_true(value);
	if (value == NULL || json_is_boolean(value))
		return true;
	sandbox_reply_error(&request->reply, 400, "withCalls is invalid");
	return false;
}

static void
sign_instance(SandboxRequest *request)
{
	SandboxInstance *instance = sandbox_zapi_instance(request);
	const char *refusal;
	bool		with_calls;

	if (instance == NULL || !read_with_calls(request, &with_calls))
		return;
	refusal = sandbox_zapi_sign(instance, with_calls);
	if (refusal != NULL)
	{
		sandbox_reply_error(&request->reply,
							(unsigned) sandbox_config.sign_repeat_status,
							refusal);
		return;
	}
	request->effects++;
	reply_due(request, instance);
}

static void
update_subscription(SandboxRequest *request)
{
	SandboxInstance *instance = sandbox_zapi_instance(request);
	const char *refusal;
	bool		with_calls;
	bool		had_calls;

	if (instance == NULL || !read_with_calls(request, &with_calls))
		return;
	had_calls = instance->with_calls;
	refusal = with_calls ? sandbox_zapi_add_calls(instance) :
		"withCalls must be true";
	if (refusal != NULL)
	{
		sandbox_reply_error(&request->reply, 400, refusal);
		return;
	}
	if (!had_calls)
		request->effects++;
	reply_due(request, instance);
}

static void
cancel_instance(SandboxRequest *request)
{
	SandboxInstance *instance = sandbox_zapi_instance(request);

	if (instance == NULL)
		return;
	if (sandbox_zapi_cancel(instance))
		request->effects++;
	reply_due(request, instance);
}

static void
delete_instance(SandboxRequest *request)
{
	SandboxInstance *instance = sandbox_zapi_instance(request);
	const char *refusal;

	if (instance == NULL)
		return;
	refusal = sandbox_zapi_delete(instance);
	if (refusal != NULL)
	{
		sandbox_reply_error(&request->reply, 400, refusal);
		return;
	}
	request->effects++;
	sandbox_reply_json(&request->reply, 200, json_pack("{s:b}", "value", 1));
}

/* Judge one member of a bulk delete; what to say about it. */
static json_t *
delete_member(SandboxRequest *request, const json_t *member)
{
	const char *id = json_string_value(json_object_get(member, "id"));
	const char *token = json_string_value(json_object_get(member, "token"));
	SandboxInstance *instance = find_instance(id, token);
	const char *refusal = SANDBOX_ZAPI_NOT_FOUND;

	if (instance != NULL)
		refusal = sandbox_zapi_delete(instance);
	if (refusal == NULL)
		request->effects++;
	return json_pack("{s:s?, s:b, s:s?}", "id", id,
					 "deleted", refusal == NULL, "error", refusal);
}

static void
delete_instances(SandboxRequest *request)
{
	const json_t *members = json_object_get(request->json, "instances");
	size_t		count = json_array_size(members);
	json_t	   *results;
	size_t		i;

	if (count == 0 || count > MAX_BATCH)
	{
		sandbox_reply_error(&request->reply, 400,
							"instances must name 1 to 100 instances");
		return;
	}
	results = json_array();
	for (i = 0; i < count; i++)
		json_array_append_new(results,
							  delete_member(request,
											json_array_get(members, i)));
	sandbox_reply_json(&request->reply, 200,
					   json_pack("{s:o}", "results", results));
}

#define INSTANCE "instances", SANDBOX_ID, "token", SANDBOX_TOKEN
#define ON_DEMAND "integrator", "on-demand"

static const SandboxRoute routes[] = {
	{SANDBOX_CREATE_INSTANCE, "POST", {"instances", ON_DEMAND},
	PARTNER_CALL, SANDBOX_BODY_REQUIRED, create_instance},
	{SANDBOX_LIST_INSTANCES, "GET", {"instances"},
	PARTNER_CALL, SANDBOX_NO_BODY, list_instances},
	{SANDBOX_SIGN_INSTANCE, "POST", {INSTANCE, ON_DEMAND, "subscription"},
	PARTNER_CALL, SANDBOX_BODY_OPTIONAL, sign_instance},
	{SANDBOX_UPDATE_SUBSCRIPTION, "PUT",
		{INSTANCE, ON_DEMAND, "subscription", "update"},
	PARTNER_CALL, SANDBOX_BODY_REQUIRED, update_subscription},
	{SANDBOX_UPDATE_SUBSCRIPTION, "PUT",
		{INSTANCE, "integrator", "subscription", "update"},
	PARTNER_CALL, SANDBOX_BODY_REQUIRED, update_subscription},
	{SANDBOX_CANCEL_INSTANCE, "POST", {INSTANCE, ON_DEMAND, "cancel"},
	PARTNER_CALL, SANDBOX_NO_BODY, cancel_instance},
	{SANDBOX_DELETE_INSTANCE, "DELETE", {INSTANCE, ON_DEMAND, "delete"},
	PARTNER_CALL, SANDBOX_NO_BODY, delete_instance},
	{SANDBOX_DELETE_INSTANCES, "POST",
		{"instances", ON_DEMAND, "batch-delete"},
	PARTNER_CALL, SANDBOX_BODY_REQUIRED, delete_instances},
	{SANDBOX_QR_CODE, "GET", {INSTANCE, "qr-code"},
	INSTANCE_CALL, SANDBOX_NO_BODY, sandbox_zapi_qr_code},
	{SANDBOX_QR_CODE_IMAGE, "GET", {INSTANCE, "qr-code", "image"},
	INSTANCE_CALL, SANDBOX_NO_BODY, sandbox_zapi_qr_code},
	{SANDBOX_PHONE_CODE, "GET", {INSTANCE, "phone-code", SANDBOX_PARAMETER},
	INSTANCE_CALL, SANDBOX_NO_BODY, sandbox_zapi_phone_code},
	{SANDBOX_INSTANCE_STATUS, "GET", {INSTANCE, "status"},
	INSTANCE_CALL, SANDBOX_NO_BODY, sandbox_zapi_status},
	{SANDBOX_DISCONNECT_INSTANCE, "GET", {INSTANCE, "disconnect"},
	INSTANCE_CALL, SANDBOX_NO_BODY, sandbox_zapi_disconnect},
	{SANDBOX_REBOOT_INSTANCE, "GET", {INSTANCE, "restart"},
	INSTANCE_CALL, SANDBOX_NO_BODY, sandbox_zapi_restart}
};

const SandboxProvider sandbox_zapi = {
	.name = "zapi",
	.routes = routes,
	.route_count = lengthof(routes),
	.secrets = secrets,
	.authorize = authorize,
	.refuse = refuse
};
