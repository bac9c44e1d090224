# Answers that do not come, or tell nothing: what may have had an effect is
# looked up, never repeated on suspicion and never called a failure.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'lapse' });
my $LAG = 60;    # seconds: the default of list_lag

sub advance
{
	my ($seconds) = @_;

	$node->set_clock($sandbox,
		"partner_api.clock() + interval '$seconds s'");
	return;
}

sub enqueue
{
	my ($function, @arguments) = @_;

	return $node->sql("SELECT partner_api.enqueue_$function("
		  . join(', ', "'zapi'", @arguments) . ')');
}

sub create
{
	my ($name, $server) = @_;

	return $node->sql('SELECT instance_id FROM partner_api.create_instance('
		  . "'" . ($server // 'zapi') . "', '$name')");
}

# What the attempts and looks of an action proved, in order.
sub verdicts
{
	my ($action) = @_;

	return $node->sql("SELECT string_agg(verdict, ' ' ORDER BY lease)"
		  . " FROM partner_api.action_attempts WHERE action_id = $action");
}

# Wait until an action has so many attempts and looks behind it.
sub wait_for_verdicts
{
	my ($action, $count) = @_;

	$node->wait_for("SELECT count(*) >= $count"
		  . " FROM partner_api.action_attempts WHERE action_id = $action");
	return;
}

sub mirror
{
	my ($id) = @_;

	return $node->row(
		"SELECT * FROM partner_api.instances WHERE instance_id = '$id'");
}

# ---- create: the effect is there, the answer is not ----

my @lost = (
	[ status => status => 500 ],
	[ status => status => 502 ],
	[ status => status => 503, body => { error => 'try later' } ],
	[ status => status => 504 ],
	[ status => status => 408 ],
	[ status => status => 302, body => 'moved' ],
	[ status => status => 200, body => { id => 'only' } ],
	['reset_after'],
	['close_after'],
	['truncate'],
	['cut'],
	['garbage'],
	['html'],
	['empty'],
	['wrong_types']);

foreach my $lost (@lost)
{
	my ($type, %more) = @$lost;
	my $name = join ' ', $type, $more{status} // ();

	$sandbox->fault(
		operation => 'create_instance', type => $type,
		after_effect => JSON::PP::true, %more);
	my $action = enqueue('create_instance', "'$name'");

	is($node->wait_for_state($action, 'needs_attention'),
		'done', "create, $name: done in the end");
	is(verdicts($action), 'unknown found', '... found at the provider');
	is(scalar $sandbox->created($name), 1, '... with one effect');
	is(mirror($node->action($action)->{instance_id})->{origin},
		'adopted', '... and adopted');
}

$node->set_option(timeout_ms => 300);
$sandbox->fault(operation => 'create_instance', type => 'withhold');
my $action = enqueue('create_instance', "'silent'");
is($node->wait_for_state($action, 'needs_attention'),
	'done', 'create, no answer in time: done in the end');
is(verdicts($action), 'unknown found', '... found at the provider');
is(scalar $sandbox->created('silent'), 1, '... with one effect');
$sandbox->release;
$node->set_option(timeout_ms => 30000);

my $adopted = $node->action($action)->{instance_id};
is( $node->sql(
		"SELECT status FROM partner_api.sign_instance('zapi', '$adopted')"),
	'signed', 'an adopted instance can be signed');

$sandbox->fault(operation => 'create_instance', type => 'reset_after');
my $error = $node->error("SELECT partner_api.create_instance('zapi', 'told')");
PartnerApi::Cluster::error_is($error, '08007',
	{ message => qr/unknown/, detail => qr/Action \d+/,
		hint => qr/action_timeline/ },
	'a waiting call is told that the outcome is unknown');
($action) = $error->{detail} =~ /(\d+)/;
is($node->wait_for_state($action, 'needs_attention'),
	'done', '... before it is known');

# ---- create: there was no effect, and nobody said so ----

my @never = (
	[ status => status => 503 ],
	['reset_before'],
	['close_before'],
	[ garbage => before_effect => JSON::PP::true ]);

is($node->sql('SELECT server FROM partner_api.server_evidence'),
	'zapi', 'the list is known to show our nonces');
foreach my $never (@never)
{
	my ($type, %more) = @$never;
	my $name = "never $type";

	$sandbox->fault(operation => 'create_instance', type => $type, %more);
	$action = enqueue('create_instance', "'$name'");
	wait_for_verdicts($action, 2);
	$node->drive_pass;
	is(verdicts($action), 'unknown absent',
		"create, $type: one look is no proof");
	is(scalar $sandbox->created($name), 0, '... and nothing is sent again');
	advance($LAG + 1);
	is($node->wait_for_state($action, 'needs_attention'),
		'done', '... a second look after the lag is');
	is(verdicts($action), 'unknown absent absent done',
		'... so it is sent again');
	is(scalar $sandbox->created($name), 1, '... with one effect');
}

# ---- create: the list lags behind ----

$sandbox->config(list_lag_seconds => 30);
$sandbox->fault(operation => 'create_instance', type => 'reset_after');
$action = enqueue('create_instance', "'laggard'");
wait_for_verdicts($action, 2);
is($node->action_state($action), 'unknown',
	'what the list does not show yet stays unknown');
advance($LAG + 1);
is($node->wait_for_state($action, 'needs_attention'),
	'done', '... until it does');
is(verdicts($action), 'unknown absent found', '... at the second look');
is(scalar $sandbox->created('laggard'), 1, '... with one effect');

# a request that was under way for long: the lag begins when it ends
$sandbox->config(list_lag_seconds => 2 * $LAG);
$sandbox->fault(operation => 'create_instance', type => 'withhold');
my $requests = $sandbox->counters('create_instance')->{requests};
$action = enqueue('create_instance', "'long under way'");
$sandbox->wait_for_requests('create_instance', $requests + 1);
advance($LAG + 1);
$node->sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity'
	  . " WHERE backend_type = 'partner_api worker'");
wait_for_verdicts($action, 2);
advance(2);
$node->drive_pass;
is(verdicts($action), 'unknown absent',
	'no second look before the lag has passed');
advance($LAG);
is($node->wait_for_state($action, 'needs_attention'),
	'done', '... and then it is found');
is(scalar $sandbox->created('long under way'), 1, '... with one effect');
$sandbox->release;
$sandbox->config(list_lag_seconds => 0);

# ---- create: a look that fails proves nothing ----

$sandbox->config(page_size_max => 5);
foreach my $type (qw(status truncate html))
{
	my $name = "look $type";

	$sandbox->fault(operation => 'create_instance', type => 'close_before');
	$sandbox->fault(
		operation => 'list_instances', type => $type, times => 3,
		$type eq 'status' ? (status => 500) : ());
	$action = enqueue('create_instance', "'$name'");
	wait_for_verdicts($action, 2);
	is(verdicts($action), 'unknown unknown',
		"look, $type: the outcome stays unknown");
	is($node->action($action)->{looks}, 0, '... and the look does not count');
	$sandbox->clear_faults;

	# the first whole look, then the one after the lag, which reads all pages
	foreach (1 .. 2)
	{
		advance($LAG + 1);
		wait_for_verdicts($action, 2 + $_);
	}
	is($node->wait_for_state($action, 'needs_attention'),
		'done', '... until the list can be read');
	is(verdicts($action), 'unknown unknown absent absent done',
		'... twice, and whole');
	is(scalar $sandbox->created($name), 1, '... with one effect');
}

# a page in the middle that cannot be read spoils the whole look
$sandbox->fault(operation => 'create_instance', type => 'close_before');
$action = enqueue('create_instance', "'middle'");
wait_for_verdicts($action, 2);
$sandbox->fault(operation => 'list_instances', type => 'truncate', skip => 2);
advance($LAG + 1);
wait_for_verdicts($action, 3);
is(verdicts($action), 'unknown absent unknown',
	'a list that breaks off on its third page proves nothing');
is(scalar $sandbox->created('middle'), 0, '... and nothing is sent');
advance($LAG + 1);
is($node->wait_for_state($action, 'needs_attention'), 'done',
	'... until it is read to its end');
$sandbox->config(page_size_max => 0);

# ---- create: a person must decide ----

my $strict = PartnerApi::Sandbox->new;

$node->create_server($strict, name => 'strict', trial_end => 'lapse');

# Let a create of a server come to the end of what looking can prove.
sub undecided
{
	my ($server, $name, $fault) = @_;

	$strict->fault(operation => 'create_instance', type => $fault);
	$action = $node->sql(
		"SELECT partner_api.enqueue_create_instance('$server', '$name')");
	wait_for_verdicts($action, 2);
	$node->set_clock($strict,
		"partner_api.clock() + interval '$LAG s' + interval '1 s'");
	return $node->wait_for_state($action, 'needs_attention');
}

is(undecided('strict', 'given up', 'close_before'),
	'needs_attention', 'no list has shown a nonce: a person must decide');
$node->sql("SELECT partner_api.cancel_action($action)");
is($node->action_state($action), 'cancelled', '... and may give it up');

$strict->config(mangle_names => 'truncate:12');
is(undecided('strict', 'a name that is cut', 'reset_after'),
	'needs_attention', 'a nonce that the provider cuts off is not found');
is(scalar(grep { $_->{name} eq 'a name that ' } $strict->instances),
	1, '... and there is one effect');
$strict->config(mangle_names => 'upper');
is(undecided('strict', 'loud', 'reset_after'),
	'done', 'a nonce in other letters is found by the whole list');
is($node->sql("SELECT count(*) FROM partner_api.server_evidence"
		  . " WHERE server = 'strict'"),
	0, '... but proves nothing of other creates');

$strict->config(mangle_names => 'none');
is(undecided('strict', 'unproved', 'close_before'),
	'needs_attention', 'so the next one needs a person too');
like($node->action($action)->{last_error},
	qr/not known to show our nonces/, '... who is told why');
is(scalar $strict->created('unproved'), 0, '... and it is not sent again');
$node->sql("SELECT partner_api.retry_action($action)");
is($node->wait_for_state($action, 'needs_attention'),
	'done', '... until that person says so');
is(scalar $strict->created('unproved'), 1, '... and then once');

$strict->fault(operation => 'create_instance', type => 'reset_after');
$node->wait_for_state($node->sql(
		"SELECT partner_api.enqueue_create_instance('strict', 'proof')"),
	'done');
is($node->sql("SELECT count(*) FROM partner_api.server_evidence"
		  . " WHERE server = 'strict'"),
	1, 'the list has shown one of our nonces');
$node->set_option(name_nonce => 'off', 'strict');
is(undecided('strict', 'bare', 'reset_after'),
	'needs_attention', 'without a nonce nothing is found');
is(scalar $strict->created('bare'), 1, '... nor sent again');
$node->sql("SELECT partner_api.cancel_action($action)");

# ---- operations on one instance ----

# An operation that hits a fault: its end, and what was proved on the way.
sub hit
{
	my ($operation, $id, $fault, $late, @more) = @_;
	my %rule = ref $fault ? %$fault : (type => $fault);

	$sandbox->fault(operation => $operation, %rule);
	$action = enqueue($operation, "'$id'", @more);
	if ($late)
	{
		wait_for_verdicts($action, 2);
		advance($LAG + 1);
	}
	return $node->wait_for_state($action, 'needs_attention') . ': '
	  . verdicts($action);
}

my %late_503 = (type => 'status', status => 503, after_effect => JSON::PP::true);

foreach my $fault (qw(reset_after truncate html), \%late_503)
{
	my $name = ref $fault ? 503 : $fault;
	my $id = create("sign $name");

	is(hit('sign_instance', $id, $fault),
		'done: unknown found', "sign, $name after the effect: seen in the list");
	is($sandbox->instance($id)->{effects}{signs}, 1, '... with one effect');
	is(mirror($id)->{status}, 'signed', '... and mirrored');

	is(hit('cancel_instance', $id, $fault),
		'done: unknown found', "cancel, $name: seen in the list");
	is($sandbox->instance($id)->{effects}{cancels}, 1, '... with one effect');
	is(mirror($id)->{status}, 'cancelling', '... and mirrored');
}

foreach my $fault (qw(reset_before close_before))
{
	my $id = create("sign $fault");

	is(hit('sign_instance', $id, $fault, 'late'),
		'done: unknown absent absent done',
		"sign, $fault: two looks, and it is sent again");
	is($sandbox->instance($id)->{effects}{signs}, 1, '... with one effect');
	is(hit('cancel_instance', $id, $fault, 'late'),
		'done: unknown absent absent done', "cancel, $fault: the same");
	is($sandbox->instance($id)->{effects}{cancels}, 1, '... with one effect');
}

my $id = create('calls');
$node->sql("SELECT partner_api.sign_instance('zapi', '$id')");
is(hit('update_subscription', $id, 'reset_after', undef, 'true'),
	'done: unknown absent done', 'update: not in the list, so sent again');
is($sandbox->instance($id)->{effects}{updates}, 1, '... with one effect');
$sandbox->change($id, connected => JSON::PP::true);
is(hit('disconnect_instance', $id, 'reset_after'),
	'done: unknown absent done', 'disconnect: the same');
is($sandbox->instance($id)->{effects}{disconnects}, 1, '... with one effect');

my $changed = create('contradiction');
$sandbox->fault(
	operation => 'list_instances', type => 'status', status => 500);
$sandbox->fault(operation => 'sign_instance', type => 'close_before');
$action = enqueue('sign_instance', "'$changed'");
wait_for_verdicts($action, 2);
$sandbox->change($changed, state => 'cancelling');
advance($LAG);
is($node->wait_for_state($action, 'needs_attention'),
	'needs_attention', 'a list that contradicts the sign: a person decides');
$node->sql("SELECT partner_api.cancel_action($action)");

my @doomed = map { create("doomed $_") } 1 .. 6;
$node->sql("SELECT partner_api.cancel_instance('zapi', '$_')") foreach @doomed;
advance(41 * 86400);
is(hit('delete_instance', $doomed[0], 'reset_after'),
	'done: unknown found', 'delete, after the effect: gone from the list');
is($sandbox->instance($doomed[0])->{effects}{deletes}, 1,
	'... with one effect');
is(mirror($doomed[0])->{status}, 'deleted', '... and mirrored');
is(hit('delete_instance', $doomed[1], 'reset_before', 'late'),
	'done: unknown absent absent done', 'delete, before it: sent again');
is($sandbox->instance($doomed[1])->{effects}{deletes}, 1,
	'... with one effect');

foreach my $pair ([ truncate => 2, 3 ], [ reset_after => 4, 5 ])
{
	my ($type, @two) = @$pair;
	my $ids = join ', ', map { "'$doomed[$_]'" } @two;

	$sandbox->fault(operation => 'delete_instances', type => $type);
	$action = enqueue('delete_instances', "ARRAY[$ids]");
	is($node->wait_for_state($action, 'needs_attention'),
		'done', "bulk delete, $type: gone from the list");
	is(verdicts($action), 'unknown found', '... which was looked at');
	is(mirror($doomed[$_])->{status}, 'deleted', '... and mirrored')
	  foreach @two;
}

# ---- turned away ----

$sandbox->fault(
	operation => 'create_instance', type => 'rate_limit', retry_after => 120);
$action = enqueue('create_instance', "'busy'");
wait_for_verdicts($action, 1);
my $row = $node->action($action);
is($row->{state}, 'waiting', '429: it waits');
is( $node->sql("SELECT p.run_at >= t.finished_at + interval '120 s'"
		  . ' FROM partner_api.pending_actions p'
		  . ' JOIN partner_api.action_attempts t USING (action_id)'
		  . " WHERE action_id = $action"),
	't', '... as long as Retry-After says');
$requests = $sandbox->counters('create_instance')->{requests};
advance(100);
$node->drive_pass;
is($sandbox->counters('create_instance')->{requests},
	$requests, '... and is not sent before');
advance(21);
is($node->wait_for_state($action, 'needs_attention'),
	'done', '... but then');
is(verdicts($action), 'retry done', '... without a look');
is(scalar $sandbox->created('busy'), 1, '... with one effect');

$sandbox->fault(operation => 'create_instance', type => 'rate_limit');
$action = enqueue('create_instance', "'busy too'");
wait_for_verdicts($action, 1);
advance(2);
is($node->wait_for_state($action, 'needs_attention'),
	'done', '429 without Retry-After: soon again');

# ---- unreachable ----

my $gone = PartnerApi::Sandbox->new;

$gone->stop;
$node->set_option(circuit_failures => 0);
$node->set_option(base_url => $gone->url);
my @actions = map { enqueue('create_instance', "'unreached $_'") } 1 .. 6;
my $waiting = 'SELECT t.attempt, p.run_at,'
  . ' extract(epoch FROM p.run_at - t.finished_at) AS delay'
  . ' FROM partner_api.pending_actions p'
  . ' JOIN partner_api.action_attempts t'
  . ' ON t.action_id = p.action_id AND t.attempt = p.attempts'
  . " WHERE p.state = 'waiting' AND p.server = 'zapi'";
my @waits;

foreach my $attempts (1 .. 8)
{
	$node->wait_for(
		"SELECT count(*) = 6 FROM ($waiting) w WHERE attempt >= $attempts");
	push @waits, $node->rows($waiting);
	advance(300);
}
my @wrong = grep {
	my $most = 2**($_->{attempt} - 1);

	$_->{delay} < $most / 2 || $_->{delay} > $most
} @waits;
is(scalar @wrong, 0, 'each try waits twice as long, half of it by chance')
  or diag explain \@wrong;
cmp_ok((sort { $a <=> $b } map { $_->{attempt} } @waits)[-1],
	'>=', 8, '... up to minutes');
my %times = map { $_->{run_at} => 1 } @waits[ -6 .. -1 ];
cmp_ok(scalar keys %times, '>', 1, '... and not all to the same time');
like(verdicts($actions[0]), qr/^retry( retry)+$/,
	'nothing was sent, so nothing is looked for');
$node->set_option(base_url => $sandbox->url);
advance(300);
is($node->wait_for_state($_, 'needs_attention'), 'done', 'sent in the end')
  foreach @actions;
is(scalar $sandbox->created("unreached $_"), 1, '... once') foreach 1 .. 6;

# ---- refused ----

$sandbox->config(tokens => ['another-token']);
$action = enqueue('create_instance', "'stranger'");
is($node->wait_for_state($action, 'needs_attention'),
	'failed', 'a wrong token: failed');
is(verdicts($action), 'failed', '... at once');
advance(61);
$action = $node->sql("SELECT partner_api.enqueue_create_instance('zapi',"
	  . " 'in time', deadline => partner_api.clock() + interval '1 day')");
wait_for_verdicts($action, 1);
is($node->action_state($action), 'waiting',
	'with a deadline: somebody may mend it in time');
$sandbox->config(tokens => [$PartnerApi::Sandbox::TOKEN]);
advance(600);
is($node->wait_for_state($action, 'needs_attention'), 'done', '... and did');

# ---- too late between claim and request ----

# as a commit that waits for a synchronous standby
$node->sql(<<'SQL');
CREATE FUNCTION wait_for_deadline() RETURNS trigger LANGUAGE plpgsql AS
$$
DECLARE
	left_over interval := NEW.deadline - partner_api.clock();
BEGIN
	WHILE clock_timestamp() <= statement_timestamp() + left_over LOOP
		NULL;
	END LOOP;
	RETURN NEW;
END
$$;
CREATE TRIGGER wait_for_deadline BEFORE UPDATE ON partner_api.pending_actions
	FOR EACH ROW WHEN (NEW.state = 'sending' AND NEW.deadline IS NOT NULL)
	EXECUTE FUNCTION wait_for_deadline();
SQL
$action = $node->sql("SELECT partner_api.enqueue_create_instance('zapi',"
	  . " 'too late', deadline => partner_api.clock() + interval '1 s')");
is($node->wait_for_state($action, 'missed'),
	'missed', 'claimed in time, too late to be sent: missed');
is($node->action($action)->{lease}, 1, '... although it was claimed');
is($node->action($action)->{attempts}, 0, '... and not attempted');
is(scalar $sandbox->created('too late'), 0, '... nor sent');
$node->sql('DROP TRIGGER wait_for_deadline ON partner_api.pending_actions');

# ---- all in all ----

is($sandbox->names_created_twice + $strict->names_created_twice,
	0, 'nothing was created twice');

done_testing();
