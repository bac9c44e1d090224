/*
 * When an invoice is overdue for longer than its plan tolerates, and what that
 * means for each instance.  What follows is in the next files.
 */

/*
 * A subscription without an instance of its own is for all instances of its
 * customer that no other one names.  What is billed apart is not ours to end.
 * Not STRICT: the planner would not see through it, and a payment would take
 * three times as long.
 */
CREATE FUNCTION subscription_instances(of_server name, of_subscription text)
RETURNS SETOF instances
LANGUAGE sql STABLE CALLED ON NULL INPUT PARALLEL SAFE ROWS 10
BEGIN ATOMIC
	SELECT i.*
	FROM subscriptions s
		 JOIN instances i
			ON i.server = s.instance_server
			   AND i.instance_id = s.instance_id
	WHERE s.server = of_server AND s.subscription_id = of_subscription
		  AND s.origin = 'local'
	UNION ALL
	SELECT i.*
	FROM subscriptions s
		 JOIN instances i ON i.customer_ref = s.customer_ref
	WHERE s.server = of_server AND s.subscription_id = of_subscription
		  AND s.origin = 'local'
		  AND s.instance_id IS NULL AND NOT i.billed_apart
		  AND NOT EXISTS (
			SELECT FROM subscriptions o
			WHERE o.instance_server = i.server
				  AND o.instance_id = i.instance_id
				  AND o.origin = 'local'
				  AND o.status NOT IN ('cancelled', 'expired'));
END;
COMMENT ON FUNCTION subscription_instances(name, text) IS
'the instances that a subscription of our own is for: the one that it names, or all of its customer that no other subscription names';
REVOKE ALL ON FUNCTION subscription_instances(name, text) FROM PUBLIC;

/* OFFSET 0: asked once for each server, not once for each of its invoices. */
CREATE VIEW server_days AS
SELECT f.srvname AS server, server_zone(f.srvname) AS time_zone,
	   server_day(f.srvname) AS today
FROM pg_catalog.pg_foreign_server f
	 JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = f.srvfdw
WHERE w.fdwname = 'partner_api'
OFFSET 0;
COMMENT ON VIEW server_days IS
'which day it is at each server';
COMMENT ON COLUMN server_days.server IS
'foreign server';
COMMENT ON COLUMN server_days.time_zone IS
'zone of its days: its option time_zone';
COMMENT ON COLUMN server_days.today IS
'the day there, by clock()';

/*
 * Nobody loses an instance for what we have not heard: before anything is
 * done, the provider must have shown the charge unpaid on a day on which it
 * was overdue for too long already.  A payment in any other state than these
 * three is under way, in dispute, or of a sort that is not known here.
 */
CREATE VIEW overdue_invoices AS
SELECT o.invoice_id, o.server, o.customer_ref, o.customer_name,
	   o.subscription_id, o.plan_server, o.plan_id, o.amount_cents,
	   o.charge_id, o.payment_status, o.due_on, o.days_overdue,
	   o.tolerance_days,
	   o.days_overdue > o.tolerance_days AS beyond_tolerance, o.dunning,
	   CASE
		   WHEN o.days_overdue <= o.tolerance_days
			   THEN 'the tolerance of the plan'
		   WHEN o.deleted OR o.payment_status IS NULL
				OR o.payment_status NOT IN ('PENDING', 'OVERDUE',
											'DUNNING_REQUESTED')
			   THEN 'the payment, which is '
					|| coalesce(CASE WHEN o.deleted THEN 'deleted' END,
								o.payment_status, 'not known')
		   WHEN o.shown_on IS NULL
				OR o.shown_on <= o.due_on + o.tolerance_days
			   THEN 'refresh_payments(): the provider was not asked since'
	   END AS waits_for
FROM (
	SELECT v.invoice_id, v.server, v.customer_ref,
		   c.name AS customer_name, v.subscription_id, v.plan_server,
		   v.plan_id, v.amount_cents, v.charge_id,
		   p.status AS payment_status, p.deleted,
		   coalesce(p.due_on, v.due_on) AS due_on,
		   d.today - coalesce(p.due_on, v.due_on) AS days_overdue,
		   coalesce(l.tolerance_period, 0) AS tolerance_days,
		   coalesce(t.dunning, 'notify') AS dunning,
		   (greatest(p.polled_at, p.observed_at)
			AT TIME ZONE d.time_zone)::date AS shown_on
	FROM server_days d
		 JOIN invoices v ON v.server = d.server
		 LEFT JOIN payments p
			ON p.server = v.server AND p.charge_id = v.charge_id
		 LEFT JOIN customers c
			ON c.server = v.server AND c.customer_ref = v.customer_ref
		 LEFT JOIN plans l
			ON l.server = v.plan_server AND l.plan_id = v.plan_id
		 LEFT JOIN plan_terms t
			ON t.server = v.plan_server AND t.plan_id = v.plan_id
	WHERE v.status IN ('open', 'overdue')
		  AND v.due_on < d.today) o
WHERE o.days_overdue > 0;
COMMENT ON VIEW overdue_invoices IS
'unpaid invoices whose due day has passed, and what dunning has in store for them';
COMMENT ON COLUMN overdue_invoices.invoice_id IS
'see invoices';
COMMENT ON COLUMN overdue_invoices.server IS
'foreign server: the provider account that charges';
COMMENT ON COLUMN overdue_invoices.customer_ref IS
'see customers';
COMMENT ON COLUMN overdue_invoices.customer_name IS
'name of the customer';
COMMENT ON COLUMN overdue_invoices.subscription_id IS
'see subscriptions';
COMMENT ON COLUMN overdue_invoices.plan_server IS
'foreign server of the plan';
COMMENT ON COLUMN overdue_invoices.plan_id IS
'see plans';
COMMENT ON COLUMN overdue_invoices.amount_cents IS
'what the invoice charges';
COMMENT ON COLUMN overdue_invoices.charge_id IS
'see payments';
COMMENT ON COLUMN overdue_invoices.payment_status IS
'the provider''s word for the state of the payment';
COMMENT ON COLUMN overdue_invoices.due_on IS
'day on which it was due, as the provider has it by now';
COMMENT ON COLUMN overdue_invoices.days_overdue IS
'days since then, in the server''s zone';
COMMENT ON COLUMN overdue_invoices.tolerance_days IS
'days that the plan tolerates';
COMMENT ON COLUMN overdue_invoices.beyond_tolerance IS
'it is overdue for longer than that';
COMMENT ON COLUMN overdue_invoices.dunning IS
'what follows then, by the terms of the plan: see plan_terms';
COMMENT ON COLUMN overdue_invoices.waits_for IS
'what run_dunning() waits for before it does that; null: nothing';

/* ---- the rules ---- */

/*
 * What a policy does to one instance.  A trial is never cancelled: it is not
 * signed, and ends by itself; so a payment that comes before its end saves it.
 * What runs is cancelled before it is deleted, where the provider has that,
 * and deleted when its service has ended.
 */
CREATE FUNCTION dunning_step(policy text, status text, trial_end text,
							 can_cancel boolean)
RETURNS text
LANGUAGE sql IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE
RETURN CASE
	WHEN policy NOT IN ('stop_signing', 'cancel_instance', 'delete_instance')
		THEN NULL
	WHEN status = 'trial'
		THEN CASE WHEN trial_end IN ('sign', 'ask') THEN 'stop_signing' END
	WHEN policy = 'stop_signing' THEN NULL
	WHEN policy = 'cancel_instance'
		THEN CASE WHEN status IN ('signed', 'unknown')
				  THEN 'cancel_instance' END
	WHEN can_cancel AND status IN ('signed', 'unknown')
		THEN 'cancel_instance'
	WHEN status = 'ended'
		 OR (NOT can_cancel AND status IN ('signed', 'cancelling', 'unknown'))
		THEN 'delete_instance'
END;
COMMENT ON FUNCTION dunning_step(text, text, text, boolean) IS
'what a policy of dunning does to an instance in this state; null: nothing';
REVOKE ALL ON FUNCTION dunning_step(text, text, text, boolean) FROM PUBLIC;

/* What the provider of a server has. */
CREATE FUNCTION server_supports(server name, kind text) RETURNS boolean
AS 'MODULE_PATHNAME', 'partner_api_server_supports'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION server_supports(name, text) IS
'has the provider of a server this operation? Null if there is no such server';
REVOKE ALL ON FUNCTION server_supports(name, text) FROM PUBLIC;

/*
 * Is an instance one of a customer who does not pay?  Asked for each new
 * trial, so it is two look-ups.
 */
CREATE FUNCTION is_dunned(of_server name, of_instance text,
						  of_customer text)
RETURNS boolean
LANGUAGE plpgsql STABLE CALLED ON NULL INPUT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN EXISTS (
		SELECT FROM partner_api.subscriptions s
		WHERE s.instance_server = of_server AND s.instance_id = of_instance
		  AND s.origin = 'local' AND s.status = 'suspended')
	OR (EXISTS (
			SELECT FROM partner_api.subscriptions s
			WHERE s.customer_ref = of_customer AND s.instance_id IS NULL
			  AND s.origin = 'local' AND s.status = 'suspended')
		AND NOT EXISTS (
			SELECT FROM partner_api.subscriptions o
			WHERE o.instance_server = of_server
			  AND o.instance_id = of_instance AND o.origin = 'local'
			  AND o.status NOT IN ('cancelled', 'expired')));
END
$$;
COMMENT ON FUNCTION is_dunned(name, text, text) IS
'has the instance a suspended subscription of our own?';
REVOKE ALL ON FUNCTION is_dunned(name, text, text) FROM PUBLIC;
