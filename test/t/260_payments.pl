# Payments: what webhooks, polls and answers tell of charges, and what follows
# for invoices and for those who listen.

use strict;
use warnings;

use JSON::PP;
use PartnerApi::Cluster;
use PartnerApi::Invoices;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $TOKEN = 'token-of-the-webhook';

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch(
	'main', $sandbox,
	server => {
		name => 'asaas', provider => 'asaas', client_token => $TOKEN,
		circuit_failures => 0, list_lag => '0' });
my $listener = $node->listen;
my $json = JSON::PP->new->canonical;
my $customers = 0;
my $told = 0;

# ---- acting ----

sub literal
{
	my ($text) = @_;

	return "'" . $text =~ s/'/''/gr . "'";
}

# SQL that hands an event on; parameters: token, headers, server.
sub handing_on
{
	my ($body, %params) = @_;
	my $headers = $params{headers}
	  // { 'asaas-access-token' => $params{token} // $TOKEN };
	my $server = $params{server} ? ", '$params{server}'" : '';

	$body = $json->encode($body) if ref $body;
	$headers = $json->encode($headers) if ref $headers;
	return 'SELECT partner_api.asaas_webhook('
	  . literal($headers) . ', ' . literal($body) . "$server)";
}

# Hand an event on; returns what became of it.
sub hand_on
{
	my (@arguments) = @_;

	return $node->sql(handing_on(@arguments));
}

# Events of a charge, oldest first, as they are delivered.
sub events_of
{
	my ($charge) = @_;

	return $sandbox->events(payment => $charge);
}

# The last event of a charge, handed on.
sub hand_on_last
{
	my ($charge) = @_;

	return hand_on((events_of($charge))[-1]);
}

# The same, as if it were of the second of the one before it.
sub hand_on_tied
{
	my ($charge) = @_;
	my ($before, $last) = (events_of($charge))[ -2, -1 ];

	return hand_on({ %$last, dateCreated => $before->{dateCreated} });
}

# An event that the provider never sent, about a charge as it is.
sub made_up
{
	my ($charge, %fields) = @_;
	my $last = (events_of($charge))[-1];

	return { %$last, id => 'made up ' . ++$told, %fields };
}

# A customer's new invoice, charged: number and charge.
sub invoice
{
	my ($due_in, $billing_type) = @_;
	my $ref = 'c' . ++$customers;

	$billing_type //= 'PIX';
	my $invoice = new_invoice($node, $ref,
		due_in => $due_in, billing_type => $billing_type);
	my $action = $node->sql('SELECT partner_api.enqueue_create_charge('
		  . "'asaas', '" . $sandbox->{payer} . "', '$billing_type', 9990,"
		  . " partner_api.server_day('asaas') + $due_in,"
		  . " run_at => '2100-01-01')");
	$node->sql('UPDATE partner_api.invoices'
		  . " SET action_id = $action WHERE invoice_id = $invoice;"
		  . ' UPDATE partner_api.pending_actions SET run_at = enqueued_at'
		  . " WHERE action_id = $action");
	$node->drive_pass;
	my $charge = wait_for_invoice($node, $invoice, 'open')->{charge_id};

	advance('1 hour');
	return ($invoice, $charge);
}

sub refresh
{
	my ($arguments) = @_;

	return $node->rows('SELECT * FROM partner_api.refresh_payments('
		  . ($arguments // "'asaas'")
		  . ')');
}

# Counts of the one server that is asked.
sub refresh_is
{
	my ($counts, $name, $arguments) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($row) = refresh($arguments);

	is( join(' ',
			map { "$_ $row->{$_}" }
			  grep { $row->{$_} } qw(requests polled changed missing failed left_over)),
		$counts, $name)
	  or diag($row->{error} // 'no error');
	return;
}

# ---- looking ----

sub payment
{
	my ($charge) = @_;

	return $node->row('SELECT * FROM partner_api.payments'
		  . " WHERE charge_id = '$charge'");
}

# Status of an invoice, and what was paid on which day.
sub invoice_is
{
	my ($invoice, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return is(
		$node->sql("SELECT concat_ws(' ', status, paid_cents,"
			  . " paid_on - partner_api.server_day('asaas'))"
			  . " FROM partner_api.invoices WHERE invoice_id = $invoice"),
		$expected, $name);
}

# What was announced of a charge, in order.
sub news
{
	my ($charge) = @_;

	$listener->run('SELECT;');
	return join ' ',
	  map { $_->{event} }
	  grep {
		($_->{charge_id} // '') eq $charge && $_->{event} =~ /^(?:pay|charge)/
	  }
	  map { $json->decode($_) } $listener->{out} =~ /payload "(\{.*\})"/g;
}

# Outcomes of what was told of a charge, in order.
sub outcomes
{
	my ($charge) = @_;

	return $node->sql("SELECT string_agg(source || ' ' || outcome, ', '"
		  . ' ORDER BY payment_event_id) FROM partner_api.payment_events'
		  . " WHERE charge_id = '$charge'");
}

sub advance
{
	my ($interval) = @_;

	return $node->set_clock($sandbox,
		"partner_api.clock() + interval '$interval'");
}

$node->set_clock($sandbox, "timestamptz '2030-03-04 12:00-03'");  # a Monday
$sandbox->{payer} = $node->sql('SELECT customer_id FROM'
	  . " partner_api.create_customer('asaas', 'Ana', '24971563792')");

# ---- Pix: paid at once, and never confirmed ----

my ($invoice, $charge) = invoice(5);

is(payment($charge)->{invoice_id}, $invoice, 'a charge knows its invoice');
is(payment($charge)->{origin}, 'created', '... and who made it');
is(hand_on_last($charge), 'nothing_new', 'its creation is known');
$sandbox->pay_charge($charge);
my $received = (events_of($charge))[-1];
is($received->{event}, 'PAYMENT_RECEIVED', 'Pix is received');
is(hand_on($received), 'applied', '... which is told');
invoice_is($invoice, 'paid 9990 0', '... and pays the invoice');
is(hand_on($received), 'duplicate', 'the same event again is none');
is(hand_on(made_up($charge)), 'nothing_new', '... nor is another like it');
is(hand_on((events_of($charge))[0]), 'duplicate', 'an old one is a duplicate');
is(hand_on({ %{ (events_of($charge))[0] }, id => 'late' }),
	'late', '... or late');
invoice_is($invoice, 'paid 9990 0', '... and moves nothing back');
is(news($charge), 'payment_received', 'one notice');
ok(!payment($charge)->{must_poll}, 'nothing to be asked');
is( $node->sql('SELECT body::text FROM partner_api.payment_events'
		  . " WHERE event_id = '$received->{id}'"),
	$node->sql('SELECT ' . literal($json->encode($received)) . '::jsonb::text'),
	'events are kept as they came');

# ---- boleto: credited on the next working day, overdue in between ----

($invoice, $charge) = invoice(0, 'BOLETO');
refresh_is('requests 1 polled 1', 'a boleto that is due');
is(news($charge), 'payment_pending', '... is announced as still to be paid');
refresh_is('requests 1 polled 1', '... asked for again');
is(news($charge), 'payment_pending', '... not announced again');
$sandbox->pay_charge($charge);
refresh_is('requests 1 polled 1', 'of its payment nobody knows that day');
advance('1 day');
refresh_is('requests 1 polled 1 changed 1', 'the next day');
invoice_is($invoice, 'paid 9990 -1', '... it was paid the day before');
refresh_is('', 'what is received is not asked for any more');
is(news($charge), 'payment_pending payment_received', '... said once');

($invoice, $charge) = invoice(0, 'BOLETO');
advance('3 days');
$sandbox->pay_charge($charge);
is(hand_on_last($charge), 'applied', 'one that was not paid is overdue');
invoice_is($invoice, 'overdue', '... and so is its invoice');
advance('3 days');
is(hand_on_last($charge), 'applied', 'paid on a Friday');
invoice_is($invoice, 'paid 9990 -3', '... and credited on Monday');
is(news($charge), 'payment_overdue payment_received', '... both announced');

# ---- cards: confirmed, and received much later ----

($invoice, $charge) = invoice(5, 'CREDIT_CARD');
$sandbox->pay_charge($charge);
is(hand_on_last($charge), 'applied', 'a card is confirmed');
invoice_is($invoice, 'paid 9990 0', '... which is paid');
refresh_is('', '... and not asked for');
advance('33 days');
refresh_is('requests 1 polled 1 changed 1', '... until the money is due');
is(payment($charge)->{status}, 'RECEIVED', '... and is there');
is(news($charge), 'payment_received', '... which is no second payment');

# ---- deleted and restored, by hand ----

($invoice, $charge) = invoice(5);
$sandbox->remove_object(asaas_payments => $charge);
is(hand_on_last($charge), 'applied', 'a charge is deleted in the panel');
invoice_is($invoice, 'cancelled', '... which cancels the invoice');
advance('1 minute');
$node->sql("SELECT partner_api.restore_charge('asaas', '$charge')");
invoice_is($invoice, 'open', '... until it is restored');
$sandbox->remove_object(asaas_payments => $charge);
refresh_is('requests 1 polled 1 changed 1', 'a poll finds it deleted');
is( $node->sql('SELECT reason FROM partner_api.invoices'
		  . " WHERE invoice_id = $invoice"),
	'its charge was deleted', '... and the invoice says so');
is(news($charge), 'charge_deleted charge_restored charge_deleted',
	'... all announced');

# ---- received in cash, and undone ----

($invoice, $charge) = invoice(5);
$node->sql("SELECT partner_api.receive_charge('asaas', '$charge',"
	  . " partner_api.server_day('asaas'), 9000)");
invoice_is($invoice, 'paid 9000 0', 'received in cash');
my $in_cash = (events_of($charge))[-1];
advance('10 seconds');
$node->sql("SELECT partner_api.undo_receive_charge('asaas', '$charge')");
invoice_is($invoice, 'open', '... and undone');
is(hand_on($in_cash), 'unclear', 'the event of the first comes late');
invoice_is($invoice, 'open', '... and moves nothing');
ok(payment($charge)->{must_poll}, '... but makes us ask');
refresh_is('requests 1 polled 1', '... and know');
ok(!payment($charge)->{must_poll}, '... so that nothing is left to ask');
is(payment($charge)->{value_cents}, 9990, '... of its value either');
is(news($charge), 'payment_received payment_reopened', 'both announced once');
advance('1 hour');
$sandbox->pay_charge($charge);
is(hand_on_last($charge), 'applied', 'then it is paid by Pix');

# ---- refunds and disputes ----

($invoice, $charge) = invoice(5);
$sandbox->pay_charge($charge);
is(hand_on_last($charge), 'applied', 'paid');
advance('1 hour');
$sandbox->refund_charge($charge, 990);
is(hand_on_last($charge), 'applied', 'a part is given back');
invoice_is($invoice, 'paid 9000 0', '... and the rest was paid');
$sandbox->refund_charge($charge);
is(hand_on_tied($charge), 'applied', 'all of it, in the same second');
invoice_is($invoice, 'refunded 0 0', '... is a refund');
refresh_is('requests 1 polled 1', '... which a poll has to confirm');
is(news($charge), 'payment_received payment_partly_refunded payment_refunded',
	'... each announced');

($invoice, $charge) = invoice(5);
$sandbox->pay_charge($charge);
hand_on_last($charge);
foreach my $step (
	[ 'chargeback', 'disputed', 'a chargeback' ],
	[ 'dispute', 'disputed', '... that we dispute' ],
	[ 'chargeback_won', 'disputed', '... and win' ],
	[ 'chargeback_reversed', 'paid', '... until the money is back' ])
{
	my ($verb, $status, $name) = @$step;

	advance('1 day');
	$sandbox->charge($charge, $verb);
	is(hand_on_last($charge), 'applied', $name);
	invoice_is($invoice, "$status 9990 "
		  . $node->sql('SELECT paid_on - partner_api.server_day(server)'
			  . " FROM partner_api.invoices WHERE invoice_id = $invoice"),
		"... leaves the invoice $status");
}
is(news($charge), 'payment_received payment_disputed payment_received',
	'a dispute and its end are announced');

# Without events: what is on its way is asked for once a day.
$sandbox->charge($charge, 'chargeback');
is(hand_on_tied($charge), 'applied', 'another chargeback in the same second');
refresh_is('requests 1 polled 1', '... is to be confirmed');
refresh_is('', '... is not asked for again at once');
$sandbox->charge($charge, 'chargeback_lost');
advance('25 hours');
refresh_is('requests 1 polled 1 changed 1', '... but the next day');
is(payment($charge)->{status}, 'REFUNDED', '... and was lost');

# ---- what nobody knows yet ----

($invoice, $charge) = invoice(5);
is(hand_on(made_up($charge, event => 'PAYMENT_TELEPORTED')),
	'unknown', 'an event that is not known');
ok(payment($charge)->{must_poll}, '... makes us ask');
refresh_is('requests 1 polled 1', '... and is nothing');
$sandbox->change_object(asaas_payments => $charge,
	status => 'SOMETHING_NEW');
$sandbox->tell_event('PAYMENT_UPDATED', $charge);
is(hand_on_last($charge), 'unknown', 'a status that is not known');
is(payment($charge)->{status}, 'PENDING', '... is not believed');
refresh_is('requests 1 polled 1 changed 1', '... until a poll shows it too');
is(payment($charge)->{status}, 'SOMETHING_NEW', '... and is kept as it is');
invoice_is($invoice, 'open', '... and changes no invoice');
is(news($charge), 'payment_unclear', '... but is announced');
refresh_is('requests 1 polled 1', '... and asked for each time');
$sandbox->change_object(asaas_payments => $charge, status => 'RECEIVED');
refresh_is('requests 1 polled 1 changed 1', '... until it is known again');

my $foreign = $sandbox->seed_object('asaas_payments',
	customer => $sandbox->{payer}, value => 5)->{id};
$sandbox->pay_charge($foreign, how => 'PIX');
is(hand_on_last($foreign), 'applied', 'a charge that was made elsewhere');
is(payment($foreign)->{origin}, 'imported', '... is imported');
is(news($foreign), 'payment_received', '... and its payment announced');
is(hand_on({ id => 'no charge', event => 'SUBSCRIPTION_CREATED' }),
	'unknown', 'an event of no charge is kept');
is(hand_on({ id => 'key', event => 'ACCESS_TOKEN_EXPIRING_SOON' }),
	'unknown', '... as one of a key');
like($listener->heard(qr/key_expires/), qr/"server": "asaas"/,
	'... which is announced');

# Times that no order can be read from
foreach my $time (undef, 'yesterday', '2030-01-01', '2099-01-01 00:00:00')
{
	($invoice, $charge) = invoice(5);
	$sandbox->remove_object(asaas_payments => $charge);
	my $event = { %{ (events_of($charge))[-1] }, dateCreated => $time };
	my $shown = $time // 'null';

	delete $event->{dateCreated} unless defined $time;
	is(hand_on($event), 'unclear', "an event of the time $shown");
	refresh_is('requests 1 polled 1 changed 1', '... makes us ask');
}

# ---- what is no event ----

my $before = $node->sql('SELECT md5(string_agg(p::text, $$ $$))'
	  . ' FROM (SELECT * FROM partner_api.payments ORDER BY charge_id) p');
my $pending = made_up($charge);
my @refusals;

foreach my $case (
	[ { token => 'guessed' }, '28000', 'a wrong token' ],
	[ { token => '' }, '28000', 'an empty token' ],
	[ { headers => {} }, '28000', 'no token' ],
	[ { headers => { 'asaas-access-token' => $TOKEN,
		'Asaas-Access-Token' => $TOKEN } }, '28000', 'two tokens' ],
	[ { headers => [] }, '22023', 'headers that are none' ],
	[ { headers => { 'asaas-access-token' => [$TOKEN] } },
		'22023', 'a token that is no text' ])
{
	my ($params, $sqlstate, $name) = @$case;
	my $error = $node->error(handing_on($pending, %$params));

	is($error->{sqlstate}, $sqlstate, "$name is refused");
	unlike($error->{text}, qr/\Q$TOKEN\E/, '... and the right one not said');
	push @refusals, $error->{text} =~ s/^psql:\S+ //gmr
	  if $sqlstate eq '28000';
}
is(scalar(keys %{ { map { $_ => 1 } @refusals } }),
	1, 'in the same words, whatever is wrong with the token');
foreach my $case (
	[ 'null', 'null' ], [ '[]', 'an array' ], [ '"text"', 'a text' ],
	[ '{}', 'nothing' ], [ '{"id": "x"}', 'an id alone' ],
	[ '{"id": 7, "event": "PAYMENT_CREATED"}', 'a number for an id' ])
{
	my ($body, $name) = @$case;

	$node->fails_with(handing_on($body), '22023',
		{ message => qr/no event/, detail => qr/\.$/, hint => qr/\.$/ },
		"$name is no event");
}
$node->fails_with(handing_on('{"id": "x", "event": '),
	'22P02', {}, 'what is no JSON is refused');
$node->fails_with('SELECT partner_api.asaas_webhook(NULL, NULL)',
	'22023', {}, 'nor is null');
is($node->sql('SELECT md5(string_agg(p::text, $$ $$)) FROM'
		  . ' (SELECT * FROM partner_api.payments ORDER BY charge_id) p'),
	$before, 'none of it changes anything');
is(hand_on($received,
	headers => { HOST => 'x', 'ASAAS-Access-TOKEN' => $TOKEN }),
	'duplicate', 'the name of a header may be written in any case');

# ---- rights ----

$node->create_role('web');
$node->create_role('admin', 'partner_api_admin');
$node->create_role('operator', 'partner_api_operator');
$node->fails_with(handing_on($pending), '42501', {}, 'no role may by itself',
	role => $_) foreach qw(web operator);
$node->sql('GRANT EXECUTE ON FUNCTION'
	  . ' partner_api.asaas_webhook(jsonb, jsonb, name) TO web',
	role => 'admin');
$node->sql('GRANT USAGE ON SCHEMA partner_api TO web');
is($node->sql(handing_on($received), role => 'web'),
	'duplicate', 'an administrator can let one');
$node->fails_with('SELECT * FROM partner_api.payments',
	'42501', {}, '... which may do nothing else', role => 'web');
$node->fails_with('SELECT partner_api.refresh_payments()',
	'42501', {}, '... nor ask', role => 'web');
is($node->sql('SELECT count(*) FROM partner_api.refresh_payments()',
	role => 'operator'), 1, 'an operator may ask');

# ---- a session that holds a row ----

my $holder = $node->console;
($invoice, $charge) = invoice(5);
$sandbox->pay_charge($charge);
$holder->run("BEGIN; SELECT FROM partner_api.payments"
	  . " WHERE charge_id = '$charge' FOR UPDATE;");
$node->fails_with("SET lock_timeout = '50ms'; " . handing_on((events_of($charge))[-1]),
	'55P03', {}, 'an event whose charge a session holds fails soon');
is(outcomes($charge), 'answer applied', '... and is not recorded');
refresh_is('requests 1 left_over 1', 'a poll passes it over');
$holder->run('ROLLBACK;');
refresh_is('requests 1 polled 1 changed 1', '... and comes back');
is(hand_on_last($charge), 'nothing_new', 'the event is sent again');

# ---- a poll that an event overtakes ----

($invoice, $charge) = invoice(5);
$sandbox->fault(operation => 'read_charge', type => 'withhold');
my $requests = $sandbox->counters('read_charge')->{requests};
my $poll = $node->start_sql('SELECT polled, changed'
	  . " FROM partner_api.refresh_payments('asaas')");
$sandbox->wait_for_requests('read_charge', $requests + 1);
$sandbox->pay_charge($charge);
is(hand_on_last($charge), 'applied', 'a payment while a poll is on its way');
$sandbox->release;
is($poll->output, '1|0', '... which has read the time before');
invoice_is($invoice, 'paid 9990 0', '... moves nothing back');
ok(payment($charge)->{must_poll}, '... and is not trusted');
refresh_is('requests 1 polled 1', '... but repeated');
ok(!payment($charge)->{must_poll}, '... once');

# ---- cost, and what cannot be read ----

$sandbox->seed_object('asaas_payments', customer => $sandbox->{payer},
	value => 5, count => 250, prefix => 'bulk-');
$node->sql("SELECT partner_api.sync_charges('asaas')");
refresh_is('requests 3 polled 250', '250 open charges cost three lists');
my ($one, $two, $three) = split /\n/,
  $node->sql("SELECT charge_id FROM partner_api.payments"
	  . " WHERE status = 'PENDING' ORDER BY charge_id LIMIT 3");
$sandbox->pay_charge($one, how => 'PIX');
$sandbox->remove_object(asaas_payments => $two);
refresh_is('requests 5 polled 250 changed 2',
	'... and one for each that is not listed as it was');
$sandbox->refund_charge($one);
refresh_is('requests 3 polled 248', 'what is closed is not asked for');
refresh_is(
	'requests 7 polled ' . $node->sql('SELECT count(*)'
		  . ' FROM partner_api.payments') . ' changed 1',
	'... unless it is to be', "'asaas', '2000-01-01'")
  or diag(explain([ $sandbox->requests(limit => 9) ]));

$sandbox->fault(operation => 'list_charges', type => 'status', status => 500);
$sandbox->fault(operation => 'read_charge', path_contains => $three,
	type => 'cut', times => 0);
refresh_is('requests 21 polled 19 failed 1 left_over 228',
	'without the list, one by one; what cannot be read fails alone',
	"'asaas', NULL, 21");
$sandbox->clear_faults;
refresh_is('requests 3 polled 248', 'all is well again');

# ---- two servers ----

my $second = PartnerApi::Sandbox->new;

$node->create_server($second, name => 'other', provider => 'asaas',
	client_token => 'the-other-token', circuit_failures => 0);
$second->{payer} = $node->sql('SELECT customer_id FROM'
	  . " partner_api.create_customer('other', 'Ana', '24971563792')");
my $there = $node->sql("SELECT charge_id FROM partner_api.create_charge('other',"
	  . " '$second->{payer}', 'PIX', 500, partner_api.server_day('other') + 9)");
($invoice, $charge) = invoice(5);
is(hand_on(made_up($charge, event => 'PAYMENT_OVERDUE'),
	token => 'the-other-token'), 'applied', 'the token says whose event it is');
is( $node->sql("SELECT string_agg(server, ' ' ORDER BY server)"
		  . " FROM partner_api.payments WHERE charge_id = '$charge'"),
	'asaas other', '... also where it is of the other')
  or diag(outcomes($charge));
$node->fails_with(
	handing_on(made_up($charge), token => 'the-other-token', server => 'asaas'),
	'28000', {}, '... unless the server is named');
$node->sql('ALTER USER MAPPING FOR PUBLIC SERVER other'
	  . " OPTIONS (DROP client_token_file, ADD client_token '$TOKEN')");
$node->fails_with(handing_on(made_up($charge)), '42P08', { hint => qr/server/ },
	'two servers with one token');
is(hand_on(made_up($charge), server => 'asaas'),
	'nothing_new', '... can be told apart by name');
$node->sql('ALTER USER MAPPING FOR PUBLIC SERVER other'
	  . ' OPTIONS (DROP client_token)');
is(hand_on(made_up($charge)), 'nothing_new', 'a server without a token has no say');
$node->fails_with(handing_on(made_up($charge), server => 'other'),
	'55000', { hint => qr/client_token_file/ }, '... and says so');
$node->sql('ALTER USER MAPPING FOR PUBLIC SERVER other'
	  . " OPTIONS (ADD client_token_file '/nowhere')");
is(hand_on(made_up($charge)), 'nothing_new', '... nor has one whose token cannot be read');
$node->sql('ALTER USER MAPPING FOR PUBLIC SERVER other'
	  . ' OPTIONS (DROP client_token_file)');
$node->sql('CREATE USER MAPPING FOR operator SERVER other'
	  . " OPTIONS (token 'x', client_token 'mine')");
$node->fails_with(handing_on(made_up($charge), token => 'mine', server => 'other'),
	'55000', {}, 'a mapping that is not the owner\'s does not count');

$second->stop;
my %row = map { $_->{server} => $_ } refresh('');
is($row{asaas}{polled}, 249, 'a server that is not reached stops no other');
like($row{other}{error}, qr/could not reach server "other"/, '... and says why');
is($row{other}{failed}, $row{other}{requests}, '... of each request');

# ---- charges that are gone, or never come ----

$node->sql("UPDATE partner_api.payments SET charge_id = 'pay_gone'"
	  . " WHERE charge_id = '$three'");
refresh_is('requests 4 polled 248 missing 1', 'a charge that is not there');
like($listener->heard(qr/charge_missing/), qr/"instance_id": "pay_gone"/,
	'... is announced');
refresh_is('requests 3 polled 248', '... and not asked for');
advance('25 hours');
refresh_is('requests 4 polled 248 missing 1', '... before the next day');
is(scalar(() = $listener->{out} =~ /charge_missing/g),
	1, '... nor announced again');

my $waiting = $node->sql('INSERT INTO partner_api.invoices (server,'
	  . ' subscription_id, customer_ref, plan_server, plan_id, period_start,'
	  . ' period_end, issued_on, due_on, amount_cents, billing_type, issued_at,'
	  . " action_id) SELECT 'asaas', 'x', 'x', 'asaas', 'p', d, d, d, d, 100,"
	  . " 'PIX', partner_api.clock(), partner_api.enqueue_create_charge("
	  . "'asaas', '$sandbox->{payer}', 'PIX', 100, d + 9, run_at => '2100-01-01')"
	  . " FROM partner_api.server_day('asaas') d RETURNING invoice_id");
$node->sql('SELECT partner_api.cancel_action(action_id)'
	  . " FROM partner_api.invoices WHERE invoice_id = $waiting");
refresh();
like($node->sql("SELECT status || ' ' || reason FROM partner_api.invoices"
		  . " WHERE invoice_id = $waiting"),
	qr/^failed the action was cancelled$/,
	'an invoice whose charge will not come says so');

$node->stop;
done_testing();
