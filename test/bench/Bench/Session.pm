# Session.pm
#	  A session that stays: statements are sent without waiting, and what they
#	  print is read with the time at which it came.

package Bench::Session;

use strict;
use warnings;

use Carp qw(croak);
use File::Basename qw(dirname);
use IPC::Open2;

use lib dirname(__FILE__) . '/..';
use Bench::Cluster qw(conninfo);
use Time::HiRes qw(time);

# Open one; errors come as lines with their SQLSTATE.
sub start
{
	my ($class) = @_;
	my $pid = open2(
		my $output, my $input, 'sh', '-c', 'exec "$@" 2>&1', 'sh', 'psql',
		'-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', conninfo());
	my $self = bless { pid => $pid, output => $output, input => $input },
	  $class;

	$input->autoflush(1);
	$self->{backend} = $self->ask('SELECT pg_backend_pid()');
	return $self;
}

# Send a statement; its answer is read later.
sub tell
{
	my ($self, $statement) = @_;

	print { $self->{input} } "$statement;\n";
	return;
}

# The next line that the session prints.
sub line
{
	my ($self) = @_;
	my $line = readline($self->{output}) // croak 'the session ended';

	chomp $line;
	return $line;
}

# Send a statement that prints one line, and wait for it.
sub ask
{
	my ($self, $statement) = @_;

	$self->tell($statement);
	return $self->line;
}

# The process of the server.
sub backend
{
	my ($self) = @_;

	return $self->{backend};
}

# End it, also if the server has already.
sub stop
{
	my ($self) = @_;

	close($self->{input});
	waitpid($self->{pid}, 0);
	return;
}

1;
