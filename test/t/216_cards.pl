# Card data is not kept, so what carries it is sent at once or not at all: it
# is not left waiting, not sent again, and a key that was used with one card
# is not that of another.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => {
		name => 'zs', provider => 'zsystems', circuit_failures => 0 });
my $NUMBER = '4111111111111111';
my $OTHER_NUMBER = '5555555555554444';
my $client = $node->sql('SELECT client_id FROM partner_api.create_client('
	  . "'zs', name => 'Ana', document => '52998224725')");

# SQL that stores a card.
sub store
{
	my (%arguments) = @_;
	my $number = $arguments{number} // $NUMBER;
	my $more = defined $arguments{key}
	  ? ", idempotency_key => '$arguments{key}'"
	  : '';

	return "SELECT * FROM partner_api.store_card('zs', '$client', '{"
	  . qq("holder": "ANA", "number": "$number", "security_code": "123",)
	  . qq( "valid_until": "12/2099"}'$more) . ')';
}

sub requests
{
	return $sandbox->counters('store_card')->{requests} // 0;
}

# Actions with a card that were ever recorded.
sub recorded
{
	return $node->sql('SELECT count(*) FROM ('
		  . ' SELECT kind FROM partner_api.pending_actions UNION ALL'
		  . ' SELECT kind FROM partner_api.action_history) a'
		  . " WHERE kind = 'store_card'");
}

# ---- what cannot be sent now is not recorded ----

$node->sql("SELECT partner_api.pause('zs', 'audit')");
$node->fails_with(
	store(key => 'k1'), '55000',
	{
		message => qr/server "zs" is paused/,
		detail => qr/Nothing was sent or recorded: card data is not kept/
	},
	'a paused server takes no card');
is(recorded(), 0, '... and no action is left waiting');
is($node->sql('SELECT count(*) FROM partner_api.idempotency_keys'),
	0, '... nor its key taken');
$node->sql("SELECT partner_api.resume('zs')");
is(requests(), 0, '... nor is one sent later');

# ---- done, once for a key ----

my $card = $node->row(store(key => 'k1'));

is($card->{client_id}, $client, 'a card is stored for its client');
is($card->{last_digits}, '1111', '... of which the last digits are kept');
is($node->row(store(key => 'k1', number => '4111 1111 1111 1111'))->{card_id},
	$card->{card_id}, 'the same key and card give the same answer');
$node->fails_with(
	store(key => 'k1', number => $OTHER_NUMBER), '23505', {},
	'another card is another call');
is(requests(), 1, '... and nothing was sent for them');
like(
	$node->sql("SELECT arguments->>'card_fingerprint'"
		  . ' FROM partner_api.action_history'
		  . " WHERE kind = 'store_card'"),
	qr/^[0-9a-f]{64}$/,
	'the row has a fingerprint of the number');
isnt(
	$node->sql("SELECT encode(sha256('$NUMBER'), 'hex')"),
	$node->sql("SELECT arguments->>'card_fingerprint'"
		  . ' FROM partner_api.action_history'
		  . " WHERE kind = 'store_card'"),
	'... which is keyed');
$node->create_role('reader', 'partner_api_reader');
$node->fails_with('SELECT * FROM partner_api.installation_secrets',
	'42501', {}, '... with what nobody reads', role => 'reader');

# ---- one at a time for a client: the other waits in its call alone ----

my $before = requests();

$sandbox->fault(operation => 'store_card', type => 'withhold');
my $first = $node->start_sql(store());

$sandbox->wait_for_requests('store_card', $before + 1);
$node->fails_with(
	q(SET partner_api.call_timeout = '100ms'; )
	  . store(number => $OTHER_NUMBER),
	'57014', { detail => qr/withdrawn; nothing was sent/ },
	'a call whose turn does not come is withdrawn');
is(recorded(), 2, '... and was never recorded');
$sandbox->release;
like($first->output, qr/1111/, '... while the first is done');
is(requests(), $before + 1, '... alone');

# ---- what would be sent again fails ----

$before = requests();
$sandbox->fault(operation => 'store_card', type => 'status', status => 429,
	headers => { 'Retry-After' => 0 });
$node->fails_with(
	store(), '53400',
	{ detail => qr/card data is not kept: make the call again/ },
	'"come again" ends a call with a card');
my $failed = $node->sql('SELECT max(action_id) FROM partner_api.action_history'
	  . " WHERE kind = 'store_card' AND state = 'failed'");

ok($failed, '... as failed');
$node->fails_with("SELECT partner_api.retry_action($failed)",
	'55000', { hint => qr/card data was not kept/ },
	'... and nobody can have it sent again');
$node->set_clock($sandbox, "partner_api.clock() + interval '1 hour'");
$node->drive_pass;
is(requests(), $before + 1, '... nor is it');

# ---- lost: looked for, and left to a person ----

$before = requests();
$sandbox->fault(operation => 'store_card', type => 'reset_before');
$node->fails_with(store(), '08007', {}, 'an answer that was lost is unknown');
my $lost = $node->sql('SELECT action_id FROM partner_api.pending_actions'
	  . " WHERE kind = 'store_card'");

foreach (1 .. 3)
{
	$node->set_clock($sandbox, "partner_api.clock() + interval '10 min'");
	$node->drive_pass;
}
$node->wait_for_state($lost, 'needs_attention');
is(requests(), $before + 1, '... and not repeated');
$node->fails_with("SELECT partner_api.retry_action($lost)",
	'55000', { hint => qr/card data was not kept/ }, '... by nobody');
$node->sql("SELECT partner_api.resolve_action($lost, NULL)");

# ---- shown without it ----

$node->set_option(mode => 'dry_run', 'zs');
my $error = $node->error(store());

is($error->{sqlstate}, 'PA001', 'a dry run shows the request');
like($error->{detail}, qr/"titular": ?"\*\*\*"/, '... with a mask for a card');
unlike($error->{text}, qr/$NUMBER/, '... and not its number');
done_testing();
