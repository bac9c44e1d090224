# PartnerApi::Faults::Strikes
#	  What each fault of the matrix does to a run that has been brought to a
#	  step.
#
# Faults of the network strike the requests of the run; where these have been
# answered already, they strike a further create and the connections.  A
# request that is on its way when its sender dies arrives, or is lost: both
# happen, as the run draws.

package PartnerApi::Faults::Strikes;

use strict;
use warnings;

use PartnerApi::Faults::Steps;

# Soon enough for a test, and far longer than an answer takes.
my $TIMEOUT_MS = 400;

# A listing that lags less than the option list_lag (60 s) says.
my $LAG_SECONDS = 55;

# How long the worker is kept short of memory if it does not notice.
my $MEMORY_SECONDS = 1;

# Actions that a fault of the network has still to strike.
my $UNSTRUCK = "state = 'sending' OR state = 'waiting' AND attempts = 0"
  . ' AND run_at <= partner_api.clock()';

# Faults: "strike" does it all; "end" only says how requests end.
my %FAULTS = (
	worker_kill => {
		strike => sub {
			my ($run) = @_;
			my $worker = $run->rig->worker;

			kill 'KILL', $worker;
			_let_go_alone($run);
			$run->rig->wait_until_up($worker);
		} },
	backend_kill => {
		wants_caller => 1,
		strike => sub {
			my ($run) = @_;
			my $worker = $run->rig->worker;

			kill 'KILL', _caller($run);
			_let_go_alone($run);
			$run->rig->wait_until_up($worker);
		} },
	immediate_stop => {
		strike => sub {
			my ($run) = @_;

			$run->rig->crash;
			_let_go_alone($run);
			$run->rig->node->start;
			$run->rig->wait_until_up;
		} },
	terminate_worker => {
		strike => sub {
			my ($run) = @_;
			my $worker = $run->rig->worker;

			$run->rig->node->sql("SELECT pg_terminate_backend($worker)");
			_let_go_alone($run);
			$run->rig->wait_until_up($worker);
			$run->rig->{restart} = 1;    # the next would start later
		} },
	terminate_caller => {
		wants_caller => 1,
		strike => sub {
			my ($run) = @_;

			$run->rig->node->sql(
				'SELECT pg_terminate_backend(' . _caller($run) . ')');
			PartnerApi::Faults::Steps::let_go($run);
		} },
	out_of_memory => {
		strike => sub {
			my ($run) = @_;
			my $rig = $run->rig;

			$rig->limit_memory(1);
			$run->follow;
			PartnerApi::Faults::Steps::let_go($run);
			$rig->wait_until('memory is short', sub { $rig->lacks_memory },
				$MEMORY_SECONDS);
			$rig->limit_memory(0);
		} },
	reset => { ends => [qw(reset_before reset_after)] },
	close_reused => { ends => ['close_after'], wants_reused => 1 },
	error => { ends => ['error'] },
	garbage => { ends => ['garbage'] },
	list_lag => {
		ends => ['reset_after'],
		config => { list_lag_seconds => $LAG_SECONDS } },
	timeout => {
		options =>
		  { timeout_ms => $TIMEOUT_MS, connect_timeout_ms => $TIMEOUT_MS },
		strike => \&_strike_timeout },
	caller_holds_rows => {
		strike => sub {
			my ($run) = @_;

			$run->call_holding_rows;
			PartnerApi::Faults::Steps::let_go($run);
		} },
	promotion => {
		wants_standby => 1,
		strike => sub {
			my ($run) = @_;

			$run->rig->promote;
			_let_go_alone($run);
			$run->rig->wait_until_up;
		} });

# In a fixed order, as seeds mean the same only then.
sub names
{
	return sort keys %FAULTS;
}

sub wants_caller
{
	my ($fault) = @_;

	return $FAULTS{$fault}{wants_caller};
}

# Before the run's intents: what the fault needs.
sub prepare
{
	my ($run) = @_;
	my $fault = $FAULTS{ $run->{fault} };

	$run->rig->options(%{ $fault->{options} // {} });
	$run->rig->sandbox->config(%{ $fault->{config} // {} })
	  if $fault->{config};
	$run->rig->add_standby if $fault->{wants_standby};
	_warm_up($run) if $fault->{wants_reused};
	$run->{end} = $run->choose(@{ $fault->{ends} }) if $fault->{ends};
	return;
}

sub strike
{
	my ($run) = @_;
	my $fault = $FAULTS{ $run->{fault} };

	if ($fault->{strike})
	{
		$fault->{strike}->($run);
	}
	else
	{
		_strike_network($run, $run->{end});
	}
	return;
}

# ---- parts of strikes ----

# Connections that later requests find open: three creates at once.
sub _warm_up
{
	my ($run) = @_;
	my $rig = $run->rig;

	$rig->gate->hold('sent', 3);
	$rig->node->sql('SELECT partner_api.enqueue_create_instance('
		  . "'zapi', 'warm-up ' || n) FROM generate_series(1, 3) n");
	$rig->gate->wait_for_held(3);
	$rig->gate->release;
	$rig->node->wait_until_settled;
	return;
}

# Process id of a backend that waits for the worker, or of any other.
sub _caller
{
	my ($run) = @_;
	my $rig = $run->rig;
	my ($intent) = grep { $_->{session} } $run->intents;
	my $find = 'SELECT pid FROM pg_stat_activity WHERE application_name = ';

	my $pid = $rig->node->sql("$find'$intent->{session}{name}'");
	return $pid || $rig->occupy('SELECT 1');
}

# The sender has gone: its requests arrive, or they do not.
sub _let_go_alone
{
	my ($run) = @_;

	PartnerApi::Faults::Steps::let_go($run,
		$run->choose(qw(answer reset_before)));
	return;
}

# Requests end badly: those that are stopped, those that are still to come, or
# that of a further create.
sub _strike_network
{
	my ($run, $end) = @_;
	my $gate = $run->rig->gate;
	my $answered = PartnerApi::Faults::Steps::is_answered($run->{step});

	if (!PartnerApi::Faults::Steps::is_at_gate($run->{step}))
	{
		$gate->hold('pass', $answered ? 1 : scalar $run->intents, $end);
		$run->follow if $answered;
		$gate->forget if $answered && $run->{fault} eq 'reset';
	}
	PartnerApi::Faults::Steps::let_go($run, $end);
	$run->rig->node->wait_until_settled($UNSTRUCK);
	return;
}

# Nothing comes until the worker gives up; then it comes, or does not.
sub _strike_timeout
{
	my ($run) = @_;
	my $rig = $run->rig;
	my $step = $run->{step};
	my $answered = PartnerApi::Faults::Steps::is_answered($step);
	my $end = $run->choose(qw(answer reset_before));

	if (!PartnerApi::Faults::Steps::is_at_gate($step) && $step ne 'claimed')
	{
		$rig->gate->hold($run->choose(qw(half_sent sent effect half_answer)),
			$answered ? 1 : scalar $run->intents);
		$run->follow if $answered;
		PartnerApi::Faults::Steps::let_go($run);
	}
	$rig->node->wait_until_settled($UNSTRUCK);
	PartnerApi::Faults::Steps::let_go($run, $end);
	$rig->gate->release($end);
	$rig->options(timeout_ms => 60000, connect_timeout_ms => 60000);
	return;
}

1;
