# Routines that the worker runs: at their time, once, as their role, each in a
# process of its own; what fails, is killed or is held stops no other.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	conf => "partner_api.databases = 'postgres, copy'");

# The routine waits while this lock is held.
my $LOCK = 'SELECT pg_advisory_xact_lock(4711)';

sub add
{
	my ($name, $schedule, $command, %target) = @_;

	return $node->sql(
		"SELECT partner_api.add_routine('$name', '$schedule', "
		  . "\$command\$$command\$command\$)",
		%target);
}

# What is known of a routine.
sub status
{
	my ($name) = @_;

	return $node->row('SELECT * FROM partner_api.routine_status'
		  . " WHERE jobname = '$name'");
}

# Turn the clock to so much later.
sub turn
{
	my ($interval) = @_;

	$node->sql('SELECT partner_api.set_clock('
		  . "partner_api.clock() + interval '$interval')");
	return;
}

# Wait until a routine has run so often; returns its status.
sub wait_for_runs
{
	my ($name, $runs) = @_;

	$node->wait_for("SELECT runs >= $runs AND status <> 'running'"
		  . " FROM partner_api.routine_status WHERE jobname = '$name'");
	return status($name);
}

# Wait until a routine runs; returns the process.
sub wait_until_running
{
	my ($name) = @_;

	return $node->poll('SELECT pid FROM pg_stat_activity'
		  . " WHERE application_name = 'partner_api routine $name'"
		  . " AND wait_event = 'advisory'", qr/^\d+$/);
}

# How often has what notes its runs run?
sub noted
{
	my ($name) = @_;

	return $node->sql("SELECT count(*) FROM noted WHERE what = '$name'");
}

# Have a routine wait in its run; returns the session that holds it up.
sub hold
{
	my $console = $node->console;

	$console->run('SELECT pg_advisory_lock(4711);');
	return $console;
}

# an hour that is not about to end
$node->sql("SELECT partner_api.set_clock('2030-01-01 12:30+00')");
$node->sql('CREATE TABLE noted (what text, role text DEFAULT current_user,'
	  . " application text DEFAULT current_setting('application_name'))");
$node->sql('GRANT INSERT ON noted TO PUBLIC');

# ---- those of the extension ----

my $scheduled = 'SELECT jobname, schedule, command, run_by FROM'
  . ' partner_api.schedule_routines()';
my $defaults = $node->sql('SELECT jobname, schedule, command, \'worker\''
	  . ' FROM partner_api.routine_defaults() ORDER BY 1');

is($node->sql($scheduled), $defaults, 'schedule_routines: all there are');

my $planned =
  $node->sql('SELECT * FROM partner_api.routines JOIN'
	  . ' partner_api.routine_runs USING (jobid) ORDER BY jobid');

is($node->sql($scheduled), $defaults, '... and once more');
is( $node->sql('SELECT * FROM partner_api.routines JOIN'
		  . ' partner_api.routine_runs USING (jobid) ORDER BY jobid'),
	$planned, '... changes nothing');
foreach my $routine (
	$node->rows('SELECT * FROM partner_api.routine_defaults()'))
{
	is($node->psql('postgres', $routine->{command}),
		0, "what $routine->{jobname} calls exists");
}
is( $node->sql('SELECT partner_api.unschedule_routines()'),
	$node->sql('SELECT count(*) FROM partner_api.routine_defaults()'),
	'unschedule_routines: all of them are gone');

# ---- at their time, once ----

add('hourly', '@hourly', "INSERT INTO noted VALUES ('hourly')");
$node->drive_pass;
is(noted('hourly'), 0, 'before its time a routine does not run');
turn('30 min');
is(wait_for_runs('hourly', 1)->{status}, 'succeeded', 'at its time it runs');
$node->drive_pass;
is(noted('hourly'), 1, '... once');
is($node->sql('SELECT role, application FROM noted'),
	'postgres|partner_api routine hourly', '... under its name');
is(status('hourly')->{next_run_at},
	'2030-01-01T14:00:00+00:00', '... and is planned again');
turn('5 hours');
wait_for_runs('hourly', 2);
$node->drive_pass;
is(noted('hourly'), 2, 'runs that were missed are made up for by one');
is(status('hourly')->{next_run_at},
	'2030-01-01T19:00:00+00:00', '... and then it goes on in time');
$node->sql("SELECT partner_api.set_clock('2030-01-01 12:30+00')");
$node->wait_for("SELECT next_run_at = '2030-01-01 13:00+00'"
	  . " FROM partner_api.routine_status WHERE jobname = 'hourly'");
ok(1, 'a clock that is set back brings the next run nearer');

# ---- what a command may be ----

$node->sql('CREATE PROCEDURE in_two() LANGUAGE plpgsql AS $$ BEGIN'
	  . " INSERT INTO noted VALUES ('in two'); COMMIT;"
	  . " INSERT INTO noted VALUES ('in two'); RAISE 'at last'; END \$\$");
add('in two', '@hourly', 'CALL in_two()');
add('vacuum', '@hourly', 'VACUUM noted');
add('several', '@hourly',
	"INSERT INTO noted VALUES ('several'); SELECT 1/0");
add('begin', '@hourly', "BEGIN; INSERT INTO noted VALUES ('begin'); COMMIT");
add('nonsense', '@hourly', 'SELEC');

my $listener = $node->listen;

turn('30 min');
is(wait_for_runs('in two', 1)->{last_error},
	'at last', 'a procedure may commit');
is(noted('in two'), 1, '... what it has committed stays');
is(wait_for_runs('vacuum', 1)->{status}, 'succeeded', 'VACUUM is possible');
is(wait_for_runs('several', 1)->{last_error},
	'division by zero', 'a statement that fails');
is(noted('several'), 0, '... undoes the others of its command');
like(
	wait_for_runs('begin', 1)->{last_error},
	qr/cannot begin or end transactions/,
	'a command cannot begin transactions');
like(wait_for_runs('nonsense', 1)->{last_error},
	qr/syntax error/, 'nor be nonsense');
is(wait_for_runs('hourly', 3)->{status},
	'succeeded', 'what fails stops no other');
like($listener->heard(qr/"routine": "several"/),
	qr/"event": "routine_failed"/, 'a failure is announced');
like(
	slurp_file($node->logfile),
	qr/WARNING:  partner_api routine "several" failed: division by zero/,
	'... and logged');
like(
	slurp_file($node->logfile),
	qr/ERROR:  division by zero\n.*STATEMENT:  INSERT INTO noted/,
	'... with what it was doing');
is(status('several')->{failures}, 1, '... and counted');
$listener->end;
$node->sql("SELECT partner_api.remove_routine('$_')")
  foreach 'in two', qw(vacuum several begin nonsense);

# ---- one run at a time ----

my $holder = hold();

$node->create_role('patient', 'partner_api_admin');
add('slow', '0 * * * *', "$LOCK; INSERT INTO noted VALUES ('slow')",
	role => 'patient');
turn('1 hour');

my $pid = wait_until_running('slow');

is( $node->sql(
		"SELECT backend_type FROM pg_stat_activity WHERE pid = $pid"),
	'partner_api routine', 'a run has a process of its own');
is(status('slow')->{status}, 'running', '... and is shown');
turn('3 hours');
wait_for_runs('hourly', 5);
is( $node->sql('SELECT count(*) FROM pg_stat_activity'
		  . " WHERE application_name = 'partner_api routine slow'"),
	1, 'while it runs it is not started again');

# the worker goes, the run stays, and the next worker learns its end
my $worker = $node->wait_for_worker;

$node->sql("SELECT pg_terminate_backend($worker)");
$node->wait_for('SELECT count(*) = 1 FROM partner_api.worker_status'
	  . " WHERE pid <> $worker AND database = 'postgres' AND passes > 0");
is(status('slow')->{status}, 'running', 'a run outlives its worker');
$holder->end;
wait_for_runs('slow', 2);
$node->drive_pass;
is(noted('slow'), 2, '... and then it runs once for all it missed');

# ---- killed, cancelled ----

$holder = hold();
turn('1 hour');
$pid = wait_until_running('slow');
$node->sql("SELECT pg_cancel_backend($pid)");
like(wait_for_runs('slow', 3)->{last_error},
	qr/canceling statement due to user request/, 'a run can be cancelled');
turn('1 hour');
$pid = wait_until_running('slow');
$node->sql("SELECT pg_terminate_backend($pid)");
like(wait_for_runs('slow', 4)->{last_error},
	qr/due to administrator command/, '... or ended');
$node->sql("ALTER ROLE patient SET statement_timeout = '10ms'");
turn('1 hour');
like(
	wait_for_runs('slow', 5)->{last_error},
	qr/due to statement timeout/,
	'... or has a time limit of its role');
is(status('slow')->{failures}, 3, '... which is counted until one succeeds');
$node->sql('ALTER ROLE patient RESET statement_timeout');
$holder->end;
turn('1 hour');
is(wait_for_runs('slow', 6)->{failures}, 0, '... as the next does');

# ---- as its role ----

$node->create_role('shop', 'partner_api_admin');
$node->create_role('other', 'partner_api_admin');
$node->create_role('reader', 'partner_api_reader');
$node->sql('CREATE TABLE secret (a integer)');
add('of shop', '@hourly', "INSERT INTO noted VALUES ('of shop')",
	role => 'shop');
add('too much', '@hourly', 'SELECT * FROM secret', role => 'shop');
$node->fails_with(
	"SELECT partner_api.add_routine('of shop', '\@daily', 'SELECT 1')",
	'42501', { message => qr/belongs to role "shop"/, hint => qr/members/ },
	'another administrator does not change it',
	role => 'other');
$node->fails_with(
	"SELECT partner_api.remove_routine('of shop')",
	'42501', { message => qr/belongs to role "shop"/ },
	'... nor remove it', role => 'other');
$node->fails_with("SELECT partner_api.add_routine('x', '\@daily', 'SELECT')",
	'42501', {}, 'a reader schedules nothing', role => 'reader');
$node->fails_with("UPDATE partner_api.routines SET username = 'postgres'",
	'42501', {}, 'nobody gives a routine to another role', role => 'shop');
is( $node->sql('SELECT count(*) FROM partner_api.routine_status',
		role => 'reader'),
	4, 'a reader sees all of them');
turn('1 hour');
like(
	wait_for_runs('too much', 1)->{last_error},
	qr/permission denied for table secret/,
	'a routine can do what its role can');
wait_for_runs('of shop', 1);
is($node->sql("SELECT role FROM noted WHERE what = 'of shop'"),
	'shop', '... as that role');

$node->sql("SELECT partner_api.remove_routine('too much')");
$node->sql('ALTER ROLE shop NOLOGIN');
like(status('of shop')->{reason},
	qr/not permitted to log in/, 'a role that must not log in is shown');
turn('1 hour');
like(
	wait_for_runs('of shop', 2)->{last_error},
	qr/role "shop" is not permitted to log in/,
	'... and its routines fail');
$node->sql('ALTER ROLE shop LOGIN; REVOKE CONNECT ON DATABASE postgres FROM PUBLIC');
turn('1 hour');
like(
	wait_for_runs('of shop', 3)->{last_error},
	qr/permission denied for database/,
	'so they do without the right to connect');
$node->sql('GRANT CONNECT ON DATABASE postgres TO PUBLIC;'
	  . ' REVOKE partner_api_admin FROM shop; DROP ROLE shop');
turn('1 hour');
like(
	wait_for_runs('of shop', 4)->{last_error},
	qr/role "shop" does not exist/,
	'... or without the role');
ok( $node->sql(
		"SELECT partner_api.remove_routine('of shop')", role => 'other'),
	'any administrator may clear that up');

# ---- planned without the trigger, as a restore of the data may leave it ----

$node->sql('ALTER TABLE partner_api.routines DISABLE TRIGGER plan;'
	  . ' INSERT INTO partner_api.routines (jobname, schedule, command,'
	  . " username) VALUES ('unplanned', '\@hourly', 'SELECT', 'postgres');"
	  . ' ALTER TABLE partner_api.routines ENABLE TRIGGER plan;'
	  . ' SELECT partner_api.routines_changed()');
$node->wait_for('SELECT next_run_at IS NOT NULL FROM partner_api.routine_status'
	  . " WHERE jobname = 'unplanned'");
turn('1 hour');
wait_for_runs('unplanned', 1);
ok($node->sql("SELECT partner_api.remove_routine('unplanned')"),
	'a routine that nobody has planned is planned by the worker');

# ---- switched off, held ----

my $before = noted('hourly');

$node->sql("UPDATE partner_api.routines SET active = false"
	  . " WHERE jobname = 'hourly'", role => 'other');
turn('1 hour');
$node->drive_pass;
is(noted('hourly'), $before, 'a routine that is not active does not run');
$node->sql('UPDATE partner_api.routines SET active = true');

my $session = $node->console;

$session->run(
	"BEGIN; UPDATE partner_api.routines SET schedule = '1 * * * *';");
$before = status('slow')->{runs};
turn('1 hour');
$node->drive_pass;
is(status('slow')->{runs}, $before,
	'a routine that a session is changing waits for it');
$session->run('ROLLBACK;');
$session->end;
wait_for_runs('slow', $before + 1);
$before = wait_for_runs('hourly', 1)->{runs};
$node->set_enabled('off');
turn('1 hour');
$node->drive_pass;
is(status('hourly')->{runs}, $before,
	'while sending is switched off no routine runs');
like(status('hourly')->{reason},
	qr/switched off/, '... and the reason is shown');
$node->set_enabled('on');
wait_for_runs('hourly', $before + 1);
ok(1, '... but then they do');

# what cannot be written stops routines, and nothing else
$before = status('hourly')->{runs};
$node->sql('CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql'
	  . q{ AS $$ BEGIN RAISE 'refused'; END $$;}
	  . ' CREATE TRIGGER refuse BEFORE UPDATE ON partner_api.routine_runs'
	  . ' FOR EACH ROW EXECUTE FUNCTION refuse()');
turn('1 hour');
is( $node->sql(
		"SELECT name FROM partner_api.create_instance('zapi', 'meanwhile')"),
	'meanwhile', 'while the table cannot be written, actions are sent');
$node->drive_pass;
is(status('hourly')->{runs}, $before, '... and no routine runs');
$node->sql('DROP FUNCTION refuse CASCADE');
turn('1 min');
wait_for_runs('hourly', $before + 1);
ok(1, '... until it can');

# ---- in a copy ----

my $dump = $node->basedir . '/routines.dump';

command_ok(
	[ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ],
	'a dump');
$node->sql('CREATE DATABASE copy');
# the worker of the copy is there first, and finds nothing wrong
foreach my $section (qw(pre-data data post-data))
{
	command_ok(
		[   'pg_restore', "--section=$section", '-d',
			$node->connstr('copy'), $dump ],
		"... of which $section is restored");
	$node->wait_for("SELECT passes > 0 FROM partner_api.worker_status"
		  . " WHERE database = 'copy'");
}
is( $node->sql(
		"SELECT string_agg(jobname, ' ' ORDER BY jobname)"
		  . ' FROM partner_api.routines',
		database => 'copy'),
	'hourly slow',
	'routines are in a dump');
# at once, before the worker has had any other reason to ask who it is
$node->sql(
	"SELECT partner_api.set_clock(partner_api.clock() + interval '3 hours')",
	database => 'copy');
$node->wait_for("SELECT state = 'unconfirmed' FROM partner_api.worker_status"
	  . " WHERE database = 'copy'");
is( $node->sql('SELECT count(*) FROM partner_api.routine_status'
		  . " WHERE status IS NULL AND reason LIKE 'the identity%'",
		database => 'copy'),
	2, '... but a copy runs none');
$node->sql("SELECT partner_api.confirm_identity('keep')", database => 'copy');
$node->wait_for(
	'SELECT bool_and(runs = 1) FROM partner_api.routine_status',
	database => 'copy');
ok(1, '... until it is said that it is none');
$node->sql('DROP DATABASE copy WITH (FORCE)');

# ---- the end of the server, no process ----

$holder = hold();
turn('1 hour');
wait_until_running('slow');
$node->stop('immediate');
$holder->end;
$node->start;
is( $node->poll('SELECT last_error FROM partner_api.routine_status'
		  . " WHERE jobname = 'slow' AND status = 'failed'", qr/./),
	'the server ended before it did',
	'a run that a crash has ended has failed');

add('at start', '@reboot', "INSERT INTO noted VALUES ('at start')");
$holder = hold();
turn('1 hour');
wait_until_running('slow');
# launcher, worker, and the launcher of logical replication
$node->append_conf('postgresql.conf', 'max_worker_processes = 3');
$node->stop('fast');
$holder->end;
$node->start;
# whoever was quicker: the worker, or the end
like(
	$node->poll('SELECT last_error FROM partner_api.routine_status'
		  . " WHERE jobname = 'slow' AND status = 'failed'", qr/./),
	qr/the server ended before it did|due to administrator command/,
	'... and so has one that a shutdown has ended');
$before = noted('at start');
is($before, 0, '@reboot: not when it is scheduled');
$node->wait_for("SELECT status = 'delayed' FROM partner_api.routine_status"
	  . " WHERE jobname = 'at start'");
like(
	status('at start')->{last_error},
	qr/no background worker slot is free/,
	'a run that finds no process is delayed');
turn('1 min');
$node->drive_pass;
is( scalar(
		() = slurp_file($node->logfile) =~
		  /could not start a process for the routine/g),
	1, '... which is said once');
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;
wait_for_runs('at start', 1);
$node->drive_pass;
is(noted('at start'), 1, '@reboot: once after the start of the server');

# ---- dropped while one runs ----

$holder = hold();
turn('2 hours');
$pid = wait_until_running('slow');
$node->sql('DROP EXTENSION partner_api CASCADE');
$node->install;
$node->sql("SELECT partner_api.add_routine('one', '\@hourly', 'SELECT')");
$holder->end;
$node->wait_for("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
turn('1 hour');
is( $node->poll('SELECT runs FROM partner_api.routine_status', qr/[^0]/), 1,
	'a run of a former installation is none of the new one\'s');

# ---- each server ----

$node->create_server($sandbox);
$node->create_server($sandbox, name => 'broken', token => 'wrong token');
$node->create_server($sandbox, name => 'zs', provider => 'zsystems');
$sandbox->seed(name => 'foreign', state => 'signed');
$node->fails_with(
	'CALL partner_api.sync_all_instances()',
	'HV000',
	{   message => qr/could not sync 1 of 3 servers/,
		detail => qr/^broken: / },
	'sync_all_instances: names the server that fails');
is( $node->sql('SELECT count(*) FROM partner_api.instances'
		  . " WHERE name = 'foreign'"),
	1, '... and syncs the others');

done_testing();
