# PartnerApi::Faults
#	  The fault matrix: every step of the protocol times every fault.
#
# A run is told by its seed and number: the same two are the same run, alone
# or among thousands.  Runs go through the matrix in an order that the seed
# shuffles anew each time all cells have been visited.

package PartnerApi::Faults;

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use PartnerApi::Faults::Rig;
use PartnerApi::Faults::Run;
use PartnerApi::Faults::Steps;
use PartnerApi::Faults::Strikes;
use Test::More;
use Time::HiRes qw(time);

# All cells, as [step, fault].
sub cells
{
	my @cells;

	foreach my $step (PartnerApi::Faults::Steps::names())
	{
		push @cells, map { [ $step, $_ ] } PartnerApi::Faults::Strikes::names();
	}
	return @cells;
}

sub _shuffled
{
	my ($seed, @list) = @_;
	my @keys = map { md5_hex("$seed/$_") } 0 .. $#list;

	return @list[ sort { $keys[$a] cmp $keys[$b] } 0 .. $#list ];
}

# The cell of a run, counted from 0.
sub cell
{
	my ($seed, $number) = @_;
	my @cells = cells();
	my $round = int($number / @cells);

	return (_shuffled("$seed/$round", @cells))[ $number % @cells ];
}

# Every step and every fault at least once: run numbers of the first round.
sub selection
{
	my ($seed) = @_;
	my @cells = cells();
	my @steps = _shuffled("$seed/steps", PartnerApi::Faults::Steps::names());
	my %number;
	my $i = 0;

	foreach my $number (0 .. $#cells)
	{
		$number{ join ' ', @{ cell($seed, $number) } } = $number;
	}
	return map { $number{ $steps[ $i++ % @steps ] . " $_" } }
	  _shuffled("$seed/faults", PartnerApi::Faults::Strikes::names());
}

my $rig;

# Perform runs; each is one test.  After one that fails, the rig is built anew.
sub perform
{
	my ($seed, @numbers) = @_;

	foreach my $number (@numbers)
	{
		my ($step, $fault) = @{ cell($seed, $number) };
		my $began = time;
		my @problems = eval {
			$rig //= PartnerApi::Faults::Rig->new;
			PartnerApi::Faults::Run->new($rig, seed => $seed,
				number => $number, step => $step, fault => $fault)->perform;
		};

		push @problems, "died: $@" if $@;
		ok(!@problems, sprintf 'run %d: %s, %s (%.1f s)',
			$number, $step, $fault, time - $began);
		next unless @problems;
		diag($_) foreach @problems,
		  "to repeat: make test-faults FAULT_SEED=$seed FAULT_RUN=$number";
		undef $rig;
	}
	return;
}

1;
