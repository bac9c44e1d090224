# Invoices.pm
#	  What it takes to invoice many subscriptions, and to take in the events of
#	  their payments, beside the same rows written plainly.

package Bench::Invoices;

use strict;
use warnings;

use File::Basename qw(dirname);

use lib dirname(__FILE__) . '/..';
use Bench::Cluster qw(psql psql_script reload_until_seen);
use Bench::Report qw(percentile row section);
use Bench::Session;
use Time::HiRes qw(time);

my $CUSTOMERS = 10_000;
my $EVENTS = 2_000;

# The most that each may take of what it takes to write its rows.
my $GENERATED = 30;
my $EVENT = 20;

# Seconds that a statement of one line takes, from cleared tables.
sub seconds_of
{
	my ($session, $statement) = @_;

	psql('SELECT bench.clear_invoices()', 'VACUUM partner_api.subscriptions');
	my $start = time;
	my $count = $session->ask($statement);

	die "$count of $CUSTOMERS invoices were made\n" if $count != $CUSTOMERS;
	return time - $start;
}

# Medians of both, in turns; the first of each reads files and catalogs.
sub medians
{
	my ($rounds, $one, $other) = @_;
	my (@one, @other);

	foreach my $round (0 .. $rounds)
	{
		my @taken = ($one->(), $other->());

		next if $round == 0;
		push @one, $taken[0];
		push @other, $taken[1];
	}
	return (percentile(0.5, @one), percentile(0.5, @other));
}

sub measure_generated
{
	my ($session, $rounds) = @_;
	my ($made, $inserted) = medians(
		$rounds,
		sub {
			return seconds_of($session,
				'SELECT count(*) FROM partner_api.generate_invoices()');
		},
		sub {
			return seconds_of($session, 'SELECT bench.insert_invoices()');
		});

	row('generate_invoices(), charges enqueued',
		sprintf('%.0f/s, %.1f x plain', $CUSTOMERS / $made,
			$made / $inserted),
		"$GENERATED x the inserts", $made <= $GENERATED * $inserted);
	row('  the same rows inserted', sprintf('%.0f/s', $CUSTOMERS / $inserted));
	return;
}

# Every event must have had its effect, or what it took is of no interest.
sub event_us
{
	my ($session) = @_;

	psql('SELECT bench.charge_invoices()',
		'VACUUM ANALYZE partner_api.invoices, partner_api.payments');
	my $us = $session->ask("SELECT bench.event_us(true, $EVENTS)");
	my $paid = psql(
		q{SELECT count(*) FROM partner_api.invoices WHERE status = 'paid'});

	die "$paid of $EVENTS invoices are paid\n" if $paid != $EVENTS;
	return $us;
}

sub measure_events
{
	my ($session, $rounds) = @_;
	my ($taken, $inserted) = medians(
		$rounds,
		sub { return event_us($session) },
		sub {
			psql('SELECT bench.charge_invoices()');
			return $session->ask("SELECT bench.event_us(false, $EVENTS)");
		});

	row('asaas_webhook(), an invoice paid',
		sprintf('%.0f us, %.1f x %.0f us', $taken, $taken / $inserted,
			$inserted),
		"$EVENT x its rows", $taken <= $EVENT * $inserted);
	return;
}

# Leaves the tables of customers and invoices empty.
sub measure
{
	my ($bench) = @_;
	my $rounds = $bench->{full} ? 9 : 3;

	section("Invoices of $CUSTOMERS subscriptions, and their payments");
	reload_until_seen('partner_api.enabled', 'off');
	psql('SELECT bench.reset()');
	psql_script("$bench->{top}/test/bench/invoices.sql",
		customers => $CUSTOMERS);
	my $session = Bench::Session->start;

	measure_generated($session, $rounds);
	measure_events($session, $rounds);
	$session->stop;
	psql('SELECT bench.clear_invoices()',
		'TRUNCATE partner_api.customers, partner_api.subscriptions,'
		  . ' partner_api.payments, partner_api.payment_events',
		'SELECT bench.reset()');
	reload_until_seen('partner_api.enabled', 'on');
	return;
}

1;
