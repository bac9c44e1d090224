# The lease fences: a worker that was stopped and wakes up writes nothing over
# a newer lease; and one instance has one call in flight, by constraint.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'lapse' });

sub enqueue
{
	my ($function, @arguments) = @_;

	return $node->sql("SELECT partner_api.enqueue_$function("
		  . join(', ', "'zapi'", @arguments) . ')');
}

sub create
{
	my ($name) = @_;

	return $node->sql('SELECT instance_id'
		  . " FROM partner_api.create_instance('zapi', '$name')");
}

# What a second sender would do with these actions: it takes a newer lease.
sub take_newer_lease
{
	my ($state, @actions) = @_;
	my $ids = join ', ', @actions;

	return $node->sql('UPDATE partner_api.pending_actions'
		  . " SET lease = lease + 1, state = '$state',"
		  . "     run_at = partner_api.clock() + interval '1 hour'"
		  . " WHERE action_id IN ($ids)");
}

# Everything that a verdict could change, but for the log of the attempts.
sub recorded
{
	return join "\n", map {
		$node->sql("SELECT coalesce(string_agg(t::text, ';' ORDER BY t::text),"
			  . " '') FROM partner_api.$_ t")
	} qw(pending_actions action_history instances instance_secrets
		 instance_events mirror_backlog);
}

# ---- a worker that is stopped while its requests are on the wire ----

my $trial = create('trial');
my @operations = (
	[ 'create_instance', "'stopped'" ],
	[ 'sign_instance', "'$trial'" ],
	[ 'create_instance', "'decided on'" ]);
my @actions;

foreach my $operation (@operations)
{
	my ($kind) = @$operation;
	my $requests = $sandbox->counters($kind)->{requests};

	$sandbox->fault(operation => $kind, type => 'withhold');
	push @actions, enqueue(@$operation);
	$sandbox->wait_for_requests($kind, $requests + 1);
}

my $worker = $node->wait_for_worker;

kill 'STOP', $worker;
take_newer_lease('unknown', @actions[ 0, 1 ]);
take_newer_lease('needs_attention', $actions[2]);
my $before = recorded();
my $log_at = -s $node->logfile;

is($sandbox->release, 3, 'the answers come while the worker is stopped');
kill 'CONT', $worker;
$node->wait_for_log(
	qr/partner_api action $_ was settled under another lease/, $log_at)
  foreach @actions;
is(recorded(), $before,
	'a worker that wakes up does not close what another holds');
is( $node->sql("SELECT string_agg(verdict || ' ' || (a.lease < p.lease), ', ')"
		  . ' FROM partner_api.action_attempts a JOIN'
		  . ' partner_api.pending_actions p USING (action_id)'),
	'done true, done true, done true',
	'... but what it has sent, under the lease that it had');

# whoever holds the newer lease settles them
$node->set_clock($sandbox, "partner_api.clock() + interval '2 hours'");
is($node->wait_for_state($_, 'needs_attention'),
	'done', 'the effect is found under the newer lease')
  foreach @actions[ 0, 1 ];
is($node->action_state($actions[2]), 'needs_attention',
	'... but for what was left to a person');
$node->sql("SELECT partner_api.cancel_action($actions[2])");
is(scalar $sandbox->created('stopped'), 1, '... and there is one');
is($sandbox->instance($trial)->{effects}{signs}, 1, '... of each');

# ---- a look that was overtaken ----

$sandbox->fault(operation => 'create_instance', type => 'reset_after');
$sandbox->fault(operation => 'list_instances', type => 'withhold');
my $lists = $sandbox->counters('list_instances')->{requests};
my $looked = enqueue('create_instance', "'looked at'");
$sandbox->wait_for_requests('list_instances', $lists + 1);
take_newer_lease('unknown', $looked);
$before = recorded();
$log_at = -s $node->logfile;
$sandbox->release;
$node->wait_for_log(
	qr/partner_api action $looked was settled under another lease/, $log_at);
is(recorded(), $before, 'a look writes nothing over a newer lease either');

# ---- an action that a person has decided on meanwhile ----

$node->set_clock($sandbox, "partner_api.clock() + interval '2 hours'");
is($node->wait_for_state($looked, 'needs_attention'), 'done', 'found later');

$sandbox->fault(operation => 'create_instance', type => 'close_before');
$sandbox->fault(operation => 'list_instances', type => 'withhold');
$lists = $sandbox->counters('list_instances')->{requests};
my $decided = enqueue('create_instance', "'decided'");
$sandbox->wait_for_requests('list_instances', $lists + 1);
$node->sql("SELECT partner_api.resolve_action($decided, NULL)");
$before = recorded();
$log_at = -s $node->logfile;
$sandbox->release;
$node->wait_for_log(
	qr/partner_api action $decided was settled under another lease/, $log_at);
is(recorded(), $before, 'nor over what a person has decided');

# ---- by constraint ----

my $busy = create('busy');

$sandbox->fault(operation => 'sign_instance', type => 'withhold');
my $signs = $sandbox->counters('sign_instance')->{requests};
my $first = enqueue('sign_instance', "'$busy'");
$sandbox->wait_for_requests('sign_instance', $signs + 1);
my $second = enqueue('cancel_instance', "'$busy'");
$node->drive_pass;
is($node->action_state($second), 'waiting', 'the second action waits');
foreach my $state (qw(sending unknown))
{
	$node->fails_with(
		"UPDATE partner_api.pending_actions SET state = '$state',"
		  . " lease = lease + 1 WHERE action_id = $second",
		'23505', { message => qr/pending_actions_one_in_flight/ },
		"... nor could any other sender have it $state");
}
is($sandbox->counters('cancel_instance')->{requests}, 0, '... nor is it sent');
$sandbox->release;
is($node->wait_for_state($first, 'needs_attention'), 'done', 'the first ends');
is($node->wait_for_state($second, 'needs_attention'),
	'done', '... and the second follows');
is($sandbox->names_created_twice, 0, 'nothing was created twice');

# ---- every verdict has its condition ----

# what closes or reopens an action in flight names its lease
$node->wait_until_settled;
is( $node->sql("SELECT bool_and(lease > 0 AND lease >= (SELECT max(lease)"
		  . ' FROM partner_api.action_attempts a'
		  . ' WHERE a.action_id = h.action_id))'
		  . ' FROM partner_api.action_history h WHERE attempts > 0'),
	't', 'no attempt has a newer lease than what it was closed under');

done_testing();
