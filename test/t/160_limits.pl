# The limits of a credential, shared by the worker and by sessions that read:
# lanes, rate, the provider's word, the circuit; pauses and the switch for what
# costs money; and what server_health shows of it all.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'lapse', circuit_pause_ms => 3600000 });
my $list = "SELECT count(*) FROM partner_api.remote_instances('zapi')";

sub enqueue
{
	my ($name, $more, %params) = @_;

	return $node->sql('SELECT partner_api.enqueue_create_instance('
		  . "'zapi', '$name'" . ($more // '') . ')', %params);
}

sub health
{
	my ($server) = @_;

	return $node->row('SELECT *, blocked_until > clock_timestamp() AS blocked,'
		  . ' extract(epoch FROM blocked_until - clock_timestamp()) AS wait'
		  . ' FROM partner_api.server_health'
		  . " WHERE server = '" . ($server // 'zapi') . "'"
		  . ' ORDER BY last_success_at DESC NULLS LAST LIMIT 1');
}

# Turn the clock, and with it the time that the limits wait for.
sub advance
{
	my ($seconds) = @_;

	$node->set_clock($sandbox,
		"partner_api.clock() + interval '$seconds s'");
	return;
}

sub requests
{
	my ($operation) = @_;

	return $sandbox->counters($operation // 'create_instance')->{requests};
}

# How many of these actions have been sent.
sub sent
{
	my (@actions) = @_;

	return $node->sql('SELECT count(*) FROM partner_api.pending_actions'
		  . ' WHERE action_id IN (' . join(',', @actions) . ')'
		  . " AND state = 'sending'");
}

sub settle
{
	$sandbox->clear_faults;
	$sandbox->release;
	$node->wait_until_settled("state <> 'held'");
	return;
}

# ---- nothing is known yet ----

my $health = health();

is($health->{circuit}, 'closed', 'before the first use: nothing is wrong');
ok(!$health->{paused}, '... nobody has paused it');
is($health->{in_flight}, undef, '... and no limit is known');
$node->sql($list);
$health = health();
is($health->{in_flight}, 0, 'after it: nothing is in flight');
is($health->{max_concurrency}, 4, '... of four');
ok(defined $health->{last_success_at}, '... and it was reached');
is($health->{token_fingerprint},
	$node->sql("SELECT left(encode(sha256('$PartnerApi::Sandbox::TOKEN'),"
		  . " 'hex'), 16)"),
	'... with the token of this fingerprint');

# ---- lanes ----

$sandbox->fault(type => 'withhold', times => 0);
my @actions = map { enqueue("lane $_") } 1 .. 5;

$sandbox->wait_for_requests('create_instance', 3);
$node->drive_pass;
is(sent(@actions), 3, 'lanes: three of five are sent');
is(health()->{in_flight}, 3, '... and in flight');

my $urgent = enqueue('urgent',
	q{, deadline => partner_api.clock() + interval '1 day'});

$sandbox->wait_for_requests('create_instance', 4);
is(sent($urgent), 1, 'the fourth lane is for one with a deadline');
is(health()->{in_flight}, 4, '... which takes it');

my $reader = $node->start_sql($list);
my $pid = $reader->pid;

$node->wait_for("SELECT wait_event_type = 'Extension'"
	  . " FROM pg_stat_activity WHERE pid = $pid");
is(requests('list_instances'), 1, 'a session that reads waits for a lane');
$reader->cancel;
PartnerApi::Cluster::error_is($reader->error, '57014', {},
	'... and can be cancelled');

$node->set_option(timeout_ms => 100);
$node->fails_with(
	$list, '53400',
	{   message => qr/server "zapi" takes no request now/,
		detail => qr/max_concurrency.*Nothing was sent/,
		hint => qr/server_health/ },
	'... and gives up after timeout_ms');
$node->set_option(timeout_ms => 30000);
settle();
is(health()->{in_flight}, 0, 'all lanes are given back');
is(scalar $sandbox->created("lane $_"), 1, '... after one effect')
  foreach 1 .. 5;

# ---- lanes that sessions hold ----

$node->set_option(max_concurrency => 2);
$sandbox->fault(operation => 'list_instances', type => 'withhold', times => 0);
$reader = $node->start_sql($list);
$sandbox->wait_for_requests('list_instances', requests('list_instances') + 1);

my $action = enqueue('behind a read');

$node->drive_pass;
is($node->action_state($action),
	'waiting', 'the worker leaves the lane to a session that has it');
$reader->cancel;
$reader->error;
is($node->wait_for_state($action, 'none'),
	'done', '... and hears of it when it is given back');

$reader = $node->start_sql($list);
$sandbox->wait_for_requests('list_instances', requests('list_instances') + 1);
$node->sql('SELECT pg_terminate_backend(' . $reader->pid . ')');
$reader->error;
$node->wait_for('SELECT in_flight = 0 FROM partner_api.server_health');
pass('a session that is terminated gives it back');

$sandbox->fault(operation => 'create_instance', type => 'withhold');
$action = enqueue('worker ends');
$sandbox->wait_for_requests('create_instance',
	requests('create_instance') + 1)
  unless sent($action);
$node->wait_for('SELECT in_flight = 1 FROM partner_api.server_health');
$pid = $node->wait_for_worker;
$node->sql("SELECT pg_terminate_backend($pid)");
$node->wait_for('SELECT count(*) = 1 FROM partner_api.worker_status'
	  . " WHERE pid <> $pid");
$sandbox->clear_faults;
$sandbox->release;
advance(120);
$node->wait_until_settled;
is(health()->{in_flight}, 0, 'a worker that is terminated, too');
$node->set_option(max_concurrency => 100);

# ---- rate ----

# once in a thousand seconds: the time that a test takes does not count
$node->set_option(rate_limit => '0.001');
$node->set_option(burst => 5);

my $before = requests();

$node->wait_for('SELECT count(*) = 1 FROM partner_api.server_health'
	  . ' WHERE rate_limit IS NULL');
@actions = map { enqueue("rate $_") } 1 .. 10;
$node->wait_for('SELECT count(*) = 6 FROM partner_api.pending_actions');
$node->drive_pass;
is(requests() - $before, 4, 'rate: the burst, and one is kept');
$health = health();
is($health->{burst}, 5, '... and server_health shows it');
ok($health->{tokens_left} >= 1 && $health->{tokens_left} < 2,
	'... with what is left');
$urgent = enqueue('urgent rate',
	q{, deadline => partner_api.clock() + interval '1 day'});
is($node->wait_for_state($urgent, 'none'),
	'done', '... for one with a deadline');
$node->set_option(timeout_ms => 1000);
$node->fails_with(
	$list, '53400',
	{ detail => qr/rate_limit is used up/, hint => qr/Try again in \d+ s/ },
	'a session that reads obeys the same rate');
$node->set_option(timeout_ms => 30000);
is($node->sql('SELECT oldest_due_at IS NOT NULL AND waiting = 6'
		  . ' FROM partner_api.server_health'),
	't', 'what waits is shown');
$before = requests();
advance(2000);
$node->wait_for('SELECT count(*) = 5 FROM partner_api.pending_actions');
$node->drive_pass;
is(requests() - $before, 1, 'two tokens later: one more, and one is kept');

# switched off, what the rate would let through again is nothing to wake up for
$node->append_conf('postgresql.conf', 'partner_api.enabled = off');
$node->reload;
$node->wait_for("SELECT NOT current_setting('partner_api.enabled')::bool");
advance(2000);
$node->drive_pass;

my $passes = 'SELECT passes FROM partner_api.worker_status';

# a worker that does not sleep has hundreds of passes in each of these
$before = $node->sql($passes);
$node->sql('SELECT 1') foreach 1 .. 20;
cmp_ok($node->sql($passes) - $before, '<', 20,
	'switched off, the worker sleeps past the end of a limit');
$node->append_conf('postgresql.conf', 'partner_api.enabled = on');
$node->reload;
$node->set_option(rate_limit => '0');
$node->drive_pass;
$node->wait_until_settled;
pass('without a rate the rest goes at once');

# ---- the provider's word ----

$sandbox->fault(
	operation => 'create_instance', type => 'rate_limit',
	retry_after => 600);
$action = enqueue('sent away');
$node->wait_for('SELECT attempts = 1 AND state = ' . "'waiting'"
	  . " FROM partner_api.pending_actions WHERE action_id = $action");
$before = requests();

my $other = enqueue('held as well');

$node->drive_pass;
is($node->action_state($other), 'waiting', 'Retry-After holds the token');
is(requests(), $before, '... nothing is sent');
$health = health();
is($health->{blocked_by}, 'retry-after', '... and server_health says why');
cmp_ok($health->{wait}, '>', 500, '... and until when');
$node->fails_with($list, '53400',
	{ detail => qr/Retry-After/, hint => qr/Try again in [56]\d\d s/ },
	'... to sessions, too');

my $last = enqueue('last chance',
	q{, deadline => partner_api.clock() + interval '100 s'});

$node->drive_pass;
is($node->action_state($last), 'waiting', 'one with a deadline waits');
advance(96);
is($node->wait_for_state($last, 'none'),
	'done', '... but not until it is too late');
is($node->action_state($other), 'waiting', '... and not the others');
advance(600);
is($node->wait_for_state($_, 'none'), 'done', 'then it goes on')
  foreach $action, $other;

foreach my $case (
	[ 'RateLimit-Reset', { 'RateLimit-Reset' => '600' }, 429 ],
	[ 'X-RateLimit-Reset as a time',
		{ 'X-RateLimit-Reset' => 'far' }, 429 ],
	[ 'RateLimit, structured', { RateLimit => '"day";r=0;t=600' }, 429 ],
	[ 'nothing left, before it is too much',
		{ 'X-RateLimit-Remaining' => '0', 'X-RateLimit-Reset' => '600' },
		400 ])
{
	my ($name, $headers, $status) = @$case;
	my %headers = map {
		$_ => $headers->{$_} eq 'far' ?
		  $node->sql('SELECT extract(epoch FROM partner_api.clock())::bigint'
			  . ' + 600') : $headers->{$_}
	} keys %$headers;

	$sandbox->fault(
		operation => 'create_instance', type => 'status',
		status => $status, body => { error => 'no' },
		headers => \%headers);
	$action = enqueue("limit $name");
	$node->wait_for('SELECT count(*) = 1 FROM partner_api.action_attempts'
		  . " WHERE action_id = $action");
	$health = health();
	ok($health->{blocked} && $health->{wait} > 500 && $health->{wait} <= 601,
		"$name: held until the reset")
	  or diag explain $health;
	advance(700);
	$node->wait_until_settled;
}
ok(!health()->{blocked}, 'and no longer');

# ---- the circuit ----

my $listener = $node->listen;
my $gone = PartnerApi::Sandbox->new;

$gone->stop;
$node->set_option(base_url => $gone->url);
@actions = map { enqueue("outage $_") } 1 .. 8;
$listener->heard(qr/"event": "circuit_open", "server": "zapi"/);
pass('requests that do not reach the provider open the circuit');
$health = health();
is($health->{circuit}, 'open', '... as server_health says');
cmp_ok($health->{failures}, '>=', 5, '... after five in a row');
like($health->{last_error}, qr/connect/i, '... and why');
ok(defined $health->{next_probe_at}, '... and when it is tried again');
$node->fails_with(
	$list, 'HV00N',
	{   message => qr/server "zapi" is not reached/,
		detail => qr/\d+ requests in a row failed.*connect.*probe/i,
		hint => qr/test_connection\('zapi'\)/ },
	'a session that reads hears of it at once');

my $error =
  $node->error("SELECT * FROM partner_api.create_instance('zapi', 'caller')");
my ($called) = ($error->{detail} // '') =~ /Action (\d+) waits/;

PartnerApi::Cluster::error_is(
	$error, 'HV00N',
	{ message => qr/server "zapi" is not reached/, hint => qr/cancel_action/ },
	'a call that waits, too');
is($node->action_state($called), 'waiting', '... and its action stays');

my $attempts = 'SELECT count(*) FROM partner_api.action_attempts';
my $tried = $node->sql($attempts);

enqueue('during the outage');
$node->drive_pass;
is($node->sql($attempts), $tried, 'nothing more is tried');
$node->set_option(base_url => $sandbox->url);
advance(3600);
$listener->heard(qr/"event": "circuit_closed", "server": "zapi"/);
pass('a probe finds the provider back');
$node->wait_until_settled;
is($sandbox->names_created_twice, 0, 'and what waited is sent at once');
is($node->action_state($called), 'done', '... that of the call, too');
is(health()->{circuit}, 'closed', '... with the circuit closed');

# a session's own test probes at once, and what waits for the pause after a
# failure is hurried
$node->set_option(base_url => $gone->url);
@actions = map { enqueue("second outage $_") } 1 .. 8;
$node->wait_for(
	"SELECT circuit = 'open' FROM partner_api.server_health");
$node->set_option(base_url => $sandbox->url);
ok( $node->row("SELECT ok FROM partner_api.test_connection('zapi')")->{ok},
	'test_connection probes an open circuit');
$node->wait_until_settled;
is($sandbox->names_created_twice, 0, '... and all goes on');

# ---- pause ----

$node->create_role('shop', 'partner_api_operator');
$node->create_role('stranger', 'partner_api_operator');
$node->sql('REVOKE USAGE ON FOREIGN SERVER zapi FROM PUBLIC;'
	  . ' GRANT USAGE ON FOREIGN SERVER zapi TO shop');
$node->fails_with("SELECT partner_api.pause('zapi')",
	'42501', {}, 'pause: not without USAGE', role => 'stranger');
$node->sql("SELECT partner_api.pause('zapi', 'they move')", role => 'shop');
$listener->heard(qr/"event": "paused", "server": "zapi"/);
$health = health();
ok($health->{paused}, 'pause: shown');
is("$health->{pause_reason} $health->{paused_by}",
	'they move shop', '... with reason and role');
$before = requests();
$action = enqueue('paused');
$node->drive_pass;
is($node->action_state($action), 'waiting', '... and nothing is sent');
is(requests(), $before, '... at all');
is($node->sql($list) > 0, 1, '... but reads go on');
$node->fails_with(
	"SELECT * FROM partner_api.create_instance('zapi', 'paused call')",
	'55000',
	{   message => qr/server "zapi" is paused/,
		detail => qr/Action \d+ waits.*they move/,
		hint => qr/resume\('zapi'\).*cancel_action\(\d+\)/ },
	'a call that waits is told so');
is( $node->sql('SELECT reason FROM partner_api.stalled_actions'
		  . " WHERE action_id = $action"),
	'the server is paused',
	'stalled_actions gives the reason');
$node->sql("SELECT partner_api.pause('zapi')", role => 'shop');
is(health()->{pause_reason}, 'they move', 'to pause again changes nothing');
$node->sql("SELECT partner_api.resume('zapi')", role => 'shop');
$node->wait_until_settled;
$listener->heard(qr/"event": "resumed", "server": "zapi"/);
is(scalar $sandbox->created($_), 1, "resume: $_ is sent once")
  foreach 'paused', 'paused call';
$node->sql("SELECT partner_api.resume('zapi')", role => 'shop');

# whoever wants a server to be left alone need not be allowed to reach it
my $hosts = $node->sql('SHOW partner_api.allowed_hosts');

$node->append_conf('postgresql.conf',
	"partner_api.allowed_hosts = 'api.example'");
$node->reload;
$node->wait_for(
	"SELECT current_setting('partner_api.allowed_hosts') = 'api.example'");
$node->sql("SELECT partner_api.pause('zapi')", role => 'shop');
ok(health()->{paused}, 'pause: of a server whose host is not allowed');
$node->sql("SELECT partner_api.resume('zapi')", role => 'shop');
$node->append_conf('postgresql.conf',
	"partner_api.allowed_hosts = '$hosts'");
$node->reload;
$node->wait_for(
	"SELECT current_setting('partner_api.allowed_hosts') = '$hosts'");

# a call that is being retried when its server is paused
$sandbox->fault(operation => 'create_instance', type => 'rate_limit',
	retry_after => 600);
my $session =
  $node->start_sql("SELECT * FROM partner_api.create_instance('zapi', 'r')");
$node->wait_for('SELECT count(*) = 1 FROM partner_api.pending_actions'
	  . " WHERE attempts = 1 AND state = 'waiting'");
$node->sql("SELECT partner_api.pause('zapi')");
PartnerApi::Cluster::error_is($session->error, '55000',
	{ message => qr/paused/, detail => qr/Action \d+ waits/ },
	'a call that waits already is told as well');
$node->sql("SELECT partner_api.resume('zapi')");
advance(700);
$node->wait_until_settled;

# ---- the switch for what costs money ----

my $free = $node->row(
	"SELECT * FROM partner_api.create_instance('zapi', 'free')");

$node->append_conf('postgresql.conf', 'partner_api.paid_calls = off');
$node->reload;
$node->wait_for("SELECT NOT current_setting('partner_api.paid_calls')::bool");
$node->drive_pass;
$before = requests();
$action = enqueue('costs');
$node->sql("SELECT * FROM partner_api.disconnect_instance('zapi',"
	  . " '$free->{instance_id}')");
is(requests('disconnect_instance'),
	1, 'paid_calls off: free calls go on');
$node->drive_pass;
is(requests(), $before, '... but nothing that costs money');
$node->fails_with(
	"SELECT * FROM partner_api.sign_instance('zapi', '$free->{instance_id}')",
	'55000',
	{   message => qr/paid calls are switched off/,
		detail => qr/partner_api.paid_calls.*action \d+ waits/ },
	'... and a call is told so');
is( $node->sql('SELECT reason FROM partner_api.stalled_actions'
		  . " WHERE action_id = $action"),
	'paid calls are switched off',
	'... and stalled_actions gives the reason');
$node->append_conf('postgresql.conf', 'partner_api.paid_calls = on');
$node->reload;
$node->wait_until_settled;
is(scalar $sandbox->created('costs'), 1, 'on again: it is sent');
is($sandbox->effects('sign_instance'), 1, '... and the sign');

# ---- two tokens ----

$sandbox->config(
	tokens => [ $PartnerApi::Sandbox::TOKEN, 'second-token' ]);
my $second = $node->secret_file('second.token', 'second-token');

$node->create_role('second', 'partner_api_operator');
$node->sql('GRANT USAGE ON FOREIGN SERVER zapi TO second;'
	  . ' CREATE USER MAPPING FOR second SERVER zapi'
	  . " OPTIONS (token_file '$second')");
$node->set_option(max_concurrency => 2);
$sandbox->fault(
	operation => 'create_instance', type => 'rate_limit',
	retry_after => 600);
enqueue("blocked $_") foreach 1 .. 20;
$node->wait_for('SELECT count(*) = 1 FROM partner_api.server_health'
	  . " WHERE blocked_by = 'retry-after'");
$action = enqueue('another token', '', role => 'second');
advance(1);    # its role is not known yet: the safety pass finds it
is($node->wait_for_state($action, 'none'),
	'done', 'a token that is held does not hold another');
$action = enqueue('another again', '', role => 'second');
is($node->wait_for_state($action, 'none'),
	'done', '... and from then on at once');
is( $node->sql('SELECT count(*) FROM partner_api.server_health'
		  . " WHERE server = 'zapi'"),
	2, '... each has a row of its own');
is($node->sql("SELECT count(*) FROM partner_api.pending_actions"
		  . " WHERE state = 'waiting' AND attempts > 0"),
	1, 'what is put back has not been tried');
advance(700);
$node->wait_until_settled;
is($sandbox->names_created_twice, 0, 'in the end, each once');

# a worker that ends while it probes for both tokens
$node->set_option(base_url => $gone->url);
foreach my $role ('postgres', 'second')
{
	enqueue("third outage $role $_", '', role => $role) foreach 1 .. 8;
}
$node->wait_for('SELECT count(*) = 2 FROM partner_api.server_health'
	  . " WHERE circuit = 'open'");
$sandbox->fault(operation => 'list_instances', type => 'withhold', times => 0);
$node->set_option(base_url => $sandbox->url);
advance(3600);
$node->wait_for('SELECT count(*) = 2 FROM partner_api.server_health'
	  . " WHERE circuit = 'probing'");
$sandbox->clear_faults;
$pid = $node->wait_for_worker;
$node->sql("SELECT pg_terminate_backend($pid)");
$sandbox->release;
$node->wait_for('SELECT count(*) = 2 FROM partner_api.server_health'
	  . " WHERE circuit = 'closed'");
$node->wait_until_settled;
is($sandbox->names_created_twice, 0,
	'a worker that ends while it probes leaves no circuit behind');

# ---- without the preloaded library ----

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
$health = health();
is($health->{in_flight}, undef, 'not preloaded: no limits are known');
is($health->{waiting}, 0, '... but what is open is');
ok($node->sql($list) > 0, '... and reads are not limited');

done_testing();
