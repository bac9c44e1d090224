# A database that lacks the last commits of the one that it goes on for makes
# invoices that were made before: they get the charges that they had.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => {
		name => 'asaas', provider => 'asaas', circuit_failures => 0,
		list_lag => '0' });

$node->sql(
	"SELECT partner_api.register_plan('asaas', 'gold', 'Gold', 9900)");

# A customer with two subscriptions to one plan, and their invoices charged.
sub charged_customer
{
	my ($ref, $document) = @_;

	$node->sql("SELECT partner_api.register_customer('asaas', '$ref', '$ref', '$document')");
	$node->sql("SELECT partner_api.subscribe('asaas', '$ref', 'gold', subscription_id => '$ref-$_')")
	  foreach 1, 2;
	$node->sql('SELECT count(*) FROM partner_api.generate_invoices()');
	wait_until_open($ref);
	return map { $_->{charge_id} } invoices($ref);
}

sub invoices
{
	my ($ref) = @_;

	return $node->rows("SELECT * FROM partner_api.invoices WHERE customer_ref = '$ref' ORDER BY charge_id, invoice_id");
}

sub wait_until_open
{
	my ($ref) = @_;

	$node->wait_for("SELECT count(*) = 2 FROM partner_api.invoices WHERE customer_ref = '$ref' AND status = 'open'");
	return;
}

# As if the invoices of a customer, and all that followed, had not arrived here.
sub forget_invoices
{
	my ($ref) = @_;

	$node->sql("DELETE FROM partner_api.object_events e"
		  . " USING partner_api.invoices i WHERE i.customer_ref = '$ref'"
		  . ' AND e.action_id = i.action_id');
	$node->sql("DELETE FROM partner_api.$_->[0] x"
		  . " USING partner_api.invoices i WHERE i.customer_ref = '$ref'"
		  . " AND x.$_->[1] = i.$_->[1]")
	  foreach [ payments => 'charge_id' ], [ action_history => 'action_id' ];
	$node->sql("DELETE FROM partner_api.invoices WHERE customer_ref = '$ref'");
	$node->sql("UPDATE partner_api.subscriptions SET invoiced_until = NULL WHERE customer_ref = '$ref'");
	return;
}

# The worker reads lists before it sends anything, as after a promotion.
sub survey
{
	$node->sql('INSERT INTO partner_api.server_surveys (server, wanted_at, known_until)'
		  . " VALUES ('asaas', partner_api.clock(), partner_api.clock())"
		  . ' ON CONFLICT (server) DO UPDATE SET listed_at = NULL, finished_at = NULL');
	$node->start_worker;
	$node->wait_for('SELECT finished_at IS NOT NULL FROM partner_api.server_surveys');
	return;
}

# ---- the list is read before the invoices are made ----

my @charges = charged_customer('ana', '12345678909');

$node->stop_worker;
forget_invoices('ana');
survey();
is($node->sql('SELECT count(*) FROM partner_api.payments WHERE invoice_id IS NULL'),
	2, 'charges of which no invoice is known');
$node->sql('SELECT count(*) FROM partner_api.generate_invoices()');
is_deeply([ map { "$_->{charge_id} $_->{status}" } invoices('ana') ],
	[ map { "$_ open" } @charges ], 'the invoices get them back');
$node->drive_pass;
is(scalar $sandbox->charges, 2, '... and no others are made');

# ---- the invoices are made before ----

@charges = charged_customer('bia', '52998224725');
$node->stop_worker;
forget_invoices('bia');
$node->sql('SELECT count(*) FROM partner_api.generate_invoices()');
is($node->sql("SELECT count(*) FROM partner_api.pending_actions WHERE kind = 'create_charge'"),
	2, 'invoices that wait for charges');
survey();
is_deeply([ map { "$_->{charge_id} $_->{status}" } invoices('bia') ],
	[ map { "$_ open" } @charges ], '... get those that the list shows');
$node->wait_until_settled;
is(scalar $sandbox->charges, 4, '... and no others are made');
is($node->sql("SELECT DISTINCT last_error LIKE 'charge % was made before%' FROM partner_api.action_history WHERE state = 'cancelled'"),
	't', '... which their actions say');

# ---- what is alike, and is not it ----

$sandbox->pay_charge($charges[0], how => 'PIX');
$node->sql('SELECT count(*) FROM partner_api.refresh_payments()');
is($node->sql("SELECT status FROM partner_api.invoices WHERE charge_id = '$charges[0]'"),
	'paid', 'what is paid belongs to its invoice');
$node->set_clock($sandbox, "partner_api.clock() + interval '1 month'");
$node->sql('SELECT count(*) FROM partner_api.generate_invoices()');
$node->wait_for("SELECT count(*) = 8 FROM partner_api.invoices WHERE charge_id IS NOT NULL");
is(scalar $sandbox->charges, 8, 'the next period has charges of its own');

done_testing();
