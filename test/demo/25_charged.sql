-- What the worker did at Asaas meanwhile: it looked for the customer, found none
-- and made one, switched SMS off as wanted, and only then came the charge.
SELECT c.customer_ref, h.kind, h.state
FROM partner_api.action_history h
JOIN partner_api.customers c
	ON h.customer_ref = c.customer_ref AND h.server = c.server
WHERE h.server = 'asaas' AND c.customer_ref = 'Livraria Saber'
ORDER BY h.action_id;
SELECT customer_ref, i.due_on, amount_cents, i.status, p.status AS at_asaas
FROM partner_api.invoices i JOIN partner_api.payments p USING (invoice_id)
ORDER BY customer_ref;
-- Asaas sends its own text.  This is for the shop's own mail: what it takes to
-- pay, and a text with it.
SELECT d.link, d.pix_expires_at::date, length(d.pix_image) AS png_bytes
FROM partner_api.invoices i, partner_api.invoice_payment_data(i.invoice_id) d
WHERE i.customer_ref = 'Café Rio';
\pset format unaligned
\pset tuples_only
SELECT m.subject || E'\n\n' || m.body
FROM partner_api.invoices i,
	 partner_api.invoice_message(i.invoice_id, 'issued') m
WHERE i.customer_ref = 'Café Rio';
