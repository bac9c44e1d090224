# A quota of requests in a window: what counts, what polling may use of it,
# what becomes of the rest, and what is known of it after a restart.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'lapse', request_quota => 10 });
my $list = "SELECT count(*) FROM partner_api.remote_instances('zapi')";
my $budget = "SELECT partner_api.poll_budget('zapi')";

sub enqueue
{
	my ($name, $more, %params) = @_;

	return $node->sql('SELECT partner_api.enqueue_create_instance('
		  . "'zapi', '$name'" . ($more // '') . ')', %params);
}

sub health
{
	return $node->row('SELECT request_quota, requests_used, poll_quota,'
		  . ' requests_polled, blocked_by,'
		  . ' extract(epoch FROM window_ends_at - clock_timestamp()) AS left'
		  . " FROM partner_api.server_health WHERE server = 'zapi'");
}

# All requests that have arrived at the provider.
sub arrived
{
	my $operations = $sandbox->control('counters?names=false')->{operations};
	my $count = 0;

	$count += $_->{requests} foreach values %$operations;
	return $count;
}

sub advance
{
	my ($interval) = @_;

	$node->set_clock($sandbox, "partner_api.clock() + interval '$interval'");
	return;
}

my $listener = $node->listen;

# ---- polling has a share ----

is($node->sql($budget), '5', 'poll_budget: half of the quota');
is(health()->{left}, undef, 'no window is open before a request');
$node->sql($list) foreach 1 .. 2;
is($node->sql($budget), '3', '... less what was read');
$node->sql($list) foreach 1 .. 3;
is($node->sql($budget), '0', '... until nothing is left');
$node->fails_with(
	$list, '53400',
	{   message => qr/server "zapi" takes no request now/,
		detail => qr/poll_share.*request_quota.*used up.*Nothing was sent/,
		hint => qr/Try again in 4\d{4} s/ },
	'a read beyond the share is refused');
$node->fails_with("SELECT partner_api.sync_instances('zapi')",
	'53400', { detail => qr/poll_share/ }, '... and so is a sync');
is(arrived(), 5, 'nothing of it was sent');
ok( $node->row("SELECT ok FROM partner_api.test_connection('zapi')")->{ok},
	'a test of the connection is no polling');

my $health = health();

is("@$health{qw(request_quota requests_used poll_quota requests_polled)}",
	'10 6 5 5', 'server_health counts both');
cmp_ok($health->{left}, '>', 40000, '... and says when the window ends');

# ---- actions may use all of it ----

my @actions = map { enqueue("shop $_") } 1 .. 6;

$node->wait_for("SELECT count(*) = 2 FROM partner_api.pending_actions");
$node->drive_pass;
is(arrived(), 10, 'four of six actions are sent: all of the quota');
is($node->sql('SELECT DISTINCT reason FROM partner_api.stalled_actions'),
	'the request_quota of the server is used up',
	'stalled_actions says what the others wait for');
is(health()->{blocked_by}, 'request_quota', '... as does server_health');
$listener->heard(qr/"event": "quota_used_up", "server": "zapi"/);
$node->drive_pass;
is(() = $listener->heard(qr/quota_used_up/) =~ /quota_used_up/g,
	1, 'it is announced once');
$node->fails_with("SELECT partner_api.test_connection('zapi')",
	'53400', { detail => qr/request_quota is used up/ },
	'not even a test goes out');

my $error =
  $node->error("SELECT partner_api.create_instance('zapi', 'caller')");

PartnerApi::Cluster::error_is(
	$error, '53400',
	{   message => qr/server "zapi" takes no request now/,
		detail => qr/Action \d+ waits for the next window, in 4\d{4} s/,
		hint => qr/cancel_action/ },
	'a waiting call hears of it at once');

my $last = enqueue('last chance',
	q{, deadline => partner_api.clock() + interval '1 h'});

$node->drive_pass;
is($node->action_state($last), 'waiting', 'one with a deadline waits');
advance('3596 s');
is($node->wait_for_state($last, 'none'),
	'done', '... but not until it is too late');
is($node->sql('SELECT count(*) FROM partner_api.pending_actions'),
	3, '... and nothing else goes out');
is(arrived(), 11, '... at all');

advance('11 h');
$node->wait_until_settled;
is($sandbox->names_created_twice, 0, 'the next window takes what waited');
is( $node->sql('SELECT count(*) FROM partner_api.action_history'
		  . " WHERE state = 'done'"),
	8, '... and nothing is lost');
is(health()->{requests_used}, 3, '... and has its own count');
is($node->sql($budget), '5', '... and its own share');

# ---- a server that is started anew ----

my $row = 'SELECT requests_used, requests_polled, extract(epoch FROM ends_at'
  . ' - partner_api.clock()) AS left FROM partner_api.request_windows';

# Let the worker write down what it does every ten seconds.
sub record
{
	my ($used) = @_;

	$node->drive_pass;
	is($node->row($row)->{requests_used}, $used,
		"$used requests are written down");
	return;
}

$node->sql($list) foreach 1 .. 2;
record(5);
advance('1 h');
$node->restart;
$node->wait_for_worker;
is($node->sql($budget), '3', 'after a restart, what was read still counts');
$health = health();
is("@$health{qw(requests_used requests_polled)}",
	'5 2', '... and what was sent');
cmp_ok($health->{left}, '<', 39600, '... in the window that was open');
cmp_ok($health->{left}, '>', 39000, '... and goes on');
$node->sql($list);
record(6);

# a worker that is started anew finds the memory as it was
my $pid = $node->wait_for_worker;

$node->sql("SELECT pg_terminate_backend($pid)");
$node->wait_for('SELECT count(*) = 1 FROM partner_api.worker_status'
	  . " WHERE pid <> $pid");
record(6);
is(health()->{requests_used}, 6, 'a new worker counts nothing twice');

# so does a memory that was used before its worker could read the table
$node->append_conf('postgresql.conf', "partner_api.databases = ''");
$node->restart;
$node->sql($list);
is(health()->{requests_used}, 1, 'without a worker, the count begins anew');
$node->start_worker;
record(7);
is($node->sql($budget), '1', 'a worker adds what was counted before');

# the window ends as if nothing had been
advance('12 h');
is($node->sql($budget), '5', 'a window that was restored ends in its time');
$node->stop('immediate');
$node->start;
$node->wait_for_worker;
is($node->sql($budget), '5', '... after a crash, too');

# ---- options count at once ----

$node->set_option(poll_share => '0');
is($node->sql($budget), '0', 'a share of nothing');
$node->set_option(timeout_ms => 100);
$node->fails_with($list, '53400', { detail => qr/poll_share/ },
	'... lets nothing through');
$node->set_option(poll_share => '0.01');
is($node->sql($budget), '1', 'any other share is one at least');
$node->set_option(request_quota => 0);
is($node->sql("$budget IS NULL"), 't', 'no quota: there is no limit');
$node->sql($list);
is(health()->{request_quota}, undef, '... and none is shown');

done_testing();
