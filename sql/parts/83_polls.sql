/*
 * refresh_payments(): asks the provider about charges that may have changed.
 *
 * A list of what is still to be paid costs a hundredth of asking for each
 * charge, and mostly says that nothing has changed.  So it is read first, and
 * then, one by one, what it does not show as it is known here: paid, deleted,
 * or just not listed.  Everything is read before anything is written: no row
 * is locked while the provider is asked.
 */

/* What nothing changes any more, unless somebody acts on it. */
CREATE INDEX payments_unsettled ON payments (server)
	WHERE must_poll OR NOT (deleted OR coalesce(status, '') IN
		('RECEIVED', 'RECEIVED_IN_CASH', 'DUNNING_RECEIVED', 'REFUNDED'));

/* A charge as it was told; fields: null where there is none. */
CREATE TYPE told_charge AS (
	server		name,
	charge_id	text,
	fields		jsonb,
	asked_at	timestamptz
);
COMMENT ON TYPE told_charge IS
'what a poll told of a charge; for refresh_payments()';

CREATE FUNCTION read_charges(server name, caller text, query text,
	charge_id text, page integer,
	OUT charges jsonb, OUT total bigint, OUT is_last boolean,
	OUT asked_at timestamptz, OUT polls_left integer)
RETURNS record
AS 'MODULE_PATHNAME', 'partner_api_read_charges'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION read_charges(name, text, text, text, integer) IS
'reads one page of charges, or one charge, with the caller''s right; for refresh_payments()';
REVOKE ALL ON FUNCTION read_charges(name, text, text, text, integer)
	FROM PUBLIC;

/* ---- what to ask for ---- */

/*
 * Charges that may have changed, the most urgent first.  What is on its way
 * without us (refunds, disputes, cards whose money is due) is asked for once a
 * day, and so is what the provider did not find.  "list": open, where a list
 * of what is to be paid may show it; closed, where one of all may; null, where
 * only the provider's word on this very charge will do.
 */
CREATE FUNCTION charges_to_poll(of_server name, closed_since date)
RETURNS TABLE (charge_id text, list text, due_on date, created_on date)
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	today date := partner_api.server_day(of_server);
	yesterday timestamptz := partner_api.clock() - interval '1 day';
BEGIN
	RETURN QUERY
	SELECT w.charge_id, w.list, w.due_on, w.created_on
	FROM (
		SELECT p.charge_id, p.due_on, p.created_on, p.polled_at,
			   CASE WHEN s.state IN ('open', 'overdue') AND NOT p.must_poll
						 AND p.missing_since IS NULL THEN 'open' END AS list
		FROM partner_api.payments p
		CROSS JOIN LATERAL (
			SELECT partner_api.payment_state(p.status, p.deleted) AS state) s
		WHERE p.server = of_server
		  AND (p.must_poll OR NOT (p.deleted OR coalesce(p.status, '') IN
			('RECEIVED', 'RECEIVED_IN_CASH', 'DUNNING_RECEIVED', 'REFUNDED')))
		  AND (p.missing_since IS NULL OR p.polled_at < yesterday)
		  AND (p.must_poll OR s.state IN ('open', 'overdue', 'unknown')
			   OR (greatest(p.polled_at, p.learned_at) < yesterday
				   AND (p.status <> 'CONFIRMED'
						OR p.credit_expected_on <= today)))
		UNION ALL
		SELECT p.charge_id, p.due_on, p.created_on, p.polled_at, 'closed'
		FROM partner_api.payments p
		WHERE p.server = of_server AND p.created_on >= closed_since
		  AND NOT p.must_poll AND p.missing_since IS NULL
		  AND partner_api.payment_state(p.status, p.deleted)
			  NOT IN ('open', 'overdue', 'unknown')) w
	ORDER BY w.list IS NULL DESC, w.list DESC, w.polled_at NULLS FIRST,
			 w.due_on, w.charge_id;
END
$$;
COMMENT ON FUNCTION charges_to_poll(name, date) IS
'the charges of a server that the provider is to be asked for, the most urgent first; with closed_since, closed ones that were made since then too';
REVOKE ALL ON FUNCTION charges_to_poll(name, date) FROM PUBLIC;

/* Of a handful, each is asked for. */
CREATE FUNCTION poll_searches(of_server name, closed_since date)
RETURNS TABLE (query text, charge_ids text[])
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	today date := partner_api.server_day(of_server);
BEGIN
	RETURN QUERY
	WITH c AS MATERIALIZED (
		SELECT w.* FROM partner_api.charges_to_poll(of_server, closed_since) w)
	SELECT format('status=%s&due_from=%s&due_until=%s', s.status,
				  min(c.due_on), max(c.due_on)), array_agg(c.charge_id)
	FROM c CROSS JOIN (VALUES ('PENDING'), ('OVERDUE')) AS s (status)
	WHERE c.list = 'open' AND (s.status = 'PENDING' OR c.due_on < today)
	GROUP BY s.status HAVING count(c.due_on) >= 5
	UNION ALL
	SELECT format('created_from=%s&created_until=%s', min(c.created_on),
				  max(c.created_on)), array_agg(c.charge_id)
	FROM c WHERE c.list = 'closed' HAVING count(*) >= 5;
END
$$;
COMMENT ON FUNCTION poll_searches(name, date) IS
'lists that may show many of the charges to ask for; for refresh_payments()';
REVOKE ALL ON FUNCTION poll_searches(name, date) FROM PUBLIC;

/* ---- reading ---- */

/*
 * Read a list for what it shows of these charges.  It is taken at its word
 * that they are still to be paid, or as they are known here; of any other the
 * charge itself is asked for.  A list is left where the rest of it would cost
 * more than that.
 */
CREATE FUNCTION read_poll_search(of_server name, caller text, query text,
	charge_ids text[], most_requests bigint,
	OUT told told_charge[], OUT requests bigint)
RETURNS record
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	page record;
	shown partner_api.told_charge[];
	one partner_api.told_charge;
BEGIN
	told := '{}';
	requests := 0;
	LOOP
		requests := requests + 1;
		SELECT r.* INTO STRICT page FROM partner_api.read_charges(of_server,
			caller, query, NULL, requests::integer) r;
		shown := ARRAY(
			SELECT (of_server, p.charge_id, c.fields,
					page.asked_at)::partner_api.told_charge
			FROM jsonb_array_elements(page.charges) AS c (fields)
			JOIN partner_api.payments p
				ON p.server = of_server AND p.charge_id = c.fields->>'charge_id'
			CROSS JOIN LATERAL partner_api.told_payment(p, c.fields) t
			WHERE p.charge_id = ANY (charge_ids)
			  AND (partner_api.payment_state(t.status, t.deleted)
				   IN ('open', 'overdue')
				   AND partner_api.payment_state(p.status, p.deleted)
					   IN ('open', 'overdue')
				   OR partner_api.charge_facts(t)
					  = partner_api.charge_facts(p)));
		/* one by one: arrays that are joined are copied, page by page */
		FOREACH one IN ARRAY shown LOOP
			told := array_append(told, one);
		END LOOP;
		charge_ids := ARRAY(SELECT unnest(charge_ids)
							EXCEPT SELECT s.charge_id FROM unnest(shown) s);
		EXIT WHEN page.is_last OR requests >= most_requests
			OR page.polls_left = 0
			OR (page.total - 100 * requests) / 100 >= cardinality(charge_ids);
	END LOOP;
END
$$;
COMMENT ON FUNCTION read_poll_search(name, text, text, text[], bigint) IS
'what a list shows of some charges; for refresh_payments()';
REVOKE ALL ON FUNCTION read_poll_search(name, text, text, text[], bigint)
	FROM PUBLIC;

/*
 * Read what is to be asked for at a server.  A charge that cannot be read
 * fails alone; when three in a row cannot be, the provider is left alone.
 */
CREATE FUNCTION read_polls(of_server name, caller text, closed_since date,
	most_requests bigint,
	OUT told told_charge[], OUT requests bigint, OUT failed bigint,
	OUT left_over bigint, OUT error text)
RETURNS record
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	search record;
	one record;
	answer record;
	in_a_row integer := 0;
	detail text;
BEGIN
	told := '{}';
	requests := 0;
	failed := 0;
	left_over := 0;
	FOR search IN
		SELECT s.* FROM partner_api.poll_searches(of_server, closed_since) s
	LOOP
		EXIT WHEN requests >= most_requests;
		BEGIN
			SELECT r.* INTO STRICT answer
			FROM partner_api.read_poll_search(of_server, caller, search.query,
				ARRAY(SELECT unnest(search.charge_ids)
					  EXCEPT SELECT t.charge_id FROM unnest(told) t),
				most_requests - requests) r;
			told := told || answer.told;
			requests := requests + answer.requests;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
			error := concat_ws(': ', SQLERRM, nullif(detail, ''));
			requests := requests + 1;
			in_a_row := in_a_row + 1;
		END;
	END LOOP;
	FOR one IN
		SELECT c.charge_id
		FROM partner_api.charges_to_poll(of_server, closed_since) c
		WHERE c.charge_id NOT IN (SELECT t.charge_id FROM unnest(told) t)
	LOOP
		IF requests >= most_requests OR in_a_row >= 3 THEN
			left_over := left_over + 1;
			CONTINUE;
		END IF;
		requests := requests + 1;
		BEGIN
			SELECT r.charges->0 AS fields, r.asked_at INTO STRICT answer
			FROM partner_api.read_charges(of_server, caller, NULL,
										  one.charge_id, 1) r;
			told := told || (of_server, one.charge_id, answer.fields,
							 answer.asked_at)::partner_api.told_charge;
			in_a_row := 0;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
			error := concat_ws(': ', SQLERRM, nullif(detail, ''));
			failed := failed + 1;
			in_a_row := in_a_row + 1;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION read_polls(name, text, date, bigint) IS
'asks a provider about the charges of a server; for refresh_payments()';
REVOKE ALL ON FUNCTION read_polls(name, text, date, bigint) FROM PUBLIC;

/* ---- taking in ---- */

/*
 * The provider has no such charge, not even as a deleted one: a person has to
 * find out why.  Said once.
 */
CREATE FUNCTION miss_charge(payment payments) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE partner_api.payments p
	SET missing_since = coalesce(p.missing_since, partner_api.clock()),
		polled_at = partner_api.clock(), must_poll = false
	WHERE p.server = payment.server AND p.charge_id = payment.charge_id;
	PERFORM partner_api.announce('charge_missing', payment.server,
		payment.action_id, payment.charge_id,
		format('charge %s is not found at server "%s" any more',
			   payment.charge_id, payment.server))
	WHERE payment.missing_since IS NULL;
END
$$;
COMMENT ON FUNCTION miss_charge(payments) IS
'notes a charge that the provider does not find';
REVOKE ALL ON FUNCTION miss_charge(payments) FROM PUBLIC;

/* On its due day a charge that is still to be paid is announced, once. */
CREATE FUNCTION remind_of_payment(payment payments) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF partner_api.payment_state(payment.status, payment.deleted) <> 'open'
	   OR payment.due_on > partner_api.server_day(payment.server)
	   OR payment.due_on IS NOT DISTINCT FROM payment.reminded_due_on THEN
		RETURN;
	END IF;
	UPDATE partner_api.payments p SET reminded_due_on = payment.due_on
	WHERE p.server = payment.server AND p.charge_id = payment.charge_id;
	PERFORM partner_api.notify_payment('payment_pending', payment);
END
$$;
COMMENT ON FUNCTION remind_of_payment(payments) IS
'announces on its due day that a charge is still to be paid';
REVOKE ALL ON FUNCTION remind_of_payment(payments) FROM PUBLIC;

/* Take in what was told of one charge; returns whether that was news. */
CREATE FUNCTION take_poll(one told_charge, known payments) RETURNS boolean
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	taken partner_api.payments;
BEGIN
	IF one.fields IS NULL THEN
		PERFORM partner_api.miss_charge(known);
		RETURN false;
	END IF;
	taken := partner_api.observe_charge(one.server, one.charge_id, one.fields,
		one.asked_at, 'poll', since => one.asked_at);
	PERFORM partner_api.remind_of_payment(taken);
	RETURN partner_api.charge_facts(taken)
		   <> partner_api.charge_facts(known);
END
$$;
COMMENT ON FUNCTION take_poll(told_charge, payments) IS
'takes in what a provider told of a charge; for refresh_payments()';
REVOKE ALL ON FUNCTION take_poll(told_charge, payments) FROM PUBLIC;

/*
 * Take in what was told.  What a session holds is left for another time; news
 * that cannot be taken in fails alone.
 */
CREATE FUNCTION take_polls(told told_charge[],
	OUT polled bigint, OUT changed bigint, OUT missing bigint,
	OUT held bigint, OUT failed bigint, OUT error text)
RETURNS record
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	one partner_api.told_charge;
	known partner_api.payments;
	is_news boolean;
BEGIN
	polled := 0;
	changed := 0;
	missing := 0;
	held := 0;
	failed := 0;
	FOREACH one IN ARRAY told LOOP
		SELECT p.* INTO known FROM partner_api.payments p
		WHERE p.server = one.server AND p.charge_id = one.charge_id
		FOR UPDATE SKIP LOCKED;
		IF FOUND AND known.invoice_id IS NOT NULL THEN
			PERFORM FROM partner_api.invoices i
			WHERE i.invoice_id = known.invoice_id FOR UPDATE SKIP LOCKED;
		END IF;
		IF NOT FOUND THEN
			held := held + 1;
			CONTINUE;
		END IF;
		BEGIN
			is_news := partner_api.take_poll(one, known);
			missing := missing + (one.fields IS NULL)::integer;
			polled := polled + (one.fields IS NOT NULL)::integer;
			changed := changed + is_news::integer;
		EXCEPTION WHEN OTHERS THEN
			failed := failed + 1;
			error := SQLERRM;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION take_polls(told_charge[]) IS
'takes in what a provider told of charges; for refresh_payments()';
REVOKE ALL ON FUNCTION take_polls(told_charge[]) FROM PUBLIC;

/* ---- the function ---- */

/* The servers at which the caller may ask for charges. */
CREATE FUNCTION servers_to_poll(caller text, of_server name)
RETURNS SETOF name
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF of_server IS NOT NULL THEN
		PERFORM partner_api.check_use(of_server, caller, 'create_charge');
		RETURN NEXT of_server;
		RETURN;
	END IF;
	RETURN QUERY
	SELECT f.srvname FROM pg_foreign_server f
	WHERE has_server_privilege(caller, f.oid, 'USAGE')
	  AND (EXISTS (SELECT FROM partner_api.payments p
				   WHERE p.server = f.srvname)
		   OR EXISTS (SELECT FROM partner_api.invoices i
					  WHERE i.server = f.srvname))
	ORDER BY f.srvname;
END
$$;
COMMENT ON FUNCTION servers_to_poll(text, name) IS
'the servers that refresh_payments() asks';
REVOKE ALL ON FUNCTION servers_to_poll(text, name) FROM PUBLIC;

CREATE FUNCTION refresh_payments_for(caller text, arguments jsonb)
RETURNS TABLE (server name, requests bigint, polled bigint, changed bigint,
	missing bigint, failed bigint, left_over bigint, error text)
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	told partner_api.told_charge[] := '{}';
	answers jsonb[] := '{}';
	answer jsonb;
	one record;
BEGIN
	FOR server IN
		SELECT s FROM partner_api.servers_to_poll(caller,
			(arguments->>'of_server')::name) s
	LOOP
		SELECT r.* INTO STRICT one
		FROM partner_api.read_polls(server, caller,
			(arguments->>'closed_since')::date,
			(arguments->>'most_requests')::bigint) r;
		told := told || one.told;
		answers := answers || jsonb_build_object('server', server,
			'requests', one.requests, 'failed', one.failed,
			'left_over', one.left_over, 'error', one.error);
	END LOOP;
	/* from here on nothing waits for the network */
	FOREACH answer IN ARRAY answers LOOP
		SELECT t.* INTO STRICT one
		FROM partner_api.take_polls(ARRAY(
			SELECT u FROM unnest(told) u
			WHERE u.server = (answer->>'server')::name)) t;
		PERFORM partner_api.further_customers((answer->>'server')::name);
		RETURN QUERY
		SELECT (answer->>'server')::name, (answer->>'requests')::bigint,
			   one.polled, one.changed, one.missing,
			   (answer->>'failed')::bigint + one.failed,
			   (answer->>'left_over')::bigint + one.held,
			   coalesce(one.error, answer->>'error');
	END LOOP;
END
$$;
COMMENT ON FUNCTION refresh_payments_for(text, jsonb) IS
'refresh_payments() on behalf of its caller';
REVOKE ALL ON FUNCTION refresh_payments_for(text, jsonb) FROM PUBLIC;

CREATE FUNCTION refresh_payments(of_server name DEFAULT NULL,
	closed_since date DEFAULT NULL, most_requests integer DEFAULT 1000)
RETURNS TABLE (server name, requests bigint, polled bigint, changed bigint,
	missing bigint, failed bigint, left_over bigint, error text)
AS 'MODULE_PATHNAME', 'partner_api_on_behalf'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION refresh_payments(name, date, integer) IS
'asks the provider about charges that are to be paid or not clear, and brings payments and invoices up to date; with closed_since, about closed ones that were made since then too';
REVOKE ALL ON FUNCTION refresh_payments(name, date, integer) FROM PUBLIC;
