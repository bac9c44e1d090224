/*-------------------------------------------------------------------------
 *
 * approvals.c
 *	  The approval of trials that ask for one.
 *
 * It is a row of its own, which the trial's sign action is compared with, so
 * that it can be given at any time.  It takes effect when the caller's
 * transaction commits.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "owner.h"
#include "servers.h"
#include "utils/builtins.h"
#include "wakeup.h"

PG_FUNCTION_INFO_V1(partner_api_approve_trial);

/* Refuse to approve what is billed without being approved. */
static void
check_has_trials(const PartnerApiServer *server)
{
	if (server->provider->trial_ms > 0)
		return;
	ereport(ERROR,
			errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			errmsg("provider \"%s\" has no trials", server->provider->name),
			errhint("There is nothing to approve."));
}

/* Raises ERROR for an instance that is not known, or whose trial is over. */
static void
check_trial(Datum server, const char *instance_id)
{
	static const Oid types[] = {NAMEOID, TEXTOID};
	static PartnerApiStatement statement = {
		"SELECT status, trial_ends_at <= partner_api.clock(),"
		"       status IN ('lapsed', 'deleted', 'ended')"
		"  FROM partner_api.instances"
		" WHERE server = $1 AND instance_id = $2", 2, types, NULL
	};
	Datum		values[2];
	bool		isnull;
	bool		over;

	values[0] = server;
	values[1] = CStringGetTextDatum(instance_id);
	if (partner_api_execute(&statement, values, NULL, SPI_OK_SELECT) == 0)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("instance \"%s\" of server \"%s\" is not known here",
					   instance_id, NameStr(*DatumGetName(server))));
	over = DatumGetBool(partner_api_field(0, 2, &isnull)) && !isnull;
	if (strcmp(partner_api_field_text(0, 1), "trial") == 0 ? over :
		DatumGetBool(partner_api_field(0, 3, &isnull)))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("the trial of instance \"%s\" is over", instance_id),
				errhint("Create a new instance."));
}

/*
 * The approval is a row of its own, so that it can be given before the sign
 * action exists; one that is held for it is let go.
 */
static void
record_approval(Datum server, const char *instance_id, Oid role)
{
	static const Oid types[] = {NAMEOID, TEXTOID, NAMEOID};
	static PartnerApiStatement approve = {
		"INSERT INTO partner_api.trial_approvals"
		"       (server, instance_id, approved_at, approved_by)"
		" VALUES ($1, $2, partner_api.clock(), $3)"
		" ON CONFLICT (server, instance_id) DO NOTHING", 3, types, NULL
	};
	static PartnerApiStatement release = {
		"UPDATE partner_api.pending_actions"
		"   SET state = 'waiting', held_for = NULL"
		" WHERE server = $1 AND instance_id = $2 AND state = 'held'"
		"   AND held_for = 'approval'", 2, types, NULL
	};
	NameData	name;
	Datum		values[3];

	namestrcpy(&name, GetUserNameFromId(role, false));
	values[0] = server;
	values[1] = CStringGetTextDatum(instance_id);
	values[2] = NameGetDatum(&name);
	partner_api_execute(&approve, values, NULL, SPI_OK_INSERT);
	partner_api_execute(&release, values, NULL, SPI_OK_UPDATE);
}

/* SQL: approve_trial(server, instance_id): the trial may be signed. */
Datum
partner_api_approve_trial(PG_FUNCTION_ARGS)
{
	char	   *instance_id = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Oid			role = GetUserId();
	PartnerApiOwnerScope scope;

	PreventCommandIfReadOnly("approve_trial()");
	check_has_trials(partner_api_server_load(NameStr(*PG_GETARG_NAME(0)),
											 role));
	partner_api_owner_begin(&scope);
	check_trial(PG_GETARG_DATUM(0), instance_id);
	record_approval(PG_GETARG_DATUM(0), instance_id, role);
	partner_api_owner_end(&scope);
	partner_api_wake_worker_at_commit();
	PG_RETURN_VOID();
}
