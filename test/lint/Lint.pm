# Lint.pm
#	  What the checks share: which files there are, and how to report.
#
# Loading it enters the top of the tree, so that every path is relative to it.
#
# A check has a name and a list of problems.  It is printed as one line, "ok -
# NAME" or "not ok - NAME", with a comment line for each problem.

package Lint;

use strict;
use warnings;

use Cwd qw(realpath);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Find;

our @EXPORT_OK =
  qw(all_files c_files files_like read_file write_file check finish
  c_code line_of make_target);

# Made by tools or by runs, or nobody's text.
my @SKIPPED =
  qw(.git tmp results output_iso test/sandbox/build test/unit/build);

my $failed = 0;

die "run this through make, or test/lint/run\n" unless $ENV{PG_CONFIG};

chdir(dirname(realpath(__FILE__)) . '/../..')
  or die "cannot enter the tree: $!\n";

# Every file of the tree that somebody wrote.
sub all_files
{
	my %skipped = map { ("./$_" => 1) } @SKIPPED;
	my @files;

	find(
		{   no_chdir => 1,
			wanted => sub {
				if ($skipped{$_})
				{
					$File::Find::prune = 1;
				}
				elsif (-f && !/\.(?:o|d|so|bc|png)$/ && -T)
				{
					push @files, s{^\./}{}r;
				}
			}
		},
		'.');
	return sort grep { $_ !~ m{^sql/partner_api--[\d.]+\.sql$} } @files;
}

# Those whose path matches a pattern.
sub files_like
{
	my ($pattern) = @_;

	return grep { $_ =~ $pattern } all_files();
}

sub c_files
{
	return files_like(qr{^(?:src|test/unit|test/sandbox|test/bench)/.*\.[ch]$});
}

sub read_file
{
	my ($path) = @_;

	open(my $file, '<', $path) or die "could not open $path: $!\n";
	local $/ = undef;
	my $text = <$file>;
	close($file);
	return $text // '';
}

sub write_file
{
	my ($path, $text) = @_;

	open(my $file, '>', $path) or die "could not open $path: $!\n";
	print $file $text;
	close($file) or die "could not write $path: $!\n";
	return;
}

# The code of a C text: comments blanked out and, unless they are wanted,
# what is inside strings too.  Line numbers stay.
sub c_code
{
	my ($text, %option) = @_;

	$text =~ s{
		(?<comment>/\*.*?\*/ | //[^\n]*)
		| (?<string>"(?:[^"\\\n]|\\.)*")
		| (?<character>'(?:[^'\\\n]|\\.)*')
	}{
		my $found = $&;
		if (defined $+{comment})
		{
			$found =~ s/[^\n]/ /g;
		}
		elsif (defined $+{string} && !$option{strings})
		{
			$found = '"' . '_' x (length($found) - 2) . '"';
		}
		$found;
	}gsex;
	return $text;
}

# The line that an offset of a text is in.
sub line_of
{
	my ($text, $offset) = @_;

	return 1 + (substr($text, 0, $offset) =~ tr/\n//);
}

# Make a target of objects.mk; returns what make and the tools said.
sub make_target
{
	my ($target) = @_;
	my $output =
	  `$ENV{MAKE} -s -k -j2 -f test/lint/objects.mk $target 2>&1 </dev/null`;

	return () unless $?;
	return $output ne '' ? $output : "make $target failed";
}

# Report a check, and what is wrong with it if anything is.
sub check
{
	my ($name, @problems) = @_;

	print @problems ? "not ok - $name\n" : "ok - $name\n";
	foreach my $problem (@problems)
	{
		print "#   $_\n" foreach split(/\n/, $problem);
	}
	$failed++ if @problems;
	return;
}

# The exit status of a script of checks.
sub finish
{
	return $failed ? 1 : 0;
}

1;
