# Who writes a verdict holds the current lease, and one call is in flight for
# an instance.  A worker that was stopped while another took its action over
# is played by one that is stopped while the test takes the action over.

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

# Let the worker's request hang, stop the worker, and take its action over as
# a successor does: it is in this state from now on.
sub take_over
{
	my ($action, $state) = @_;
	my $worker = $node->wait_for_worker;

	kill 'STOP', $worker;
	$node->sql("UPDATE partner_api.pending_actions SET state = '$state',"
		  . " lease = lease + 1, run_at = partner_api.clock() + interval '1 min'"
		  . " WHERE action_id = $action AND state = 'sending'");
	return $worker;
}

# Let the worker go on; returns when it has had its say.
sub wake_up
{
	my ($worker, $action) = @_;
	my $from = -s $node->logfile;

	$sandbox->release;
	kill 'CONT', $worker;
	$node->wait_for_log(
		qr/partner_api action $action was settled under another lease/, $from);
	return;
}

# A create that has its effect, and whose answer is withheld.
sub hang
{
	my ($name) = @_;
	my $before = $sandbox->counters('create_instance')->{requests};

	$sandbox->fault(operation => 'create_instance', type => 'withhold');
	my $action = enqueue('create_instance', "'$name'");
	$sandbox->wait_for_requests('create_instance', $before + 1);
	return $action;
}

my $action = hang('done');
my $worker = take_over($action, 'unknown');

wake_up($worker, $action);
is($node->action_state($action), 'unknown',
	'a worker that wakes up does not close what another holds');
is( $node->sql('SELECT count(*) FROM partner_api.instances'
		  . " WHERE name = 'done'"),
	0, '... nor records its effect');
$node->set_clock($sandbox, "partner_api.clock() + interval '1 min'");
is($node->wait_for_state($action, 'needs_attention'), 'done',
	'... who finds it at the provider');
is( $node->sql("SELECT string_agg(purpose || ' ' || verdict, ', ' ORDER BY lease)"
		  . " FROM partner_api.action_attempts WHERE action_id = $action"
		  . " AND verdict <> 'unknown'"),
	'send done, look found', '... and each attempt is told under its lease');

$action = hang('again');
$worker = take_over($action, 'needs_attention');
wake_up($worker, $action);
is($node->action_state($action), 'needs_attention',
	'nor what is left to a person');
is(scalar $sandbox->created($_), 1, "$_: one effect") foreach 'done', 'again';
is($sandbox->names_created_twice, 0, 'nothing was created twice');

# ---- by constraint ----

my $id = $node->sql(
	"SELECT instance_id FROM partner_api.create_instance('zapi', 'one')");

$node->sql("SELECT partner_api.enqueue_$_('zapi', '$id',"
	  . " run_at => partner_api.clock() + interval '1 hour')")
  foreach qw(sign_instance cancel_instance);
$node->fails_with(
	"UPDATE partner_api.pending_actions SET state = 'sending'"
	  . " WHERE instance_id = '$id'",
	'23505',
	{ message => qr/pending_actions_one_in_flight/ },
	'two calls in flight for one instance cannot even be written');

done_testing();
