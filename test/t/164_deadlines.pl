# Deadlines: announced before they pass, whatever keeps the action from being
# sent; kept after the worker was down, earliest first; and closed as missed,
# never sent, once they have passed.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox);
my $listener = $node->listen;

# Enqueue a create that waits for an hour before it is due; returns its id.
sub enqueue
{
	my ($name, $deadline, $run_at) = @_;

	$run_at //= '1 h';
	return $node->sql('SELECT partner_api.enqueue_create_instance('
		  . "'zapi', '$name',"
		  . " run_at => partner_api.clock() + interval '$run_at',"
		  . " deadline => partner_api.clock() + interval '$deadline')");
}

# Turn the clocks to so long before the deadline of an action.
sub turn_before
{
	my ($action, $time) = @_;
	my $deadline = $node->action($action)->{deadline};

	$node->set_clock($sandbox,
		"'$deadline'::timestamptz - interval '$time'");
	return;
}

# How many times an event was announced of an action so far.  What was
# announced before this is asked has been heard.
sub said
{
	my ($event, $action) = @_;

	$listener->run('SELECT;');
	return scalar(
		() = $listener->{out} =~ /"$event", "server": "\w+", "action_id": $action\b/g);
}

# The log line of an event and an action.
sub logged
{
	my ($event, $action) = @_;
	my @lines =
	  grep { /WARNING:  .*partner_api $event: action $action / }
	  split /\n/, slurp_file($node->logfile);

	is(scalar @lines, 1, "... in the log, once: $event");
	return $lines[0] // '';
}

# Send nothing; waits until the worker knows.
sub switch
{
	my ($state) = @_;

	$node->set_enabled($state);
	$node->drive_pass;
	return;
}

# ---- warning and alarm ----

my $asks = $node->row(
	"SELECT * FROM partner_api.create_instance('zapi', 'asks', trial_end => 'ask')");
my $held = $node->sql('SELECT action_id FROM partner_api.pending_actions'
	  . " WHERE instance_id = '$asks->{instance_id}'");

turn_before($held, '2 h 1 min');
$node->drive_pass;
is(said('deadline_warning', $held), 0, 'before its time, nothing is said');
turn_before($held, '1 h 59 min');
$node->drive_pass;
is(said('deadline_warning', $held), 1, 'a deadline that is near is announced');
my $line = logged('deadline_warning', $held);
like($line, qr/\(sign_instance at server "zapi", instance \w+\) has 01:5\d:\d\d left: waits for approval/,
	'... with what there is to know');
is($node->action($held)->{announced}, 'warning', '... which is recorded');
turn_before($held, '31 min');
$node->drive_pass;
is(said('deadline_warning', $held), 1, '... and said once');
is(said('deadline_alarm', $held), 0, '... the alarm is not due');
$node->stop_worker;
$node->start_worker;
$node->drive_pass;
is(said('deadline_warning', $held), 1, '... also if another worker starts');
turn_before($held, '29 min');
$node->drive_pass;
is(said('deadline_alarm', $held), 1, 'then comes the alarm');
like(logged('deadline_alarm', $held), qr/ has 00:2\d:\d\d left: /,
	'... with the time that is left');
is( $node->sql('SELECT level FROM partner_api.trials_at_risk'
		  . " WHERE action_id = $held"),
	'alarm', '... as the view says');
$node->sql("SELECT partner_api.approve_trial('zapi', instance_id)"
	  . " FROM partner_api.pending_actions WHERE action_id = $held");
is($node->wait_for_state($held, 'done'), 'done', '... in time for an approval');
is($node->action($held)->{announced}, 'alarm', '... and the history knows');

my $healthy = enqueue('healthy', '7 h', '1 h');
turn_before($healthy, '6 h');
is($node->wait_for_state($healthy, 'done'), 'done', 'what is well is sent');
is(said("deadline_$_", $healthy), 0, "... and no $_ said of it")
  foreach qw(warning alarm);

# Due within the time of the warning, and not late yet.
my $soon = enqueue('soon', '40 min', '30 min');

$node->drive_pass;
is(said('deadline_warning', $soon), 0,
	'what is not due yet, and never failed, is not late');
is($node->sql("SELECT count(*) FROM partner_api.stalled_actions"),
	0, '... as the view says');

# ---- for whatever reason ----

switch('off');
turn_before($soon, '9 min 30 s');
$node->drive_pass;
is(said('deadline_alarm', $soon), 0, 'half a minute late is not late yet');
turn_before($soon, '8 min');
$node->drive_pass;
is(said('deadline_alarm', $soon), 1, 'due and not sent: announced');
is(said('deadline_warning', $soon), 0, '... as what it is by now');
like(logged('deadline_alarm', $soon), qr/: sending is switched off$/,
	'... with the reason');
switch('on');
is($node->wait_for_state($soon, 'done'), 'done', '... and sent at last');

$sandbox->config(tokens => ['another-token']);
my $refused = enqueue('refused', '90 min', '-1 s');
$node->wait_for("SELECT attempts > 0 AND state = 'waiting'"
	  . " FROM partner_api.pending_actions WHERE action_id = $refused");
$node->drive_pass;
like(logged('deadline_warning', $refused), qr/: the provider refuses the token; last try: .*Bad Credentials/,
	'a try that failed within the time: announced with its error');
unlike(slurp_file($node->logfile), qr/$PartnerApi::Sandbox::TOKEN/,
	'... and without a secret');

$node->set_option(deadline_alarm => '0');
turn_before($refused, '10 min');
$node->drive_pass;
is(said('deadline_alarm', $refused), 0, 'deadline_alarm 0: no alarm');
$node->set_option(deadline_alarm => '20 min');
$node->drive_pass;
is(said('deadline_alarm', $refused), 1, 'a changed option counts at once');
$sandbox->config(tokens => [$PartnerApi::Sandbox::TOKEN]);
$node->sql("SELECT partner_api.test_connection('zapi')");
turn_before($refused, '5 min');
$node->wait_for_state($refused, 'done');

# ---- once more after retry_action ----

$sandbox->fault(operation => 'create_instance', status => 422,
	type => 'status');
my $again = enqueue('again', '15 min', '10 s');
$node->set_clock($sandbox, "partner_api.clock() + interval '11 s'");
is($node->wait_for_state($again, 'failed'), 'failed', 'refused for good')
  or diag explain $node->action($again);
$node->sql('UPDATE partner_api.action_history SET announced = '
	  . "'alarm' WHERE action_id = $again");
switch('off');
$node->sql("SELECT partner_api.retry_action($again)");
is($node->action($again)->{announced}, 'nothing',
	'retry_action begins anew');
turn_before($again, '1 min');
$node->drive_pass;
is(said('deadline_alarm', $again), 1, '... so there is an alarm again');
turn_before($again, '-1 s');
$node->drive_pass;
is($node->action($again)->{state}, 'missed', 'then it is missed');
is(said('missed', $again), 1, '... which is announced');
$node->fails_with("SELECT partner_api.retry_action($again)", '55000',
	{ message => qr/missed/, hint => qr/enqueue a new action/ },
	'... and that is final');
switch('on');

# ---- many at once ----

switch('off');
$node->sql("SELECT partner_api.enqueue_create_instance('zapi', 'many ' || n,"
	  . " deadline => partner_api.clock() + interval '3 h')"
	  . ' FROM generate_series(1, 2500) n');
my $offset = -s $node->logfile;
$node->set_clock($sandbox, "partner_api.clock() + interval '2 h'");
$node->wait_for("SELECT count(*) = 2500 FROM partner_api.pending_actions"
	  . " WHERE announced = 'warning'");
my @together =
  slurp_file($node->logfile, $offset) =~
  /deadline_warning: (\d+) actions at server "zapi", the first of which has /g;
is_deeply(\@together, [ 1000, 1000, 500 ],
	'many deadlines are announced in groups');
ok( $listener->heard(qr/(?:"deadline_warning", "server": "zapi"\}.*){3}/s),
	'... by one notification each');
$node->set_clock($sandbox, "partner_api.clock() + interval '2 h'");
$node->wait_until_settled("arguments->>'name' LIKE 'many%'");
is( $node->sql('SELECT count(*) FROM partner_api.action_history'
		  . " WHERE state = 'missed' AND arguments->>'name' LIKE 'many%'"),
	2500, 'and all are missed');
is(scalar(() = slurp_file($node->logfile, $offset) =~ /action \d+ is missed/g),
	2500, '... each with a line of its own');
is(scalar(grep { $_->{name} =~ /^many/ } $sandbox->instances),
	0, '... and none was sent');
switch('on');

# ---- after we were down ----

# Trials that end so many hours from now and two days; not in that order.
my %hours = (c => 5, a => 1, e => 9, b => 3, d => 6, over => -1, lost => -2);
my %trial;
my $base = $node->sql('SELECT partner_api.clock()');

$node->set_option(max_concurrency => 1);
foreach my $name (sort keys %hours)
{
	$node->set_clock($sandbox,
		"'$base'::timestamptz + interval '$hours{$name} h'");
	$trial{$name} = $node->row(
		"SELECT * FROM partner_api.create_instance('zapi', '$name')");
}
my %create = map {
	$_->[0] => $node->sql('SELECT partner_api.enqueue_create_instance('
		  . "'zapi', '$_->[0]',"
		  . " run_at => '$base'::timestamptz + interval '1 day',"
		  . " deadline => '$base'::timestamptz + interval '$_->[1]')")
} ([ 'in time', '2 days 4 h' ], [ 'too late', '2 days' ],
	[ 'no hurry', '9 days' ]);

$node->stop_worker;
$node->set_clock($sandbox,
	"'$base'::timestamptz + interval '2 days 50 min'");
is(scalar(grep { $_->{reason} eq 'no worker runs in this database' }
			$node->rows('SELECT * FROM partner_api.trials_at_risk')),
	5, 'while no worker runs, the trials are at risk');
is( join(' ', map { "$_->{name}:" . ($_->{level} // '') }
		  $node->rows('SELECT * FROM partner_api.trials_at_risk'
			  . ' ORDER BY trial_ends_at')),
	'a:alarm b: c: d: e:', '... each by its own deadline');
$node->stop('immediate');
$node->append_conf('postgresql.conf', "partner_api.databases = 'postgres'");
my ($last) = map { $_->{seq} } $sandbox->requests(limit => 1);
$node->start;
$listener = $node->listen;
$node->wait_for_worker;
$node->wait_until_settled('run_at <= partner_api.clock()');
$node->drive_pass;

my %name = map { $trial{$_}{instance_id} => $_ } keys %trial;
my @order = map {
	$_->{path} =~ m{/instances/(\w+)/token/} ? $name{$1} :
	  $_->{body} =~ /"name": ?"(.*?) \[/ ? $1 : $_->{path}
} $sandbox->requests(since => $last);
is_deeply(\@order, [ 'a', 'b', 'in time', 'c', 'd', 'no hurry' ],
	'when we are back, the earliest deadline goes first');
is($sandbox->instance($trial{$_}{instance_id})->{effects}{signs},
	1, "... $_ is signed, once")
  foreach qw(a b c d);
is($sandbox->instance($trial{e}{instance_id})->{effects}{signs},
	0, '... what is not due is not');
foreach my $name (qw(over lost))
{
	my ($sign) = $node->rows('SELECT * FROM partner_api.action_history'
		  . " WHERE instance_id = '$trial{$name}{instance_id}'"
		  . " AND kind = 'sign_instance'");

	is($sign->{state}, 'missed', "... $name is too late: missed");
	is($sign->{attempts}, 0, '... and was not sent');
	is( $sandbox->instance($trial{$name}{instance_id})->{effects}{signs},
		0, '... nor signed');
	is( $node->sql('SELECT status FROM partner_api.instances'
			  . " WHERE instance_id = '$trial{$name}{instance_id}'"),
		'lapsed', '... and lapsed');
}
is($node->action($create{'too late'})->{state}, 'missed',
	'... so is any action with a deadline');
is(scalar($sandbox->created('too late')), 0, '... which has no effect');
is(scalar($sandbox->created('in time')), 1, '... and the other has one');
is( join(' ', sort map { m{action (\d+) is missed} } split /\n/,
		slurp_file($node->logfile)) =~ /\b$create{'too late'}\b/,
	1, '... and it is logged');

$node->set_option(max_concurrency => 4);

# ---- unknown at the deadline ----

# Enqueue a create whose answer is lost, and hold back the list that is to
# settle it until the deadline has passed; returns its id.
sub lose
{
	my ($name, $fault) = @_;
	my $lists = $sandbox->counters('list_instances')->{requests};

	$sandbox->fault(operation => 'list_instances', type => 'withhold');
	$sandbox->fault(operation => 'create_instance', type => $fault);
	my $action = enqueue($name, '30 min', '-1 s');
	$sandbox->wait_for_requests('list_instances', $lists + 1);
	turn_before($action, '10 min');
	$node->drive_pass;
	like(logged('deadline_alarm', $action), qr/: the outcome is not known$/,
		"$name: the alarm tells that it is unknown");
	turn_before($action, '-1 s');
	$node->drive_pass;
	is($node->action_state($action), 'unknown',
		'... and unknown it is after the deadline');
	$sandbox->release;
	return $action;
}

my $without = lose('without effect', 'reset_before');

$node->wait_for("SELECT looks = 1 FROM partner_api.pending_actions"
	  . " WHERE action_id = $without");
turn_before($without, '-20 min');
is($node->wait_for_state($without, 'missed'), 'missed',
	'no effect: it is missed');
is($node->action($without)->{attempts}, 1, '... and not sent again');
is(scalar($sandbox->created('without effect')), 0, '... so nothing came of it');

my $with = lose('with effect', 'reset_after');

is($node->wait_for_state($with, 'done'), 'done', 'an effect: it is done');
is(scalar($sandbox->created('with effect')), 1, '... once');

# ---- a person is needed ----

$node->set_option(name_nonce => 'off');
$sandbox->fault(operation => 'create_instance', type => 'reset_before');
my $attention =
  $node->sql("SELECT partner_api.enqueue_create_instance('zapi', 'anybody')");
$node->wait_for("SELECT state = 'unknown' AND looks = 1"
	  . " FROM partner_api.pending_actions WHERE action_id = $attention");
$node->set_clock($sandbox, "partner_api.clock() + interval '5 min'");
is($node->wait_for_state($attention, 'needs_attention'),
	'needs_attention', 'what looking does not settle needs attention');
ok( $listener->heard(
		qr/"needs_attention", "server": "zapi", "action_id": $attention\}/),
	'... which is announced');
like(slurp_file($node->logfile),
	qr/WARNING:  .*partner_api action $attention needs attention: .*name_nonce is off/,
	'... and logged, with the reason');

is($sandbox->names_created_twice, 0, 'nothing was created twice');

done_testing();
