-- Café Rio pays, too, but that event gets lost.  A routine asks about charges
-- that are open.
SELECT requests, polled, changed FROM partner_api.refresh_payments('asaas');
SELECT customer_ref, status, paid_on, paid_cents
FROM partner_api.invoices WHERE status = 'paid' ORDER BY customer_ref;
-- Its invoice is paid, and so its trial will be kept.
SELECT kind, state, held_for, to_char(run_at, 'DD Mon HH24:MI') AS due
FROM partner_api.pending_actions WHERE customer_ref = 'Café Rio';
