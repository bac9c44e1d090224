# Who may do what: roles, the right to a server, credentials and hosts, all
# of them checked again when a request is sent; and callers who try to make
# the extension's code run their own.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'lapse', list_lag => '0' });
my $token_file = $node->basedir . '/zapi.token';
# not touched until it is the subject
my $old_file = $node->secret_file('old.token', "$PartnerApi::Sandbox::TOKEN\n");

# The right to the server is given one by one here.
$node->sql('REVOKE USAGE ON FOREIGN SERVER zapi FROM PUBLIC');
$node->create_role('reader', 'partner_api_reader');
$node->create_role('operator', 'partner_api_operator');
$node->create_role('outsider', 'partner_api_operator');
$node->create_role('nobody');
$node->sql('GRANT USAGE ON FOREIGN SERVER zapi TO operator, reader');

# Requests that have reached the provider so far.
sub requests
{
	return scalar $sandbox->requests;
}

# Enqueue a create as a role; returns the action.
sub enqueue
{
	my ($name, $role, @more) = @_;

	return $node->sql('SELECT partner_api.enqueue_create_instance('
		  . join(', ', "'zapi'", "'$name'", @more) . ')', role => $role);
}

# Wait until an action that cannot be sent says why, and test that it does.
sub not_sent_for
{
	my ($action, $reason, $name) = @_;
	my $error = $node->poll(
		'SELECT last_error FROM partner_api.pending_actions'
		  . " WHERE action_id = $action", $reason);

	like($error, $reason, $name);
	is($node->action_state($action), 'waiting', '... and it waits');
	return;
}

# Wait until an action is done after all.
sub sent_at_last
{
	my ($action, $name) = @_;

	is($node->wait_for_state($action, 'done'), 'done', $name);
	return;
}

# ---- roles ----

foreach my $call (
	"create_instance('zapi', 'shop')",
	"enqueue_create_instance('zapi', 'shop')",
	"delete_instances('zapi', ARRAY['x'])",
	"approve_trial('zapi', 'x')", 'cancel_action(1)', 'retry_action(1)',
	"sync_instances('zapi')", "remote_instances('zapi')",
	"test_connection('zapi')", "instance_qr('zapi', 'x')")
{
	my ($function) = $call =~ /^(\w+)/;

	$node->fails_with("SELECT partner_api.$call", '42501',
		{ message => qr/permission denied for function $function/ },
		"a reader does not call $function, even with USAGE",
		role => 'reader');
}
foreach my $call (
	"create_instance('zapi', 'shop')",
	"enqueue_create_instance('zapi', 'shop')",
	"remote_instances('zapi')", "sync_instances('zapi')",
	"test_connection('zapi')", "instance_status('zapi', 'x')",
	"approve_trial('zapi', 'x')")
{
	$node->fails_with("SELECT partner_api.$call", '42501',
		{   message => qr/permission denied for foreign server zapi/,
			hint => qr/Grant USAGE .* to role "outsider"/ },
		"an operator without USAGE is refused: $call",
		role => 'outsider');
}
$node->fails_with('SELECT * FROM partner_api.instances',
	'42501', { message => qr/permission denied for schema partner_api/ },
	'who has no role does not even get into the schema', role => 'nobody');
is(requests(), 0, 'nothing of that reached the provider');

# ---- the right to the server, when a request is sent ----

my $later = "now() + interval '1 hour'";
my $early = enqueue('early', 'operator', "run_at => $later");

$node->sql('REVOKE USAGE ON FOREIGN SERVER zapi FROM operator');
$node->set_clock($sandbox, "now() + interval '2 hours'");
not_sent_for($early, qr/permission denied for foreign server zapi/,
	'a right that was revoked after the enqueue counts when sending');
is($sandbox->counters('create_instance')->{requests}, 0, '... unsent');
$node->sql('GRANT USAGE ON FOREIGN SERVER zapi TO operator');
sent_at_last($early, 'it is sent once the right is back');
is(scalar $sandbox->created('early'), 1, '... once');

# A role that is gone holds up nobody else.
$node->create_role('leaver', 'partner_api_operator');
$node->sql('GRANT USAGE ON FOREIGN SERVER zapi TO leaver');
my $orphan = enqueue('orphan', 'leaver',
	"run_at => partner_api.clock() + interval '1 hour'");
my $neighbour = enqueue('neighbour', 'operator',
	"run_at => partner_api.clock() + interval '1 hour'");
$node->sql('REVOKE USAGE ON FOREIGN SERVER zapi FROM leaver;'
	  . ' DROP ROLE leaver');
$node->set_clock($sandbox, "partner_api.clock() + interval '2 hours'");
sent_at_last($neighbour, 'the neighbour of an action of a dropped role');
not_sent_for($orphan, qr/role "leaver" does not exist/,
	'an action of a role that was dropped');
is(scalar $sandbox->created('orphan'), 0, '... unsent');
$node->sql("SELECT partner_api.cancel_action($orphan)");

# Whoever runs the statement acts: a SECURITY DEFINER function of the
# business lends its owner's right, and no other.
$node->sql(<<'SQL');
CREATE FUNCTION order_instance(name text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN partner_api.enqueue_create_instance('zapi', name);
ALTER FUNCTION order_instance(text) OWNER TO operator;
GRANT EXECUTE ON FUNCTION order_instance(text) TO nobody;
SQL
my $lent = $node->sql("SELECT order_instance('lent')", role => 'nobody');
sent_at_last($lent, 'a function of the business lends its right');
is($node->action($lent)->{requested_by}, 'operator', '... its owner acts');

# ---- hosts ----

$node->sql("ALTER SYSTEM SET partner_api.allowed_hosts = 'example.com'");
$node->reload;
$node->poll('SHOW partner_api.allowed_hosts', qr/^example\.com$/);
my $before = requests();
foreach my $call ("create_instance('zapi', 'x')",
	"enqueue_create_instance('zapi', 'x')", "test_connection('zapi')",
	"sync_instances('zapi')")
{
	$node->fails_with("SELECT partner_api.$call",
		'42501',
		{   message => qr/host "127\.0\.0\.1" is not allowed/,
			detail => qr/partner_api\.allowed_hosts/ },
		"a host that is not allowed any more: $call",
		role => 'operator');
}
is(requests(), $before, 'nothing was sent there');

# What was enqueued before waits; a session that may set the setting can
# enqueue, but the worker goes by its own.
my $elsewhere = $node->sql(
	"SET partner_api.allowed_hosts = '127.0.0.1';"
	  . " SELECT partner_api.enqueue_create_instance('zapi', 'elsewhere')");
not_sent_for($elsewhere, qr/host "127\.0\.0\.1" is not allowed/,
	'the worker checks the host when it sends');
$node->sql('ALTER SYSTEM RESET partner_api.allowed_hosts');
$node->reload;
sent_at_last($elsewhere, 'it is sent once the host is allowed again');

# ---- token files ----

# Replace the token file.
sub write_token
{
	my ($text, $mode) = @_;

	$node->secret_file('zapi.token', $text);
	chmod $mode, $token_file if defined $mode;
	return;
}

my $token = $PartnerApi::Sandbox::TOKEN;
my $use = "SELECT partner_api.test_connection('zapi')";

unlink $token_file;
$node->fails_with($use, '58P01',
	{   message => qr/could not open token file ".*zapi\.token"/,
		hint => qr/must exist on the database server/ },
	'a token file that is missing', role => 'operator');
write_token('');
$node->fails_with($use, 'HV024', { message => qr/is empty/ },
	'an empty token file', role => 'operator');
write_token(" \n\t\n");
$node->fails_with($use, 'HV024', { message => qr/is empty/ },
	'a token file of white space', role => 'operator');
foreach my $text ("two words\n", "$token\n$token\n", "$token\r\nX-Evil: 1\n",
	"t\xe3ken\n", "nul\0inside")
{
	my $shown = $text =~ s/[^ -~]/?/gr;

	write_token($text);
	my $error = $node->error($use, role => 'operator');

	PartnerApi::Cluster::error_is($error, 'HV024',
		{ message => qr/is not a token/ }, "a file that holds \"$shown\"");
	unlike($error->{text}, qr/$token|two words|X-Evil/,
		'... of which nothing is shown');
}
write_token($token, 0640);
$node->fails_with($use, 'F0000',
	{   message => qr/can be read by others/,
		detail => qr/0640/,
		hint => qr/chmod 0600/ },
	'a token file that its group can read', role => 'operator');
write_token($token, 0604);
$node->fails_with($use, 'F0000', { message => qr/can be read by others/ },
	'a token file that everybody can read', role => 'operator');
write_token("$token\n");
is($node->sql("SELECT ok FROM partner_api.test_connection('zapi')",
		role => 'operator'),
	't', 'a token file with one token on a line of its own');

# Looked at at every use: a file that goes and comes back, a token that is changed
my $waits = enqueue('without file', 'operator',
	"run_at => partner_api.clock() + interval '1 hour'");
unlink $token_file;
$node->set_clock($sandbox, "partner_api.clock() + interval '2 hours'");
not_sent_for($waits, qr/could not open token file/,
	'a token file that was removed after the enqueue');
write_token('rotated-partner-token');
$sandbox->config(tokens => ['rotated-partner-token']);
sent_at_last($waits, 'it is sent when there is a file again');
is($node->sql('SELECT count(DISTINCT token_fingerprint)'
		  . ' FROM partner_api.instances'),
	2, 'each instance tells which token made it');
$sandbox->config(tokens => [$token]);
write_token($token);

# The same session, the same file, and a token of the same length
my $other = $token =~ tr/a-z/b-za/r;
$node->sql("CREATE USER MAPPING FOR CURRENT_USER SERVER zapi"
	  . " OPTIONS (token_file '$old_file')");
is( $node->sql(
		join ';',
		map {
			("COPY (SELECT '$_') TO '$old_file'") x !!$_,
			  ("SELECT ok FROM partner_api.test_connection('zapi')") x 2
		} '', $other, $token, $other, $token),
	join("\n", qw(t t f f t t f f t t)),
	'a session does not use a token that is not in the file any more');
$node->sql('DROP USER MAPPING FOR CURRENT_USER SERVER zapi');

# ---- mappings ----

$node->sql(<<"SQL");
DROP USER MAPPING FOR PUBLIC SERVER zapi;
CREATE USER MAPPING FOR PUBLIC SERVER zapi
	OPTIONS (token '$token', client_token 'sandbox-client-token');
CREATE USER MAPPING FOR reader SERVER zapi OPTIONS (token 'wrong-token');
SQL
is($node->sql("SELECT ok FROM partner_api.test_connection('zapi')",
		role => 'operator'),
	't', 'a mapping FOR PUBLIC is used by whoever has USAGE');
is( $node->sql(
		'SELECT count(umoptions) FROM pg_user_mappings',
		role => 'operator'),
	0, '... and read by nobody else');
is( $node->sql(
		'SELECT count(option_value) FROM information_schema.user_mapping_options',
		role => 'operator'),
	0, '... by no other way');
$node->fails_with('SELECT umoptions FROM pg_user_mapping',
	'42501', { message => qr/permission denied/ },
	'... not in the catalog', role => 'operator');
$node->sql('GRANT partner_api_operator TO reader');
is( $node->sql(
		"SELECT ok, http_status FROM partner_api.test_connection('zapi')",
		role => 'reader'),
	'f|401', 'a mapping of one\'s own goes before it');
$node->fails_with("SELECT partner_api.create_instance('zapi', 'wrong')",
	'28000',
	{   message => qr/create_instance at server "zapi" failed/,
		hint => qr/tokens? of the user mapping/ },
	'... in calls too', role => 'reader');
is(scalar $sandbox->created('wrong'), 0, '... so nothing was created');

# ---- callers with objects of their own in front ----

# Operators and functions that note who runs them: for each kind of name
# that a careless statement would leave to the search path.
$node->create_role('mallory', 'partner_api_operator');
$node->sql(<<'SQL');
GRANT USAGE ON FOREIGN SERVER zapi TO mallory;
CREATE SCHEMA evil AUTHORIZATION mallory;
SQL
$node->sql(<<'SQL', role => 'mallory');
CREATE TABLE evil.loot (who name);
CREATE FUNCTION evil.note() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO evil.loot VALUES (current_user);
	RETURN true;
END
$$;
GRANT USAGE ON SCHEMA evil TO PUBLIC;
GRANT INSERT ON evil.loot TO PUBLIC;
CREATE FUNCTION evil.eq(name, name) RETURNS boolean LANGUAGE sql
	AS 'SELECT evil.note()';
CREATE FUNCTION evil.eq(name, text) RETURNS boolean LANGUAGE sql
	AS 'SELECT evil.note()';
CREATE FUNCTION evil.eq(text, text) RETURNS boolean LANGUAGE sql
	AS 'SELECT evil.note()';
CREATE FUNCTION evil.eq(bigint, bigint) RETURNS boolean LANGUAGE sql
	AS 'SELECT evil.note()';
CREATE FUNCTION evil.pick(jsonb, text) RETURNS text LANGUAGE sql
	AS 'SELECT evil.note()::text';
CREATE OPERATOR evil.= (FUNCTION = evil.eq, LEFTARG = name, RIGHTARG = name);
CREATE OPERATOR evil.= (FUNCTION = evil.eq, LEFTARG = name, RIGHTARG = text);
CREATE OPERATOR evil.= (FUNCTION = evil.eq, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR evil.= (FUNCTION = evil.eq, LEFTARG = bigint, RIGHTARG = bigint);
CREATE OPERATOR evil.->> (FUNCTION = evil.pick, LEFTARG = jsonb, RIGHTARG = text);
CREATE FUNCTION evil.clock() RETURNS timestamptz LANGUAGE sql
	AS 'SELECT now() WHERE evil.note()';
CREATE FUNCTION evil.nextval(text) RETURNS bigint LANGUAGE sql
	AS 'SELECT 1::bigint WHERE evil.note()';
CREATE FUNCTION evil.jsonb_array_elements(jsonb) RETURNS SETOF jsonb
	LANGUAGE sql AS 'SELECT $1 WHERE evil.note()';
CREATE FUNCTION evil.json_populate_record(partner_api.instances, json)
	RETURNS partner_api.instances LANGUAGE sql AS 'SELECT $1 WHERE evil.note()';
CREATE TABLE evil.pending_actions (action_id bigint, state text, server name);
CREATE TABLE evil.instances (server name, instance_id text);
ALTER ROLE mallory SET search_path = evil, pg_catalog, partner_api;
SQL

# The trap works where names are left to the path.
$node->sql(q{SELECT 'a'::name = 'b'::name, '{}'::jsonb->>'x', clock()},
	role => 'mallory');
is($node->sql("SELECT count(*) FROM evil.loot WHERE who = 'mallory'"),
	3, 'the trap works');
$node->sql('TRUNCATE evil.loot');

$node->sql(<<'SQL', role => 'mallory');
CREATE TEMPORARY TABLE pending_actions (action_id bigint, state text);
CREATE TEMPORARY TABLE instances (server name);
SELECT partner_api.enqueue_create_instance('zapi', 'm1', idempotency_key => 'k');
SELECT partner_api.enqueue_create_instance('zapi', 'm1', idempotency_key => 'k');
SELECT instance_id AS id FROM partner_api.create_instance('zapi', 'm2') \gset
SELECT FROM partner_api.sign_instance('zapi', :'id');
SELECT partner_api.approve_trial('zapi', :'id');
SELECT partner_api.enqueue_cancel_instance('zapi', :'id',
	run_at => '2100-01-01') AS action \gset
SELECT partner_api.cancel_action(:action);
SELECT partner_api.retry_action(:action);
SELECT FROM partner_api.sync_instances('zapi');
SELECT FROM partner_api.remote_instances('zapi');
SELECT FROM partner_api.instance_status('zapi', :'id');
SELECT FROM partner_api.delete_instances('zapi', ARRAY[:'id']);
SELECT partner_api.clock();
SELECT FROM partner_api.trials_at_risk;
SELECT FROM partner_api.token_usage;
SELECT FROM partner_api.unmatched_instances;
SELECT FROM partner_api.action_timeline(:action);
SELECT FROM partner_api.worker_status;
SQL
$node->wait_until_settled;
is($node->sql('SELECT count(*) FROM evil.loot'),
	0, 'nothing of the extension ran it');
is($sandbox->created('m1') + $sandbox->created('m2'),
	2, '... and all of it did its work');

# The same for the worker, whatever the database's settings say; PGOPTIONS
# keeps them from our own sessions.
$node->sql(<<'SQL');
ALTER DATABASE postgres SET search_path = evil, pg_catalog;
ALTER DATABASE postgres SET datestyle = 'SQL, DMY';
ALTER DATABASE postgres SET intervalstyle = 'sql_standard';
ALTER DATABASE postgres SET timezone = 'Asia/Kathmandu';
ALTER DATABASE postgres SET standard_conforming_strings = off;
ALTER DATABASE postgres SET default_transaction_isolation = 'serializable';
ALTER DATABASE postgres SET default_transaction_read_only = on;
ALTER DATABASE postgres SET statement_timeout = '1 ms';
SQL
$ENV{PGOPTIONS} = '-c search_path=pg_catalog -c statement_timeout=0'
  . ' -c default_transaction_read_only=off';
my $worker = $node->wait_for_worker;
$node->sql("SELECT pg_terminate_backend($worker)");
$node->wait_for("SELECT pid <> $worker FROM partner_api.worker_status");
my $row = $node->row(
	"SELECT i.trial_ends_at - i.created_at BETWEEN interval '47:59'"
	  . " AND interval '48:01' AS two_days, i.instance_id"
	  . " FROM partner_api.create_instance('zapi', 'odd') i",
	role => 'operator');
ok($row->{two_days}, 'odd settings of the database change no time');
is($sandbox->instance($row->{instance_id})->{state}, 'trial', '... and send');
is($node->sql('SELECT count(*) FROM evil.loot'),
	0, 'nothing of the worker ran it');

done_testing();
