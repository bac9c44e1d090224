# The spend guard: caps of a server, the quota of a token, dry runs.

use strict;
use warnings;

use JSON::PP;
use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'lapse', max_concurrency => 8 });
my $listener = $node->listen;

# Drop an option of the server.
sub drop_option
{
	my ($option) = @_;

	$node->sql("ALTER SERVER zapi OPTIONS (DROP $option)");
	return;
}

sub call
{
	my ($name) = @_;

	return "SELECT * FROM partner_api.create_instance('zapi', '$name')";
}

sub enqueue
{
	my ($name, $more) = @_;

	return "SELECT partner_api.enqueue_create_instance('zapi', '$name'"
	  . (defined $more ? ", $more" : '') . ')';
}

sub cap
{
	my ($cap) = @_;

	return $node->row('SELECT * FROM partner_api.spend_caps'
		  . " WHERE cap = '$cap'");
}

# How often something was announced.
sub announced
{
	my ($event) = @_;

	$listener->run('SELECT;');
	my $heard = $listener->heard(qr/^/);

	return scalar(() = $heard =~ /"event": "$event"/g);
}

sub count_of
{
	my ($condition) = @_;

	return $node->sql('SELECT count(*) FROM partner_api.pending_actions'
		  . " WHERE $condition");
}

# ---- instances ----

my $owner = $node->sql('SELECT current_user');

$node->sql(call("first $_")) for 1 .. 2;
$node->set_option(max_instances => 5);
is_deeply([ @{ cap('max_instances') }{qw(allowed used share)} ],
	[ 5, 2, 0.4 ], 'what is used of a cap is shown');
$node->sql(call('third'));
is(announced('cap_80'), 0, 'below 80 % nothing is announced');
$node->sql(call('fourth'));
$listener->heard(qr/"event": "cap_80", "server": "zapi"/);
pass('80 % of a cap are announced');
$node->sql(call('fifth'));
is(announced('cap_80'), 1, '... once');

foreach my $statement (call('sixth'), enqueue('sixth'))
{
	$node->fails_with(
		$statement, '53400',
		{   message => qr/option "max_instances" \(5\) of server "zapi" leaves no room/,
			detail  => qr/^5 instances exist or are on order, of 5 that are allowed\. Nothing was recorded\.$/,
			hint    => qr/^"\Q$owner\E", the owner of the server, can raise it with ALTER SERVER zapi OPTIONS \(SET max_instances '...'\)\.$/ },
		'a full cap refuses ' . substr($statement, 0, 35));
}
is($sandbox->effects('create_instance'), 5, '... and nothing was sent');
is(count_of('true'), 0, '... nor recorded');

# What was recorded before the cap is held, announced, and released.
drop_option('max_instances');
$node->set_option(mode => 'live');
$node->sql('SELECT partner_api.enqueue_create_instance('
	  . "'zapi', 'late ' || i, run_at => partner_api.clock() + interval '1 hour' * i,"
	  . " deadline => CASE WHEN i = 5 THEN partner_api.clock() + interval '3 days' END)"
	  . ' FROM generate_series(1, 5) i');
$node->set_option(max_instances => 6);
$node->set_clock($sandbox, "partner_api.clock() + interval '6 hours'");
$node->wait_for(q{SELECT count(*) = 4 FROM partner_api.pending_actions}
	  . q{ WHERE state = 'held' AND held_for = 'cap'});
$node->wait_for('SELECT count(*) = 6 FROM partner_api.instances');
is(scalar $sandbox->created('late 5'), 1, 'a deadline goes first');
is($sandbox->effects('create_instance'), 6, 'no more are created than allowed');
is(announced('held'), 1, 'that four are held is announced once');
my $held = $node->row(q{SELECT * FROM partner_api.pending_actions}
	  . q{ ORDER BY run_at LIMIT 1});
like($held->{last_error}, qr/max_instances.*\Q$owner\E.*ALTER SERVER zapi/,
	'... and the action says who can raise which cap');
is($held->{attempts}, 0, '... and that nothing was sent');
$node->drive_pass;
is(count_of("state = 'held'"), 4, 'they stay held');
is(announced('held'), 1, '... without another word');

$node->set_option(max_instances => 8);
$node->wait_for('SELECT count(*) = 8 FROM partner_api.instances');
is($sandbox->effects('create_instance'), 8, 'raising the cap releases as many');
is(scalar(map { $sandbox->created("late $_") } 1, 2), 2, '... the oldest');
is(announced('held'), 1, '... and no more than that');
drop_option('max_instances');
$node->wait_until_settled;
is($sandbox->effects('create_instance'), 10, 'without the cap, all are sent');

# ---- many at once, and a restart ----

$node->set_option(max_instances => 20);
my @sessions = map {
	my $session = $_;
	$node->start_sql(
		join ";\n", map { enqueue("many $session $_") } 1 .. 5)
} 1 .. 8;
$_->error for @sessions;
$node->stop('immediate');
$node->start;
$node->wait_for_worker;
$node->wait_for(q{SELECT count(*) = 0 FROM partner_api.pending_actions}
	  . q{ WHERE state <> 'held'});
is( $node->sql('SELECT count(*) FROM partner_api.instances'
		  . " WHERE status = 'trial'"), 20, 'many sessions fill the cap');
is($sandbox->effects('create_instance'), 20, '... and never exceed it');
$listener = $node->listen;
$node->sql('SELECT partner_api.cancel_action(action_id)'
	  . ' FROM partner_api.pending_actions');
$node->set_option(max_instances => 21);
$node->sql(call('after the restart'));
is(announced('cap_80'), 0, '... and a restart announces nothing again');
drop_option('max_instances');
$node->wait_until_settled;

# ---- new ones a day ----

my $today = $node->sql('SELECT count(*) FROM partner_api.instances'
	  . q{ WHERE created_at > partner_api.clock() - interval '1 day'});

$node->set_option(max_new_per_day => $today + 1);
$node->sql(call('one more today'));
$node->fails_with(
	call('two more today'),
	'53400',
	{ message => qr/max_new_per_day/, detail => qr/within 24 hours/ },
	'a day has its cap');
my $tomorrow = $node->sql(enqueue('another day',
		q{run_at => partner_api.clock() + interval '25 hours'}));
$node->set_clock($sandbox, "partner_api.clock() + interval '26 hours'");
is($node->wait_for_state($tomorrow, 'done'), 'done',
	'... and the next day its own');
drop_option('max_new_per_day');

# ---- quota of a token ----

my $made = $node->sql('SELECT created FROM partner_api.token_usage');

$node->sql('ALTER USER MAPPING FOR PUBLIC SERVER zapi'
	  . " OPTIONS (ADD token_quota '" . ($made + 1) . q{')});
$node->wait_for('SELECT quota IS NOT NULL FROM partner_api.token_usage');
$node->sql(call('last of the token'));
my $error = $node->error(enqueue('beyond the quota'));
is($error->{sqlstate}, '53400', 'a token has its quota');
like($error->{hint}, qr/\Q$owner\E.*ALTER USER MAPPING.*token_quota/,
	'... and the error says who can raise it');
my $usage = $node->row('SELECT * FROM partner_api.token_usage');
is_deeply([ @$usage{qw(quota quota_used quota_share)} ],
	[ $made + 1, $made + 1, 1 ], '... which token_usage shows');
$node->set_clock($sandbox, "partner_api.clock() + interval '20 hours'");
$node->set_option(quota_counts => 'running');
$node->wait_for('SELECT quota_used < created FROM partner_api.token_usage');
$node->sql(call('in place of one that lapsed'));
pass('a lapsed trial gives its place back where quota_counts is running');
$node->set_option(quota_counts => 'created');
$node->fails_with(call('none'), '53400', { message => qr/token_quota/ },
	'... and not where it is created');
$node->sql('ALTER USER MAPPING FOR PUBLIC SERVER zapi'
	  . ' OPTIONS (DROP token_quota)');

# ---- cents of a cycle ----

my @trials = map { $node->row(call("trial $_")) } 1 .. 4;

sub sign
{
	my ($instance) = @_;

	return "SELECT * FROM partner_api.sign_instance('zapi', '$instance->{instance_id}')";
}

$node->set_option(max_cycle_cents => 12000);
$node->fails_with(
	sign($trials[0]),
	'53400',
	{   message => qr/"max_cycle_cents" \(12000\) of server "zapi" cannot be checked/,
		hint => qr/partner_api_admin.*set_price/ },
	'without a price, nothing is signed under a cap in cents');
$node->sql("SELECT partner_api.set_price('zapi', 5000)");
$node->sql(sign($trials[0]));
is(cap('max_cycle_cents')->{used}, 5000, 'the price of the signed one counts');
my @signs = map {
	$node->sql("SELECT partner_api.enqueue_sign_instance('zapi', '$_->{instance_id}',"
		  . q{ run_at => partner_api.clock() + interval '1 hour',}
		  . q{ deadline => partner_api.clock() + interval '2 hours')})
} @trials[ 1 .. 3 ];
$node->set_clock($sandbox, "partner_api.clock() + interval '90 minutes'");
$node->wait_for(q{SELECT count(*) = 2 FROM partner_api.pending_actions}
	  . q{ WHERE held_for = 'cap'});
is($node->wait_for_state($signs[0], 'done'), 'done', 'one is signed');
is($sandbox->effects('sign_instance'), 2, 'no more are signed than the cap has cents for');
is(announced('held'), 1, '... and it is announced that others are held');
$node->set_option(max_cycle_cents => 15000);
is($node->wait_for_state($signs[1], 'done'), 'done',
	'a raised cap lets the next one go');
$node->set_clock($sandbox, "partner_api.clock() + interval '31 minutes'");
is($node->wait_for_state($signs[2], 'missed'), 'missed',
	'what is held until its deadline is missed');
like($node->action($signs[2])->{last_error}, qr/deadline.*max_cycle_cents/,
	'... and says why');
drop_option('max_cycle_cents');

# ---- dry runs ----

my $requests = sub {
	my $counters = $sandbox->control('counters?names=false')->{operations};
	return join ' ', map { "$_ $counters->{$_}{requests}" }
	  grep { $_ ne 'list_instances' } sort keys %$counters;
};
my $kept = $node->row('SELECT * FROM partner_api.create_instance('
	  . "'zapi', 'kept', trial_end => 'sign')");
my $live = $node->sql(enqueue('live',
		q{run_at => partner_api.clock() + interval '1 minute'}));
$node->set_option(mode => 'dry_run');
my $before = $requests->();
my $shown = $node->error(
	"SELECT * FROM partner_api.create_instance('zapi', 'shown',"
	  . q{ '{"receivedCallbackUrl": "https://shop.example/in"}', idempotency_key => 'shown')});
is($shown->{sqlstate}, 'PA001', 'a dry run has a SQLSTATE of its own');
like($shown->{message}, qr/^dry run: create_instance at server "zapi" was not sent$/,
	'... says so');
my $preview = decode_json($shown->{detail});
is_deeply(
	[ @$preview{qw(dry_run method path cost_cents currency)} ],
	[ JSON::PP::true, 'POST', '/instances/integrator/on-demand', 0, 'BRL' ],
	'... and shows the request and its cost');
is($preview->{body}{receivedCallbackUrl}, 'https://shop.example/in', '... its body');
like($preview->{note}, qr/a subscription adds 5000 cents/, '... what follows');

my %dry = map {
	my ($name, $call) = @$_;
	$name => $node->sql("SELECT partner_api.enqueue_$call")
  } (
	[ sign => "sign_instance('zapi', '$kept->{instance_id}')" ],
	[ cancel => "cancel_instance('zapi', '$kept->{instance_id}')" ],
	[ delete => "delete_instances('zapi', ARRAY['$trials[0]{instance_id}', '$trials[1]{instance_id}'])" ],
	[ later => "create_instance('zapi', 'later', run_at => partner_api.clock() + interval '5 minutes')" ]);
is($node->wait_for_state($dry{$_}, 'cancelled'), 'cancelled',
	"$_ closes with what would be sent")
  foreach qw(sign cancel delete);
my $outcome = $node->action($dry{sign})->{outcome};
like($outcome->{path}, qr{^/instances/$kept->{instance_id}/token/\*\*\*/integrator/},
	'the token in a path is masked');
is($outcome->{cost_cents}, 5000, 'a sign shows its price');
my @tokens = split /\n/, $node->sql('SELECT token FROM partner_api.instance_secrets');
my $everything = $node->sql('SELECT coalesce(string_agg(h::text, E\'\\n\'), \'\')'
	  . ' FROM partner_api.action_history h WHERE dry_run');
is(scalar(grep { index($everything, $_) >= 0 }
	  @tokens, $PartnerApi::Sandbox::TOKEN, $PartnerApi::Sandbox::CLIENT_TOKEN),
	0, 'no token is shown');

$node->set_clock($sandbox, "partner_api.clock() + interval '2 minutes'");
$node->wait_for("SELECT state = 'held' AND held_for = 'dry_run'"
	  . " FROM partner_api.pending_actions WHERE action_id = $live");
pass('what was enqueued before a dry run is held');
is( $node->sql('SELECT reason FROM partner_api.trials_at_risk'
		  . " WHERE instance_id = '$kept->{instance_id}'"),
	'the server is in dry_run mode', 'a trial is at risk meanwhile');
$node->set_clock($sandbox, "'$kept->{trial_ends_at}'::timestamptz - interval '1 hour'");
$node->wait_for('SELECT held_for = \'dry_run\' FROM partner_api.pending_actions'
	  . " WHERE instance_id = '$kept->{instance_id}'");
pass('... and its sign is held, not closed');
is($requests->(), $before, 'nothing that changes anything was sent');

$node->set_option(mode => 'live');
is($node->wait_for_state($live, 'done'), 'done',
	'live again, what was held goes out');
$node->wait_for("SELECT status = 'signed' FROM partner_api.instances"
	  . " WHERE instance_id = '$kept->{instance_id}'");
is($node->wait_for_state($dry{later}, 'cancelled'), 'cancelled',
	'what was enqueued as a dry run is shown, not sent');
is(scalar $sandbox->created('later'), 0, '... also when the mode is live by then');
$node->fails_with("SELECT partner_api.retry_action($dry{sign})",
	'55000', { hint => qr/belongs to a dry run/ },
	'... and cannot be sent again');
$node->sql("SELECT * FROM partner_api.create_instance('zapi', 'shown',"
	  . q{ '{"receivedCallbackUrl": "https://shop.example/in"}', idempotency_key => 'shown')});
is(scalar $sandbox->created('shown'), 1, 'its idempotency key was not used up');

done_testing;
