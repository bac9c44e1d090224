# Green API through the extension: what it refuses, and how; what is lost on
# the way; reads of one instance; and that no token is shown.

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

# Call a waiting function; returns its row.
sub call
{
	my ($function, @arguments) = @_;

	return $node->row("SELECT * FROM partner_api.$function("
		  . join(', ', "'green'", @arguments) . ')');
}

# Enqueue an operation; returns the id of the action.
sub enqueue
{
	my ($function, @arguments) = @_;

	return $node->sql("SELECT partner_api.enqueue_$function("
		  . join(', ', "'green'", @arguments) . ')');
}

sub create
{
	my ($name) = @_;

	return call('create_instance', "'$name'")->{instance_id};
}

# The mirror's row of an instance.
sub mirror
{
	my ($id) = @_;

	return $node->row(
		"SELECT * FROM partner_api.instances WHERE instance_id = '$id'");
}

# Turn both clocks forward.
sub advance
{
	my ($interval) = @_;

	$node->set_clock($sandbox, "partner_api.clock() + interval '$interval'");
	return;
}

# Everything that is due is done: nothing is open.
sub settle
{
	$node->wait_until_settled;
	return;
}

# New instances are usable at once, where nothing else is said.
sub quick
{
	$sandbox->config(greenapi_making_seconds => 0,
		greenapi_starting_seconds => 0, greenapi_restart_seconds => 0, @_);
	return;
}

quick();

# ---- what there is not ----

my $action;
my $row;
my $id = create('kept');

settle();
foreach (
	[ 'sign_instance', qr/billed from its creation/ ],
	[ 'update_subscription', qr/no subscription/, 'true' ],
	[ 'approve_trial', qr/nothing to approve/ ],
	[ 'cancel_instance', qr/delete_instance\(\).*cannot be undone/ ])
{
	my ($function, $hint, @more) = @$_;

	$node->fails_with(
		"SELECT partner_api.$function("
		  . join(', ', "'green'", "'$id'", @more) . ')',
		'0A000', { hint => $hint }, "$function is not supported");
}
foreach my $ending (qw(lapse ask))
{
	$node->fails_with(
		"SELECT partner_api.create_instance('green', 'a trial',"
		  . " trial_end => '$ending')",
		'0A000', { detail => qr/billed from its creation/ },
		"no instance is made for a trial that is to $ending");
}
is($sandbox->counters('create_instance')->{requests}, 1,
	'... nothing is created but what costs from the start');
is($sandbox->counters('unknown')->{requests}, 0, '... nothing was sent');
is($sandbox->instance($id)->{state}, 'ready',
	'... and nothing was deleted in its place');

# ---- delete ----

$sandbox->config(greenapi_unlinked_logout => 'refused');
$id = create('not linked');
settle();
is(call('delete_instance', "'$id'")->{status}, 'deleted',
	'one without a phone is deleted though it cannot be logged out');
is($sandbox->instance($id)->{effects}{deletes}, 1, '... once');

# It is gone already, by somebody else's hand: the list has to agree.
$id = create('gone');
settle();
$sandbox->change($id, state => 'deleted');
$action = enqueue('delete_instance', "'$id'");
$node->wait_for_state($action, 'unknown');
is( $node->sql('SELECT verdict FROM partner_api.action_attempts'
		  . " WHERE action_id = $action AND purpose = 'send'"),
	'unknown', '"not found" alone is no proof of a delete');
advance('2 min');
$node->wait_for_state($action, 'done');
is(mirror($id)->{status}, 'deleted',
	'one that the list shows as deleted is recorded as deleted');
is($sandbox->instance($id)->{effects}{deletes}, 0, '... not by us');

# The answer is lost: that the list shows it as deleted settles it.
$id = create('lost delete');
settle();
$sandbox->fault(operation => 'delete_instance', type => 'reset_after');
$action = enqueue('delete_instance', "'$id'");
$node->wait_for_state($action, 'unknown');
advance('2 min');
$node->wait_for_state($action, 'done');
is(mirror($id)->{status}, 'deleted', 'a delete whose answer is lost is found');
is( scalar(
		grep { $_->{body} =~ /\b$id\b/ }
		  $sandbox->requests(operation => 'delete_instance')),
	1, '... and not sent again');

# One that is being made cannot be logged out yet: it has no phone.
$sandbox->config(greenapi_making_seconds => 30,
	greenapi_starting_seconds => 90);
$id = create('regretted');
$action = enqueue('delete_instance', "'$id'");
advance('3 min');
$node->wait_for_state($action, 'done');
is($sandbox->instance($id)->{state}, 'deleted',
	'one that is still being made can be deleted');
settle();

# ---- no free instances, and what could not be saved ----

quick(greenapi_free_instances => 0);
$action = enqueue('create_instance', "'patient'");

$node->wait_for('SELECT attempts = 1 FROM partner_api.pending_actions'
	  . " WHERE action_id = $action AND state = 'waiting'");
like($node->action($action)->{last_error}, qr/no free instances/,
	'a provider without free instances is asked again later');
$sandbox->config(greenapi_free_instances => 1);
advance('2 min');
$node->wait_for_state($action, 'done');
is(scalar $sandbox->created('patient'), 1, '... and makes one');
$sandbox->config(greenapi_free_instances => -1);

settle();
$sandbox->config(greenapi_save_errors => 1);
$action = enqueue('create_instance', "'unsaved'");
$node->wait_for('SELECT attempts = 1 FROM partner_api.pending_actions'
	  . " WHERE action_id = $action AND state <> 'sending'");
advance('5 min');
$node->wait_for_state($action, 'done');
is(scalar $sandbox->created('unsaved'), 1,
	'an instance that could not be saved is made once');
is($sandbox->counters('create_instance')->{requests}
	  - $sandbox->effects('create_instance'),
	2, '... after a look, by one more request');

# ---- ids ----

$sandbox->config(greenapi_id_digits => 12, greenapi_id_as_string => \1);
$id = create('long');
settle();
like($id, qr/^[0-9]{12}$/, 'an id of 12 digits, as a string');
is( $node->sql("SELECT count(*) FROM partner_api.remote_instances('green')"
		  . " WHERE instance_id = '$id'"),
	'1', '... is found in the list');
is(call('delete_instance', "'$id'")->{status}, 'deleted',
	'... and sent back as a number');
$sandbox->config(greenapi_id_digits => 18, greenapi_id_as_string => \0);
like(create('longest'), qr/^[0-9]{18}$/, 'an id of 18 digits, as a number');
$sandbox->config(greenapi_id_digits => 10);
settle();

# ---- lost answers ----

foreach my $type (qw(reset_after cut garbage html wrong_types empty))
{
	my $before = $sandbox->effects('create_instance');
	my $name = "lost $type";

	$sandbox->config(list_lag_seconds => 30);
	$sandbox->fault(operation => 'create_instance', type => $type);
	$action = enqueue('create_instance', "'$name'");
	$node->wait_for("SELECT state IN ('unknown', 'done') FROM ("
		  . ' SELECT action_id, state FROM partner_api.pending_actions'
		  . ' UNION ALL'
		  . ' SELECT action_id, state FROM partner_api.action_history) a'
		  . " WHERE action_id = $action");
	advance('2 min');
	$node->wait_for_state($action, 'done');
	is($sandbox->effects('create_instance') - $before,
		1, "$type: the instance is found in the list, and made once");
	is(mirror($node->action($action)->{instance_id})->{name},
		$name, '... and mirrored');
}
$sandbox->config(list_lag_seconds => 0);

# A status that one host gives to what the other calls a success.
$sandbox->fault(operation => 'create_instance', type => 'status',
	status => 499, after_effect => \1);
$action = enqueue('create_instance', "'closed'");
$node->wait_for_state($action, 'unknown');
advance('2 min');
$node->wait_for_state($action, 'done');
is(scalar $sandbox->created('closed'), 1, 'after 499 it is looked for too');
is($sandbox->names_created_twice, 0, 'no name was created twice');

# ---- refusals, in each of their forms ----

settle();
foreach (
	[ envelope => 400 ], [ text => 400 ], [ text => 401 ], [ json => 400 ],
	[ json => 401 ])
{
	my ($form, $status) = @$_;
	my $before = $sandbox->effects('create_instance');

	$sandbox->config(greenapi_errors => $form,
		greenapi_error_status => $status, tokens => ['another']);
	$node->fails_with(
		"SELECT partner_api.create_instance('green', 'refused')",
		'28000', { detail => qr/Unauthorized/ },
		"$form with $status: a bad token is a refusal");
	$node->fails_with(
		"SELECT * FROM partner_api.remote_instances('green')",
		'28000', { detail => qr/Unauthorized/, hint => qr/token/ },
		'... and no empty list');
	$row = $node->row("SELECT * FROM partner_api.test_connection('green')");
	ok(!$row->{ok} && $row->{detail} =~ /Unauthorized.*Check the tokens/,
		'... and no connection');
	is($sandbox->effects('create_instance'), $before, '... without an effect');
	$sandbox->config(tokens => [$PartnerApi::Sandbox::TOKEN]);
	$node->sql("SELECT partner_api.resume('green')");
}
$sandbox->config(greenapi_errors => 'envelope');

# ---- reads ----

$id = create('reads');
settle();
is($node->row("SELECT * FROM partner_api.instance_status('green', '$id')")
	  ->{detail}, 'notAuthorized', 'status');
is( $node->sql("SELECT substr(partner_api.instance_qr('green', '$id'), 1, 4)"),
	'\x89504e47', 'the QR code is a PNG image');
is(length $node->sql("SELECT partner_api.phone_code('green', '$id',"
		  . " '5511999999999')"), 8, 'phone code');
is( $node->sql("SELECT partner_api.instance_settings('green', '$id')"
		  . "->>'stateWebhook'"),
	'no', 'settings');
$sandbox->change($id, connected => \1);
$row = $node->row("SELECT * FROM partner_api.instance_status('green', '$id')");
ok($row->{connected} && $row->{detail} eq 'authorized',
	'status of one with a phone');
$node->fails_with("SELECT partner_api.instance_qr('green', '$id')",
	'HV00M', { detail => qr/alreadyLogged/ }, '... which has no QR code');

# the link to the page with the QR code holds the instance's token
my ($token) = map { $_->{token} } grep { $_->{id} eq $id } $sandbox->instances;
my $requests = scalar $sandbox->requests;
my $link = "SELECT partner_api.instance_qr_url('green', '$id')";

is($node->sql($link), "https://qr.green-api.com/waInstance$id/$token",
	'the link, for whoever may read tokens');
$node->create_role('linker', 'partner_api_operator');
$node->sql("GRANT USAGE ON FOREIGN SERVER green TO linker");
$node->fails_with($link, '42501',
	{ message => qr/permission denied/, detail => qr/instance_secrets/ },
	'... and for nobody else', role => 'linker');
unlike($node->error($link, role => 'linker')->{detail}, qr/$token/,
	'... nor its token');
$node->sql("GRANT SELECT ON partner_api.instance_secrets TO linker");
like($node->sql($link, role => 'linker'), qr/$token/, '... until granted');
is(scalar $sandbox->requests, $requests, '... without a request');

# what is new refuses its own token for a while
quick(greenapi_making_seconds => 30);
$id = create('early');
$node->fails_with("SELECT partner_api.instance_qr('green', '$id')",
	'28000', { hint => qr/some minutes.*ready_at/ },
	'the QR code of a new instance: a hint says what to wait for');
quick();

# ---- secrets ----

my $log = slurp_file($node->logfile);

foreach my $secret ($PartnerApi::Sandbox::TOKEN,
	map { $_->{token} } $sandbox->instances)
{
	fail('a token is in the server log') if index($log, $secret) >= 0;
}
done_testing();
