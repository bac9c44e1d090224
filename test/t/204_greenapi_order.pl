# Green API where things come late or out of order: instances whose own host
# is not reached, deletes whose logout has to wait, answers of somebody on the
# way, instances that are found long after they were made.

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

sub enqueue
{
	my ($function, @arguments) = @_;

	return $node->sql("SELECT partner_api.enqueue_$function("
		  . join(', ', "'green'", @arguments) . ')');
}

sub create
{
	my ($name) = @_;

	return $node->sql('SELECT instance_id FROM'
		  . " partner_api.create_instance('green', '$name')");
}

sub mirror
{
	my ($id) = @_;

	return $node->row(
		"SELECT * FROM partner_api.instances WHERE instance_id = '$id'");
}

# Kinds of events of an instance, in order.
sub events
{
	my ($id) = @_;

	return $node->sql("SELECT string_agg(kind, ' ' ORDER BY event_id)"
		  . " FROM partner_api.instance_events WHERE instance_id = '$id'");
}

# Turn both clocks forward.
sub advance
{
	my ($interval) = @_;

	$node->set_clock($sandbox, "partner_api.clock() + interval '$interval'");
	return;
}

$sandbox->config(greenapi_making_seconds => 0,
	greenapi_starting_seconds => 0, greenapi_restart_seconds => 0);

# ---- an instance's own host is not reached ----

my $linked = create('linked');
my $gone = PartnerApi::Sandbox->new;

$node->wait_until_settled;
$gone->stop;
$node->set_option(instance_base_url => $gone->url, 'green');
my $unreached = create('unreached');

foreach my $attempts (1 .. 6)
{
	$node->wait_for("SELECT attempts >= $attempts AND state = 'waiting'"
		  . ' FROM partner_api.pending_actions'
		  . " WHERE instance_id = '$unreached'");
	$node->fails_with(
		"SELECT partner_api.instance_status('green', '$linked')",
		'HV00N', { detail => qr/connect/i }, 'an instance is not reached');
	advance('6 min');
}
unlike(slurp_file($node->logfile), qr/does not reach server/,
	'hosts of instances do not open the circuit of the provider');
ok(create('other'), '... who is asked for another instance meanwhile');
is(events($unreached), 'created', 'one that is not reached has its time');
advance('25 hours');
$node->wait_until_settled;
is(events($unreached), 'created unready', '... and not for ever');

# ---- a delete that cannot wait for its logout ----

$node->set_option(instance_base_url => $sandbox->url, 'green');
my $delete = $node->sql(
	"BEGIN; SELECT partner_api.enqueue_delete_instance('green', '$linked',"
	  . " deadline => partner_api.clock() + interval '1 hour');"
	  . ' UPDATE partner_api.pending_actions'
	  . " SET run_at = partner_api.clock() + interval '2 hours'"
	  . " WHERE kind = 'disconnect_instance'; COMMIT");

$node->drive_pass;
is($node->action_state($delete), 'waiting', 'a delete waits for its logout');
advance('59 min 56 s');
is($node->wait_for_state($delete, 'done'), 'done',
	'... as long as it has the time');
advance('2 hours');
$node->wait_until_settled;
is($sandbox->instance($linked)->{effects}{disconnects}, 0,
	'... which then is not needed any more');

# ---- "not found" that somebody on the way says ----

my $kept = create('kept');
$node->wait_until_settled;
$sandbox->fault(operation => 'delete_instance', type => 'status',
	status => 429, times => 1);
$sandbox->fault(operation => 'delete_instance', type => 'status',
	status => 404, times => 1);
$delete = enqueue('delete_instance', "'$kept'");
$node->wait_for('SELECT attempts = 1 FROM partner_api.pending_actions'
	  . " WHERE action_id = $delete AND state = 'waiting'");
advance('2 min');
$node->wait_for_state($delete, 'unknown');
isnt(mirror($kept)->{status}, 'deleted',
	'a second delete that finds nothing has deleted nothing');
foreach (1 .. 3)
{
	advance('2 min');
	$node->drive_pass;
}
is($node->wait_for_state($delete, 'done'), 'done', '... and is sent again');
is($sandbox->instance($kept)->{state}, 'deleted', '... until it is deleted');

# ---- a create that is a person's, and its instance in the list ----

$sandbox->fault(operation => 'create_instance', type => 'reset_after');
$sandbox->fault(operation => 'list_instances', type => 'status',
	status => 500, times => 0);
my $order = enqueue('create_instance',
	q('listed', '{"stateWebhook": true, "webhookUrlToken": "s3cr3t"}'),
	"deadline => partner_api.clock() + interval '10 min'");
$node->wait_for_state($order, 'unknown');
advance('11 min');
$node->wait_for_state($order, 'needs_attention');
$sandbox->clear_faults;
my ($listed) = map { $_->{id} } $sandbox->created('listed');

$node->sql("SELECT partner_api.resume('green')");
$node->sql("SELECT partner_api.sync_instances('green')");
is($node->wait_for_state($order, 'done'), 'done',
	'a create whose instance a list shows is done');
$node->wait_until_settled;
is(events($listed), 'adopted ready settings_checked',
	'... and its instance is waited for and compared');
is_deeply(mirror($listed)->{settings_differ}, {}, '... without its secrets');

# ---- one whose name is not what was sent ----

my $blind = $sandbox->fault(operation => 'list_instances', type => 'status',
	status => 500);

$sandbox->fault(operation => 'create_instance', type => 'reset_after');
$order = enqueue('create_instance', "'renamed'");
$sandbox->wait_until('the first look failed',
	sub { $sandbox->hits($blind) > 0 });
my ($renamed) = map { $_->{id} } $sandbox->created('renamed');
$sandbox->change($renamed, name => 'by hand');
my $made = $sandbox->effects('create_instance');
foreach (1 .. 3)
{
	advance('2 min');
	$node->drive_pass;
}
is($node->wait_for_state($order, 'needs_attention'), 'needs_attention',
	'a create that may have made an instance of another name is a person\'s');
like($node->action($order)->{last_error},
	qr/of that time under another name.*resolve_action.*retry_action/,
	'... who is told so');
is($sandbox->effects('create_instance'), $made, '... and not sent again');
$node->sql("SELECT partner_api.sync_instances('green')");
$node->sql("SELECT partner_api.resolve_action($order, '$renamed')");
is(mirror($renamed)->{origin}, 'adopted', '... and says what it came to');
$node->wait_until_settled;
is(events($renamed), 'imported adopted ready',
	'... and that is waited for');

# ---- an instance that shows late, after its create was sent again ----

$sandbox->config(list_lag_seconds => 200);
$sandbox->fault(operation => 'create_instance', type => 'reset_after');
my $again = $sandbox->fault(operation => 'create_instance',
	type => 'reset_before');
$order = enqueue('create_instance', "'older'");
$node->wait_for_state($order, 'unknown');
while ($sandbox->hits($again) == 0)
{
	advance('2 min');
	$node->drive_pass;
}
is($node->wait_for_state($order, 'done'), 'done',
	'what the first request made is found after the second');
$sandbox->config(list_lag_seconds => 0);
my ($older) = $sandbox->created('older');
is( $node->sql("SELECT max(abs(extract(epoch FROM t - '$older->{created_at}')))"
		  . ' < 2 FROM partner_api.instances i, unnest(ARRAY[i.created_at,'
		  . " i.signed_at]) t WHERE i.instance_id = '$older->{id}'"),
	't', '... and billed since that');
is($sandbox->names_created_twice, 0, 'nothing was created twice');

# ---- an instance refuses its token, not the provider the partner's ----

$node->wait_until_settled;
$node->sql('UPDATE partner_api.instance_secrets SET token = repeat($$0$$, 50)'
	  . " WHERE instance_id = '$older->{id}'");
$node->fails_with(
	"SELECT partner_api.reboot_instance('green', '$older->{id}')",
	'28000', {}, 'an instance refuses its token');
unlike(slurp_file($node->logfile), qr/cannot use the server/,
	'... which says nothing of the server');

done_testing();
