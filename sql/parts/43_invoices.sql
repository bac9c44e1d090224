/*
 * What we charge and what is paid.  An invoice is of one subscription and
 * period; a payment is what the provider tells of one charge.
 */
CREATE TABLE invoices (
	invoice_id		bigint		GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	server			name		NOT NULL,
	subscription_id	text COLLATE "C" NOT NULL,
	customer_ref	text COLLATE "C" NOT NULL,
	plan_server		name		NOT NULL,
	plan_id			text COLLATE "C" NOT NULL,
	period_start	date		NOT NULL,
	period_end		date		NOT NULL,
	issued_on		date		NOT NULL,
	due_on			date		NOT NULL,
	amount_cents	bigint		NOT NULL CHECK (amount_cents >= 0),
	billing_type	text		NOT NULL,
	description		text,
	status			text		NOT NULL DEFAULT 'waiting'
		CHECK (status IN ('waiting', 'failed', 'open', 'overdue', 'paid',
						  'refunded', 'disputed', 'cancelled')),
	reason			text,
	action_id		bigint,
	charge_id		text COLLATE "C",
	paid_on			date,
	paid_cents		bigint,
	issued_at		timestamptz	NOT NULL,
	UNIQUE (server, subscription_id, period_start),
	CHECK (period_end >= period_start)
);
CREATE INDEX invoices_customer
	ON invoices (customer_ref, server, period_start);
CREATE INDEX invoices_waiting ON invoices (customer_ref, server)
	WHERE status IN ('waiting', 'failed');
CREATE INDEX invoices_unpaid ON invoices (due_on)
	WHERE status IN ('open', 'overdue');
CREATE INDEX invoices_issued ON invoices (issued_on);
CREATE INDEX invoices_period ON invoices (period_start);
CREATE UNIQUE INDEX invoices_charge ON invoices (charge_id, server)
	WHERE charge_id IS NOT NULL;
CREATE INDEX invoices_action ON invoices (action_id)
	WHERE action_id IS NOT NULL;
COMMENT ON TABLE invoices IS
'what customers are charged: one for each subscription and period';
COMMENT ON COLUMN invoices.invoice_id IS
'number of the invoice here';
COMMENT ON COLUMN invoices.server IS
'foreign server: the provider account that charges';
COMMENT ON COLUMN invoices.subscription_id IS
'see subscriptions';
COMMENT ON COLUMN invoices.customer_ref IS
'see customers';
COMMENT ON COLUMN invoices.plan_server IS
'foreign server of the plan';
COMMENT ON COLUMN invoices.plan_id IS
'plan at the time of issue';
COMMENT ON COLUMN invoices.period_start IS
'first day of the period';
COMMENT ON COLUMN invoices.period_end IS
'last day of the period';
COMMENT ON COLUMN invoices.issued_on IS
'day of issue, in the server''s zone';
COMMENT ON COLUMN invoices.due_on IS
'day on which it is due';
COMMENT ON COLUMN invoices.amount_cents IS
'sum of its lines';
COMMENT ON COLUMN invoices.billing_type IS
'how it is to be paid: UNDEFINED, BOLETO, CREDIT_CARD or PIX';
COMMENT ON COLUMN invoices.description IS
'text of the charge';
COMMENT ON COLUMN invoices.status IS
'waiting: its charge is on its way; failed: it has none, see reason; open: charged; overdue; paid; refunded; disputed: the payer''s bank asks for the money back; cancelled';
COMMENT ON COLUMN invoices.reason IS
'why it has no charge, in the provider''s words where they are known';
COMMENT ON COLUMN invoices.action_id IS
'action that creates its charge';
COMMENT ON COLUMN invoices.charge_id IS
'the charge at the provider: see payments';
COMMENT ON COLUMN invoices.paid_on IS
'day on which the customer paid';
COMMENT ON COLUMN invoices.paid_cents IS
'what was paid';
COMMENT ON COLUMN invoices.issued_at IS
'when it was made, by clock()';

CREATE TABLE invoice_lines (
	invoice_id		bigint		NOT NULL REFERENCES invoices
		ON DELETE CASCADE,
	line			integer		NOT NULL,
	kind			text		NOT NULL
		CHECK (kind IN ('plan', 'instance', 'setup')),
	description		text		NOT NULL,
	instance_server	name,
	instance_id		text COLLATE "C",
	amount_cents	bigint		NOT NULL CHECK (amount_cents >= 0),
	PRIMARY KEY (invoice_id, line)
);
COMMENT ON TABLE invoice_lines IS
'what an invoice charges';
COMMENT ON COLUMN invoice_lines.invoice_id IS
'see invoices';
COMMENT ON COLUMN invoice_lines.line IS
'number within the invoice, from 1';
COMMENT ON COLUMN invoice_lines.kind IS
'plan: the plan''s amount; instance: the amount of one instance; setup: once, at the beginning';
COMMENT ON COLUMN invoice_lines.description IS
'what it is for';
COMMENT ON COLUMN invoice_lines.instance_server IS
'foreign server of the instance, if it is for one';
COMMENT ON COLUMN invoice_lines.instance_id IS
'the instance, if it is for one';
COMMENT ON COLUMN invoice_lines.amount_cents IS
'what is charged for it';

CREATE TABLE payments (
	server				name		NOT NULL,
	charge_id			text COLLATE "C" NOT NULL,
	invoice_id			bigint,
	customer_id			text COLLATE "C",
	recurrence_id		text COLLATE "C",
	installment_id		text COLLATE "C",
	billing_type		text,
	status				text,
	deleted				boolean		NOT NULL DEFAULT false,
	value_cents			bigint,
	net_value_cents		bigint,
	original_value_cents	bigint,
	interest_value_cents	bigint,
	refunded_cents		bigint,
	description			text,
	due_on				date,
	original_due_on		date,
	paid_on				date,
	payer_paid_on		date,
	confirmed_on		date,
	credited_on			date,
	credit_expected_on	date,
	created_on			date,
	invoice_url			text,
	invoice_number		text,
	boleto_url			text,
	receipt_url			text,
	our_number			text,
	external_reference	text COLLATE "C",
	boleto_line			text,
	pix_code			text,
	pix_expires_at		timestamptz,
	observed_at			timestamptz	NOT NULL,
	observed_by			text
		CHECK (observed_by IN ('answer', 'poll', 'webhook')),
	learned_at			timestamptz	NOT NULL,
	polled_at			timestamptz,
	must_poll			boolean		NOT NULL DEFAULT false,
	reminded_due_on		date,
	origin				text		NOT NULL
		CHECK (origin IN ('created', 'adopted', 'imported')),
	action_id			bigint,
	last_seen_at		timestamptz,
	missing_since		timestamptz,
	details				jsonb,
	PRIMARY KEY (server, charge_id)
);
CREATE INDEX payments_invoice ON payments (invoice_id)
	WHERE invoice_id IS NOT NULL;
CREATE INDEX payments_customer ON payments (customer_id, server);
CREATE INDEX payments_paid ON payments (paid_on) WHERE paid_on IS NOT NULL;
/* what reports may count by instead */
CREATE INDEX payments_due ON payments (due_on);
CREATE INDEX payments_payer_paid ON payments (payer_paid_on)
	WHERE payer_paid_on IS NOT NULL;
CREATE INDEX payments_credited ON payments (credited_on)
	WHERE credited_on IS NOT NULL;
CREATE INDEX payments_action ON payments (action_id)
	WHERE action_id IS NOT NULL;
COMMENT ON TABLE payments IS
'what the provider tells of each charge';
COMMENT ON COLUMN payments.server IS
'foreign server: the provider account that charges';
COMMENT ON COLUMN payments.charge_id IS
'the provider''s id of the charge, opaque';
COMMENT ON COLUMN payments.invoice_id IS
'the invoice that it charges; null: it was made by other means';
COMMENT ON COLUMN payments.customer_id IS
'the provider''s id of the customer';
COMMENT ON COLUMN payments.recurrence_id IS
'the recurrence that made it, if one did';
COMMENT ON COLUMN payments.installment_id IS
'the instalment plan that it belongs to, if any';
COMMENT ON COLUMN payments.billing_type IS
'how it is or was paid, in the provider''s word';
COMMENT ON COLUMN payments.status IS
'the provider''s word, known or not';
COMMENT ON COLUMN payments.deleted IS
'it was deleted at the provider, which still shows it';
COMMENT ON COLUMN payments.value_cents IS
'what is to be paid';
COMMENT ON COLUMN payments.net_value_cents IS
'what is left of it after the provider''s fee';
COMMENT ON COLUMN payments.original_value_cents IS
'value before it was changed by a late or different payment';
COMMENT ON COLUMN payments.interest_value_cents IS
'fine and interest in it';
COMMENT ON COLUMN payments.refunded_cents IS
'what of it was given back, or is on its way';
COMMENT ON COLUMN payments.description IS
'text of the charge';
COMMENT ON COLUMN payments.due_on IS
'day on which it is due';
COMMENT ON COLUMN payments.original_due_on IS
'day on which it was due at first';
COMMENT ON COLUMN payments.paid_on IS
'day on which the payment was booked';
COMMENT ON COLUMN payments.payer_paid_on IS
'day on which the payer paid';
COMMENT ON COLUMN payments.confirmed_on IS
'day on which a card payment was confirmed';
COMMENT ON COLUMN payments.credited_on IS
'day on which the money became available';
COMMENT ON COLUMN payments.credit_expected_on IS
'day on which the money should become available';
COMMENT ON COLUMN payments.created_on IS
'day on which the charge was made';
COMMENT ON COLUMN payments.invoice_url IS
'page on which it can be paid by any of its means';
COMMENT ON COLUMN payments.invoice_number IS
'the provider''s number of the invoice';
COMMENT ON COLUMN payments.boleto_url IS
'the boleto as PDF';
COMMENT ON COLUMN payments.receipt_url IS
'page of the receipt';
COMMENT ON COLUMN payments.our_number IS
'the bank''s number of the boleto';
COMMENT ON COLUMN payments.external_reference IS
'what the creator wrote: our nonce if it was made here';
COMMENT ON COLUMN payments.boleto_line IS
'digits with which a boleto is paid, once they were asked for';
COMMENT ON COLUMN payments.pix_code IS
'text with which it is paid by Pix, once it was asked for';
COMMENT ON COLUMN payments.pix_expires_at IS
'until when the Pix code can be used';
COMMENT ON COLUMN payments.observed_at IS
'when the provider showed what stands here, by its clock where that is known';
COMMENT ON COLUMN payments.observed_by IS
'what showed it: the answer to an action, a poll, or an event of a webhook';
COMMENT ON COLUMN payments.learned_at IS
'when it was taken in here, by clock()';
COMMENT ON COLUMN payments.polled_at IS
'when it was last asked for';
COMMENT ON COLUMN payments.must_poll IS
'an event came that cannot be put in order: the provider is to be asked';
COMMENT ON COLUMN payments.reminded_due_on IS
'the due day on which it was announced that it is still to be paid';
COMMENT ON COLUMN payments.origin IS
'created here, adopted after a lost answer, or imported: made by other means';
COMMENT ON COLUMN payments.action_id IS
'action that created it';
COMMENT ON COLUMN payments.last_seen_at IS
'when a list last showed it';
COMMENT ON COLUMN payments.missing_since IS
'when a list first did not show it any more';
COMMENT ON COLUMN payments.details IS
'what the provider last showed of it, without secrets';

CREATE TABLE payment_events (
	payment_event_id	bigint	GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	server			name		NOT NULL,
	event_id		text COLLATE "C",
	event			text,
	charge_id		text COLLATE "C",
	source			text		NOT NULL
		CHECK (source IN ('answer', 'poll', 'webhook')),
	status			text,
	occurred_at		timestamptz,
	received_at		timestamptz	NOT NULL,
	outcome			text		NOT NULL
		CHECK (outcome IN ('applied', 'nothing_new', 'late', 'unclear',
						   'unknown')),
	body			jsonb,
	UNIQUE (server, event_id)
);
CREATE INDEX payment_events_charge
	ON payment_events (charge_id, server, payment_event_id);
CREATE INDEX payment_events_received ON payment_events (received_at);
COMMENT ON TABLE payment_events IS
'what was learned of payments: every event that the provider sent, and every answer and poll that changed something';
COMMENT ON COLUMN payment_events.payment_event_id IS
'order of recording';
COMMENT ON COLUMN payment_events.server IS
'foreign server: the provider account that charges';
COMMENT ON COLUMN payment_events.event_id IS
'the provider''s id of the event; null of answers and polls';
COMMENT ON COLUMN payment_events.event IS
'the provider''s word for what happened, known or not';
COMMENT ON COLUMN payment_events.charge_id IS
'the charge that it is about, if it is about one';
COMMENT ON COLUMN payment_events.source IS
'answer to an action, poll, or webhook';
COMMENT ON COLUMN payment_events.status IS
'the status that it shows, in the provider''s word';
COMMENT ON COLUMN payment_events.occurred_at IS
'when the provider says that it happened';
COMMENT ON COLUMN payment_events.received_at IS
'when it was recorded, by clock()';
COMMENT ON COLUMN payment_events.outcome IS
'applied; nothing_new; late: something newer was known; unclear: which is newer cannot be told, so the provider is asked; unknown: kept, of a sort that is not acted on';
COMMENT ON COLUMN payment_events.body IS
'the event as it came';

CREATE TABLE dunning_steps (
	step_id			bigint		GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	invoice_id		bigint		NOT NULL REFERENCES invoices
		ON DELETE CASCADE,
	step			text		NOT NULL
		CHECK (step IN ('notify', 'stop_signing', 'cancel_instance',
						'delete_instance')),
	instance_server	name,
	instance_id		text COLLATE "C",
	action_id		bigint,
	taken_at		timestamptz	NOT NULL,
	undone_at		timestamptz,
	undo_action_id	bigint,
	reason			text
);
/* what is not undone is not done again */
CREATE UNIQUE INDEX dunning_steps_notice ON dunning_steps (invoice_id)
	WHERE instance_id IS NULL AND undone_at IS NULL;
CREATE UNIQUE INDEX dunning_steps_instance
	ON dunning_steps (instance_server, instance_id, step)
	WHERE instance_id IS NOT NULL AND undone_at IS NULL;
CREATE INDEX dunning_steps_invoice ON dunning_steps (invoice_id);
COMMENT ON TABLE dunning_steps IS
'what was done because an invoice was overdue for longer than its plan tolerates';
COMMENT ON COLUMN dunning_steps.step_id IS
'order of recording';
COMMENT ON COLUMN dunning_steps.invoice_id IS
'the invoice that was overdue';
COMMENT ON COLUMN dunning_steps.step IS
'what was to be done: notify, stop_signing, cancel_instance or delete_instance';
COMMENT ON COLUMN dunning_steps.instance_server IS
'foreign server of the instance that it struck';
COMMENT ON COLUMN dunning_steps.instance_id IS
'the instance that it struck';
COMMENT ON COLUMN dunning_steps.action_id IS
'action that it enqueued or withdrew, if any';
COMMENT ON COLUMN dunning_steps.taken_at IS
'when, by clock()';
COMMENT ON COLUMN dunning_steps.undone_at IS
'when the payment undid it, as far as it can be undone';
COMMENT ON COLUMN dunning_steps.undo_action_id IS
'action that undid it';
COMMENT ON COLUMN dunning_steps.reason IS
'why nothing was done, or cannot be undone';

SELECT pg_catalog.pg_extension_config_dump('invoices', '');
SELECT pg_catalog.pg_extension_config_dump('invoice_lines', '');
SELECT pg_catalog.pg_extension_config_dump('payments', '');
SELECT pg_catalog.pg_extension_config_dump('payment_events', '');
SELECT pg_catalog.pg_extension_config_dump('dunning_steps', '');
SELECT pg_catalog.pg_extension_config_dump(
	pg_catalog.pg_get_serial_sequence('partner_api.invoices', 'invoice_id')::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump(
	pg_catalog.pg_get_serial_sequence('partner_api.payment_events', 'payment_event_id')::pg_catalog.regclass, '');
SELECT pg_catalog.pg_extension_config_dump(
	pg_catalog.pg_get_serial_sequence('partner_api.dunning_steps', 'step_id')::pg_catalog.regclass, '');
COMMENT ON SEQUENCE invoices_invoice_id_seq IS 'numbers invoices';
COMMENT ON SEQUENCE payment_events_payment_event_id_seq IS
'numbers what was learned of payments';
COMMENT ON SEQUENCE dunning_steps_step_id_seq IS 'numbers steps of dunning';
