/*
 * What is old and closed goes when prune_history() is called, from pg_cron for
 * example.  Kept in any case: what belongs to an open action, closed actions
 * that a key still answers for, the last test of each server, and
 * instance_events, which prove the bill.
 *
 * Each function deletes one batch of rows older than "before" and returns how
 * many; a row that a session holds is left for the next time.  A batch is
 * small and its tables are large, so it goes by indexes, whatever the
 * statistics say.
 */
CREATE FUNCTION prune_keys(before timestamptz, batch integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
	deleted bigint;
BEGIN
	/* no update moves a key, so its place is as good as its name */
	DELETE FROM partner_api.idempotency_keys k
	WHERE k.ctid = ANY (ARRAY(
		SELECT o.ctid FROM partner_api.idempotency_keys o
		WHERE o.created_at < before
		  AND NOT EXISTS (SELECT FROM partner_api.pending_actions p
						  WHERE p.action_id = o.action_id)
		ORDER BY o.created_at LIMIT batch FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS deleted = ROW_COUNT;
	RETURN deleted;
END
$$;
COMMENT ON FUNCTION prune_keys(timestamptz, integer) IS
'for prune_history(): delete a batch of idempotency keys of closed actions';
REVOKE ALL ON FUNCTION prune_keys(timestamptz, integer) FROM PUBLIC;

CREATE FUNCTION prune_actions(before timestamptz, batch integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
	deleted bigint;
BEGIN
	WITH gone AS (
		DELETE FROM partner_api.action_history h
		WHERE h.action_id = ANY (ARRAY(
			SELECT o.action_id FROM partner_api.action_history o
			WHERE o.closed_at < before
			  AND NOT EXISTS (SELECT FROM partner_api.idempotency_keys k
							  WHERE k.server = o.server
								AND k.key = o.idempotency_key
								AND k.action_id = o.action_id)
			ORDER BY o.closed_at LIMIT batch FOR UPDATE SKIP LOCKED))
		RETURNING h.action_id),
	attempts AS (
		DELETE FROM partner_api.action_attempts t USING gone
		WHERE t.action_id = gone.action_id),
	secrets AS (
		DELETE FROM partner_api.action_secrets s USING gone
		WHERE s.action_id = gone.action_id),
	nonces AS (
		DELETE FROM partner_api.former_nonces f USING gone
		WHERE f.action_id = gone.action_id)
	SELECT count(*) INTO deleted FROM gone;
	RETURN deleted;
END
$$;
COMMENT ON FUNCTION prune_actions(timestamptz, integer) IS
'for prune_history(): delete a batch of closed actions that no key answers for, with their attempts';
REVOKE ALL ON FUNCTION prune_actions(timestamptz, integer) FROM PUBLIC;

CREATE FUNCTION prune_attempts(before timestamptz, batch integer)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
	deleted bigint;
BEGIN
	/* attempts are never updated either */
	DELETE FROM partner_api.action_attempts t
	WHERE t.ctid = ANY (ARRAY(
		SELECT o.ctid FROM partner_api.action_attempts o
		WHERE o.finished_at < before
		  AND NOT EXISTS (SELECT FROM partner_api.pending_actions p
						  WHERE p.action_id = o.action_id)
		ORDER BY o.finished_at LIMIT batch FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS deleted = ROW_COUNT;
	RETURN deleted;
END
$$;
COMMENT ON FUNCTION prune_attempts(timestamptz, integer) IS
'for prune_history(): delete a batch of attempts of closed actions';
REVOKE ALL ON FUNCTION prune_attempts(timestamptz, integer) FROM PUBLIC;

CREATE FUNCTION prune_tests(before timestamptz, batch integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
	deleted bigint;
BEGIN
	DELETE FROM partner_api.connection_tests t
	WHERE t.test_id = ANY (ARRAY(
		SELECT o.test_id FROM partner_api.connection_tests o
		WHERE o.tested_at < before
		  AND EXISTS (SELECT FROM partner_api.connection_tests n
					  WHERE n.server = o.server AND n.test_id > o.test_id)
		ORDER BY o.test_id LIMIT batch FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS deleted = ROW_COUNT;
	RETURN deleted;
END
$$;
COMMENT ON FUNCTION prune_tests(timestamptz, integer) IS
'for prune_history(): delete a batch of tests of connections, but the last of each server';
REVOKE ALL ON FUNCTION prune_tests(timestamptz, integer) FROM PUBLIC;

/* The provider sends none again that is older than its own queue: 14 days. */
CREATE FUNCTION prune_events(before timestamptz, batch integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
	deleted bigint;
BEGIN
	DELETE FROM partner_api.payment_events e
	WHERE e.payment_event_id = ANY (ARRAY(
		SELECT o.payment_event_id FROM partner_api.payment_events o
		WHERE o.received_at < least(before,
			partner_api.clock() - interval '14 days')
		  AND before IS NOT NULL
		ORDER BY o.received_at LIMIT batch FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS deleted = ROW_COUNT;
	RETURN deleted;
END
$$;
COMMENT ON FUNCTION prune_events(timestamptz, integer) IS
'for prune_history(): delete a batch of events of payments, none that may come again';
REVOKE ALL ON FUNCTION prune_events(timestamptz, integer) FROM PUBLIC;

/*
 * A batch is a transaction, so that neither locks nor an old snapshot last.
 * That is why there can be no SET clause here, and the functions above have
 * the owner's rights instead: every name and operator is qualified.
 */
CREATE PROCEDURE prune_history(history_age interval = '2 years',
	attempts_age interval = '90 days', keys_age interval = '1 year',
	batch integer = 10000)
LANGUAGE plpgsql
AS $$
DECLARE
	moment timestamptz := partner_api.clock();
	keys bigint := 0;
	actions bigint := 0;
	attempts bigint := 0;
	tests bigint := 0;
	events bigint := 0;
	deleted bigint;
BEGIN
	IF batch IS NULL OR batch OPERATOR(pg_catalog.<) 1 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'batch must be positive';
	END IF;
	IF least(history_age, attempts_age, keys_age)
		OPERATOR(pg_catalog.<) pg_catalog.make_interval() THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'an age must not be negative';
	END IF;
	LOOP
		deleted := partner_api.prune_keys(
			moment OPERATOR(pg_catalog.-) keys_age, batch);
		COMMIT;
		keys := keys OPERATOR(pg_catalog.+) deleted;
		EXIT WHEN deleted OPERATOR(pg_catalog.<) batch;
	END LOOP;
	LOOP
		/* an action is kept as long as its key */
		deleted := partner_api.prune_actions(
			moment OPERATOR(pg_catalog.-)
			CASE WHEN history_age IS NOT NULL
				 THEN greatest(history_age, keys_age) END, batch);
		COMMIT;
		actions := actions OPERATOR(pg_catalog.+) deleted;
		EXIT WHEN deleted OPERATOR(pg_catalog.<) batch;
	END LOOP;
	LOOP
		deleted := partner_api.prune_attempts(
			moment OPERATOR(pg_catalog.-) attempts_age, batch);
		COMMIT;
		attempts := attempts OPERATOR(pg_catalog.+) deleted;
		EXIT WHEN deleted OPERATOR(pg_catalog.<) batch;
	END LOOP;
	LOOP
		deleted := partner_api.prune_tests(
			moment OPERATOR(pg_catalog.-) attempts_age, batch);
		COMMIT;
		tests := tests OPERATOR(pg_catalog.+) deleted;
		EXIT WHEN deleted OPERATOR(pg_catalog.<) batch;
	END LOOP;
	LOOP
		deleted := partner_api.prune_events(
			moment OPERATOR(pg_catalog.-) history_age, batch);
		COMMIT;
		events := events OPERATOR(pg_catalog.+) deleted;
		EXIT WHEN deleted OPERATOR(pg_catalog.<) batch;
	END LOOP;
	RAISE NOTICE 'pruned: % keys, % actions, % attempts, % tests, % events',
		keys, actions, attempts, tests, events;
END
$$;
COMMENT ON PROCEDURE prune_history(interval, interval, interval, integer) IS
'delete closed actions, attempts, tests of connections, events of payments and idempotency keys that are older than these ages, a batch a transaction; an age of null: none of them';
REVOKE ALL ON PROCEDURE prune_history(interval, interval, interval, integer)
	FROM PUBLIC;
