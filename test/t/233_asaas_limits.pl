# The three limits of Asaas, counted by the sandbox: requests of an account in
# 12 hours, requests of an endpoint as its headers tell, GETs at a time.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { name => 'asaas', provider => 'asaas', list_lag => '0' });
my $list = "SELECT count(*) FROM partner_api.list_charges('asaas')";
my $customer = $sandbox->seed_object('asaas_customers', name => 'Ana Souza',
	cpfCnpj => '12345678909')->{id};

sub enqueue
{
	return $node->sql("SELECT partner_api.enqueue_create_charge('asaas',"
		  . " '$customer', 'PIX', 1000, '2040-05-10')");
}

sub health
{
	return $node->row('SELECT *,'
		  . ' extract(epoch FROM blocked_until - clock_timestamp()) AS wait,'
		  . ' extract(epoch FROM window_ends_at - clock_timestamp()) AS left'
		  . " FROM partner_api.server_health WHERE server = 'asaas'");
}

# Requests that arrived, or were turned away, over all operations.
sub counted
{
	my ($what) = @_;
	my $operations = $sandbox->control('counters?names=false')->{operations};
	my $count = 0;

	$count += $_->{$what} foreach values %$operations;
	return $count;
}

sub advance
{
	my ($seconds) = @_;

	$node->set_clock($sandbox,
		"partner_api.clock() + interval '$seconds s'");
	return;
}

# ---- the defaults ----

is($node->sql("SELECT partner_api.poll_budget('asaas')"),
	12500, 'half of 25,000 requests are for polling');
$node->sql($list);
is_deeply([ @{ health() }{qw(request_quota poll_quota max_concurrency)} ],
	[ 25000, 12500, 4 ], 'server_health shows the limits');
cmp_ok(health()->{left}, '>', 43000, '... of 12 hours');
$node->fails_with(
	"ALTER SERVER asaas OPTIONS (ADD max_concurrency '51')",
	'HV024', { detail => qr/50 requests at a time/ },
	'more than 50 at a time are refused');

# ---- the window of the account ----

# the sandbox counts as we do: whoever asks too often gets 429
advance(43200);
$sandbox->config(asaas_window_requests => 12);
$node->set_option(request_quota => 12, 'asaas');

my $before = counted('requests');
my @polls = map { $node->start_sql($list) } 1 .. 8;
my @charges = map { enqueue() } 1 .. 10;
my @errors = grep { ($_->{sqlstate} // '') ne '' } map { $_->error } @polls;

is(scalar @errors, 2, 'of eight polls six are sent');
is(scalar(grep { $_->{sqlstate} eq '53400' } @errors),
	2, '... and two are refused here');
$node->wait_until_settled("action_id <= $charges[5]");
$node->drive_pass;
is($sandbox->effects('create_charge'), 6, 'six of ten charges are made');
is(counted('requests') - $before, 12, 'in twelve requests');
is(counted('refused'), 0, '... none of which is turned away');
advance(43200);
$node->wait_until_settled;
is($sandbox->effects('create_charge'), 10, 'the next window takes the rest');
is(counted('refused'), 0, '... and turns nothing away');

# where others use the account, the provider knows better than we do
$sandbox->config(asaas_window_requests => 4);
push @charges, enqueue();
$node->wait_for('SELECT count(*) = 1 FROM partner_api.action_attempts'
	  . " WHERE action_id = $charges[-1]");
is($node->action_state($charges[-1]), 'waiting', '429: sent again later');
is(health()->{blocked_by}, 'too many requests', '... by whoever it is');
$sandbox->config(asaas_window_requests => 25000);
advance(60);
$node->wait_until_settled;
is($sandbox->effects('create_charge'), 11, '... once');

# ---- an endpoint's own limit ----

$node->set_option(request_quota => 0, 'asaas');
advance(43200);
$sandbox->config(asaas_rate_limit => 3, asaas_rate_seconds => 600);

my $refused = counted('refused');

$node->sql($list) foreach 1 .. 3;
is(health()->{blocked_by}, 'ratelimit-reset',
	'RateLimit-Remaining 0 closes the door');
cmp_ok(health()->{wait}, '>', 500, '... until RateLimit-Reset');
$node->fails_with($list, '53400', { hint => qr/Try again in [56]\d\d s/ },
	'... to reads');
push @charges, enqueue();
$node->drive_pass;
is($node->action_state($charges[-1]), 'waiting', '... and to actions');
$node->sql("UPDATE partner_api.pending_actions SET run_at = run_at - interval '2 min'"
	  . " WHERE action_id = $charges[-1]");
like($node->sql('SELECT reason FROM partner_api.stalled_actions'),
	qr/^the provider takes no request now; due since 00:02/,
	'... which say why, once they are late');
is($node->sql("SELECT partner_api.poll_budget('asaas') IS NULL"),
	't', 'where nothing is counted, no budget is told');
is(counted('refused'), $refused, 'nothing is turned away');
advance(601);
$node->wait_until_settled;
is($sandbox->effects('create_charge'), 12, '... and then it goes on');

# without headers a 429 is all there is; what is late is the smaller evil
$sandbox->config(asaas_rate_headers => JSON::PP::false);
$node->sql($list) foreach 1 .. 3;
$node->fails_with($list, '53400', { message => qr/status 429/ },
	'429 without a time');
is(health()->{blocked_by}, 'too many requests', '... is a reason to wait');
$sandbox->config(asaas_rate_limit => 0);
$refused = counted('requests');
$node->set_option(timeout_ms => 100, 'asaas');
$node->sql($list) if $node->wait_for('SELECT blocked_until IS NULL'
	  . " FROM partner_api.server_health WHERE server = 'asaas'");
is(counted('requests') - $refused, 1, '... a second, not more');
$node->set_option(timeout_ms => 30000, 'asaas');

# headers that say what nobody understands are no headers
foreach my $headers (
	{ 'RateLimit-Remaining' => 'soon', 'RateLimit-Reset' => '600' },
	{ 'RateLimit-Remaining' => '0', 'RateLimit-Reset' => '-1' },
	{ 'RateLimit-Remaining' => '0' },
	{ 'RateLimit-Limit' => '', 'RateLimit-Reset' => 'NaN' })
{
	$sandbox->fault(operation => 'list_charges', type => 'status',
		status => 200, headers => $headers,
		body => {
			object => 'list', hasMore => JSON::PP::false,
			totalCount => 0, limit => 100, offset => 0, data => [] });
	is($node->sql($list), 0, 'garbage: '
		  . join ', ', map { "$_: $headers->{$_}" } sort keys %$headers);
	is(health()->{blocked_by}, undef, '... closes nothing');
}

# of two times the later one counts
$sandbox->fault(operation => 'list_charges', type => 'status', status => 429,
	headers => { 'Retry-After' => '5', 'RateLimit-Reset' => '900' });
$node->fails_with($list, '53400', {}, '429 with two times');
cmp_ok(health()->{wait}, '>', 800, '... waits for the later one');
advance(901);

# ---- GETs at a time ----

# Let sessions read, while the worker looks for what it does not know.
sub crowd
{
	my ($sessions) = @_;
	my $refused_before = counted('refused');

	$sandbox->fault(operation => 'create_charge', type => 'reset_after',
		times => 3);
	$sandbox->fault(operation => 'list_charges', type => 'latency', ms => 40,
		times => 0);
	push @charges, map { enqueue() } 1 .. 3;
	my @readers =
	  map { $node->start_sql(join ';', ($list) x 3) } 1 .. $sessions;
	my @failed = grep { ($_->{sqlstate} // '') ne '' }
	  map { $_->error } @readers;

	$sandbox->clear_faults;
	$node->wait_for("SELECT partner_api.set_clock(partner_api.clock()"
		  . " + interval '2 min') IS NOT NULL"
		  . ' AND NOT EXISTS (SELECT FROM partner_api.pending_actions)');
	return (counted('refused') - $refused_before, scalar @failed);
}

$sandbox->config(asaas_concurrent_gets => 4);
is_deeply([ crowd(12) ], [ 0, 0 ],
	'twelve sessions and the worker never have more than four on the way');
is($sandbox->effects('create_charge'), 15,
	'... and what was lost is found, not made twice');
$node->set_option(max_concurrency => 20, 'asaas');
cmp_ok((crowd(12))[0], '>', 0, 'the sandbox would have turned others away');

# ---- charges of a day ----

$sandbox->config(asaas_concurrent_gets => 50, asaas_daily_charges => 0);
is( $node->sql('SELECT daily_limit, reached'
		  . " FROM partner_api.charge_limit('asaas')"),
	'0|t',
	'charge_limit tells the limit of a day');
push @charges, enqueue();
is($node->wait_for_state($charges[-1], 'none'),
	'failed', 'a charge beyond it is refused');
like($node->action($charges[-1])->{last_error},
	qr/limite di.rio/, '... in the words of the provider');
$sandbox->config(asaas_daily_charges => 100);
$node->sql("SELECT partner_api.retry_action($charges[-1])");
is($node->wait_for_state($charges[-1], 'none'),
	'done', '... and made when somebody asks for it again');

done_testing();
