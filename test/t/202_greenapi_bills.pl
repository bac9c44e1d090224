# What Green API bills: each day on which an instance exists, from its
# creation to its deletion, and what a cap makes of it.

use strict;
use warnings;

use JSON::PP qw(decode_json);
use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->new('main');
my $noon = '2028-02-10 12:00:00+03';

$node->init;
$node->start;
$node->install;
$node->create_server(
	$sandbox,
	name => 'green',
	provider => 'greenapi',
	instance_base_url => $sandbox->url);
$node->set_clock($sandbox, "'$noon'");

sub create
{
	my ($name) = @_;

	return "SELECT instance_id FROM partner_api.create_instance('green', '$name')";
}

# Day, hour and minute of February 2028 in the provider's zone.
sub turn_to
{
	my ($time) = @_;

	$node->set_clock($sandbox, "'2028-02-$time:00+03'");
	return;
}

# A column of the running month's bill.
sub bill
{
	my ($column) = @_;

	return $node->sql("SELECT $column FROM partner_api.billing_cycles"
		  . " WHERE cycle_start = '2028-02-01'");
}

# ---- days ----

my $first = $node->sql(create('first'));

is(bill('days'), 1, 'the day of creation is billed');
is(bill('amount_cents'), '', '... at a price that nobody knows');
$node->sql("SELECT partner_api.set_price('green', 100)");
is(bill('amount_cents || $$ of $$ || projected_cents'),
	'100 of 2000', '... until it is set: for one day, and for the month');
turn_to('10 23:59');
is(bill('days'), 1, 'the day lasts until midnight');
turn_to('11 00:00');
is(bill('days'), 2, '... of the provider');
turn_to('12 09:00');
my $second = $node->sql(create('second'));
$node->sql("SELECT partner_api.delete_instance('green', '$second')");
is(bill('days'), 4, 'what is created and deleted is billed for its day');
turn_to('14 09:00');
is(bill('days'), 6, '... and not any more');
is( $node->sql(
		q{SELECT string_agg(concat_ws(' ', name, days, due_on, reason), ', '}
		  . ' ORDER BY signed_at) FROM partner_api.billing_lines'),
	'first 5 2028-02-10 created in this cycle, '
	  . 'second 1 2028-02-12 created and deleted in this cycle',
	'each has a line, due on the day of its creation');

# ---- deletions that only the list tells of ----

my $other = $node->sql(create('other'));
turn_to('15 09:00');
$sandbox->change($other, state => 'deleted');
turn_to('18 09:00');
is(bill('days'), 15, 'what is deleted elsewhere is billed on');
$node->sql("SELECT * FROM partner_api.sync_instances('green')");
is(bill('days'), 12, '... until a list shows when it was deleted');

# ---- what has a bill of its own ----

my $before = $node->row('SELECT * FROM partner_api.billing_cycles');
my $business = $sandbox->seed(
	provider => 'greenapi', name => 'business', business => JSON::PP::true)->{id};
my $free =
  $sandbox->seed(provider => 'greenapi', name => 'gift', free => JSON::PP::true)->{id};
# with the nonce of an order that has its instance, so that it looks surplus
my $copy = $sandbox->seed(
	provider => 'greenapi',
	business => JSON::PP::true,
	name => 'first ['
	  . $node->sql('SELECT nonce FROM partner_api.action_history'
		  . " WHERE kind = 'create_instance' AND instance_id = '$first'")
	  . ']')->{id};

turn_to('18 09:05');
$node->sql("SELECT * FROM partner_api.sync_instances('green')");
is( $node->sql(
		'SELECT string_agg(origin, $$ $$ ORDER BY origin)'
		  . ' FROM partner_api.instances WHERE billed_apart'),
	'imported imported surplus',
	'instances of another tariff and free ones are in the mirror');
is_deeply($node->row('SELECT * FROM partner_api.billing_cycles'),
	$before, '... but on no bill');
is($node->sql('SELECT instances FROM partner_api.billing_gaps'
	  . " WHERE problem LIKE 'billed apart%'"),
	3, '... which billing_gaps says');
$node->set_option(max_instances => 1, 'green');
is($node->sql('SELECT used FROM partner_api.spend_caps'),
	1, '... and count against no cap');
$node->set_option(max_instances => 1000, 'green');
$node->drive_pass;
is( $node->sql(
		'SELECT count(*) FROM ('
		  . ' SELECT instance_id FROM partner_api.pending_actions UNION ALL'
		  . ' SELECT instance_id FROM partner_api.action_history) a'
		  . " WHERE instance_id = '$copy'"),
	0, 'what is billed apart is not removed as surplus');
$sandbox->change($free, free => JSON::PP::false);
$node->sql("SELECT * FROM partner_api.sync_instances('green')");
is(bill('days'), 13, 'what is free no more is billed');
$sandbox->change($free, free => JSON::PP::true);
$node->sql("SELECT * FROM partner_api.sync_instances('green')");

# ---- caps ----

# 20 days of the first, one of the second, two of the other, and 12 from today
# to the 29th
$node->set_option(max_cycle_cents => 3499, 'green');
$node->fails_with(
	create('third'),
	'53400',
	{   message => qr/"max_cycle_cents" \(3499\) of server "green" leaves no room/,
		detail => qr/would come to 3500 cents/ },
	'a create whose days would go beyond the cap is refused');
$node->set_option(max_cycle_cents => 3500, 'green');
is($node->sql(
		'SELECT used FROM partner_api.spend_caps WHERE cap = \'max_cycle_cents\''
	),
	2300,
	'the cap counts the days to the end of the month');
like($node->sql(create('third')), qr/^\d+$/, '... up to the last cent');
is(bill('projected_cents'), 3500, '... to which the bill will come');
is($sandbox->effects('create_instance'), 4, 'nothing else was created');

# ---- dry runs ----

$node->set_option(mode => 'dry_run', 'green');
$node->set_option(max_cycle_cents => 1_000_000, 'green');
my $shown = decode_json($node->error(create('shown'))->{detail});
is($shown->{cost_cents}, 1200, 'a rehearsed create shows what it would cost');

done_testing();
