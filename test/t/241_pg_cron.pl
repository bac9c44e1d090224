# With pg_cron: it runs the routines, as the roles that scheduled them, and the
# worker does not.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	conf => <<'END', server => { trial_end => 'lapse' });
shared_preload_libraries = 'pg_cron, partner_api'
cron.use_background_workers = on
cron.database_name = 'postgres'
END

# What pg_cron holds of ours.
my $JOBS = 'SELECT jobid, jobname, schedule, command, username, active'
  . " FROM cron.job WHERE jobname LIKE 'partner_api.%' ORDER BY jobname";

# Have pg_cron run what it has now, and return when all of it has ended: it
# runs what is to run at its start.
sub run_all
{
	my $runs = $node->sql(
		'SELECT coalesce(max(runid), 0) FROM cron.job_run_details');

	$node->sql("UPDATE cron.job SET schedule = '\@reboot'");
	$node->restart;
	$node->wait_for('SELECT count(*) = (SELECT count(*) FROM cron.job'
		  . ' WHERE active) FROM cron.job_run_details'
		  . " WHERE runid > $runs AND status IN ('succeeded', 'failed')");
	return;
}

# ---- from the worker to pg_cron ----

$node->create_role('shop', 'partner_api_admin');
is( $node->sql(
		'SELECT DISTINCT run_by FROM partner_api.schedule_routines()',
		role => 'shop'),
	'worker', 'without pg_cron the worker runs the routines');
$node->sql(q{SELECT partner_api.add_routine('mine', '@daily', 'SELECT 1')},
	role => 'shop');
$node->sql('CREATE EXTENSION pg_cron');
is( $node->sql(
		"SELECT string_agg(column_name || ' ' || CASE data_type"
		  . " WHEN 'name' THEN 'text' ELSE data_type END, ', '"
		  . ' ORDER BY ordinal_position) FROM information_schema.columns'
		  . " WHERE table_schema = 'partner_api'"
		  . " AND table_name = 'routines'"),
	$node->sql(
		"SELECT string_agg(column_name || ' ' || CASE data_type"
		  . " WHEN 'name' THEN 'text' ELSE data_type END, ', '"
		  . ' ORDER BY ordinal_position) FROM information_schema.columns'
		  . " WHERE table_schema = 'cron' AND table_name = 'job'"),
	'the worker\'s table has the columns of cron.job');
$node->fails_with(
	'SELECT * FROM partner_api.schedule_routines()',
	'42501',
	{   message => qr/"shop" may not use pg_cron/,
		hint => qr/GRANT USAGE ON SCHEMA cron TO shop/ },
	'a role that may not use pg_cron is told what to do',
	role => 'shop');
$node->sql('GRANT USAGE ON SCHEMA cron TO shop');

my $scheduled = $node->sql(
	'SELECT jobname, schedule, command FROM partner_api.schedule_routines('
	  . q{'{"prune_history": "40 2 * * *"}')}, role => 'shop');

is( $scheduled,
	$node->sql('SELECT jobname, CASE jobname WHEN \'prune_history\''
		  . ' THEN \'40 2 * * *\' ELSE schedule END, command'
		  . ' FROM partner_api.routine_defaults() ORDER BY 1'),
	'schedule_routines: pg_cron runs all of them, at the times that are given');

my $jobs = $node->sql($JOBS);

is( $node->sql("SELECT DISTINCT username || ' ' || database FROM cron.job"),
	'shop postgres', '... as the role that has scheduled them');
is($node->sql('SELECT jobname FROM partner_api.routines'),
	'mine', '... and the worker does so no more');
$node->sql('SELECT * FROM partner_api.schedule_routines()', role => 'shop');
is($node->sql($JOBS), $jobs, 'scheduled twice, nothing changes');
$node->sql('SELECT partner_api.add_routine('
	  . q{'mine', '@weekly', $$INSERT INTO noted SELECT current_user;}
	  . q{ SELECT partner_api.enqueue_create_instance('zapi', 'new shop')$$)},
	role => 'shop');
is($node->sql('SELECT count(*) FROM partner_api.routines'),
	0, 'add_routine moves one of one\'s own');

# ---- whose they are ----

$node->create_role('other', 'partner_api_admin');
$node->sql('GRANT USAGE ON SCHEMA cron TO other');
foreach my $call ('schedule_routines()', 'unschedule_routines()',
	q{remove_routine('mine')}, q{add_routine('mine', '@daily', 'SELECT 1')})
{
	$node->fails_with("SELECT partner_api.$call",
		'42501', { message => qr/belongs to role "shop"/ },
		"another role is refused: $call", role => 'other');
}
$node->create_role('reader', 'partner_api_reader');
is( $node->sql(
		'SELECT count(DISTINCT run_by) || max(run_by)'
		  . ' FROM partner_api.routine_status', role => 'reader'),
	'1pg_cron', 'a reader sees them');

# ---- they run ----

$node->sql('CREATE TABLE noted (what text); GRANT INSERT ON noted TO shop');
$sandbox->seed(name => 'foreign', state => 'signed');
$node->sql("SELECT partner_api.create_instance('zapi', 'old shop')");
$node->sql("SELECT partner_api.set_clock(partner_api.clock()"
	  . " + interval '3 years')");
run_all();
is( $node->sql('SELECT jobname, return_message FROM cron.job_run_details'
		  . " JOIN cron.job USING (jobid) WHERE status <> 'succeeded'"),
	'', 'pg_cron runs each of them');
is( $node->sql('SELECT count(*) FROM partner_api.instances'
		  . " WHERE name = 'foreign'"),
	1, 'sync_instances: the provider\'s list is taken in');
is( $node->sql('SELECT count(*) FROM partner_api.action_history'
		  . " WHERE arguments->>'name' = 'old shop'"),
	0, 'prune_history: what is old is gone');
is($node->sql('SELECT what FROM noted'), 'shop',
	'one\'s own: as the role that has scheduled it');
$node->wait_for('SELECT count(*) = 1 FROM partner_api.action_history'
	  . " WHERE arguments->>'name' = 'new shop' AND state = 'done'");
ok(scalar $sandbox->created('new shop'),
	'... and what it enqueues is sent');
is( $node->sql('SELECT count(*) FROM partner_api.routine_status'
		  . " WHERE status = 'succeeded' AND finished_at IS NOT NULL"),
	$node->sql('SELECT count(*) FROM cron.job'),
	'routine_status shows how they went');
$node->sql("UPDATE cron.job SET schedule = '\@daily'");

$sandbox->fault(
	operation => 'list_instances', type => 'status', status => 500,
	times => 0);
$node->sql('UPDATE cron.job SET active = jobname LIKE \'%sync_instances\'');
run_all();
like(
	$node->sql('SELECT last_error FROM partner_api.routine_status'
		  . " WHERE jobname = 'sync_instances'"),
	qr/could not sync 1 of 1 servers.*zapi: /s,
	'a failure says which server it was');
is( $node->sql('SELECT count(*) > 0 FROM partner_api.routine_status'
		  . " WHERE reason = 'it is not active'"),
	't', 'jobs that are not active are shown as such');

# ---- what both can read ----

# all that is a schedule for us is one for pg_cron
foreach my $schedule ('*/15 9-17/2,22 1-5,31 jan-DEC mon-Fri',
	' 0	0  29 2 */7 ', '0 0 * * 0,7', map { '@' . $_ }
	qw(hourly daily midnight weekly monthly yearly annually reboot))
{
	ok( $node->sql(
			'SELECT partner_api.add_routine('
			  . "'read', '$schedule', 'SELECT 1')"),
		"pg_cron reads \"$schedule\"");
}

# ---- and back ----

is($node->sql("SELECT partner_api.remove_routine('mine')"),
	't', 'a superuser removes what belongs to another role');
is($node->sql("SELECT partner_api.remove_routine('mine')"),
	'f', '... once');
$node->sql("SELECT partner_api.remove_routine('read')");
is( $node->sql('SELECT partner_api.unschedule_routines()', role => 'shop'),
	$node->sql('SELECT count(*) FROM partner_api.routine_defaults()'),
	'unschedule_routines: all of them');
is($node->sql('SELECT count(*) FROM cron.job'), 0, '... are gone');
$node->sql('DROP EXTENSION pg_cron');
is( $node->sql(
		'SELECT DISTINCT run_by FROM partner_api.schedule_routines()',
		role => 'shop'),
	'worker', 'without pg_cron the worker runs them again');

done_testing();
