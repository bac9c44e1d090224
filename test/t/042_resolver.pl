# What becomes of unknown outcomes beyond a lost answer: many at once, a list
# that cannot be read while a deadline comes near, a person's word, and effects
# that come after the repetition.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'lapse', max_concurrency => 64 });
my $listener = $node->listen;
my $LAG = 60;    # seconds: the default of list_lag

sub advance
{
	my ($seconds) = @_;

	$node->set_clock($sandbox,
		"partner_api.clock() + interval '$seconds s'");
	return;
}

sub create
{
	my ($name) = @_;

	return $node->sql('SELECT instance_id'
		  . " FROM partner_api.create_instance('zapi', '$name')");
}

sub enqueue_create
{
	my ($name, @more) = @_;

	return $node->sql('SELECT partner_api.enqueue_create_instance('
		  . join(', ', "'zapi'", "'$name'", @more) . ')');
}

# What the attempts and looks of an action proved, in order.
sub verdicts
{
	my ($action) = @_;

	return $node->sql("SELECT string_agg(verdict, ' ' ORDER BY lease)"
		  . " FROM partner_api.action_attempts WHERE action_id = $action");
}

sub wait_for_verdicts
{
	my ($action, $count) = @_;

	$node->wait_for("SELECT count(*) >= $count"
		  . " FROM partner_api.action_attempts WHERE action_id = $action");
	return;
}

# End the worker with whatever it has in flight.
sub end_worker
{
	$node->sql('SELECT pg_terminate_backend(' . $node->wait_for_worker . ')');
	return;
}

sub mirror
{
	my ($id) = @_;

	return $node->row(
		"SELECT * FROM partner_api.instances WHERE instance_id = '$id'");
}

# ---- many unknown outcomes at once share a list ----

create('proof');
$node->sql("SELECT partner_api.sync_instances('zapi')");
is($node->sql('SELECT server FROM partner_api.server_evidence'),
	'zapi', 'the list is known to show our nonces');

my $MANY = 30;
my $list_requests = sub { $sandbox->counters('list_instances')->{requests} };

$sandbox->fault(
	operation => 'create_instance', type => 'withhold', times => $MANY / 2);
$sandbox->fault(
	operation => 'create_instance', type => 'withhold', times => $MANY / 2,
	before_effect => JSON::PP::true);
$node->sql("SELECT partner_api.enqueue_create_instance('zapi', 'many ' || n)"
	  . " FROM generate_series(1, $MANY) n");
$sandbox->wait_for_requests('create_instance', $MANY + 1);
my $before = $list_requests->();
$sandbox->config(page_size_max => 10);
end_worker();
$node->wait_for('SELECT count(*) = ' . $MANY / 2
	  . " FROM partner_api.action_history h"
	  . " WHERE h.arguments->>'name' LIKE 'many %' AND h.state = 'done'");
$node->wait_for('SELECT count(*) = ' . $MANY / 2
	  . " FROM partner_api.pending_actions WHERE state = 'unknown'"
	  . ' AND looks = 1');
is($list_requests->() - $before, 2,
	"$MANY unknown creates: one list of two pages is read for all");
advance($LAG + 1);
$node->wait_until_settled;
is($list_requests->() - $before, 4, '... and once more after the lag');
is(scalar(grep { $_->{name} =~ /^many / } $sandbox->instances),
	$MANY, '... after which each has one effect');
is($sandbox->names_created_twice, 0, '... and none two');
is($node->sql('SELECT count(DISTINCT a.lease) > 0 AND'
		  . " bool_and(a.verdict IN ('found', 'absent'))"
		  . ' FROM partner_api.action_attempts a'
		  . " WHERE a.purpose = 'look'"), 't', '... each look under its lease');

# one that cannot be read proves nothing for anybody
$sandbox->fault(
	operation => 'create_instance', type => 'close_before', times => 3);
$sandbox->fault(
	operation => 'list_instances', type => 'truncate', times => 0, skip => 1);
my @three = map { enqueue_create("three $_") } 1 .. 3;
wait_for_verdicts($_, 2) foreach @three;
advance($LAG + 1);
wait_for_verdicts($_, 3) foreach @three;
unlike(verdicts($_), qr/absent absent/,
	'a list that breaks off settles none')
  foreach @three;
$sandbox->clear_faults;
foreach (1 .. 2)
{
	advance(300);
	$node->drive_pass;
}
is($node->wait_for_state($_, 'needs_attention'),
	'done', '... a whole one all of them')
  foreach @three;
is(scalar $sandbox->created("three $_"), 1, '... with one effect each')
  foreach 1 .. 3;
$sandbox->config(page_size_max => 0);

# ---- only lost answers count ----

$sandbox->fault(
	operation => 'create_instance', type => 'rate_limit', times => 6);
$sandbox->fault(operation => 'create_instance', type => 'close_before');
my $action = enqueue_create('often turned away');
foreach my $count (1 .. 6)
{
	wait_for_verdicts($action, $count);
	advance(300);
}
wait_for_verdicts($action, 8);
advance($LAG + 1);
wait_for_verdicts($action, 9);
advance(300);
is($node->wait_for_state($action, 'needs_attention'),
	'done', 'turned away six times, lost once: sent again');
is(verdicts($action), 'retry ' x 6 . 'unknown absent absent done',
	'... since only lost answers lead to a person');

$sandbox->fault(
	operation => 'create_instance', type => 'close_before', times => 5);
$action = enqueue_create('often lost');
foreach my $count (1 .. 5)
{
	wait_for_verdicts($action, $count * 3 - 1);
	advance($LAG + 1);
	wait_for_verdicts($action, $count * 3);
	advance(30);
}
is($node->wait_for_state($action, 'needs_attention'),
	'needs_attention', 'lost five times: a person must decide');
$listener->heard(
	qr/"event": "needs_attention", "server": "zapi", "action_id": $action\b/);
pass('... and is told');
is(scalar $sandbox->created('often lost'), 0, '... without an effect');
$node->sql("SELECT partner_api.cancel_action($action)");

# ---- a sign whose deadline is near ----

# A sign of a new trial with so many seconds until its deadline, the answer to
# which is lost.
sub lose_sign
{
	my ($fault, $seconds) = @_;
	my $id = create("lost sign $fault $seconds");

	$sandbox->fault(operation => 'sign_instance', type => $fault);
	return ($id, $node->sql('SELECT partner_api.enqueue_sign_instance('
			  . "'zapi', '$id', deadline => partner_api.clock()"
			  . " + interval '$seconds s')"));
}

my $id;
my @no_list =
  (operation => 'list_instances', type => 'status', status => 500, times => 0);
foreach my $fault (qw(reset_after close_before))
{
	$sandbox->fault(@no_list);
	($id, $action) = lose_sign($fault, 2 * $LAG);
	is($node->wait_for_state($action, 'needs_attention'),
		'done', "sign, $fault, near its deadline, no list: sent again");
	is(verdicts($action), 'unknown unknown done', '... without proof');
	is($sandbox->instance($id)->{effects}{signs}, 1, '... with one effect');
	is(mirror($id)->{status}, 'signed', '... and mirrored');
	$sandbox->clear_faults;
}

# with time left it is not repeated, but decided on when time is short
$sandbox->fault(@no_list);
($id, $action) = lose_sign('close_before', 20 * $LAG);
wait_for_verdicts($action, 3);
is($node->action_state($action), 'unknown', 'with time left: it is looked for');
is($node->sql('SELECT run_at <= deadline - interval '
		  . "'2 min' FROM partner_api.pending_actions"
		  . " WHERE action_id = $action"), 't', '... in time to decide');
advance(18 * $LAG);
is($node->wait_for_state($action, 'needs_attention'),
	'done', '... and sent again when time is short');
$sandbox->clear_faults;

$node->set_option(unknown_sign => 'prefer_person');
$sandbox->fault(@no_list);
($id, $action) = lose_sign('reset_after', 2 * $LAG);
is($node->wait_for_state($action, 'needs_attention'),
	'needs_attention', 'prefer_person: not sent again');
like($node->action($action)->{last_error},
	qr/list could not be read before its deadline/, '... with the reason');
$listener->heard(qr/"needs_attention", "server": "zapi", "action_id": $action\b/);
pass('... and announced');
is($sandbox->instance($id)->{effects}{signs}, 1, '... with one effect');
$sandbox->clear_faults;
$node->sql("SELECT partner_api.cancel_action($action)");
$node->set_option(unknown_sign => 'prefer_repeat');

# ---- a create whose deadline is near ----

# A create with so many seconds until its deadline, the answer to which is
# lost.
sub lose_create
{
	my ($fault, $name, $seconds) = @_;

	$sandbox->fault(operation => 'create_instance', type => $fault);
	return enqueue_create($name,
		"deadline => partner_api.clock() + interval '$seconds s'");
}

$sandbox->fault(@no_list);
$action = lose_create('reset_after', 'over', 2 * $LAG);
wait_for_verdicts($action, 2);
is($node->action_state($action), 'unknown',
	'create near its deadline, no list: not sent again');
advance(2 * $LAG + 1);
is($node->wait_for_state($action, 'needs_attention'),
	'needs_attention', '... but a person\'s when it is over');
$listener->heard(qr/"needs_attention", "server": "zapi", "action_id": $action\b/);
pass('... who is told');
is(scalar $sandbox->created('over'), 1, '... with one effect');
$sandbox->clear_faults;
my $over = $action;

$node->set_option(unknown_create => 'prefer_repeat');
$action = lose_create('close_before', 'in a hurry', 2 * $LAG);
is($node->wait_for_state($action, 'needs_attention'),
	'done', 'prefer_repeat: sent again after one whole list');
is(verdicts($action), 'unknown absent done', '... without the lag');
is(scalar $sandbox->created('in a hurry'), 1, '... with one effect');
$sandbox->fault(@no_list);
$action = lose_create('close_before', 'no proof', 2 * $LAG);
wait_for_verdicts($action, 2);
advance(2 * $LAG + 1);
is($node->wait_for_state($action, 'needs_attention'),
	'needs_attention', '... but never without a list');
is(scalar $sandbox->created('no proof'), 0, '... nor sent');
$sandbox->clear_faults;
$node->sql("SELECT partner_api.cancel_action($action)");
$node->set_option(unknown_create => 'prefer_person');
done_testing();
