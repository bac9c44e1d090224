# What an administrator does to a server of Green API while the worker's own
# actions for its instances are open.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => {
		name => 'green', provider => 'greenapi',
		instance_base_url => $sandbox->url });
my $listener = $node->listen;
my $last_error = 'SELECT last_error FROM partner_api.pending_actions';

sub create
{
	my ($name) = @_;

	return $node->sql('SELECT instance_id FROM'
		  . " partner_api.create_instance('green', '$name')");
}

sub advance
{
	my ($interval) = @_;

	$node->set_clock($sandbox, "partner_api.clock() + interval '$interval'");
	return;
}

# Kinds of events of an instance, in order.
sub events
{
	my ($id) = @_;

	return $node->sql("SELECT string_agg(kind, ' ' ORDER BY event_id)"
		  . " FROM partner_api.instance_events WHERE instance_id = '$id'");
}

# How often it was announced, by now, that the server cannot be used.
sub unusable_heard
{
	$listener->run('SELECT;');
	return scalar(() = $listener->heard(qr/./) =~ /"event": "unusable"/g);
}

# A new instance that has been asked for its state more often than an action
# fails for a reason of our own.
sub ask_often
{
	my ($id) = @_;

	foreach my $times (2 .. 6)
	{
		advance('6 s');
		$node->wait_for("SELECT attempts >= $times AND state = 'waiting'"
			  . ' FROM partner_api.pending_actions'
			  . " WHERE instance_id = '$id'");
	}
	return;
}

# ---- a host that is not allowed, while a new instance is waited for ----

my $first = create('first');

ask_often($first);
$node->sql('ALTER SERVER green OPTIONS (DROP instance_base_url)');
advance('6 s');
$node->poll($last_error, qr/host "\d+\.api\.greenapi\.com" is not allowed/);
is($node->sql('SELECT state FROM partner_api.pending_actions'),
	'waiting', 'an instance whose host is not allowed is waited for');
$listener->heard(qr/"event": "unusable"/);
pass('... and that is announced');
$node->sql('ALTER SERVER green OPTIONS (ADD instance_base_url '
	  . "'@{[ $sandbox->url ]}')");
advance('5 min');
$node->wait_until_settled;
is(events($first), 'created ready', '... until it is, and it is ready');

my $second = create('second');

ask_often($second);
$node->sql('ALTER SERVER green OPTIONS (DROP instance_base_url)');
advance('6 s');
$node->poll($last_error, qr/not allowed/);
advance('15 min');
$node->wait_until_settled;
is(events($second), 'created unready', 'but not for longer than others');
like($listener->heard(qr/"event": "unready"/),
	qr/"event": "unready".*"instance_id": "$second"/, '... as is announced');
unlike(slurp_file($node->logfile), qr/CONTEXT:.*announce/,
	'... by a line that has no inner parts of the extension');

# ---- a delete of what is new ----

$node->sql('ALTER SERVER green OPTIONS (ADD instance_base_url '
	  . "'@{[ $sandbox->url ]}')");
# what was announced above is not announced again so soon
$node->stop_worker;
$node->start_worker;

my $heard = unusable_heard();
my $mistake = create('mistake');
my $deleted = $node->sql(
	"SELECT partner_api.enqueue_delete_instance('green', '$mistake')");

is($node->wait_for_state($deleted, 'done'), 'done', 'what is new is deleted');
is($node->sql('SELECT last_error FROM partner_api.action_history'
		  . " WHERE kind = 'disconnect_instance'"),
	'Unauthorized', '... although it cannot be logged out yet');
is(unusable_heard(), $heard, '... which says nothing of the server');

# ---- an instance whose order was lost ----

my $installation =
  $node->sql('SELECT installation_id FROM partner_api.installation');
my $lost = $sandbox->seed(
	provider => 'greenapi', state => 'starting',
	name => "lost [pa-$installation-99999-0000000a]")->{id};

$node->sql("SELECT partner_api.sync_instances('green')");
$node->poll($last_error, qr/starting/);
is($node->sql('SELECT count(*) FROM partner_api.pending_actions'),
	1, 'what is adopted from a list is asked whether it is ready');
advance('5 min');
$node->wait_until_settled;
is(events($lost), 'adopted ready', '... until it is');

# ---- a server that is taken out of service between a logout and its delete ----

$sandbox->change($lost, connected => \1);
$sandbox->fault(operation => 'disconnect_instance', type => 'withhold');
my $logouts = $sandbox->counters('disconnect_instance')->{requests};
my $delete = $node->start_sql(
	"SELECT partner_api.delete_instance('green', '$lost')");

$sandbox->wait_for_requests('disconnect_instance', $logouts + 1);
$node->set_option(mode => 'dry_run', 'green');
$sandbox->release;
PartnerApi::Cluster::error_is(
	$delete->error, '53400',
	{   detail => qr/dry_run mode/,
		hint => qr/goes on without the caller when the server is live again/ },
	'a delete whose server has gone into dry_run mode is held');
is($sandbox->instance($lost)->{deleted_at}, undef, '... not sent');
$node->set_option(mode => 'live', 'green');
$node->wait_until_settled;
ok($sandbox->instance($lost)->{deleted_at}, '... and sent when it is live');
is($sandbox->phones_left_linked, 0, '... with no phone linked');

# ---- what is told of an action that was found again ----

$sandbox->fault(operation => 'create_instance', type => 'reset_after');
my $found = $node->sql(
	"SELECT partner_api.enqueue_create_instance('green', 'found')");

is($node->wait_for_state($found, 'done'), 'done', 'a lost create is found');
is($node->sql("SELECT detail FROM partner_api.action_timeline($found)"
		  . " WHERE step = 'enqueued'"),
	'create_instance at green by ' . $node->sql('SELECT current_user'),
	'... and its timeline does not take a look for its schedule');

# ---- a question that waits for its turn holds up nothing ----

advance('5 min');
$node->wait_until_settled;
$node->set_option(max_concurrency => 1, 'green');
create($_) foreach 'asked', 'waits';
$node->wait_for('SELECT count(*) = 2 FROM partner_api.pending_actions'
	  . " WHERE attempts > 0 AND state = 'waiting'");
my $asked = $sandbox->counters('instance_status')->{requests};
$sandbox->fault(operation => 'instance_status', type => 'withhold');
advance('6 s');
$sandbox->wait_for_requests('instance_status', $asked + 1);
my $reboot = $node->sql(
	"SELECT partner_api.enqueue_reboot_instance('green', instance_id,"
	  . " deadline => partner_api.clock() + interval '1 hour')"
	  . ' FROM partner_api.pending_actions'
	  . " WHERE kind = 'await_instance' AND state = 'waiting'");

$node->drive_pass;
$asked = ($sandbox->requests)[-1]{seq};
$sandbox->release;
$node->wait_for("SELECT attempts > 0 OR state <> 'waiting'"
	  . " FROM partner_api.pending_actions WHERE action_id = $reboot"
	  . ' UNION ALL SELECT true FROM partner_api.action_history'
	  . " WHERE action_id = $reboot");
is((grep { $_->{seq} > $asked } $sandbox->requests)[0]{operation},
	'reboot_instance', 'what has a deadline goes before a question');

$listener->end;
done_testing();
