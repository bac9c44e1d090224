# Requests on the wire: interruptible, bounded, sent once, to nobody else.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

# what an administrator's environment may hold, and must not be used
$ENV{http_proxy} = $ENV{ALL_PROXY} = 'http://127.0.0.1:1';

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'lapse', timeout_ms => 600000 });
my $list = "SELECT count(*) FROM partner_api.remote_instances('zapi')";
my $create = 'SELECT name FROM partner_api.create_instance';

ok($node->row("SELECT * FROM partner_api.test_connection('zapi')")->{ok},
	'a proxy of the environment is not used');

# Let all requests of an operation hang until release(); returns the rule.
sub hang
{
	my ($operation) = @_;

	return $sandbox->fault(operation => $operation, type => 'withhold',
		times => 0);
}

# Start SQL and return when its request has arrived and hangs.
sub start_hanging
{
	my ($operation, $sql) = @_;
	my $before = $sandbox->counters($operation)->{requests};
	my $session = $node->start_sql($sql);

	$sandbox->wait_for_requests($operation, $before + 1);
	return $session;
}

# Does the last request of an operation still wait for its answer?
sub still_hangs
{
	my ($operation, $name) = @_;

	is(($sandbox->requests(operation => $operation))[-1]{status},
		undef, $name);
	return;
}

sub go_on
{
	$sandbox->clear_faults;
	$sandbox->release;
	return;
}

# Number of open descriptors of a process of the server.
sub descriptors
{
	my ($pid) = @_;

	return "SELECT count(*) FROM pg_ls_dir('/proc/$pid/fd')";
}

# ---- interrupts ----

hang('list_instances');
my $session = start_hanging('list_instances', $list);
$session->cancel;
PartnerApi::Cluster::error_is($session->error, '57014',
	{ message => qr/due to user request/ }, 'a hanging read is cancelled');
go_on();
is($node->sql($list), 0, '... and the next one works');

hang('create_instance');
$session = start_hanging('create_instance', "$create('zapi', 'patient')");
$session->cancel;
my $error = $session->error;
PartnerApi::Cluster::error_is($error, '57014',
	{ message => qr/due to user request/,
		detail => qr/^Action \d+ goes on without the caller/ },
	'a waiting call is cancelled');
my ($action) = $error->{detail} =~ /(\d+)/;
still_hangs('create_instance', '... while its request goes on');
is($node->action_state($action), 'sending', '... with its action');
go_on();
is($node->wait_for_state($action, 'done'), 'done', '... to its end');
is(scalar $sandbox->created('patient'), 1, '... which is recorded');

hang('create_instance');
$node->set_option(max_concurrency => 1);
$session = start_hanging('create_instance', "$create('zapi', 'first')");
my $second = $node->start_sql("$create('zapi', 'second')");
$second->cancel;
PartnerApi::Cluster::error_is($second->error, '57014',
	{ detail => qr/withdrawn; nothing was sent/ },
	'a call that is not taken up is withdrawn');
go_on();
is($session->output, 'first', '... while the one before it goes on');
$node->drive_pass;
is(scalar $sandbox->created('second'), 0, '... and is never sent');
$node->set_option(max_concurrency => 4);

hang('list_instances');
hang('create_instance');
$node->fails_with("SET statement_timeout = '50ms'; $list",
	'57014', { message => qr/due to statement timeout/ },
	'statement_timeout ends a hanging read');
$node->fails_with(
	"SET statement_timeout = '50ms'; $create('zapi', 'timed')",
	'57014',
	{ message => qr/due to statement timeout/, detail => qr/nothing was sent|goes on/ },
	'... and a waiting call');
$error = $node->error(
	"SET partner_api.call_timeout = '200ms'; $create('zapi', 'late')");
PartnerApi::Cluster::error_is($error, '08007',
	{ message => qr/call_timeout/, detail => qr/Action \d+ goes on/,
		hint => qr/action_timeline\(\d+\)/ },
	'call_timeout ends a waiting call');
go_on();
($action) = $error->{detail} =~ /(\d+)/;
is($node->wait_for_state($action, 'done'), 'done', '... whose action goes on');
$node->wait_until_settled;

# ---- descriptors ----

# 200 statements that are cancelled, in one session
sub cancelled
{
	my ($sql) = @_;

	return "SET statement_timeout = '10ms';\n"
	  . "$sql;\n" x 200
	  . "RESET statement_timeout;\n";
}

hang('list_instances');
my $count = descriptors('self');
my ($status, $out, $err) = $node->psql('postgres',
	"SET statement_timeout = '10ms'; $list; RESET statement_timeout;\n"
	  . "$count;\n" . cancelled($list) . "$count;\n",
	on_error_stop => 0);
my ($before, $after) = split /\n/, $out;
my $timeouts = () = $err =~ /statement timeout/g;

is($timeouts, 201, '200 reads were cancelled');
is($after, $before, '... and no descriptor is left of them');
go_on();

my $worker = $node->wait_for_worker;
$node->sql("SELECT partner_api.enqueue_create_instance('zapi', 'warm ' || i)"
	  . ' FROM generate_series(1, 20) i');
$node->wait_until_settled;
$before = $node->sql(descriptors($worker));
hang('create_instance');
($status, $out, $err) = $node->psql('postgres',
	cancelled("$create('zapi', 'cancelled')"), on_error_stop => 0);
$timeouts = () = $err =~ /statement timeout/g;
is($timeouts, 200, '200 calls were cancelled');
go_on();
$node->wait_until_settled;
cmp_ok($node->sql(descriptors($worker)), '<=', $before,
	'... and the worker has no more descriptors than before');
is($node->wait_for_worker, $worker, '... and is the same');

# ---- nobody else waits ----

$node->sql('CREATE DATABASE other');
hang('list_instances');
hang('create_instance');
my $read = start_hanging('list_instances', $list);
my $call = start_hanging('create_instance', "$create('zapi', 'hanging')");
$node->sql('DROP DATABASE other');
still_hangs('list_instances', 'DROP DATABASE does not wait for a read');
still_hangs('create_instance', '... nor for the worker\'s request');
$sandbox->clear_faults;
is($node->sql("$create('zapi', 'overtaking')"), 'overtaking',
	'a call does not wait for a hanging one');
is( $node->wait_for_state(
		$node->sql(
			"SELECT partner_api.enqueue_create_instance('zapi', 'too')"),
		'done'),
	'done', '... nor does an enqueued action');
is( $node->sql('SELECT state FROM partner_api.pending_actions'
		  . q{ WHERE arguments ->> 'name' = 'hanging'}),
	'sending', '... which still hangs');
go_on();
like($read->output, qr/^\d+$/, 'the read gets its answer in the end');
is($call->output, 'hanging', '... and so does the call');

# ---- one request per attempt ----

foreach my $operation (qw(create_instance sign_instance))
{
	my $id = $node->sql(
		"SELECT instance_id FROM partner_api.create_instance('zapi', 'x')");
	my $requests = $sandbox->counters($operation)->{requests};
	my $effects = $sandbox->effects($operation);
	my %arguments = (
		create_instance => q{'reused'},
		sign_instance => "'$id'");

	my $fault =
	  $sandbox->fault(operation => $operation, type => 'close_reused');

	$action = $node->sql("SELECT partner_api.enqueue_$operation('zapi',"
		  . " $arguments{$operation})");
	$node->wait_for_state($action, 'done');
	is($sandbox->hits($fault),
		1, "$operation: a reused connection dies after the effect");
	is($sandbox->counters($operation)->{requests} - $requests,
		1, '... and the request is not repeated');
	is($sandbox->effects($operation) - $effects, 1, '... so one effect');
	is( $node->sql('SELECT string_agg(verdict, \' \' ORDER BY lease)'
			  . " FROM partner_api.action_attempts WHERE action_id = $action"),
		'unknown found', '... which was looked up');
}

# ---- where requests may go ----

my $elsewhere = PartnerApi::Sandbox->new;

foreach my $code (301, 302, 307, 308)
{
	$sandbox->fault(
		type => 'redirect', status => $code, times => 2,
		location => $elsewhere->url . '/instances?page=1&pageSize=100');
	ok($node->error($list)->{sqlstate}, "a read does not follow a $code");
	ok($node->error("$create('zapi', 'redirected $code')")->{sqlstate},
		'... nor does a create');
}
is(scalar $elsewhere->requests, 0, 'the other host was never asked');

$node->fails_with(
	"CREATE SERVER bad FOREIGN DATA WRAPPER partner_api"
	  . " OPTIONS (provider 'zapi', base_url 'http://api.z-api.io')",
	'42501', { message => qr/host "api\.z-api\.io" is not allowed/ },
	'a host that is not listed is refused');
$node->fails_with(
	"SET partner_api.allowed_hosts = 'api.z-api.io';"
	  . ' CREATE SERVER bad FOREIGN DATA WRAPPER partner_api'
	  . " OPTIONS (provider 'zapi', base_url 'http://api.z-api.io')",
	'HV024', { message => qr/plain http/, hint => qr/https/ },
	'plain http is refused, unless it goes to loopback');
$node->fails_with("SET partner_api.allowed_hosts = 'api.z-api.io'; $list",
	'42501', { message => qr/host "127\.0\.0\.1" is not allowed/ },
	'the hosts setting counts at every use');

# ---- TLS ----

my $certs = $node->basedir . '/certs';
mkdir $certs;

# Make a certificate authority, and a certificate of it for 127.0.0.1.
sub make_certificates
{
	my ($name) = @_;
	my @key = ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
		'-nodes');

	append_to_file("$certs/$name.ext", "subjectAltName = IP:127.0.0.1\n");
	run_log([ 'openssl', 'req', '-x509', @key, '-days', '2',
			'-subj', "/CN=$name", '-keyout', "$certs/$name-ca.key",
			'-out', "$certs/$name-ca.crt" ])
	  && run_log([ 'openssl', 'req', @key, '-subj', '/CN=sandbox',
			'-keyout', "$certs/$name.key", '-out', "$certs/$name.csr" ])
	  && run_log([ 'openssl', 'x509', '-req', '-in', "$certs/$name.csr",
			'-CA', "$certs/$name-ca.crt", '-CAkey', "$certs/$name-ca.key",
			'-CAcreateserial', '-days', '2', '-extfile', "$certs/$name.ext",
			'-out', "$certs/$name.crt" ])
	  or die 'could not make certificates';
	return;
}

make_certificates('right');
make_certificates('wrong');

my $tls = PartnerApi::Sandbox->new(
	'tls-cert' => "$certs/right.crt",
	'tls-key' => "$certs/right.key");
my $by_name = $tls->url =~ s/127\.0\.0\.1/localhost/r;

$node->create_server($tls, name => 'tls', ca_file => "$certs/right-ca.crt",
	trial_end => 'lapse');
$node->create_server($tls, name => 'unknown_ca');
$node->create_server($tls, name => 'wrong_ca',
	ca_file => "$certs/wrong-ca.crt");
$node->create_server($tls, name => 'wrong_name',
	ca_file => "$certs/right-ca.crt", base_url => $by_name);
foreach my $server (qw(unknown_ca wrong_ca wrong_name))
{
	$node->fails_with(
		"SELECT * FROM partner_api.remote_instances('$server')",
		'HV00N', { detail => qr/certificate|peer/i, hint => qr/ca_file/ },
		"TLS: $server is an error");
}
unlike(slurp_file($tls->logfile), qr/GET/, 'TLS: and no request got through');
ok($node->row("SELECT * FROM partner_api.test_connection('tls')")->{ok},
	'TLS: the right authority is accepted');
is($node->sql("$create('tls', 'safe')"), 'safe', 'TLS: by the worker too');
like(slurp_file($tls->logfile), qr/POST/, 'TLS: which has sent it');
$node->create_role('owner', 'partner_api_admin');
$node->sql('ALTER SERVER tls OWNER TO owner');
$node->fails_with(
	"ALTER SERVER tls OPTIONS (SET ca_file '$certs/wrong-ca.crt')",
	'42501', { message => qr/"ca_file"/ },
	'TLS: only a superuser chooses authorities', role => 'owner');

# ---- tokens ----

$action = $node->sql("SELECT partner_api.enqueue_create_instance('zapi',"
	  . " 'smuggled', run_at => partner_api.clock() + interval '1 hour')");
$node->secret_file('zapi.token', "sandbox-partner-token\r\n");
is($node->sql("$create('zapi', 'newline')"),
	'newline', 'a line break after a token is no part of it');
$before = $sandbox->requests;
$node->secret_file('zapi.token', "sandbox-partner-token\r\nX-Smuggled: 1\r\n");
foreach my $sql ($list, "$create('zapi', 'smuggled')",
	"SELECT partner_api.enqueue_create_instance('zapi', 'smuggled')")
{
	$node->fails_with($sql, 'HV024',
		{ message => qr/"token_file" is not a token/,
			detail => qr/white space/, text => qr/^(?!.*Smuggled: 1)/s },
		'a line break inside a token is refused');
}
$node->set_clock($sandbox, "now() + interval '2 hours'");
$node->wait_for('SELECT last_error IS NOT NULL'
	  . " FROM partner_api.pending_actions WHERE action_id = $action");
like($node->action($action)->{last_error},
	qr/"token_file" is not a token/, '... also by the worker');
is(scalar $sandbox->requests, $before, '... and nothing was sent');
$node->secret_file('zapi.token', $PartnerApi::Sandbox::TOKEN);
$node->set_clock($sandbox, "now() + interval '4 hours'");
is($node->wait_for_state($action, 'done'), 'done',
	'... until the file is right again');

done_testing();
