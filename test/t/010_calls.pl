# Every operation, as a call that waits and as one that is enqueued: what it
# returns, what it does at the provider, and what a rollback leaves of it.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'lapse' });

# Call a waiting function on an instance; returns its row.
sub call
{
	my ($function, $id, @more) = @_;

	return $node->row("SELECT * FROM partner_api.$function("
		  . join(', ', "'zapi'", "'$id'", @more) . ')');
}

# Enqueue an operation and wait for its outcome; returns the closed action.
sub enqueue
{
	my ($function, @arguments) = @_;
	my $action = $node->sql("SELECT partner_api.enqueue_$function("
		  . join(', ', "'zapi'", @arguments) . ')');

	$node->wait_for_state($action, 'done');
	return $node->action($action);
}

# The mirror's row of an instance.
sub mirror
{
	my ($id) = @_;

	return $node->row(
		"SELECT * FROM partner_api.instances WHERE instance_id = '$id'");
}

sub create
{
	my ($name) = @_;

	return call('create_instance', $name)->{instance_id};
}

# Are two times the same, to the millisecond that providers have?
sub same_time
{
	my ($one, $two, $name) = @_;

	is( $node->sql("SELECT date_trunc('ms', '$one'::timestamptz)"
			  . " = date_trunc('ms', '$two'::timestamptz)"),
		't', $name);
	return;
}

# ---- create ----

my $row = call('create_instance', 'shop 1', "'{}'", "'customer 1'");
my $there = $sandbox->instance($row->{instance_id});

is($row->{name}, 'shop 1', 'create returns the name as given');
is($row->{customer_ref}, 'customer 1', 'create returns the customer');
is($row->{status}, 'trial', 'a new instance is a trial');
is($row->{origin}, 'created', 'it was created here');
like($there->{requested_name}, qr/^shop 1 \[pa-[0-9a-f]{8}-\d+-[0-9a-f]{8}\]$/,
	'the name that is sent carries a nonce');
same_time($row->{trial_ends_at}, $there->{due},
	'the trial ends when the provider says');
is_deeply(mirror($row->{instance_id}), $row, 'create returns the mirror row');
is( $node->sql('SELECT state FROM partner_api.action_history'
		  . " WHERE action_id = $row->{action_id}"),
	'done', 'the action is in the history');

my $action = enqueue('create_instance', "'shop 2'");

is($action->{state}, 'done', 'an enqueued create is done');
is(scalar $sandbox->created('shop 2'), 1, '... once');
is(mirror($action->{instance_id})->{name}, 'shop 2', '... and mirrored');

# ---- settings ----

my %settings = (
	sessionName => 'Shop', callRejectMessage => 'No calls',
	profileName => 'Shop', profilePictureUrl => 'https://shop.test/p.png');

$settings{$_} = "https://shop.test/$_"
  foreach qw(deliveryCallbackUrl receivedCallbackUrl
  receivedAndDeliveryCallbackUrl presenceChatCallbackUrl
  disconnectedCallbackUrl connectedCallbackUrl messageStatusCallbackUrl
  blockCallbackUrl);
$settings{$_} = JSON::PP::true
  foreach qw(callRejectAuto autoReadMessage autoReadStatus isDevice
  businessDevice disableEnqueueWhenDisconnected);

my $settings = JSON::PP->new->canonical->encode(\%settings);

$row = call('create_instance', 'shop 3', "'$settings'");
$there = $sandbox->instance($row->{instance_id})->{settings};
delete $there->{name};
is_deeply($there, \%settings, 'every setting reaches the provider');
$node->fails_with(
	"SELECT partner_api.create_instance('zapi', 'x', '{\"colour\": 1}')",
	'HV00D',
	{ message => qr/"colour"/, hint => qr/callRejectAuto.*sessionName/ },
	'an unknown setting is refused with the list of known ones');
$node->fails_with(
	"SELECT partner_api.enqueue_create_instance('zapi', 'x',"
	  . q{ '{"isDevice": "yes"}')},
	'22023', { message => qr/"isDevice" must be a boolean/ },
	'... also when enqueued, and so is a wrong type');
$node->fails_with(
	q{SELECT partner_api.create_instance('zapi', 'x', jsonb_build_object(}
	  . q{'callRejectMessage', repeat('x', 20000)))},
	'54000', { hint => qr/enqueue_create_instance/ },
	'arguments that fit no slot are refused');
is( enqueue('create_instance', "'large'",
		q{jsonb_build_object('callRejectMessage', repeat('x', 20000))})
	  ->{state},
	'done', '... and can be enqueued');

# ---- sign, update, cancel, disconnect ----

my $id = create('shop 4');
my $before = $sandbox->counters('sign_instance')->{requests};

$row = call('sign_instance', $id);
is($row->{status}, 'signed', 'sign returns the signed instance');
ok(defined $row->{signed_at}, '... with its time');
same_time($row->{provider_due_at}, $sandbox->instance($id)->{due},
	'... and the time that is paid for');
is(call('sign_instance', $id)->{status}, 'signed', 'signing twice succeeds');
is($sandbox->counters('sign_instance')->{requests} - $before,
	2, '... asks the provider');
is($sandbox->instance($id)->{effects}{signs}, 1, '... and has no effect');

$row = call('update_subscription', $id, 'true');
ok($row->{with_calls}, 'calls are added to a subscription');
ok($sandbox->instance($id)->{with_calls}, '... at the provider');

$sandbox->change($id, connected => JSON::PP::true);
$row = call('disconnect_instance', $id);
ok(!$row->{connected}, 'disconnect returns that it is not connected');
ok(!$sandbox->instance($id)->{connected}, '... at the provider');

$before = $sandbox->counters('reboot_instance')->{effects};
is(call('reboot_instance', $id)->{instance_id},
	$id, 'reboot returns the instance');
is($sandbox->counters('reboot_instance')->{effects} - $before,
	1, '... which was restarted at the provider');

$row = call('cancel_instance', $id);
$there = $sandbox->instance($id);
is($row->{status}, 'cancelling', 'cancel returns the running instance');
same_time($row->{ends_at}, $there->{ends_at},
	'... which ends when the provider says');
is(call('cancel_instance', $id)->{status}, 'cancelling', 'twice succeeds');
is($sandbox->instance($id)->{effects}{cancels}, 1, '... without an effect');

$row = call('sign_instance', create('shop 5'), 'true');
ok($row->{with_calls}, 'sign can ask for calls');
ok($sandbox->instance($row->{instance_id})->{with_calls},
	'... at the provider');

$id = create('shop 6');
$sandbox->change($id, connected => JSON::PP::true);
is(enqueue('sign_instance', "'$id'")->{state}, 'done', 'sign, enqueued');
is(enqueue('update_subscription', "'$id'", 'true')->{state},
	'done', 'update, enqueued');
is(enqueue('disconnect_instance', "'$id'")->{state},
	'done', 'disconnect, enqueued');
is(enqueue('cancel_instance', "'$id'")->{state}, 'done', 'cancel, enqueued');
is_deeply(
	$sandbox->instance($id)->{effects},
	{   creates => 1, signs => 1, updates => 1, cancels => 1, deletes => 0,
		disconnects => 1 },
	'each had its effect once');
is(mirror($id)->{status}, 'cancelling', 'and the mirror follows');

$row = call('cancel_instance', create('shop 7'));
is($row->{status}, 'cancelling', 'a trial can be cancelled');

$node->fails_with("SELECT partner_api.sign_instance('zapi', 'nobody')",
	'42704', { hint => qr/sync_instances/ },
	'an instance that is not known here cannot be signed');

# ---- delete ----

my @doomed = map { create("doomed $_") } 1 .. 5;

call('cancel_instance', $_) foreach @doomed[ 0 .. 3 ];
$node->fails_with("SELECT partner_api.delete_instance('zapi', '$doomed[0]')",
	'38000', { message => qr/failed/, detail => qr/40 days/ },
	'a refused delete says why');
is(mirror($doomed[0])->{status}, 'cancelling', '... and changes nothing');

$node->set_clock($sandbox, "now() + interval '41 days'");
is(call('delete_instance', $doomed[0])->{status}, 'deleted', 'delete');
is($sandbox->instance($doomed[0])->{state}, 'deleted', '... at the provider');
is(enqueue('delete_instance', "'$doomed[1]'")->{state},
	'done', 'delete, enqueued');
is($sandbox->instance($doomed[1])->{state}, 'deleted', '... at the provider');

my @rows = $node->rows('SELECT * FROM partner_api.delete_instances('
	  . "'zapi', ARRAY['$doomed[2]', '$doomed[4]'])");

is(scalar @rows, 2, 'a bulk delete tells of each instance');
is_deeply($rows[0],
	{ instance_id => $doomed[2], deleted => JSON::PP::true, detail => undef },
	'... of one that is gone');
is($rows[1]{instance_id}, $doomed[4], '... and of one');
ok(!$rows[1]{deleted}, '... that is not');
ok(defined $rows[1]{detail}, '... and why');
is(mirror($doomed[2])->{status}, 'deleted', 'the mirror has the first');
is(mirror($doomed[4])->{status}, 'lapsed', '... and leaves the other');

is( enqueue('delete_instances', "ARRAY['$doomed[3]']")->{state},
	'done', 'bulk delete, enqueued');
is($sandbox->instance($doomed[3])->{state}, 'deleted', '... at the provider');
is(mirror($doomed[3])->{status}, 'deleted', '... and in the mirror');

# ---- idempotency keys ----

$node->create_role('alice', 'partner_api_operator');
$node->create_role('bob', 'partner_api_operator');

my $keyed = "'zapi', 'keyed', '{}', 'c', NULL, 'key 1'";
my $first = $node->row("SELECT * FROM partner_api.create_instance($keyed)",
	role => 'alice');
my $again = $node->row("SELECT * FROM partner_api.create_instance($keyed)",
	role => 'alice');

is($again->{instance_id}, $first->{instance_id},
	'the same key and arguments give the same instance');
is( $node->sql("SELECT partner_api.enqueue_create_instance($keyed)",
		role => 'alice'),
	$first->{action_id}, '... also when enqueued');
is(scalar $sandbox->created('keyed'), 1, '... which was created once');
foreach my $function (qw(create_instance enqueue_create_instance))
{
	$node->fails_with(
		"SELECT partner_api.$function('zapi', 'other', '{}', 'c', NULL,"
		  . " 'key 1')",
		'23505', { message => qr/belongs to another call/ },
		"$function: other arguments with that key are refused",
		role => 'alice');
	$node->fails_with("SELECT partner_api.$function($keyed)",
		'23505', { detail => qr/^$/ },
		"$function: so is another role, without details",
		role => 'bob');
}

$sandbox->fault(
	operation => 'create_instance', type => 'status', status => 400,
	body => { error => 'no room' });
$keyed = "'zapi', 'unlucky', '{}', NULL, NULL, 'key 2'";
$node->fails_with("SELECT partner_api.create_instance($keyed)",
	'38000', { detail => qr/no room/ }, 'a create is refused');
$before = $sandbox->counters('create_instance')->{requests};
$node->fails_with("SELECT partner_api.create_instance($keyed)",
	'38000', { message => qr/failed/, detail => qr/no room/ },
	'its key gives the failure again');
is($sandbox->counters('create_instance')->{requests},
	$before, '... without a request');
$action = $node->sql("SELECT partner_api.enqueue_create_instance($keyed)");
$node->sql("SELECT partner_api.retry_action($action)");
is($node->wait_for_state($action, 'done'), 'done', 'retry_action sends it');
$row = $node->row("SELECT * FROM partner_api.create_instance($keyed)");
is($row->{action_id}, $action, 'the key then gives the instance');
is(scalar $sandbox->created('unlucky'), 1, '... which was created once');

# a call that comes while the first is in flight waits for the same outcome
$keyed = "'zapi', 'twins', '{}', NULL, NULL, 'key 3'";
$sandbox->fault(operation => 'create_instance', type => 'withhold');
$before = $sandbox->counters('create_instance')->{requests};

my @twins = map {
	$node->start_sql(
		"SELECT instance_id FROM partner_api.create_instance($keyed)")
} 1 .. 2;

$sandbox->wait_for_requests('create_instance', $before + 1);
$_->pid foreach @twins;
$node->drive_pass;
$sandbox->release;
my @ids = map { $_->output } @twins;
is($ids[0], $ids[1], 'two calls with one key at a time give one instance');
is(scalar $sandbox->created('twins'), 1, '... which was created once');

# ---- transactions ----

$node->sql("BEGIN; SELECT partner_api.create_instance('zapi', 'kept');"
	  . ' ROLLBACK');
is(scalar $sandbox->created('kept'), 1, 'a call in a transaction acts');
is( $node->sql('SELECT count(*) FROM partner_api.instances'
		  . " WHERE name = 'kept'"),
	1, '... and stays recorded when that rolls back');
is( $node->sql("SELECT count(*) FROM partner_api.action_history"
		  . " WHERE arguments ->> 'name' = 'kept' AND state = 'done'"),
	1, '... with its action');

$node->sql("BEGIN; SELECT partner_api.enqueue_create_instance('zapi', 'undone');"
	  . ' ROLLBACK');
$node->sql("BEGIN;"
	  . " SELECT partner_api.enqueue_create_instance('zapi', 'before');"
	  . ' SAVEPOINT s;'
	  . " SELECT partner_api.enqueue_create_instance('zapi', 'inside');"
	  . ' ROLLBACK TO s;'
	  . " SELECT partner_api.enqueue_create_instance('zapi', 'after');"
	  . ' COMMIT');
$node->wait_until_settled;
$node->drive_pass;
is(scalar $sandbox->created('undone'), 0, 'a rolled back enqueue is not sent');
is(scalar $sandbox->created('before'), 1, 'before a savepoint: sent');
is(scalar $sandbox->created('inside'), 0, 'rolled back to it: not sent');
is(scalar $sandbox->created('after'), 1, 'after it: sent');

is( $node->sql('BEGIN ISOLATION LEVEL REPEATABLE READ;'
		  . ' SELECT count(*) > 0 FROM partner_api.instances;'
		  . " SELECT name FROM partner_api.create_instance('zapi', 'new');"
		  . ' COMMIT'),
	"t\nnew", 'a REPEATABLE READ caller gets the row that it cannot see');
foreach my $function (qw(create_instance enqueue_create_instance))
{
	$node->fails_with(
		"BEGIN READ ONLY; SELECT partner_api.$function('zapi', 'never')",
		'25006', { message => qr/$function/ },
		"$function: not in a read-only transaction");
}
is(scalar $sandbox->created('never'), 0, '... and nothing is sent');

# ---- many at once ----

$node->set_option(max_concurrency => 200);
$before = $sandbox->effects('create_instance');
$node->sql("SELECT count(partner_api.enqueue_create_instance('zapi',"
	  . " 'bulk ' || i)) FROM generate_series(1, 10000) i");
$node->wait_until_settled;
is($sandbox->effects('create_instance') - $before,
	10000, '10,000 rows of one statement: every instance is created');
is($sandbox->names_created_twice, 0, '... once');
is( $node->sql("SELECT count(*), count(DISTINCT instance_id)"
		  . " FROM partner_api.instances WHERE name LIKE 'bulk %'"),
	'10000|10000', '... and mirrored');

# ---- many callers at once ----

my $worker = $node->sql('SELECT pid FROM partner_api.worker_status'
	  . ' WHERE database = current_database()');
my @callers = map {
	$node->start_sql('SELECT count(c.instance_id)'
		  . ' FROM generate_series(1, 40) i,'
		  . " LATERAL partner_api.create_instance('zapi', 'caller $_ ' || i) c")
} 1 .. 12;
is($_->output, '40', 'every call of many at once is answered')
  foreach @callers;
is( $node->sql(
		'SELECT pid FROM partner_api.worker_status'
		  . ' WHERE database = current_database()'),
	$worker,
	'... by one and the same worker');
is($sandbox->names_created_twice, 0, '... with one effect each');

done_testing();
