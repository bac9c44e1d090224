# PartnerApi::Cluster
#	  A PostgreSQL cluster with the extension, and what tests ask of it.
#
#	  my $sandbox = PartnerApi::Sandbox->new;
#	  my $node = PartnerApi::Cluster->launch('main', $sandbox);
#	  my $row = $node->row(
#		  "SELECT * FROM partner_api.create_instance('zapi', 'shop')");
#
# Tests wait for a state, never for a time: wait_for() and wait_for_state()
# poll.  That something does not happen is shown by drive_pass() first.

package PartnerApi::Cluster;

use strict;
use warnings;

use parent 'PostgreSQL::Test::Cluster';

use Encode qw(decode_utf8 encode_utf8);
use IPC::Run;
use JSON::PP;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $DATABASE = 'postgres';

# Between two looks of a poll; a test never depends on its length.
my $POLL_SECONDS = 0.03;

my $CONFIGURATION = <<"END";
shared_preload_libraries = 'partner_api'
partner_api.allowed_hosts = '127.0.0.1, localhost'
partner_api.databases = '$DATABASE'
partner_api.test_clock = on
max_connections = 50
END

# What holds for every open action.  The extension does without constraints,
# since they cost too much; the tests do not.
my $RULES = <<'END';
ALTER TABLE partner_api.pending_actions
ADD CHECK (state IN ('waiting', 'held', 'sending', 'unknown',
					 'needs_attention')),
ADD CHECK (held_for IN ('approval', 'cap', 'quota', 'dry_run', 'dunning')),
ADD CHECK ((state = 'held') = (held_for IS NOT NULL)),
ADD CHECK (announced IN ('nothing', 'warning', 'alarm')),
ADD CHECK (attempts >= 0 AND lease >= 0 AND looks >= 0);
END

# ---- setting up ----

# As the parent's; "conf" is appended to our settings.
sub init
{
	my ($self, %params) = @_;
	my $conf = delete $params{conf} // '';

	$self->SUPER::init(%params);
	$self->append_conf('postgresql.conf', "$CONFIGURATION$conf\n");
	return;
}

# A running cluster with the extension, a worker, and the sandbox as server
# "zapi".  Parameters: "conf", and "server" (more options of the server).
sub launch
{
	my ($class, $name, $sandbox, %params) = @_;
	my $self = $class->new($name);

	$self->init(conf => $params{conf});
	$self->start;
	$self->install;
	$self->create_server($sandbox, %{ $params{server} // {} });
	return $self;
}

# CREATE EXTENSION, and wait for the worker.
sub install
{
	my ($self, $database) = @_;

	$database //= $DATABASE;
	$self->sql("CREATE EXTENSION partner_api; $RULES",
		database => $database);
	$self->wait_for_worker($database);
	return;
}

# Write a file that only the server's user can read; returns its path.
sub secret_file
{
	my ($self, $name, $text) = @_;
	my $path = $self->basedir . "/$name";

	unlink $path;
	open my $file, '>', $path or die "could not write $path: $!";
	chmod 0600, $path;
	print $file $text;
	close $file;
	return $path;
}

# 'name' 'value' pairs for OPTIONS (...).
sub _options
{
	my (%options) = @_;

	return join ', ', map {
		my $value = $options{$_} =~ s/'/''/gr;
		"$_ '$value'"
	} sort keys %options;
}

# Make the sandbox a server, usable by all: "name" (zapi), "token" and
# "client_token" are ours, other parameters are options of the server.  One of
# Asaas gets its version's path and a key.
sub create_server
{
	my ($self, $sandbox, %options) = @_;
	my $name = delete $options{name} // 'zapi';
	my $database = delete $options{database} // $DATABASE;
	my $asaas = ($options{provider} // '') eq 'asaas';
	my %mapping = (
		token_file => $self->secret_file("$name.token",
			delete $options{token}
			  // ($asaas ? $sandbox->asaas_key : $PartnerApi::Sandbox::TOKEN)),
		client_token_file => $self->secret_file("$name.client_token",
			delete $options{client_token}
			  // $PartnerApi::Sandbox::CLIENT_TOKEN));
	my %server = (
		provider => 'zapi',
		base_url => $sandbox->url . ($asaas ? '/v3' : ''),
		%options);

	$self->sql("CREATE SERVER $name FOREIGN DATA WRAPPER partner_api"
		  . ' OPTIONS (' . _options(%server) . ');'
		  . " CREATE USER MAPPING FOR PUBLIC SERVER $name"
		  . ' OPTIONS (' . _options(%mapping) . ');'
		  . " GRANT USAGE ON FOREIGN SERVER $name TO PUBLIC",
		database => $database);
	return;
}

# Change a setting; it goes last, so that it wins.
sub _configure
{
	my ($self, $setting, $value) = @_;

	$self->append_conf('postgresql.conf', "partner_api.$setting = '$value'");
	$self->reload;
	return;
}

# Let the workers send, or not: "on" or "off".
sub set_enabled
{
	my ($self, $value) = @_;

	$self->_configure(enabled => $value);
	$self->wait_for("SELECT current_setting('partner_api.enabled') = '$value'");
	return;
}

# Have no worker any more, and return when it has gone.
sub stop_worker
{
	my ($self) = @_;

	$self->_configure(databases => '');
	$self->wait_for('SELECT count(*) = 0 FROM pg_stat_activity'
		  . " WHERE backend_type = 'partner_api worker'");
	return;
}

# Have one again.
sub start_worker
{
	my ($self) = @_;

	$self->_configure(databases => $DATABASE);
	return $self->wait_for_worker;
}

# Set one option of a server.
sub set_option
{
	my ($self, $option, $value, $server) = @_;
	my $present = $self->sql('SELECT count(*) FROM pg_foreign_server,'
		  . " LATERAL pg_options_to_table(srvoptions) WHERE srvname = '"
		  . ($server // 'zapi')
		  . "' AND option_name = '$option'");

	$self->sql('ALTER SERVER ' . ($server // 'zapi') . ' OPTIONS ('
		  . ($present ? 'SET ' : 'ADD ')
		  . _options($option => $value)
		  . ')');
	return;
}

# A role that can log in, with membership in the given roles.
sub create_role
{
	my ($self, $role, @in) = @_;

	$self->sql("CREATE ROLE $role LOGIN"
		  . (@in ? ' IN ROLE ' . join(', ', @in) : ''));
	return;
}

# ---- SQL ----

# psql's view of a parameter list: database, and extra arguments for a role.
sub _target
{
	my (%params) = @_;

	return ($params{database} // $DATABASE,
		defined $params{role} ? [ '-U', $params{role} ] : []);
}

# Output of SQL that must succeed, in characters as the SQL is.  Parameters:
# "database", "role".
sub sql
{
	my ($self, $sql, %params) = @_;
	my ($database, $extra) = _target(%params);

	return decode_utf8(
		$self->safe_psql($database, encode_utf8($sql),
			extra_params => $extra));
}

# Rows of a query, each as a hash.
sub rows
{
	my ($self, $query, %params) = @_;
	my $json = $self->sql(
		"SELECT coalesce(json_agg(r), '[]') FROM ($query) r", %params);

	return @{ JSON::PP->new->decode($json) };
}

# The one row of a query.
sub row
{
	my ($self, $query, %params) = @_;
	my @rows = $self->rows($query, %params);

	die 'query returned ' . @rows . " rows: $query" unless @rows == 1;
	return $rows[0];
}

# The first error in what psql printed with VERBOSITY verbose, in its parts.
sub _parse_error
{
	my ($stderr) = @_;
	my %error = (text => $stderr);

	@error{qw(sqlstate message)} = ($1, $2)
	  if $stderr =~ /(?:ERROR|FATAL):  (\w{5}): (.*)/;
	$error{detail} = $1 if $stderr =~ /^DETAIL:  (.*)/m;
	$error{hint} = $1 if $stderr =~ /^HINT:  (.*)/m;
	return \%error;
}

# The error of SQL that must fail: sqlstate, message, detail, hint, text.
sub error
{
	my ($self, $sql, %params) = @_;

	return $self->start_sql($sql, %params)->error;
}

# Test that SQL fails with a SQLSTATE, and that parts of its error match:
# message, detail, hint.
sub fails_with
{
	my ($self, $sql, $sqlstate, $parts, $name, %params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return error_is($self->error($sql, %params), $sqlstate, $parts, $name);
}

# The same test of an error that is at hand.
sub error_is
{
	my ($error, $sqlstate, $parts, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @wrong = grep { ($error->{$_} // '') !~ $parts->{$_} } keys %$parts;
	my $good = ($error->{sqlstate} // 'none') eq $sqlstate && !@wrong;

	ok($good, $name)
	  or diag("expected $sqlstate", map({ "; $_ $parts->{$_}" } keys %$parts),
		"\ngot: $error->{text}");
	return $good;
}

# Start SQL in a session of its own and return at once: see
# PartnerApi::Cluster::Session.
sub start_sql
{
	my ($self, $sql, %params) = @_;
	my ($database, $extra) = _target(%params);
	my $name = 'session' . ++$self->{sessions_started};
	my $file = $self->secret_file("$name.sql", encode_utf8($sql));
	my %session = (node => $self, name => $name, out => '', err => '');
	my $connstr = $self->connstr($database) . " application_name=$name";

	local %ENV = $self->_get_env();
	$session{run} = IPC::Run::start(
		[   $self->installed_command('psql'), '-XAtq',
			'-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=1',
			'-d', $connstr, @$extra, '-f', $file ],
		'<', \undef, '>', \$session{out}, '2>', \$session{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return bless \%session, 'PartnerApi::Cluster::Session';
}

# Open a session that takes one statement after the other: see
# PartnerApi::Cluster::Console.
sub console
{
	my ($self, %params) = @_;
	my ($database, $extra) = _target(%params);
	my %console = (
		in => '', out => '',
		timer =>
		  IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	local %ENV = $self->_get_env();
	$console{run} = IPC::Run::start(
		[   $self->installed_command('psql'), '-XAtq',
			'-d', $self->connstr($database), @$extra ],
		'<', \$console{in}, '>', \$console{out}, '2>&1',
		$console{timer});
	return bless \%console, 'PartnerApi::Cluster::Console';
}

# One that hears what the extension announces.
sub listen
{
	my ($self, %params) = @_;
	my $console = $self->console(%params);

	$console->run('LISTEN partner_api;');
	return $console;
}

# ---- waiting ----

# Poll until the output of a query matches; returns it.  Errors of the query
# are passed over, since the server may be restarting.
sub poll
{
	my ($self, $query, $pattern, %params) = @_;
	my ($database, $extra) = _target(%params);
	my $give_up_at = time + $PostgreSQL::Test::Utils::timeout_default;
	my ($status, $out, $err);

	do
	{
		die "timed out: $query\nlast output: " . ($out // '') . "\n"
		  . ($err // '')
		  if time > $give_up_at;
		select undef, undef, undef, $POLL_SECONDS if defined $status;
		# psql may end before it has read the query: that kills the writer
		($status, $out, $err) = eval {
			$self->psql($database, $query, extra_params => $extra);
		};
		$err //= $@;
		$status //= -1;
	} until $status == 0 && $out =~ $pattern;
	return $out;
}

# Poll until a query says true.
sub wait_for
{
	my ($self, $query, %params) = @_;

	$self->poll($query, qr/^t$/, %params);
	return 1;
}

# State of an action, open or closed.
sub state_query
{
	my ($action) = @_;

	return 'SELECT state FROM partner_api.pending_actions'
	  . " WHERE action_id = $action UNION ALL"
	  . ' SELECT state FROM partner_api.action_history'
	  . " WHERE action_id = $action";
}

sub action_state
{
	my ($self, $action) = @_;

	return $self->sql(state_query($action));
}

# Wait until an action is in a state, or closed; returns the state.
sub wait_for_state
{
	my ($self, $action, $state) = @_;

	return $self->poll(state_query($action),
		qr/^(?:$state|done|failed|cancelled|missed)$/);
}

# The row of an action, open or closed, as a hash.
sub action
{
	my ($self, $action) = @_;
	my @rows = map {
		$self->rows("SELECT * FROM partner_api.$_ WHERE action_id = $action")
	} qw(pending_actions action_history);

	die "action $action: " . @rows . ' rows' unless @rows == 1;
	return $rows[0];
}

# Wait until nothing is open, or nothing for which a condition holds.
sub wait_until_settled
{
	my ($self, $condition) = @_;

	return $self->wait_for('SELECT count(*) = 0'
		  . ' FROM partner_api.pending_actions WHERE '
		  . ($condition // 'true'));
}

# ---- worker and time ----

# Wait for the worker of a database; returns its process id.
sub wait_for_worker
{
	my ($self, $database) = @_;

	$database //= $DATABASE;
	return $self->poll('SELECT pid FROM partner_api.worker_status'
		  . " WHERE database = '$database' AND pid IS NOT NULL",
		qr/^\d+$/, database => $database);
}

sub _passes
{
	my ($self) = @_;

	return $self->sql('SELECT passes FROM partner_api.worker_status'
		  . " WHERE database = '$DATABASE'");
}

# Return after the worker has begun and ended a pass, with all that time
# brings: what it would do, it has done or has put on the wire.  The first of
# two may have begun before; the clock is turned a little to wake it.
sub drive_pass
{
	my ($self) = @_;

	foreach (1 .. 2)
	{
		my $before = $self->_passes;

		$self->sql('SELECT partner_api.set_clock('
			  . "partner_api.clock() + interval '1 ms')");
		$self->wait_for("SELECT passes > $before"
			  . ' FROM partner_api.worker_status'
			  . " WHERE database = '$DATABASE'");
	}
	return;
}

# Turn the clocks of the database and of the sandbox to the value of an SQL
# expression.  The sandbox goes first, since the worker acts at once.
sub set_clock
{
	my ($self, $sandbox, $expression) = @_;
	my $time = $self->sql("SELECT to_char(($expression)::timestamptz"
		  . q{ AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')});

	$sandbox->set_clock($time);
	$self->sql("SELECT partner_api.set_clock('$time')");
	return;
}

# A session that runs SQL in the background.

package PartnerApi::Cluster::Session;

# Process id of the session's backend, once it runs a statement.
sub pid
{
	my ($self) = @_;

	return $self->{node}->poll('SELECT pid FROM pg_stat_activity'
		  . " WHERE application_name = '$self->{name}'"
		  . " AND state <> 'idle'", qr/^\d+$/);
}

# Cancel the statement that it runs.
sub cancel
{
	my ($self) = @_;

	return $self->{node}->sql(
		'SELECT pg_cancel_backend(' . $self->pid . ')');
}

# Wait for the end; returns the output, and dies if there was an error.
sub output
{
	my ($self) = @_;

	$self->{run}->finish;
	die "session failed: $self->{err}" if $self->{err} ne '';
	chomp $self->{out};
	return $self->{out};
}

# Wait for the end; returns the error in its parts.
sub error
{
	my ($self) = @_;

	$self->{run}->finish;
	return PartnerApi::Cluster::_parse_error($self->{err});
}

# A session that takes one statement after the other, and shows what it hears.

package PartnerApi::Cluster::Console;

# Run a statement and wait for its end; psql shows notifications with it.
# Returns what it printed.
sub run
{
	my ($self, $statement) = @_;
	my $mark = 'ran ' . ++$self->{statements};
	my $before = length $self->{out};

	$self->{timer}->start;
	$self->{in} .= "$statement\n\\echo $mark\n";
	$self->{run}->pump until $self->{out} =~ /^$mark$/m;
	return substr($self->{out}, $before) =~ s/^$mark\n//mr;
}

# Wait until something was heard that matches; returns all that was heard.
sub heard
{
	my ($self, $pattern) = @_;
	my $give_up_at = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($self->{out} =~ $pattern)
	{
		die "not heard: $pattern\nbut: $self->{out}" if time > $give_up_at;
		$self->run('SELECT;');
		select undef, undef, undef, $POLL_SECONDS;
	}
	return $self->{out};
}

# End it, whatever it has open, also if its server has gone.
sub end
{
	my ($self) = @_;

	$self->{timer}->start;
	$self->{run}->finish;
	return;
}

1;
