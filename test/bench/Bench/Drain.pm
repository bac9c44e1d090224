# Drain.pm
#	  How fast due actions are sent and written down.
#
# m is what libcurl alone sends to the same sandbox, q what the database alone
# writes with the worker's own statements; a worker that did both, one after
# the other, and nothing else would reach L = 1 / (1/m + 1/q).

package Bench::Drain;

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(dirname);

use lib dirname(__FILE__) . '/..';
use Bench::Cluster qw(command psql reload_until_seen);
use Bench::Report qw(percentile row section);
use Time::HiRes qw(time);

our @EXPORT_OK = qw(check_outcome drain_rate drain_seconds enqueue_creates
  fill_queue slow_down);

my $TOKEN = 'sandbox-partner-token';

# q is the best that these statements can do: only look-ups by index, planned
# once, whatever the statistics of tables say that were empty a moment ago.
my @BEST_PLANS = map { "SET $_" } 'enable_seqscan = off',
  'enable_hashjoin = off', 'enable_mergejoin = off',
  'plan_cache_mode = force_generic_plan';

# Enqueue creates while nothing is sent.
sub enqueue_creates
{
	my ($count) = @_;

	reload_until_seen('partner_api.enabled', 'off');
	psql("SELECT bench.enqueue($count, 'lapse')");
	return;
}

# The same when there was nothing before.
sub fill_queue
{
	my ($bench, $count) = @_;

	$bench->{sandbox}->reset;
	reload_until_seen('partner_api.enabled', 'off');
	psql('SELECT bench.reset()');
	enqueue_creates($count);
	return;
}

# Let each create take so many milliseconds.
sub slow_down
{
	my ($bench, $ms) = @_;

	$bench->{sandbox}->control(
		'faults',
		{   operation => 'create_instance',
			type => 'latency',
			ms => $ms,
			times => 0 });
	return;
}

# Requests that the sandbox answers a second without a database.
sub bare_rate
{
	my ($bench, $count, $concurrency) = @_;

	$bench->{sandbox}->reset;
	return command("$bench->{build}/bare_requests",
		$bench->{sandbox}->url, $TOKEN, $count, $concurrency);
}

# Actions that are written down a second without a request.
sub record_rate
{
	my ($bench, $count, $batch) = @_;

	fill_queue($bench, $count);
	my $start = time;
	psql(@BEST_PLANS, "CALL bench.record_all($batch)");
	my $rate = $count / (time - $start);
	my $outcome = psql('SELECT bench.outcome()');
	die "not all was recorded: $outcome\n"
	  if $outcome !~ /^0 waiting, 0 in flight, $count done/;
	return $rate;
}

# Nothing may be lost or done twice, or the rate is of no interest.  The
# sandbox may have forgotten what came before the last "since".
sub check_outcome
{
	my ($bench, $count, $since) = @_;
	my ($effects, $repeated) = $bench->{sandbox}->creates;
	my $outcome = psql('SELECT bench.outcome()');

	die "$effects creates, $repeated repeated; $outcome\n"
	  if $effects != ($since // $count)
	  || $repeated != 0
	  || $outcome ne "0 waiting, 0 in flight, $count done, "
	  . "$count attempts, $count instances";
	return;
}

# Seconds from switching the worker on to the last commit.
sub drain_seconds
{
	my ($count, $concurrency, $server) = @_;
	# one lane is kept for deadlines
	my $lanes = $concurrency + 1;

	$server //= 'bench';
	psql("ALTER SERVER $server OPTIONS (ADD max_concurrency '$lanes')");
	psql('ALTER SYSTEM SET partner_api.enabled = on');
	my $seconds = psql("CALL bench.drain($count, NULL)");
	psql("ALTER SERVER $server OPTIONS (DROP max_concurrency)");
	return $seconds;
}

# Actions a second; with "ms" against a server that takes so long.
sub drain_rate
{
	my ($bench, $count, $concurrency, $ms) = @_;

	fill_queue($bench, $count);
	slow_down($bench, $ms) if $ms;
	my $seconds = drain_seconds($count, $concurrency);
	check_outcome($bench, $count);
	return $count / $seconds;
}

# The three rates, each the median of several rounds taken in turns.
sub median_rates
{
	my ($bench, $concurrency) = @_;
	my $count = $bench->{full} ? 100_000 : 10_000;
	my (@m, @q, @drain);

	foreach (1 .. 3)
	{
		push @m, bare_rate($bench, $count, $concurrency);
		push @q, record_rate($bench, $count, $concurrency);
		push @drain, drain_rate($bench, $count, $concurrency);
	}
	return map { percentile(0.5, @$_) } \@m, \@q, \@drain;
}

sub measure
{
	my ($bench) = @_;

	section('Drain of due creates, everything flushed');
	foreach my $concurrency (16, 64, 200)
	{
		my ($m, $q, $drain) = median_rates($bench, $concurrency);
		my $limit = 1 / (1 / $m + 1 / $q);

		row("$concurrency in flight",
			sprintf('%.0f/s, %.0f %% of L', $drain, 100 * $drain / $limit),
			'50 % of L, 5,000/s',
			$drain >= 5000 && $drain >= $limit / 2);
		row('  L, from m and q',
			sprintf('%.0f/s, from %.0f and %.0f', $limit, $m, $q));
	}
	return;
}

# The same against a server that takes its time.
sub measure_slow
{
	my ($bench) = @_;

	section('Drain against a server that takes 50 ms');
	foreach my $case ([ 64, 1150, 5_000 ], [ 200, 3400, 15_000 ])
	{
		my ($concurrency, $target, $count) = @$case;
		my $rate = drain_rate($bench, $count * ($bench->{full} ? 10 : 1),
			$concurrency, 50);

		row("$concurrency in flight", sprintf('%.0f/s', $rate),
			"$target/s", $rate >= $target);
	}
	return;
}

1;
