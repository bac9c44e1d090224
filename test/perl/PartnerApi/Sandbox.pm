# PartnerApi::Sandbox
#	  The provider double as a process of the test: start, stop, and its
#	  control calls.
#
# It listens on a free port of loopback and ends with the test, however that
# ends.  What each control call takes is told by test/sandbox/README.md.
#
#	  my $sandbox = PartnerApi::Sandbox->new;
#	  $sandbox->fault(operation => 'create_instance', type => 'reset_after');
#	  is($sandbox->effects('create_instance'), 1, 'exactly one');

package PartnerApi::Sandbox;

use strict;
use warnings;

use HTTP::Tiny;
use IPC::Open3;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

our $TOKEN = 'sandbox-partner-token';
our $CLIENT_TOKEN = 'sandbox-client-token';
our $WEBHOOK_TOKEN = $CLIENT_TOKEN;    # as create_server() has it

# Of charges, all that Asaas tells of
our @PAYMENT_EVENTS = map { "PAYMENT_$_" } qw(
  CREATED AWAITING_RISK_ANALYSIS APPROVED_BY_RISK_ANALYSIS
  REPROVED_BY_RISK_ANALYSIS AUTHORIZED UPDATED CONFIRMED RECEIVED
  CREDIT_CARD_CAPTURE_REFUSED ANTICIPATED OVERDUE DELETED RESTORED REFUNDED
  PARTIALLY_REFUNDED REFUND_IN_PROGRESS REFUND_DENIED RECEIVED_IN_CASH_UNDONE
  CHARGEBACK_REQUESTED CHARGEBACK_DISPUTE AWAITING_CHARGEBACK_REVERSAL
  DUNNING_RECEIVED DUNNING_REQUESTED BANK_SLIP_VIEWED BANK_SLIP_CANCELLED
  CHECKOUT_VIEWED);

# Between two looks of a poll; a test never depends on its length.
my $POLL_SECONDS = 0.02;

my $started = 0;

# Start a sandbox.  Parameters are options of its command line, such as
# "tls-cert"; an array repeats one.
sub new
{
	my ($class, %options) = @_;
	my $self = bless {}, $class;
	my @command = ("$ENV{PARTNER_API_TREE}/test/sandbox/build/partner_sandbox",
		'--exit-on-eof', '--log');

	foreach my $name (sort keys %options)
	{
		my $values = $options{$name};

		push @command, "--$name", $_
		  foreach ref $values ? @$values : ($values);
	}
	$self->_start(@command);
	return $self;
}

# The pipes that open3 makes close when the test ends, so that it ends too.
sub _start
{
	my ($self, @command) = @_;
	my ($test) = $0 =~ m{([^/]+?)(?:\.pl)?$};

	$started++;
	$self->{logfile} =
	  "$PostgreSQL::Test::Utils::log_path/${test}_sandbox$started.log";
	open my $log, '>', $self->{logfile}
	  or die "could not write $self->{logfile}: $!";
	$self->{pid} = open3($self->{stdin}, $self->{stdout},
		'>&' . fileno($log), @command);
	close $log;

	my $line = readline $self->{stdout};

	die "sandbox did not start: see $self->{logfile}"
	  unless defined $line && $line =~ /^listening on (\S+)/;
	$self->{url} = $1;
	$self->{http} = HTTP::Tiny->new(
		timeout => $PostgreSQL::Test::Utils::timeout_default,
		no_proxy => ['127.0.0.1']);
	return;
}

sub url
{
	my ($self) = @_;

	return $self->{url};
}

# Where the sandbox writes a line for each request, tokens masked.
sub logfile
{
	my ($self) = @_;

	return $self->{logfile};
}

# End it: from then on its port refuses connections.
sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid};

	return unless defined $pid;
	close delete $self->{stdin};
	close delete $self->{stdout};
	waitpid $pid, 0;
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!, $@);

	$self->stop;
	return;
}

# ---- control calls ----

# One control call; a body makes it a POST.  Returns the decoded answer.
sub control
{
	my ($self, $path, $body, $method) = @_;
	my %request = defined $body ? (content => encode_json($body)) : ();

	$method //= defined $body ? 'POST' : 'GET';
	my $response = $self->{http}
	  ->request($method, "$self->{url}/_sandbox/$path", \%request);

	die "sandbox refused $method $path: $response->{status}"
	  . " $response->{content}"
	  unless $response->{success};
	return $response->{content} eq '' ? {} : decode_json($response->{content});
}

# Turn the clock forward.
sub advance
{
	my ($self, $seconds) = @_;

	return $self->control('clock', { advance_seconds => $seconds });
}

# Set the clock: a time in ISO 8601 or in unix milliseconds.
sub set_clock
{
	my ($self, $time) = @_;

	return $self->control('clock', { set => $time });
}

# Add a fault rule; returns its id.
sub fault
{
	my ($self, %rule) = @_;

	return $self->control('faults', \%rule)->{id};
}

# Remove a fault rule, or all.
sub clear_faults
{
	my ($self, $id) = @_;

	$self->control(defined $id ? "faults/$id" : 'faults', undef, 'DELETE');
	return;
}

# How often a fault rule has struck.
sub hits
{
	my ($self, $id) = @_;
	my ($rule) = grep { $_->{id} == $id }
	  @{ $self->control('faults')->{faults} };

	return $rule->{hits};
}

# Let withheld requests go.
sub release
{
	my ($self) = @_;

	return $self->control('release', {})->{released};
}

# Set keys of the configuration.
sub config
{
	my ($self, %values) = @_;

	return $self->control('config', \%values);
}

# Make an instance that the extension did not, or many; of Z-API, unless
# provider => 'greenapi'.
sub seed
{
	my ($self, %fields) = @_;

	return $self->control('instances', \%fields);
}

# Change what the sandbox knows of an instance.
sub change
{
	my ($self, $id, %fields) = @_;

	return $self->control("instances/$id", \%fields);
}

# The key under which Asaas accepts a token of the sandbox.
sub asaas_key
{
	my ($self, $token) = @_;

	return '$aact_hmlg_' . ($token // $TOKEN);
}

# Do to a charge of Asaas what a payer or a bank does: 'pay', 'chargeback'.
sub charge
{
	my ($self, $id, $verb, %options) = @_;

	return $self->control("charges/$id", { do => $verb, %options });
}

# A payer pays a charge: how => 'PIX', 'BOLETO' or 'CREDIT_CARD' (by default
# what the charge is of), at => time, value_cents => what is paid, if it is not
# what was asked for.
sub pay_charge
{
	my ($self, $id, %options) = @_;
	my $how = delete $options{how};

	$options{method} = $how if defined $how;
	return $self->charge($id, 'pay', %options);
}

# All of a charge, or so many cents, are given back.
sub refund_charge
{
	my ($self, $id, $cents) = @_;

	return $self->charge($id, 'refund',
		defined $cents ? (value_cents => $cents) : ());
}

# Keep events of Asaas back, to let them go in another order.
sub hold_events
{
	my ($self) = @_;

	return $self->control('events', { hold => JSON::PP::true });
}

# Let them go: 'in_order', 'reversed' or 'shuffled', each so many times.
sub release_events
{
	my ($self, $order, $copies) = @_;

	return $self->control('events',
		{ release => $order, copies => $copies // 1 });
}

# Deliver an event of Asaas again.
sub resend_event
{
	my ($self, $id) = @_;

	return $self->control('events', { resend => $id });
}

# Lose the events that wait: nobody took them in time.
sub discard_events
{
	my ($self) = @_;

	return $self->control('events', { discard => JSON::PP::true });
}

# Deliver these events and no others, in this order; an id may come twice.
# Those that were held back are lost.
sub deliver_events
{
	my ($self, @ids) = @_;

	$self->hold_events;
	$self->discard_events;
	$self->resend_event($_) foreach @ids;
	return $self->release_events('in_order');
}

# Tell of something that has not happened to a charge, under any name.
sub tell_event
{
	my ($self, $name, $charge) = @_;

	return $self->control('events', { tell => $name, payment => $charge });
}

# Register a receiver of all events of charges, as in the provider's panel;
# its URL is the sandbox's own unless another is given.
sub add_webhook
{
	my ($self, %fields) = @_;

	return $self->seed_object(
		'asaas_webhooks',
		url => $self->inbox_url,
		authToken => $WEBHOOK_TOKEN,
		events => [@PAYMENT_EVENTS],
		%fields);
}

# Where the sandbox receives webhooks itself.
sub inbox_url
{
	my ($self) = @_;

	return "$self->{url}/_sandbox/inbox";
}

# What has come there, oldest first: "headers", "body", and its text as "raw".
sub inbox
{
	my ($self) = @_;

	return @{ $self->control('inbox')->{inbox} };
}

# Make a plan, or what else zsystems or Asaas keeps, that the extension did not.
sub seed_object
{
	my ($self, $kind, %fields) = @_;

	return $self->control("objects/$kind", \%fields);
}

# Change fields of what zsystems or Asaas keeps.
sub change_object
{
	my ($self, $kind, $id, %fields) = @_;

	return $self->control("objects/$kind/$id", \%fields);
}

# Remove a plan, or what else is kept, as by hand at the provider.
sub remove_object
{
	my ($self, $kind, $id) = @_;

	return $self->control("objects/$kind/$id", undef, 'DELETE');
}

# Back to the state after the start.
sub reset_all
{
	my ($self) = @_;

	return $self->control('reset', {});
}

# ---- what happened ----

sub _escape
{
	my ($text) = @_;

	$text =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;
	return $text;
}

sub _query
{
	my ($path, %filter) = @_;

	return $path unless %filter;
	return "$path?" . join '&',
	  map { "$_=" . _escape($filter{$_}) } sort keys %filter;
}

# Every instance ever made, also those that are gone; filters are exact.
sub instances
{
	my ($self, %filter) = @_;

	return @{ $self->control(_query('state', %filter))->{instances} };
}

# One instance by its id.
sub instance
{
	my ($self, $id) = @_;
	my @found = $self->instances(id => $id);

	die "the sandbox has no instance $id" unless @found == 1;
	return $found[0];
}

# All of a kind that zsystems ever kept: plans, subscriptions, clients, cards
# or invoices; or of Asaas: asaas_customers, asaas_payments, asaas_events and
# others; filters are exact.
sub objects
{
	my ($self, $kind, %filter) = @_;

	return @{ $self->control(_query('state', kind => $kind, %filter))
		  ->{$kind} };
}

# One of them by its id.
sub object
{
	my ($self, $kind, $id) = @_;
	my @found = $self->objects($kind, id => $id);

	die "the sandbox has no $id among its $kind" unless @found == 1;
	return $found[0];
}

# The fields of all of a kind of Asaas, money in cents.
sub _fields
{
	my ($self, $kind, %filter) = @_;

	return map { $_->{fields} } $self->objects($kind, %filter);
}

# Every charge of Asaas there ever was, oldest first, as it is now: what the
# extension has to arrive at.  Money is in cents.
sub charges
{
	my ($self, %filter) = @_;

	return $self->_fields('asaas_payments', %filter);
}

# The same of one charge.
sub charge_fields
{
	my ($self, $id) = @_;

	return $self->object('asaas_payments', $id)->{fields};
}

# Every customer of Asaas there ever was.
sub customers
{
	my ($self, %filter) = @_;

	return $self->_fields('asaas_customers', %filter);
}

# Every event of Asaas that there was, whether a webhook wanted it or not,
# oldest first: the bodies that receivers get.  Filters: event, payment.
sub events
{
	my ($self, %filter) = @_;

	return $self->_fields('asaas_events', %filter);
}

# What the notifications of Asaas sent: filters are event, channel ('email',
# 'sms', 'whatsapp', 'voice'), customer and payment.  In scalar context, how
# many.
sub messages
{
	my ($self, %filter) = @_;
	my @messages = $self->_fields('asaas_messages', %filter);

	return @messages;
}

# The last requests, oldest first, also those that had no effect.
sub requests
{
	my ($self, %filter) = @_;

	return @{ $self->control(_query('requests', %filter))->{requests} };
}

# requests, effects, refused, faulted of one operation.
sub counters
{
	my ($self, $operation) = @_;

	return $self->control('counters?names=false')->{operations}{$operation};
}

# How often an operation changed something.
sub effects
{
	my ($self, $operation) = @_;

	return $self->counters($operation)->{effects};
}

# Instances that came of one name, whatever nonce was sent with it.
sub created
{
	my ($self, $name) = @_;

	return grep { $_->{requested_name} =~ /^\Q$name\E(?: \[[^\]]+\])?$/ }
	  $self->instances;
}

# Names that were created more than once: there must never be one.
sub names_created_twice
{
	my ($self) = @_;

	return $self->control('counters?names=false')
	  ->{names_created_more_than_once};
}

# Instances that were deleted while a phone was linked: there must never be one.
sub phones_left_linked
{
	my ($self) = @_;

	return $self->control('counters?names=false')->{phones_left_linked};
}

# Wait until a condition on the sandbox holds.
sub wait_until
{
	my ($self, $what, $condition) = @_;
	my $give_up_at = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($condition->())
	{
		die "timed out waiting until $what" if time > $give_up_at;
		select undef, undef, undef, $POLL_SECONDS;
	}
	return;
}

# Wait until so many requests of an operation have arrived.
sub wait_for_requests
{
	my ($self, $operation, $count) = @_;

	$self->wait_until("$count of $operation arrived",
		sub { $self->counters($operation)->{requests} >= $count });
	return;
}

1;
