# Bills.pm
#	  The bill of one month for very many instances, beside a plain aggregate
#	  over the same table.

package Bench::Bills;

use strict;
use warnings;

use File::Basename qw(dirname);

use lib dirname(__FILE__) . '/..';
use Bench::Cluster qw(psql psql_script);
use Bench::Report qw(percentile row section);
use Bench::Session;
use Time::HiRes qw(time);

my $INSTANCES = 1_000_000;
my $MOST = 2.0;

my $PLAIN = q{SELECT count(*), count(cancelled_at), count(deleted_at),
	count(*) FILTER (WHERE created_at >= '2026-06-01')
	FROM partner_api.instances};
$PLAIN =~ s/\s+/ /g;
my $CYCLE = q{('bench', '2026-06-01', '2026-07-10')};
my $BILL = "SELECT instances, days, amount_cents"
  . " FROM partner_api.billing_cycle$CYCLE";

# Seconds that a statement of one line takes.
sub seconds_of
{
	my ($session, $statement) = @_;
	my $start = time;

	$session->ask($statement);
	return time - $start;
}

# The bill must be that of its lines.
sub check_bill
{
	my ($session) = @_;
	my $bill = $session->ask($BILL);
	my $lines =
	  $session->ask('SELECT count(*), sum(days), sum(amount_cents)'
		  . q{ FROM partner_api.billing_lines_at('2026-07-10', 'bench',}
		  . q{ '2026-06-01')});

	die "the bill is $bill, its lines are $lines\n" if $bill ne $lines;
	return;
}

# Both in turns, so that what else the machine does slows both.
sub compare
{
	my ($session, $rounds) = @_;
	my (@bill, @plain);

	foreach my $round (0 .. $rounds)
	{
		my $plain = seconds_of($session, $PLAIN);
		my $bill = seconds_of($session, $BILL);

		# the first one reads files and catalogs
		next if $round == 0;
		push @plain, $plain;
		push @bill, $bill;
	}
	return (percentile(0.5, @bill), percentile(0.5, @plain));
}

sub report
{
	my ($bench, $session, $rule) = @_;

	check_bill($session);
	foreach my $workers (2, 0)
	{
		$session->tell("SET max_parallel_workers_per_gather = $workers");
		my ($bill, $plain) = compare($session, $bench->{full} ? 25 : 7);

		row("$rule, " . ($workers ? 'parallel' : 'one process'),
			sprintf('%.0f ms, %.2f x %.0f ms',
				1000 * $bill, $bill / $plain, 1000 * $plain),
			"$MOST x the aggregate",
			$bill <= $MOST * $plain);
	}
	$session->tell('RESET max_parallel_workers_per_gather');
	return;
}

# Leaves the table of instances empty.
sub measure
{
	my ($bench) = @_;

	section("Bill of one month, $INSTANCES instances");
	psql('SELECT bench.reset()');
	psql_script("$bench->{top}/test/bench/bills.sql",
		instances => $INSTANCES);
	my $session = Bench::Session->start;

	report($bench, $session, 'by the month');
	psql(q{UPDATE partner_api.billing_rules SET valid_from = '2022-01-01'}
		  . q{ WHERE rule_id = 'bench by day'});
	report($bench, $session, 'by the day');
	$session->stop;
	psql('TRUNCATE partner_api.instances',
		'DELETE FROM partner_api.billing_prices',
		q{DELETE FROM partner_api.billing_rules WHERE NOT published});
	return;
}

1;
