# What follows when an invoice is overdue for too long: each policy at each
# provider, what a payment undoes, and trials that a payment approves.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox);

$node->create_server(
	$sandbox,
	name => 'green',
	provider => 'greenapi',
	instance_base_url => $sandbox->url);
$node->create_server(
	$sandbox,
	name => 'asaas',
	provider => 'asaas',
	base_url => $sandbox->url . '/v3',
	token => $sandbox->asaas_key);

my $listener = $node->listen;

# One plan for each policy; two days are tolerated.
$node->sql(<<'END');
INSERT INTO partner_api.plans
	(server, plan_id, name, amount_cents, tolerance_period, frequency,
	 interval_count, origin, created_at)
SELECT 'asaas', p, p, 5990, 2, 'monthly', 1, 'local', partner_api.clock()
FROM unnest('{none,notify,stop_signing,cancel_instance,delete_instance,resume}'::text[]) p;
INSERT INTO partner_api.plan_terms (server, plan_id, dunning, resume)
SELECT 'asaas', plan_id,
	   CASE plan_id WHEN 'resume' THEN 'cancel_instance' ELSE plan_id END,
	   CASE plan_id WHEN 'resume' THEN 'sign' ELSE 'notify' END
FROM partner_api.plans;
END

# ---- customers, instances, invoices ----

# A customer with a subscription to a plan.
sub subscribe
{
	my ($customer, $plan) = @_;

	$node->sql('INSERT INTO partner_api.customers'
		  . ' (server, customer_ref, name, origin, created_at)'
		  . " VALUES ('asaas', '$customer', 'X', 'local', partner_api.clock())"
		  . ' ON CONFLICT DO NOTHING;'
		  . ' INSERT INTO partner_api.subscriptions'
		  . ' (server, subscription_id, plan_server, plan_id, customer_ref,'
		  . '  status, origin, created_at)'
		  . " VALUES ('asaas', '$customer', 'asaas', '$plan', '$customer',"
		  . " 'active', 'local', partner_api.clock())");
	return;
}

# An instance of a customer; returns its id.
sub instance
{
	my ($customer, $server, $trial_end) = @_;
	my $how = defined $trial_end ? "'$trial_end'" : 'NULL';

	return $node->sql('SELECT instance_id FROM partner_api.create_instance('
		  . "'$server', '$customer', customer_ref => '$customer',"
		  . " trial_end => $how)");
}

# The same, subscribed to.
sub signed
{
	my ($customer) = @_;
	my $id = instance($customer, 'zapi');

	$node->sql("SELECT partner_api.sign_instance('zapi', '$id')");
	return $id;
}

# An invoice of a customer, unpaid since so many days; returns its id.
sub invoice
{
	my ($customer, $days, $status) = @_;

	$status //= 'OVERDUE';
	return $node->sql(<<"END");
WITH v AS (
	INSERT INTO partner_api.invoices
		(server, subscription_id, customer_ref, plan_server, plan_id,
		 period_start, period_end, issued_on, due_on, amount_cents,
		 billing_type, status, charge_id, issued_at)
	SELECT s.server, s.subscription_id, s.customer_ref, s.plan_server,
		   s.plan_id, d.due, d.due + 29, d.due, d.due, 5990, 'PIX', 'open',
		   'pay_' || s.subscription_id || '_' || $days, partner_api.clock()
	FROM partner_api.subscriptions s,
		 LATERAL (SELECT partner_api.server_day('asaas') - $days AS due) d
	WHERE s.subscription_id = '$customer'
	RETURNING *), p AS (
	INSERT INTO partner_api.payments
		(server, charge_id, invoice_id, status, value_cents, due_on,
		 observed_at, observed_by, learned_at, polled_at, origin)
	SELECT server, charge_id, invoice_id, '$status', amount_cents, due_on,
		   partner_api.clock() - interval '1 s', 'poll', partner_api.clock(),
		   partner_api.clock(), 'created' FROM v)
SELECT invoice_id FROM v
END
}

# What the provider tells of an invoice's charge: it is paid.
sub payment_of
{
	my ($invoice, $status) = @_;

	$status //= 'RECEIVED';
	return 'SELECT (partner_api.observe_charge(server, charge_id,'
	  . " '{\"status\": \"$status\"}', partner_api.clock(), 'poll',"
	  . ' since => partner_api.clock())).status'
	  . " FROM partner_api.invoices WHERE invoice_id = $invoice";
}

sub pay
{
	my ($invoice, $status) = @_;

	$node->sql(payment_of($invoice, $status));
	return;
}

# Run it; what it did, one step a line.
sub dun
{
	return $node->sql('SELECT s.invoice_id, s.step, s.instance_id, s.reason'
		  . ' FROM partner_api.run_dunning() s');
}

sub steps
{
	my ($invoice) = @_;

	return $node->sql("SELECT string_agg(concat_ws(' ', s.step,"
		  . " CASE WHEN s.undone_at IS NOT NULL THEN 'undone' END,"
		  . " '(' || s.reason || ')'), ', ' ORDER BY s.step_id)"
		  . " FROM partner_api.dunning_steps s WHERE invoice_id = $invoice");
}

sub status
{
	my ($customer) = @_;

	return $node->sql('SELECT status FROM partner_api.subscriptions'
		  . " WHERE subscription_id = '$customer'");
}

# State of an instance's action of a kind, and what it is held for.
sub action_of
{
	my ($id, $kind) = @_;

	return $node->sql("SELECT concat_ws(' ', state, held_for) FROM"
		  . ' (SELECT instance_id, kind, state, held_for'
		  . '  FROM partner_api.pending_actions UNION ALL'
		  . '  SELECT instance_id, kind, state, NULL'
		  . '  FROM partner_api.action_history) a'
		  . " WHERE instance_id = '$id' AND kind = '$kind'");
}

# Turn both clocks forward.
sub advance
{
	my ($interval) = @_;

	$node->set_clock($sandbox, "partner_api.clock() + interval '$interval'");
	return;
}

# How often the provider did something to an instance: "cancels", ...
sub effects
{
	my ($id, $what) = @_;

	return $sandbox->instance($id)->{effects}{$what};
}

sub mirror
{
	my ($id) = @_;

	return $node->sql('SELECT status FROM partner_api.instances'
		  . " WHERE instance_id = '$id'");
}

# ---- none, notify; what is not overdue for too long ----

subscribe('N', 'notify');
subscribe('Z', 'none');
my $shop = signed('N');

invoice('Z', 30);
invoice('N', 2);
is(dun(), '', 'within the tolerance, and without a policy, nothing is done');
invoice('N', 20, $_) foreach 'CONFIRMED';
is(dun(), '', 'a payment that is confirmed is not dunned');
$node->sql("UPDATE partner_api.payments SET status = 'AWAITING_RISK_ANALYSIS'"
	  . " WHERE status = 'CONFIRMED'");
is(dun(), '', '... nor one that is examined');
is( $node->sql('SELECT waits_for FROM partner_api.overdue_invoices'
		  . ' WHERE days_overdue = 20'),
	'the payment, which is AWAITING_RISK_ANALYSIS',
	'... which is said');

$node->sql('UPDATE partner_api.invoices SET status = \'paid\''
	  . " WHERE due_on < partner_api.server_day('asaas') - 10"
	  . " AND customer_ref = 'N'");

my $late = invoice('N', 3);

$node->sql('UPDATE partner_api.payments SET'
	  . " polled_at = partner_api.clock() - interval '1 day',"
	  . " observed_at = partner_api.clock() - interval '2 days'"
	  . " WHERE invoice_id = $late");
is(dun(), '', 'nothing is done on what was known before the tolerance ended');
like(
	$node->sql('SELECT waits_for FROM partner_api.overdue_invoices'
		  . " WHERE invoice_id = $late"),
	qr/the provider was not asked since/,
	'... which is said');
$node->sql('UPDATE partner_api.payments SET polled_at = partner_api.clock()'
	  . " WHERE invoice_id = $late");
is(dun(), "$late|notify||", 'notify announces an invoice');
like(
	$listener->heard(qr/"dunning"/),
	qr/"step": "notify".*"invoice_id": $late\b.*"customer_ref": "N"/,
	'... with its number and whose it is');
is(status('N'), 'past_due', '... and its subscription is past due');
is(dun(), '', '... once');
is(mirror($shop), 'signed', '... and that is all');
pay($late);
is(status('N'), 'active', 'a payment ends it');
is(steps($late), 'notify undone', '... and is on record');

# ---- stop_signing ----

subscribe('T', 'stop_signing');

my $signed = signed('T');
my $trial = instance('T', 'zapi');
my $asked = instance('T', 'zapi', 'ask');
my $approved = instance('T', 'zapi', 'ask');
my $lapsing = instance('T', 'zapi', 'lapse');

$node->sql("SELECT partner_api.approve_trial('zapi', '$approved')");
$late = invoice('T', 3);
is( scalar(split /\n/, dun()),
	4, 'stop_signing strikes the trials that would or might be signed');
is(action_of($_, 'sign_instance'), 'held dunning', '... each is held')
  foreach $trial, $asked, $approved;
is(status('T'), 'suspended', '... and the subscription is suspended');

my $later = instance('T', 'zapi');

is(action_of($later, 'sign_instance'),
	'held dunning', 'a later trial is held from its beginning');
is(dun(), "$late|stop_signing|$later|", '... and gets its step');
$node->sql("SELECT partner_api.approve_trial('zapi', '$asked')");
is(action_of($asked, 'sign_instance'),
	'held dunning', 'an approval does not end it');
$node->sql("DELETE FROM partner_api.trial_approvals"
	  . " WHERE instance_id = '$asked'");
like(
	$node->sql('SELECT reason FROM partner_api.trials_at_risk'
		  . " WHERE instance_id = '$trial'"),
	qr/held: invoice $late is overdue/,
	'what it waits for is shown');
pay($late);
is(action_of($trial, 'sign_instance'),
	'waiting', 'a payment lets a trial be signed again');
is(action_of($approved, 'sign_instance'),
	'waiting', '... one that was approved too');
is(action_of($asked, 'sign_instance'),
	'waiting', '... and approves one that asks');
is(action_of($later, 'sign_instance'), 'waiting', '... and the later one');
like(steps($late), qr/^notify undone(, stop_signing undone){4}$/,
	'... each step is undone');

# a trial that nobody paid for
my $unpaid = invoice('T', 4);

dun();
advance('2 days 1 minute');
$node->poll("SELECT partner_api.clock(); SELECT string_agg(DISTINCT state, ' ')"
	  . ' FROM partner_api.action_history'
	  . " WHERE instance_id = '$trial' AND kind = 'sign_instance'",
	qr/^cancelled$/m);
like(
	$node->sql('SELECT last_error FROM partner_api.action_history'
		  . " WHERE instance_id = '$trial' AND kind = 'sign_instance'"),
	qr/did not pay before the trial ended: invoice $unpaid is overdue/,
	'a trial that is not paid for lapses, and that is not called missed');
$node->wait_for("SELECT status = 'lapsed' FROM partner_api.instances"
	  . " WHERE instance_id = '$trial'");
is(effects($trial, 'signs'), 0, '... and was never signed');
is(effects($signed, 'cancels'), 0, '... while what runs goes on');
pay($unpaid);
like(steps($unpaid), qr/stop_signing undone \(the trial has ended\)/,
	'what cannot be undone says why');

# ---- cancel_instance ----

subscribe('C', 'cancel_instance');

my $runs = signed('C');
my $tried = instance('C', 'zapi');
my $green = instance('C', 'green');
my $other = signed('C');

$node->sql('INSERT INTO partner_api.subscriptions'
	  . ' (server, subscription_id, plan_server, plan_id, customer_ref,'
	  . '  instance_server, instance_id, status, origin, created_at)'
	  . " VALUES ('asaas', 'own', 'asaas', 'none', 'C', 'zapi', '$other',"
	  . " 'active', 'local', partner_api.clock())");
$late = invoice('C', 3);

my @sessions = map {
	$node->start_sql('SELECT s.step, s.instance_id'
		  . ' FROM partner_api.run_dunning() s')
} 1 .. 3;
my @taken = map { split /\n/, $_->output } @sessions;

is(scalar(@taken), 4, 'three runs at the same time take each step once');
$node->wait_until_settled("kind = 'cancel_instance'");
is(effects($runs, 'cancels'), 1, 'what runs at Z-API is cancelled once');
is(mirror($runs), 'cancelling', '... and runs out');
is(effects($tried, 'cancels'), 0, 'a trial is not cancelled');
is(action_of($tried, 'sign_instance'), 'held dunning', '... but not signed');
is(effects($other, 'cancels'),
	0, 'an instance that another subscription names is left alone');
like(
	steps($late),
	qr/cancel_instance \(provider "greenapi" has no operation "cancel_instance"\)/,
	'Green API cannot cancel: the step has its reason');
$listener->heard(qr/"dunning_failed".*$green/);
is(mirror($green), 'signed', '... and nothing else is done to the instance');
dun() foreach 1 .. 2;
is(effects($runs, 'cancels'), 1, 'a second run does nothing');
is( $node->sql('SELECT count(*) FROM partner_api.action_history'
		  . " WHERE kind = 'delete_instance'"),
	0,
	'... and nothing is deleted');
pay($late);
like(
	steps($late),
	qr/cancel_instance undone \(it was cancelled: signing it again is left to you\)/,
	'a payment does not spend money of its own accord');
$listener->heard(qr/"dunning_not_undone".*$runs/);
is(effects($runs, 'signs'), 1, '... the instance is not signed again');
is(action_of($tried, 'sign_instance'),
	'waiting', '... but the trial is signed after all');

# withdrawn before it was sent
subscribe('W', 'cancel_instance');
$runs = signed('W');
$late = invoice('W', 3);

my $older = invoice('W', 33);

$node->sql("SELECT partner_api.pause('zapi')");
dun();
is(action_of($runs, 'cancel_instance'),
	'waiting', 'a paused server gets no cancel yet');
pay($late);
is(action_of($runs, 'cancel_instance'),
	'waiting', 'another invoice that is overdue for too long keeps it');
is(status('W'), 'suspended', '... and the subscription suspended');
pay($older);
is(action_of($runs, 'cancel_instance'),
	'cancelled', 'with the last one the cancel is withdrawn');
is(status('W'), 'active', '... and the subscription active');

# at the same time as a payment: before it, and after it
$late = invoice('W', 4);

my $session = $node->console;

$session->run('BEGIN; SELECT count(*) FROM partner_api.run_dunning();');

my $payment = $node->start_sql(payment_of($late));

$node->wait_for('SELECT wait_event_type = \'Lock\' FROM pg_stat_activity'
	  . ' WHERE pid = ' . $payment->pid);
$session->run('COMMIT;');
$payment->output;
like(steps($late), qr/cancel_instance undone$/,
	'a payment that comes while a run takes its steps undoes them');
$late = invoice('W', 5);
$session->run('BEGIN; ' . payment_of($late) . ';');
is(dun(), '', 'an invoice whose payment is being recorded is left alone');
$session->run('COMMIT;');
is(dun(), '', '... and is paid then');
$late = invoice('W', 6);
$older = invoice('W', 7);
dun();
$session->run('BEGIN; ' . payment_of($late) . ';');
$payment = $node->start_sql(payment_of($older));
$node->wait_for('SELECT wait_event_type = \'Lock\' FROM pg_stat_activity'
	  . ' WHERE pid = ' . $payment->pid);
$session->run('COMMIT;');
$session->end;
$payment->output;
is(status('W'), 'active',
	'of two payments at the same time the second sees the first');
$node->sql("SELECT partner_api.resume('zapi')");
$node->drive_pass;
is(effects($runs, 'cancels'), 0, 'nothing of all that was ever sent');

# while nothing is sent for good
subscribe('Y', 'cancel_instance');
$runs = signed('Y');
$late = invoice('Y', 3);
$node->set_option(mode => 'dry_run');
dun();
$node->wait_until_settled("instance_id = '$runs'");
dun();
like(steps($late), qr/cancel_instance \(it was a dry run\)$/,
	'a dry run is on record as what it is');
$node->set_option(mode => 'live');
is(dun(), "$late|cancel_instance|$runs|", '... and done once it is over');
$node->wait_until_settled("instance_id = '$runs'");
is(effects($runs, 'cancels'), 1, '... once');

# signed again where the terms say so
subscribe('R', 'resume');
$runs = signed('R');
$late = invoice('R', 3);
dun();
$node->wait_until_settled("kind = 'cancel_instance'");
is(mirror($runs), 'cancelling', 'resume: cancelled');
pay($late);
$node->wait_until_settled("kind = 'sign_instance' AND NOT automatic");
is(effects($runs, 'signs'),
	1, '... where the provider does not sign what is in cancellation');
dun();
like(steps($late),
	qr/cancel_instance undone \(This instance is in cancellation\)/,
	'... that is on record');
$listener->heard(qr/"dunning_failed".*$runs/);

# ---- delete_instance ----

subscribe('D', 'delete_instance');
$runs = signed('D');
$green = instance('D', 'green');
$late = invoice('D', 3);
subscribe('E', 'resume');

my $ends = signed('E');
my $paid_late = invoice('E', 3);

dun();
$node->wait_until_settled("instance_id IN ('$runs', '$green', '$ends')");
is(mirror($green), 'deleted', 'delete_instance deletes at Green API');
is(effects($green, 'deletes'), 1, '... once');
is(mirror($runs), 'cancelling', '... and cancels first at Z-API');
is(dun(), '', '... where nothing more is done while it runs');
advance('31 days');
$node->wait_for("SELECT status = 'ended' FROM partner_api.instances"
	  . " WHERE instance_id = '$runs'");
$node->sql('UPDATE partner_api.payments SET polled_at = partner_api.clock()');
like(dun(), qr/^$late\|delete_instance\|$runs\|$/m,
	'when the service has ended it is deleted');
$node->wait_until_settled("instance_id = '$runs'");
is(mirror($runs), 'ended', '... unless the provider refuses');
is(dun(), '', '... which is not tried again');
like(steps($late), qr/delete_instance \(.*40 days/, '... and has its reason');
pay($paid_late);
$node->wait_until_settled("instance_id = '$ends'");
is(mirror($ends), 'signed',
	'resume: what has ended is signed again by the payment');
is(effects($ends, 'signs'), 2, '... once');
like(steps($paid_late), qr/cancel_instance undone$/, '... on record');
pay($late);
like(
	steps($late),
	qr/delete_instance undone \(it was deleted, which nothing undoes\)/,
	'a payment cannot undo a deletion');
is( $node->sql('SELECT count(*) FROM partner_api.action_history'
		  . " WHERE kind LIKE 'delete%' AND instance_id NOT IN"
		  . " ('$runs', '$green')"),
	0,
	'nothing else was ever deleted');

# ---- rights, and servers that are gone ----

$node->create_role('clerk', 'partner_api_operator');
subscribe('G', 'delete_instance');
$runs = signed('G');
$green = instance('G', 'green');
$late = invoice('G', 3);
$node->sql('REVOKE USAGE ON FOREIGN SERVER green FROM PUBLIC');
$node->sql('SELECT FROM partner_api.run_dunning()', role => 'clerk');
like(
	steps($late),
	qr/delete_instance \(permission denied for foreign server green\)/,
	'without the right to a server a step fails');
like(steps($late), qr/cancel_instance(,|$)/, '... and the others are taken');
$node->sql('ALTER SERVER green RENAME TO gone');
like(dun(), qr/server "green" does not exist/,
	'a server that is gone is no reason to stop either');
$node->sql('ALTER SERVER gone RENAME TO green');
is(dun(), "$late|delete_instance|$green|",
	'what failed is done by the next run that can');
$node->wait_until_settled("instance_id = '$green'");
is(effects($green, 'deletes'), 1, '... once');
$node->sql('REVOKE USAGE ON FOREIGN SERVER asaas FROM PUBLIC');
invoice('G', 40);
is( $node->sql('SELECT count(*) FROM partner_api.run_dunning()',
		role => 'clerk'),
	0,
	'invoices of servers that one may not use are none of one\'s business');
$node->fails_with(
	"SELECT partner_api.run_dunning('asaas')",
	'42501',
	{ message => qr/permission denied for foreign server asaas/ },
	'... which is said where one is named',
	role => 'clerk');

# ---- trials that a payment approves ----

subscribe('A', 'notify');
$asked = instance('A', 'zapi', 'ask');
$late = invoice('A', 0, 'PENDING');

my $end = $node->sql('SELECT trial_ends_at FROM partner_api.instances'
	  . " WHERE instance_id = '$asked'");

$node->set_clock($sandbox, "'$end'::timestamptz - interval '10 minutes'");
$node->drive_pass;
is(effects($asked, 'signs'), 0, 'a trial that asks is not signed unpaid');
pay($late, 'CONFIRMED');
$node->wait_until_settled("instance_id = '$asked'");
is(effects($asked, 'signs'), 1, '... and at once when it is paid');
pay($late, 'RECEIVED');
$node->drive_pass;
is(effects($asked, 'signs'), 1, '... exactly once');

# the same through the provider's event, by a role that may do nothing else
$asked = instance('A', 'zapi', 'ask');
$late = invoice('A', 1, 'PENDING');
$node->create_role('web');
$node->sql('GRANT USAGE ON SCHEMA partner_api TO web; GRANT EXECUTE ON FUNCTION'
	  . ' partner_api.asaas_webhook(jsonb, jsonb, name) TO web');
$end = $node->sql('SELECT trial_ends_at FROM partner_api.instances'
	  . " WHERE instance_id = '$asked'");
$node->set_clock($sandbox, "'$end'::timestamptz - interval '10 minutes'");

my $event = $node->sql('SELECT json_build_object(\'id\', \'evt_1\', \'event\','
	  . " 'PAYMENT_RECEIVED', 'dateCreated', to_char(partner_api.clock()"
	  . " AT TIME ZONE 'America/Sao_Paulo', 'YYYY-MM-DD HH24:MI:SS'),"
	  . " 'payment', json_build_object('object', 'payment', 'id', charge_id,"
	  . " 'status', 'RECEIVED', 'value', 59.90))"
	  . " FROM partner_api.invoices WHERE invoice_id = $late");
my $header = qq({"asaas-access-token": "$PartnerApi::Sandbox::CLIENT_TOKEN"});

$node->sql("SELECT partner_api.asaas_webhook('$header', '$event', 'asaas')",
	role => 'web');
$node->wait_until_settled("instance_id = '$asked'");
is(effects($asked, 'signs'), 1,
	'a payment that an event tells of approves a trial as well');
$node->sql("SELECT partner_api.asaas_webhook('$header', '$event', 'asaas')",
	role => 'web');
$node->drive_pass;
is(effects($asked, 'signs'), 1, '... once, however often it comes');
is( $node->sql('SELECT approved_by = current_user'
		  . ' FROM partner_api.trial_approvals'
		  . " WHERE instance_id = '$asked'"),
	't',
	'... approved by the owner of the server');

done_testing;
