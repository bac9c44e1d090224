# Latency.pm
#	  From the commit of an enqueue to the first byte at the server.
#
# commit_times notes when COMMIT was sent and when it returned, the sandbox
# when the request arrived, both by the real-time clock of the machine.  The
# target is compared with the longer of the two intervals, the one that begins
# before the caller's own flush; the shorter one is printed beside it.

package Bench::Latency;

use strict;
use warnings;

use File::Basename qw(dirname);

use lib dirname(__FILE__) . '/..';
use Bench::Cluster qw(command conninfo psql);
use Bench::Report qw(percentile row section);
use Time::HiRes qw(usleep);

my $TARGET = 'p50 2 ms, p99 10 ms';
my $PATIENCE_S = 60;

# Poll until the sandbox has seen so many requests of a name.
sub wait_for_arrivals
{
	my ($sandbox, $prefix, $count) = @_;
	my $give_up = time + $PATIENCE_S;

	while (time < $give_up)
	{
		my $arrived = $sandbox->arrivals($prefix);

		return $arrived if keys %$arrived == $count;
		usleep(100_000);
	}
	die "not all requests of \"$prefix\" arrived\n";
}

# One case: "count" commits, one every "interval" microseconds.
sub measure_case
{
	my ($bench, $what, $prefix, $count, $interval) = @_;
	my $lines = command("$bench->{build}/commit_times",
		conninfo(), $prefix, $count, $interval);
	my $arrived = wait_for_arrivals($bench->{sandbox}, $prefix, $count);
	my (@from_sent, @from_answer);

	foreach (split /\n/, $lines)
	{
		my ($name, $sent, $answered) = split;

		push @from_sent, ($arrived->{$name} - $sent) / 1000;
		push @from_answer, ($arrived->{$name} - $answered) / 1000;
	}
	my @p = map { percentile($_, @from_sent) } 0.5, 0.95, 0.99;
	row("$what ($count commits)",
		sprintf('p50 %.1f, p95 %.1f, p99 %.1f ms', @p),
		$TARGET, $p[0] <= 2 && $p[2] <= 10);
	row('  the same from when COMMIT returned',
		sprintf('p50 %.1f, p95 %.1f, p99 %.1f ms',
			map { percentile($_, @from_answer) } 0.5, 0.95, 0.99));
	return;
}

# A request whose answer is withheld while the others go on.
sub measure_hanging
{
	my ($bench, $count) = @_;
	my $sandbox = $bench->{sandbox};

	$sandbox->control(
		'faults',
		{   operation => 'create_instance',
			body_contains => 'hanging-1',
			type => 'withhold' });
	command("$bench->{build}/commit_times", conninfo(), 'hanging', 1, 0);
	wait_for_arrivals($sandbox, 'hanging', 1);
	measure_case($bench, 'another request hangs', 'beside', $count, 20_000);
	$sandbox->control('release', {});
	return;
}

sub measure
{
	my ($bench) = @_;
	my $factor = $bench->{full} ? 10 : 1;

	section('Commit of an enqueue to the first byte at the server');
	$bench->{sandbox}->reset;
	psql('SELECT bench.reset()');
	psql(q{ALTER SERVER bench OPTIONS (ADD max_concurrency '65')});
	# connects, and prepares what is prepared once
	command("$bench->{build}/commit_times", conninfo(), 'first', 5, 10_000);
	measure_case($bench, 'idle', 'idle', 200 * $factor, 20_000);
	measure_case($bench, 'trickle of 3/s', 'trickle', 45 * $factor, 333_333);
	measure_case($bench, 'burst', 'burst', 1000 * $factor, 0);
	measure_hanging($bench, 200 * $factor);
	psql(q{ALTER SERVER bench OPTIONS (DROP max_concurrency)});
	return;
}

1;
