# Green API through the extension: instances that are billed from their
# creation, are not usable at once, have hosts of their own, and stay in the
# list when they are deleted.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->new('main');

$node->init;
$node->start;
$node->install;
$node->create_server(
	$sandbox,
	name => 'green',
	provider => 'greenapi',
	instance_base_url => $sandbox->url,
	list_lag => '60 s');
my $listener = $node->listen;

sub create
{
	my ($name, $settings) = @_;

	return $node->sql('SELECT instance_id FROM'
		  . " partner_api.create_instance('green', '$name', '"
		  . ($settings // '{}')
		  . "')");
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

# What is open for an instance: kinds and states, in order.
sub open_actions
{
	my ($id) = @_;

	return $node->sql("SELECT coalesce(string_agg(kind || ' ' || state, ', '"
		  . " ORDER BY action_id), '') FROM partner_api.pending_actions"
		  . " WHERE instance_id = '$id'");
}

# Turn both clocks forward.
sub advance
{
	my ($interval) = @_;

	$node->set_clock($sandbox, "partner_api.clock() + interval '$interval'");
	return;
}

sub sync_is
{
	my ($counts, $name) = @_;
	my $sync = $node->row("SELECT * FROM partner_api.sync_instances('green')");

	is(join(' ', map { "$_ $sync->{$_}" } qw(seen added changed missing)),
		$counts, $name);
	return;
}

# ---- a new instance ----

my $settings = '{"incomingWebhook": true, "stateWebhook": false,'
  . ' "delaySendMessagesMilliseconds": 2000}';
my $first = create('first', $settings);
my $row = mirror($first);

is($row->{status}, 'signed', 'a created instance is billed at once');
is($row->{signed_at}, $row->{created_at}, '... from its creation');
is($row->{trial_ends_at}, undef, '... without a trial');
is($row->{trial_end}, undef, '... of which nothing is to become');
is($row->{ready_at}, undef, '... and is not known to be ready');
is_deeply([ sort keys %{ $row->{settings_asked} } ],
	[qw(delaySendMessagesMilliseconds incomingWebhook stateWebhook)],
	'... and has been asked to have settings');
is($sandbox->instance($first)->{settings}{incomingWebhook},
	'yes', '... which are words there');
is($node->sql('SELECT count(*) FROM partner_api.pending_actions'
		  . " WHERE kind = 'sign_instance'"), 0, 'nothing signs it');

$sandbox->wait_for_requests('instance_status', 1);
like(open_actions($first), qr/^await_instance/, 'it is asked for its state');
$node->wait_for('SELECT last_error IS NOT NULL FROM'
	  . " partner_api.pending_actions WHERE instance_id = '$first'");
is($node->sql('SELECT count(*) FROM partner_api.stalled_actions'),
	0, '... which stalls nothing');
advance('40 s');
$node->poll("SELECT last_error FROM partner_api.pending_actions"
	  . " WHERE instance_id = '$first'", qr/starting/);
is(mirror($first)->{ready_at}, undef, '... and while it is starting, again');
is($node->sql('SELECT count(*) FROM partner_api.stalled_actions'),
	0, '... which stalls nothing');
advance('90 s');
$node->wait_until_settled;
is(events($first), 'created ready settings_checked',
	'once it is ready, its settings are compared');
$row = mirror($first);
is($row->{state}, 'notAuthorized', '... it has no phone');
ok(!$row->{connected}, '... is not connected');
ok($row->{ready_at}, '... is ready since');
is_deeply($row->{settings_differ}, {}, '... and no setting differs');
is($sandbox->effects('create_instance'), 1, 'there is one instance');

# ---- settings that are lost ----

$sandbox->config(greenapi_settings_kept => 'none');
my $lost = create('lost', $settings);

advance('3 min');
$node->wait_until_settled;
$row = mirror($lost);
is_deeply([ sort keys %{ $row->{settings_differ} } ],
	[qw(delaySendMessagesMilliseconds incomingWebhook)],
	'settings that were lost');
is($row->{settings_differ}{incomingWebhook}{asked}, 'yes', '... as asked');
like($listener->heard(qr/settings_differ/),
	qr/"event": "settings_differ", "server": "green".*"instance_id": "$lost"/,
	'... are announced');
$row = $node->row(
	"SELECT * FROM partner_api.check_settings('green', '$lost')");
is(keys %{ $row->{settings_differ} }, 2, 'check_settings says it again');
my @said = $listener->heard(qr/./) =~ /"event": "settings_differ"/g;
is(@said, 1, '... and does not announce it again');

$sandbox->config(greenapi_settings_kept => 'all');
$row = $node->row('SELECT * FROM partner_api.change_settings('
	  . "'green', '$lost', '$settings')");
is($row->{settings_differ}, undef, 'given again, nothing is known');
$node->fails_with("SELECT partner_api.check_settings('green', '$lost')",
	'55000', { detail => qr/starting/, hint => qr/few minutes/ },
	'... while it restarts');
advance('1 min');
$row = $node->row(
	"SELECT * FROM partner_api.check_settings('green', '$lost')");
is_deeply($row->{settings_differ}, {}, '... and then none differs');
is($node->sql("SELECT partner_api.instance_settings('green', '$lost')"
		  . "->>'incomingWebhook'"), 'yes', 'instance_settings shows them');

# ---- a secret among the settings ----

my $order_with = $node->sql("SELECT partner_api.enqueue_change_settings("
	  . "'green', '$lost', '{\"webhookUrl\": \"https://a.example/\","
	  . " \"webhookUrlToken\": \"Bearer s3cr3t\"}')");

is($node->wait_for_state($order_with, 'done'), 'done', 'a secret setting');
is($sandbox->instance($lost)->{settings}{webhookUrlToken},
	'Bearer s3cr3t', '... goes to the provider');
foreach my $table (qw(pending_actions action_history action_attempts
	instance_events instances))
{
	is($node->sql("SELECT count(*) FROM partner_api.$table t"
			  . " WHERE t::text ~ 's3cr3t'"),
		0, "... and is not in $table");
}
advance('1 min');
$row = $node->row(
	"SELECT * FROM partner_api.check_settings('green', '$lost')");
is_deeply($row->{settings_differ}, {}, '... nor compared');
unlike($node->sql("SELECT partner_api.instance_settings('green', '$lost')"),
	qr/s3cr3t/, '... nor shown when it is read');

# ---- one that does not become ready ----

$sandbox->config(greenapi_needs_reboot => \1);
my $stuck = create('stuck');

advance('6 min');
$node->drive_pass;
$node->poll('SELECT reason FROM partner_api.stalled_actions', qr/starting/);
pass('one that starts for more than five minutes is shown');
advance('5 min');
$node->wait_until_settled;
is(events($stuck), 'created unready', 'one that stays unready');
like($listener->heard(qr/unready/),
	qr/"event": "unready".*"instance_id": "$stuck"/, '... is announced');
like(slurp_file($node->logfile),
	qr/instance $stuck .* did not become ready: .*reboot_instance/,
	'... with what may help');
is(mirror($stuck)->{ready_at}, undef, '... and shown so');
$node->sql("SELECT partner_api.reboot_instance('green', '$stuck')");
like(open_actions($stuck), qr/^await_instance/, 'after a reboot it is asked again');
advance('2 min');
$node->wait_until_settled;
is(events($stuck), 'created unready rebooted ready', '... and is ready');
$sandbox->config(greenapi_needs_reboot => \0);

# ---- a worker that ends while it asks ----

$sandbox->fault(operation => 'instance_status', type => 'withhold');
my $asked = $sandbox->counters('instance_status')->{requests};
my $watched = create('watched');

$sandbox->wait_for_requests('instance_status', $asked + 1);
$node->sql('SELECT pg_terminate_backend(pid) FROM partner_api.worker_status');
$sandbox->release;
$node->wait_for("SELECT state = 'waiting' AND attempts > 1"
	  . ' FROM partner_api.pending_actions'
	  . " WHERE instance_id = '$watched'");
advance('3 min');
$node->wait_until_settled;
is(events($watched), 'created ready',
	'a worker that ends while it asks leaves that to the next');
$node->sql("SELECT partner_api.delete_instance('green', '$watched')");

# ---- a create that was deleted before its lost answer was looked for ----

$sandbox->fault(operation => 'create_instance', type => 'reset_after');
my $unread = $sandbox->fault(operation => 'list_instances',
	type => 'status', status => 500);
my $short = $node->sql(
	"SELECT partner_api.enqueue_create_instance('green', 'short-lived')");

$sandbox->wait_until('the first look failed',
	sub { $sandbox->hits($unread) > 0 });
my ($mayfly) = $sandbox->created('short-lived');
$sandbox->change($mayfly->{id}, state => 'deleted');
advance('1 min');
is($node->wait_for_state($short, 'done'), 'done', 'a lost create that had an effect');
is(mirror($mayfly->{id})->{status}, 'deleted', '... which is gone by now');
is(open_actions($mayfly->{id}), '', '... and is not waited for');

# ---- delete ----

$sandbox->change($first, connected => \1);
$row = $node->row(
	"SELECT * FROM partner_api.delete_instance('green', '$first')");
is($row->{status}, 'deleted', 'delete_instance waits for its delete');
ok($row->{deleted_at}, '... and has its time');
my $there = $sandbox->instance($first);
is($there->{effects}{disconnects}, 1, '... the phone was logged out');
is($there->{effects}{deletes}, 1, '... once, and the instance deleted once');
my ($logout, $delete) = map {
	my $operation = $_;
	(grep { ($_->{operation} // '') eq $operation } $sandbox->requests)[-1]
} qw(disconnect_instance delete_instance);
cmp_ok($logout->{id} // $logout->{seq}, '<', $delete->{id} // $delete->{seq},
	'... in this order');
is(events($first), 'created ready settings_checked disconnected deleted',
	'... as the events say');

$sandbox->fault(operation => 'disconnect_instance', type => 'status',
	status => 500, times => 0);
my $deleted = $node->sql(
	"SELECT partner_api.enqueue_delete_instance('green', '$lost')");
advance('1 min');
is($node->wait_for_state($deleted, 'done'),
	'done', 'a logout that fails does not stop the delete');
$sandbox->clear_faults;

my $away = create('away');
$sandbox->change($away, state => 'deleted');
my $then = $sandbox->instance($away)->{deleted_at};
advance('1 hour');
$node->wait_until_settled;
$deleted = $node->sql(
	"SELECT partner_api.enqueue_delete_instance('green', '$away')");
$node->wait_for_state($deleted, 'done');
$row = mirror($away);
is($node->sql("SELECT date_trunc('s', '$row->{deleted_at}'::timestamptz)"
		  . " = date_trunc('s', '$then'::timestamptz)"),
	't', 'what somebody else deleted has that time');

$node->fails_with("SELECT partner_api.cancel_instance('green', '$stuck')",
	'0A000', { hint => qr/delete_instance/ },
	'there is no cancel, and delete is no stand-in');
is($sandbox->instance($stuck)->{deleted_at}, undef, '... nothing is deleted');

# ---- the list ----

my $foreign = $sandbox->seed(
	provider => 'greenapi', name => 'foreign', connected => \1)->{id};
my $gone = $sandbox->seed(
	provider => 'greenapi', name => 'gone', state => 'deleted')->{id};

sync_is('seen 8 added 2 changed 0 missing 0',
	'deleted instances are in the list');
$row = mirror($foreign);
is("$row->{origin} $row->{status}", 'imported signed', 'a foreign one');
is($row->{connected}, undef, '... of which the list does not say more');
is($node->sql("SELECT date_trunc('s', '$row->{created_at}'::timestamptz)"
		  . " = date_trunc('s', '"
		  . $sandbox->instance($foreign)->{created_at}
		  . "'::timestamptz)"),
	't', '... with the time of the list, in the zone of the provider');
$row = mirror($gone);
is("$row->{origin} $row->{status}", 'imported deleted', 'a deleted one');
is($node->sql("SELECT date_trunc('s', '$row->{deleted_at}'::timestamptz)"
		  . " = date_trunc('s', '"
		  . $sandbox->instance($gone)->{deleted_at}
		  . "'::timestamptz)"),
	't', '... with its time');
unlike($node->sql('SELECT instance_id FROM partner_api.unmatched_instances'),
	qr/$gone/, '... which nobody has to match');
is($node->sql("SELECT string_agg(DISTINCT status, ' ' ORDER BY status) FROM"
		  . " partner_api.remote_instances('green')"),
	'deleted signed', 'remote_instances shows both');
is($node->sql("SELECT deleted_at IS NOT NULL AND phone_connected IS NULL"
		  . " FROM partner_api.remote_instances('green')"
		  . " WHERE instance_id = '$gone'"),
	't', '... with what is known');
is($node->sql('SELECT count(*) FROM partner_api.pending_actions'),
	0, 'nothing follows from what is imported');

$sandbox->change($foreign, state => 'deleted', connected => \0);
sync_is('seen 8 added 0 changed 1 missing 0', 'deleted elsewhere');
is(events($foreign), 'imported deleted', '... is an event');
is(mirror($foreign)->{status}, 'deleted', '... and a status');
advance('91 days');
sync_is('seen 1 added 0 changed 0 missing 0',
	'what leaves the list after three months is not missing');

# a zone with summer time: the same wall clock, other times
$node->set_option(time_zone => 'America/New_York', 'green');
my ($winter) = map { $_->{created_at} } grep { $_->{instance_id} eq $stuck }
  $node->rows("SELECT * FROM partner_api.remote_instances('green')");
is($node->sql("SELECT date_trunc('s', '$winter'::timestamptz) = date_trunc("
		  . "'s', (('"
		  . $sandbox->instance($stuck)->{created_at}
		  . "'::timestamptz AT TIME ZONE 'Etc/GMT-3')"
		  . " AT TIME ZONE 'America/New_York'))"),
	't', 'the zone of the provider is an option');
$node->set_option(time_zone => 'Etc/GMT-3', 'green');

# ---- tokens that the list does not show ----

my $known = create('known');
$sandbox->config(greenapi_list_token => 'missing');
sync_is('seen 2 added 0 changed 0 missing 0', 'a list without tokens');
is($node->sql('SELECT count(*) FROM partner_api.instance_secrets'
		  . " WHERE instance_id IN ('$stuck', '$known')"),
	2, '... takes none away');

$sandbox->fault(operation => 'create_instance', type => 'reset_after');
my $order = $node->sql(
	"SELECT partner_api.enqueue_create_instance('green', 'stranded')");
is($node->wait_for_state($order, 'needs_attention'),
	'needs_attention', 'a lost create whose token is not shown');
my ($orphan) = $sandbox->created('stranded');
like($node->action($order)->{last_error},
	qr/instance $orphan->{id} .* does not show its token.*delete_instance.*retry_action/,
	'... is a person\'s');
$node->wait_for('SELECT count(*) = 1 FROM partner_api.instances'
	  . " WHERE instance_id = '$orphan->{id}'");
is(mirror($orphan->{id})->{origin}, 'surplus', '... and nobody\'s order');
is($node->action_state($order), 'needs_attention', '... nor is it adopted');
advance('2 min');
$node->drive_pass;
is($sandbox->instance($orphan->{id})->{deleted_at}, undef,
	'... nor removed of its own accord');
my $logouts = $sandbox->counters('disconnect_instance')->{requests};
$node->sql("SELECT partner_api.delete_instance('green', '$orphan->{id}')");
is($sandbox->counters('disconnect_instance')->{requests}, $logouts,
	'without a token it is deleted without a logout');
$node->sql("SELECT partner_api.retry_action($order)");
is($node->wait_for_state($order, 'done'), 'done', 'sent again, it is done');
is(scalar(grep { !$_->{deleted_at} } $sandbox->created('stranded')),
	1, '... with one instance');
$sandbox->config(greenapi_list_token => 'shown');

# ---- an instance too many ----

advance('5 min');
$node->wait_until_settled;

# what the provider made a second time of the same order
my $nonce = $node->action(mirror($known)->{action_id})->{nonce};
my ($idle, $busy, $off) = map {
	$sandbox->seed(provider => 'greenapi', name => "known [$nonce]", %$_)->{id}
} ({ state => 'starting' }, { connected => \1 }, { connected => \1 });

$sandbox->change($off, stateInstance => "sleepMode");
sync_is('seen 7 added 3 changed 0 missing 0', 'three more of one order');
is(mirror($_)->{origin}, 'surplus', '... are surplus') foreach $idle, $busy;
$node->drive_pass;
is(open_actions($idle), 'await_instance waiting',
	'... one that is starting is asked again');
advance('3 min');
$node->wait_until_settled;
ok($sandbox->instance($idle)->{deleted_at},
	'... one that nobody uses is asked, and deleted');
is(events($idle), 'surplus ready deleted', '... as its events say');
is($sandbox->instance($busy)->{deleted_at}, undef,
	'... one that is connected is kept');
is(events($busy), 'surplus ready', '... as its events say');
is($sandbox->instance($off)->{deleted_at}, undef,
	'... and one whose phone is off');
is($sandbox->instance($known)->{deleted_at}, undef,
	'... and the one that is recorded');
# an order of ours that only the list knows any more
my $ours = $node->sql('SELECT installation_id FROM partner_api.installation');
my $forgotten = $sandbox->seed(
	provider => 'greenapi',
	name => "lost [pa-$ours-900000-0123abcd]")->{id};
sync_is('seen 8 added 1 changed 0 missing 0', 'what commits lost');
is(mirror($forgotten)->{origin}, 'adopted', '... is adopted');
advance('3 min');
$node->wait_until_settled;
like(events($forgotten), qr/^adopted ready/, '... and asked whether it is ready');
is($sandbox->names_created_twice, 0, 'nothing was created twice');
is($sandbox->control('counters?names=false')->{phones_left_linked}, 0,
	'and no phone was left linked');

$listener->end;
done_testing();
