-- What the provider charges for one instance and month: R$ 49.90.
SELECT * FROM partner_api.set_price('zapi', 4990);
-- The shop's application has a role of its own, which may act at zapi.
CREATE ROLE shop_app LOGIN IN ROLE partner_api_operator;
GRANT USAGE ON FOREIGN SERVER zapi TO shop_app;
CREATE SCHEMA shop AUTHORIZATION shop_app;
SET ROLE shop_app;
-- Plan "keep" is signed when its trial ends, "try" is left to lapse, "ask"
-- is signed if the customer has paid by then.
CREATE TABLE shop.customers (
	customer	text	PRIMARY KEY,
	plan		text	NOT NULL CHECK (plan IN ('keep', 'try', 'ask')));
CREATE TABLE shop.payments (
	customer		text	NOT NULL REFERENCES shop.customers,
	amount_cents	bigint	NOT NULL);
-- A new customer orders an instance ...
CREATE FUNCTION shop.order_instance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM partner_api.enqueue_create_instance('zapi', NEW.customer,
		customer_ref => NEW.customer,
		trial_end => CASE NEW.plan WHEN 'keep' THEN 'sign'
								   WHEN 'try' THEN 'lapse'
								   ELSE 'ask' END);
	RETURN NULL;
END $$;
CREATE TRIGGER order_instance AFTER INSERT ON shop.customers
	FOR EACH ROW EXECUTE FUNCTION shop.order_instance();
-- ... and a payment approves that it is signed.
CREATE FUNCTION shop.approve_instance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM partner_api.approve_trial(i.server, i.instance_id)
	FROM partner_api.instances i
	WHERE i.customer_ref = NEW.customer AND i.status = 'trial';
	RETURN NULL;
END $$;
CREATE TRIGGER approve_instance AFTER INSERT ON shop.payments
	FOR EACH ROW EXECUTE FUNCTION shop.approve_instance();
