# Webhooks of Asaas from its queue to our tables: a receiver with a real socket
# and a role of its own hands on what comes, and what it answers decides what
# the provider sends again.

use strict;
use warnings;

use JSON::PP;
use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PartnerApi::WebTier;
use Test::More;

my $SECOND_ATTEMPT = 30;    # seconds after the first

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { name => 'asaas', provider => 'asaas' });
my $json = JSON::PP->new->canonical;
my @outcomes;               # what asaas_webhook() said
my $answers_get_lost = 0;

# A text as a literal of SQL.
sub literal
{
	my ($text) = @_;

	return "'" . $text =~ s/'/''/gr . "'";
}

# What a web tier does with a request: the status to answer with.
sub receive
{
	my ($headers, $body) = @_;
	my %status = (28000 => 401, 22023 => 400);
	my $call = 'SELECT partner_api.asaas_webhook('
	  . literal($json->encode($headers)) . ', ' . literal($body) . ')';
	my $run = $node->start_sql($call, role => 'web');
	my $outcome = eval { $run->output };

	push @outcomes, $outcome // $run->error->{sqlstate};
	return $status{ $outcomes[-1] } // 500 unless defined $outcome;
	return $answers_get_lost ? 504 : 200;
}

my $tier = PartnerApi::WebTier->new(\&receive);

# Serve so many requests; the statuses they were answered with, and what
# became of the events.
sub served
{
	my ($count) = @_;

	@outcomes = ();
	return join(' ', $tier->serve($count)) . ": @outcomes";
}

sub advance
{
	my ($seconds) = @_;

	return $node->set_clock($sandbox,
		"partner_api.clock() + interval '$seconds s'");
}

# Ours beside the provider's truth, of all charges.
sub is_truth
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @truth = map {
		join '|', $_->{id}, $_->{status}, $_->{deleted} ? 't' : 'f',
		  $_->{value}, $_->{paymentDate} // ''
	} sort { $a->{id} cmp $b->{id} } $sandbox->charges;

	return is(
		$node->sql(
			'SELECT charge_id, status, deleted, value_cents, paid_on'
			  . ' FROM partner_api.payments ORDER BY charge_id COLLATE "C"'),
		join("\n", @truth),
		$what);
}

# A charge that the extension makes; returns its id.
sub charge
{
	my ($customer) = @_;

	return $node->sql(
		"SELECT charge_id FROM partner_api.create_charge('asaas', '$customer',"
		  . " 'PIX', 9801, partner_api.clock()::date + 30)");
}

# The web tier has a role that may do this and nothing else.
$node->create_role('web');
$node->sql('GRANT USAGE ON SCHEMA partner_api TO web;'
	  . ' GRANT EXECUTE ON FUNCTION'
	  . ' partner_api.asaas_webhook(jsonb, jsonb, name) TO web');
my $webhook = $sandbox->add_webhook(url => $tier->url);
my $listener = $node->listen;
my $customer = $node->sql('SELECT customer_id FROM partner_api.create_customer('
	  . "'asaas', 'Ana Souza', '123.456.789-09', customer_ref => 'ana')");
my $charge = charge($customer);

is(served(1), '200: nothing_new', 'an event says what the answer has said');
$sandbox->pay_charge($charge);
is(served(1), '200: applied', 'another one that it is paid');
is_truth('and so it is');
ok($listener->heard(qr/"event": *"payment_received".*\Q$charge\E/),
	'which is told');

# ---- what is answered decides what is sent again ----

$node->sql('REVOKE EXECUTE ON FUNCTION'
	  . ' partner_api.asaas_webhook(jsonb, jsonb, name) FROM web');
$charge = charge($customer);
$sandbox->pay_charge($charge);
is(served(1), '500: 42501', 'what cannot be taken in is refused');
$node->sql('GRANT EXECUTE ON FUNCTION'
	  . ' partner_api.asaas_webhook(jsonb, jsonb, name) TO web');
advance($SECOND_ATTEMPT);
is(served(2), '200 200: nothing_new applied',
	'and comes again, before what follows it');
is_truth('nothing is missing');

$answers_get_lost = 1;
$sandbox->refund_charge($charge);
is(served(1), '504: applied', 'an event is taken in, but the answer is lost');
$answers_get_lost = 0;
advance($SECOND_ATTEMPT);
is(served(1), '200: duplicate', 'when it comes again it is known');
is_truth('and has its effect once');
is( $node->sql("SELECT count(*) FROM partner_api.payment_events
				WHERE source = 'webhook'"),
	$node->sql('SELECT count(DISTINCT event_id)
				FROM partner_api.payment_events'),
	'and one row');

# ---- order and repeats ----

my @ids = map { $_->{id} } $sandbox->events(payment => $charge);

$sandbox->deliver_events(reverse(@ids), @ids);
is(served(2 * @ids), join(' ', ('200') x (2 * @ids)) . ': '
	  . join(' ', ('duplicate') x (2 * @ids)), 'all of them once more');
$charge = do { $sandbox->hold_events; charge($customer) };
$sandbox->pay_charge($charge);
$sandbox->refund_charge($charge, 801);
$sandbox->refund_charge($charge);
@ids = map { $_->{id} } $sandbox->events(payment => $charge);
$sandbox->release_events('reversed');
is(scalar($tier->serve(scalar @ids)), scalar @ids, 'others from the end');
is_truth('the last word was the first');

# ---- a sender that is not the provider ----

$sandbox->change_object('asaas_webhooks', $webhook->{id},
	authToken => 'guessed');
$sandbox->tell_event('PAYMENT_REFUNDED', ($sandbox->charges)[0]{id});
is(served(1), '401: 28000', 'a wrong token is refused');
is_truth('and changes nothing');

$node->stop;
done_testing();
