# The mirror of plans: it holds up no answer while a session holds its row, and
# a survey finds the plans again whose record was lost.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { name => 'zs', provider => 'zsystems' });
my $plan = $node->row('SELECT plan_id, action_id FROM partner_api.create_plan('
	  . "'zs', 'Gold', 9900, 'monthly', customer_ref => 'gold')");

# The amount that the mirror shows.
sub amount
{
	return $node->sql('SELECT amount_cents FROM partner_api.plans'
		  . " WHERE plan_id = '$plan->{plan_id}'");
}

# ---- a session that holds the row ----

my $holder = $node->console;

$holder->run("BEGIN; SELECT FROM partner_api.plans WHERE customer_ref = 'gold'"
	  . ' FOR UPDATE;');
$node->sql("SELECT partner_api.change_plan('zs', '$plan->{plan_id}',"
	  . " amount_cents => 10900, name => 'Gold Plus')");
is(amount(), 9900, 'a call is answered while a session holds the plan');
is($node->sql('SELECT count(*) FROM partner_api.mirror_backlog'),
	1, '... what it changed waits');
$node->sql("SELECT partner_api.change_plan('zs', '$plan->{plan_id}',"
	  . ' amount_cents => 11900)');
$holder->run('COMMIT;');
$node->drive_pass;
$node->wait_for('SELECT count(*) = 0 FROM partner_api.mirror_backlog');
is(amount(), 11900, '... and is made up for, in order');
is($sandbox->object(plans => $plan->{plan_id})->{fields}{name},
	'Gold Plus', '... and the next change sends it along');
$holder->end;

# ---- a survey ----

$node->stop_worker;
$node->sql('DELETE FROM partner_api.plans;'
	  . ' INSERT INTO partner_api.server_surveys (server, wanted_at, known_until)'
	  . " VALUES ('zs', partner_api.clock() - interval '1 hour', '2000-01-01')");
$node->start_worker;
$node->wait_for('SELECT finished_at IS NOT NULL'
	  . " FROM partner_api.server_surveys WHERE server = 'zs'");
is_deeply(
	$node->row('SELECT plan_id, action_id, origin, customer_ref, description'
		  . ' FROM partner_api.plans'),
	{
		%$plan,
		origin => 'adopted', customer_ref => 'gold', description => 'Gold'
	},
	'a survey finds a plan by its nonce');
$node->fails_with("SELECT * FROM partner_api.sync_instances('zs')",
	'0A000', { message => qr/has no list of instances/ },
	'a server without instances says so');
done_testing();
