# Things that go away while actions are open: the extension, its database, a
# server, a credential.  Nothing is forgotten, and what is left says why it
# waits.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->new('main');

$node->init(conf => "partner_api.databases = 'postgres, doomed'");
$node->start;
$node->install;
$node->create_server($sandbox, trial_end => 'lapse', list_lag => '0');

my $mapping = "(token_file '" . $node->basedir . "/zapi.token')";

# Start a call whose answer is withheld; returns its session.
sub withheld_call
{
	my ($name, @target) = @_;
	my $before = $sandbox->counters('create_instance')->{requests};

	$sandbox->fault(operation => 'create_instance', type => 'withhold');
	my $call = $node->start_sql(
		'SELECT status FROM'
		  . " partner_api.create_instance('zapi', '$name')", @target);

	$sandbox->wait_for_requests('create_instance', $before + 1);
	return $call;
}

sub enqueue
{
	my ($name, @more) = @_;

	return $node->sql('SELECT partner_api.enqueue_create_instance('
		  . join(', ', "'zapi'", "'$name'", @more) . ')');
}

# Wait until an action tells why it is not sent, and test that it waits.
sub waits_for
{
	my ($action, $reason, $name) = @_;

	like(
		$node->poll(
			'SELECT last_error FROM partner_api.pending_actions'
			  . " WHERE action_id = $action", $reason),
		$reason, $name);
	is($node->action_state($action), 'waiting', '... and it waits');
	return;
}

# ---- credentials ----

my $later = "run_at => partner_api.clock() + interval '1 hour'";
my $action = enqueue('unmapped', $later);

$node->sql('DROP USER MAPPING FOR PUBLIC SERVER zapi');
$node->set_clock($sandbox, "partner_api.clock() + interval '2 hours'");
waits_for($action, qr/user mapping not found/,
	'an action whose user mapping was dropped says so');
$node->fails_with("SELECT partner_api.enqueue_create_instance('zapi', 'x')",
	'42704', { hint => qr/CREATE USER MAPPING/ }, '... as new ones do');
$node->sql("CREATE USER MAPPING FOR PUBLIC SERVER zapi OPTIONS $mapping");
is($node->wait_for_state($action, 'done'),
	'done', 'it is sent once there is one again');

# While a request is on the wire, nothing of it is looked up again.
my $call = withheld_call('rotated');
$node->sql('DROP USER MAPPING FOR PUBLIC SERVER zapi;'
	  . ' CREATE USER MAPPING FOR PUBLIC SERVER zapi'
	  . " OPTIONS (token 'another-token')");
$sandbox->release;
is($call->output, 'trial', 'a mapping that is replaced during a call');
$node->sql('ALTER USER MAPPING FOR PUBLIC SERVER zapi'
	  . ' OPTIONS (DROP token, ADD token_file '
	  . "'" . $node->basedir . "/zapi.token')");

# A wrong token is a definite no: without a deadline it fails, with one it is
# tried until then, since somebody may mend it.
$sandbox->config(tokens => ['tomorrow']);
$action = enqueue('wrong token');
is($node->wait_for_state($action, 'failed'),
	'failed', 'an action that meets a wrong token fails');
$node->set_clock($sandbox, "partner_api.clock() + interval '61 s'");
my $kept = enqueue('mended token',
	"deadline => partner_api.clock() + interval '1 day'");
waits_for($kept, qr/Bad Credentials/, 'with a deadline it is kept');
$node->secret_file('zapi.token', 'tomorrow');
is($node->wait_for_state($kept, 'done'), 'done', '... and done when mended');
$node->sql("SELECT partner_api.retry_action($action)");
is($node->wait_for_state($action, 'done'),
	'done', 'the failed one can be sent again');
is(scalar $sandbox->created('wrong token'), 1, '... once');

# ---- a server ----

$call = withheld_call('in flight');
$action = enqueue('left behind', $later);
$node->sql('DROP SERVER zapi CASCADE');
$sandbox->release;
is($call->output, 'trial', 'a server that is dropped during a call');
is( $node->sql(
		"SELECT count(*) FROM partner_api.instances WHERE name = 'in flight'"),
	1, '... whose outcome is recorded');
$node->set_clock($sandbox, "partner_api.clock() + interval '2 hours'");
waits_for($action, qr/^server does not exist$/,
	'an action of a server that was dropped');
$node->fails_with("SELECT partner_api.enqueue_create_instance('zapi', 'x')",
	'42704', { hint => qr/CREATE SERVER/ }, '... new ones are refused');
$node->create_server($sandbox, trial_end => 'lapse', list_lag => '0',
	token => 'tomorrow');
$node->drive_pass;
is($node->wait_for_state($action, 'done'),
	'done', 'it is sent once there is a server of that name');

# ---- the extension ----

$call = withheld_call('kept');
foreach my $drop (
	'DROP EXTENSION partner_api CASCADE',
	'DROP SCHEMA partner_api CASCADE')
{
	# not even a wait: the caller, whose locks are in the way, waits for us
	$node->fails_with("SET lock_timeout = '20 s';"
		  . " SET client_min_messages = warning; $drop",
		'55006',
		{   message => qr/while actions are in flight/,
			detail => qr/1 action is sending or unknown/,
			hint => qr/pending_actions/ },
		"$drop while a request is on the wire");
}

# The answer is lost, and the list cannot be read: unknown.
$sandbox->fault(operation => 'list_instances', type => 'status',
	status => 500, times => 0);
my $worker = $node->wait_for_worker;
$node->sql("SELECT pg_terminate_backend($worker)");
PartnerApi::Cluster::error_is($call->error, '08007',
	{ detail => qr/looking at the provider|settled/ },
	'the worker ends during a call');
$node->wait_for(
	"SELECT state = 'unknown' FROM partner_api.pending_actions");
$node->fails_with('SET client_min_messages = warning;'
	  . ' DROP EXTENSION partner_api CASCADE',
	'55006', { message => qr/while actions are in flight/ },
	'the same while an outcome is unknown');
$sandbox->clear_faults;
$sandbox->release;
$node->wait_until_settled;
is(scalar $sandbox->created('kept'), 1, 'it is settled, once');

enqueue('not sent', $later);
$node->sql('SET client_min_messages = warning;'
	  . ' DROP EXTENSION partner_api CASCADE');
$node->wait_for('SELECT count(*) = 0 FROM pg_stat_activity'
	  . " WHERE backend_type = 'partner_api worker'");
ok(1, 'with nothing in flight it can be dropped, and its worker ends');

# ... and made again: the worker is back, and what waited is gone
$node->install;
$node->create_server($sandbox, trial_end => 'lapse', list_lag => '0',
	token => 'tomorrow');
is( $node->sql(
		"SELECT status FROM partner_api.create_instance('zapi', 'again')"),
	'trial', 'after CREATE EXTENSION calls are answered again');
is(scalar $sandbox->created('not sent'), 0, '... and nothing old is sent');

# ---- the database ----

$node->sql('CREATE DATABASE doomed');
$node->install('doomed');
$node->create_server($sandbox, database => 'doomed', trial_end => 'lapse',
	list_lag => '0', token => 'tomorrow');
$node->fails_with('DROP DATABASE doomed',
	'55006', { message => qr/being accessed by other users/ },
	'a worker keeps its database from being dropped by accident');
$call = withheld_call('lost', database => 'doomed');
$node->sql('DROP DATABASE doomed WITH (FORCE)');
like($call->error->{text}, qr/terminating connection|closed the connection/,
	'with FORCE it is dropped, also during a call');
is($node->sql("SELECT count(*) FROM pg_database WHERE datname = 'doomed'"),
	0, '... at once');
$sandbox->release;
$sandbox->clear_faults;
is( $node->sql(
		"SELECT status FROM partner_api.create_instance('zapi', 'neighbour')"),
	'trial', 'the worker of another database does not mind');
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile),
	qr/database "doomed" does not exist/,
	'no worker is started for a database that is gone');

# A database of the same name is another one.
$node->sql('CREATE DATABASE doomed');
$node->install('doomed');
is( $node->sql('SELECT count(*) FROM partner_api.pending_actions',
		database => 'doomed'),
	0, 'a new database of that name begins afresh, with a worker');

done_testing();
