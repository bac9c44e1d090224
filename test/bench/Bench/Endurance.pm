# Endurance.pm
#	  What many actions leave behind: WAL and commits for each, memory of the
#	  worker, and the rate beside a snapshot that is held for long.

package Bench::Endurance;

use strict;
use warnings;

use File::Basename qw(dirname);

use lib dirname(__FILE__) . '/..';
use Bench::Calls qw(pgbench_rate);
use Bench::Cluster qw(psql reload_until_seen);
use Bench::Drain
  qw(check_outcome drain_rate drain_seconds enqueue_creates fill_queue
  slow_down);
use Bench::Report qw(note row section);
use Bench::Session;

# ---- WAL and commits ----

# Bytes of WAL, and passes of the worker, each of which is one commit.
sub written_so_far
{
	return split /\|/,
	  psql("SELECT pg_current_wal_insert_lsn() - '0/0',"
		  . ' (SELECT passes FROM partner_api.worker_status())');
}

# Run something for so many actions, and say what each has cost.
sub report_written
{
	my ($what, $count, $run) = @_;
	my ($bytes, $passes) = written_so_far();

	$run->();
	my ($bytes_then, $passes_then) = written_so_far();
	row($what,
		sprintf('%.0f bytes, %.3f commits',
			($bytes_then - $bytes) / $count,
			($passes_then - $passes) / $count));
	return;
}

sub measure_written
{
	my ($bench) = @_;
	my $count = $bench->{full} ? 100_000 : 10_000;

	section('WAL and commits of the worker for each action');
	foreach my $concurrency (16, 64, 200)
	{
		fill_queue($bench, $count);
		report_written("drained, $concurrency in flight",
			$count, sub { drain_seconds($count, $concurrency) });
	}
	reload_until_seen('partner_api.enabled', 'on');
	foreach my $sessions (1, 16)
	{
		my $calls = 1_600;

		psql(q{ALTER SERVER bench OPTIONS (ADD max_concurrency '33')});
		report_written(
			"called and waited for, $sessions at a time",
			$calls,
			sub {
				pgbench_rate($bench, 'create_instance.sql', $sessions,
					$calls);
			});
		psql('ALTER SERVER bench OPTIONS (DROP max_concurrency)');
	}
	return;
}

# ---- memory ----

# Kilobytes that the worker has for itself alone.
sub worker_memory
{
	my $pid = psql('SELECT pid FROM partner_api.worker_status()');

	open(my $file, '<', "/proc/$pid/status") or die "no process $pid\n";
	my ($kilobytes) = map { /^RssAnon:\s*(\d+)/ ? $1 : () } <$file>;
	return $kilobytes;
}

sub measure_memory
{
	my ($bench) = @_;
	my ($rounds, $count) = ($bench->{full} ? 51 : 6, 20_000);
	my @memory;

	section('Memory of the worker');
	foreach (1 .. $rounds)
	{
		fill_queue($bench, $count);
		drain_seconds($count, 64);
		push @memory, worker_memory();
	}
	my $grown = $memory[-1] - $memory[0];
	my $actions = ($rounds - 1) * $count;
	row("over $actions actions",
		sprintf('%d to %d kB', @memory[ 0, -1 ]),
		'flat, 1 MB', $grown <= 1024);
	row('  for each action', sprintf('%.2f bytes', 1024 * $grown / $actions));
	return;
}

# ---- an old snapshot ----

sub measure_snapshot
{
	my ($bench) = @_;
	my ($before, $count) = ($bench->{full} ? 2_000_000 : 100_000, 5_000);
	my $target = 1150;

	section('Drain against a server that takes 50 ms, beside an old snapshot');
	my $without = drain_rate($bench, $count, 64, 50);
	my $session = Bench::Session->start;
	$session->ask('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	$bench->{sandbox}->reset;
	enqueue_creates($before);
	drain_seconds($before, 200);
	$bench->{sandbox}->reset;
	enqueue_creates($count);
	slow_down($bench, 50);
	my $rate = $count / drain_seconds($count, 64);
	check_outcome($bench, $count + $before + $count, $count);
	$session->stop;
	row("64 in flight, after $before actions",
		sprintf('%.0f/s', $rate),
		"$target/s", $rate >= $target);
	row('  before there was the snapshot', sprintf('%.0f/s', $without));
	note(sprintf('  as many as a server that takes 50 ms does in %.0f minutes',
			$before / $target / 60));
	return;
}

1;
