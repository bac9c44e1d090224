/*
 * Customers whom the provider knows, each with a subscription that is to be
 * invoiced.  Variable: customers.
 */
SELECT count(partner_api.register_plan('bench_asaas', 'bench', 'Plan', 9900));
INSERT INTO partner_api.customers
	(server, customer_ref, customer_id, name, document, email, switches,
	 origin, created_at)
SELECT 'bench_asaas', 'c' || g, 'cus_' || g, 'Customer ' || g, '24971563792',
	   'customer@example.com', '{"email": true, "sms": true}', 'created',
	   partner_api.clock()
FROM generate_series(1, :customers) g;
SELECT count(partner_api.subscribe('bench_asaas', 'c' || g, 'bench'))
FROM generate_series(1, :customers) g;
VACUUM ANALYZE partner_api.customers, partner_api.subscriptions;

/* As if nothing had been invoiced yet. */
CREATE FUNCTION bench.clear_invoices() RETURNS void
LANGUAGE sql AS $$
	TRUNCATE partner_api.invoices, partner_api.invoice_lines,
		partner_api.dunning_steps, partner_api.pending_actions;
	UPDATE partner_api.subscriptions SET invoiced_until = NULL;
$$;

/* The rows that generate_invoices() makes, and a charge of each. */
SELECT count(*) FROM partner_api.generate_invoices();
CREATE TABLE bench.invoices AS TABLE partner_api.invoices;
CREATE TABLE bench.lines AS TABLE partner_api.invoice_lines;
CREATE TABLE bench.actions AS TABLE partner_api.pending_actions;
CREATE TABLE bench.events AS
SELECT i.invoice_id, 'pay_' || i.invoice_id AS charge_id,
	   '{"asaas-access-token": "sandbox-client-token"}'::jsonb AS headers,
	   format('{"id": "evt_%1$s&%1$s", "event": "PAYMENT_RECEIVED",
		"dateCreated": "%2$s %3$s", "payment": {"object": "payment",
		"id": "pay_%1$s", "dateCreated": "%2$s", "customer": "%4$s",
		"value": 99, "netValue": 97.01, "originalValue": null,
		"interestValue": null, "description": "Plan", "billingType": "PIX",
		"status": "RECEIVED", "dueDate": "%2$s", "originalDueDate": "%2$s",
		"paymentDate": "%2$s", "clientPaymentDate": "%2$s",
		"invoiceUrl": "https://sandbox.asaas.com/i/%1$s",
		"invoiceNumber": "%1$s", "externalReference": null,
		"deleted": false, "anticipated": false, "creditDate": "%2$s",
		"estimatedCreditDate": "%2$s", "bankSlipUrl": null}}',
		i.invoice_id, d.day, d.hour, i.customer_ref)::jsonb AS body
FROM partner_api.invoices i,
	 LATERAL (SELECT partner_api.clock() AT TIME ZONE 'America/Sao_Paulo')
		AS c (at),
	 LATERAL (SELECT to_char(c.at, 'YYYY-MM-DD'), to_char(c.at, 'HH24:MI:SS'))
		AS d (day, hour);
VACUUM ANALYZE bench.invoices, bench.lines, bench.actions, bench.events;

/* Write the same by plain inserts; returns how many invoices. */
CREATE FUNCTION bench.insert_invoices() RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO partner_api.invoices OVERRIDING SYSTEM VALUE
	SELECT * FROM bench.invoices;
	INSERT INTO partner_api.invoice_lines SELECT * FROM bench.lines;
	INSERT INTO partner_api.pending_actions OVERRIDING SYSTEM VALUE
	SELECT * FROM bench.actions;
	RETURN count(*) FROM bench.invoices;
END $$;

/* Every invoice is charged, and waits for its payment. */
CREATE FUNCTION bench.charge_invoices() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM bench.clear_invoices();
	TRUNCATE partner_api.payments, partner_api.payment_events;
	INSERT INTO partner_api.invoices OVERRIDING SYSTEM VALUE
	SELECT * FROM bench.invoices;
	UPDATE partner_api.invoices SET status = 'open',
		charge_id = 'pay_' || invoice_id;
	INSERT INTO partner_api.payments
		(server, charge_id, invoice_id, customer_id, billing_type, status,
		 value_cents, due_on, observed_at, observed_by, learned_at, origin)
	SELECT i.server, i.charge_id, i.invoice_id, i.customer_ref, 'PIX',
		   'PENDING', 9900, i.due_on, i.issued_at, 'answer', i.issued_at,
		   'created'
	FROM partner_api.invoices i;
END $$;

/* Microseconds of each event: taken in, or its rows written plainly. */
CREATE FUNCTION bench.event_us(taken_in boolean, count integer)
RETURNS double precision
LANGUAGE plpgsql AS $$
DECLARE
	e bench.events;
	started_at timestamptz := clock_timestamp();
BEGIN
	FOR e IN SELECT * FROM bench.events LIMIT count LOOP
		IF taken_in THEN
			PERFORM partner_api.asaas_webhook(e.headers, e.body);
		ELSE
			INSERT INTO partner_api.payment_events
				(server, event_id, event, charge_id, source, status,
				 occurred_at, received_at, outcome, body)
			VALUES ('bench_asaas', e.body->>'id', e.body->>'event',
					e.charge_id, 'webhook', 'RECEIVED', started_at,
					started_at, 'applied', e.body);
			UPDATE partner_api.payments
			SET status = 'RECEIVED', paid_on = due_on, payer_paid_on = due_on,
				credited_on = due_on, net_value_cents = 9701,
				observed_at = started_at, observed_by = 'webhook',
				learned_at = started_at, details = e.body->'payment'
			WHERE server = 'bench_asaas' AND charge_id = e.charge_id;
			UPDATE partner_api.invoices
			SET status = 'paid', paid_on = due_on, paid_cents = amount_cents
			WHERE invoice_id = e.invoice_id;
		END IF;
	END LOOP;
	RETURN 1e6 * extract(epoch FROM clock_timestamp() - started_at) / count;
END $$;
