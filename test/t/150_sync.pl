# sync_instances(): the provider's list brought into the mirror, whole or not
# at all.

use strict;
use warnings;
use utf8;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'sign', list_lag => '0' });

# Sync and test the four counts.
sub sync_is
{
	my ($counts, $name) = @_;
	my $sync = $node->row("SELECT * FROM partner_api.sync_instances('zapi')");

	is(join(' ', map { "$_ $sync->{$_}" } qw(seen added changed missing)),
		$counts, $name);
	return;
}

sub create
{
	my ($name) = @_;

	return $node->sql('SELECT instance_id'
		  . " FROM partner_api.create_instance('zapi', '$name')");
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

# Is a time of the mirror the one that the provider has?
sub same_time
{
	my ($here, $there, $name) = @_;

	is( $node->sql("SELECT date_trunc('ms', '$here'::timestamptz)"
			  . " = '$there'::timestamptz"),
		't', $name);
	return;
}

# Everything that a sync could have changed.
sub fingerprint
{
	return join ' ', map {
		$node->sql("SELECT md5(string_agg(t::text, '' ORDER BY t::text))"
			  . " FROM partner_api.$_ t")
	} qw(instances instance_events instance_secrets pending_actions);
}

# ---- what both sides know ----

my $ours = create('ours');
my $cancelled = create('cancelled');

sync_is('seen 2 added 0 changed 2 missing 0',
	'the first list tells the payment status of what we created');
is(mirror($ours)->{payment_status}, 'TRIAL', '... in the provider\'s words');
sync_is('seen 2 added 0 changed 0 missing 0', '... the second nothing new');
ok(mirror($ours)->{last_seen_at}, '... but when it was seen');
is(mirror($ours)->{name}, 'ours', 'the name stays as given');

# The provider's end wins over what was known.
$sandbox->change($ours, due => '2100-01-02T03:04:05.678Z');
sync_is('seen 2 added 0 changed 1 missing 0', 'a trial with another end');
same_time(mirror($ours)->{trial_ends_at}, '2100-01-02T03:04:05.678Z',
	'... ends when the provider says');
is(events($ours), 'created changed changed', '... which is an event');
my $sign = $node->row('SELECT * FROM partner_api.pending_actions'
	  . " WHERE instance_id = '$ours' AND kind = 'sign_instance'");
same_time($sign->{deadline}, '2100-01-02T03:04:05.678Z',
	'... and so does the time until which it can be signed');
same_time($sign->{run_at}, '2100-01-01T21:04:05.678Z',
	'... and the time at which it is');

$node->sql("SELECT partner_api.sign_instance('zapi', '$cancelled');"
	  . " SELECT partner_api.cancel_instance('zapi', '$cancelled')");
$sandbox->change($cancelled, ends_at => '2099-12-31T00:00:00Z',
	due => '2099-12-31T00:00:00Z');
sync_is('seen 2 added 0 changed 1 missing 0', 'a cancel with another end');
same_time(mirror($cancelled)->{ends_at}, '2099-12-31T00:00:00Z',
	'... ends when the provider says');

# ---- what was made elsewhere ----

my %foreign = map {
	$_ => $sandbox->seed(name => "foreign $_", state => $_, connected => \1)
	  ->{id}
} qw(trial signed cancelling);

sync_is('seen 5 added 3 changed 0 missing 0', 'foreign instances are added');
foreach my $state (sort keys %foreign)
{
	my $row = mirror($foreign{$state});
	my $there = $sandbox->instance($foreign{$state});

	is("$row->{origin} $row->{status} $row->{name}",
		"imported $state foreign $state", "... one that is $state");
	ok($row->{connected}, '... and connected');
	same_time($row->{provider_due_at}, $there->{due}, '... with its end');
	is(events($foreign{$state}), 'imported', '... and an event');
}
same_time(mirror($foreign{cancelling})->{ends_at},
	$sandbox->instance($foreign{cancelling})->{ends_at},
	'what is in cancellation ends when the provider says');
is( $node->sql('SELECT reason FROM partner_api.trials_at_risk'
		  . " WHERE instance_id = '$foreign{trial}'"),
	'not created here: nothing signs it', 'a foreign trial is at risk');
is( $node->sql("SELECT string_agg(instance_id, ' ' ORDER BY name)"
		  . ' FROM partner_api.unmatched_instances'),
	"$foreign{cancelling} $foreign{signed} $foreign{trial}",
	'foreign ones are unmatched');
is( $node->sql('SELECT status'
		  . " FROM partner_api.sign_instance('zapi', '$foreign{trial}')"),
	'signed', 'and can be worked with: their tokens are known');
$node->sql("UPDATE partner_api.instances SET customer_ref = 'taken over'"
	  . " WHERE instance_id = '$foreign{trial}'");
unlike($node->sql('SELECT instance_id FROM partner_api.unmatched_instances'),
	qr/$foreign{trial}/, 'one that is given to a customer is matched');

# ---- what was done elsewhere ----

my $trial = create('signed elsewhere');
$sandbox->change($trial, state => 'signed');
sync_is('seen 6 added 0 changed 2 missing 0', 'what was signed elsewhere');
is(mirror($trial)->{status}, 'signed', '... is signed');
is(events($trial), 'created signed', '... which is an event');
ok(mirror($trial)->{signed_at}, '... with a time');
$node->wait_for('SELECT count(*) = 0 FROM partner_api.pending_actions'
	  . " WHERE instance_id = '$trial'");
is( $node->sql('SELECT state FROM partner_api.action_history'
		  . " WHERE instance_id = '$trial' AND automatic"),
	'cancelled', '... and the sign that was scheduled is withdrawn');
is($sandbox->instance($trial)->{effects}{signs}, 0, '... unsent');

$sandbox->change($trial, state => 'cancelling');
sync_is('seen 6 added 0 changed 1 missing 0', 'what was cancelled elsewhere');
is(mirror($trial)->{status}, 'cancelling', '... runs out');
same_time(mirror($trial)->{ends_at}, $sandbox->instance($trial)->{due},
	'... when the provider says');
is(events($trial), 'created signed cancelled', '... which is an event');

# ---- what is missing, and comes back ----

$sandbox->change($foreign{signed}, state => 'deleted');
sync_is('seen 5 added 0 changed 0 missing 1', 'what the list lacks');
ok(mirror($foreign{signed})->{missing_since}, '... is missing since now');
is(mirror($foreign{signed})->{status}, 'signed', '... but not given up');
is( $node->sql('SELECT reason FROM partner_api.unmatched_instances'
		  . " WHERE instance_id = '$foreign{signed}'"),
	'missing at the provider', '... and unmatched');
sync_is('seen 5 added 0 changed 0 missing 0', '... said once');
$sandbox->change($foreign{signed}, state => 'signed');
sync_is('seen 6 added 0 changed 1 missing 0', '... until it is back');
ok(!defined mirror($foreign{signed})->{missing_since}, '... in the mirror');
is(events($foreign{signed}), 'imported missing found_again',
	'... all of which are events');

# A list may lag behind a create.
$node->set_option('list_lag', '1 day');
$sandbox->config(list_lag_seconds => 3600);
my $young = create('young');
sync_is('seen 6 added 0 changed 0 missing 0',
	'what the list does not show yet is not missing');
$sandbox->config(list_lag_seconds => 0);
$node->set_option('list_lag', '0');
is($node->sql("SELECT count(*) FROM partner_api.pending_actions"
		  . " WHERE instance_id = '$young'"),
	1, '... and keeps its sign');

# ---- adopted: made by us, but not recorded ----

my $lost = create('lost');
$node->sql("DELETE FROM partner_api.instances WHERE instance_id = '$lost';"
	  . "DELETE FROM partner_api.instance_secrets WHERE instance_id = '$lost';"
	  . "DELETE FROM partner_api.pending_actions WHERE instance_id = '$lost'");

# One like it, but of another installation
my $nonce = $sandbox->instance($lost)->{name} =~ s/^lost //r;
my $other = $sandbox->seed(name => "theirs [pa-00000000-1-00000000]")->{id};
my $fake = $sandbox->seed(name => "$nonce not at the end")->{id};
$node->sql("SELECT partner_api.sync_instances('zapi')");
my $row = mirror($lost);
is("$row->{origin} $row->{name} $row->{status}",
	'adopted lost trial', 'a trial with our nonce is adopted');
ok($row->{token_fingerprint}, '... with the token that made it');
is($row->{trial_end}, 'sign', '... and is to be signed, as the server says');
$node->wait_for('SELECT count(*) = 1 FROM partner_api.pending_actions'
	  . " WHERE instance_id = '$lost' AND kind = 'sign_instance'"
	  . ' AND automatic');
ok(1, '... so its sign is scheduled');
is(mirror($_)->{origin}, 'imported', 'another nonce, or place, is not ours')
  foreach $other, $fake;

# ... but an action that waits for its answer is the worker's to settle.
$sandbox->fault(operation => 'create_instance', type => 'withhold');
my $before = $sandbox->counters('create_instance')->{requests};
my $call = $node->start_sql('SELECT origin, customer_ref FROM'
	  . " partner_api.create_instance('zapi', 'open', '{}', 'customer')");
$sandbox->wait_for_requests('create_instance', $before + 1);
sync_is('seen 10 added 0 changed 0 missing 0',
	'a list that shows a create which is not answered yet');
$sandbox->release;
is($call->output, 'created|customer', '... leaves it to the answer');

# ---- nothing by halves ----

$sandbox->config(page_size_max => 2);
$sandbox->seed(name => 'added between');
$sandbox->change($foreign{signed}, state => 'deleted');
$before = fingerprint();
foreach my $fault (
	[ 'status 500', { type => 'status', status => 500 }, 'HV000' ],
	[ 'status 429', { type => 'rate_limit' }, '53400' ],
	[ 'status 401', { type => 'status', status => 401 }, '28000' ],
	[ 'a page', { type => 'html' }, 'HV00M' ],
	[ 'half a list', { type => 'truncate' }, 'HV00N' ],
	[ 'half a text', { type => 'cut' }, 'HV00M' ],
	[ 'an empty body', { type => 'empty' }, 'HV00M' ],
	[ 'no content',
		{ type => 'status', status => 200, body => { total => 1 } },
		'HV00M' ],
	[ 'wrong types', { type => 'wrong_types' }, 'HV00M' ],
	[ 'no answer', { type => 'reset_before', times => 0 }, 'HV00N' ])
{
	my ($name, $rule, $sqlstate) = @$fault;

	$sandbox->fault(operation => 'list_instances', skip => 3, %$rule);
	$node->fails_with(
		"SELECT * FROM partner_api.sync_instances('zapi')",
		$sqlstate, { message => qr/server "zapi"/ },
		"a list whose fourth page is $name");
	is(fingerprint(), $before, '... changes nothing');
	$sandbox->clear_faults;
}
sync_is('seen 10 added 1 changed 1 missing 1', 'whole, it does');
$sandbox->config(list_order => 'newest');
sync_is('seen 10 added 0 changed 0 missing 0', 'in any order');

# A rollback undoes a sync, which has changed nothing at the provider.
$sandbox->seed(name => 'rolled back');
$before = fingerprint();
$node->sql("BEGIN; SELECT partner_api.sync_instances('zapi'); ROLLBACK");
is(fingerprint(), $before, 'a rollback undoes it');

# ---- many ----

$sandbox->config(page_size_max => 0);
$sandbox->seed(count => 2000, prefix => 'bulk ', state => 'signed');
sync_is('seen 2011 added 2001 changed 0 missing 0', 'many instances');
is( $node->sql('SELECT count(DISTINCT name) FROM partner_api.instances'
		  . " WHERE name LIKE 'bulk %'"),
	2000, '... each once');

# ---- a database that cannot hold every name ----

$node->sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0"
	  . " LC_COLLATE 'C' LC_CTYPE 'C'");
$node->sql('CREATE EXTENSION partner_api', database => 'latin');
$sandbox->reset_all;
$sandbox->seed(name => 'Pão de Açúcar', state => 'signed');
$sandbox->seed(name => 'Preço em €', state => 'signed');
$node->create_server($sandbox, database => 'latin');
$node->sql("SELECT partner_api.sync_instances('zapi')",
	database => 'latin');
my $names = $node->sql(
	"SELECT string_agg(encode(convert_to(name, 'UTF8'), 'hex'), ' '"
	  . ' ORDER BY name) FROM partner_api.instances',
	database => 'latin');
my ($lossy, $shown) = map { pack 'H*', $_ } split / /, $names;

utf8::decode($shown);
ok($shown eq 'Pão de Açúcar', 'a name that the database has characters for')
  or diag($names);
like($lossy, qr/^Pre.+o em .+$/, 'one that it lacks some for is kept');

done_testing();
