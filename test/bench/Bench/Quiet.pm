# Quiet.pm
#	  What the worker and a waiting call do when nothing happens, and how soon
#	  they stop when they are told to.

package Bench::Quiet;

use strict;
use warnings;

use File::Basename qw(dirname);
use List::Util qw(max);

use lib dirname(__FILE__) . '/..';
use Bench::Cluster qw(psql restart_cluster reload_until_seen);
use Bench::Report qw(row section);
use Bench::Session;
use Time::HiRes qw(sleep time);

my $SAFETY_PASS_S = 10;
my $MOST_MS = 50;
my $STATEMENT_TIMEOUT_MS = 200;

# ---- idle ----

# How often a process has given up the processor of its own accord.
sub switches
{
	my ($pid) = @_;

	open(my $file, '<', "/proc/$pid/status") or die "no process $pid\n";
	my ($count) = map { /^voluntary_ctxt_switches:\s*(\d+)/ ? $1 : () } <$file>;
	return $count;
}

# Passes and wake-ups of the worker so far.
sub worker_counts
{
	my ($pid, $passes) = split /\|/,
	  psql('SELECT pid, passes FROM partner_api.worker_status()');

	return ($passes, switches($pid));
}

sub measure_idle
{
	my ($bench) = @_;
	my $seconds = $bench->{full} ? 300 : 25;

	section('Idle worker');
	psql('SELECT bench.reset()');
	reload_until_seen('partner_api.enabled', 'on');
	# the pass that follows soon after the last one that left something out
	sleep(1);
	my ($passes, $switches) = worker_counts();
	sleep($seconds);
	my ($passes_then, $switches_then) = worker_counts();
	my ($more, $woken) = ($passes_then - $passes, $switches_then - $switches);

	row("passes and wake-ups in $seconds s",
		"$more passes, $woken wake-ups",
		'the safety pass, 10 s',
		$more <= $seconds / $SAFETY_PASS_S + 1 && $woken <= $more + 1);
	return;
}

# ---- stopping what waits ----

# A call and a read whose answers are withheld.
my %waits = (
	call => [
		'create_instance',
		"SELECT name FROM partner_api.create_instance('bench', 'hangs')" ],
	read => [
		'list_instances',
		"SELECT ok FROM partner_api.test_connection('bench')" ],);

# Let a session wait for an answer that does not come.
sub let_hang
{
	my ($bench, $session, $what) = @_;
	my ($operation, $statement) = @{ $waits{$what} };
	my $sandbox = $bench->{sandbox};
	my $before =
	  $sandbox->control('counters?names=false')->{operations}{$operation}
	  {requests};

	$sandbox->control('faults',
		{ operation => $operation, type => 'withhold' });
	$session->tell($statement);
	sleep(0.002)
	  until $sandbox->control('counters?names=false')
	  ->{operations}{$operation}{requests} > $before;
	return;
}

# Milliseconds from pg_cancel_backend() to the error.
sub cancel_ms
{
	my ($bench, $session, $other, $what) = @_;

	let_hang($bench, $session, $what);
	my $start = time;
	$other->tell('SELECT pg_cancel_backend(' . $session->backend . ')');
	my $error = $session->line;
	my $ms = 1000 * (time - $start);
	die "not cancelled: $error\n" if $error !~ /^ERROR:\s+57014/;
	$other->line;
	$bench->{sandbox}->control('release', {});
	return $ms;
}

# Milliseconds from the moment when statement_timeout is over to the error.
sub timeout_ms
{
	my ($bench, $session, $what) = @_;
	my ($operation, $statement) = @{ $waits{$what} };

	$bench->{sandbox}->control('faults',
		{ operation => $operation, type => 'withhold' });
	$session->tell("SET statement_timeout = $STATEMENT_TIMEOUT_MS");
	my $start = time;
	my $error = $session->ask($statement);
	my $ms = 1000 * (time - $start) - $STATEMENT_TIMEOUT_MS;
	die "not timed out: $error\n" if $error !~ /^ERROR:\s+57014/;
	$session->tell('RESET statement_timeout');
	$bench->{sandbox}->control('release', {});
	return $ms;
}

sub measure_shutdown
{
	my ($bench) = @_;
	my $session = Bench::Session->start;

	let_hang($bench, $session, 'call');
	psql('CHECKPOINT');
	my $seconds = restart_cluster();
	$bench->{sandbox}->control('release', {});
	$session->stop;
	row('fast shutdown beside a hanging request',
		sprintf('%.2f s', $seconds), '1 s', $seconds <= 1);
	return;
}

sub measure_stop
{
	my ($bench) = @_;
	my $times = $bench->{full} ? 50 : 10;

	section('Stopping a call that waits (SQLSTATE 57014)');
	$bench->{sandbox}->reset;
	psql('SELECT bench.reset()');
	psql(q{ALTER SERVER bench OPTIONS (ADD max_concurrency '500')});
	my ($session, $other) = map { Bench::Session->start } 1 .. 2;
	foreach my $what ('call', 'read')
	{
		my $cancel = max(map { cancel_ms($bench, $session, $other, $what) }
			  1 .. $times);
		my $timeout =
		  max(map { timeout_ms($bench, $session, $what) } 1 .. $times);

		row("cancel of a $what, the slowest of $times",
			sprintf('%.1f ms', $cancel),
			"$MOST_MS ms", $cancel <= $MOST_MS);
		row("statement_timeout of a $what, the slowest of $times",
			sprintf('%.1f ms', $timeout),
			"$MOST_MS ms", $timeout <= $MOST_MS);
	}
	$_->stop foreach $session, $other;
	measure_shutdown($bench);
	psql(q{ALTER SERVER bench OPTIONS (DROP max_concurrency)});
	return;
}

1;
