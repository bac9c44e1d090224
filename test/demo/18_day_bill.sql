-- Green API is paid by the day, also that of the creation.
SELECT name, days, unit_price_cents, amount_cents, reason
FROM partner_api.billing_lines WHERE server = 'greenapi';
