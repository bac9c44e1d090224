# A token that the provider refuses: what waits in the queue is held and asked
# for less and less often, which server_health shows, until the token is
# accepted, or there is another one.

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
	my ($name, $more) = @_;

	return $node->sql('SELECT partner_api.enqueue_create_instance('
		  . "'zapi', '$name'" . ($more // '') . ')');
}

sub advance
{
	my ($seconds) = @_;

	$node->set_clock($sandbox, "partner_api.clock() + interval '$seconds s'");
	$node->drive_pass;
	return;
}

sub requests
{
	return $sandbox->counters('create_instance')->{requests};
}

# Is a token refused, and for how many minutes, rounded, is the queue held?
sub refused
{
	return $node->sql('SELECT round(extract(epoch FROM max(refused_until)'
		  . ' - clock_timestamp()) / 60) FROM partner_api.server_health'
		  . ' WHERE refused_since IS NOT NULL');
}

# ---- refused ----

is(refused(), '', 'no token is refused at first');
$sandbox->config(tokens => ['another']);
is($node->wait_for_state(enqueue('first'), 'failed'),
	'failed', 'a create whose token is refused fails');
is(refused(), 1, '... and the queue is held for a minute');

my @actions = map { enqueue("held $_") } 1 .. 3;

push @actions,
  enqueue('due', q{, deadline => partner_api.clock() + interval '1 day'});
$node->drive_pass;
is(requests(), 1, 'what is enqueued then is not sent');
is($node->action_state($_), 'waiting', '... but waits') foreach @actions;
like(
	$node->sql('SELECT string_agg(DISTINCT reason, $$, $$)'
		  . ' FROM partner_api.stalled_actions'),
	qr/^the provider refuses the token/,
	'... for a reason that stalled_actions shows');
$node->fails_with(
	"SELECT partner_api.create_instance('zapi', 'called')",
	'28000',
	{ hint => qr/Check the tokens of the user mapping/ },
	'whoever waits is told at once');
is(requests(), 2, '... by the provider');
is(refused(), 1, '... which prolongs nothing');

# ---- the next one finds out ----

advance(61);
is(requests(), 3, 'after the minute one request finds out');
is(refused(), 2, '... and the next time is longer');
advance(61);
is(requests(), 3, '... and not over after a minute');
advance(61);
is(requests(), 4, '... but after two');
advance(120 * 60);
advance(120 * 60) foreach 1 .. 5;
is(refused(), 60, 'the longest time is an hour');

my $requests = requests();
my $late =
  enqueue('late', q{, deadline => partner_api.clock() + interval '20 s'});

advance(10);
$sandbox->wait_for_requests('create_instance', $requests + 1);
is($node->sql('SELECT attempts FROM partner_api.pending_actions'
		  . " WHERE action_id = $late"),
	1, 'what would be too late otherwise is sent nevertheless');
$node->sql("SELECT partner_api.cancel_action($late)");

# ---- accepted again ----

my $held = enqueue('held still');

$node->drive_pass;
is($node->action_state($held), 'waiting', 'still refused');
$sandbox->config(tokens => [$PartnerApi::Sandbox::TOKEN]);
is($node->sql("SELECT ok FROM partner_api.test_connection('zapi')"),
	't', 'a test of the connection that succeeds');
is(refused(), '', '... lifts the hold');
is($node->wait_for_state($held, 'done'),
	'done', '... and the queue goes on at once');

# ---- another token ----

$sandbox->config(tokens => ['another']);
$node->wait_for_state(enqueue('refused again'), 'failed');
$held = enqueue('for another token');
$node->drive_pass;
is($node->action_state($held), 'waiting', 'held again');
$node->sql('ALTER USER MAPPING FOR PUBLIC SERVER zapi OPTIONS'
	  . q{ (DROP token_file, ADD token 'another')});
is($node->wait_for_state($held, 'done'),
	'done', 'another token is tried at once');

# ---- a token of an instance ----

my $id = $node->sql("SELECT instance_id FROM partner_api.create_instance('zapi', 'shop')");

$sandbox->fault(operation => 'sign_instance', type => 'status', status => 401);
$node->fails_with("SELECT partner_api.sign_instance('zapi', '$id')",
	'28000', {}, 'a refusal of what carries the token of an instance too');
$node->wait_for_state(enqueue('next'), 'done');
pass('... holds nothing');

done_testing();
