# What becomes of a trial: signed in time, left to lapse, or signed when it is
# approved; and what is told of one that is at risk.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox);
my $DAY = 86400;

# Create an instance by a call; returns its mirror row.
sub create
{
	my ($name, $trial_end) = @_;
	my $how = defined $trial_end ? "'$trial_end'" : 'NULL';

	return $node->row('SELECT * FROM partner_api.create_instance('
		  . "'zapi', '$name', trial_end => $how)");
}

sub mirror
{
	my ($row) = @_;

	return $node->row('SELECT * FROM partner_api.instances'
		  . " WHERE instance_id = '$row->{instance_id}'");
}

# The one sign action of an instance, open or closed.
sub sign_of
{
	my ($row) = @_;
	my ($action, @more) = split /\n/,
	  $node->sql(join ' UNION ALL ',
		map { "SELECT action_id FROM partner_api.$_"
			  . " WHERE instance_id = '$row->{instance_id}'"
			  . " AND kind = 'sign_instance'" }
		  qw(pending_actions action_history));

	die 'more than one sign' if @more;
	return defined $action ? $node->action($action) : undef;
}

# The automatic sign of an instance that has another one too.
sub sign_of_automatic
{
	my ($row) = @_;

	return $node->row('SELECT * FROM partner_api.action_history'
		  . " WHERE instance_id = '$row->{instance_id}'"
		  . " AND kind = 'sign_instance' AND automatic");
}

# Turn the clocks to so many seconds before the trial of an instance ends.
sub turn_before_end
{
	my ($row, $seconds) = @_;

	$node->set_clock($sandbox,
		"'$row->{trial_ends_at}'::timestamptz - interval '$seconds s'");
	return;
}

# How many times the provider has signed an instance.
sub signs
{
	my ($row) = @_;

	return $sandbox->instance($row->{instance_id})->{effects}{signs};
}

# Seconds from one time to another.
sub seconds
{
	my ($from, $to) = @_;

	return $node->sql('SELECT extract(epoch FROM '
		  . "'$to'::timestamptz - '$from'::timestamptz)");
}

# Why trials are at risk, by name.
sub at_risk
{
	return { map { $_->{name} => $_->{reason} }
		  $node->rows('SELECT * FROM partner_api.trials_at_risk') };
}

# ---- sign ----

my $kept = create('kept');
my $sign = sign_of($kept);

is($kept->{trial_end}, 'sign', 'a trial is kept unless something is said');
is($sign->{state}, 'waiting', '... so a sign is scheduled with it');
ok($sign->{automatic}, '... by the extension');
is( $sign->{requested_by},
	$node->sql("SELECT srvowner::regrole FROM pg_foreign_server"
		  . " WHERE srvname = 'zapi'"),
	'... on behalf of the server\'s owner');
my $lead = seconds($sign->{run_at}, $kept->{trial_ends_at});
ok($lead >= 6 * 3600 && $lead < 6 * 3600 + 2, '... six hours before the end')
  or diag $lead;
is(seconds($sign->{deadline}, $kept->{trial_ends_at}), '0.000000',
	'... and no later than the end');
is_deeply(at_risk(), {}, '... and it is not at risk');

turn_before_end($kept, 6 * 3600 + 60);
$node->drive_pass;
is(signs($kept), 0, 'a minute before, it is not signed');
turn_before_end($kept, 6 * 3600 - 1);
is($node->wait_for_state($sign->{action_id}, 'done'), 'done',
	'when the time has come, it is');
is(signs($kept), 1, '... at the provider, once');
is(mirror($kept)->{status}, 'signed', '... and in the mirror');
cmp_ok(
	seconds($sandbox->instance($kept->{instance_id})->{signed_at},
		$kept->{trial_ends_at}),
	'>', 0, '... before the end');
turn_before_end($kept, -60);
$node->drive_pass;
is(mirror($kept)->{status}, 'signed', 'the end of the trial changes nothing');
is($sandbox->instance($kept->{instance_id})->{state}, 'signed',
	'... at the provider neither');

# ---- lapse ----

my $lapsing = create('lapsing', 'lapse');

is(sign_of($lapsing), undef, 'a trial that is to lapse has no sign');
is_deeply(at_risk(), {}, '... and is not at risk');
turn_before_end($lapsing, -1);
$node->wait_for("SELECT status = 'lapsed' FROM partner_api.instances"
	  . " WHERE instance_id = '$lapsing->{instance_id}'");
is($sandbox->instance($lapsing->{instance_id})->{state}, 'lapsed',
	'it lapses here as at the provider');
is( $node->sql('SELECT occurred_at = trial_ends_at'
		  . ' FROM partner_api.instance_events'
		  . ' JOIN partner_api.instances USING (server, instance_id)'
		  . " WHERE kind = 'lapsed'"
		  . " AND instance_id = '$lapsing->{instance_id}'"),
	't', '... at the time that the provider had said');
foreach my $function (qw(sign_instance enqueue_sign_instance))
{
	$node->fails_with(
		"SELECT partner_api.$function('zapi', '$lapsing->{instance_id}')",
		'55000', { message => qr/lapsed/, hint => qr/new instance/ },
		"$function: a lapsed trial cannot be signed");
}

# ---- ask ----

$node->create_role('shop', 'partner_api_operator');
$node->sql(<<'END');
CREATE TABLE payments (instance_id text, paid boolean);
GRANT ALL ON payments TO shop;
CREATE FUNCTION approve() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN
	PERFORM partner_api.approve_trial('zapi', new.instance_id);
	RETURN new;
END $$;
CREATE TRIGGER approve AFTER INSERT ON payments
	FOR EACH ROW WHEN (new.paid) EXECUTE FUNCTION approve();
END

sub pay
{
	my ($row, $end) = @_;

	$node->sql("BEGIN; INSERT INTO payments VALUES ('$row->{instance_id}', true); "
		  . ($end // 'COMMIT'), role => 'shop');
	return;
}

my %asked = map { $_ => create($_, 'ask') } qw(early late undone unpaid);

is(sign_of($asked{early})->{state}, 'held', 'a trial that asks is held');
is(at_risk()->{early}, 'waits for approval', '... and at risk');
pay($asked{early});
is(sign_of($asked{early})->{state}, 'waiting', 'a payment approves it');
is(at_risk()->{early}, undef, '... so it is not at risk any more');
is($node->sql('SELECT approved_by FROM partner_api.trial_approvals'),
	'shop', '... and who approved is recorded');
pay($asked{undone}, 'ROLLBACK');
is(sign_of($asked{undone})->{state}, 'held',
	'a payment that is rolled back approves nothing');

turn_before_end($asked{early}, 5 * 3600);
is($node->wait_for_state(sign_of($asked{early})->{action_id}, 'done'),
	'done', 'what is approved is signed when it is due');
$node->drive_pass;
is(sign_of($asked{late})->{state}, 'held', 'what is not, still waits');
pay($asked{late});
is($node->wait_for_state(sign_of($asked{late})->{action_id}, 'done'),
	'done', '... and is signed when the payment comes late');

turn_before_end($asked{unpaid}, -1);
foreach my $name (qw(undone unpaid))
{
	is($node->wait_for_state(sign_of($asked{$name})->{action_id}, 'cancelled'),
		'cancelled', "$name: never approved, never wanted");
	like(sign_of($asked{$name})->{last_error}, qr/not approved/,
		'... which is told');
	is(signs($asked{$name}), 0, '... and it was not signed');
	is(mirror($asked{$name})->{status}, 'lapsed', '... and lapsed');
}
is(signs($asked{$_}), 1, "$_: signed once") foreach qw(early late);
$node->fails_with(
	"SELECT partner_api.approve_trial('zapi', '$asked{unpaid}{instance_id}')",
	'55000', { message => qr/over/ }, 'too late to approve');

my $before_it = create('approved at once', 'ask');

$node->sql("SELECT partner_api.approve_trial('zapi',"
	  . " '$before_it->{instance_id}')") foreach 1 .. 2;
is(sign_of($before_it)->{state}, 'waiting', 'approving twice is no error');
$node->sql("SELECT partner_api.sign_instance('zapi',"
	  . " '$before_it->{instance_id}')");
is(sign_of_automatic($before_it)->{state}, 'cancelled',
	'a sign by hand leaves nothing to be signed');
is(signs($before_it), 1, '... so one effect');

# ---- the server's own answer ----

$node->set_option(trial_end => 'ask');
$node->set_option(sign_lead => '1 h');
is(sign_of(create('server asks'))->{state}, 'held',
	'the option trial_end of the server counts');
my $override = create('call signs', 'sign');
is(sign_of($override)->{state}, 'waiting', '... unless the call says more');
$lead = seconds(sign_of($override)->{run_at}, $override->{trial_ends_at});
ok($lead >= 3600 && $lead < 3602, 'the option sign_lead counts')
  or diag $lead;
is(sign_of(create('call lapses', 'lapse')), undef, '... and for a lapse');
$node->set_option(trial_end => 'sign');
$node->set_option(sign_lead => '6 h');
$node->fails_with(
	"SELECT partner_api.create_instance('zapi', 'x', trial_end => 'maybe')",
	'22023', { hint => qr/sign, lapse, ask/ }, 'other answers are refused');

# ---- withdrawn ----

my $withdrawn = create('withdrawn');

$node->sql('SELECT partner_api.cancel_action('
	  . sign_of($withdrawn)->{action_id} . ')');
is(at_risk()->{withdrawn}, 'no sign action is open',
	'a sign that is withdrawn leaves the trial at risk');
my $cancelled = create('cancelled');
$node->sql(
	"SELECT partner_api.cancel_instance('zapi', '$cancelled->{instance_id}')");
is(sign_of($cancelled)->{state}, 'cancelled',
	'a cancelled trial is not signed');
turn_before_end($withdrawn, 3600);
$node->drive_pass;
is(signs($withdrawn), 0, 'withdrawn: not signed');
is(signs($cancelled), 0, 'cancelled: not signed');
turn_before_end($cancelled, -1);
$node->drive_pass;
is(mirror($withdrawn)->{status}, 'lapsed', 'withdrawn: lapsed');
is(mirror($cancelled)->{status}, 'ended', 'cancelled: ended');

# ---- the provider's clock ----

$sandbox->config(date_skew_seconds => 600);
my $ahead = create('clock ahead');
$lead = seconds(sign_of($ahead)->{run_at}, $ahead->{trial_ends_at});
ok($lead > 6 * 3600 + 598 && $lead < 6 * 3600 + 602,
	'a provider whose clock is ahead: signed sooner')
  or diag $lead;
$sandbox->config(date_skew_seconds => -600);
my $behind = create('clock behind');
$lead = seconds(sign_of($behind)->{run_at}, $behind->{trial_ends_at});
ok($lead >= 6 * 3600 && $lead < 6 * 3600 + 2, '... behind: no later')
  or diag $lead;
$sandbox->config(date_skew_seconds => 0, date_header => 'none');
my $silent = create('no date');
$lead = seconds(sign_of($silent)->{run_at}, $silent->{trial_ends_at});
is($lead, '21600.000000', '... silent: at the usual time');
$sandbox->config(date_header => 'sandbox', due_as => 'missing');
my $estimated = create('no due');
ok($estimated->{trial_estimated}, 'no due time: the end is an estimate');
ok(abs(seconds($estimated->{created_at}, $estimated->{trial_ends_at})
		  - 2 * $DAY) < 1, '... of two days');
is(sign_of($estimated)->{state}, 'waiting', '... and it is signed by that');
$sandbox->config(due_as => 'number');

# ---- adopted, imported ----

$sandbox->fault(operation => 'create_instance', type => 'reset_after');
my $lost = $node->sql(
	"SELECT partner_api.enqueue_create_instance('zapi', 'lost')");
$node->wait_for_state($lost, 'done');
is( sign_of({ instance_id => $node->action($lost)->{instance_id} })->{state},
	'waiting', 'an adopted trial gets its sign too');

my $forgotten = create('forgotten');
$node->sql("DELETE FROM partner_api.$_"
	  . " WHERE instance_id = '$forgotten->{instance_id}'")
  foreach qw(pending_actions instances instance_secrets);
$sandbox->seed(name => 'foreign', state => 'trial');
$sandbox->seed(name => 'foreign signed', state => 'signed');
$node->sql("SELECT partner_api.sync_instances('zapi')");
is(mirror($forgotten)->{origin}, 'adopted', 'a sync adopts what is ours');
$node->drive_pass;
is(sign_of($forgotten)->{state}, 'waiting', '... with a sign');
is(at_risk()->{foreign}, 'not created here: nothing signs it',
	'a foreign trial is at risk');
ok(!exists at_risk()->{'foreign signed'}, '... but not a signed instance');

# ---- at risk ----

my $refused = create('refused');
my $listener = $node->listen;
$sandbox->config(tokens => ['another-token']);
turn_before_end($refused, 3600);
$node->wait_for('SELECT attempts > 0 FROM partner_api.pending_actions'
	  . " WHERE instance_id = '$refused->{instance_id}'");
$node->drive_pass;
like(at_risk()->{refused}, qr/^last try: .*Bad Credentials/,
	'a sign that is turned away puts the trial at risk');
is(sign_of($refused)->{state}, 'waiting', '... but is tried again');
ok( $listener->heard(qr/"unusable", "server": "zapi"/),
	'... and somebody is told');
$sandbox->config(tokens => [$PartnerApi::Sandbox::TOKEN]);
turn_before_end($refused, 1800);
is($node->wait_for_state(sign_of($refused)->{action_id}, 'done'), 'done',
	'... until the token is right again');
is(signs($refused), 1, '... and once');

my $hopeless = create('hopeless');
$sandbox->fault(
	operation => 'sign_instance',
	type      => 'status',
	status    => 400);
turn_before_end($hopeless, 3600);
ok( $listener->heard(
		qr/"failed", .*"instance_id": "$hopeless->{instance_id}"/),
	'a sign that is refused for good is announced');
$listener->end;

my $hurried = create('hurried');
turn_before_end($hurried, 6 * 3600 + 60);
$node->drive_pass;
$sandbox->fault(operation => 'sign_instance', type => 'reset_before');
turn_before_end($hurried, 60);
is($node->wait_for_state(sign_of($hurried)->{action_id}, 'done'), 'done',
	'no time for a second look: a sign is repeated at once');
is(signs($hurried), 1, '... with one effect');

$node->wait_until_settled("run_at <= partner_api.clock()");
my $alone = create('nobody signs');
$node->stop_worker;
is(at_risk()->{'nobody signs'}, 'no worker runs in this database',
	'without a worker every trial is at risk');
my $slack = $node->sql('SELECT extract(epoch FROM slack)'
	  . " FROM partner_api.trials_at_risk WHERE name = 'nobody signs'");
ok($slack > $DAY && $slack <= 2 * $DAY, '... and the slack is told')
  or diag $slack;
is( $node->sql("SELECT count(*) FROM partner_api.trials_at_risk"
		  . " WHERE name = 'nobody signs'", role => 'shop'),
	1, '... to readers too');

# ---- missed ----

my $requests = $sandbox->counters('sign_instance')->{requests};
my $offset = -s $node->logfile;
$listener = $node->listen;
turn_before_end($alone, -60);
ok(!exists at_risk()->{'nobody signs'}, 'what is over is not at risk');
$node->start_worker;
is($node->wait_for_state(sign_of($alone)->{action_id}, 'missed'), 'missed',
	'a worker that comes too late does not sign');
$node->drive_pass;
is($sandbox->counters('sign_instance')->{requests},
	$requests, '... nothing was sent');
is(mirror($alone)->{status}, 'lapsed', '... and the trial lapsed');
like(slurp_file($node->logfile, $offset),
	qr/WARNING:  .*action \d+ is missed/, '... which is logged');
my $missed = sign_of($alone);
ok( $listener->heard(
		qr/"missed", "server": "zapi", "action_id": $missed->{action_id},/),
	'... and announced');
$node->fails_with(
	'SELECT partner_api.retry_action(' . sign_of($alone)->{action_id} . ')',
	'55000', { message => qr/missed/, hint => qr/deadline/ },
	'what is missed is not tried again');

# ---- all in all ----

is(scalar(grep { $_->{effects}{signs} > 1 } $sandbox->instances),
	0, 'nothing was signed twice');
is($sandbox->names_created_twice, 0, 'nothing was created twice');

done_testing();
