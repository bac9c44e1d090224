-- The Livraria has paid by boleto, two days late.  Who has not paid at all?
SELECT requests, polled, changed FROM partner_api.refresh_payments('asaas');
SELECT customer_ref, due_on, days_overdue, tolerance_days, dunning
FROM partner_api.overdue_invoices;
-- What the plan says is done, once.
SELECT i.customer_ref, d.step, d.action_id IS NOT NULL AS enqueued
FROM partner_api.run_dunning() d JOIN partner_api.invoices i USING (invoice_id);
SELECT count(*) AS done_again FROM partner_api.run_dunning();
