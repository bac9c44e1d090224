/*
 * The mirror of what exists at the providers.  instance_events is the record;
 * instances is what the events add up to, and never holds up a verdict: an
 * event that cannot be applied because a session holds the row is listed in
 * mirror_backlog and applied later.
 */
CREATE TABLE instances (
	server				name		NOT NULL,
	instance_id			text COLLATE "C" NOT NULL,
	name				text,
	customer_ref		text COLLATE "C",
	status				text		NOT NULL
		CHECK (status IN ('trial', 'signed', 'cancelling', 'ended', 'lapsed',
						  'deleted', 'unknown')),
	created_at			timestamptz	NOT NULL,
	trial_end			text
		CHECK (trial_end IN ('sign', 'lapse', 'ask')),
	trial_ends_at		timestamptz,
	trial_estimated		boolean		NOT NULL DEFAULT false,
	signed_at			timestamptz,
	with_calls			boolean		NOT NULL DEFAULT false,
	billed_apart		boolean		NOT NULL DEFAULT false,
	cancelled_at		timestamptz,
	ends_at				timestamptz,
	deleted_at			timestamptz,
	provider_due_at		timestamptz,
	payment_status		text,
	connected			boolean,
	origin				text		NOT NULL
		CHECK (origin IN ('created', 'adopted', 'imported', 'surplus')),
	token_fingerprint	text,
	action_id			bigint,
	last_seen_at		timestamptz,
	missing_since		timestamptz,
	details				jsonb,
	api_url				text,
	state				text,
	ready_at			timestamptz,
	settings_asked		jsonb,
	settings_differ		jsonb,
	PRIMARY KEY (server, instance_id)
);
CREATE INDEX instances_trial ON instances (trial_ends_at)
	WHERE status = 'trial';
CREATE INDEX instances_ending ON instances (ends_at)
	WHERE status = 'cancelling' AND ends_at IS NOT NULL;
CREATE INDEX instances_action ON instances (action_id)
	WHERE action_id IS NOT NULL;
/*
 * For caps and quotas: what a token has made, what is new, on the bill of the
 * partner.  Neither begins with the server: plans of the worker that are made
 * while the table is empty would look up single instances by them.
 */
CREATE INDEX instances_token
	ON instances (token_fingerprint, server, status) WHERE NOT billed_apart;
CREATE INDEX instances_created ON instances (created_at, server);
CREATE INDEX instances_customer_ref ON instances (customer_ref)
	WHERE customer_ref IS NOT NULL;

COMMENT ON TABLE instances IS
'gateway instances as far as they are known here';
COMMENT ON COLUMN instances.server IS
'foreign server: the provider account';
COMMENT ON COLUMN instances.instance_id IS
'the provider''s id, opaque';
COMMENT ON COLUMN instances.name IS
'name as given, without the nonce';
COMMENT ON COLUMN instances.customer_ref IS
'key of the business database''s own row';
COMMENT ON COLUMN instances.status IS
'trial, signed, cancelling (still running), ended, lapsed, deleted, unknown';
COMMENT ON COLUMN instances.created_at IS
'when it was created';
COMMENT ON COLUMN instances.trial_end IS
'what becomes of the trial: sign, lapse or ask';
COMMENT ON COLUMN instances.trial_ends_at IS
'when the provider deletes it unless it is signed';
COMMENT ON COLUMN instances.trial_estimated IS
'trial_ends_at was computed here because the provider did not say';
COMMENT ON COLUMN instances.signed_at IS
'when the last subscription began; the creation, where a provider bills from that on';
COMMENT ON COLUMN instances.with_calls IS
'the subscription includes voice calls';
COMMENT ON COLUMN instances.billed_apart IS
'the provider lists it, but not on the partner''s bill: it has another tariff, or is free';
COMMENT ON COLUMN instances.cancelled_at IS
'when it was cancelled';
COMMENT ON COLUMN instances.ends_at IS
'when the service ends, as the provider states it';
COMMENT ON COLUMN instances.deleted_at IS
'when it was deleted, by us or as the provider tells';
COMMENT ON COLUMN instances.provider_due_at IS
'the provider''s last stated due time, whatever it means there';
COMMENT ON COLUMN instances.payment_status IS
'the provider''s own literal';
COMMENT ON COLUMN instances.connected IS
'linked to WhatsApp when last looked at';
COMMENT ON COLUMN instances.origin IS
'created here, adopted after a lost answer, imported by sync, or surplus: its action has another instance';
COMMENT ON COLUMN instances.token_fingerprint IS
'which partner token made it: first 16 hex digits of its SHA-256';
COMMENT ON COLUMN instances.action_id IS
'action that created it';
COMMENT ON COLUMN instances.last_seen_at IS
'when a complete list last showed it';
COMMENT ON COLUMN instances.missing_since IS
'when a complete list first did not show it any more';
COMMENT ON COLUMN instances.details IS
'the provider''s list row without secrets';
COMMENT ON COLUMN instances.api_url IS
'base URL of the instance''s own calls, if the provider told one';
COMMENT ON COLUMN instances.state IS
'the provider''s own word for its state when it was last asked by the worker';
COMMENT ON COLUMN instances.ready_at IS
'when it was first found ready, where a new instance takes its time';
COMMENT ON COLUMN instances.settings_asked IS
'settings that were given at its creation or since, without secrets';
COMMENT ON COLUMN instances.settings_differ IS
'settings that the provider holds otherwise than asked, as of the last check; {} if none, null if not checked';

/*
 * A cancelled instance that is signed again begins a new subscription, and
 * its row forgets the old one.  Bills that are closed must not.
 */
CREATE TABLE former_subscriptions (
	server			name		NOT NULL,
	instance_id		text COLLATE "C" NOT NULL,
	signed_at		timestamptz	NOT NULL,
	cancelled_at	timestamptz	NOT NULL,
	ends_at			timestamptz,
	provider_due_at	timestamptz,
	replaced_at		timestamptz	NOT NULL,
	PRIMARY KEY (server, instance_id, replaced_at)
);
COMMENT ON TABLE former_subscriptions IS
'subscriptions that were cancelled and followed by another of the same instance; the last one is in instances';
COMMENT ON COLUMN former_subscriptions.server IS
'foreign server: the provider account';
COMMENT ON COLUMN former_subscriptions.instance_id IS
'the provider''s id';
COMMENT ON COLUMN former_subscriptions.signed_at IS
'when the subscription began';
COMMENT ON COLUMN former_subscriptions.cancelled_at IS
'when it was cancelled';
COMMENT ON COLUMN former_subscriptions.ends_at IS
'when the service was to end, as the provider stated it';
COMMENT ON COLUMN former_subscriptions.provider_due_at IS
'the provider''s last stated due time before it was signed again';
COMMENT ON COLUMN former_subscriptions.replaced_at IS
'when the next subscription began';

CREATE FUNCTION keep_subscription() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO partner_api.former_subscriptions (server, instance_id,
		signed_at, cancelled_at, ends_at, provider_due_at, replaced_at)
	VALUES (OLD.server, OLD.instance_id, OLD.signed_at, OLD.cancelled_at,
			OLD.ends_at, OLD.provider_due_at, NEW.signed_at)
	ON CONFLICT (server, instance_id, replaced_at) DO NOTHING;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION keep_subscription() IS
'trigger: keeps the subscription that a new one replaces';
REVOKE ALL ON FUNCTION keep_subscription() FROM PUBLIC;

CREATE TRIGGER keep_subscription AFTER UPDATE OF signed_at ON instances
	FOR EACH ROW
	WHEN (OLD.cancelled_at IS NOT NULL AND NEW.cancelled_at IS NULL
		  AND OLD.signed_at < NEW.signed_at)
	EXECUTE FUNCTION keep_subscription();
COMMENT ON TRIGGER keep_subscription ON instances IS
'closed bills are computed from the subscriptions of their time';

CREATE TABLE instance_secrets (
	server		name	NOT NULL,
	instance_id	text COLLATE "C" NOT NULL,
	token		text	NOT NULL,
	PRIMARY KEY (server, instance_id)
);
COMMENT ON TABLE instance_secrets IS
'instance tokens; no role reads them by default, but dumps hold them, since a restore without them could sign nothing';
COMMENT ON COLUMN instance_secrets.server IS
'foreign server';
COMMENT ON COLUMN instance_secrets.instance_id IS
'the provider''s id';
COMMENT ON COLUMN instance_secrets.token IS
'instance token';

CREATE SEQUENCE instance_event_id_seq;
COMMENT ON SEQUENCE instance_event_id_seq IS
'numbers instance_events';

CREATE TABLE instance_events (
	event_id	bigint		PRIMARY KEY
		DEFAULT pg_catalog.nextval('instance_event_id_seq'),
	server		name		NOT NULL,
	instance_id	text COLLATE "C" NOT NULL,
	kind		text		NOT NULL
		CHECK (kind IN ('created', 'adopted', 'imported', 'surplus', 'signed',
						'subscription_updated', 'cancelled', 'deleted',
						'disconnected', 'lapsed', 'ended', 'changed',
						'missing', 'found_again', 'rebooted', 'ready',
						'unready', 'settings_changed', 'settings_checked')),
	occurred_at	timestamptz	NOT NULL,
	action_id	bigint,
	details		jsonb		NOT NULL DEFAULT '{}'
);
CREATE INDEX instance_events_instance
	ON instance_events (server, instance_id, event_id);
COMMENT ON TABLE instance_events IS
'what happened to each instance, in order; never changed';
COMMENT ON COLUMN instance_events.event_id IS
'order of recording';
COMMENT ON COLUMN instance_events.server IS
'foreign server';
COMMENT ON COLUMN instance_events.instance_id IS
'the provider''s id';
COMMENT ON COLUMN instance_events.kind IS
'what happened';
COMMENT ON COLUMN instance_events.occurred_at IS
'when, by clock()';
COMMENT ON COLUMN instance_events.action_id IS
'action that caused it, if one did';
COMMENT ON COLUMN instance_events.details IS
'what is known of it; no secrets';

CREATE TABLE mirror_backlog (
	event_id	bigint	PRIMARY KEY
);
COMMENT ON TABLE mirror_backlog IS
'events that are not applied to instances yet because a session holds the row';
COMMENT ON COLUMN mirror_backlog.event_id IS
'see instance_events';

CREATE TABLE trial_approvals (
	server		name		NOT NULL,
	instance_id	text COLLATE "C" NOT NULL,
	approved_at	timestamptz	NOT NULL,
	approved_by	name		NOT NULL,
	PRIMARY KEY (server, instance_id)
);
COMMENT ON TABLE trial_approvals IS
'trials with trial_end = ask that may be signed';
COMMENT ON COLUMN trial_approvals.server IS
'foreign server';
COMMENT ON COLUMN trial_approvals.instance_id IS
'the provider''s id';
COMMENT ON COLUMN trial_approvals.approved_at IS
'when, by clock()';
COMMENT ON COLUMN trial_approvals.approved_by IS
'role that approved';

SELECT pg_catalog.pg_extension_config_dump('instances', '');
SELECT pg_catalog.pg_extension_config_dump('former_subscriptions', '');
SELECT pg_catalog.pg_extension_config_dump('instance_secrets', '');
SELECT pg_catalog.pg_extension_config_dump('instance_events', '');
SELECT pg_catalog.pg_extension_config_dump('instance_event_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('mirror_backlog', '');
SELECT pg_catalog.pg_extension_config_dump('trial_approvals', '');
