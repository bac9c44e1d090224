# What becomes of unknown outcomes beyond a lost answer: many at once, a list
# that cannot be read while a deadline comes near, a person's word, and effects
# that come after the repetition.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'lapse', max_concurrency => 64 });
my $listener = $node->listen;
my $LAG = 60;    # seconds: the default of list_lag

sub advance
{
	my ($seconds) = @_;

	$node->set_clock($sandbox,
		"partner_api.clock() + interval '$seconds s'");
	return;
}

sub create
{
	my ($name) = @_;

	return $node->sql('SELECT instance_id'
		  . " FROM partner_api.create_instance('zapi', '$name')");
}

sub enqueue_create
{
	my ($name, @more) = @_;

	return $node->sql('SELECT partner_api.enqueue_create_instance('
		  . join(', ', "'zapi'", "'$name'", @more) . ')');
}

# What the attempts and looks of an action proved, in order.
sub verdicts
{
	my ($action) = @_;

	return $node->sql("SELECT string_agg(verdict, ' ' ORDER BY lease)"
		  . " FROM partner_api.action_attempts WHERE action_id = $action");
}

sub wait_for_verdicts
{
	my ($action, $count) = @_;

	$node->wait_for("SELECT count(*) >= $count"
		  . " FROM partner_api.action_attempts WHERE action_id = $action");
	return;
}

# End the worker with whatever it has in flight.
sub end_worker
{
	$node->sql('SELECT pg_terminate_backend(' . $node->wait_for_worker . ')');
	return;
}

sub mirror
{
	my ($id) = @_;

	return $node->row(
		"SELECT * FROM partner_api.instances WHERE instance_id = '$id'");
}

# ---- many unknown outcomes at once share a list ----

create('proof');
$node->sql("SELECT partner_api.sync_instances('zapi')");
is($node->sql('SELECT server FROM partner_api.server_evidence'),
	'zapi', 'the list is known to show our nonces');

my $MANY = 30;
my $list_requests = sub { $sandbox->counters('list_instances')->{requests} };

$sandbox->fault(
	operation => 'create_instance', type => 'withhold', times => $MANY / 2);
$sandbox->fault(
	operation => 'create_instance', type => 'withhold', times => $MANY / 2,
	before_effect => JSON::PP::true);
$node->sql("SELECT partner_api.enqueue_create_instance('zapi', 'many ' || n)"
	  . " FROM generate_series(1, $MANY) n");
$sandbox->wait_for_requests('create_instance', $MANY + 1);
my $before = $list_requests->();
$sandbox->config(page_size_max => 10);
end_worker();
$node->wait_for('SELECT count(*) = ' . $MANY / 2
	  . " FROM partner_api.action_history h"
	  . " WHERE h.arguments->>'name' LIKE 'many %' AND h.state = 'done'");
$node->wait_for('SELECT count(*) = ' . $MANY / 2
	  . " FROM partner_api.pending_actions WHERE state = 'unknown'"
	  . ' AND looks = 1');
is($list_requests->() - $before, 2,
	"$MANY unknown creates: one list of two pages is read for all");
advance($LAG + 1);
$node->wait_until_settled;
is($list_requests->() - $before, 4, '... and once more after the lag');
is(scalar(grep { $_->{name} =~ /^many / } $sandbox->instances),
	$MANY, '... after which each has one effect');
is($sandbox->names_created_twice, 0, '... and none two');
is($node->sql('SELECT count(DISTINCT a.lease) > 0 AND'
		  . " bool_and(a.verdict IN ('found', 'absent'))"
		  . ' FROM partner_api.action_attempts a'
		  . " WHERE a.purpose = 'look'"), 't', '... each look under its lease');

# one that cannot be read proves nothing for anybody
$sandbox->fault(
	operation => 'create_instance', type => 'close_before', times => 3);
$sandbox->fault(
	operation => 'list_instances', type => 'truncate', times => 0, skip => 1);
my @three = map { enqueue_create("three $_") } 1 .. 3;
wait_for_verdicts($_, 2) foreach @three;
advance($LAG + 1);
wait_for_verdicts($_, 3) foreach @three;
unlike(verdicts($_), qr/absent absent/,
	'a list that breaks off settles none')
  foreach @three;
$sandbox->clear_faults;
foreach (1 .. 2)
{
	advance(300);
	$node->drive_pass;
}
is($node->wait_for_state($_, 'needs_attention'),
	'done', '... a whole one all of them')
  foreach @three;
is(scalar $sandbox->created("three $_"), 1, '... with one effect each')
  foreach 1 .. 3;
$sandbox->config(page_size_max => 0);

# ---- only lost answers count ----

$sandbox->fault(
	operation => 'create_instance', type => 'rate_limit', times => 6);
$sandbox->fault(operation => 'create_instance', type => 'close_before');
my $action = enqueue_create('often turned away');
foreach my $count (1 .. 6)
{
	wait_for_verdicts($action, $count);
	advance(300);
}
wait_for_verdicts($action, 8);
advance($LAG + 1);
wait_for_verdicts($action, 9);
advance(300);
is($node->wait_for_state($action, 'needs_attention'),
	'done', 'turned away six times, lost once: sent again');
is(verdicts($action), 'retry ' x 6 . 'unknown absent absent done',
	'... since only lost answers lead to a person');

$sandbox->fault(
	operation => 'create_instance', type => 'close_before', times => 5);
$action = enqueue_create('often lost');
foreach my $count (1 .. 5)
{
	wait_for_verdicts($action, $count * 3 - 1);
	advance($LAG + 1);
	wait_for_verdicts($action, $count * 3);
	advance(30);
}
is($node->wait_for_state($action, 'needs_attention'),
	'needs_attention', 'lost five times: a person must decide');
$listener->heard(
	qr/"event": "needs_attention", "server": "zapi", "action_id": $action\b/);
pass('... and is told');
is(scalar $sandbox->created('often lost'), 0, '... without an effect');
$node->sql("SELECT partner_api.cancel_action($action)");

# ---- a sign whose deadline is near ----

# A sign of a new trial with so many seconds until its deadline, the answer to
# which is lost.
sub lose_sign
{
	my ($fault, $seconds) = @_;
	my $id = create("lost sign $fault $seconds");

	$sandbox->fault(operation => 'sign_instance', type => $fault);
	return ($id, $node->sql('SELECT partner_api.enqueue_sign_instance('
			  . "'zapi', '$id', deadline => partner_api.clock()"
			  . " + interval '$seconds s')"));
}

my $id;
my @no_list =
  (operation => 'list_instances', type => 'status', status => 500, times => 0);
foreach my $fault (qw(reset_after close_before))
{
	$sandbox->fault(@no_list);
	($id, $action) = lose_sign($fault, 2 * $LAG);
	is($node->wait_for_state($action, 'needs_attention'),
		'done', "sign, $fault, near its deadline, no list: sent again");
	is(verdicts($action), 'unknown unknown done', '... without proof');
	is($sandbox->instance($id)->{effects}{signs}, 1, '... with one effect');
	is(mirror($id)->{status}, 'signed', '... and mirrored');
	$sandbox->clear_faults;
}

# with time left it is not repeated, but decided on when time is short
$sandbox->fault(@no_list);
($id, $action) = lose_sign('close_before', 20 * $LAG);
wait_for_verdicts($action, 3);
is($node->action_state($action), 'unknown', 'with time left: it is looked for');
is($node->sql('SELECT run_at <= deadline - interval '
		  . "'2 min' FROM partner_api.pending_actions"
		  . " WHERE action_id = $action"), 't', '... in time to decide');
advance(18 * $LAG);
is($node->wait_for_state($action, 'needs_attention'),
	'done', '... and sent again when time is short');
$sandbox->clear_faults;

$node->set_option(unknown_sign => 'prefer_person');
$sandbox->fault(@no_list);
($id, $action) = lose_sign('reset_after', 2 * $LAG);
is($node->wait_for_state($action, 'needs_attention'),
	'needs_attention', 'prefer_person: not sent again');
like($node->action($action)->{last_error},
	qr/list could not be read before its deadline/, '... with the reason');
$listener->heard(qr/"needs_attention", "server": "zapi", "action_id": $action\b/);
pass('... and announced');
is($sandbox->instance($id)->{effects}{signs}, 1, '... with one effect');
$sandbox->clear_faults;
$node->sql("SELECT partner_api.cancel_action($action)");
$node->set_option(unknown_sign => 'prefer_repeat');

# ---- a create whose deadline is near ----

# A create with so many seconds until its deadline, the answer to which is
# lost.
sub lose_create
{
	my ($fault, $name, $seconds) = @_;

	$sandbox->fault(operation => 'create_instance', type => $fault);
	return enqueue_create($name,
		"deadline => partner_api.clock() + interval '$seconds s'");
}

$sandbox->fault(@no_list);
$action = lose_create('reset_after', 'over', 2 * $LAG);
wait_for_verdicts($action, 2);
is($node->action_state($action), 'unknown',
	'create near its deadline, no list: not sent again');
advance(2 * $LAG + 1);
is($node->wait_for_state($action, 'needs_attention'),
	'needs_attention', '... but a person\'s when it is over');
$listener->heard(qr/"needs_attention", "server": "zapi", "action_id": $action\b/);
pass('... who is told');
is(scalar $sandbox->created('over'), 1, '... with one effect');
$sandbox->clear_faults;
my $over = $action;

$node->set_option(unknown_create => 'prefer_repeat');
$action = lose_create('close_before', 'in a hurry', 2 * $LAG);
is($node->wait_for_state($action, 'needs_attention'),
	'done', 'prefer_repeat: sent again after one whole list');
is(verdicts($action), 'unknown absent done', '... without the lag');
is(scalar $sandbox->created('in a hurry'), 1, '... with one effect');
$sandbox->fault(@no_list);
$action = lose_create('close_before', 'no proof', 2 * $LAG);
wait_for_verdicts($action, 2);
advance(2 * $LAG + 1);
is($node->wait_for_state($action, 'needs_attention'),
	'needs_attention', '... but never without a list');
is(scalar $sandbox->created('no proof'), 0, '... nor sent');
$sandbox->clear_faults;
$node->sql("SELECT partner_api.cancel_action($action)");
$node->set_option(unknown_create => 'prefer_person');

# ---- a person's word ----

# create with an effect: what sync finds by its nonce settles it
is($node->action_state($over), 'needs_attention', 'still undecided');
$node->sql("SELECT partner_api.sync_instances('zapi')");
is($node->action_state($over), 'done',
	'a list that is read for another reason settles it');
my ($found) = $sandbox->created('over');
is($node->action($over)->{instance_id}, $found->{id}, '... with its instance');

# Come to the end of what looking can prove of a create without a nonce.
sub undecided
{
	my ($fault, $name, @more) = @_;

	$node->set_option(name_nonce => 'off');
	$sandbox->fault(operation => 'create_instance', type => $fault);
	$action = enqueue_create($name, @more);
	wait_for_verdicts($action, 2);
	advance($LAG + 1);
	is($node->wait_for_state($action, 'needs_attention'),
		'needs_attention', "$name: a person must decide");
	$node->set_option(name_nonce => 'on');
	return $action;
}

$action = undecided('reset_after', 'by word', "customer_ref => '77'",
	"trial_end => 'sign'");
($found) = $sandbox->created('by word');
$node->fails_with(
	"SELECT partner_api.resolve_action($action, '$found->{id}')",
	'42704',
	{   message => qr/is not known here with its token/,
		hint => qr/sync_instances\('zapi'\)/ },
	'an instance that is not known here is no answer');
$node->sql("SELECT partner_api.sync_instances('zapi')");
is(mirror($found->{id})->{origin}, 'imported', 'without a nonce: imported');
$node->fails_with("SELECT partner_api.resolve_action($action, '$id')",
	'55000', { message => qr/is that of action \d+/ },
	'nor is one of another action');
$node->sql("SELECT partner_api.resolve_action($action, '$found->{id}')");
my $row = $node->action($action);
is("$row->{state} $row->{instance_id}", "done $found->{id}",
	'a person says which instance it is');
$row = mirror($found->{id});
is( join(' ', @$row{qw(origin customer_ref trial_end action_id name)}),
	"adopted 77 sign $action by word",
	'... which becomes the order\'s');
my $sign = $node->row('SELECT * FROM partner_api.pending_actions'
	  . " WHERE instance_id = '$found->{id}' AND kind = 'sign_instance'");
is($node->sql("SELECT run_at + interval '6 h' = deadline AND deadline"
		  . " = '$row->{trial_ends_at}' FROM partner_api.pending_actions"
		  . " WHERE action_id = $sign->{action_id}"), 't',
	'... and is signed before its trial ends');
is($node->sql("SELECT string_agg(kind, ' ' ORDER BY event_id)"
		  . ' FROM partner_api.instance_events'
		  . " WHERE instance_id = '$found->{id}'"),
	'imported adopted', '... which is recorded');
like($node->sql("SELECT string_agg(step, ', ')"
		  . " FROM partner_api.action_timeline($action)"),
	qr/instance adopted, done/, '... in its timeline too');
$node->fails_with("SELECT partner_api.resolve_action($action, NULL)",
	'55000', { message => qr/cannot be resolved: it is done/ },
	'... and only once');
$node->sql("SELECT partner_api.cancel_action($sign->{action_id})");

$action = undecided('close_before', 'no effect by word');
$node->sql("SELECT partner_api.resolve_action($action, NULL)");
$row = $node->action($action);
is($row->{state}, 'failed', 'a person says that there was no effect');
like($row->{last_error}, qr/^no effect, by the word of /, '... by name');
$node->sql("SELECT partner_api.retry_action($action)");
is($node->wait_for_state($action, 'needs_attention'),
	'done', '... and has it sent again');
is(scalar $sandbox->created('no effect by word'), 1, '... with one effect');

# an instance that exists: sign, while no list can be read
$sandbox->fault(@no_list);
$id = create('signed by word');
$sandbox->fault(operation => 'sign_instance', type => 'reset_after');
$action =
  $node->sql("SELECT partner_api.enqueue_sign_instance('zapi', '$id', true)");
wait_for_verdicts($action, 2);
is($node->action_state($action), 'unknown', 'no deadline: looked for on and on');
$node->fails_with("SELECT partner_api.resolve_action($action, 'X')",
	'22023', { message => qr/is about instance "$id"/ },
	'a sign is about its own instance');
$node->sql("SELECT partner_api.resolve_action($action, '$id')");
is($node->action_state($action), 'done', 'a person says that it is signed');
$row = mirror($id);
is("$row->{status} $row->{with_calls}", 'signed 1', '... and it is mirrored');
$sandbox->clear_faults;
$node->drive_pass;
is($sandbox->instance($id)->{effects}{signs}, 1, '... with one effect');

$node->create_role('clerk', 'partner_api_operator');
$node->sql('REVOKE USAGE ON FOREIGN SERVER zapi FROM PUBLIC');
$node->fails_with("SELECT partner_api.resolve_action($action, NULL)",
	'42501', {}, 'whoever may not use the server decides nothing',
	role => 'clerk');
$node->sql('GRANT USAGE ON FOREIGN SERVER zapi TO PUBLIC');
$node->fails_with('SELECT partner_api.resolve_action(0, NULL)',
	'42704', { message => qr/action 0 does not exist/ }, 'no such action');
$node->fails_with('SELECT partner_api.resolve_action(NULL, NULL)',
	'22004', {}, 'no action');

# ---- effects that come after the repetition ----

# A create whose effect the provider keeps back, sent again on a person's
# word: its action, and a wait for the late effect.
sub repeat_too_early
{
	my ($name) = @_;

	$node->set_option(timeout_ms => 300);
	$sandbox->fault(
		operation => 'create_instance', type => 'withhold',
		before_effect => JSON::PP::true, undeterred => JSON::PP::true);
	$action = enqueue_create($name, "customer_ref => '$name'",
		"trial_end => 'sign'");
	wait_for_verdicts($action, 1);
	$node->set_option(timeout_ms => 30000);
	wait_for_verdicts($action, 2);
	$node->sql("SELECT partner_api.resolve_action($action, NULL)");
	$node->sql("SELECT partner_api.retry_action($action)");
	is($node->wait_for_state($action, 'needs_attention'),
		'done', "$name: sent again");
	$sandbox->release;
	$sandbox->wait_until('the late effect',
		sub { $sandbox->created($name) == 2 });
	return $node->action($action)->{instance_id};
}

my $own = repeat_too_early('late');
my ($late) = grep { $_->{id} ne $own } $sandbox->created('late');
$node->sql("SELECT partner_api.sync_instances('zapi')");
$row = mirror($late->{id});
is( join(' ', map { $_ // '-' }
		@$row{qw(origin trial_end status customer_ref action_id)}),
	"surplus lapse trial - $action",
	'the late effect is surplus, and left to lapse');
is(mirror($own)->{customer_ref}, 'late', '... the other is the order\'s');
$listener->heard(qr/"event": "surplus", "server": "zapi", "action_id": $action, "instance_id": "$late->{id}"/);
pass('... which is announced');
is($node->sql('SELECT reason FROM partner_api.unmatched_instances'
		  . " WHERE instance_id = '$late->{id}'"),
	"surplus: action $action has another instance", '... and shown');
is($node->sql('SELECT count(*) FROM partner_api.pending_actions'
		  . " WHERE instance_id = '$late->{id}'"),
	0, '... neither signed nor deleted');
is($node->sql('SELECT count(*) FROM partner_api.trials_at_risk'
		  . " WHERE instance_id = '$late->{id}'"), 0, '... nor at risk');
$node->sql("SELECT partner_api.sync_instances('zapi')");
is($node->sql("SELECT string_agg(kind, ' ') FROM partner_api.instance_events"
		  . " WHERE instance_id = '$late->{id}'"),
	'surplus', '... and said once');

# one that somebody uses already is kept for a person to decide
$own = repeat_too_early('late but used');
($late) = grep { $_->{id} ne $own } $sandbox->created('late but used');
$sandbox->change($late->{id}, connected => JSON::PP::true);
$node->sql("SELECT partner_api.sync_instances('zapi')");
is($node->sql("SELECT origin || ' ' || trial_end FROM partner_api.instances"
		  . " WHERE instance_id = '$late->{id}'"),
	'surplus ask', 'a late effect in use waits for a decision');
is($node->sql('SELECT state FROM partner_api.pending_actions'
		  . " WHERE instance_id = '$late->{id}'"), 'held', '... to be signed');
$node->sql("SELECT partner_api.cancel_action(action_id)"
	  . " FROM partner_api.pending_actions WHERE instance_id = '$late->{id}'");

# both are there when the second request is looked for: the older one is ours
$sandbox->fault(
	operation => 'create_instance', type => 'withhold',
	before_effect => JSON::PP::true, undeterred => JSON::PP::true);
$node->set_option(timeout_ms => 300);
$action = enqueue_create('twice');
wait_for_verdicts($action, 2);
$node->set_option(timeout_ms => 30000);
$sandbox->fault(
	operation => 'create_instance', type => 'reset_after', times => 2);
$sandbox->fault(@no_list);
$node->sql("SELECT partner_api.resolve_action($action, NULL)");
$node->sql("SELECT partner_api.retry_action($action)");
my $beside = enqueue_create('shares the list');
wait_for_verdicts($action, 4);
wait_for_verdicts($beside, 2);
$sandbox->release;
$sandbox->clear_faults;
$sandbox->wait_until('the late effect',
	sub { $sandbox->created('twice') == 2 });
advance(300);
is($node->wait_for_state($action, 'needs_attention'),
	'done', 'twice: adopted');
my @both = sort { $a->{created_at} cmp $b->{created_at} }
  $sandbox->created('twice');
is($node->action($action)->{instance_id},
	$both[0]{id}, '... the older of the two');
$listener->heard(qr/"event": "surplus", "server": "zapi", "action_id": $action, "instance_id": "$both[0]{id}"/);
pass('... and the look announces the other');
$node->wait_for('SELECT count(*) = 1 FROM partner_api.instances'
	  . " WHERE instance_id = '$both[1]{id}'");
is(mirror($both[1]{id})->{origin}, 'surplus', '... which is surplus');
is(mirror($both[0]{id})->{origin}, 'adopted', '... and the first is not');

# ---- a provider that removes what is surplus ----

# apply_listing() as for one whose instances cost by the day: Z-API is none
my $installation = $node->sql('SELECT installation_id FROM partner_api.installation');

sub apply_twins
{
	my ($number, $second) = @_;
	my $list = JSON::PP->new->canonical->encode([
		map {
			{   instance_id => "T$number$_",
				name => "twin [pa-$installation-9999$number-0000000$number]",
				token => 'T', status => 'trial', details => '{}',
				connected => JSON::PP::false, created_ms => 1700000000000 + $_,
				$_ == 2 ? %$second : () }
		} 1 .. 2 ]);

	$node->sql(qq{SELECT partner_api.apply_listing('zapi', \$\$$list\$\$,
		'1 min', '6 h', 'lapse', 'F', true)});
	return $node->sql("SELECT string_agg(origin, ' ' ORDER BY instance_id)"
		  . " || coalesce((SELECT ': ' || kind || ' ' || automatic || ' ' ||"
		  . " instance_id FROM partner_api.pending_actions p"
		  . " WHERE instance_id LIKE 'T$number%'), '')"
		  . " FROM partner_api.instances WHERE instance_id LIKE 'T$number%'");
}

$node->append_conf('postgresql.conf', 'partner_api.enabled = off');
$node->reload;
$node->wait_for("SELECT current_setting('partner_api.enabled') = 'off'");
is(apply_twins(1, {}), 'adopted surplus: delete_instance true T12',
	'two of one lost order: the older is kept, the other deleted');
is(apply_twins(2, { status => 'signed' }), 'surplus adopted: delete_instance true T21',
	'... or the one that is signed is kept');
is(apply_twins(3, { connected => JSON::PP::true }),
	'surplus adopted: delete_instance true T31',
	'... or the one that is connected');
is($node->sql('SELECT count(*) FROM partner_api.pending_actions'
		  . " WHERE kind = 'delete_instance' AND instance_id !~ '^T'"),
	0, 'at Z-API nothing is deleted');

done_testing();
