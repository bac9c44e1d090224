# Dump and restore: what the extension records goes with a dump, and the
# restored database goes on where the dumped one was.  Under pg_upgrade, which
# starts servers too, nothing is sent.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'ask', list_lag => '0' });

# All that the extension records, table by table.
my @tables = split /\n/,
  $node->sql('SELECT unnest(extconfig)::regclass FROM pg_extension'
	  . " WHERE extname = 'partner_api' ORDER BY 1");
my @sequences = grep { /_seq$/ } @tables;

# What a database holds: rows of tables, next values of sequences.
sub contents
{
	my ($database) = @_;
	my %contents;

	foreach my $table (@tables)
	{
		my $query =
		  $table =~ /_seq$/
		  ? "SELECT last_value, is_called FROM $table"
		  : "SELECT count(*), md5(string_agg(t::text, chr(10)"
		  . " ORDER BY t::text)) FROM $table t";

		$contents{$table} = $node->sql($query, database => $database);
	}
	return \%contents;
}

# Dump with the given options into a file; returns its path.
sub dump_to
{
	my ($name, @options) = @_;
	my $path = $node->basedir . "/$name";

	command_ok(
		[ 'pg_dump', '-f', $path, @options, $node->connstr('postgres') ],
		"pg_dump of $name");
	return $path;
}

# The installation that is in force.
sub installation
{
	my ($database) = @_;

	return $node->sql(
		'SELECT installation_id FROM partner_api.installation'
		  . ' ORDER BY established_at LIMIT 1',
		database => $database);
}

# ---- something of everything ----

my $id = $node->sql(
	"SELECT instance_id FROM partner_api.create_instance('zapi', 'shop',"
	  . " customer_ref => 'customer', idempotency_key => 'key')");

# signed, cancelled and signed again: two subscriptions
my $again = $node->sql(
	"SELECT instance_id FROM partner_api.create_instance('zapi', 'again')");

$sandbox->config(cancel_rule => 'immediate');
$node->sql("SELECT partner_api.$_('zapi', '$again')")
  foreach qw(sign_instance cancel_instance sign_instance);
is( $node->sql('SELECT f.replaced_at = i.signed_at AND f.cancelled_at'
		  . ' BETWEEN f.signed_at AND i.signed_at'
		  . ' FROM partner_api.former_subscriptions f'
		  . ' JOIN partner_api.instances i USING (server, instance_id)'),
	't', 'the first subscription is kept beside the second');

$sandbox->seed(name => 'foreign', state => 'signed');
$node->sql("SELECT partner_api.sync_instances('zapi');"
	  . " SELECT partner_api.approve_trial('zapi', '$id');"
	  . " SELECT partner_api.enqueue_create_instance('zapi', 'open',"
	  . "   run_at => now() + interval '1 day', idempotency_key => 'open');"
	  . ' SELECT partner_api.set_clock(now() + interval \'1 hour\')');
$node->sql('INSERT INTO partner_api.mirror_backlog'
	  . ' SELECT min(event_id) FROM partner_api.instance_events;'
	  . " INSERT INTO partner_api.token_quotas VALUES ('zapi', 'f', 25, false);"
	  . ' INSERT INTO partner_api.cap_alerts'
	  . " VALUES ('zapi', 'token_quota', 'f', partner_api.clock())");
# of another server, so that nothing is kept from being sent
$node->sql('INSERT INTO partner_api.server_pauses'
	  . " VALUES ('elsewhere', 'moved', partner_api.clock(), 'shop')");
$node->sql("SELECT partner_api.test_connection('zapi')");
$node->sql('INSERT INTO partner_api.request_windows'
	  . " VALUES ('elsewhere', 'f', partner_api.clock(),"
	  . " partner_api.clock() + interval '1 day', 2, 1)");
$node->sql("INSERT INTO partner_api.former_nonces VALUES (1, 'pa-former')");
$node->sql("INSERT INTO partner_api.action_secrets VALUES (1, '{}')");
$node->sql("SELECT partner_api.note_object('elsewhere', o, '1', 'created',"
	  . q{ NULL, '{"client_id": "1"}')}
	  . " FROM unnest(ARRAY['plan', 'subscription', 'client', 'card']) o");

# one that is not due while this runs
$node->sql(q{SELECT partner_api.add_routine('leap', '0 0 29 2 *', 'SELECT 1')}
);

# customers, what they are charged, and what they pay
$node->sql(<<'END');
SET search_path = partner_api;
INSERT INTO customers (server, customer_ref, origin, created_at)
VALUES ('elsewhere', 'c-1', 'local', clock());
INSERT INTO plan_terms (server, plan_id) VALUES ('elsewhere', '1');
WITH i AS (
	INSERT INTO invoices (server, subscription_id, customer_ref, plan_server,
		plan_id, period_start, period_end, issued_on, due_on, amount_cents,
		billing_type, status, charge_id, issued_at)
	VALUES ('elsewhere', 's-1', 'c-1', 'elsewhere', '1', '2030-01-01',
			'2030-01-31', '2030-01-01', '2030-01-06', 9900, 'PIX', 'open',
			'pay_1', clock())
	RETURNING invoice_id), l AS (
	INSERT INTO invoice_lines (invoice_id, line, kind, description,
							   amount_cents)
	SELECT invoice_id, 1, 'plan', 'Gold', 9900 FROM i)
INSERT INTO dunning_steps (invoice_id, step, taken_at)
SELECT invoice_id, 'notify', clock() FROM i;
INSERT INTO payments (server, charge_id, observed_at, learned_at, origin)
VALUES ('elsewhere', 'pay_1', clock(), clock(), 'created');
INSERT INTO payment_events (server, event_id, charge_id, source, received_at,
							outcome)
VALUES ('elsewhere', 'evt_1', 'pay_1', 'webhook', clock(), 'applied');
SELECT set_message_template('paid', 'Thanks, {name}', '{paid_amount}');
END
$node->sql("ALTER SYSTEM SET partner_api.databases = ''");
$node->reload;
$node->wait_for('SELECT count(*) = 0 FROM pg_stat_activity'
	  . " WHERE backend_type = 'partner_api worker'");

my $dumped = contents('postgres');
my $creates = $sandbox->counters('create_instance')->{requests};

foreach my $table (grep { !/billing_|_seq$/ } @tables)
{
	unlike($dumped->{$table}, qr/^0\|/, "$table has something to dump");
}

# ---- restored as text, and in the custom format ----

my $text = dump_to('text.sql');
my $custom = dump_to('custom.dump', '-Fc');

$node->sql('CREATE DATABASE from_text');
command_ok(
	[   'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d',
		$node->connstr('from_text'), '-f', $text ],
	'restored with psql');
$node->sql('CREATE DATABASE from_custom');
command_ok(
	[   'pg_restore', '--exit-on-error', '-d',
		$node->connstr('from_custom'), $custom ],
	'restored with pg_restore');

foreach my $database ('from_text', 'from_custom')
{
	my $restored = contents($database);

	# beside the restored row there is the one that the restore made
	is( $node->sql(
			'SELECT count(*) FROM partner_api.installation',
			database => $database),
		2, "$database: an installation is restored beside the new one");
	is(installation($database), installation('postgres'),
		'... and is in force, as the older one');
	like($restored->{'partner_api.installation_secrets'},
		qr/^1\|/, '... what keys the fingerprints of cards is one row');
	delete $restored->{'partner_api.installation'};
	is_deeply(
		$restored,
		{   map { $_ => $dumped->{$_} }
			grep { $_ ne 'partner_api.installation' } @tables },
		'... all that was recorded is there, sequences included');
	is( $node->sql(
			'SELECT count(*) FROM partner_api.clock_offset',
			database => $database),
		0, '... but not the turned clock');

	# going on: no number is used twice, and keys are known
	my $max = $node->sql(
		'SELECT greatest(max(action_id), (SELECT max(action_id)'
		  . ' FROM partner_api.action_history))'
		  . ' FROM partner_api.pending_actions',
		database => $database);
	my $action = $node->sql(
		"SELECT partner_api.enqueue_sign_instance('zapi', '$id')",
		database => $database);

	cmp_ok($action, '>', $max, '... actions are numbered on');
	like(
		$node->sql(
			'SELECT nonce FROM partner_api.pending_actions'
			  . " WHERE action_id = $action", database => $database),
		qr/^pa-@{[ installation('postgres') ]}-$action-/,
		'... with nonces of the same installation');
	is( $node->sql(
			"SELECT partner_api.enqueue_create_instance('zapi', 'open',"
			  . " idempotency_key => 'open') < $action",
			database => $database),
		't', '... a key names the action that it named');
	$node->fails_with(
		"SELECT partner_api.enqueue_create_instance('zapi', 'other',"
		  . " idempotency_key => 'open')",
		'23505', { message => qr/belongs to another call/ },
		'... and no other', database => $database);
	is( $node->sql(
			'INSERT INTO partner_api.instance_events'
			  . ' (server, instance_id, kind, occurred_at)'
			  . " VALUES ('zapi', 'x', 'changed', now())"
			  . ' RETURNING event_id > (SELECT count(*)'
			  . ' FROM partner_api.instance_events)',
			database => $database),
		't', '... events are numbered on');
	is( $node->sql(
			"SELECT ok FROM partner_api.test_connection('zapi')",
			database => $database),
		't', '... and server and mapping are there');
}
is($sandbox->counters('create_instance')->{requests},
	$creates, 'a database that is not listed sends nothing');

# ---- schema only ----

$node->sql('CREATE DATABASE empty');
command_ok(
	[   'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d',
		$node->connstr('empty'), '-f', dump_to('schema.sql', '-s') ],
	'a schema-only dump is restored');
is( $node->sql(
		'SELECT (SELECT count(*) FROM partner_api.instances)'
		  . ' + (SELECT count(*) FROM partner_api.instance_secrets)'
		  . ' + (SELECT count(*) FROM partner_api.pending_actions)',
		database => 'empty'),
	0, '... without rows');
isnt(installation('empty'), installation('postgres'),
	'... and is an installation of its own');

# A dump that holds the rows holds the tokens too, without which nothing
# could be signed; it does not hold the partner's.
my $token = $sandbox->instance($id)->{token};
like(slurp_file($text), qr/\Q$token\E/, 'a dump holds instance tokens');
unlike(slurp_file($text), qr/\Q$PartnerApi::Sandbox::TOKEN\E/,
	'... but not the partner token, which is in a file');

# ---- pg_upgrade ----

# An action that is due, and nothing that keeps a worker from sending it,
# except that the server is started as pg_upgrade starts it.
$node->sql('SELECT partner_api.reset_clock();'
	  . ' DELETE FROM partner_api.mirror_backlog;'
	  . " SELECT partner_api.enqueue_create_instance('zapi', 'due');"
	  . ' ALTER SYSTEM RESET partner_api.databases');
$node->stop;

my $requests = scalar $sandbox->requests;
my @upgrade = (
	'pg_ctl', '-w', '-D', $node->data_dir, '-l', $node->logfile, '-o',
	"-b --cluster-name=upgrade -c log_min_messages=debug1");

system_or_bail(@upgrade, 'start');

my $seen = $node->sql(
	'SELECT count(*), count(*) FILTER (WHERE backend_type'
	  . " LIKE 'partner_api%') FROM pg_stat_activity");
my $ready = $node->sql(
	'SELECT count(*) FROM partner_api.pending_actions WHERE run_at < now()');

system_or_bail(@upgrade, '-m', 'fast', 'stop');
like($seen, qr/^[1-9]\d*\|0$/,
	'a server in binary upgrade mode starts neither launcher nor worker');
is($ready, 1, '... although there is something to send');
is(scalar $sandbox->requests, $requests, '... so nothing is sent');

# The whole of it, between two clusters that preload the library.
my $upgraded = PartnerApi::Cluster->new('upgraded');

# it writes into the current directory
chdir $PostgreSQL::Test::Utils::tmp_check
  or die "could not change to $PostgreSQL::Test::Utils::tmp_check: $!";
$upgraded->init;
command_ok(
	[   'pg_upgrade', '--no-sync',
		'-d', $node->data_dir, '-D', $upgraded->data_dir,
		'-b', $node->config_data('--bindir'),
		'-B', $node->config_data('--bindir'),
		'-s', $node->host, '-p', $node->port, '-P', $upgraded->port ],
	'pg_upgrade');
is(scalar $sandbox->requests, $requests, '... sends nothing');
$upgraded->start;
$upgraded->poll(
	'SELECT state FROM partner_api.worker_status', qr/^unconfirmed$/);
is(scalar $sandbox->requests,
	$requests, '... nor does the upgraded cluster, until it is confirmed');
$upgraded->sql("SELECT partner_api.confirm_identity('keep')");
$upgraded->wait_until_settled(q{arguments->>'name' = 'due'});
is(scalar $sandbox->created('due'),
	1, '... then it sends what is due, once');
is($sandbox->names_created_twice, 0, 'nothing was ever created twice');

done_testing();
