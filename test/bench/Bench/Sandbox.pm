# Sandbox.pm
#	  The provider double, as the benchmark uses it.

package Bench::Sandbox;

use strict;
use warnings;

use Carp qw(croak);
use HTTP::Tiny;
use IPC::Open2;
use JSON::PP;

# Start one; it ends when this process does.  Options are passed on.
sub start
{
	my ($class, $top, @options) = @_;

	my $pid = open2(my $output, my $input,
		"$top/test/sandbox/build/partner_sandbox",
		'--exit-on-eof', @options);
	my ($url) = (<$output> // '') =~ /^listening on (\S+)/
	  or croak 'the sandbox did not start';
	return bless {
		url => $url,
		pid => $pid,
		input => $input,
		http => HTTP::Tiny->new(verify_SSL => 0, timeout => 60)
	}, $class;
}

sub url
{
	my ($self) = @_;

	return $self->{url};
}

# Ask the control API; with a body it is a POST.
sub control
{
	my ($self, $path, $body) = @_;
	my $url = "$self->{url}/_sandbox/$path";
	my $answer =
	  defined $body
	  ? $self->{http}->post($url, { content => encode_json($body) })
	  : $self->{http}->get($url);

	croak "$path: $answer->{status} $answer->{content}"
	  unless $answer->{success};
	return decode_json($answer->{content});
}

sub reset
{
	my ($self) = @_;

	$self->control('reset', {});
	return;
}

# When each create whose name begins so arrived: (name => microseconds).
sub arrivals
{
	my ($self, $prefix) = @_;
	my $requests =
	  $self->control('requests?operation=create_instance')->{requests};
	my %arrived;

	foreach my $request (@$requests)
	{
		$arrived{$1} //= $request->{arrived_us}
		  if $request->{body} =~ /"name": *"(\Q$prefix\E-\d+)[ "]/;
	}
	return \%arrived;
}

# How many creates had an effect, and of how many names more than one.
sub creates
{
	my ($self) = @_;
	my $counters = $self->control('counters?names=false');

	return (
		$counters->{operations}{create_instance}{effects},
		$counters->{names_created_more_than_once});
}

sub stop
{
	my ($self) = @_;

	close(delete $self->{input});
	waitpid($self->{pid}, 0);
	return;
}

1;
