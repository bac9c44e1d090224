# The mirror and the list of Asaas: customers and charges that were made by
# other means, changed, deleted, or lost with a server that is gone.

use strict;
use warnings;

use JSON::PP;
use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => {
		name => 'asaas', provider => 'asaas', circuit_failures => 0,
		list_lag => '0' });

# seen, added, changed, missing
sub sync
{
	my ($what, @arguments) = @_;

	return join ' ', @{ $node->row("SELECT * FROM partner_api.sync_$what("
			  . join(', ', "'asaas'", @arguments) . ')') }
	  {qw(seen added changed missing)};
}

sub customer
{
	my ($ref) = @_;

	return $node->row("SELECT * FROM partner_api.customers WHERE customer_ref = '$ref'");
}

# ---- customers ----

my $ana = $node->row(
	"SELECT * FROM partner_api.create_customer('asaas', 'Ana', '12345678909', customer_ref => 'ana')");
my $bia = $sandbox->seed_object('asaas_customers',
	name => 'Bia', cpfCnpj => '52998224725')->{id};

is(sync('customers'), '2 1 0 0', 'a customer that was made by other means is imported');
is(customer($bia)->{name}, 'Bia', '... under the id of the provider');
is(sync('customers'), '2 0 0 0', '... once');

$sandbox->change_object(asaas_customers => $ana->{customer_id},
	email => 'ana@shop.test');
$sandbox->change_object(asaas_customers => $bia, deleted => JSON::PP::true);
is(sync('customers'), '2 0 2 0', 'what was changed there is changed here');
is(customer('ana')->{email}, 'ana@shop.test', '... as it is there');
isnt(customer($bia)->{deleted_at}, undef, '... and what was deleted');
$sandbox->change_object(asaas_customers => $bia, deleted => JSON::PP::false);
is(sync('customers'), '2 0 1 0', 'what was restored');
is(customer($bia)->{deleted_at}, undef, '... is back');

my $found = $node->row(
	"SELECT * FROM partner_api.create_customer('asaas', 'Bia', '52998224725', customer_ref => 'bia')");

is($found->{customer_id}, $bia, 'one that was imported is found');
is($node->sql('SELECT count(*) FROM partner_api.customers'), 2,
	'... and has the key that it was given then');

$sandbox->change_object(asaas_customers => $bia, deleted => JSON::PP::true);
$sandbox->config(asaas_list_deleted => JSON::PP::false);
is(sync('customers'), '1 0 0 1', 'one that the list does not show any more');
isnt(customer('bia')->{missing_since}, undef, '... is missing');

# ---- charges ----

sub payment
{
	my ($id) = @_;

	return $node->row("SELECT * FROM partner_api.payments WHERE charge_id = '$id'");
}

my $charge = $node->row("SELECT * FROM partner_api.create_charge('asaas',"
	  . " '$ana->{customer_id}', 'PIX', 1990, '2099-12-31')")->{charge_id};

$sandbox->seed_object('asaas_payments', customer => $ana->{customer_id},
	value => 10.5, count => 250, prefix => 'bulk-');
is(sync('charges'), '251 250 0 0', 'charges of other means are imported, all pages');
is(sync('charges'), '251 0 0 0', '... once');
is($node->sql('SELECT count(*) FROM partner_api.payments WHERE value_cents = 1050'),
	250, '... to the cent');

# A charge that is made while pages are read shifts them: no row is taken twice
# or left out.
$sandbox->fault(operation => 'list_charges', type => 'withhold', skip => 1);

my $reading = $node->start_sql("SELECT partner_api.sync_charges('asaas')");

$sandbox->wait_until('the second page is on its way',
	sub { $sandbox->counters('list_charges')->{faulted} > 0 });
$sandbox->seed_object('asaas_payments', customer => $ana->{customer_id},
	value => 7, count => 120, prefix => 'new-');
$sandbox->release;
is($reading->output, '(371,120,0,0)', 'pages that shift are read anew');

# A web tier that is away hears of nothing; a list tells.
$sandbox->pay_charge($charge);
is(sync('charges', "'status=RECEIVED'"), '1 0 1 0', 'a search tells of a payment');
is(payment($charge)->{status}, 'RECEIVED', '... that is known then');

# ---- what a server that is gone has made ----

# A promoted server may lack the last commits: a charge carries a nonce of ours
# and is known to no action here.  Old charges are not read.
my ($installation) = $node->sql('SELECT installation_id FROM partner_api.installation');

$sandbox->seed_object('asaas_payments', customer => $ana->{customer_id},
	value => 20, count => 150, prefix => 'old-');
$node->set_clock($sandbox, "partner_api.clock() + interval '10 days'");

my $lost = $sandbox->seed_object('asaas_payments',
	customer => $ana->{customer_id}, value => 30, description => 'Ouro',
	externalReference => "pa-$installation-999999-0123abcd")->{id};
my $pages = $sandbox->counters('list_charges')->{requests};

$node->stop_worker;
$node->sql('INSERT INTO partner_api.server_surveys (server, wanted_at, known_until)'
	  . " VALUES ('asaas', partner_api.clock(), partner_api.clock())");
$node->start_worker;
$node->wait_for("SELECT finished_at IS NOT NULL FROM partner_api.server_surveys");
is(payment($lost)->{origin}, 'adopted', 'a survey adopts what this server does not know');
is($node->sql('SELECT count(*) FROM partner_api.payments WHERE value_cents = 2000'),
	0, '... and does not read what is old');
is($sandbox->counters('list_charges')->{requests} - $pages, 1,
	'... so it takes one page');

# Its invoice was lost as well, and is made again: it has its charge.
my $charges = $sandbox->counters('create_charge')->{requests};
my $invoice = $node->sql('INSERT INTO partner_api.invoices (server,'
	  . ' subscription_id, customer_ref, plan_server, plan_id, period_start,'
	  . ' period_end, issued_on, due_on, amount_cents, billing_type,'
	  . ' description, issued_at)'
	  . " SELECT 'asaas', 's1', 'ana', 'asaas', 'p', d, d, d, d + 5, 3000,"
	  . " 'PIX', 'Ouro', partner_api.clock()"
	  . " FROM partner_api.server_day('asaas') d RETURNING invoice_id");

$node->sql("SELECT partner_api.further_customer('asaas', 'ana')");
is($node->sql("SELECT status || ' ' || charge_id FROM partner_api.invoices WHERE invoice_id = $invoice"),
	"open $lost", 'an invoice that is made again gets the charge that was lost');
$node->drive_pass;
is($sandbox->counters('create_charge')->{requests}, $charges,
	'... and no second one');

done_testing();
