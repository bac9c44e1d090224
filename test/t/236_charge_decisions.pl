# What people decide on invoices and their actions, in whatever order: an
# invoice never gets a second charge, and waits for nothing that cannot come.

use strict;
use warnings;

use JSON::PP;
use PartnerApi::Cluster;
use PartnerApi::Invoices;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => {
		name => 'asaas', provider => 'asaas', circuit_failures => 0,
		list_lag => '0' });
my $invoices = 0;

$node->sql(
	"SELECT partner_api.register_customer('asaas', 'ana', 'Ana', '12345678909')");

# Make an invoice, each of another amount, and let it be charged.
sub invoice
{
	$invoices++;
	my $invoice = new_invoice($node, 'ana', amount_cents => 1000 + $invoices);

	$node->sql("SELECT partner_api.further_customer('asaas', 'ana')");
	return $invoice;
}

sub wait_for_status
{
	my ($invoice, $status) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	wait_for_invoice($node, $invoice, $status);
	return facts($invoice);
}

sub facts
{
	my ($invoice) = @_;

	return $node->row(
		"SELECT * FROM partner_api.invoices WHERE invoice_id = $invoice");
}

# Charges of an invoice that can be paid, by what it amounts to.
sub live_charges
{
	my ($invoice) = @_;
	my $cents = facts($invoice)->{amount_cents};

	return scalar grep { !$_->{deleted} && $_->{value} == $cents }
	  $sandbox->charges;
}

# The charge of a new invoice is made, but its answer is lost.  Returns the
# invoice and its action when that has looked for it once.
sub lose
{
	$sandbox->fault(operation => 'create_charge', type => 'reset_after');

	my $invoice = invoice();
	my $action = facts($invoice)->{action_id};

	$node->wait_for("SELECT looks > 0 FROM partner_api.pending_actions WHERE action_id = $action");
	return ($invoice, $action);
}

# Lists that lag behind show by now what was made.
sub let_lists_catch_up
{
	$node->set_clock($sandbox, "partner_api.clock() + interval '6 min'");
	return;
}

sub refuse_next
{
	my ($operation) = @_;

	$sandbox->fault(operation => $operation, type => 'status', status => 400,
		body => '{"errors":[{"code":"invalid_action","description":"Agora não."}]}');
	return;
}

# ---- the action and the invoice, both tried again ----

refuse_next('create_charge');

my $refused = invoice();
my $action = wait_for_status($refused, 'failed')->{action_id};

$node->sql("SELECT partner_api.retry_invoice($refused)");
is(wait_for_status($refused, 'open')->{action_id}, $action,
	'an invoice is tried again by the action that it has');
$node->fails_with("SELECT partner_api.retry_action($action)", '55000',
	{ message => qr/is done/ }, '... which cannot be sent again');
is(live_charges($refused), 1, '... so there is one charge');

refuse_next('create_charge');

my $reopened = invoice();

$action = wait_for_status($reopened, 'failed')->{action_id};
$node->sql("SELECT partner_api.pause('asaas')");
$node->sql("SELECT partner_api.retry_action($action)");
is(facts($reopened)->{status}, 'waiting',
	'an invoice waits for its action, if that is tried again');
$node->fails_with("SELECT partner_api.retry_invoice($reopened)", '55000',
	{ detail => qr/on its way/ }, '... and for nothing else');
$node->sql("SELECT partner_api.resume('asaas')");
wait_for_status($reopened, 'open');
is(live_charges($reopened), 1, '... one charge');

# ---- withdrawn before it was sent ----

$node->sql("SELECT partner_api.pause('asaas')");

my $withdrawn = invoice();

$action = facts($withdrawn)->{action_id};
$node->sql("SELECT partner_api.cancel_invoice($withdrawn)");
$node->fails_with("SELECT partner_api.retry_action($action)", '55000',
	{ detail => qr/cancelled/, hint => qr/retry_invoice/ },
	'the action of a cancelled invoice is not sent again');
$node->sql("SELECT partner_api.retry_invoice($withdrawn)");
$node->fails_with("SELECT partner_api.retry_action($action)", '55000',
	{ detail => qr/another action/ },
	'... nor that of one which another action charges');
$node->sql("SELECT partner_api.resume('asaas')");
wait_for_status($withdrawn, 'open');
is(live_charges($withdrawn), 1, '... one charge');

# ---- given up, though it was made ----

my $lost;

$sandbox->config(list_lag_seconds => 300);
($lost, $action) = lose();
$node->sql("SELECT partner_api.resolve_action($action, NULL)");
is(facts($lost)->{status}, 'failed', 'given up on the word of a person');
$node->sql("SELECT partner_api.pause('asaas')");
$node->sql("SELECT partner_api.retry_invoice($lost)");
$node->sql("SELECT partner_api.cancel_action($action)");
$node->sql("SELECT partner_api.resume('asaas')");
let_lists_catch_up();
$node->sql("SELECT partner_api.retry_invoice($lost)");
wait_for_status($lost, 'open');
is(live_charges($lost), 1,
	'what was made after all is found when the invoice is tried again');

($lost, $action) = lose();
$node->sql("SELECT partner_api.resolve_action($action, NULL)");
$node->sql("SELECT partner_api.cancel_invoice($lost)");

my $listener = $node->listen;

$node->sql("SELECT partner_api.observe_charge('asaas', 'pay_lost',"
	  . " jsonb_build_object('status', 'PENDING', 'external_reference', nonce),"
	  . " partner_api.clock(), 'poll')"
	  . " FROM partner_api.action_history WHERE action_id = $action");
ok($listener->heard(qr/surplus.*pay_lost/),
	'a charge of an invoice that was cancelled without it is announced');
is(facts($lost)->{charge_id}, 'pay_lost', '... and known as its charge');
$listener->end;

# ---- settled with what is another's ----

($lost, $action) = lose();

my $other = facts($refused)->{charge_id};

$node->fails_with("SELECT partner_api.resolve_action($action, '$other')",
	'55000', { message => qr/is that of action/ },
	'the charge of another invoice is not taken for its own');
is($node->sql("SELECT invoice_id FROM partner_api.payments WHERE charge_id = '$other'"),
	$refused, '... and stays what it was');
let_lists_catch_up();
wait_for_status($lost, 'open');
is(live_charges($lost), 1, '... one charge');
$sandbox->config(list_lag_seconds => 0);

# ---- an event that is faster than any list ----

$sandbox->config(list_lag_seconds => 300);
($lost, $action) = lose();

my ($made) = grep { $_->{value} == facts($lost)->{amount_cents} }
  $sandbox->charges;

is($node->sql("SELECT (partner_api.observe_charge('asaas', '$made->{id}',"
		  . " jsonb_build_object('status', 'PENDING', 'external_reference', nonce),"
		  . " partner_api.clock(), 'webhook', 'evt_1', 'PAYMENT_CREATED')).invoice_id"
		  . " FROM partner_api.pending_actions WHERE action_id = $action"),
	$lost, 'an event tells of a charge whose answer was lost');
is($node->action_state($action), 'done', '... which settles its action');
foreach (1 .. 3)
{
	$node->set_clock($sandbox, "partner_api.clock() + interval '30 s'");
	$node->drive_pass;
}
is(live_charges($lost), 1, '... so it is not made again');
$sandbox->config(list_lag_seconds => 0);

# The same while the answer is on its way, which is then lost.
$sandbox->config(list_lag_seconds => 300);
$sandbox->fault(operation => 'create_charge', type => 'withhold',
	after_effect => JSON::PP::true);

my $raced = invoice();

$sandbox->wait_until('the answer is withheld',
	sub { $sandbox->counters('create_charge')->{faulted} > 6 });
$action = facts($raced)->{action_id};
($made) = grep { $_->{value} == facts($raced)->{amount_cents} }
  $sandbox->charges;
$node->sql("SELECT partner_api.observe_charge('asaas', '$made->{id}',"
	  . " jsonb_build_object('status', 'PENDING', 'external_reference', nonce),"
	  . " partner_api.clock(), 'webhook', 'evt_2', 'PAYMENT_CREATED')"
	  . " FROM partner_api.pending_actions WHERE action_id = $action");
is($node->action_state($action), 'sending', 'an event overtakes the answer');
$node->stop_worker;
$node->start_worker;
is($node->wait_for_state($action, 'needs_attention'), 'done',
	'... which is not needed any more');
is(live_charges($raced), 1, '... one charge');
$sandbox->release;
$sandbox->config(list_lag_seconds => 0);

# ---- a charge that the provider does not delete ----

my $kept = invoice();

wait_for_status($kept, 'open');
refuse_next('delete_charge');
$node->sql("SELECT partner_api.cancel_invoice($kept)");
$node->wait_until_settled;
like(facts($kept)->{reason}, qr/could not be deleted: Agora/,
	'a charge that is not deleted is said');
$node->sql("SELECT partner_api.cancel_invoice($kept)");
$node->wait_until_settled;
is(live_charges($kept), 0, '... and deleted by cancelling once more');
$node->sql("SELECT partner_api.cancel_invoice($kept)");
is($sandbox->counters('delete_charge')->{requests}, 2,
	'... after which there is nothing to do');

# ---- two sessions ----

my $chain = $node->console;
my $waiting = invoice();

wait_for_status($waiting, 'open');
$chain->run('BEGIN;');
$chain->run("SELECT FROM partner_api.customers WHERE customer_ref = 'ana' FOR UPDATE;");

my $decision = $node->start_sql("SELECT partner_api.cancel_invoice($waiting)");

$node->wait_for("SELECT count(*) = 1 FROM pg_locks WHERE NOT granted");
is($chain->run("SELECT invoice_id FROM partner_api.invoices WHERE invoice_id = $waiting FOR UPDATE NOWAIT;"),
	"$waiting\n",
	'a decision waits for the customer before it takes the invoice');
$chain->run('COMMIT;');
$decision->output;
$chain->end;

done_testing();
