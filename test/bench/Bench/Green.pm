# Green.pm
#	  How fast instances are created at Green API, and its whole list is read.
#
# Each create is followed by a question for the state of what it has made, so
# that it takes two actions and two requests.  The drain of creates at Z-API,
# with as many in flight, is what the rate of actions is compared with.

package Bench::Green;

use strict;
use warnings;

use File::Basename qw(dirname);

use lib dirname(__FILE__) . '/..';
use Bench::Cluster qw(psql reload_until_seen);
use Bench::Drain qw(drain_rate drain_seconds);
use Bench::Report qw(row section);
use Time::HiRes qw(time);

my $IN_FLIGHT = 64;

# The least share of the rate of creates at Z-API.
my $SHARE = 50;

# Rows of the list that is read in one answer.
my $LISTED = 20_000;

# An empty sandbox whose new instances are ready at once.
sub clear
{
	my ($bench) = @_;

	$bench->{sandbox}->reset;
	$bench->{sandbox}->control(
		'config',
		{   greenapi_making_seconds => 0,
			greenapi_starting_seconds => 0 });
	reload_until_seen('partner_api.enabled', 'off');
	psql('SELECT bench.reset()');
	return;
}

# Actions a second of so many creates, and of what follows each.
sub drain_green
{
	my ($bench, $count) = @_;

	clear($bench);
	psql("SELECT bench.enqueue_green($count)");
	my $seconds = drain_seconds(2 * $count, $IN_FLIGHT, 'bench_green');
	my ($effects, $repeated) = $bench->{sandbox}->creates;
	my $ready = psql('SELECT count(*) FROM partner_api.instances'
		  . ' WHERE ready_at IS NOT NULL');

	die "$effects creates, $repeated repeated, $ready ready, of $count\n"
	  if $effects != $count || $repeated || $ready != $count;
	return 2 * $count / $seconds;
}

# Seconds of a reading of the whole list.
sub list_seconds
{
	my ($bench) = @_;

	clear($bench);
	$bench->{sandbox}->control(
		'instances',
		{   provider => 'greenapi',
			prefix => 'listed ',
			count => $LISTED });
	my $start = time;
	my $rows = psql(
		"SELECT count(*) FROM partner_api.remote_instances('bench_green')");

	die "$rows rows of $LISTED\n" if $rows != $LISTED;
	return time - $start;
}

sub measure
{
	my ($bench) = @_;
	my $count = $bench->{full} ? 50_000 : 5_000;

	section("Creates at Green API, $IN_FLIGHT in flight");
	my $instances = drain_rate($bench, 2 * $count, $IN_FLIGHT);
	my $rate = drain_green($bench, $count);
	my $share = 100 * $rate / $instances;

	row('drain, creates and what follows them',
		sprintf('%.0f/s, %.0f %%', $rate, $share),
		"$SHARE %", $share >= $SHARE);
	row('  drain of creates at Z-API', sprintf('%.0f/s', $instances));
	row("list of $LISTED instances, in one answer",
		sprintf('%.0f ms', 1000 * list_seconds($bench)));
	return;
}

1;
