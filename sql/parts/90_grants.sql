/*
 * Who may do what.  The reader sees views and tables without secrets; the
 * operator acts, on servers that it has USAGE on; the admin sets prices and
 * rules.
 */
GRANT USAGE ON SCHEMA partner_api
	TO partner_api_reader, partner_api_operator, partner_api_admin;
GRANT partner_api_reader TO partner_api_operator;
GRANT partner_api_operator TO partner_api_admin;

GRANT SELECT ON instances, instance_events, plans, subscriptions, clients,
	cards, object_events, customers, plan_terms, invoices, invoice_lines,
	payments, payment_events, dunning_steps, message_templates,
	pending_actions, action_history,
	action_attempts, mirror_backlog, worker_status, stalled_actions,
	trials_at_risk, token_usage, token_quotas, cap_alerts, spend_caps,
	unmatched_instances, server_surveys, server_pauses, request_windows,
	connection_tests,
	server_health,
	billing_rules, billing_bands, billing_prices,
	billing_rules_in_force, billing_terms, billing_gaps,
	billing_lines, billing_cycles, billing_subscriptions, former_subscriptions
	TO partner_api_reader;

/* the view spend_caps calls them with the reader's rights */
GRANT EXECUTE ON FUNCTION
	cap_used(name, text, text, boolean, timestamptz, boolean),
	cycle_cents(name, bigint, timestamptz),
	cycle_rule(name, timestamptz)
	TO partner_api_reader;

GRANT EXECUTE ON FUNCTION
	create_instance(name, text, jsonb, text, text, text),
	enqueue_create_instance(name, text, jsonb, text, text, text, timestamptz, timestamptz),
	sign_instance(name, text, boolean, text),
	enqueue_sign_instance(name, text, boolean, text, timestamptz, timestamptz),
	update_subscription(name, text, boolean, text),
	enqueue_update_subscription(name, text, boolean, text, timestamptz, timestamptz),
	cancel_instance(name, text, text),
	enqueue_cancel_instance(name, text, text, timestamptz, timestamptz),
	delete_instance(name, text, text),
	enqueue_delete_instance(name, text, text, timestamptz, timestamptz),
	delete_instances(name, text[], text),
	enqueue_delete_instances(name, text[], text, timestamptz, timestamptz),
	disconnect_instance(name, text, text),
	enqueue_disconnect_instance(name, text, text, timestamptz, timestamptz),
	reboot_instance(name, text, text),
	enqueue_reboot_instance(name, text, text, timestamptz, timestamptz),
	change_settings(name, text, jsonb, text),
	enqueue_change_settings(name, text, jsonb, text, timestamptz, timestamptz),
	check_settings(name, text, text),
	enqueue_check_settings(name, text, text, timestamptz, timestamptz),
	approve_trial(name, text),
	cancel_action(bigint),
	retry_action(bigint),
	resolve_action(bigint, text),
	pause(name, text),
	resume(name),
	test_connection(name),
	poll_budget(name),
	refresh_payments(name, date, integer),
	remote_instances(name, text, text),
	sync_instances(name),
	instance_status(name, text),
	instance_qr(name, text),
	instance_qr_url(name, text),
	phone_code(name, text, text),
	instance_settings(name, text)
	TO partner_api_operator;

GRANT EXECUTE ON FUNCTION
	create_plan(name, text, bigint, text, text, text, bigint, integer,
		integer, integer, boolean, text, text, timestamptz, boolean, boolean,
		integer, text, text, text, bytea, text, text),
	enqueue_create_plan(name, text, bigint, text, text, text, bigint,
		integer, integer, integer, boolean, text, text, timestamptz, boolean,
		boolean, integer, text, text, text, bytea, text, text, timestamptz,
		timestamptz),
	change_plan(name, text, text, bigint, text, text, text, bigint, integer,
		integer, integer, boolean, text, text, timestamptz, boolean, boolean,
		integer, text, text, text, bytea, text),
	enqueue_change_plan(name, text, text, bigint, text, text, text, bigint,
		integer, integer, integer, boolean, text, text, timestamptz, boolean,
		boolean, integer, text, text, text, bytea, text, timestamptz,
		timestamptz),
	delete_plan(name, text, text),
	enqueue_delete_plan(name, text, text, timestamptz, timestamptz),
	remote_objects(name, text, text),
	remote_object(name, text, text),
	list_plans(name),
	get_plan(name, text),
	create_client(name, text, text, text, date, text, text, jsonb, text,
		text),
	enqueue_create_client(name, text, text, text, date, text, text, jsonb,
		text, text, timestamptz, timestamptz),
	store_card(name, text, jsonb, text),
	create_subscription(name, text, text, text, jsonb, jsonb, jsonb, date,
		text, text),
	enqueue_create_subscription(name, text, text, text, date, text, text,
		timestamptz, timestamptz),
	change_subscription(name, text, jsonb, text),
	enqueue_change_subscription(name, text, jsonb, text, timestamptz,
		timestamptz),
	suspend_subscription(name, text, text),
	enqueue_suspend_subscription(name, text, text, timestamptz, timestamptz),
	reactivate_subscription(name, text, text),
	enqueue_reactivate_subscription(name, text, text, timestamptz,
		timestamptz),
	cancel_subscription(name, text, text),
	enqueue_cancel_subscription(name, text, text, timestamptz, timestamptz),
	refund_invoice(name, text, text, text),
	enqueue_refund_invoice(name, text, text, text, timestamptz, timestamptz),
	list_subscriptions(name),
	get_subscription(name, text),
	subscription_invoices(name, text),
	find_client(name, text),
	sync_plans(name),
	sync_subscriptions(name)
	TO partner_api_operator;

GRANT EXECUTE ON FUNCTION
	create_customer(name, text, text, text, text, text, text, text, text,
		text, text, date, boolean, text, text, text, text, text, text, boolean,
		text, text),
	enqueue_create_customer(name, text, text, text, text, text, text, text,
		text, text, text, date, boolean, text, text, text, text, text, text,
		boolean, text, text, timestamptz, timestamptz),
	change_customer(name, text, text, text, text, text, text, text, text,
		text, text, text, boolean, text, text, text, text, text, text, boolean,
		text),
	enqueue_change_customer(name, text, text, text, text, text, text, text,
		text, text, text, text, boolean, text, text, text, text, text, text,
		boolean, text, timestamptz, timestamptz),
	delete_customer(name, text, text),
	enqueue_delete_customer(name, text, text, timestamptz, timestamptz),
	restore_customer(name, text, text),
	enqueue_restore_customer(name, text, text, timestamptz, timestamptz),
	check_notifications(name, text, text),
	enqueue_check_notifications(name, text, text, timestamptz, timestamptz),
	change_notifications(name, text, jsonb, text),
	enqueue_change_notifications(name, text, jsonb, text, timestamptz,
		timestamptz),
	create_charge(name, text, text, bigint, date, text, integer, jsonb,
		jsonb, jsonb, boolean, text, text),
	enqueue_create_charge(name, text, text, bigint, date, text, integer,
		jsonb, jsonb, jsonb, boolean, text, text, timestamptz, timestamptz),
	change_charge(name, text, text, bigint, date, text, integer, jsonb,
		jsonb, jsonb, boolean, text),
	enqueue_change_charge(name, text, text, bigint, date, text, integer,
		jsonb, jsonb, jsonb, boolean, text, timestamptz, timestamptz),
	delete_charge(name, text, text),
	enqueue_delete_charge(name, text, text, timestamptz, timestamptz),
	restore_charge(name, text, text),
	enqueue_restore_charge(name, text, text, timestamptz, timestamptz),
	refund_charge(name, text, bigint, text, text),
	enqueue_refund_charge(name, text, bigint, text, text, timestamptz,
		timestamptz),
	receive_charge(name, text, date, bigint, boolean, text),
	enqueue_receive_charge(name, text, date, bigint, boolean, text,
		timestamptz, timestamptz),
	undo_receive_charge(name, text, text),
	enqueue_undo_receive_charge(name, text, text, timestamptz, timestamptz),
	create_recurrence(name, text, text, bigint, date, text, text, date,
		integer, jsonb, jsonb, jsonb, text, text),
	enqueue_create_recurrence(name, text, text, bigint, date, text, text,
		date, integer, jsonb, jsonb, jsonb, text, text, timestamptz,
		timestamptz),
	change_recurrence(name, text, text, bigint, date, text, text, date,
		integer, jsonb, jsonb, jsonb, text, boolean, text),
	enqueue_change_recurrence(name, text, text, bigint, date, text, text,
		date, integer, jsonb, jsonb, jsonb, text, boolean, text, timestamptz,
		timestamptz),
	delete_recurrence(name, text, text),
	enqueue_delete_recurrence(name, text, text, timestamptz, timestamptz),
	sync_customers(name),
	sync_charges(name, text),
	search_term(text, text),
	list_customers(name, text),
	find_customers(name, text),
	get_customer(name, text),
	customer_notifications(name, text),
	list_charges(name, text),
	get_charge(name, text),
	recurrence_charges(name, text),
	charge_boleto(name, text),
	charge_pix(name, text),
	charge_views(name, text),
	account_balance(name),
	account_status(name),
	charge_limit(name),
	list_recurrences(name, text),
	get_recurrence(name, text),
	plain_document(text)
	TO partner_api_operator;

GRANT EXECUTE ON FUNCTION
	create_webhook(name, text, text, text, text[], boolean, boolean, text,
		text),
	enqueue_create_webhook(name, text, text, text, text[], boolean, boolean,
		text, text, timestamptz, timestamptz),
	change_webhook(name, text, text, text, text, text[], boolean, boolean,
		text, text),
	enqueue_change_webhook(name, text, text, text, text, text[], boolean,
		boolean, text, text, timestamptz, timestamptz),
	delete_webhook(name, text, text),
	enqueue_delete_webhook(name, text, text, timestamptz, timestamptz),
	list_webhooks(name)
	TO partner_api_admin;

GRANT EXECUTE ON FUNCTION
	register_customer(name, text, text, text, text, text, text, text, text,
		text, text, text, text, date, boolean, boolean, boolean),
	subscribe(name, text, text, name, text, date, date, bigint, name, text),
	unsubscribe(name, text, date),
	set_subscription_price(name, text, bigint),
	generate_invoices(daterange, name),
	retry_invoice(bigint),
	cancel_invoice(bigint),
	set_invoice_due(bigint, date)
	TO partner_api_operator;
GRANT EXECUTE ON FUNCTION
	register_plan(name, text, text, bigint, text, integer, bigint, integer,
		integer, timestamptz, integer, boolean, text, text, text, text,
		integer, integer, numeric, numeric, text, text, integer),
	set_plan_terms(name, text, text, text, text, integer, integer, numeric,
		numeric, text, text, integer)
	TO partner_api_admin;
GRANT SELECT ON subscriptions_not_invoiced TO partner_api_reader;
/* that view calls them with the reader's rights */
GRANT EXECUTE ON FUNCTION
	why_not_invoiced(plans, plan_terms, bigint),
	plan_frequency(text),
	most_cents(),
	most_intervals(),
	is_barred(name, text, integer)
	TO partner_api_reader;

GRANT INSERT, UPDATE, DELETE ON billing_rules, billing_bands, billing_prices
	TO partner_api_admin;
/* whoever takes requests from the Internet gets this and nothing else */
GRANT EXECUTE ON FUNCTION asaas_webhook(jsonb, jsonb, name)
	TO partner_api_admin WITH GRANT OPTION;
GRANT EXECUTE ON FUNCTION set_price(name, bigint, integer, date),
	confirm_identity(text) TO partner_api_admin;
GRANT EXECUTE ON FUNCTION identity_change() TO partner_api_reader;
GRANT EXECUTE ON FUNCTION server_zone(name), server_day(name, timestamptz)
	TO partner_api_reader;
/* the view stalled_actions calls it with the reader's rights */
GRANT EXECUTE ON FUNCTION acted_on(text) TO partner_api_reader;
GRANT EXECUTE ON PROCEDURE
	prune_history(interval, interval, interval, integer)
	TO partner_api_admin;
GRANT EXECUTE ON FUNCTION
	prune_keys(timestamptz, integer),
	prune_actions(timestamptz, integer),
	prune_attempts(timestamptz, integer),
	prune_tests(timestamptz, integer),
	prune_events(timestamptz, integer)
	TO partner_api_admin;

GRANT EXECUTE ON FUNCTION
	message_placeholders(text),
	message_template(text, text),
	message_amount(bigint),
	fill_template(text, jsonb, boolean, boolean),
	refuse_unknown(text, text),
	invoice_facts(invoices),
	invoice_event_holds(invoices, text, jsonb),
	invoice_message(bigint, text),
	birthday_message(name, text)
	TO partner_api_reader;
GRANT EXECUTE ON FUNCTION
	invoice_payment_data(bigint, boolean),
	resend_invoice(bigint),
	set_sending(name, text, boolean, boolean)
	TO partner_api_operator;
GRANT EXECUTE ON FUNCTION
	set_message_template(text, text, text, text, boolean),
	reset_message_template(text, text)
	TO partner_api_admin;

/* dunning and reports */
GRANT SELECT ON server_days, overdue_invoices, open_invoices,
	customer_balances TO partner_api_reader;
GRANT EXECUTE ON FUNCTION subscription_instances(name, text),
	invoice_standing(text, date, date),
	invoice_report(daterange, name), invoice_totals(daterange, name),
	payment_report(daterange, text, name),
	payment_totals(daterange, text, name), margin_report(daterange),
	birthdays(date, integer)
	TO partner_api_reader;
GRANT EXECUTE ON FUNCTION run_dunning(name), announce_birthdays(date)
	TO partner_api_operator;

/* routines */
GRANT SELECT ON routines, routine_runs, routine_status TO partner_api_reader;
/* the view routine_status calls them with the reader's rights */
GRANT EXECUTE ON FUNCTION next_run(text, timestamptz), routines_stopped(),
	cron_routines(), routine_defaults() TO partner_api_reader;
GRANT EXECUTE ON PROCEDURE sync_all_instances(), refresh_all_payments()
	TO partner_api_operator;
GRANT UPDATE (schedule, active) ON routines TO partner_api_admin;
GRANT EXECUTE ON FUNCTION schedule_routines(jsonb), unschedule_routines(),
	add_routine(text, text, text), remove_routine(text),
	check_routine_names(jsonb), register_routine(text, text, text),
	unregister_routine(text), keep_routine(text, text, text),
	drop_routine(text)
	TO partner_api_admin;
