# A session that holds a row of ours, or a lock on a table, and idles in its
# transaction delays nobody else: neither the worker nor other callers.  And
# what waits, waits in order.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'lapse', timeout_ms => 600000 });

sub enqueue
{
	my ($function, @arguments) = @_;

	return $node->sql("SELECT partner_api.enqueue_$function("
		  . join(', ', "'zapi'", @arguments) . ')');
}

sub create
{
	my ($name) = @_;

	return $node->sql(
		"SELECT instance_id FROM partner_api.create_instance('zapi', '$name')");
}

sub mirror
{
	my ($id) = @_;

	return $node->row(
		"SELECT * FROM partner_api.instances WHERE instance_id = '$id'");
}

sub backlog
{
	return $node->sql('SELECT count(*) FROM partner_api.mirror_backlog');
}

# Work that others want done: a call, an action, a sign.
my $others = 0;

sub others_go_on
{
	my ($what) = @_;
	my $name = 'other ' . ++$others;

	isnt(create($name), '', "$what: calls go on");
	my $action = enqueue('create_instance', "'$name too'");
	is($node->wait_for_state($action, 'done'), 'done', '... and actions');
	return;
}

# A session that has done something in a transaction and idles there.
my $holder = $node->background_psql('postgres');

sub hold
{
	my ($sql) = @_;

	$holder->query_safe("BEGIN; $sql");
	return;
}

sub let_go
{
	$holder->query_safe('COMMIT');
	return;
}

# ---- rows of pending_actions ----

$node->sql("ALTER SERVER zapi OPTIONS (ADD max_concurrency '8')");

my $held = enqueue('create_instance', "'held'", 'run_at => '
	  . "partner_api.clock() + interval '1 hour'");
hold("SELECT FROM partner_api.pending_actions WHERE action_id = $held"
	  . ' FOR UPDATE');
$node->set_clock($sandbox, "partner_api.clock() + interval '2 hours'");
others_go_on('a due action is locked');
is(scalar $sandbox->created('held'), 0, '... which is not sent meanwhile');
let_go();
$node->drive_pass;
is($node->wait_for_state($held, 'done'), 'done', '... but afterwards');

$held = enqueue('create_instance', "'withdrawn'", 'run_at => '
	  . "partner_api.clock() + interval '1 hour'");
hold("SELECT partner_api.cancel_action($held)");
$node->set_clock($sandbox, "partner_api.clock() + interval '2 hours'");
others_go_on('cancel_action is not committed');
let_go();
$node->drive_pass;
is($node->action_state($held), 'cancelled', '... and counts when it is');
is(scalar $sandbox->created('withdrawn'), 0, '... so nothing was sent');

my $requests = $sandbox->counters('create_instance')->{requests};
$sandbox->fault(operation => 'create_instance', type => 'withhold');
$held = enqueue('create_instance', "'in flight'");
$sandbox->wait_for_requests('create_instance', $requests + 1);
hold("SELECT FROM partner_api.pending_actions WHERE action_id = $held"
	  . ' FOR UPDATE');
$sandbox->release;
others_go_on('an action in flight is locked');
is($node->action_state($held), 'sending', '... whose verdict waits');
let_go();
is($node->wait_for_state($held, 'done'), 'done', '... and is not lost');
is($node->action($held)->{attempts}, 1, '... nor is it sent again');
is(scalar $sandbox->created('in flight'), 1, '... so one effect');

# ---- an orphan ----

$requests = $sandbox->counters('create_instance')->{requests};
$sandbox->fault(operation => 'create_instance', type => 'withhold');
$held = enqueue('create_instance', "'orphan'");
$sandbox->wait_for_requests('create_instance', $requests + 1);
hold("SELECT FROM partner_api.pending_actions WHERE action_id = $held"
	  . ' FOR UPDATE');
my $worker = $node->sql('SELECT pid FROM partner_api.worker_status'
	  . ' WHERE database = current_database()');
$node->sql("SELECT pg_terminate_backend($worker)");
$node->wait_for('SELECT pid IS NOT NULL AND pid <> ' . $worker
	  . ' FROM partner_api.worker_status WHERE database = current_database()');
others_go_on('an orphan is locked');
is($node->action_state($held), 'sending', '... which is left alone');
let_go();
is($node->wait_for_state($held, 'done'), 'done', '... and taken over later');
$node->drive_pass;
is(scalar $sandbox->created('orphan'), 1, '... so one effect');
is( $node->sql(
		"SELECT string_agg(verdict, ' ' ORDER BY lease)"
		  . ' FROM partner_api.action_attempts'
		  . " WHERE action_id = $held"),
	'unknown found',
	'... found by a look');

# ---- rows of instances ----

my $id = create('shop');

hold("SELECT FROM partner_api.instances WHERE instance_id = '$id' FOR UPDATE");
my $action = enqueue('sign_instance', "'$id'");
is($node->wait_for_state($action, 'done'), 'done',
	'a locked instance is signed');
is(backlog(), 1, '... which the mirror takes in later');
is(mirror($id)->{status}, 'trial', '... not now');
others_go_on('an instance is locked');
$node->sql("SELECT partner_api.cancel_instance('zapi', '$id')");
is($sandbox->instance($id)->{state}, 'cancelling',
	'a call for that instance returns too');
is(backlog(), 2, '... and its event waits behind');
let_go();
$node->drive_pass;
is(backlog(), 0, 'the backlog is taken in');
is(mirror($id)->{status}, 'cancelling', '... in order');
ok(defined mirror($id)->{signed_at}, '... and nothing is left out');

# the caller itself holds the row that its call would change
$id = create('own lock');
is( $node->sql('BEGIN; SELECT FROM partner_api.instances'
		  . " WHERE instance_id = '$id' FOR UPDATE;"
		  . " SELECT instance_id FROM partner_api.sign_instance('zapi', '$id');"
		  . ' COMMIT') =~ s/^\n//r,
	$id, 'a caller that holds the row gets its answer');
$node->drive_pass;
is(mirror($id)->{status}, 'signed', '... and the mirror follows');

# ---- whole tables ----

$id = create('index');
$held = enqueue('create_instance', "'due while indexing'", 'run_at => '
	  . "partner_api.clock() + interval '30 min'");
hold('LOCK TABLE partner_api.instances IN SHARE MODE');
$node->set_clock($sandbox, "partner_api.clock() + interval '1 hour'");
is($node->wait_for_state($held, 'done'), 'done',
	'an index is built on instances: due actions go on');
$action = enqueue('sign_instance', "'$id'");
is($node->wait_for_state($action, 'done'), 'done', '... and signs');
$action = enqueue('create_instance', "'while indexing'");
is($node->wait_for_state($action, 'done'), 'done', '... and creates');
cmp_ok(backlog(), '>=', 2, '... which the mirror takes in later');

# As many more as a pass tries: if each waited as the first, it took 10 s.
$node->sql(<<"END");
WITH e AS (
	INSERT INTO partner_api.instance_events (server, instance_id, kind,
		occurred_at)
	SELECT 'zapi', 'gone ' || n, 'deleted', partner_api.clock()
	FROM generate_series(1, 200) n RETURNING event_id)
INSERT INTO partner_api.mirror_backlog (event_id) SELECT event_id FROM e;
END
$node->sql("SET partner_api.call_timeout = '5s';"
	  . " SELECT partner_api.create_instance('zapi', 'behind the backlog')");
is(scalar $sandbox->created('behind the backlog'), 1,
	'... and calls are answered, however much it is');
let_go();
$node->drive_pass;
is(backlog(), 0, '... when the table is free');
is(mirror($id)->{status}, 'signed', '... as they were done');

# ---- a trigger of the business ----

my @lapsing = map { create($_) } 'cursed with time', 'blessed';
my $log_start = -s $node->logfile;

$node->sql(<<'END');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE 'not today'; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON partner_api.instances
	FOR EACH ROW WHEN (new.name LIKE 'cursed%') EXECUTE FUNCTION refuse();
END
$action = enqueue('create_instance', "'cursed'");
is($node->wait_for_state($action, 'done'), 'done',
	'a trigger on instances that fails stops no verdict');
is(scalar $sandbox->created('cursed'), 1, '... of what was done');
others_go_on('a trigger fails');
is(backlog(), 1, '... and the event waits');
$node->set_clock($sandbox, "partner_api.clock() + interval '3 days'");
others_go_on('it fails when a trial lapses');
$node->wait_for_log(
	qr/WARNING: .* could not do a part of its work: not today/, $log_start);
pass('... and the log says what is wrong');
is(mirror($lapsing[0])->{status}, 'trial', '... which is left for later');
is(mirror($lapsing[1])->{status}, 'lapsed', '... while others lapse');
$node->sql('DROP TRIGGER refuse ON partner_api.instances');
$node->drive_pass;
is( $node->sql("SELECT count(*) FROM partner_api.instances"
		  . " WHERE name = 'cursed'"),
	1, '... until the trigger is gone');
is(mirror($lapsing[0])->{status}, 'lapsed', '... as does the trial');

# ---- idempotency keys ----

my $keyed = "'zapi', 'keyed', idempotency_key => 'key'";
hold("SELECT partner_api.enqueue_create_instance($keyed)");
my $call = $node->start_sql(
	"SELECT instance_id FROM partner_api.create_instance($keyed)");
others_go_on('a key is not committed');
let_go();
$call->{run}->finish;
$node->wait_until_settled;
is(scalar $sandbox->created('keyed'), 1,
	'two calls with a key, one of them not committed: one effect');

# ---- order per instance ----

$id = create('ordered');
my $second = create('another');
$requests = $sandbox->counters('sign_instance')->{requests};
$sandbox->fault(operation => 'sign_instance', type => 'withhold');
my @actions = enqueue('sign_instance', "'$id'");
$sandbox->wait_for_requests('sign_instance', $requests + 1);
push @actions, enqueue('update_subscription', "'$id'", 'true'),
  enqueue('disconnect_instance', "'$id'"), enqueue('cancel_instance', "'$id'");
is( $node->sql(
		"SELECT status FROM partner_api.sign_instance('zapi', '$second')"),
	'signed', 'a request in flight delays no other instance');
$node->drive_pass;
is( join(' ', map { $node->action_state($_) } @actions),
	'sending waiting waiting waiting', '... but what comes after it');
my ($last) = map { $_->{seq} } ($sandbox->requests)[-1];
$sandbox->release;
is($node->wait_for_state($_, 'done'), 'done', 'then it is sent')
  foreach @actions;
is( join(' ', map { $_->{operation} } $sandbox->requests(since => $last)),
	'update_subscription disconnect_instance cancel_instance',
	'... in the order of enqueueing');

$id = create('recreated');
$node->sql('BEGIN;'
	  . " SELECT partner_api.enqueue_sign_instance('zapi', '$id');"
	  . " SELECT partner_api.enqueue_cancel_instance('zapi', '$id');"
	  . ' COMMIT');
$node->wait_until_settled;
is( $node->sql("SELECT string_agg(kind || ' ' || state, ', '"
		  . ' ORDER BY action_id) FROM partner_api.action_history'
		  . " WHERE instance_id = '$id' AND kind <> 'create_instance'"),
	'sign_instance cancelled, cancel_instance done',
	'a cancel withdraws a sign that is not claimed');
is($sandbox->instance($id)->{effects}{signs}, 0, '... which is not sent');
like(
	$node->sql('SELECT last_error FROM partner_api.action_history'
		  . " WHERE instance_id = '$id' AND kind = 'sign_instance'"),
	qr/withdrawn by action \d+/, '... and says why');

$id = create('later');
$action = enqueue('sign_instance', "'$id'", 'run_at => '
	  . "partner_api.clock() + interval '1 hour'");
$node->sql("SELECT partner_api.cancel_instance('zapi', '$id')");
is($node->wait_for_state($action, 'cancelled'), 'cancelled',
	'a call that cancels withdraws a sign of later');

# ---- deadlines ----

# Names of the creates that came after a request, in order.
sub created_since
{
	my ($since) = @_;

	return join ' ', map { JSON::PP::decode_json($_->{body})->{name} =~ s/ .*//r }
	  $sandbox->requests(since => $since, operation => 'create_instance');
}

# Enqueue a create with a deadline in so many hours, or without.
sub due_in
{
	my ($name, $hours) = @_;

	return enqueue('create_instance', "'$name'",
		$hours
		? "deadline => partner_api.clock() + interval '$hours hours'"
		: ());
}

$node->set_option(max_concurrency => 1);
$requests = $sandbox->counters('create_instance')->{requests};
$sandbox->fault(operation => 'create_instance', type => 'withhold');
@actions = due_in('first');
$sandbox->wait_for_requests('create_instance', $requests + 1);
($last) = map { $_->{seq} } ($sandbox->requests)[-1];
push @actions, due_in('never'), due_in('three', 3), due_in('one', 1),
  due_in('two', 2), due_in('whenever');
$node->drive_pass;
$sandbox->release;
$node->wait_for_state($_, 'done') foreach @actions;
is(created_since($last), 'one two three never whenever',
	'the earliest deadline goes first');

$node->set_option(max_concurrency => 3);
$requests = $sandbox->counters('create_instance')->{requests};
$sandbox->fault(operation => 'create_instance', type => 'withhold', times => 2);
@actions = map { due_in("slow$_") } 1 .. 2;
$sandbox->wait_for_requests('create_instance', $requests + 2);
push @actions, due_in('queued');
$node->drive_pass;
is($node->action_state($actions[2]), 'waiting',
	'one lane is kept');
is($node->wait_for_state(due_in('urgent', 1), 'done'), 'done',
	'... for what has a deadline');
is($node->action_state($actions[2]), 'waiting', '... and only for that');
$sandbox->release;
$node->wait_for_state($_, 'done') foreach @actions;

$holder->quit;
is($sandbox->names_created_twice, 0, 'nothing was created twice');

done_testing();
