# PartnerApi::Faults::Rig
#	  What the runs of the fault matrix share: a cluster, a sandbox, a gate
#	  between them, and the means to stop, break and mend each.
#
# One run follows another on the same rig; clean() makes them independent.  A
# promotion replaces the cluster by what was its standby.

package PartnerApi::Faults::Rig;

use strict;
use warnings;

use File::Path qw(rmtree);
use PartnerApi::Cluster;
use PartnerApi::Gate;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;

# Between two looks of a poll; a test never depends on its length.
my $POLL_SECONDS = 0.02;

# Servers and their providers, all played by the one sandbox.
my %SERVERS = (
	asaas => 'asaas',
	green => 'greenapi',
	zapi => 'zapi',
	zs => 'zsystems');

# Instances of Green API are ready at once: what waits for them is not what
# runs are about.
my %CONFIG = (
	greenapi_making_seconds => 0,
	greenapi_starting_seconds => 0,
	greenapi_restart_seconds => 0);

# The failures of one run must not open the circuit for the next.
my %OPTIONS = (
	circuit_failures => 0,
	max_concurrency => 8,
	timeout_ms => 60000,
	connect_timeout_ms => 60000);

# Who writes the history waits for this advisory lock, inside the transaction
# that writes, and longer than the worker waits for a lock.
our $GATE_LOCK = 471101;

my $STOP_WRITING = <<"END";
CREATE FUNCTION public.stop_writing() RETURNS trigger LANGUAGE plpgsql
SET lock_timeout = 0 AS \$\$
BEGIN
	PERFORM pg_advisory_xact_lock_shared($GATE_LOCK);
	RETURN NEW;
END \$\$;
CREATE TRIGGER stop_writing BEFORE INSERT ON partner_api.action_history
	FOR EACH ROW EXECUTE FUNCTION public.stop_writing();
END

my $rigs = 0;

# A rig that is ready for its first run.
sub new
{
	my ($class) = @_;
	my $sandbox = PartnerApi::Sandbox->new;
	my $gate = PartnerApi::Gate->new($sandbox);
	my $self = bless { name => 'rig' . ++$rigs, promotions => 0,
		sandbox => $sandbox, gate => $gate, }, $class;
	my $node = PartnerApi::Cluster->new($self->{name});
	my %options = (%OPTIONS, base_url => $gate->url);
	my %base_url = map { $_ => _base_url($_, $gate->url) } keys %SERVERS;

	$sandbox->config(%CONFIG);
	$node->init(allows_streaming => 1, conf => <<'END');
restart_after_crash = on
max_wal_size = 1GB
checkpoint_timeout = 1h
END
	$node->start;
	$self->{node} = $node;
	$node->install;
	$node->create_server($sandbox, name => $_, provider => $SERVERS{$_},
		%options, base_url => $base_url{$_})
	  foreach sort keys %SERVERS;
	$node->set_option(instance_base_url => $gate->url, 'green');
	$node->set_option(trial_end => 'lapse', 'zapi');
	$self->{options} = {%options};
	$node->sql($STOP_WRITING);
	$self->_gain_evidence;
	return $self;
}

# Where the API of a server is.
sub _base_url
{
	my ($server, $url) = @_;

	return $server eq 'asaas' ? "$url/v3" : $url;
}

sub node { return $_[0]{node} }
sub gate { return $_[0]{gate} }
sub sandbox { return $_[0]{sandbox} }

# A create is sent again only where a list has shown a nonce of ours: let one
# of each server be found by it.
sub _gain_evidence
{
	my ($self) = @_;

	foreach my $create (
		"create_instance('zapi', 'evidence')",
		"create_instance('green', 'evidence')",
		'create_plan(' . PartnerApi::Faults::Run::plan_arguments('evidence') . ')',
		'create_charge(' . PartnerApi::Faults::Run::charge_arguments('evidence',
			$self->seed_customer) . ')')
	{
		$self->{gate}->hold('pass', 1, 'reset_after');
		my $action =
		  $self->{node}->sql("SELECT partner_api.enqueue_$create");

		$self->{node}->wait_for_state($action, 'needs_attention') eq 'done'
		  or die "the first $create was not found again";
		$self->{gate}->release;
	}
	$self->{node}->wait_until_settled;
	return;
}

# Nothing of the run before is left: neither rows nor instances nor options.
# The clock goes on, and idle connections stay.
sub clean
{
	my ($self) = @_;
	my $node = $self->{node};

	$self->{sandbox}->reset_all;
	$self->{sandbox}->config(%CONFIG);
	$self->options(%OPTIONS, base_url => $self->{gate}->url);
	$node->sql('TRUNCATE ' . join ', ', map { "partner_api.$_" } qw(
		pending_actions action_history action_attempts idempotency_keys
		instances instance_secrets instance_events mirror_backlog
		trial_approvals object_events plans subscriptions clients cards
		customers payments payment_events));
	if (delete $self->{restart})
	{
		$node->restart;
		$node->wait_for_worker;
	}
	$node->set_clock($self->{sandbox}, 'partner_api.clock()');
	$self->{log_from} = -s $node->logfile;
	return;
}

# Set options of the servers, where they are not so already.
sub options
{
	my ($self, %options) = @_;

	foreach my $name (sort keys %options)
	{
		next if $self->{options}{$name} eq $options{$name};
		$self->{node}->set_option($name => $name eq 'base_url'
			? _base_url($_, $options{$name}) : $options{$name}, $_)
		  foreach sort keys %SERVERS;
		$self->{node}
		  ->set_option(instance_base_url => $options{$name}, 'green')
		  if $name eq 'base_url';
		$self->{options}{$name} = $options{$name};
	}
	return;
}

# Instances that exist before the run, cancelled ones long enough to be
# deleted, those that are ready of Green API; returns their ids.
sub seed
{
	my ($self, @states) = @_;
	my $long_ago = $self->{sandbox}->control('clock')->{now_ms}
	  - 60 * 86400 * 1000;
	my @ids = map {
		$self->{sandbox}->seed(name => "given $_", state => $_,
			provider => $_ eq 'ready' ? 'greenapi' : 'zapi',
			$_ eq 'cancelled'
			? (cancelled_at => $long_ago, ends_at => $long_ago)
			# no stranger of the time of a create that is looked for
			: $_ eq 'ready' ? (created_at => $long_ago)
			: ())->{id}
	} @states;

	foreach my $server (@ids ? qw(zapi green) : ())
	{
		$self->{node}
		  ->sql("SELECT * FROM partner_api.sync_instances('$server')");
	}
	return @ids;
}

# Subscriptions that exist before the run, in these states; returns their ids.
sub seed_subscriptions
{
	my ($self, @states) = @_;

	return () unless @states;
	my $plan = $self->{sandbox}->seed_object('plans', grace_period => 30)->{id};
	my @ids = map {
		$self->{sandbox}->seed_object('subscriptions', plano_id => $plan,
			amount => 99, state => $_)->{id}
	} @states;

	$self->{node}->sql("SELECT * FROM partner_api.sync_plans('zs')");
	$self->{node}->sql("SELECT * FROM partner_api.sync_subscriptions('zs')");
	return @ids;
}

# A customer who exists before the run; returns the id.
sub seed_customer
{
	my ($self) = @_;

	return $self->{sandbox}->seed_object('asaas_customers', name => 'given',
		cpfCnpj => '12345678909')->{id};
}

# ---- waiting ----

# Wait until something is so, for some seconds if it need not be; returns
# whether it is.
sub wait_until
{
	my ($self, $what, $condition, $seconds) = @_;
	my $give_up_at =
	  time + ($seconds // $PostgreSQL::Test::Utils::timeout_default);

	until ($condition->())
	{
		if (time > $give_up_at)
		{
			return 0 if defined $seconds;
			die "timed out waiting until $what\n";
		}
		select undef, undef, undef, $POLL_SECONDS;
	}
	return 1;
}

# Wait until the server answers and has a worker, another one than this.
sub wait_until_up
{
	my ($self, $old) = @_;

	return $self->{node}->poll('SELECT pid FROM partner_api.worker_status'
		  . ' WHERE pid IS DISTINCT FROM ' . ($old // 0), qr/^\d+$/);
}

# ---- sessions that hold something ----

# A session that does something in a transaction and keeps that open; returns
# the process id of its backend.
sub occupy
{
	my ($self, $sql) = @_;
	my $console = $self->{node}->console;

	push @{ $self->{occupants} }, $console;
	$console->run("BEGIN; $sql;");
	return $console->run('SELECT pg_backend_pid();') + 0;
}

# End these sessions, those that are still there.
sub vacate
{
	my ($self) = @_;

	$_->end foreach splice @{ $self->{occupants} //= [] };
	return;
}

# ---- the worker as a process ----

sub worker
{
	my ($self) = @_;

	return $self->{node}->wait_for_worker;
}

# Stop the worker where it is, and let it go on.
sub freeze
{
	my ($self) = @_;

	$self->{frozen} = $self->worker;
	kill 'STOP', $self->{frozen};
	return;
}

sub thaw
{
	my ($self) = @_;
	my $pid = delete $self->{frozen} // return;

	kill 'CONT', $pid;
	return;
}

# Let the worker have no more memory than it has; without an argument: as much
# as it wants.
sub limit_memory
{
	my ($self, $limited) = @_;
	my $limit = ':';

	if ($limited)
	{
		$self->{limited} = $self->worker;
		my ($kb) = slurp_file("/proc/$self->{limited}/status") =~
		  /^VmSize:\s+(\d+)/m;
		$limit = $kb * 1024 . $limit;
	}
	elsif (!$self->{limited} || !-e "/proc/$self->{limited}")
	{
		return;
	}
	else
	{
		$limit = 'unlimited:';
	}
	system 'prlimit', "--pid=$self->{limited}", "--as=$limit";
	return;
}

# Has the worker run out of memory, or even ended?
sub lacks_memory
{
	my ($self) = @_;

	return !-e "/proc/$self->{limited}"
	  || $self->log_text =~ /out of memory/
	  || $self->{node}->sql('SELECT count(*) FROM partner_api.worker_status'
		  . " WHERE last_error LIKE '%out of memory%'");
}

# What the server has logged since clean().
sub log_text
{
	my ($self) = @_;

	return slurp_file($self->{node}->logfile, $self->{log_from});
}

# ---- the cluster as a whole ----

# End every process of the cluster at once, a stopped one too.
sub crash
{
	my ($self) = @_;
	my $node = $self->{node};
	my ($postmaster) =
	  slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;

	kill 'QUIT', $postmaster;
	$self->thaw;
	$self->wait_until('the postmaster has ended',
		sub { !kill 0, $postmaster });
	$node->_update_pid(0);
	return;
}

# A standby without which nothing is committed.
sub add_standby
{
	my ($self) = @_;
	my $node = $self->{node};
	my $name = "$self->{name}_" . ++$self->{promotions};
	my $standby = PartnerApi::Cluster->new($name);

	$node->backup($name);
	$standby->init_from_backup($node, $name, has_streaming => 1);
	$standby->start;
	$node->sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
	$node->reload;
	$node->wait_for('SELECT count(*) = 1 FROM pg_stat_replication'
		  . " WHERE sync_state = 'sync'");
	$self->{standby} = $standby;
	return;
}

# The cluster is gone; its standby takes over.
sub promote
{
	my ($self) = @_;
	my $old = $self->{node};
	my $node = delete $self->{standby};

	$self->crash;
	$self->{log_from} = 0;
	$node->promote;
	$self->{node} = $node;
	rmtree([ $old->data_dir, $old->backup_dir ]);
	return;
}

1;
