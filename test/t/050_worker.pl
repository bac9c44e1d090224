# Launcher and worker: who runs when, what a death leaves, what stops them.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'lapse', timeout_ms => 600000 },
	conf => <<'END');
restart_after_crash = on
partner_api.databases = 'postgres, later, "Other DB"'
END
my $create = 'SELECT name FROM partner_api.create_instance';

sub enqueue
{
	my ($name) = @_;

	return $node->sql(
		"SELECT partner_api.enqueue_create_instance('zapi', '$name')");
}

# Number of workers that PostgreSQL shows in a database.
sub workers
{
	my ($database) = @_;

	return "SELECT count(*) FROM pg_stat_activity"
	  . " WHERE backend_type = 'partner_api worker'"
	  . " AND datname = '$database'";
}

sub status
{
	my ($database) = @_;

	return $node->row('SELECT * FROM partner_api.worker_status'
		  . " WHERE database = '$database'");
}

# Let creates hang with their effect done and their answers withheld; returns
# the actions, once all requests have arrived.
sub hang
{
	my (@names) = @_;
	my $before = $sandbox->counters('create_instance')->{requests};

	$sandbox->fault(operation => 'create_instance', type => 'withhold',
		times => scalar @names);
	my @actions = map { enqueue($_) } @names;
	$sandbox->wait_for_requests('create_instance', $before + @names);
	return @actions;
}

# Wait for another worker than this one.
sub wait_for_successor
{
	my ($pid) = @_;

	return $node->poll('SELECT pid FROM partner_api.worker_status'
		  . " WHERE database = 'postgres' AND pid <> $pid", qr/^\d+$/);
}

# ---- who is there ----

is( $node->sql('SELECT count(*), min(datname) FROM pg_stat_activity'
		  . " WHERE backend_type = 'partner_api launcher'"),
	'1|', 'one launcher, in no database');
is($node->sql(workers('postgres')), 1, 'one worker in the database');

my $row = status('postgres');

is($row->{state}, 'idle', 'worker_status: idle');
is( $row->{pid},
	$node->sql('SELECT pid FROM pg_stat_activity'
		  . " WHERE backend_type = 'partner_api worker'"),
	'... its process');
is($row->{in_flight}, 0, '... with nothing to do');
is( $node->sql('SELECT state FROM pg_stat_activity'
		  . " WHERE backend_type = 'partner_api worker'"),
	'idle', 'pg_stat_activity says so too');

my @actions = hang('one', 'two');

$row = status('postgres');
is($row->{in_flight}, 2, 'requests in flight are told');
is($row->{requests}, 2, '... and counted');
is( $node->sql('SELECT state, query FROM pg_stat_activity'
		  . " WHERE backend_type = 'partner_api worker'"),
	'active|2 requests in flight', '... in pg_stat_activity too');
is( $node->sql('SELECT xact_start IS NULL AND backend_xmin IS NULL'
		  . ' FROM pg_stat_activity'
		  . " WHERE backend_type = 'partner_api worker'"),
	't', '... and no transaction is open meanwhile');
$sandbox->release;
$node->wait_for_state($_, 'done') foreach @actions;

# ---- an idle worker ----

# Only the safety pass, 10 s after the last: whatever others do meanwhile.
$node->drive_pass;
my $before = status('postgres');
my $now = $node->poll('SELECT passes, last_pass_at FROM'
	  . " partner_api.worker_status WHERE database = 'postgres'"
	  . " AND passes > $before->{passes}", qr/./);
my ($passes, $at) = split /\|/, $now;

is($passes, $before->{passes} + 1, 'an idle worker makes one pass');
is( $node->sql("SELECT '$at'::timestamptz - '$before->{last_pass_at}'"
		  . " >= interval '9.5 s'"),
	't', '... when it is time to be safe');
$node->wait_for('SELECT n_tup_ins >= 2 FROM pg_stat_user_tables'
	  . " WHERE relname = 'action_history'");
ok(1, 'what it wrote is in the statistics, where autovacuum looks');

# ---- other databases ----

is( $node->sql('SELECT count(pid), count(*) FROM partner_api.worker_status'
		  . " WHERE database <> 'postgres'"),
	'0|2', 'a listed database that does not exist has no worker');
$node->sql('CREATE DATABASE later');
$node->sql('CREATE DATABASE "Other DB"');
$node->sql('CREATE DATABASE unlisted');
$node->sql('CREATE EXTENSION partner_api', database => 'unlisted');
$node->install('later');
is($node->sql(workers('later')), 1,
	'CREATE EXTENSION in a database that was made later starts a worker');
$node->install('Other DB');
is($node->sql(workers('Other DB')), 1, '... also where the name needs quotes');
is($node->sql(workers('unlisted')), 0, '... but not where it is not listed');
$node->fails_with("$create('zapi', 'x')", '42704', {},
	'servers belong to their database', database => 'unlisted');
$node->create_server($sandbox, name => 'zapi', database => 'unlisted');
$node->fails_with("$create('zapi', 'x')", '55000',
	{ message => qr/no partner_api worker/, hint => qr/partner_api\.databases/ },
	'without a worker a call says what to set', database => 'unlisted');
my $late = $node->sql(
	"SELECT partner_api.enqueue_create_instance('zapi', 'late')",
	database => 'unlisted');
is(scalar $sandbox->created('late'), 0, 'an enqueued action waits');
$node->append_conf('postgresql.conf',
	"partner_api.databases = 'postgres, unlisted, later'");
$node->reload;
$node->wait_for_worker('unlisted');
$node->wait_for('SELECT count(*) = 1 FROM partner_api.action_history'
	  . " WHERE action_id = $late AND state = 'done'",
	database => 'unlisted');
is(scalar $sandbox->created('late'), 1,
	'... until the database is listed: no restart is needed');
$node->wait_for('SELECT (' . workers('Other DB') . ') = 0');
ok(1, 'a database that is taken off the list loses its worker');
$node->sql('DROP DATABASE "Other DB"');
ok(1, '... and can be dropped then');

$node->sql('DROP EXTENSION partner_api', database => 'later');
$node->wait_for('SELECT (' . workers('later') . ') = 0');
ok(1, 'DROP EXTENSION ends the worker');
$node->install('later');
is($node->sql(workers('later')), 1, 'CREATE EXTENSION starts it again');

@actions = hang('pending');
$node->fails_with('DROP EXTENSION partner_api CASCADE', '55006',
	{ message => qr/in flight/ },
	'DROP EXTENSION is refused while a request is in flight');
$sandbox->release;
$node->wait_for_state($actions[0], 'done');

# ---- switched off ----

$node->append_conf('postgresql.conf', 'partner_api.enabled = off');
$node->reload;
$node->wait_for("SELECT NOT current_setting('partner_api.enabled')::bool");
my $waiting = enqueue('switched off');
$node->drive_pass;
is($node->action_state($waiting), 'waiting',
	'partner_api.enabled = off: actions wait');
$node->fails_with("$create('zapi', 'x')", '55000',
	{ detail => qr/partner_api\.enabled.*nothing was sent/ },
	'... and calls say why');
is(scalar $sandbox->created('switched off'), 0, '... and nothing is sent');
$node->append_conf('postgresql.conf', 'partner_api.enabled = on');
$node->reload;
is($node->wait_for_state($waiting, 'done'), 'done',
	'switched on again, they are sent');

# ---- a worker that is terminated ----

my $pid = $node->wait_for_worker;
@actions = hang('term 1', 'term 2');
my $requests = $sandbox->counters('create_instance')->{requests};
my $starts = status('postgres')->{starts};
$sandbox->fault(operation => 'create_instance', type => 'withhold');
my $call = $node->start_sql("$create('zapi', 'term call')");
$sandbox->wait_for_requests('create_instance', $requests + 1);
$node->sql("SELECT pg_terminate_backend($pid)");
PartnerApi::Cluster::error_is($call->error, '08007',
	{ message => qr/worker ended/, detail => qr/Action \d+ goes on/ },
	'a call whose worker is terminated is told so');
isnt(wait_for_successor($pid), $pid, 'another worker is started');
$node->wait_until_settled;
is(scalar $sandbox->created($_), 1, "$_: one effect")
  foreach 'term 1', 'term 2', 'term call';
is($sandbox->effects('create_instance'),
	$node->sql("SELECT count(*) FROM partner_api.instances") + 1,
	'every effect is recorded (one in the other database)');
is(status('postgres')->{starts}, $starts + 1,
	'worker_status counts the starts');
$sandbox->release;

# ---- a worker that is killed: the server restarts ----

$pid = $node->wait_for_worker;
@actions = hang('kill 1', 'kill 2', 'kill 3');
$node->sql("BEGIN; SELECT partner_api.enqueue_create_instance('zapi', 'kept',"
	  . " run_at => partner_api.clock() + interval '1 hour'); COMMIT");
kill 'KILL', $pid;
wait_for_successor($pid);
$node->wait_until_settled("state <> 'waiting'");
is($node->action_state($_), 'done', 'in flight when it was killed: done')
  foreach @actions;
is(scalar $sandbox->created("kill $_"), 1, '... with one effect')
  foreach 1 .. 3;
is( $node->sql("SELECT string_agg(verdict, ' ')"
		  . ' FROM partner_api.action_attempts'
		  . " WHERE action_id = $actions[0] AND purpose = 'look'"),
	'found', '... which was looked up');
is( $node->sql("SELECT state FROM partner_api.pending_actions"),
	'waiting', 'what was waiting still waits');
$sandbox->release;

# ---- shutdown ----

@actions = hang('stop 1', 'stop 2');
$sandbox->fault(operation => 'list_instances', type => 'withhold');
$requests = $sandbox->counters('list_instances')->{requests};
$call = $node->start_sql(
	"SELECT count(*) FROM partner_api.remote_instances('zapi')");
$sandbox->wait_for_requests('list_instances', $requests + 1);
ok($node->stop('fast'), 'fast shutdown while requests hang');
is($call->error->{sqlstate}, '57P01', '... also that of a caller');
$node->start;
$node->wait_for_worker;
$node->wait_until_settled("state <> 'waiting'");
is(scalar $sandbox->created("stop $_"), 1, 'one effect') foreach 1 .. 2;
is($node->action_state($_), 'done', '... which is recorded') foreach @actions;
is($sandbox->names_created_twice, 0, 'nothing was created twice');

# ---- preloaded too late ----

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
$node->fails_with("$create('zapi', 'x')", '55000',
	{ hint => qr/shared_preload_libraries/ },
	'a server that does not preload the library says so');
my $kept = enqueue('not preloaded');
is($node->action_state($kept), 'waiting', '... but actions can be enqueued');
is($node->sql('SELECT count(*) FROM partner_api.worker_status'), 0,
	'... and no worker is shown');

done_testing();
