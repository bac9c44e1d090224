/*
 * What follows when an invoice is overdue for longer than its plan tolerates,
 * and what a payment undoes and allows.
 */

CREATE FUNCTION undo_dunning(of_invoice bigint) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE partner_api.dunning_steps s SET undone_at = partner_api.clock()
	WHERE s.invoice_id = of_invoice AND s.undone_at IS NULL;
END
$$;
COMMENT ON FUNCTION undo_dunning(bigint) IS
'undoes what can be undone of the dunning of an invoice that is paid';
REVOKE ALL ON FUNCTION undo_dunning(bigint) FROM PUBLIC;

/* Approves on behalf of the server's owner: who pays is no role here. */
CREATE FUNCTION approve_paid_trials(of_invoice bigint) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO partner_api.trial_approvals
		(server, instance_id, approved_at, approved_by)
	SELECT i.server, i.instance_id, partner_api.clock(),
		   pg_get_userbyid(f.srvowner)
	FROM partner_api.invoices v
	JOIN partner_api.subscriptions s USING (server, subscription_id)
	JOIN partner_api.instances i
		ON (i.server, i.instance_id) = (s.instance_server, s.instance_id)
	JOIN pg_foreign_server f ON f.srvname = i.server
	WHERE v.invoice_id = of_invoice AND i.status = 'trial'
	  AND i.trial_end = 'ask'
	ON CONFLICT (server, instance_id) DO NOTHING;
END
$$;
COMMENT ON FUNCTION approve_paid_trials(bigint) IS
'approves the trials with trial_end = ask that a paid invoice is for';
REVOKE ALL ON FUNCTION approve_paid_trials(bigint) FROM PUBLIC;
