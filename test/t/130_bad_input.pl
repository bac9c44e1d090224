# What a provider can do wrong, call by call: the error that the caller gets,
# what the tables say afterwards, and what there is at the provider.  A call
# that failed may be made again; one with no readable answer is settled by
# looking, and never leads to a second instance.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'lapse', list_lag => '0' });
my $number = 0;

# The last action that was recorded.
sub last_action
{
	my $id = $node->sql('SELECT max(action_id) FROM ('
		  . ' SELECT action_id FROM partner_api.pending_actions UNION ALL'
		  . ' SELECT action_id FROM partner_api.action_history) a');

	return $node->action($id);
}

sub create
{
	my ($name) = @_;

	return $node->row(
		"SELECT * FROM partner_api.create_instance('zapi', '$name')");
}

sub mirror
{
	my ($id) = @_;

	return $node->row(
		"SELECT * FROM partner_api.instances WHERE instance_id = '$id'");
}

# Meet a call with a fault, and test its error, the action's outcome and
# number of attempts, and that the answer of the provider is at the heart of
# it.  "case": sqlstate, detail, hint, state, attempts.
sub call_meets
{
	my ($fault, $call, $case, $name) = @_;
	my %states = (
		failed => qr/ at server "zapi" failed$/,
		done => qr/^the outcome of \w+ at server "zapi" is unknown$/);

	$sandbox->fault(%$fault);
	my $error = $node->error("SELECT * FROM partner_api.$call");

	$sandbox->clear_faults;
	PartnerApi::Cluster::error_is(
		$error,
		$case->{sqlstate},
		{   message => $states{ $case->{state} },
			detail => $case->{detail},
			hint => $case->{hint} },
		"$name: SQLSTATE $case->{sqlstate}");

	my ($id) = $error->{detail} =~ /^Action (\d+): /;

	$node->wait_for_state($id, 'needs_attention');
	my $action = $node->action($id);

	is("$action->{state} after $action->{attempts}",
		"$case->{state} after $case->{attempts}", '... and its outcome');
	return $action;
}

# ---- answers that are a definite no ----

my $credential = qr/tokens? of the user mapping/;
my $protocol = qr/base_url/;
my @refusals = (
	[ 'status 401', { status => 401, body => 'Bad Credentials' },
		'28000', qr/Bad Credentials/, $credential ],
	[ 'status 403',
		{ status => 403, body => { error => 'Client-Token x not allowed' } },
		'28000', qr/Client-Token x not allowed/, $credential ],
	[ 'an address that is not on the allow-list',
		{ status => 400, body => { error => '[10.0.0.1] not allowed' } },
		'28000', qr/\[10\.0\.0\.1\] not allowed/, qr/allow-list/ ],
	[ 'status 404', { status => 404 },
		'42704', qr/HTTP 404 with an empty body/, qr/sync_instances/ ],
	[ 'status 405', { status => 405 }, 'HV000', qr/HTTP 405/, $protocol ],
	[ 'status 415', { status => 415 }, 'HV000', qr/HTTP 415/, $protocol ],
	[ 'a redirect',
		{ type => 'redirect', status => 301, location => 'http://127.0.0.1/' },
		'HV000', qr/HTTP 301/, $protocol ],
	[ 'a refusal', { status => 400, body => { error => 'no slots left' } },
		'38000', qr/no slots left/, qr/action_timeline/ ],
	[ 'an error with status 200',
		{ status => 200, body => { error => 'no slots left' } },
		'38000', qr/no slots left/, qr/action_timeline/ ],
	[ 'an error that is an object',
		{ status => 422, body => { error => { code => 7 }, message => 'no' } },
		'38000', qr/: no\.$/, qr/action_timeline/ ],
	[ 'a refusal that is a page',
		{   status => 400, body => '<html><h1>Bad Request</h1></html>',
			content_type => 'text/html' },
		'38000', qr/HTTP 400 with a page of markup/, qr/action_timeline/ ]);

foreach my $refusal (@refusals)
{
	my ($name, $fault, $sqlstate, $detail, $hint) = @$refusal;
	my $instance = 'refused ' . ++$number;
	my $action = call_meets(
		{ operation => 'create_instance', type => 'status', %$fault },
		"create_instance('zapi', '$instance')",
		{   sqlstate => $sqlstate, detail => $detail, hint => $hint,
			state => 'failed', attempts => 1 },
		"create meets $name");

	like($action->{last_error}, qr/./, '... the history says why');
	is(scalar $sandbox->created($instance), 0, '... nothing was created');
	is( $node->sql('SELECT count(*) FROM partner_api.instances'
			  . " WHERE name = '$instance'"),
		0, '... nor recorded');
}

# ---- answers that prove nothing, after the effect and before it ----

# A list that shows one of our names proves that a create can be repeated.
create('evidence');
$node->sql("SELECT partner_api.sync_instances('zapi')");

my $look = qr/worker looks at the provider/;
my @unreadable = (
	[ 'no answer, but a reset', { type => 'reset_after' }, qr/closed/ ],
	[ 'no answer, but a close', { type => 'close_after' }, qr/closed/ ],
	[ 'an empty body', { type => 'empty' }, qr/HTTP 200, but .*too early/ ],
	[ 'a page', { type => 'html' }, qr/not valid JSON/ ],
	[ 'bytes that are no text', { type => 'garbage' }, qr/not valid JSON/ ],
	[ 'half a body', { type => 'truncate' }, qr/partial file/ ],
	[ 'half a JSON text', { type => 'cut' }, qr/ends too early/ ],
	[ 'wrong types', { type => 'wrong_types' }, qr/no id and token/ ],
	[ 'a body of 100 MB', { type => 'big', bytes => 100 << 20 },
		qr/larger than max_response_bytes/ ],
	[ 'a body without an end', { type => 'endless' },
		qr/larger than max_response_bytes/ ],
	[ 'status 500', { type => 'status', status => 500, after_effect => \1 },
		qr/HTTP 500/ ],
	[ 'status 504', { type => 'status', status => 504, after_effect => \1 },
		qr/HTTP 504/ ],
	[ 'status 408', { type => 'status', status => 408, after_effect => \1 },
		qr/HTTP 408/ ]);

foreach my $answer (@unreadable)
{
	my ($name, $fault, $detail) = @$answer;
	my $instance = 'lost ' . ++$number;
	my $action = call_meets(
		{ operation => 'create_instance', %$fault },
		"create_instance('zapi', '$instance')",
		{   sqlstate => '08007', detail => $detail, hint => $look,
			state => 'done', attempts => 1 },
		"create meets $name");

	is(scalar $sandbox->created($instance), 1, '... there is one');
	is(mirror($action->{instance_id})->{origin}, 'adopted',
		'... that was found and adopted');
}
foreach my $fault ({ type => 'reset_before' },
	{ type => 'status', status => 503 }, { type => 'redirect' })
{
	my $instance = 'nothing ' . ++$number;
	my $name = $fault->{type};

	call_meets(
		{ operation => 'create_instance', location => '/', %$fault },
		"create_instance('zapi', '$instance')",
		{   sqlstate => '08007', detail => qr/./, hint => $look,
			state => 'done', attempts => 2 },
		"create meets $name before its effect");
	is(scalar $sandbox->created($instance), 1,
		'... was sent again after a look, once');
}

# ---- how the end of the trial is told ----

foreach my $form ('number', 'string', 'iso', 'missing')
{
	$sandbox->config(due_as => $form);
	my $row = create("due as $form");
	my $due = $sandbox->instance($row->{instance_id})->{due};
	my $told = $form eq 'number' || $form eq 'string';

	is($row->{trial_estimated} ? 'estimated' : 'told',
		$told ? 'told' : 'estimated', "due as $form: the end is marked");
	is( $node->sql("SELECT '$row->{trial_ends_at}'::timestamptz - '$due'"
			  . " BETWEEN interval '-2 s' AND '2 s'"),
		't', '... and right');
}
$sandbox->config(due_as => 'number');

# ---- sign and cancel ----

foreach my $function ('sign_instance', 'cancel_instance')
{
	foreach my $refusal (@refusals[ 0, 3, 4, 7, 8 ])
	{
		my ($name, $fault, $sqlstate, $detail, $hint) = @$refusal;
		my $id = create("$function " . ++$number)->{instance_id};

		call_meets(
			{ operation => $function, type => 'status', %$fault },
			"$function('zapi', '$id')",
			{   sqlstate => $sqlstate, detail => $detail, hint => $hint,
				state => 'failed', attempts => 1 },
			"$function meets $name");
		is($sandbox->instance($id)->{state}, 'trial', '... without effect');
		is(mirror($id)->{status}, 'trial', '... and none is recorded');
	}
	foreach my $answer (
		@unreadable[ 0, 3, 5, 8, 10 ],
		[ 'no answer before the effect',
			{ type => 'reset_before' }, qr/closed/, 2 ])
	{
		my ($name, $fault, $detail, $attempts) = @$answer;
		my $id = create("$function " . ++$number)->{instance_id};

		call_meets(
			{ operation => $function, %$fault },
			"$function('zapi', '$id')",
			{   sqlstate => '08007', detail => $detail, hint => $look,
				state => 'done', attempts => $attempts // 1 },
			"$function meets $name");

		my ($state, $status, $effect) =
		  $function eq 'sign_instance'
		  ? ('signed', 'signed', 'signs')
		  : ('cancelled', 'cancelling', 'cancels');

		is($sandbox->instance($id)->{state}, $state, '... it is done there');
		is($sandbox->instance($id)->{effects}{$effect}, 1, '... once');
		like(mirror($id)->{status}, qr/^(?:$status|ended)$/,
			'... and recorded');
	}
}

# A body that says nothing confirms; one that refuses in its "value" does not.
my $id = create('bare')->{instance_id};
$sandbox->config(sign_body => 'empty');
is( $node->row("SELECT * FROM partner_api.sign_instance('zapi', '$id')")
	  ->{status},
	'signed', 'a sign that is answered with nothing is done');
$sandbox->config(sign_body => 'json');
$id = create('value false')->{instance_id};
call_meets(
	{   operation => 'sign_instance', type => 'status', status => 200,
		body => { value => \0 } },
	"sign_instance('zapi', '$id')",
	{   sqlstate => '38000', detail => qr/"value":\s*false/, hint => qr/./,
		state => 'failed', attempts => 1 },
	'sign meets a value that is false');

# ---- twice, and too late ----

$id = create('twice')->{instance_id};
my $signed =
  $node->row("SELECT * FROM partner_api.sign_instance('zapi', '$id')");
my $again =
  $node->row("SELECT * FROM partner_api.sign_instance('zapi', '$id')");

is($again->{status}, 'signed', 'signing twice succeeds');
is($again->{signed_at}, $signed->{signed_at},
	'... the subscription began with the first');
is($sandbox->instance($id)->{effects}{signs}, 1, '... with one effect');

$id = create('cancelled trial')->{instance_id};
my $cancelled =
  $node->row("SELECT * FROM partner_api.cancel_instance('zapi', '$id')");

like($cancelled->{status}, qr/^(?:cancelling|ended)$/,
	'a trial can be cancelled');
ok(defined $cancelled->{ends_at}, '... and has an end');
$again =
  $node->row("SELECT * FROM partner_api.cancel_instance('zapi', '$id')");
like($again->{status}, qr/^(?:cancelling|ended)$/, 'twice succeeds');
is($again->{cancelled_at}, $cancelled->{cancelled_at},
	'... it was cancelled when it was cancelled first');
is($sandbox->instance($id)->{effects}{cancels}, 1, '... with one effect');

# The provider says that the trial is over before we know.
$id = create('lapsed there')->{instance_id};
my $here = create('lapsed here')->{instance_id};
$sandbox->control('clock', { advance_seconds => 3 * 86400 });
$node->fails_with("SELECT partner_api.sign_instance('zapi', '$id')",
	'42704',
	{ detail => qr/Instance not found/, hint => qr/sync_instances/ },
	'a sign after the trial, by the provider\'s clock');
is(mirror($id)->{status}, 'trial', '... which changes nothing here');

# ... and after we know.
$node->set_clock($sandbox, "now() + interval '3 days'");
$node->wait_for("SELECT status = 'lapsed' FROM partner_api.instances"
	  . " WHERE instance_id = '$here'");
my $requests = $sandbox->counters('sign_instance')->{requests};
foreach my $function ('sign_instance', 'enqueue_sign_instance')
{
	$node->fails_with("SELECT partner_api.$function('zapi', '$here')",
		'55000',
		{   message => qr/cannot be signed: it is lapsed/,
			detail => qr/whose trial ends unsigned/,
			hint => qr/Create a new instance/ },
		"$function after the trial");
}
is($sandbox->counters('sign_instance')->{requests},
	$requests, '... is not even sent');
$node->fails_with("SELECT partner_api.approve_trial('zapi', '$here')",
	'55000', { message => qr/trial of instance .* is over/ },
	'... nor can it be approved');

# ---- the provider cannot be reached ----

# The port of a sandbox that has ended
my $gone = PartnerApi::Sandbox->new;
$node->create_server($gone, name => 'gone', trial_end => 'lapse');
$gone->stop;
my $unreachable = qr/base_url, ca_file/;
foreach my $call ("remote_instances('gone')", "sync_instances('gone')")
{
	$node->fails_with("SELECT * FROM partner_api.$call",
		'HV00N',
		{   message => qr/could not reach server "gone"/,
			detail => qr/request failed: \S+/i, hint => $unreachable },
		"a port where nobody listens: $call");
}
my $test = $node->row("SELECT * FROM partner_api.test_connection('gone')");
ok(!$test->{ok}, 'the connection test says so without an error');
like($test->{detail}, $unreachable, '... and what to check');

$node->fails_with(
	"SET partner_api.call_timeout = '200 ms';"
	  . " SELECT partner_api.create_instance('gone', 'unreached')",
	'08007',
	{   message => qr/not answered within partner_api.call_timeout/,
		detail => qr/Action \d+ goes on/,
		hint => qr/action_timeline/ },
	'a call waits, and then says which action goes on');
my $open = last_action();
is($open->{state}, 'waiting', '... it is tried again');
like($open->{last_error}, qr/connect/i, '... and says why');

# ---- TLS ----

my $tls = PostgreSQL::Test::Utils::tempdir;
foreach my $certificate ([ 'good', 'IP:127.0.0.1' ], [ 'other', 'DNS:other' ])
{
	my ($name, $subject) = @$certificate;

	system_or_bail('openssl', 'req', '-x509', '-newkey', 'rsa:2048',
		'-nodes', '-days', '2', '-subj', '/CN=sandbox', '-addext',
		"subjectAltName=$subject", '-keyout', "$tls/$name.key", '-out',
		"$tls/$name.crt");
}
my %secure = map {
	$_ => PartnerApi::Sandbox->new(
		'tls-cert' => "$tls/$_.crt",
		'tls-key' => "$tls/$_.key")
} 'good', 'other';

sub tls_test
{
	my ($name) = @_;

	return $node->row("SELECT * FROM partner_api.test_connection('$name')");
}

$node->create_server($secure{good}, name => 'tls', trial_end => 'lapse');
ok(!tls_test('tls')->{ok}, 'a certificate that nobody vouches for');
like(tls_test('tls')->{detail}, qr/certificate.*ca_file/, '... says so');
$node->fails_with("SELECT * FROM partner_api.remote_instances('tls')",
	'HV00N', { detail => qr/certificate/, hint => qr/ca_file/ },
	'... in a list too');
$node->set_option('ca_file', "$tls/good.crt", 'tls');
ok(tls_test('tls')->{ok}, 'with ca_file it is trusted');
is( $node->sql(
		"SELECT status FROM partner_api.create_instance('tls', 'safe')"),
	'trial', '... also by the worker');
$node->create_server($secure{other}, name => 'other', trial_end => 'lapse',
	ca_file => "$tls/other.crt");
ok(!tls_test('other')->{ok}, 'a certificate for another host');
$node->fails_with(
	"SET partner_api.call_timeout = '200 ms';"
	  . " SELECT partner_api.create_instance('other', 'unsafe')",
	'08007', { detail => qr/Action \d+/ }, '... keeps a call from being sent');
$node->poll(
	"SELECT last_error FROM partner_api.pending_actions"
	  . " WHERE server = 'other'", qr/peer certificate|host/i);
unlike(slurp_file($secure{other}->logfile), qr/on-demand/,
	'... and nothing arrived');
like(slurp_file($secure{good}->logfile), qr/on-demand/,
	'... where else a line would be');
$node->set_option('ca_file', '/nonexistent/ca.crt', 'tls');
ok(!tls_test('tls')->{ok}, 'a ca_file that does not exist');

# ---- no worker, or one that must not send ----

$node->sql('ALTER SYSTEM SET partner_api.enabled = off');
$node->reload;
$node->poll('SHOW partner_api.enabled', qr/^off$/);
$node->fails_with("SELECT partner_api.create_instance('zapi', 'off')",
	'55000',
	{   message => qr/sending is switched off/,
		detail => qr/nothing was sent/,
		hint => qr/enqueue_create_instance/ },
	'a call while sending is switched off');
my $waits =
  $node->sql("SELECT partner_api.enqueue_create_instance('zapi', 'off')");
$node->drive_pass;
is($node->action_state($waits), 'waiting', 'what is enqueued then waits');
$node->sql('ALTER SYSTEM RESET partner_api.enabled');
$node->reload;
is($node->wait_for_state($waits, 'done'), 'done',
	'... until it is switched on');

$node->sql("ALTER SYSTEM SET partner_api.databases = ''");
$node->reload;
$node->wait_for('SELECT count(*) = 0 FROM pg_stat_activity'
	  . " WHERE backend_type = 'partner_api worker'");
$node->fails_with("SELECT partner_api.create_instance('zapi', 'none')",
	'55000',
	{   message => qr/no partner_api worker runs in this database/,
		detail => qr/Nothing was sent/,
		hint => qr/shared_preload_libraries.*partner_api\.databases/ },
	'a call without a worker');
is(scalar $sandbox->created('none'), 0, '... does nothing');

done_testing();
