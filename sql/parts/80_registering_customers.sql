/*
 * Customers of our own.  They are rows here, and nothing is sent for one by
 * itself: the provider is told when the first invoice is to be charged.  So
 * this may be called from triggers of business tables.  What a provider accepts
 * of a customer is its own matter, and asked of its code.
 */

/* The row of a customer, locked; of one that is new it has the defaults. */
CREATE FUNCTION lock_customer(of_server name, of_customer text)
RETURNS customers
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	customer partner_api.customers;
BEGIN
	PERFORM partner_api.refuse('customer_ref', 'given',
		'It is missing or empty.',
		'Give the key of the business database''s own row.')
	WHERE coalesce(btrim(of_customer), '') = '';
	/* events that name it have to fit into a notification */
	PERFORM partner_api.refuse('customer_ref', 'at most 255 bytes long',
		format('It has %s bytes.', octet_length(of_customer)),
		'Give the key of the business database''s own row.')
	WHERE octet_length(of_customer) > 255;
	INSERT INTO partner_api.customers (server, customer_ref, origin,
									   created_at)
	VALUES (of_server, of_customer, 'local', partner_api.clock())
	ON CONFLICT (server, customer_ref) DO NOTHING;
	SELECT c.* INTO STRICT customer FROM partner_api.customers c
	WHERE c.server = of_server AND c.customer_ref = of_customer
	FOR UPDATE;
	RETURN customer;
END
$$;
COMMENT ON FUNCTION lock_customer(name, text) IS
'the row of a customer, made if it is new, and locked';
REVOKE ALL ON FUNCTION lock_customer(name, text) FROM PUBLIC;

/*
 * A customer with what is given; the rest stays as it is.  What changed may be
 * what was wrong, so the provider is asked again.
 */
CREATE FUNCTION customer_as_given(known customers, given jsonb)
RETURNS customers
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	customer partner_api.customers := jsonb_populate_record(known, given);
BEGIN
	IF NOT customer.foreign_customer THEN
		customer.document := coalesce(
			partner_api.plain_document(customer.document), customer.document);
	END IF;
	IF partner_api.customer_arguments(customer)
	   <> partner_api.customer_arguments(known) THEN
		customer.reason := NULL;
	END IF;
	customer.sending_set := known.sending_set
		OR partner_api.wanted_switches(customer)
		   <> partner_api.wanted_switches(known);
	RETURN customer;
END
$$;
COMMENT ON FUNCTION customer_as_given(customers, jsonb) IS
'a customer with what is given of it, by the names of the columns';
REVOKE ALL ON FUNCTION customer_as_given(customers, jsonb) FROM PUBLIC;

CREATE FUNCTION check_customer(customer customers) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM partner_api.refuse('birth_date', 'a day in the past',
		'It has not come yet.', 'Leave it out if it is not known.')
	WHERE customer.birth_date > partner_api.server_day(customer.server);
	PERFORM partner_api.refuse('birth_date', '1900-01-01 or later',
		format('The day is %s.', customer.birth_date),
		'Write the year with four digits.')
	WHERE customer.birth_date < '1900-01-01';
	PERFORM partner_api.check_arguments(customer.server, 'create_customer',
		NULL, partner_api.customer_arguments(customer));
END
$$;
COMMENT ON FUNCTION check_customer(customers) IS
'raises an error for a customer that the provider would refuse';
REVOKE ALL ON FUNCTION check_customer(customers) FROM PUBLIC;

CREATE FUNCTION write_customer(customer customers) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE partner_api.customers c
	SET (name, document, email, phone, mobile, street, number, complement,
		 district, postal_code, group_name, birth_date, foreign_customer,
		 send_email, send_sms, sending_set, reason)
	  = (customer.name, customer.document, customer.email, customer.phone,
		 customer.mobile, customer.street, customer.number,
		 customer.complement, customer.district, customer.postal_code,
		 customer.group_name, customer.birth_date,
		 customer.foreign_customer, customer.send_email,
		 customer.send_sms, customer.sending_set, customer.reason)
	WHERE c.server = customer.server
	  AND c.customer_ref = customer.customer_ref;
END
$$;
COMMENT ON FUNCTION write_customer(customers) IS
'writes what register_customer() may change of a customer';
REVOKE ALL ON FUNCTION write_customer(customers) FROM PUBLIC;

/*
 * Tell the provider of a change, if it knows the customer.  While a step is on
 * its way to it, or its invoices are, the chain does that.
 */
CREATE FUNCTION tell_of_customer(of_server name, of_customer text)
RETURNS void
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	customer partner_api.customers;
	changes jsonb;
BEGIN
	PERFORM partner_api.further_customer(of_server, of_customer);
	SELECT c.* INTO STRICT customer FROM partner_api.customers c
	WHERE c.server = of_server AND c.customer_ref = of_customer;
	IF customer.customer_id IS NULL OR customer.deleted_at IS NOT NULL
	   OR customer.reason IS NOT NULL
	   OR partner_api.step_is_open(customer.step_action_id) THEN
		RETURN;
	END IF;
	changes := partner_api.customer_changes(customer);
	PERFORM partner_api.take_customer_step(customer, 'change_customer',
										   changes)
	WHERE changes <> '{}';
END
$$;
COMMENT ON FUNCTION tell_of_customer(name, text) IS
'tells the provider what changed of a customer that it knows';
REVOKE ALL ON FUNCTION tell_of_customer(name, text) FROM PUBLIC;

CREATE FUNCTION register_customer(
	server name,
	customer_ref text,
	name text DEFAULT NULL,
	document text DEFAULT NULL,
	email text DEFAULT NULL,
	phone text DEFAULT NULL,
	mobile text DEFAULT NULL,
	street text DEFAULT NULL,
	number text DEFAULT NULL,
	complement text DEFAULT NULL,
	district text DEFAULT NULL,
	postal_code text DEFAULT NULL,
	group_name text DEFAULT NULL,
	birth_date date DEFAULT NULL,
	foreign_customer boolean DEFAULT NULL,
	send_email boolean DEFAULT NULL,
	send_sms boolean DEFAULT NULL)
RETURNS customers
AS 'MODULE_PATHNAME', 'partner_api_on_behalf'
LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION register_customer(
	name, text, text, text, text, text, text, text, text, text, text, text,
	text, date, boolean, boolean, boolean) IS
'register a customer under the key of the business database''s own row, or change it: what is null stays as it is';
REVOKE ALL ON FUNCTION register_customer(
	name, text, text, text, text, text, text, text, text, text, text, text,
	text, date, boolean, boolean, boolean) FROM PUBLIC;

CREATE FUNCTION register_customer_for(caller text, arguments jsonb)
RETURNS customers
LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	of_server name := arguments->>'server';
	customer partner_api.customers;
BEGIN
	PERFORM partner_api.check_use(of_server, caller, 'create_customer');
	customer := partner_api.customer_as_given(
		partner_api.lock_customer(of_server, arguments->>'customer_ref'),
		arguments);
	PERFORM partner_api.check_customer(customer);
	PERFORM partner_api.write_customer(customer);
	PERFORM partner_api.tell_of_customer(of_server, customer.customer_ref);
	SELECT c.* INTO STRICT customer FROM partner_api.customers c
	WHERE c.server = of_server AND c.customer_ref = customer.customer_ref;
	RETURN customer;
END
$$;
COMMENT ON FUNCTION register_customer_for(text, jsonb) IS
'register_customer() for its caller';
REVOKE ALL ON FUNCTION register_customer_for(text, jsonb) FROM PUBLIC;
