# On a standby nothing is changed at a provider and no worker runs, but what
# only reads works.  Once it is promoted, its worker goes on.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $primary = PartnerApi::Cluster->new('primary');

$primary->init(allows_streaming => 1);
$primary->start;
$primary->install;
$primary->create_server($sandbox, trial_end => 'ask', list_lag => '0');

my $id = $primary->sql(
	"SELECT instance_id FROM partner_api.create_instance('zapi', 'shop')");
my $later = $primary->sql(
	"SELECT partner_api.enqueue_create_instance('zapi', 'later',"
	  . " run_at => now() + interval '1 hour')");

$primary->backup('base');

my $standby = PartnerApi::Cluster->new('standby');

$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

# ---- what reads ----

is( $standby->sql(
		"SELECT name FROM partner_api.instances WHERE instance_id = '$id'"),
	'shop', 'the mirror is there');
is($standby->row("SELECT * FROM partner_api.test_connection('zapi')")->{ok},
	1, 'the provider can be reached');
is( $standby->sql(
		"SELECT instance_id FROM partner_api.remote_instances('zapi')"),
	$id, 'its list can be read');
is( $standby->sql(
		'SELECT connected, detail'
		  . " FROM partner_api.instance_status('zapi', '$id')"),
	'f|You are not connected.', 'an instance can be looked at');
is($standby->sql('SELECT reason FROM partner_api.trials_at_risk'),
	'waits for approval', 'trials at risk are seen');
like(
	$standby->sql("SELECT string_agg(step, ' ')"
		  . ' FROM partner_api.action_timeline(1)'),
	qr/^enqueued sent done/,
	'so is the life of an action');
is( $standby->sql('SELECT partner_api.clock() - now()'
		  . " BETWEEN interval '-1 min' AND interval '1 min'"),
	't', 'the clock can be read');

# ---- what would change something ----

my $effects = $sandbox->counters('create_instance')->{requests};
foreach my $call (
	"create_instance('zapi', 'x')",
	"enqueue_create_instance('zapi', 'x')",
	"sign_instance('zapi', '$id')",
	"delete_instances('zapi', ARRAY['$id'])",
	"sync_instances('zapi')", "approve_trial('zapi', '$id')",
	"cancel_action($later)", "retry_action($later)", 'schedule_routines()',
	"set_clock('2100-01-01')")
{
	my ($function) = $call =~ /^(\w+)/;

	$standby->fails_with("SELECT partner_api.$call",
		'25006',
		{ message => qr/cannot execute $function\S* (?:during|in a read)/ },
		"$function is refused");
}
foreach my $call (
	"create_instance('zapi', 'x')",
	"enqueue_create_instance('zapi', 'x')",
	"sync_instances('zapi')")
{
	$primary->fails_with("BEGIN READ ONLY; SELECT partner_api.$call",
		'25006', { message => qr/read-only transaction/ },
		"so it is in a read-only transaction: $call");
}
is($sandbox->counters('create_instance')->{requests},
	$effects, 'nothing of that was sent');

# ---- no worker ----

my $workers = 'SELECT count(*) FROM pg_stat_activity'
  . " WHERE backend_type LIKE 'partner_api %'";

is($standby->sql($workers), 0, 'a standby has neither launcher nor worker');
is($primary->sql($workers), 2, '... while the primary has both');

# ---- promotion ----

$primary->stop;
$standby->promote;
ok($standby->wait_for_worker, 'a worker starts after the promotion');
is($standby->sql($workers), 2, '... started by a launcher');
is( $standby->sql(
		"SELECT name FROM partner_api.create_instance('zapi', 'promoted')"),
	'promoted', 'calls are sent from there');
$standby->set_clock($sandbox, "now() + interval '2 hours'");
is($standby->wait_for_state($later, 'done'),
	'done', 'what the primary left waiting is done');
is(scalar $sandbox->created('later'), 1, '... once');

done_testing();
