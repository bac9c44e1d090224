# PartnerApi::WebTier
#	  A receiver of webhooks in the test's own process, as a business's web
#	  tier would be: it takes what is posted, hands it on, and answers.
#
# It listens on a free port of loopback, and serves only when it is told to:
# until then the sender waits.  What is done with a request is a function of
# its headers (names in lower case) and its body, which returns the status to
# answer with.
#
#	  my $tier = PartnerApi::WebTier->new(sub {
#		  my ($headers, $body) = @_;
#		  ...
#		  return 200;
#	  });
#	  $sandbox->add_webhook(url => $tier->url);
#	  $sandbox->pay_charge($id);
#	  $tier->serve(1);

package PartnerApi::WebTier;

use strict;
use warnings;

use IO::Socket::INET;
use PostgreSQL::Test::Utils;

sub new
{
	my ($class, $handler) = @_;
	my $socket = IO::Socket::INET->new(
		LocalAddr => '127.0.0.1',
		Listen => 16,
		Timeout => $PostgreSQL::Test::Utils::timeout_default)
	  or die "could not listen: $!";

	return bless { handler => $handler, socket => $socket }, $class;
}

sub url
{
	my ($self) = @_;

	return 'http://127.0.0.1:' . $self->{socket}->sockport . '/asaas';
}

# Read one request: its headers and its body.
sub _read
{
	my ($client) = @_;
	my %headers;

	readline $client;
	while (defined(my $line = readline $client))
	{
		last if $line eq "\r\n";
		$headers{ lc $1 } = $2 if $line =~ /^([^:]+):\s*(.*?)\r\n$/;
	}
	read $client, my $body, $headers{'content-length'} // 0;
	return (\%headers, $body);
}

# Answer so many requests; returns the statuses they were answered with.
sub serve
{
	my ($self, $count) = @_;
	my @statuses;

	while (@statuses < $count)
	{
		my $client = $self->{socket}->accept
		  or die 'nothing came to the web tier';
		my $status = $self->{handler}->(_read($client));

		print $client "HTTP/1.1 $status Done\r\nContent-Length: 0\r\n"
		  . "Connection: close\r\n\r\n";
		close $client;
		push @statuses, $status;
	}
	return @statuses;
}

1;
