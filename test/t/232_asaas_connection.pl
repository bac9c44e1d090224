# The connection test at Asaas: what is wrong is told apart and recorded; a key
# that lacks a permission is good for the rest; balance and account.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $gone = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { name => 'asaas', provider => 'asaas' });

sub connection
{
	my ($server) = @_;

	return $node->row("SELECT * FROM partner_api.test_connection('$server')");
}

# What server_health shows of the last test.
sub health
{
	my ($server) = @_;

	return $node->row('SELECT test_ok, test_detail, tested_at'
		  . " > partner_api.clock() - interval '1 minute' AS recent"
		  . " FROM partner_api.server_health WHERE server = '$server'"
		  . ' ORDER BY last_success_at DESC NULLS LAST LIMIT 1');
}

sub tests
{
	return $node->sql('SELECT count(*) FROM partner_api.connection_tests');
}

# Refused in one way: what the test says, and what is recorded of it.
sub is_refused
{
	my ($server, $status, $detail, $name) = @_;
	my $row = connection($server);
	my $health = health($server);

	ok(!$row->{ok}, "$name: not ok");
	is($row->{http_status}, $status, '... with its status, if any');
	like($row->{detail}, $detail, '... in words');
	ok( !$health->{test_ok} && $health->{recent} &&
		  $health->{test_detail} eq $row->{detail},
		'... which server_health shows, with the time');
	return $row;
}

# ---- all is well ----

is(health('asaas')->{recent}, undef, 'a server that nobody has tested');

my $row = connection('asaas');

ok($row->{ok}, 'the key is accepted');
is($row->{http_status}, 200, '... with the status');
cmp_ok($row->{latency_ms}, '>', 0, '... and the time that it took');
is($sandbox->counters('read_balance')->{requests}, 1, '... of one request');
ok(health('asaas')->{test_ok} && health('asaas')->{recent},
	'server_health shows it');

# ---- what can be wrong is told apart ----

$node->create_server($gone, name => 'gone', provider => 'asaas');
$gone->stop;
is_refused('gone', undef, qr/connect.*base_url/i, 'unreachable');

my %wrong = (
	stranger => '$aact_hmlg_somebody-elses-key',
	malformed => 'somebody-elses-key',
	production => '$aact_prod_' . $PartnerApi::Sandbox::TOKEN);

$node->create_server($sandbox, name => $_, provider => 'asaas',
	token => $wrong{$_})
  foreach sort keys %wrong;
is_refused('stranger', 401, qr/key is not valid.*invalid_access_token\)/,
	'a wrong key');
is_refused('malformed', 401, qr/begins with a dollar sign/,
	'a key that is none');
is_refused('production', 401,
	qr/different environments.*invalid_environment/,
	'a key of the other environment');

# at the provider's own hosts it shows before anything is sent
my $own = "SET partner_api.allowed_hosts = 'api.asaas.com';"
  . " SET client_min_messages = error;";

$node->sql("$own CREATE SERVER own FOREIGN DATA WRAPPER partner_api"
	  . " OPTIONS (provider 'asaas');"
	  . ' CREATE USER MAPPING FOR PUBLIC SERVER own'
	  . " OPTIONS (token '$wrong{stranger}')");
is( $node->sql($own
		  . ' SELECT ok, http_status IS NULL, latency_ms IS NULL,'
		  . " detail ~ 'key of the sandbox.*production'"
		  . " FROM partner_api.test_connection('own')"),
	'f|t|t|t', 'a key of the sandbox is not sent to production');
ok(!health('own')->{test_ok}, '... which is recorded as well');

my $broken = $sandbox->fault(operation => 'read_balance', type => 'html');

is_refused('asaas', 200, qr{GET /finance/balance: }, 'a page instead');
$sandbox->clear_faults;

# ---- a permission that is missing ----

$sandbox->config(tokens => [
	$PartnerApi::Sandbox::TOKEN,
	{   token => 'narrow',
		permissions => { CUSTOMER => 'READ_WRITE', PAYMENT => 'READ' } } ]);
$node->create_server($sandbox, name => 'narrow', provider => 'asaas',
	token => $sandbox->asaas_key('narrow'));
is_refused('narrow', 403,
	qr{GET /finance/balance: the key lacks the permission for this call},
	'a permission that is missing');
is( $node->sql("SELECT count(*) FROM partner_api.list_charges('narrow')"),
	0, 'the key is good for other calls');
$node->fails_with("SELECT partner_api.account_balance('narrow')",
	'42501', { detail => qr/lacks the permission/, hint => qr/permission/ },
	'a read without permission');
is($node->sql('SELECT refused_since IS NULL FROM partner_api.server_health'
		  . " WHERE server = 'narrow'"),
	't', '... holds up nothing');
ok( $node->row("SELECT * FROM partner_api.create_customer('narrow', 'Ana',"
		  . " '12345678909')")->{customer_id},
	'what the key may do is done');

my $customer = $node->sql(
	'SELECT customer_id FROM partner_api.customers');

$node->fails_with(
	"SELECT partner_api.create_charge('narrow', '$customer', 'PIX', 1000,"
	  . " (partner_api.clock() + interval '5 days')::date)",
	'42501', { detail => qr/lacks the permission/, hint => qr/permission/ },
	'what it may not do fails');
is($node->sql('SELECT refused_since IS NOT NULL'
		  . " FROM partner_api.server_health WHERE server = 'narrow'"),
	't', '... and holds the queue, as the address may be what is wrong');
$node->sql("SELECT count(*) FROM partner_api.list_charges('narrow')");
is($node->sql('SELECT refused_since IS NULL FROM partner_api.server_health'
		  . " WHERE server = 'narrow'"),
	't', '... until a call is accepted');

# ---- balance and account ----

my $charge = $sandbox->seed_object('asaas_payments',
	customer => $customer, value => 110.49, billingType => 'PIX');

is($node->sql("SELECT partner_api.account_balance('asaas')"),
	0, 'the balance, in cents');
$sandbox->charge($charge->{id}, 'pay');
is($node->sql("SELECT partner_api.account_balance('asaas')"),
	10850, '... and after a payment, less the fee');
$sandbox->config(asaas_account_approved => JSON::PP::false);
is( $node->sql('SELECT general, documentation'
		  . " FROM partner_api.account_status('asaas')"),
	'PENDING|PENDING',
	'the account is not approved yet');

# ---- what is recorded ----

my $before = tests();

$node->sql("BEGIN READ ONLY; SELECT partner_api.test_connection('asaas');"
	  . ' COMMIT');
is(tests(), $before, 'a read-only transaction tests, and records nothing');
$node->create_role('shop', 'partner_api_operator');
$node->create_role('clerk', 'partner_api_reader');
$node->sql("SELECT partner_api.test_connection('asaas')", role => 'shop');
is( $node->sql('SELECT tested_by, ok, http_status, latency_ms > 0'
		  . ' FROM partner_api.connection_tests'
		  . ' ORDER BY test_id DESC LIMIT 1',
		role => 'clerk'),
	'shop|t|200|t',
	'whose test it was is recorded, for readers');
$node->fails_with("DELETE FROM partner_api.connection_tests",
	'42501', {}, '... and not for operators to change', role => 'shop');

# one who tests in a long transaction holds up nobody
my $console = $node->console;

$console->run("BEGIN; SELECT ok FROM partner_api.test_connection('asaas');");
ok(connection('asaas')->{ok}, 'another test is open: not waited for');
$console->run('ROLLBACK;');
$console->end;

my $all = $node->sql('SELECT string_agg(c::text, chr(10))'
	  . ' FROM partner_api.connection_tests c');

unlike($all, qr/\Q$_\E/, 'no key is recorded')
  foreach values %wrong, $sandbox->asaas_key, 'somebody-elses';

$node->set_clock($sandbox, "partner_api.clock() + interval '91 days'");
$node->sql('CALL partner_api.prune_history()');
is( $node->sql('SELECT count(*), count(DISTINCT server)'
		  . ' FROM partner_api.connection_tests'),
	'7|7', 'of what is old, the last of each server is kept');

done_testing();
