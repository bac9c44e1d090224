# PartnerApi::Gate
#	  A relay before a sandbox as a process of the test: test/faults/gate.
#
# It listens on a free port of loopback and ends with the test, however that
# ends.
#
#	  my $gate = PartnerApi::Gate->new($sandbox);
#	  $gate->hold('effect', 1);
#	  ... enqueue something ...
#	  $gate->wait_for_held(1);
#	  $gate->release('reset_after');

package PartnerApi::Gate;

use strict;
use warnings;

use IPC::Open2;
use JSON::PP;
use PostgreSQL::Test::Utils;

# Between two looks of a poll; a test never depends on its length.
my $POLL_SECONDS = 0.01;

# Start a gate before a sandbox.
sub new
{
	my ($class, $sandbox) = @_;
	my $self = bless {}, $class;
	my ($port) = $sandbox->url =~ /:(\d+)$/;

	$self->{pid} = open2($self->{stdout}, $self->{stdin},
		"$ENV{PARTNER_API_TREE}/test/faults/gate", $port);
	my $line = readline $self->{stdout};

	die 'the gate did not start'
	  unless defined $line && $line =~ /^listening on (\S+)/;
	$self->{url} = $1;
	return $self;
}

sub url
{
	my ($self) = @_;

	return $self->{url};
}

# One command; returns how many requests are stopped after it, and how many are
# on their way.
sub _tell
{
	my ($self, %command) = @_;

	syswrite $self->{stdin}, encode_json(\%command) . "\n";
	my $line = readline $self->{stdout};

	die 'the gate has gone' unless defined $line;
	return decode_json($line);
}

# Stop so many requests at a step; "end" is how they end when they may go.
sub hold
{
	my ($self, $at, $count, $end) = @_;

	$self->_tell(do => 'hold', at => $at, count => $count,
		end => $end // 'answer');
	return;
}

sub held
{
	my ($self) = @_;

	return $self->_tell(do => 'look')->{held};
}

# Requests that are not answered yet, stopped or not.
sub busy
{
	my ($self) = @_;

	return $self->_tell(do => 'look')->{busy};
}

# Let all stopped requests go; "end" overrides what hold() said.
sub release
{
	my ($self, $end) = @_;

	$self->_tell(do => 'release', defined $end ? (end => $end) : ());
	return;
}

# A further URL that accepts no connection until reopen() is called.
sub shut
{
	my ($self) = @_;

	return $self->_tell(do => 'shut')->{url};
}

sub reopen
{
	my ($self) = @_;

	return $self->_tell(do => 'open');
}

# Reset the connections that are idle.
sub forget
{
	my ($self) = @_;

	return $self->_tell(do => 'forget');
}

# Wait until so many requests are stopped.
sub wait_for_held
{
	my ($self, $count) = @_;
	my $give_up_at = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($self->held >= $count)
	{
		die "timed out: $count requests at the gate" if time > $give_up_at;
		select undef, undef, undef, $POLL_SECONDS;
	}
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!, $@);
	my $pid = delete $self->{pid} // return;

	close delete $self->{stdin};
	close delete $self->{stdout};
	waitpid $pid, 0;
	return;
}

1;
