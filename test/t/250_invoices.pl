# Invoices from subscriptions to charges: each subscription and period has one
# invoice, and each invoice one charge, whatever happens meanwhile.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

# Customers of the batch.
my $CUSTOMERS = 12;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => {
		name => 'asaas', provider => 'asaas', circuit_failures => 0,
		list_lag => '0' });

# A CPF with fitting check digits, from nine digits.
sub cpf
{
	my ($digits) = @_;

	foreach my $most (10, 11)
	{
		my $sum = 0;
		my $weight = $most;

		$sum += $_ * $weight-- foreach split //, $digits;
		$sum %= 11;
		$digits .= $sum < 2 ? 0 : 11 - $sum;
	}
	return $digits;
}

# Turn both clocks to noon of a day in Brasilia.
sub set_day
{
	my ($day) = @_;

	$node->set_clock($sandbox, "timestamptz '$day 12:00-03'");
	return;
}

# Numbers of the invoices that a run made.
sub generate
{
	my (%params) = @_;

	return split /\n/, $node->sql(
		'SELECT invoice_id FROM partner_api.generate_invoices()', %params);
}

# Wait until every invoice is charged, or has its reason.
sub wait_until_charged
{
	return $node->wait_for('SELECT count(*) = 0 FROM partner_api.invoices'
		  . " WHERE status = 'waiting'");
}

# The one invoice for which a condition holds.
sub invoice
{
	my ($condition) = @_;

	return $node->row("SELECT * FROM partner_api.invoices WHERE $condition");
}

sub status_of
{
	my ($invoice) = @_;

	return invoice("invoice_id = $invoice")->{status};
}

# Charges at the provider that are not deleted, as "customer: value of each".
sub charges
{
	my %values;

	foreach my $charge (map { $_->{fields} } $sandbox->objects('asaas_payments'))
	{
		push @{ $values{ $charge->{customer} } }, $charge->{value}
		  unless $charge->{deleted};
	}
	return \%values;
}

# Test that each subscription and period has one invoice with a charge of its
# own, and that the provider has no others.
sub each_is_charged_once
{
	my ($periods, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $charges = charges();

	is($node->sql(
			"SELECT count(*) || ' ' || count(DISTINCT charge_id) || ' '"
			  . " || count(DISTINCT (subscription_id, period_start))"
			  . ' FROM partner_api.invoices'),
		join(' ', ($CUSTOMERS * $periods) x 3),
		"$name: an invoice and a charge for each");
	is_deeply([ map { scalar @$_ } values %$charges ],
		[ ($periods) x $CUSTOMERS ],
		'... and no more at the provider');
	return;
}

# ---- from a business table ----

set_day('2030-01-31');
$node->sql(<<'SQL');
SELECT partner_api.register_plan('asaas', 'gold', 'Gold', 9900,
	fine_percent => 2, interest_percent => 1, due_days => 3);
CREATE TABLE shop (id text PRIMARY KEY, cpf text, price bigint);
CREATE FUNCTION sign_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM partner_api.register_customer('asaas', NEW.id, 'Shop ' || NEW.id,
		NEW.cpf, send_sms => false, send_email => false);
	IF TG_OP = 'INSERT' THEN
		PERFORM partner_api.subscribe('asaas', NEW.id, 'gold',
			price_cents => NEW.price, subscription_id => NEW.id);
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER sign_up AFTER INSERT OR UPDATE ON shop
	FOR EACH ROW EXECUTE FUNCTION sign_up();
SQL

my %cpf = map { $_ => cpf(123456700 + $_) } 1 .. $CUSTOMERS;
my $sign_up = 'INSERT INTO shop VALUES '
  . join(', ', map { "('s$_', '$cpf{$_}', 1000 + $_)" } 1 .. $CUSTOMERS);

$node->sql("BEGIN; $sign_up; SELECT partner_api.generate_invoices(); ROLLBACK");
is($node->sql(
		'SELECT (SELECT count(*) FROM partner_api.customers)'
		  . ' + (SELECT count(*) FROM partner_api.subscriptions)'
		  . ' + (SELECT count(*) FROM partner_api.invoices)'
		  . ' + (SELECT count(*) FROM partner_api.pending_actions)'),
	0, 'a rollback leaves nothing');
$node->fails_with(
	"INSERT INTO shop VALUES ('bad', '12345678900', 1)", '22023',
	{ message => qr/document/ }, 'a wrong CPF is refused');
is($node->sql('SELECT count(*) FROM shop'), 0, '... and the row with it');
$node->sql($sign_up);

# ---- a batch, with one customer and one charge that the provider refuses ----

$sandbox->fault(operation => 'create_customer', body_contains => $cpf{7},
	type => 'status', status => 400,
	body => '{"errors":[{"code":"invalid_object","description":"O CPF informado é inválido."}]}');
$sandbox->fault(operation => 'create_charge', body_contains => '10.09',
	type => 'status', status => 400,
	body => '{"errors":[{"code":"invalid_value","description":"Valor inválido."}]}');

my $started = () = generate();

wait_until_charged();
is($started, $CUSTOMERS, 'every subscription has its invoice');
is($node->sql(
		"SELECT string_agg(customer_ref || ': ' || reason, '; ' ORDER BY customer_ref)"
		  . " FROM partner_api.invoices WHERE status = 'failed'"),
	's7: O CPF informado é inválido. (invalid_object); s9: Valor inválido. (invalid_value)',
	'those that the provider refuses have its reason');
is($node->sql("SELECT count(*) FROM partner_api.invoices WHERE status = 'open'"),
	$CUSTOMERS - 2, '... and hold up no other');

my $first = $sandbox->charge_fields(
	invoice("customer_ref = 's1'")->{charge_id});

is("$first->{value} $first->{dueDate} $first->{description}",
	'1001 2030-02-03 Gold, 31/01/2030 - 27/02/2030',
	'a charge has the amount, the due day and the period');
is("$first->{fine}{value} $first->{interest}{value}", '2 1',
	'... and what a late payment costs');
is(scalar(generate()), 0, 'a second run makes nothing');

# What was wrong is mended: the customer's data, and at the provider.
$node->sql("UPDATE shop SET cpf = '" . cpf(987654321) . "' WHERE id = 's7'");
$node->sql('SELECT partner_api.retry_invoice('
	  . invoice("customer_ref = 's9'")->{invoice_id} . ')');
$node->wait_for("SELECT count(*) = $CUSTOMERS FROM partner_api.invoices"
	  . " WHERE status = 'open'");
each_is_charged_once(1, 'once they are mended');

# ---- several sessions ----

set_day('2030-02-28');

my $one = $node->console;
my $other = $node->console;

$one->run('BEGIN;');
is($one->run('SELECT count(*) FROM partner_api.generate_invoices();'),
	"$CUSTOMERS\n", 'one session makes them');
is($other->run('SELECT count(*) FROM partner_api.generate_invoices();'),
	"0\n", '... another one leaves them to it, and does not wait');
$one->run('ROLLBACK;');
$one->run("BEGIN; SELECT FROM partner_api.customers"
	  . " WHERE customer_ref = 's4' FOR UPDATE;");

my @runs = map {
	$node->start_sql(
		'SELECT invoice_id FROM partner_api.generate_invoices()')
} 1 .. 4;
my @made = map { split /\n/, $_->output } @runs;
my %distinct = map { $_ => 1 } @made, generate();

is(scalar(@made) . ' ' . keys %distinct, "$CUSTOMERS $CUSTOMERS",
	'what was rolled back is made by four at once, each by one of them');
$node->wait_for("SELECT string_agg(customer_ref, ' ') = 's4'"
	  . " FROM partner_api.invoices WHERE status = 'waiting'");
is(invoice("customer_ref = 's4' AND status = 'waiting'")->{action_id}, undef,
	'... but for the charge of a customer whom a session holds');
$one->run('ROLLBACK;');
$_->end foreach $one, $other;
generate();
wait_until_charged();
each_is_charged_once(2, 'in four sessions');

# ---- a server that is killed ----

set_day('2030-03-31');
$one = $node->console;
$one->run('BEGIN; SELECT partner_api.generate_invoices();');
$node->stop('immediate');
$one->end;
$node->start;
$node->wait_for_worker;
is($node->sql("SELECT count(*) FROM partner_api.invoices WHERE issued_on = '2030-03-31'"),
	0, 'a run that is killed leaves nothing');

# The provider has made three charges of which no answer has come.
my $fault = $sandbox->fault(operation => 'create_charge', type => 'withhold',
	times => 3);

generate();
$sandbox->wait_until('three answers are withheld',
	sub { $sandbox->hits($fault) == 3 });
$node->stop('immediate');
$sandbox->release;
$node->start;
$node->wait_for_worker;
is(scalar(generate()), 0, 'a run after the crash makes nothing twice');
foreach (1 .. 6)
{
	$node->drive_pass;
	last if $node->sql('SELECT count(*) FROM partner_api.pending_actions') == 0;
	$node->set_clock($sandbox, "partner_api.clock() + interval '10 s'");
}
wait_until_charged();
each_is_charged_once(3, 'after a crash');

# ---- what is not known is not charged again ----

set_day('2030-04-30');
$sandbox->fault(operation => 'create_charge', body_contains => '10.05',
	type => 'reset_after');
$sandbox->fault(operation => 'list_charges', type => 'status', status => 503,
	times => 0);
generate();

my $unknown = invoice("customer_ref = 's5' AND issued_on = '2030-04-30'")
  ->{invoice_id};

$node->wait_for("SELECT state = 'unknown' FROM partner_api.pending_actions"
	  . ' JOIN partner_api.invoices USING (action_id)'
	  . " WHERE invoice_id = $unknown");
foreach my $decision ('retry_invoice', 'cancel_invoice')
{
	$node->fails_with("SELECT partner_api.$decision($unknown)", '55000',
		{ detail => qr/action \d+ is unknown/ },
		"an invoice is not for $decision() while that is unknown");
}
$sandbox->clear_faults;
$node->set_clock($sandbox, "partner_api.clock() + interval '1 min'");
wait_until_charged();
each_is_charged_once(4, 'once it is known');

# ---- decisions ----

my $invoice = invoice("customer_ref = 's1' AND issued_on = '2030-04-30'");

$node->sql("SELECT partner_api.set_invoice_due($invoice->{invoice_id}, '2030-05-20')");
$node->wait_for("SELECT due_on = '2030-05-20' FROM partner_api.invoices"
	  . " WHERE invoice_id = $invoice->{invoice_id}");
is($sandbox->charge_fields($invoice->{charge_id})->{dueDate}, '2030-05-20',
	'another due day is the provider\'s too');
is($node->sql("SELECT status FROM partner_api.cancel_invoice($invoice->{invoice_id})"),
	'cancelled', 'an invoice that is not paid can be cancelled');
$node->wait_until_settled;
ok($sandbox->charge_fields($invoice->{charge_id})->{deleted},
	'... and its charge is deleted');
is(scalar(generate()), 0, '... its period stays invoiced');

$invoice = invoice("customer_ref = 's2' AND issued_on = '2030-04-30'");
$sandbox->charge($invoice->{charge_id}, 'pay', method => 'PIX');
$node->sql("SELECT partner_api.refresh_payments()");
$node->wait_for("SELECT status = 'paid' FROM partner_api.invoices"
	  . " WHERE invoice_id = $invoice->{invoice_id}");
$node->fails_with("SELECT partner_api.cancel_invoice($invoice->{invoice_id})",
	'55000', { hint => qr/refund_charge/ }, 'a paid one cannot');

# One that is not sent yet is withdrawn.
$node->sql("SELECT partner_api.pause('asaas')");
set_day('2030-05-31');
generate();
$invoice = invoice("customer_ref = 's3' AND issued_on = '2030-05-31'");
$node->sql("SELECT partner_api.cancel_invoice($invoice->{invoice_id})");
is($node->action_state($invoice->{action_id}), 'cancelled',
	'a charge that is not sent is withdrawn');
$node->fails_with("SELECT partner_api.retry_action($invoice->{action_id})",
	'55000', { hint => qr/retry_invoice/ }, '... and not sent again by itself');
set_day('2030-06-05');
$node->sql("SELECT partner_api.resume('asaas')");
$node->wait_for('SELECT count(*) = ' . ($CUSTOMERS - 1)
	  . ' FROM partner_api.invoices'
	  . " WHERE issued_on = '2030-05-31' AND status = 'open'");
is($node->sql("SELECT string_agg(DISTINCT due_on::text, ' ')"
		  . ' FROM partner_api.invoices'
		  . " WHERE issued_on = '2030-05-31' AND status = 'open'"),
	'2030-06-05', '... and the others are charged, though their due day is over');
is(status_of($invoice->{invoice_id}), 'cancelled', '... it is not');

done_testing();
