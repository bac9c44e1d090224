# Customers from their first invoice to the day on which they have paid, or
# have not: invoices, charges, polls, dunning and trials together, by turned
# clocks alone.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox);

$node->create_server($sandbox, name => 'asaas', provider => 'asaas');

my $listener = $node->listen;

# Numbers with check digits that fit.
my @documents = qw(12345678909 52998224725 11144477735 39053344705
  15350946056);

$node->sql(<<'END');
SELECT partner_api.register_plan('asaas', 'strict', 'Gateway', 5990,
	tolerance_period => 2, due_days => 5, billing_type => 'PIX',
	dunning => 'cancel_instance');
SELECT partner_api.register_plan('asaas', 'again', 'Gateway', 5990,
	tolerance_period => 2, due_days => 5, billing_type => 'PIX',
	dunning => 'cancel_instance', resume => 'sign');
SELECT partner_api.register_plan('asaas', 'at once', 'Trial', 990,
	tolerance_period => 0, due_days => 0, billing_type => 'PIX',
	dunning => 'stop_signing');
END

# A customer with an instance and a subscription for it; returns its id.
sub sign_up
{
	my ($ref, $plan, $trial_end, $sign) = @_;

	$node->sql("SELECT partner_api.register_customer('asaas', '$ref',"
		  . " 'Cliente $ref', '" . shift(@documents) . "',"
		  . " '$ref\@shop.test')");

	my $id = $node->sql('SELECT instance_id FROM partner_api.create_instance('
		  . "'zapi', '$ref', customer_ref => '$ref',"
		  . " trial_end => '$trial_end')");

	$node->sql("SELECT partner_api.sign_instance('zapi', '$id')") if $sign;
	$node->sql("SELECT partner_api.subscribe('asaas', '$ref', '$plan',"
		  . " 'zapi', '$id')");
	return $id;
}

# The invoice of a customer, once it has its charge.
sub invoice_of
{
	my ($ref) = @_;

	$node->wait_for("SELECT status = 'open' FROM partner_api.invoices"
		  . " WHERE customer_ref = '$ref'");
	return $node->row(
		"SELECT * FROM partner_api.invoices WHERE customer_ref = '$ref'");
}

# Turn both clocks to noon of so many days from now, in the provider's zone.
sub noon_in
{
	my ($days) = @_;

	$node->set_clock($sandbox,
		"(partner_api.server_day('asaas') + $days + time '12:00')"
		  . " AT TIME ZONE 'America/Sao_Paulo'");
	return;
}

# What a routine does each day; returns the steps of dunning.
sub routine
{
	$node->sql("SELECT count(*) FROM partner_api.refresh_payments('asaas')");
	return $node->sql("SELECT string_agg(v.customer_ref || ' ' || s.step, ', '"
		  . ' ORDER BY s.step_id) FROM partner_api.run_dunning() s'
		  . ' JOIN partner_api.invoices v USING (invoice_id)');
}

sub effects
{
	my ($id, $what) = @_;

	return $sandbox->instance($id)->{effects}{$what};
}

sub status
{
	my ($id) = @_;

	return $node->sql('SELECT status FROM partner_api.instances'
		  . " WHERE instance_id = '$id'");
}

noon_in(1);

my $pays = sign_up('pays', 'strict', 'sign', 1);
my $owes = sign_up('owes', 'strict', 'sign', 1);
my $again = sign_up('again', 'again', 'sign', 1);
my $asks = sign_up('asks', 'at once', 'ask');
my $late = sign_up('late', 'at once', 'sign');

is( $node->sql('SELECT count(*) FROM partner_api.generate_invoices()'),
	5, 'each customer has an invoice');

my %invoice = map { $_ => invoice_of($_) } qw(pays owes again asks late);

is(routine(), '', 'on the day of issue nobody is dunned');

# ---- the day after: two are overdue, and no day is tolerated ----

noon_in(1);
is(routine(), 'asks notify, asks stop_signing, late notify, late stop_signing',
	'who is overdue beyond the tolerance is told, and the trial not signed');
$sandbox->charge($invoice{asks}{charge_id}, 'pay');
is(routine(), '', 'a payment by Pix is seen by the next poll');
is( $node->sql('SELECT status FROM partner_api.invoices'
		  . " WHERE customer_ref = 'asks'"),
	'paid',
	'... the invoice is paid');
$node->sql("SELECT partner_api.receive_charge('asaas',"
	  . " '$invoice{late}{charge_id}', partner_api.server_day('asaas'), 990)");
is( $node->sql('SELECT string_agg(DISTINCT state, \' \')'
		  . ' FROM partner_api.pending_actions'
		  . " WHERE kind = 'sign_instance'"
		  . " AND instance_id IN ('$asks', '$late')"),
	'waiting',
	'money in cash counts too, as soon as the provider has confirmed it');
$listener->heard(qr/"dunning_undone".*$asks/);
$listener->heard(qr/"dunning_undone".*$late/);
noon_in(1);
$node->wait_until_settled("kind = 'sign_instance'");
is(effects($_, 'signs'), 1, 'the trial was signed in time, once')
  foreach $asks, $late;

# ---- the others ----

noon_in(3);
$sandbox->charge($invoice{pays}{charge_id}, 'pay');
is(routine(), '', 'due today');
noon_in(2);
is(routine(), '', 'two days are tolerated');
noon_in(1);
is( $node->sql("SELECT string_agg(s.step, ' ')"
		  . ' FROM partner_api.run_dunning() s'),
	'',
	'nothing is done before the provider was asked again');
is( routine(),
	'again notify, again cancel_instance, owes notify, owes cancel_instance',
	'the third day is too many for who has not paid');
$node->wait_until_settled("kind = 'cancel_instance'");
is(status($owes), 'cancelling', '... and loses the instance');
is(effects($owes, 'cancels'), 1, '... by one cancel');
is(status($pays), 'signed', 'who has paid keeps it');
is(effects($pays, 'cancels'), 0, '... untouched');
is(routine(), '', 'once');

# by cash, which the worker records, when the service has ended
$node->set_clock($sandbox, "(SELECT ends_at + interval '1 minute'"
	  . " FROM partner_api.instances WHERE instance_id = '$again')");
$node->wait_for("SELECT status = 'ended' FROM partner_api.instances"
	  . " WHERE instance_id = '$again'");
$node->sql("SELECT partner_api.receive_charge('asaas',"
	  . " '$invoice{again}{charge_id}', partner_api.server_day('asaas'), 5990)");
$node->wait_until_settled("instance_id = '$again'");
is(status($again), 'signed',
	'where the terms say so, a payment signs an instance again');
is(effects($again, 'signs'), 2, '... once');

my %standing = map { $_->{customer_ref} => $_ } $node->rows(
	'SELECT * FROM partner_api.invoice_report('
	  . "daterange(partner_api.server_day('asaas') - 60, NULL))");

is($standing{owes}{status}, 'overdue', 'the report has who owes');
cmp_ok($standing{owes}{days_overdue}, '>=', 3, '... since when');
is($standing{pays}{status}, 'paid', '... and who does not');

$sandbox->charge($invoice{owes}{charge_id}, 'pay');
routine();
is( $node->sql('SELECT status FROM partner_api.subscriptions'
		  . " WHERE customer_ref = 'owes'"),
	'active',
	'a payment comes late, but not too late for the subscription');
$listener->heard(qr/"dunning_not_undone".*$owes/);
is(effects($owes, 'signs'), 1, '... and nothing is bought again unasked');
is( $node->sql('SELECT paid_late FROM partner_api.payment_totals('
		  . "daterange(partner_api.server_day('asaas') - 60, NULL))"),
	4,
	'four paid late');
is($sandbox->effects('delete_instance'), 0, 'nobody lost anything for good');

done_testing;
