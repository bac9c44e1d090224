# From an invoice to its charge: what the provider is told of a customer, step
# by step, and what becomes of the invoices when a step comes to nothing.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Invoices;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => {
		name => 'asaas', provider => 'asaas', circuit_failures => 0,
		list_lag => '0' });

# Register a customer here; columns by name.
sub register
{
	my ($ref, %columns) = @_;
	my @names = sort keys %columns;

	$node->sql('INSERT INTO partner_api.customers ('
		  . join(', ', 'server', 'customer_ref', 'origin', 'created_at', @names)
		  . ") VALUES ('asaas', '$ref', 'local', partner_api.clock(), "
		  . join(', ', map { defined $columns{$_} ? "'$columns{$_}'" : 'NULL' } @names)
		  . ')');
	return;
}

# An invoice of a customer; returns its number.
sub invoice
{
	my ($ref, $cents) = @_;

	return new_invoice($node, $ref, amount_cents => $cents);
}

# The chain goes as far as it can.
sub further
{
	my ($ref) = @_;

	$node->sql("SELECT partner_api.further_customer('asaas', '$ref')");
	return;
}

# Kinds of a customer's actions so far, in order.
sub steps
{
	my ($ref) = @_;

	return $node->sql("SELECT string_agg(kind, ' ' ORDER BY action_id)"
		  . ' FROM partner_api.action_history'
		  . " WHERE customer_ref = '$ref'");
}

# ---- both ways, as the provider does by itself ----

register('ana', name => 'Ana Souza', document => '12345678909',
	email => 'ana@shop.test', mobile => '47999998888');

my $first = invoice('ana', 9990);
my $second = invoice('ana', 5);

further('ana');

my $charged = wait_for_invoice($node, $first, 'open');

wait_for_invoice($node, $second, 'open');
is(steps('ana'), 'create_customer create_charge create_charge',
	'a customer who wants e-mail and SMS is made and charged');
is($sandbox->charge_fields($charged->{charge_id})->{value}, 9990,
	'... with the amount of the invoice');
is($sandbox->messages(event => 'PAYMENT_CREATED', channel => 'sms'), 2,
	'... and told of both by SMS');

further('ana');
$node->drive_pass;
is(steps('ana'), 'create_customer create_charge create_charge',
	'once more changes nothing');

# ---- one way ----

register('bia', name => 'Bia', document => '52998224725',
	email => 'bia@shop.test', mobile => '47999997777', send_sms => 'false');

my $bia = invoice('bia', 100);

further('bia');
wait_for_invoice($node, $bia, 'open');
is(steps('bia'),
	'create_customer check_notifications change_notifications create_charge',
	'who wants e-mail alone has the switches set before the charge');

my $customer = $node->row(
	"SELECT * FROM partner_api.customers WHERE customer_ref = 'bia'");

ok($customer->{switches}{email} && !$customer->{switches}{sms},
	'... as is known here');
is_deeply([
		map { scalar $sandbox->messages(
				event => 'PAYMENT_CREATED', channel => $_,
				customer => $customer->{customer_id}) } qw(sms email) ],
	[ 0, 2 ], '... and gets e-mail and no SMS (one e-mail is ours)');

my $again = invoice('bia', 200);

further('bia');
wait_for_invoice($node, $again, 'open');
is(steps('bia'),
	'create_customer check_notifications change_notifications create_charge create_charge',
	'... once');

# ---- not at all, and back ----

register('caio', name => 'Caio', document => '11144477735',
	email => 'caio@shop.test', send_email => 'false', send_sms => 'false');

my $caio = invoice('caio', 300);

further('caio');
wait_for_invoice($node, $caio, 'open');
is(steps('caio'), 'create_customer create_charge',
	'who wants nothing is made so');
is($sandbox->messages(event => 'PAYMENT_CREATED', customer =>
			$node->sql("SELECT customer_id FROM partner_api.customers WHERE customer_ref = 'caio'")),
	0, '... and gets nothing');
$node->sql("UPDATE partner_api.customers SET send_email = true, send_sms = true WHERE customer_ref = 'caio'");
$caio = invoice('caio', 400);
further('caio');
wait_for_invoice($node, $caio, 'open');
is(steps('caio'), 'create_customer create_charge change_customer create_charge',
	'... and is changed back before the next charge');

# ---- one whom the provider has already ----

my $known = $sandbox->seed_object(
	'asaas_customers',
	name => 'Davi (old)', cpfCnpj => '39053344705', email => 'old@shop.test');
register('davi', name => 'Davi', document => '39053344705',
	email => 'davi@shop.test');

my $davi = invoice('davi', 500);

further('davi');
wait_for_invoice($node, $davi, 'open');
is(steps('davi'),
	'create_customer change_customer check_notifications create_charge',
	'one who is found there is brought up to date');
is($sandbox->effects('create_customer'), 3, '... and not made again');
is(join('|', map { $_->{email} } $sandbox->customers(name => 'Davi')),
	'davi@shop.test', '... with what is known here');

# ---- what comes to nothing ----

register('eva', name => 'Eva', document => '15350946056');
$sandbox->fault(operation => 'create_customer', type => 'status', status => 400,
	body => '{"errors":[{"code":"invalid_object","description":"O CPF informado é inválido."}]}');

my $eva = invoice('eva', 600);

further('eva');

my $failed = wait_for_invoice($node, $eva, 'failed');

is($failed->{reason}, 'O CPF informado é inválido. (invalid_object)',
	'a customer who is refused leaves the invoice without a charge, and says why');
further('eva');
$node->drive_pass;
is(steps('eva'), 'create_customer', '... and nothing is tried again by itself');
$node->sql("UPDATE partner_api.customers SET reason = NULL WHERE customer_ref = 'eva'");
further('eva');
wait_for_invoice($node, $eva, 'open');
pass('... until somebody clears the reason');

register('fabio', name => 'Fabio', document => '123');

my $fabio = invoice('fabio', 700);

further('fabio');
like(wait_for_invoice($node, $fabio, 'failed')->{reason}, qr/document.*check digits/,
	'a document that does not fit is refused before it is sent');
is(steps('fabio'), '', '... without an action');

register('gabi', name => 'Gabi', document => '86288366757');

my $gabi = invoice('gabi', 800);

$sandbox->fault(operation => 'create_charge', type => 'status', status => 400,
	body => '{"errors":[{"code":"invalid_billingType","description":"Pix não habilitado."}]}');
further('gabi');
is(wait_for_invoice($node, $gabi, 'failed')->{reason},
	'Pix não habilitado. (invalid_billingType)',
	'a charge that is refused gives its invoice the reason');

# A person withdraws a step.
register('hugo', name => 'Hugo', document => '98765432100');

my $hugo = invoice('hugo', 900);

$node->sql("SELECT partner_api.pause('asaas')");
further('hugo');

my $step = $node->sql("SELECT step_action_id FROM partner_api.customers WHERE customer_ref = 'hugo'");

$node->sql("SELECT partner_api.cancel_action($step)");
like(wait_for_invoice($node, $hugo, 'failed')->{reason}, qr/cancelled/,
	'an action that is withdrawn leaves no invoice waiting');
$node->sql("SELECT partner_api.resume('asaas'); SELECT partner_api.retry_action($step)");
wait_for_invoice($node, $hugo, 'open');
pass('... and goes on when the action is sent after all');

# A session holds the invoice: what happens meanwhile is taken up later.
register('julia', name => 'Julia', document => '71428793860');

my $julia = invoice('julia', 950);
my $holder = $node->console;

$node->sql("SELECT partner_api.pause('asaas')");
further('julia');
$holder->run("BEGIN; SELECT FROM partner_api.invoices WHERE invoice_id = $julia FOR UPDATE;");
$node->sql("SELECT partner_api.resume('asaas')");
$node->wait_for('SELECT count(*) > 0 FROM partner_api.mirror_backlog');
$holder->run('COMMIT;');
$holder->end;
$node->drive_pass;
wait_for_invoice($node, $julia, 'open');
pass('an invoice that a session holds is charged when it is let go');

# A person says that a charge whose answer was lost was not made.
register('karl', name => 'Karl', document => '29537995593');
$node->sql("ALTER SERVER asaas OPTIONS (ADD name_nonce 'off')");
$sandbox->fault(operation => 'create_charge', type => 'close_before');

my $karl = invoice('karl', 960);

further('karl');
$node->wait_for("SELECT p.state IN ('unknown', 'needs_attention')"
	  . ' FROM partner_api.pending_actions p JOIN partner_api.invoices i USING (action_id)'
	  . " WHERE i.invoice_id = $karl");
$node->sql('SELECT partner_api.resolve_action(action_id, NULL)'
	  . " FROM partner_api.invoices WHERE invoice_id = $karl");
like(wait_for_invoice($node, $karl, 'failed')->{reason}, qr/no effect, by the word of/,
	'a charge that a person says was not made leaves its invoice failed');
$node->sql("ALTER SERVER asaas OPTIONS (DROP name_nonce)");

# What was on its way is gone without a word.
register('iris', name => 'Iris', document => '39053344705');

my $iris = invoice('iris', 950);

$node->sql("SELECT partner_api.pause('asaas')");
further('iris');
$node->sql("DELETE FROM partner_api.pending_actions WHERE customer_ref = 'iris'");
$node->sql("SELECT partner_api.resume('asaas')");
$node->sql('SELECT count(*) FROM partner_api.generate_invoices()');
wait_for_invoice($node, $iris, 'open');
pass('an invoice that waits for nothing goes on with the next run');

# A step ends while a session has made an invoice that nobody else sees yet.
register('lea', name => 'Lea', document => '74697131150');
$node->sql("SELECT partner_api.pause('asaas')");
invoice('lea', 970);
further('lea');
$holder = $node->console;
$holder->run("BEGIN; INSERT INTO partner_api.invoices (server, subscription_id,"
	  . ' customer_ref, plan_server, plan_id, period_start, period_end,'
	  . ' issued_on, due_on, amount_cents, billing_type, issued_at)'
	  . " SELECT server, 'unseen', customer_ref, plan_server, plan_id,"
	  . ' period_start, period_end, issued_on, due_on, 980, billing_type,'
	  . " issued_at FROM partner_api.invoices WHERE customer_ref = 'lea';"
	  . " SELECT partner_api.further_customers('asaas');");
$node->sql("SELECT partner_api.resume('asaas')");
$node->wait_for('SELECT count(*) > 0 FROM partner_api.mirror_backlog');
$holder->run('COMMIT;');
$holder->end;
$node->drive_pass;
$node->wait_for("SELECT count(*) = 2 FROM partner_api.invoices WHERE customer_ref = 'lea' AND status = 'open'");
pass('an invoice that is made while a step ends is charged');

# Two customers of one document are two at the provider too.
register('ivo-1', name => 'Ivo', document => '11222333000181');
register('ivo-2', name => 'Ivo', document => '11222333000181');

my @ivo = (invoice('ivo-1', 1), invoice('ivo-2', 2));

further('ivo-1');
wait_for_invoice($node, $ivo[0], 'open');
further('ivo-2');
wait_for_invoice($node, $ivo[1], 'open');
is($node->sql("SELECT count(DISTINCT customer_id) FROM partner_api.customers WHERE document = '11222333000181'"),
	2, 'two keys of one document are two customers');

done_testing();
