# With pg_cron: what the README says to schedule is run by it, and works.

use strict;
use warnings;

use Cwd qw(realpath);
use File::Basename qw(dirname);
use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $readme = slurp_file(dirname(realpath($0)) . '/../../README.md');
my @scheduled = $readme =~ /^(SELECT cron\.schedule\([^;]*\);)$/gm;
my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	conf => <<'END', server => { trial_end => 'lapse' });
shared_preload_libraries = 'pg_cron, partner_api'
cron.use_background_workers = on
END

is(scalar @scheduled, 2, 'the README schedules two jobs');
$node->sql('CREATE EXTENSION pg_cron');
$node->sql($_) foreach @scheduled;
$node->sql("SELECT cron.schedule('new shop', '* * * * *',"
	  . ' $$SELECT partner_api.enqueue_create_instance(\'zapi\', \'shop\')$$)'
);

# something to find, and something to prune
$sandbox->seed(name => 'foreign', state => 'signed');
$node->sql(
	"SELECT partner_api.create_instance('zapi', 'old shop')");
$node->sql("SELECT partner_api.set_clock(partner_api.clock()"
	  . " + interval '3 years')");

# pg_cron starts jobs at the full minute: all of them at the next one
$node->sql("UPDATE cron.job SET schedule = '* * * * *'");
$node->wait_for("SELECT count(*) >= 3 AND bool_and(status = 'succeeded')"
	  . ' FROM (SELECT DISTINCT ON (jobid) * FROM cron.job_run_details'
	  . ' ORDER BY jobid, runid) first');

is( $node->sql('SELECT count(*) FROM partner_api.instances'
		  . " WHERE name = 'foreign'"),
	1, 'sync_instances: the provider\'s list is taken in');
is( $node->sql('SELECT count(*) FROM partner_api.action_history'
		  . " WHERE arguments->>'name' = 'old shop'"),
	0, 'prune_history: what is old is gone');
$node->wait_for("SELECT count(*) > 0 FROM partner_api.action_history"
	  . " WHERE arguments->>'name' = 'shop' AND state = 'done'");
ok(scalar $sandbox->created('shop'), 'enqueue: an instance is created');

done_testing();
