# Plans.pm
#	  How fast plans are created at zsystems, as JSON and as a form.
#
# The drain of creates of instances, with as many in flight, is what the rates
# are compared with: a plan takes a larger request, and its row is wider.

package Bench::Plans;

use strict;
use warnings;

use File::Basename qw(dirname);

use lib dirname(__FILE__) . '/..';
use Bench::Calls qw(pgbench_rate);
use Bench::Cluster qw(psql reload_until_seen);
use Bench::Drain qw(drain_rate drain_seconds);
use Bench::Report qw(row section);

my $IN_FLIGHT = 64;

# The least share of the rate of instances.
my $SHARE = 50;

# Nothing may be lost or done twice, or the rate is of no interest.
sub check_plans
{
	my ($bench, $count) = @_;
	my $counters = $bench->{sandbox}->control('counters?names=false');
	my $effects = $counters->{operations}{create_plan}{effects};
	my $known = psql("SELECT count(*) FROM partner_api.plans");

	die "$effects plans at the provider, $known here, of $count\n"
	  if $effects != $count || $known != $count
	  || $counters->{names_created_more_than_once};
	return;
}

sub clear
{
	my ($bench, $enabled) = @_;

	$bench->{sandbox}->reset;
	reload_until_seen('partner_api.enabled', 'off');
	psql('SELECT bench.reset()');
	reload_until_seen('partner_api.enabled', $enabled);
	return;
}

# Plans a second that were due.
sub drain_plans
{
	my ($bench, $count, $format) = @_;

	clear($bench, 'off');
	psql("SELECT bench.enqueue_plans($count, '$format')");
	my $seconds = drain_seconds($count, $IN_FLIGHT, 'bench_plans');

	check_plans($bench, $count);
	return $count / $seconds;
}

sub measure
{
	my ($bench) = @_;
	my $count = $bench->{full} ? 100_000 : 10_000;
	my $called = $bench->{full} ? 20_000 : 2_000;

	section("Creates of plans, $IN_FLIGHT in flight");
	my $instances = drain_rate($bench, $count, $IN_FLIGHT);

	foreach my $format ('json', 'multipart')
	{
		my $rate = drain_plans($bench, $count, $format);
		my $share = 100 * $rate / $instances;

		row("drain, as $format",
			sprintf('%.0f/s, %.0f %%', $rate, $share),
			"$SHARE %", $share >= $SHARE);
	}
	row('  drain of creates of instances', sprintf('%.0f/s', $instances));
	psql(q{ALTER SERVER bench_plans OPTIONS (ADD max_concurrency '33')});
	foreach my $sessions (1, 16)
	{
		clear($bench, 'on');
		row("create_plan() called, sessions: $sessions",
			sprintf('%.0f/s',
				pgbench_rate($bench, 'create_plan.sql', $sessions, $called)));
		check_plans($bench, $called);
	}
	psql('ALTER SERVER bench_plans OPTIONS (DROP max_concurrency)');
	return;
}

1;
