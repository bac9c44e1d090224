/*
 * Whom we charge and on what terms.  A customer, a plan and a subscription of
 * our own exist here before any provider knows of them; plans and
 * subscriptions share their tables with those that a billing provider keeps.
 */
CREATE TABLE customers (
	server			name		NOT NULL,
	customer_ref	text COLLATE "C" NOT NULL CHECK (customer_ref <> ''),
	customer_id		text COLLATE "C",
	name			text,
	document		text COLLATE "C",
	email			text,
	phone			text,
	mobile			text,
	street			text,
	number			text,
	complement		text,
	district		text,
	postal_code		text,
	group_name		text,
	birth_date		date,
	foreign_customer	boolean	NOT NULL DEFAULT false,
	send_email		boolean		NOT NULL DEFAULT true,
	send_sms		boolean		NOT NULL DEFAULT true,
	sending_set		boolean		NOT NULL DEFAULT false,
	notifications_disabled	boolean,
	switches		jsonb,
	greeted_on		date,
	reason			text,
	step_action_id	bigint,
	origin			text		NOT NULL
		CHECK (origin IN ('local', 'created', 'adopted', 'found',
						  'imported')),
	created_at		timestamptz	NOT NULL,
	deleted_at		timestamptz,
	action_id		bigint,
	last_seen_at	timestamptz,
	missing_since	timestamptz,
	details			jsonb,
	PRIMARY KEY (server, customer_ref)
);
CREATE UNIQUE INDEX customers_id ON customers (customer_id, server)
	WHERE customer_id IS NOT NULL;
CREATE INDEX customers_document ON customers (document, server);
CREATE INDEX customers_birthday
	ON customers (extract(month FROM birth_date), extract(day FROM birth_date))
	WHERE birth_date IS NOT NULL;
COMMENT ON TABLE customers IS
'customers that we charge, each under the key of the business database''s own row';
COMMENT ON COLUMN customers.server IS
'foreign server: the provider account that charges';
COMMENT ON COLUMN customers.customer_ref IS
'key of the business database''s own row; the provider''s id for one that was first seen there';
COMMENT ON COLUMN customers.customer_id IS
'the provider''s id, opaque; null as long as the provider does not know the customer';
COMMENT ON COLUMN customers.name IS
'name of the person or company';
COMMENT ON COLUMN customers.document IS
'CPF or CNPJ, digits; any text of a foreign customer';
COMMENT ON COLUMN customers.email IS
'e-mail address';
COMMENT ON COLUMN customers.phone IS
'telephone';
COMMENT ON COLUMN customers.mobile IS
'mobile telephone, where text messages go';
COMMENT ON COLUMN customers.street IS
'street of the address';
COMMENT ON COLUMN customers.number IS
'number in the street';
COMMENT ON COLUMN customers.complement IS
'what else the address needs';
COMMENT ON COLUMN customers.district IS
'district';
COMMENT ON COLUMN customers.postal_code IS
'postal code';
COMMENT ON COLUMN customers.group_name IS
'group at the provider';
COMMENT ON COLUMN customers.birth_date IS
'birth date, which the provider does not know';
COMMENT ON COLUMN customers.foreign_customer IS
'has no CPF or CNPJ';
COMMENT ON COLUMN customers.send_email IS
'the provider is to send invoices by e-mail';
COMMENT ON COLUMN customers.send_sms IS
'the provider is to send invoices by text message';
COMMENT ON COLUMN customers.sending_set IS
'somebody changed send_email or send_sms: the provider is told without waiting for an invoice';
COMMENT ON COLUMN customers.notifications_disabled IS
'the provider was last told, or showed, that it is to send no notifications at all; null: its default, that it does';
COMMENT ON COLUMN customers.switches IS
'what the provider was last told or showed of its notification switches: email, sms; null: its default, both on; empty: not known';
COMMENT ON COLUMN customers.greeted_on IS
'the last birthday that was announced';
COMMENT ON COLUMN customers.reason IS
'why the provider does not take the customer; null if nothing is wrong';
COMMENT ON COLUMN customers.step_action_id IS
'action by which the provider is being told of the customer, so that invoices can be charged; null: none';
COMMENT ON COLUMN customers.origin IS
'local: registered here; created, adopted after a lost answer or found at the provider; imported by sync_customers()';
COMMENT ON COLUMN customers.created_at IS
'when it was registered or first seen, by clock()';
COMMENT ON COLUMN customers.deleted_at IS
'when it was deleted at the provider';
COMMENT ON COLUMN customers.action_id IS
'action that created it at the provider';
COMMENT ON COLUMN customers.last_seen_at IS
'when a complete list last showed it';
COMMENT ON COLUMN customers.missing_since IS
'when a complete list first did not show it any more';
COMMENT ON COLUMN customers.details IS
'what the provider last showed of it, without secrets';

CREATE TABLE plan_terms (
	server			name		NOT NULL,
	plan_id			text COLLATE "C" NOT NULL,
	billing			text		NOT NULL DEFAULT 'prepaid'
		CHECK (billing IN ('prepaid', 'postpaid')),
	price_per		text		NOT NULL DEFAULT 'plan'
		CHECK (price_per IN ('plan', 'instance')),
	billing_type	text		NOT NULL DEFAULT 'UNDEFINED'
		CHECK (billing_type IN ('UNDEFINED', 'BOLETO', 'CREDIT_CARD', 'PIX')),
	issue_days		integer		NOT NULL DEFAULT 0
		CHECK (issue_days BETWEEN 0 AND 366),
	due_days		integer		NOT NULL DEFAULT 5
		CHECK (due_days BETWEEN 0 AND 366),
	fine_percent	numeric(4,2)	CHECK (fine_percent > 0),
	interest_percent numeric(4,2)	CHECK (interest_percent > 0),
	dunning			text		NOT NULL DEFAULT 'notify'
		CHECK (dunning IN ('none', 'notify', 'stop_signing',
						   'cancel_instance', 'delete_instance')),
	resume			text		NOT NULL DEFAULT 'notify'
		CHECK (resume IN ('notify', 'sign')),
	max_overdue		integer		CHECK (max_overdue >= 0),
	PRIMARY KEY (server, plan_id)
);
COMMENT ON TABLE plan_terms IS
'how we charge those who subscribe to a plan here';
COMMENT ON COLUMN plan_terms.server IS
'foreign server of the plan';
COMMENT ON COLUMN plan_terms.plan_id IS
'see plans';
COMMENT ON COLUMN plan_terms.billing IS
'prepaid: an invoice is for the period ahead; postpaid: for the period behind';
COMMENT ON COLUMN plan_terms.price_per IS
'plan: the amount is for the subscription; instance: for each instance that it has in the period';
COMMENT ON COLUMN plan_terms.billing_type IS
'how the customer pays: UNDEFINED (the customer chooses), BOLETO, CREDIT_CARD or PIX';
COMMENT ON COLUMN plan_terms.issue_days IS
'days before the period begins (prepaid) or after it ended (postpaid) on which the invoice is made';
COMMENT ON COLUMN plan_terms.due_days IS
'days from the beginning of the period (prepaid) or its end (postpaid) to the due day; never before the day of issue';
COMMENT ON COLUMN plan_terms.fine_percent IS
'added once to what is paid late; null: nothing';
COMMENT ON COLUMN plan_terms.interest_percent IS
'of a month, added to what is paid late; null: nothing';
COMMENT ON COLUMN plan_terms.dunning IS
'what follows when an invoice is overdue for longer than the plan tolerates: none, notify, stop_signing, cancel_instance or, which nothing undoes, delete_instance';
COMMENT ON COLUMN plan_terms.resume IS
'what a payment does with an instance that was cancelled for it and still runs: notify (somebody has to sign it again), or sign, which costs money';
COMMENT ON COLUMN plan_terms.max_overdue IS
'a customer with more overdue invoices than this gets no new ones; null: no limit';

SELECT pg_catalog.pg_extension_config_dump('customers', '');
SELECT pg_catalog.pg_extension_config_dump('plan_terms', '');
