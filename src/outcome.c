/*-------------------------------------------------------------------------
 *
 * outcome.c
 *	  What an answer means for what it is about: the event that is recorded.
 *
 * Copyright (c) 2026, the partner_api authors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "clock.h"
#include "json.h"
#include "redact.h"
#include "sightings.h"
#include "transfers.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

/* The disconnect before a delete is tried so often. */
#define MOST_DISCONNECTS 3

/* ... and not put off for longer. */
#define LONGEST_PUT_OFF_MS 60000

/* A new instance whose host does not answer is given up after so long. */
#define LONGEST_SILENCE USECS_PER_DAY

/* ISO 8601, whatever the session's DateStyle. */
static void
put_time(json_t *object, const char *key, TimestampTz time)
{
	char		buffer[MAXDATELEN + 1];

	partner_api_json_put_text(object, key,
							  JsonEncodeDateTime(buffer, TimestampTzGetDatum(time),
												 TIMESTAMPTZOID, NULL));
}

/*
 * When to sign: the lead before the trial ends, sooner if the provider's
 * clock is ahead of ours.
 */
static void
put_trial(json_t *details, const PartnerApiTransfer *transfer,
		  TimestampTz trial_ends_at, bool estimated, int64 provider_skew_us,
		  const char *trial_end, PartnerApiSettlement *settlement)
{
	const PartnerApiServer *server = transfer->account->server;

	settlement->trial_ends_at = trial_ends_at;
	put_time(details, "trial_ends_at", trial_ends_at);
	partner_api_json_put_bool(details, "trial_estimated", estimated);
	partner_api_json_put_text(details, "trial_end", trial_end);
	if (strcmp(trial_end, "lapse") == 0)
		return;
	settlement->sign_at = trial_ends_at - server->sign_lead - provider_skew_us;
	put_time(details, "sign_at", settlement->sign_at);
}

/* Did a list show that the instance is gone, and when that was? */
static bool
was_deleted(const PartnerApiTransfer *transfer, json_t *details)
{
	const PartnerApiListRow *found =
	transfer->sighting == NULL ? NULL : transfer->sighting->found;

	if (found == NULL ||
		found->subscription != PARTNER_API_SUBSCRIPTION_DELETED)
		return false;
	if (found->deleted_ms > 0)
		put_time(details, "deleted_at",
				 partner_api_timestamp_from_unix_ms(found->deleted_ms));
	return true;
}

/*
 * When a new instance began to exist: when its request was sent.  One that is
 * older was made by a request before that one; where there is no trial, it is
 * billed since the time that the list tells.
 */
static TimestampTz
began_at(const PartnerApiTransfer *transfer)
{
	TimestampTz sent_at = transfer->claim->sent_at;
	int64		listed_ms = transfer->sighting == NULL ? 0 :
	transfer->sighting->found->created_ms;

	if (transfer->account->server->provider->trial_ms > 0 || listed_ms <= 0)
		return sent_at;
	return Min(sent_at, partner_api_timestamp_from_unix_ms(listed_ms));
}

/*
 * Where there is no trial, a new instance is billed from the beginning, unless
 * the list that shows it says that it is gone.
 */
static void
put_status(json_t *details, const PartnerApiTransfer *transfer)
{
	if (transfer->account->server->provider->trial_ms > 0)
		return;
	partner_api_json_put_text(details, "status",
							  was_deleted(transfer, details) ?
							  "deleted" : "signed");
	put_time(details, "signed_at", began_at(transfer));
}

/* Until when an instance that is new, or restarts, may be unready. */
static void
put_await(json_t *details, const PartnerApiTransfer *transfer,
		  TimestampTz now)
{
	int64		ready_ms = transfer->account->server->provider->ready_ms;
	int64		now_ms = partner_api_unix_ms_from_timestamp(now);

	if (ready_ms > 0)
		partner_api_json_put_int64(details, "await_until", now_ms + ready_ms);
}

/* Settings that were given, without their secrets. */
static void
put_settings(json_t *details, const PartnerApiTransfer *transfer)
{
	json_t	   *settings = partner_api_json_get(transfer->arguments,
												"settings");
	const PartnerApiProvider *provider = transfer->account->server->provider;
	const char *hint;

	if (settings == NULL ||
		!provider->supports(PARTNER_API_CHECK_SETTINGS, &hint))
		return;
	settings = partner_api_json_without(settings, PARTNER_API_SECRET_SETTING);
	partner_api_json_put(details, "settings_asked", settings);
}

/*
 * When the worker stops asking whether an instance is ready; it asks one that
 * is not new only once.
 */
TimestampTz
partner_api_outcome_await_until(const PartnerApiTransfer *transfer)
{
	int64		until_ms;

	if (!partner_api_json_int64(transfer->arguments, "until", &until_ms))
		return DT_NOBEGIN;
	return partner_api_timestamp_from_unix_ms(until_ms);
}

/* A new instance: everything that its mirror row begins with. */
static void
describe_new(const PartnerApiTransfer *transfer,
			 const PartnerApiVerdict *verdict, int64 provider_skew_us,
			 PartnerApiSettlement *settlement, json_t *details)
{
	const PartnerApiClaim *claim = transfer->claim;
	const PartnerApiServer *server = transfer->account->server;
	char	   *name = partner_api_json_string(transfer->arguments, "name");
	char	   *trial_end = partner_api_json_string(transfer->arguments,
													"trial_end");

	settlement->event = claim->purpose == PARTNER_API_LOOK ? "adopted" :
		"created";
	settlement->event_instance = verdict->instance_id;
	settlement->token = verdict->instance_token;
	partner_api_json_put_text(details, "name", name);
	partner_api_json_put_text(details, "customer_ref", claim->customer_ref);
	partner_api_json_put_text(details, "token_fingerprint", server->token_fingerprint);
	partner_api_json_put_text(details, "api_url", verdict->instance_url);
	put_time(details, "created_at", began_at(transfer));
	put_status(details, transfer);
	put_await(details, transfer, settlement->finished_at);
	put_settings(details, transfer);
	if (server->provider->trial_ms > 0 || verdict->due_ms > 0)
	{
		bool		estimated = verdict->due_ms == 0;
		TimestampTz ends_at = estimated ?
		claim->sent_at + server->provider->trial_ms * 1000 :
		partner_api_timestamp_from_unix_ms(verdict->due_ms);

		put_trial(details, transfer, ends_at, estimated, provider_skew_us,
				  trial_end != NULL ? trial_end : server->trial_end,
				  settlement);
	}
}

/* What each instance of a bulk action came to, as the action's outcome. */
static char *
describe_bulk(const PartnerApiVerdict *verdict, const List *secrets)
{
	json_t	   *all = partner_api_json_array();
	ListCell   *lc;

	foreach(lc, verdict->outcomes)
	{
		PartnerApiOutcome *outcome = lfirst(lc);
		json_t	   *object = partner_api_json_append_object(all);

		partner_api_json_put_text(object, "instance_id", outcome->instance_id);
		partner_api_json_put_bool(object, "deleted", outcome->done);
		partner_api_json_put_text(object, "detail",
								  partner_api_redact_utf8(outcome->message, secrets));
	}
	return partner_api_json_print(all);
}

/*
 * What was asked for and what was answered, where the answer wins; of what is
 * no instance that is all that its mirror row begins with.
 */
static void
describe_object(const PartnerApiTransfer *transfer,
				const PartnerApiVerdict *verdict,
				PartnerApiSettlement *settlement, json_t *details)
{
	const PartnerApiClaim *claim = transfer->claim;
	const PartnerApiKindTraits *traits = partner_api_kind_traits(claim->kind);

	settlement->event_object = partner_api_object_name(traits->object);
	if (verdict->instance_id != NULL)
		settlement->event_instance = verdict->instance_id;
	if (transfer->found_as != NULL)
		settlement->event = transfer->found_as;
	else if (claim->purpose == PARTNER_API_LOOK && traits->creates)
		settlement->event = "adopted";
	/* a file is kept once, with the action */
	partner_api_json_merge(details,
						   partner_api_json_without(transfer->arguments,
													"file_content"));
	partner_api_json_put_text(details, "customer_ref", claim->customer_ref);
	if (traits->id_argument != NULL)
		partner_api_json_put_text(details, traits->id_argument,
								  claim->instance_id);
}

/* Put what else the answer told into the details. */
static void
add_fields(json_t *details, const PartnerApiVerdict *verdict)
{
	char	   *error;

	if (verdict->fields != NULL)
		partner_api_json_merge(details,
							   partner_api_json_parse(verdict->fields,
													  strlen(verdict->fields),
													  &error));
}

/*
 * An instance did not become ready in time, or never will: what its mirror row
 * says of it.
 */
void
partner_api_outcome_unready(const PartnerApiTransfer *transfer,
							const PartnerApiVerdict *verdict,
							PartnerApiSettlement *settlement)
{
	json_t	   *details = partner_api_json_object();

	add_fields(details, verdict);
	partner_api_json_put_text(details, "reason", settlement->error);
	settlement->event = "unready";
	settlement->event_instance = transfer->claim->instance_id;
	settlement->event_details = partner_api_json_print(details);
	settlement->changes_readiness = true;
}

/* Does its success say something of readiness or settings? */
static bool
changes_readiness(const PartnerApiTransfer *transfer)
{
	switch (transfer->claim->kind)
	{
		case PARTNER_API_CREATE_INSTANCE:
			return transfer->account->server->provider->ready_ms > 0;
		case PARTNER_API_REBOOT_INSTANCE:
		case PARTNER_API_CHANGE_SETTINGS:
		case PARTNER_API_AWAIT_INSTANCE:
		case PARTNER_API_CHECK_SETTINGS:
			return true;
		default:
			return false;
	}
}

/*
 * A delete that is repeated does not find what the first has deleted, if its
 * answer was lost.  Somebody on the way says the same of any instance, so the
 * list has to agree.
 */
static bool
may_be_gone(const PartnerApiClaim *claim, const PartnerApiVerdict *verdict)
{
	return claim->kind == PARTNER_API_DELETE_INSTANCE &&
		claim->attempts > 1 && verdict->kind == PARTNER_API_FAILED &&
		verdict->reason == PARTNER_API_REASON_NOT_FOUND;
}

/*
 * What the disconnect before a delete proved.  It is tried a few times at
 * most, and a lost answer is no riddle: the delete is what matters.
 */
static void
give_up_disconnect(const PartnerApiClaim *claim, PartnerApiVerdict *verdict)
{
	if (claim->kind != PARTNER_API_DISCONNECT_INSTANCE || !claim->automatic)
		return;
	if (verdict->kind == PARTNER_API_UNKNOWN ||
		(verdict->kind == PARTNER_API_RETRY &&
		 (claim->attempts >= MOST_DISCONNECTS ||
		  verdict->retry_after_ms > LONGEST_PUT_OFF_MS)))
		verdict->kind = PARTNER_API_FAILED;
}

/*
 * A new instance that is not ready yet has its time; a host that does not
 * answer does not use it up, but may be one that there is not.  A caller who
 * asks wants to know at once.
 */
static void
give_up_waiting(const PartnerApiTransfer *transfer, TimestampTz now,
				PartnerApiVerdict *verdict)
{
	TimestampTz until = partner_api_outcome_await_until(transfer);

	if (verdict->reason == PARTNER_API_REASON_UNREACHABLE ||
		verdict->reason == PARTNER_API_REASON_LOST)
		until = TIMESTAMP_IS_NOBEGIN(until) ? DT_NOEND :
			until + LONGEST_SILENCE;
	if (partner_api_kind_traits(transfer->claim->kind)->asks &&
		verdict->kind == PARTNER_API_RETRY && now >= until)
		verdict->kind = PARTNER_API_FAILED;
}

/*
 * A verdict in the light of what is known of its action beside the answer.
 */
void
partner_api_verdict_consider(const PartnerApiTransfer *transfer,
							 TimestampTz now, PartnerApiVerdict *verdict)
{
	if (may_be_gone(transfer->claim, verdict))
		verdict->kind = PARTNER_API_UNKNOWN;
	give_up_disconnect(transfer->claim, verdict);
	give_up_waiting(transfer, now, verdict);
}

/*
 * Fill in what a "done" settlement records: outcome, event, token.  All of it
 * lives in the current context, that of the claim, and is UTF-8.
 */
void
partner_api_outcome_describe(const PartnerApiTransfer *transfer,
							 const PartnerApiVerdict *verdict,
							 int64 provider_skew_us,
							 PartnerApiSettlement *settlement)
{
	const PartnerApiClaim *claim = transfer->claim;
	json_t	   *details = partner_api_json_object();

	if (claim->kind == PARTNER_API_DELETE_INSTANCES)
	{
		settlement->outcome =
			describe_bulk(verdict, partner_api_transfer_secrets(transfer));
		return;
	}
	settlement->event = partner_api_kind_traits(claim->kind)->event;
	settlement->event_instance = claim->instance_id;
	if (verdict->due_ms > 0)
		put_time(details, "provider_due_at",
				 partner_api_timestamp_from_unix_ms(verdict->due_ms));
	partner_api_json_put(details, "with_calls",
						 partner_api_json_get(transfer->arguments,
											  "with_calls"));
	if (claim->kind == PARTNER_API_CREATE_INSTANCE)
		describe_new(transfer, verdict, provider_skew_us, settlement, details);
	else if (claim->kind == PARTNER_API_DELETE_INSTANCE)
		(void) was_deleted(transfer, details);
	else if (claim->kind == PARTNER_API_CHANGE_SETTINGS)
		put_settings(details, transfer);
	else if (claim->kind == PARTNER_API_REBOOT_INSTANCE ||
			 claim->kind == PARTNER_API_AWAIT_INSTANCE)
		put_await(details, transfer, settlement->finished_at);
	else if (!partner_api_kind_of_instance(claim->kind))
		describe_object(transfer, verdict, settlement, details);
	add_fields(details, verdict);
	settlement->changes_readiness = changes_readiness(transfer);
	settlement->event_details = partner_api_json_print(details);
	settlement->outcome = settlement->event_details;
}
