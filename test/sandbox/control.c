/*-------------------------------------------------------------------------
 *
 * control.c
 *	  The control API under /_sandbox/: how a test drives the sandbox.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "control.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "asaas.h"
#include "clock.h"
#include "fault.h"
#include "journal.h"
#include "ledger.h"
#include "zsystems.h"

#define PREFIX "/_sandbox/"

typedef struct ControlCall
{
	const char *method;
	const char *name;			/* ends in '/' if a parameter follows */
	SandboxHandler handler;
} ControlCall;

static void
reply_ok(SandboxRequest *request, json_t *body)
{
	sandbox_reply_json(&request->reply, 200, body);
}

/* Refuse with an allocated error. */
static void
refuse(SandboxRequest *request, char *error)
{
	sandbox_reply_error(&request->reply, 400, error);
	free(error);
}

static void
get_clock(SandboxRequest *request)
{
	reply_ok(request, sandbox_clock_json());
}

static void
change_clock(SandboxRequest *request)
{
	const json_t *advance = json_object_get(request->json, "advance_seconds");
	int64_t		ms;

	if (sandbox_parse_time(json_object_get(request->json, "set"), &ms))
		sandbox_clock_set(ms);
	else if (json_is_number(advance))
		sandbox_clock_advance((int64_t) (json_number_value(advance) * 1000));
	else if (json_is_true(json_object_get(request->json, "reset")))
		sandbox_clock_reset();
	else
	{
		sandbox_reply_error(&request->reply, 400,
							"want set, advance_seconds or reset");
		return;
	}
	sandbox_ledger_tick();
	sandbox_zsystems_tick();
	sandbox_asaas_tick();
	get_clock(request);
}

static void
get_config(SandboxRequest *request)
{
	reply_ok(request, sandbox_config_json());
}

static void
change_config(SandboxRequest *request)
{
	char	   *error = sandbox_config_change(request->json);

	if (error != NULL)
	{
		refuse(request, error);
		return;
	}
	sandbox_ledger_relist();
	get_config(request);
}

static void
get_faults(SandboxRequest *request)
{
	reply_ok(request, sandbox_fault_json());
}

static void
add_fault(SandboxRequest *request)
{
	char	   *error;
	long		id = sandbox_fault_add(request->json, &error);

	if (id < 0)
		refuse(request, error);
	else
		sandbox_reply_json(&request->reply, 201,
						   json_pack("{s:I}", "id", (json_int_t) id));
}

static void
delete_faults(SandboxRequest *request)
{
	sandbox_fault_clear();
	reply_ok(request, json_object());
}

static void
delete_fault(SandboxRequest *request)
{
	long		id;

	if (sandbox_parse_long(request->parameter, 1, LONG_MAX, &id) &&
		sandbox_fault_remove(id))
		reply_ok(request, json_object());
	else
		sandbox_reply_error(&request->reply, 404, "no such fault");
}

static void
get_requests(SandboxRequest *request)
{
	request->reply.status = 200;
	request->reply.content_type = "application/json";
	sandbox_journal_requests(request, &request->reply.body);
}

static void
delete_requests(SandboxRequest *request)
{
	sandbox_journal_forget();
	reply_ok(request, json_object());
}

static void
release(SandboxRequest *request)
{
	reply_ok(request, json_pack("{s:i}", "released",
								(int) sandbox_release_withheld()));
}

/* Instances point to tokens, so they go before the configuration. */
static void
reset(SandboxRequest *request)
{
	sandbox_fault_clear();
	sandbox_journal_reset();
	sandbox_ledger_reset();
	sandbox_zsystems_reset();
	sandbox_asaas_reset();
	sandbox_config_reset();
	sandbox_clock_reset();
	release(request);
}

/* What there is: instances, or what "kind" names. */
static void
get_state(SandboxRequest *request)
{
	char	   *name = sandbox_query_value(request, "kind");
	SandboxRecordKind kind;
	SandboxAsaasKind asaas_kind;

	if (name == NULL || strcmp(name, "instances") == 0)
		sandbox_control_state(request);
	else if (sandbox_record_kind_parse(name, &kind))
		sandbox_zsystems_state(request, kind);
	else if (sandbox_asaas_kind_parse(name, &asaas_kind))
		sandbox_asaas_state(request, asaas_kind);
	else
		sandbox_reply_error(&request->reply, 400, "unknown kind");
	free(name);
}

/* Seed a record, or change fields of one. */
static void
seed_object(SandboxRequest *request)
{
	if (!sandbox_asaas_objects(request))
		sandbox_zsystems_seed(request);
}

static void
remove_object(SandboxRequest *request)
{
	if (!sandbox_asaas_objects(request))
		sandbox_zsystems_remove(request);
}

static const ControlCall calls[] = {
	{"POST", "charges/", sandbox_asaas_charge_control},
	{"GET", "clock", get_clock},
	{"POST", "clock", change_clock},
	{"GET", "config", get_config},
	{"POST", "config", change_config},
	{"GET", "counters", sandbox_control_counters},
	{"POST", "events", sandbox_asaas_event_control},
	{"GET", "faults", get_faults},
	{"POST", "faults", add_fault},
	{"DELETE", "faults", delete_faults},
	{"DELETE", "faults/", delete_fault},
	{"GET", "inbox", sandbox_asaas_inbox},
	{"POST", "inbox", sandbox_asaas_inbox},
	{"DELETE", "inbox", sandbox_asaas_inbox},
	{"POST", "instances", sandbox_control_seed},
	{"POST", "instances/", sandbox_control_change},
	{"POST", "objects/", seed_object},
	{"DELETE", "objects/", remove_object},
	{"POST", "release", release},
	{"GET", "requests", get_requests},
	{"DELETE", "requests", delete_requests},
	{"POST", "reset", reset},
	{"GET", "state", get_state}
};

/* Does the call have this name, apart from its parameter? */
static bool
name_fits(const ControlCall *call, SandboxRequest *request, const char *name)
{
	size_t		len = strlen(call->name);

	if (call->name[len - 1] != '/')
		return strcmp(name, call->name) == 0;
	if (strncmp(name, call->name, len) != 0 || name[len] == '\0')
		return false;
	request->parameter = name + len;
	return true;
}

/* Run a call; a body, if there is one, must be JSON. */
static void
run_call(SandboxRequest *request, const ControlCall *call)
{
	json_error_t error;

	if (request->body.len > 0)
	{
		request->json = json_loadb(request->body.data, request->body.len, 0,
								   &error);
		if (request->json == NULL)
		{
			refuse(request, sandbox_printf("bad JSON: %s", error.text));
			return;
		}
	}
	sandbox_ledger_tick();
	sandbox_zsystems_tick();
	sandbox_asaas_tick();
	call->handler(request);
}

bool
sandbox_control(SandboxRequest *request)
{
	const char *name = request->path + strlen(PREFIX);
	const ControlCall *wrong_method = NULL;
	size_t		i;

	if (strncmp(request->path, PREFIX, strlen(PREFIX)) != 0)
		return false;
	for (i = 0; i < lengthof(calls); i++)
	{
		if (!name_fits(&calls[i], request, name))
			continue;
		if (strcmp(calls[i].method, request->method) == 0)
		{
			run_call(request, &calls[i]);
			return true;
		}
		wrong_method = &calls[i];
	}
	if (wrong_method != NULL)
		sandbox_reply_error(&request->reply, 405, "wrong method");
	else
		sandbox_reply_error(&request->reply, 404, "no such control call");
	return true;
}
