# Secrets stay secret: with tokens in files, neither the partner token, nor
# the client token, nor a token of an instance is in the server's log, in
# what the server shows of its sessions and statements, in any table or view
# but instance_secrets, or in an error, also where the provider repeats it.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

# Unlike any other text, so that finding one means that it got out.
my $token = 'ptoken-QkVBUkVS.c2VjcmV0-Zm9yLXRlc3Rz_4711';
my $client_token = 'Cclient4712SecretOfTheAccount';

my $sandbox = PartnerApi::Sandbox->new(
	token => $token,
	'client-token' => $client_token);
my $node = PartnerApi::Cluster->launch(
	'main', $sandbox,
	server => {
		trial_end => 'lapse', list_lag => '0', circuit_failures => 0,
		token => $token, client_token => $client_token },
	conf => <<'CONF');
shared_preload_libraries = 'partner_api, pg_stat_statements'
log_statement = all
log_min_messages = debug1
log_min_error_statement = debug1
log_error_verbosity = verbose
log_min_duration_statement = 0
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_connections = on
pg_stat_statements.track = all
pg_stat_statements.track_utility = on
track_activity_query_size = 100kB
CONF

$node->sql('CREATE EXTENSION pg_stat_statements');
$node->create_role('reader', 'partner_api_reader');
$node->create_role('operator', 'partner_api_operator');

# All that anybody has been shown, piece by piece: [where, text].
my @shown;

sub show
{
	my ($where, $text) = @_;

	push @shown, [ $where, $text ];
	return $text;
}

# Run SQL as the operator and keep what psql prints, errors included.
sub run
{
	my ($sql) = @_;
	my ($out, $err);

	$node->psql('postgres', "\\set VERBOSITY verbose\n$sql",
		stdout => \$out, stderr => \$err, on_error_stop => 0,
		extra_params => [ '-U', 'operator' ]);
	show("output of $sql", $out);
	show("errors of $sql", $err);
	return ($out, $err);
}

# What the server shows of its sessions, at a moment when requests are open.
sub look_at_sessions
{
	my ($when) = @_;

	show("pg_stat_activity $when",
		$node->sql('SELECT string_agg(a::text, chr(10))'
			  . ' FROM pg_stat_activity a'));
	show("worker_status $when",
		$node->sql('SELECT string_agg(w::text, chr(10))'
			  . ' FROM partner_api.worker_status w'));
	return;
}

# ---- all goes well ----

run("SELECT * FROM partner_api.test_connection('zapi')");
my ($id) =
  run("SELECT instance_id FROM partner_api.create_instance('zapi', 'marker')");
my $instance_token = $sandbox->instance($id)->{token};

foreach my $call (
	"sign_instance('zapi', '$id')",
	"update_subscription('zapi', '$id', true)",
	"instance_status('zapi', '$id')", "instance_qr('zapi', '$id')",
	"instance_qr_url('zapi', '$id')",
	"phone_code('zapi', '$id', '5511999990000')",
	"remote_instances('zapi')", "sync_instances('zapi')",
	"disconnect_instance('zapi', '$id')",
	"cancel_instance('zapi', '$id')",
	"delete_instance('zapi', '$id')",
	"delete_instances('zapi', ARRAY['$id'])")
{
	run("SELECT * FROM partner_api.$call");
}
run("SELECT partner_api.enqueue_create_instance('zapi', 'enqueued')");
$node->wait_until_settled;

# ---- the provider repeats what we sent ----

# Every way in which an answer may hold a token: told in an error with each
# kind of status, in a page, in broken JSON, and so long that it is cut.
my $ours = "$token $client_token";
my $all = "$ours $instance_token";
my @bodies = (
	{ error => "Client-Token $client_token not allowed" },
	{ error => "bad token $all" },
	{ message => "token $all in /instances/x/token/$instance_token" },
	{ error => { token => $token, client => $client_token } },
	"Bad Credentials: Bearer $all",
	"<html><body>$all</body></html>",
	"{\"error\": \"$all",
	{ error => ('x' x 985) . " $token" },
	{ error => ('x' x 980) . " $instance_token" },
	{ error => ('x' x 65_530) . " $token" });

my @statuses = (200, 400, 401, 404, 429, 500);

# One instance for each sign, since an unknown outcome holds up the next.
my @seeded = map { "seeded$_" } 1 .. @statuses * @bodies;
$sandbox->seed(id => $_, token => $instance_token, state => 'trial')
  foreach @seeded;
run("SELECT * FROM partner_api.sync_instances('zapi')");
foreach my $status (@statuses)
{
	foreach my $body (@bodies)
	{
		my $seeded = pop @seeded;

		$sandbox->fault(type => 'status', times => 0, status => $status,
			body => $body);
		run("SET partner_api.call_timeout = '100 ms';"
			  . " SELECT partner_api.sign_instance('zapi', '$seeded')");
		run("SELECT partner_api.instance_status('zapi', '$seeded')");
		$sandbox->clear_faults;
		next if $status != 429;
		# what was sent away goes out, and nothing waits any more
		$node->set_clock($sandbox, "partner_api.clock() + interval '1 min'");
		$node->drive_pass;
	}
	$sandbox->fault(type => 'status', times => 0, status => $status,
		body => { error => "bad token: $ours" });
	run("SELECT * FROM partner_api.remote_instances('zapi')");
	run("SELECT * FROM partner_api.test_connection('zapi')");
	$sandbox->clear_faults;
}

# A list holds the tokens of all its instances, also one that is cut short.
foreach my $fault (
	{ type => 'truncate' },
	{ type => 'cut' },
	{ type => 'wrong_types' },
	{   type => 'status', status => 200,
		body => { content => 1, token => $instance_token } },
	{   type => 'status', status => 400,
		body => "{\"content\": [{\"id\": \"x\", \"token\": \"$instance_token\"" },
	{   type => 'status', status => 500,
		body => { content => [ { id => 'x', token => $instance_token } ] } })
{
	$sandbox->fault(%$fault, operation => 'list_instances', times => 0);
	run("SELECT * FROM partner_api.remote_instances('zapi')");
	run("SELECT * FROM partner_api.sync_instances('zapi')");
	run("SELECT * FROM partner_api.test_connection('zapi')");
	$sandbox->clear_faults;
}
foreach my $status (200, 400, 500)
{
	foreach my $body (
		{ error => "not now: $ours" },
		{ error => 'not now', token => $instance_token },
		{ token => $instance_token, due => 1 })
	{
		$sandbox->fault(operation => 'create_instance', type => 'status',
			status => $status, body => $body);
		run("SELECT partner_api.create_instance('zapi', 'refused')");
	}
	$sandbox->fault(operation => 'delete_instances', type => 'status',
		status => 200,
		body => { results =>
			  [ { id => $id, deleted => \0, error => "no: $all" } ] });
	run("SELECT * FROM partner_api.delete_instances('zapi', ARRAY['$id'])");
}

# ---- a key of Asaas, and the token of its webhooks ----

my $key = $sandbox->asaas_key($token);

$sandbox->clear_faults;
$node->create_server(
	$sandbox,
	name => 'asaas', provider => 'asaas', circuit_failures => 0,
	token => $key, client_token => $client_token);
run("SELECT * FROM partner_api.test_connection('asaas')");
my ($customer) = run('SELECT customer_id FROM partner_api.create_customer('
	  . "'asaas', 'Ana', '12345678909')");
my ($charge) = run('SELECT charge_id FROM partner_api.create_charge('
	  . "'asaas', '$customer', 'PIX', 990, '2099-12-31')");
my ($webhook) = run("SELECT partner_api.create_webhook('asaas', 'shop',"
	  . " 'https://shop.test', 'a\@b.c', ARRAY['PAYMENT_RECEIVED'])"
	  . "->>'webhook_id'");
foreach my $body (
	{ errors => [ { code => 'x', description => "bad token $key" } ] },
	{ id => "pay $key", authToken => $client_token },
	"<html><body>$key $client_token</body></html>")
{
	foreach my $status (200, 400, 401, 403)
	{
		$sandbox->fault(type => 'status', times => 0, status => $status,
			body => $body);
		run("SELECT * FROM partner_api.$_")
		  foreach "test_connection('asaas')",
		  "get_charge('asaas', '$charge')", "list_charges('asaas')",
		  "refresh_payments('asaas')";
		run("SET partner_api.call_timeout = '100 ms';"
			  . " SELECT partner_api.change_webhook('asaas', '$webhook',"
			  . " url => 'https://shop.test/$status')");
		$sandbox->clear_faults;
	}
}
$node->secret_file('asaas.token', $key =~ s/^\$//r);
run("SELECT * FROM partner_api.test_connection('asaas')");

# ---- while requests are open, and lost ----

$sandbox->fault(operation => 'create_instance', type => 'withhold');
$sandbox->fault(operation => 'instance_status', type => 'withhold');
my $call = $node->start_sql(
	"SELECT partner_api.create_instance('zapi', 'slow')",
	role => 'operator');
my $read = $node->start_sql(
	"SELECT partner_api.instance_status('zapi', '$id')",
	role => 'operator');
$sandbox->wait_for_requests('instance_status', 1);
$sandbox->wait_until('both are withheld',
	sub { 2 == grep { !defined $_->{status} } $sandbox->requests });
look_at_sessions('while requests are open');
$read->cancel;
show('a cancelled read', $read->error->{text});
$sandbox->stop;
show('a lost call', $call->error->{text});
run("SELECT partner_api.instance_status('zapi', '$id')");
run("SELECT * FROM partner_api.remote_instances('zapi')");
run("SELECT * FROM partner_api.test_connection('zapi')");
run("SET partner_api.call_timeout = '100 ms';"
	  . " SELECT partner_api.create_instance('zapi', 'unreachable')");
$node->poll('SELECT last_error FROM partner_api.pending_actions'
	  . q{ WHERE arguments->>'name' = 'unreachable'}, qr/./);
$node->set_option(circuit_failures => 1);
run("SELECT * FROM partner_api.test_connection('zapi')");
run("SELECT partner_api.instance_status('zapi', '$id')");
run("SELECT partner_api.create_instance('zapi', 'not reached')");
run('SELECT * FROM partner_api.server_health');
look_at_sessions('afterwards');

# ---- token files that are no good ----

my $file = $node->basedir . '/zapi.token';

chmod 0644, $file;
run("SELECT * FROM partner_api.test_connection('zapi')");
$node->secret_file('zapi.token', "$token $token\n");
run("SELECT * FROM partner_api.test_connection('zapi')");
$node->secret_file('zapi.token', $token);

# ---- everything that is shown ----

my @relations = $node->rows(
	'SELECT oid::regclass::text AS name, has_table_privilege('
	  . "'reader', oid, 'SELECT') AS readable FROM pg_class"
	  . " WHERE relnamespace = 'partner_api'::regnamespace"
	  . " AND relkind IN ('r', 'v')");
my ($readable) = scalar grep { $_->{readable} } @relations;

cmp_ok($readable, '>=', 9, 'there is something to read');
foreach my $relation (@relations)
{
	my $name = $relation->{name};

	show("$name as a reader",
		$node->sql("SELECT * FROM $name", role => 'reader'))
	  if $relation->{readable};
	show("$name as a superuser", $node->sql("SELECT * FROM $name"))
	  if $name ne 'partner_api.instance_secrets';
}
show('action_timeline as a reader',
	$node->sql(
		'SELECT action_id, t.* FROM partner_api.action_history,'
		  . ' partner_api.action_timeline(action_id) t',
		role => 'reader'));
show('pg_stat_statements',
	$node->sql('SELECT query FROM pg_stat_statements'));
show('pg_user_mappings as a superuser',
	$node->sql('SELECT * FROM pg_user_mappings'));
my ($dump) = run_command(
	[   'pg_dump', '-d', $node->connstr('postgres'),
		'--exclude-table-data=partner_api.instance_secrets' ]);
show('dump without instance tokens', $dump);
$node->stop;
show('server log', slurp_file($node->logfile));

# ---- and no secret in it ----

my %secrets = (
	'partner token' => $token,
	'client token' => $client_token,
	'instance token' => $instance_token);

# Half of a secret that was cut is too much, too.
foreach my $name (sort keys %secrets)
{
	my $secret = $secrets{$name};
	my $half = substr $secret, 0, length($secret) / 2;
	my @found = map { "$_->[0]: $_->[1]" =~ s/(.{0,500}).*/$1/sr } grep { index($_->[1], $half) >= 0 } @shown;

	is_deeply(\@found, [], "no $name in " . @shown . ' texts')
	  or diag(map { "$_\n" } @found[ 0 .. ($#found < 20 ? $#found : 20) ]);
}

# What was looked through is what it is said to be.
foreach my $needle (
	[ 'server log', qr/statement: .*create_instance\('zapi', 'marker'\)/ ],
	[ 'server log', qr/DEBUG: / ],
	[ 'pg_stat_activity while requests are open', qr/[1-9]\d* requests? in flight/ ],
	[ 'pg_stat_statements', qr/pending_actions/ ],
	[ 'partner_api.instances as a reader', qr/marker/ ],
	[ 'partner_api.payments as a reader', qr/PENDING/ ],
	[ 'partner_api.connection_tests as a reader', qr/asaas.*\*\*\*/ ],
	[ 'partner_api.action_attempts as a reader', qr/\*\*\*/ ],
	[ 'partner_api.action_history as a reader', qr/\*\*\*/ ],
	[ 'dump without instance tokens', qr/marker/ ])
{
	my ($where, $pattern) = @$needle;

	ok((grep { $_->[0] eq $where && $_->[1] =~ $pattern } @shown),
		"$where has $pattern");
}
cmp_ok(scalar(grep { $_->[0] =~ /^errors of/ && $_->[1] =~ /\*\*\*/ } @shown),
	'>', 40, 'errors repeat the provider with secrets masked');

done_testing();
