# Report.pm
#	  Percentiles, and the table of what was measured beside the targets.

package Bench::Report;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(max);
use POSIX qw(ceil);

our @EXPORT_OK = qw(percentile heading section row note);

my $WIDTH = 46;
my $MEASURED_WIDTH = 30;

# The smallest value that "share" of all do not exceed.
sub percentile
{
	my ($share, @values) = @_;
	my @sorted = sort { $a <=> $b } @values;

	return $sorted[ max(ceil($share * @sorted) - 1, 0) ];
}

sub section
{
	my ($title) = @_;

	printf "\n%s\n%-*s %-*s %-26s %s\n", $title, $WIDTH, '  what',
	  $MEASURED_WIDTH, 'measured', 'target', 'met';
	return;
}

# One line of the table; "met" is undefined where there is no target.
sub row
{
	my ($what, $measured, $target, $met) = @_;

	printf "  %-*s %-*s %-26s %s\n", $WIDTH - 2, $what, $MEASURED_WIDTH,
	  $measured, $target // '', !defined $met ? '' : $met ? 'yes' : 'NO';
	return;
}

sub note
{
	my ($text) = @_;

	print "  $text\n";
	return;
}

1;
