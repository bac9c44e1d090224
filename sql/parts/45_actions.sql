/*
 * The one path for changes.  An action is a row in pending_actions from the
 * moment it is wanted until its outcome is known, then a row in
 * action_history.  Only C code of the extension writes these tables.
 *
 * pending_actions has no CHECK constraints: they are parsed and compiled anew
 * for every statement, which is a fifth of the cost of an enqueue.  The tests
 * add them (test/perl/PartnerApi/Cluster.pm).
 */
CREATE SEQUENCE action_id_seq;
COMMENT ON SEQUENCE action_id_seq IS
'numbers actions';

/*
 * What the column instance_id names, by the kind of the action.  Each sort of
 * thing has ids of its own, which are small numbers at some providers: what
 * happens to plan 5 is nothing to subscription 5.
 */
CREATE FUNCTION acted_on(kind text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE kind
	WHEN 'change_plan' THEN 'plan'
	WHEN 'delete_plan' THEN 'plan'
	WHEN 'change_subscription' THEN 'subscription'
	WHEN 'suspend_subscription' THEN 'subscription'
	WHEN 'reactivate_subscription' THEN 'subscription'
	WHEN 'cancel_subscription' THEN 'subscription'
	WHEN 'refund_invoice' THEN 'invoice'
	WHEN 'store_card' THEN 'client'
	WHEN 'change_customer' THEN 'customer'
	WHEN 'delete_customer' THEN 'customer'
	WHEN 'restore_customer' THEN 'customer'
	WHEN 'check_notifications' THEN 'customer'
	WHEN 'change_notifications' THEN 'customer'
	WHEN 'change_charge' THEN 'charge'
	WHEN 'delete_charge' THEN 'charge'
	WHEN 'restore_charge' THEN 'charge'
	WHEN 'refund_charge' THEN 'charge'
	WHEN 'receive_charge' THEN 'charge'
	WHEN 'undo_receive_charge' THEN 'charge'
	WHEN 'change_recurrence' THEN 'recurrence'
	WHEN 'delete_recurrence' THEN 'recurrence'
	WHEN 'change_webhook' THEN 'webhook'
	WHEN 'delete_webhook' THEN 'webhook'
	ELSE 'instance' END;
COMMENT ON FUNCTION acted_on(text) IS
'what the instance_id of an action of this kind names: instance, plan, subscription, client, invoice, customer, charge, recurrence or webhook';
REVOKE ALL ON FUNCTION acted_on(text) FROM PUBLIC;

CREATE TABLE pending_actions (
	action_id		bigint		PRIMARY KEY,
	server			name		NOT NULL,
	kind			text		NOT NULL,
	state			text		NOT NULL,
	instance_id		text COLLATE "C",
	arguments		jsonb		NOT NULL,
	customer_ref	text COLLATE "C",
	run_at			timestamptz	NOT NULL,
	deadline		timestamptz,
	attempts		integer		NOT NULL DEFAULT 0,
	last_error		text,
	held_for		text,
	nonce			text COLLATE "C" NOT NULL,
	fingerprint		text		NOT NULL,
	requested_by	name		NOT NULL,
	automatic		boolean		NOT NULL DEFAULT false,
	idempotency_key	text COLLATE "C",
	lease			bigint		NOT NULL DEFAULT 0,
	looks			integer		NOT NULL DEFAULT 0,
	sent_at			timestamptz,
	enqueued_at		timestamptz	NOT NULL,
	announced		text		NOT NULL DEFAULT 'nothing',
	dry_run			boolean		NOT NULL DEFAULT false
) WITH (autovacuum_vacuum_scale_factor = 0.02,
		autovacuum_vacuum_threshold = 200, fillfactor = 70);

/* what may be claimed, server by server; a deadline goes first */
CREATE INDEX pending_actions_due ON pending_actions (server, run_at, action_id)
	WHERE state = 'waiting' AND deadline IS NULL;
CREATE INDEX pending_actions_due_by_deadline
	ON pending_actions (server, run_at, action_id)
	WHERE state = 'waiting' AND deadline IS NOT NULL;
CREATE INDEX pending_actions_deadline ON pending_actions (deadline)
	WHERE state IN ('waiting', 'held') AND deadline IS NOT NULL;
/* which deadlines are to be announced next, server by server */
CREATE INDEX pending_actions_announced
	ON pending_actions (server, announced, deadline)
	WHERE deadline IS NOT NULL;
/* what is unknown, by the time of the next look */
CREATE INDEX pending_actions_unknown ON pending_actions (run_at)
	WHERE state = 'unknown';
/* what counts against a cap, and what a cap holds */
CREATE INDEX pending_actions_creates ON pending_actions (server, state)
	WHERE kind = 'create_instance';
CREATE INDEX pending_actions_stopped ON pending_actions (held_for, server)
	WHERE state IN ('held', 'needs_attention');
CREATE INDEX pending_actions_bulk ON pending_actions (server)
	WHERE kind = 'delete_instances';
/* order per instance, and one call in flight for each */
CREATE INDEX pending_actions_instance
	ON pending_actions (server, instance_id, action_id)
	WHERE instance_id IS NOT NULL;
CREATE UNIQUE INDEX pending_actions_one_in_flight
	ON pending_actions (server, instance_id, acted_on(kind))
	WHERE state IN ('sending', 'unknown') AND instance_id IS NOT NULL;

COMMENT ON TABLE pending_actions IS
'open actions: intended changes at a provider whose outcome is not known yet';
COMMENT ON COLUMN pending_actions.action_id IS
'identifies the action for its whole life';
COMMENT ON COLUMN pending_actions.server IS
'foreign server: the provider account';
COMMENT ON COLUMN pending_actions.kind IS
'operation: create_instance, sign_instance, ...';
COMMENT ON COLUMN pending_actions.state IS
'waiting, held, sending, unknown or needs_attention';
COMMENT ON COLUMN pending_actions.instance_id IS
'id of what is acted on: the instance or, by kind, the plan, subscription, client and so on; null while it does not exist, and for bulk actions';
COMMENT ON COLUMN pending_actions.arguments IS
'arguments of the call';
COMMENT ON COLUMN pending_actions.customer_ref IS
'key of the business database''s own row';
COMMENT ON COLUMN pending_actions.run_at IS
'not before this time; while unknown, the time of the next look';
COMMENT ON COLUMN pending_actions.deadline IS
'never sent after this time';
COMMENT ON COLUMN pending_actions.attempts IS
'requests sent so far';
COMMENT ON COLUMN pending_actions.last_error IS
'why the last attempt did not settle it';
COMMENT ON COLUMN pending_actions.held_for IS
'what a held action waits for: approval; the end of dunning; room under a cap or a quota; the end of a dry_run';
COMMENT ON COLUMN pending_actions.nonce IS
'goes to the provider so that the effect can be found again';
COMMENT ON COLUMN pending_actions.fingerprint IS
'SHA-256 of kind and arguments, to compare calls with the same key';
COMMENT ON COLUMN pending_actions.requested_by IS
'role whose right and user mapping are used';
COMMENT ON COLUMN pending_actions.automatic IS
'scheduled by the extension, not by a caller';
COMMENT ON COLUMN pending_actions.idempotency_key IS
'the caller''s key, if any';
COMMENT ON COLUMN pending_actions.lease IS
'grows with every claim; a verdict is written only under the current one';
COMMENT ON COLUMN pending_actions.looks IS
'complete listings that did not show the effect of the unknown attempt';
COMMENT ON COLUMN pending_actions.sent_at IS
'when the last attempt was claimed for sending';
COMMENT ON COLUMN pending_actions.enqueued_at IS
'when the action was wanted';
COMMENT ON COLUMN pending_actions.announced IS
'what has been announced of its deadline: nothing, warning or alarm';
COMMENT ON COLUMN pending_actions.dry_run IS
'enqueued while the server''s mode was dry_run: it is shown and never sent';

CREATE TABLE action_secrets (
	action_id	bigint	PRIMARY KEY,
	settings	jsonb	NOT NULL
);
COMMENT ON TABLE action_secrets IS
'secret settings that actions were given; no role reads them by default, but dumps hold them, since open actions cannot be sent without';
COMMENT ON COLUMN action_secrets.action_id IS
'see pending_actions and action_history';
COMMENT ON COLUMN action_secrets.settings IS
'settings that go to the provider in place of the words that arguments has for them';

CREATE TABLE action_history (
	action_id		bigint		PRIMARY KEY,
	server			name		NOT NULL,
	kind			text		NOT NULL,
	state			text		NOT NULL
		CHECK (state IN ('done', 'failed', 'cancelled', 'missed')),
	instance_id		text COLLATE "C",
	arguments		jsonb		NOT NULL,
	customer_ref	text COLLATE "C",
	run_at			timestamptz	NOT NULL,
	deadline		timestamptz,
	attempts		integer		NOT NULL,
	last_error		text,
	held_for		text,
	nonce			text COLLATE "C" NOT NULL,
	fingerprint		text		NOT NULL,
	requested_by	name		NOT NULL,
	automatic		boolean		NOT NULL,
	idempotency_key	text COLLATE "C",
	lease			bigint		NOT NULL,
	looks			integer		NOT NULL,
	sent_at			timestamptz,
	enqueued_at		timestamptz	NOT NULL,
	announced		text		NOT NULL DEFAULT 'nothing',
	dry_run			boolean		NOT NULL DEFAULT false,
	closed_at		timestamptz	NOT NULL,
	outcome			jsonb
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX action_history_instance
	ON action_history (server, instance_id, action_id);
CREATE INDEX action_history_closed_at ON action_history (closed_at);
COMMENT ON TABLE action_history IS
'closed actions: done, failed, cancelled or missed';
COMMENT ON COLUMN action_history.state IS
'done, failed, cancelled or missed';
COMMENT ON COLUMN action_history.closed_at IS
'when the outcome was recorded, by clock()';
COMMENT ON COLUMN action_history.outcome IS
'what the provider answered, or what a dry run would have sent; no secrets';

CREATE TABLE action_attempts (
	action_id	bigint		NOT NULL,
	attempt		integer		NOT NULL,
	lease		bigint		NOT NULL,
	purpose		text		NOT NULL CHECK (purpose IN ('send', 'look')),
	started_at	timestamptz	NOT NULL,
	finished_at	timestamptz	NOT NULL,
	latency_ms	integer		NOT NULL,
	verdict		text		NOT NULL
		CHECK (verdict IN ('done', 'failed', 'retry', 'unknown', 'found',
						   'absent')),
	http_status	integer,
	error		text
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX action_attempts_action ON action_attempts (action_id, lease);
CREATE INDEX action_attempts_finished_at ON action_attempts (finished_at);
COMMENT ON TABLE action_attempts IS
'every request sent for an action, and every look at the provider to settle one';
COMMENT ON COLUMN action_attempts.action_id IS
'see pending_actions and action_history';
COMMENT ON COLUMN action_attempts.attempt IS
'number of the request that changes something; a look has that of the request it is about';
COMMENT ON COLUMN action_attempts.lease IS
'lease under which it was made';
COMMENT ON COLUMN action_attempts.purpose IS
'send: the request itself; look: a listing that looks for its effect';
COMMENT ON COLUMN action_attempts.started_at IS
'when it was handed to the transport, by clock()';
COMMENT ON COLUMN action_attempts.finished_at IS
'when it ended';
COMMENT ON COLUMN action_attempts.latency_ms IS
'duration by the monotonic clock';
COMMENT ON COLUMN action_attempts.verdict IS
'what it proved';
COMMENT ON COLUMN action_attempts.http_status IS
'HTTP status, null if none was read';
COMMENT ON COLUMN action_attempts.error IS
'why it is not done; no secrets';

CREATE TABLE idempotency_keys (
	server			name		NOT NULL,
	key				text COLLATE "C" NOT NULL,
	kind			text		NOT NULL,
	requested_by	name		NOT NULL,
	fingerprint		text		NOT NULL,
	action_id		bigint		NOT NULL,
	created_at		timestamptz	NOT NULL,
	PRIMARY KEY (server, key)
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
COMMENT ON TABLE idempotency_keys IS
'callers'' keys: the same key and arguments give the same action';
COMMENT ON COLUMN idempotency_keys.server IS
'foreign server';
COMMENT ON COLUMN idempotency_keys.key IS
'the caller''s key';
COMMENT ON COLUMN idempotency_keys.kind IS
'operation of the first call';
COMMENT ON COLUMN idempotency_keys.requested_by IS
'role of the first call';
COMMENT ON COLUMN idempotency_keys.fingerprint IS
'arguments of the first call';
COMMENT ON COLUMN idempotency_keys.action_id IS
'action of the first call';
COMMENT ON COLUMN idempotency_keys.created_at IS
'when the key was first used, by clock()';

CREATE TABLE former_nonces (
	action_id	bigint	NOT NULL,
	nonce		text COLLATE "C" NOT NULL,
	PRIMARY KEY (action_id, nonce)
);
COMMENT ON TABLE former_nonces IS
'nonces that creates had before they were sent again on a person''s word: an effect of then may still come';
COMMENT ON COLUMN former_nonces.action_id IS
'see pending_actions and action_history';
COMMENT ON COLUMN former_nonces.nonce IS
'what went to the provider';

CREATE TABLE server_evidence (
	server			name		PRIMARY KEY,
	nonce_seen_at	timestamptz	NOT NULL
);
COMMENT ON TABLE server_evidence IS
'what a server''s own lists have proved';
COMMENT ON COLUMN server_evidence.server IS
'foreign server';
COMMENT ON COLUMN server_evidence.nonce_seen_at IS
'when its list first showed one of our nonces unmodified; only then is a create that left no trace sent again';

SELECT pg_catalog.pg_extension_config_dump('action_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('pending_actions', '');
SELECT pg_catalog.pg_extension_config_dump('action_secrets', '');
SELECT pg_catalog.pg_extension_config_dump('action_history', '');
SELECT pg_catalog.pg_extension_config_dump('action_attempts', '');
SELECT pg_catalog.pg_extension_config_dump('idempotency_keys', '');
SELECT pg_catalog.pg_extension_config_dump('former_nonces', '');
SELECT pg_catalog.pg_extension_config_dump('server_evidence', '');

/* Ends an open action; whoever calls this has decided that it may. */
CREATE FUNCTION close_action(of_action bigint, final_state text, error text,
	of_instance text, what_came text)
RETURNS void
LANGUAGE sql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH gone AS (
		DELETE FROM partner_api.pending_actions p
		WHERE p.action_id = of_action RETURNING p.*)
	INSERT INTO partner_api.action_history (action_id, server, kind, state,
		instance_id, arguments, customer_ref, run_at, deadline, attempts,
		last_error, held_for, nonce, fingerprint, requested_by, automatic,
		idempotency_key, lease, looks, sent_at, enqueued_at, announced,
		dry_run, closed_at, outcome)
	SELECT action_id, server, kind, final_state,
		   coalesce(instance_id, of_instance), arguments, customer_ref,
		   run_at, deadline, attempts, error, held_for, nonce, fingerprint,
		   requested_by, automatic, idempotency_key, lease, looks, sent_at,
		   enqueued_at, announced, dry_run, partner_api.clock(),
		   what_came::jsonb
	FROM gone;
$$;
COMMENT ON FUNCTION close_action(bigint, text, text, text, text) IS
'moves an open action to the history';
REVOKE ALL ON FUNCTION close_action(bigint, text, text, text, text)
	FROM PUBLIC;

CREATE FUNCTION wake_worker() RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_wake_worker_sql'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION wake_worker() IS
'has the worker look for what is due once the transaction is committed';
REVOKE ALL ON FUNCTION wake_worker() FROM PUBLIC;

CREATE FUNCTION check_arguments(server name, kind text, object_id text,
	arguments jsonb)
RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_check_arguments'
LANGUAGE C STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED;
COMMENT ON FUNCTION check_arguments(name, text, text, jsonb) IS
'raises an error for what the provider of a server must not be sent';
REVOKE ALL ON FUNCTION check_arguments(name, text, text, jsonb) FROM PUBLIC;

CREATE FUNCTION announce(event text, of_server name, of_action bigint,
	of_instance text, message text)
RETURNS void
AS 'MODULE_PATHNAME', 'partner_api_announce_warning'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION announce(text, name, bigint, text, text) IS
'says what needs somebody: a warning, and a notification at commit';
REVOKE ALL ON FUNCTION announce(text, name, bigint, text, text) FROM PUBLIC;
