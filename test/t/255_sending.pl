# How an invoice reaches the customer: the provider's messages by switches that
# are set before there is a charge, and what the business needs for its own.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Invoices;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => {
		name => 'asaas', provider => 'asaas', circuit_failures => 0,
		list_lag => '0' });
my $listener = $node->listen;
my $documents = 0;

# A CPF that nobody has had here.
sub document
{
	my @digits = split //, sprintf '%09d', 100000000 + ++$documents;

	foreach (1 .. 2)
	{
		my $weight = @digits + 1;
		my $sum = 0;

		$sum += $_ * $weight-- foreach @digits;
		push @digits, $sum % 11 < 2 ? 0 : 11 - $sum % 11;
	}
	return join '', @digits;
}

# Register a customer who wants e-mail and text messages, or not.
sub register
{
	my ($ref, $email, $sms) = @_;

	$node->sql("SELECT partner_api.register_customer('asaas', '$ref',"
		  . " name => 'Ana Souza', document => '"
		  . document()
		  . "', email => 'ana\@shop.test', mobile => '47999998888',"
		  . " send_email => $email, send_sms => $sms)");
	return;
}

# An invoice of a customer, which is on its way to its charge; its number.
sub invoice
{
	my ($ref, $billing_type) = @_;
	my $id = new_invoice($node, $ref,
		billing_type => $billing_type // 'UNDEFINED');

	$node->sql("SELECT partner_api.further_customer('asaas', '$ref')");
	return $id;
}

# A new invoice of a customer, charged: its row.
sub charged
{
	return wait_for_invoice($node, invoice(@_), 'open');
}

# Channels by which a customer was told of the creation of a charge.
sub told_of
{
	my ($charge) = @_;

	return join ' ', sort map { $_->{channel} }
	  grep { $_->{to} eq 'customer' } $sandbox->messages(
		event => 'PAYMENT_CREATED', payment => $charge);
}

sub customer
{
	my ($ref) = @_;

	return $node->row("SELECT * FROM partner_api.customers"
		  . " WHERE customer_ref = '$ref'");
}

# A switch of all of a customer's notifications that are on.
sub switch
{
	my ($ref, $switch) = @_;

	return join ' ', map { $_->{fields}{$switch} ? 1 : 0 }
	  grep { $_->{fields}{enabled} } $sandbox->objects('asaas_notifications',
		customer => customer($ref)->{customer_id});
}

sub requests
{
	my ($operation) = @_;

	return $sandbox->counters($operation)->{requests} // 0;
}

# ---- switches, before there is a charge ----

my %wanted = (
	both => [ 'true', 'true', 'email sms' ],
	email => [ 'true', 'false', 'email' ],
	sms => [ 'false', 'true', 'sms' ],
	neither => [ 'false', 'false', '' ]);

foreach my $what (sort keys %wanted)
{
	my ($email, $sms, $channels) = @{ $wanted{$what} };

	register($what, $email, $sms);
	is(told_of(charged($what)->{charge_id}),
		$channels, "who wants $what is told so of the first invoice");
	is(told_of(charged($what)->{charge_id}), $channels, '... and the next');
}
is(switch('email', 'emailEnabledForProvider'),
	join(' ', (1) x 8), 'messages to ourselves stay as they were');

foreach my $what (sort keys %wanted)
{
	my ($email, $sms, $channels) = @{ $wanted{$what} };

	$sandbox->fault(operation => $_, type => 'reset_after')
	  foreach qw(create_customer list_notifications change_notifications
	  create_charge);
	register("lost $what", $email, $sms);
	is(told_of(charged("lost $what")->{charge_id}),
		$channels, "... $what, also when every answer is lost");
	$sandbox->clear_faults;
}
is( $node->sql('SELECT count(*) FROM partner_api.payments'
		  . ' GROUP BY invoice_id HAVING count(*) > 1'),
	'', 'no invoice has two charges');
is(scalar(() = $sandbox->customers),
	8, 'and no customer was made twice');

# ---- a customer changes their mind ----

sub set_sending
{
	my ($ref, $arguments, %params) = @_;

	return $node->row('SELECT send_email, send_sms, reason'
		  . " FROM partner_api.set_sending('asaas', '$ref', $arguments)",
		%params);
}

# Wait until the provider was told; returns the switches.
sub told_switches
{
	my ($ref) = @_;

	$node->wait_until_settled("customer_ref = '$ref'");
	$node->wait_for('SELECT NOT partner_api.customer_is_wanted('
		  . "'asaas', '$ref')");
	return switch($ref, 'emailEnabledForCustomer') . ' | '
	  . switch($ref, 'smsEnabledForCustomer');
}

my $on = join(' ', (1) x 8);
my $off = join(' ', (0) x 8);
my $set = set_sending('both', 'send_sms => false');

ok($set->{send_email} && !$set->{send_sms},
	'set_sending: what is not given stays');
is(told_switches('both'), "$on | $off", '... told without an invoice');
is(told_of(charged('both')->{charge_id}), 'email', '... and before the next');

my $before = requests('change_notifications');

set_sending('both', 'send_sms => false');
$node->drive_pass;
is(requests('change_notifications'), $before, '... once');

set_sending('neither', 'send_email => true');
is(told_switches('neither'), "$on | $off",
	'who wanted nothing gets e-mail from now on');
is(told_of(charged('neither')->{charge_id}), 'email', '... with the next');
set_sending('neither', 'false, false');
told_switches('neither');
ok(customer('neither')->{notifications_disabled}, '... and nothing again');

# a provider that does not do what it is told is not told for ever
my $deaf = customer('neither')->{customer_id};
my $told = requests('change_customer');

$sandbox->fault(operation => 'change_customer', type => 'status',
	status => 200, times => 0,
	body => qq({"id": "$deaf", "name": "Ana Souza", "notificationDisabled": true}));
set_sending('neither', 'send_email => true');
$node->wait_until_settled("customer_ref = 'neither'");
$node->drive_pass;
is(requests('change_customer'), $told + 1,
	'a change that the provider ignores is sent once');
$sandbox->clear_faults;

# registering a customer anew does the same
$node->sql("SELECT partner_api.register_customer('asaas', 'both',"
	  . ' send_email => false, send_sms => true)');
is(told_switches('both'), "$off | $on",
	'register_customer tells of other switches too');

# not known at the provider yet: set when it is told of the customer
register('later', 'true', 'true');
set_sending('later', 'false, true');
$node->drive_pass;
is(customer('later')->{customer_id}, undef,
	'set_sending makes nobody a customer of the provider');
is(told_of(charged('later')->{charge_id}), 'sms', '... it waits for that');

# The one that sends invoices is switched on; what else is off stays off.
my %seeded = (name => 'Bia', cpfCnpj => document(), email => 'bia@shop.test',
	mobilePhone => '47999997777');

$sandbox->seed_object('asaas_customers', %seeded);

my $bia_id = ($sandbox->customers(name => 'Bia'))[0]{id};

foreach my $notification ($sandbox->objects('asaas_notifications',
		customer => $bia_id))
{
	$sandbox->change_object(
		'asaas_notifications', $notification->{id},
		enabled => JSON::PP::false);
}
$node->sql("SELECT partner_api.register_customer('asaas', 'bia',"
	  . " name => 'Bia', document => '$seeded{cpfCnpj}',"
	  . " email => 'bia\@shop.test', mobile => '47999997777',"
	  . ' send_sms => false)');
is(told_of(charged('bia')->{charge_id}),
	'email', 'a customer who was there with everything off gets the invoice');
is(customer('bia')->{customer_id}, $bia_id, '... as the one that was there');
is(join(' ', map { $_->{fields}{event} }
		  grep { $_->{fields}{enabled} } $sandbox->objects(
			'asaas_notifications', customer => $bia_id)),
	'PAYMENT_CREATED', '... and nothing else');

$node->create_role('clerk', 'partner_api_operator');
$node->create_role('analyst', 'partner_api_reader');
ok(set_sending('sms', 'send_sms => true', role => 'clerk')->{send_sms},
	'an operator may');
$node->fails_with("SELECT partner_api.set_sending('asaas', 'sms')",
	'42501', {}, 'a reader may not', role => 'analyst');
$node->sql('REVOKE USAGE ON FOREIGN SERVER asaas FROM PUBLIC');
$node->fails_with(
	"SELECT partner_api.set_sending('asaas', 'sms')", '42501',
	{ message => qr/permission denied for foreign server asaas/ },
	'... nor an operator without the server', role => 'clerk');
$node->sql('GRANT USAGE ON FOREIGN SERVER asaas TO PUBLIC');
$node->fails_with("SELECT partner_api.set_sending('asaas', 'nobody')",
	'42704', { message => qr/customer "nobody" .* not known/ }, 'for a known customer');

# ---- what cannot be done is said ----

my $invoice = charged('email');
my $id = $invoice->{invoice_id};

$node->fails_with(
	"SELECT partner_api.resend_invoice($id)", '0A000',
	{   message => qr/cannot send invoice $id again/,
		detail => qr/no call of its API/,
		hint => qr/invoice_message\($id, 'issued'\)/ },
	'resend_invoice() does not pretend');

# ---- the business's own mail ----

$listener->heard(qr/"event": "invoice_charged", "server": "asaas",/);
like($listener->{out}, qr/"charge_id": "$invoice->{charge_id}", "invoice_id": $id\}/,
	'that an invoice is charged is told to those who listen');

sub message
{
	my ($of, $event) = @_;

	return $node->row('SELECT * FROM partner_api.invoice_message('
		  . "$of, '$event')", role => 'analyst');
}

sub payment_data
{
	my ($of, $arguments, %params) = @_;

	return $node->row(
		"SELECT * FROM partner_api.invoice_payment_data($of"
		  . ($arguments // '') . ')',
		%params);
}

my $charge = $sandbox->charge_fields($invoice->{charge_id});
my $message = message($id, 'issued');

is("$message->{recipient_name} <$message->{email}>",
	'Ana Souza <ana@shop.test>', 'a message says whom it is for');
like($message->{subject}, qr/^Fatura $id: R\$ 99,90 com vencimento em/,
	'... and what about');
like($message->{body}, qr/^Para pagar, acesse: \Q$charge->{invoiceUrl}\E$/m,
	'... with the link');
unlike($message->{body}, qr/Pix|Boleto/, '... and nothing that was not asked for');
is(requests('pix_code') + requests('boleto_line'), 0, 'nor asks for it');

my $data = payment_data($id, '', role => 'clerk');

is($data->{link}, $charge->{invoiceUrl}, 'invoice_payment_data: the link');
like($data->{boleto_line}, qr/^\d{47}$/, '... the digits of the boleto');
like($data->{pix_code}, qr/^000201.*6304[0-9A-F]{4}$/, '... the Pix code');
like($data->{pix_image}, qr/^\\x89504e470d0a1a0a/, '... its image');
is( $node->sql("SELECT '$data->{pix_expires_at}'::timestamptz"
		  . " = ((due_on + 365)::timestamp AT TIME ZONE 'America/Sao_Paulo')"
		  . " FROM partner_api.invoices WHERE invoice_id = $id"),
	't', '... and until when, in the zone of the server');
$message = message($id, 'issued');
like($message->{body}, qr/^Pix copia e cola: \Q$data->{pix_code}\E$/m,
	'now messages have the code');
like($message->{body}, qr/^Boleto: \Q$data->{boleto_line}\E$/m,
	'... and the digits');

my $again = payment_data($id, ', with_image => false');

is($again->{pix_code}, $data->{pix_code}, 'what is known is kept');
is($again->{pix_image}, undef, '... but for the image');
is(requests('pix_code') . requests('boleto_line'), '11',
	'... and not asked for again');
payment_data($id);
is(requests('pix_code') . requests('boleto_line'), '21',
	'an image is asked for each time');
$node->sql("UPDATE partner_api.payments SET pix_expires_at ="
	  . " partner_api.clock() WHERE charge_id = '$invoice->{charge_id}'");
unlike(message($id, 'issued')->{body}, qr/Pix/,
	'a code that has expired is in no message');
is(payment_data($id, ', with_image => false')->{pix_expires_at},
	$data->{pix_expires_at}, '... and asked for again');

# a charge that changes has other codes
$node->sql("SELECT partner_api.change_charge('asaas',"
	  . " '$invoice->{charge_id}', value_cents => 12345)");
like(message($id, 'issued')->{subject}, qr/R\$ 123,45/,
	'a message names the amount of the charge');
unlike(message($id, 'issued')->{body}, qr/Pix|Boleto/,
	'... and no code for another one');
my $changed = payment_data($id, ', false');

isnt($changed->{boleto_line}, $data->{boleto_line}, '... which is asked for');

# ... also if it changes while it is asked for
my $racing = charged('email', 'PIX');

$sandbox->fault(operation => 'pix_code', type => 'withhold');

my $asked = requests('pix_code');
my $session = $node->start_sql('SELECT pix_code IS NOT NULL'
	  . " FROM partner_api.invoice_payment_data($racing->{invoice_id})");

$sandbox->wait_for_requests('pix_code', $asked + 1);
$node->sql("SELECT partner_api.change_charge('asaas',"
	  . " '$racing->{charge_id}', value_cents => 555)");
$sandbox->release;
is($session->output, 't', 'whoever asks is told');
is($node->sql('SELECT pix_code IS NULL FROM partner_api.payments'
		  . " WHERE charge_id = '$racing->{charge_id}'"),
	't', '... but what changed meanwhile keeps no code of before');

# ---- what there is depends on how it is to be paid ----

sub kinds
{
	my ($row) = @_;

	return join ' ', grep { $_ ne 'pix_expires_at' && defined $row->{$_} }
	  sort keys %$row;
}

is(kinds(payment_data(charged('email', 'PIX')->{invoice_id})),
	'link pix_code pix_image', 'Pix has no boleto');

my $boleto = charged('email', 'BOLETO')->{invoice_id};

is(kinds(payment_data($boleto)), 'boleto_line boleto_url link',
	'... and a boleto no Pix');
is(kinds(payment_data(charged('email', 'CREDIT_CARD')->{invoice_id})),
	'link', '... and a card neither');

my $any = charged('email')->{invoice_id};

$sandbox->fault(operation => 'pix_code', type => 'status', status => 400,
	body => '{"errors":[{"code":"invalid_action","description":"Sem chave Pix."}]}');
is(kinds(payment_data($any)), 'boleto_line link',
	'where the customer may choose, what the account has not is left out');
$sandbox->fault(operation => 'pix_code', type => 'reset_after');
$node->fails_with("SELECT partner_api.invoice_payment_data($any)",
	'HV00N', {}, '... but not what was not answered');
$sandbox->clear_faults;
$sandbox->fault(operation => 'boleto_line', type => 'status', status => 400,
	body => '{"errors":[{"code":"invalid_action","description":"Abaixo do valor."}]}');
$node->sql("UPDATE partner_api.payments SET boleto_line = NULL"
	  . " WHERE invoice_id = $boleto");
$node->fails_with(
	"SELECT partner_api.invoice_payment_data($boleto)",
	'38000', { detail => qr/: Abaixo do valor\. \(invalid_action\)/ },
	'where there is one way, its refusal is an error');
$sandbox->clear_faults;

# ---- what doc/invoicing.md shows ----

my ($section) = slurp_file("$ENV{PARTNER_API_TREE}/doc/invoicing.md") =~
  /^## Sending\n(.*?)^## /ms;

register('1', 'true', 'true');
charged('1');
while ($section =~ /^```sql\n(.*?)^```$/gms)
{
	isnt($node->sql($1), '', 'example: ' . ($1 =~ /(partner_api\.\w+_\w+)\(/)[0]);
}

# ---- refused ----

$node->fails_with('SELECT partner_api.invoice_payment_data(0)',
	'42704', { message => qr/invoice 0 is not known/ }, 'no such invoice');
$node->sql("SELECT partner_api.pause('asaas')");
my $waiting = invoice('email');

$node->fails_with(
	"SELECT partner_api.invoice_payment_data($waiting)", '55000',
	{   message => qr/has no charge yet/,
		detail => qr/^It is waiting\.$/,
		hint => qr/invoice_charged/ },
	'one that waits for its charge');
is($node->sql("SELECT count(*) FROM partner_api.invoice_message($waiting, 'issued')"),
	0, '... has no message either');
$node->sql("SELECT partner_api.resume('asaas')");
wait_for_invoice($node, $waiting, 'open');

my $paid = charged('email', 'PIX');

$sandbox->charge($paid->{charge_id}, 'pay');
$node->sql("SELECT partner_api.observe_charge('asaas', c.charge_id, to_jsonb(c),"
	  . " partner_api.clock(), 'poll', since => partner_api.clock())"
	  . " FROM partner_api.get_charge('asaas', '$paid->{charge_id}') c");
wait_for_invoice($node, $paid->{invoice_id}, 'paid');
$node->fails_with(
	"SELECT partner_api.invoice_payment_data($paid->{invoice_id})", '55000',
	{   message => qr/nothing to pay of invoice $paid->{invoice_id}/,
		detail => qr/^It is paid\.$/ },
	'one that is paid');
like(message($paid->{invoice_id}, 'paid')->{body}, qr/^Valor pago: R\$ 99,90$/m,
	'... but a message of thanks');

$node->fails_with("SELECT partner_api.invoice_payment_data($any)",
	'42501', {}, 'readers do not ask the provider', role => 'analyst');
$node->fails_with("BEGIN READ ONLY; SELECT partner_api.invoice_payment_data($any)",
	'25006', {}, 'nor does a transaction that only reads');
$node->set_option(poll_share => 0, 'asaas');
$node->fails_with("SELECT partner_api.invoice_payment_data($any)",
	'53400', { detail => qr/poll_share/ }, 'nor anybody beyond the quota');

done_testing();
