-- What was charged in June, and who paid when ...
SELECT customer_ref, due_on, status, amount_cents, paid_on
FROM partner_api.invoice_report('[2026-06-01,2026-07-01)')
ORDER BY customer_ref;
SELECT customer_ref, billing_type, payer_paid_on, days_late, credited_on,
	   received_cents, fee_cents
FROM partner_api.payment_report('[2026-06-01,2026-07-01)')
ORDER BY payer_paid_on, customer_ref;
-- ... what of it is left when the providers of instances are paid: margin is of
-- what was charged, received or not, and the last row has the shop's own ...
SELECT customer_ref, charged_cents, received_cents, cost_cents, margin_cents
FROM partner_api.margin_report('[2026-06-01,2026-07-01)')
ORDER BY customer_ref;
-- ... and whom to congratulate in the next two weeks.
SELECT customer_ref, birthday, years FROM partner_api.birthdays('2026-06-16', 14);
