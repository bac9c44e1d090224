# Clients, cards, subscriptions and invoices at zsystems: the whole life of a
# subscription, what is refused, and what becomes of lost answers.

use strict;
use warnings;

use JSON::PP;
use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => {
		name => 'zs', provider => 'zsystems', circuit_failures => 0,
		list_lag => '0' });
my $json = JSON::PP->new->canonical;
my %CARD = (
	holder => 'ANA SOUZA', number => '4111111111111111',
	security_code => '987', valid_until => '12/2099');
my %ADDRESS = (
	street => 'Rua A', number => '10', complement => 'fundos',
	district => 'Centro', postal_code => '01001000', city => 'São Paulo',
	state => 'SP');

# A JSON value as SQL.
sub object
{
	my (%members) = @_;
	my $text = $json->encode(\%members) =~ s/'/''/gr;

	return "'$text'";
}

# One row of a function of this server.
sub call
{
	my ($function, @arguments) = @_;

	return $node->row(
		"SELECT * FROM partner_api.$function(" . join(', ', "'zs'", @arguments) . ')');
}

# A call that must fail; tests its error.
sub fails
{
	my ($function, $arguments, $sqlstate, $parts, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return $node->fails_with("SELECT partner_api.$function("
		  . join(', ', "'zs'", @$arguments) . ')', $sqlstate, $parts, $what);
}

# Enqueue an operation; returns the id of the action.
sub enqueue
{
	my ($function, @arguments) = @_;

	return $node->sql("SELECT partner_api.enqueue_$function("
		  . join(', ', "'zs'", @arguments) . ')');
}

sub advance
{
	my ($interval) = @_;

	$node->set_clock($sandbox, "partner_api.clock() + interval '$interval'");
	return;
}

# Let an action come to an end or to a person, whatever looks that takes.
sub settle
{
	my ($action) = @_;

	foreach (1 .. 3)
	{
		$node->drive_pass;
		last if $node->action_state($action) =~ /^(?:done|failed|needs_attention)$/;
		advance('1 min');
	}
	return $node->wait_for_state($action, 'needs_attention');
}

# Statuses of a subscription's invoices, oldest first.
sub invoices
{
	my ($id) = @_;

	return $node->rows("SELECT * FROM partner_api.subscription_invoices('zs', '$id')");
}

sub mirror
{
	my ($id) = @_;

	return $node->row('SELECT * FROM partner_api.subscriptions'
		  . " WHERE subscription_id = '$id'");
}

my $plan = call('create_plan', "name => 'monthly'", 'amount_cents => 9990',
	"description => 'Plan'", "frequency => 'monthly'",
	'setup_amount_cents => 2500', 'grace_period => 14',
	'tolerance_period => 3', "payment_methods => 'credit_card'")->{plan_id};

# ---- clients and cards ----

my $client = call('create_client', "name => 'Ana Souza'",
	"email => 'ana\@shop.test'", "document => '123.456.789-09'",
	"birth_date => '1990-02-28'", "phone => '1133334444'",
	"mobile => '11999998888'", 'address => ' . object(%ADDRESS));

is($client->{name}, 'Ana Souza', 'create_client returns the client');

my %there = %{ $sandbox->object(clients => $client->{client_id})->{fields} };

is_deeply([ @there{qw(nome email cpf dataNascimento telefone celular)} ],
	[ 'Ana Souza', 'ana@shop.test', '12345678909', '1990-02-28',
		'1133334444', '11999998888' ],
	'... as the provider names it');

my $again = call('create_client', "name => 'Ana'", "document => '12345678909'",
	"customer_ref => 'ana'");

is($again->{client_id}, $client->{client_id},
	'a document that is known, under 202, leads to the client that has it');
is($sandbox->effects('create_client'), 1, '... and to no second one');
is(join('|', @$again{qw(name customer_ref)}),
	'Ana Souza|ana', '... who keeps her name');
is(call('find_client', "'123.456.789-09'")->{client_id},
	$client->{client_id}, 'a client is found by the document');
is( $node->sql("SELECT count(*) FROM partner_api.find_client('zs', '52998224725')"),
	0, '... and one that does not exist is not');

my $company = call('create_client', "name => 'Loja'", "document => '11222333000181'");

is($sandbox->object(clients => $company->{client_id})->{fields}{cnpj},
	'11222333000181', 'a company is sent with its cnpj');

my $card = call('store_card', "'$client->{client_id}'", object(%CARD));

is($card->{last_digits}, '1111', 'store_card returns the last digits');
is($sandbox->object(cards => $card->{card_id})->{fields}{titular},
	'ANA SOUZA', '... and the provider has the card');

# ---- the life of a subscription ----

my $long = join ', ', "plan_id => '$plan'",
  'client => ' . object(name => 'Ana Souza', document => '12345678909',
	email => 'ana@shop.test', birth_date => '1990-02-28'),
  'address => ' . object(%ADDRESS), 'card => ' . object(%CARD);
my $short = "plan_id => '$plan', client_id => '$client->{client_id}',"
  . " card_id => '$card->{card_id}'";
my $row = call('create_subscription', $long);
my $id = $row->{subscription_id};

is($row->{plan_id}, $plan, 'create_subscription in its long form');
is($row->{amount_cents}, 9990, '... amounts come in reais and are kept in cents');
is($row->{client_id}, $client->{client_id}, '... of the client');
is_deeply(mirror($id), $row, '... is mirrored');
is($sandbox->object(subscriptions => $id)->{state}, 'trial', '... at the provider');
is(call('create_subscription', $short)->{client_id}, $client->{client_id},
	'create_subscription in its short form');
is($sandbox->effects('create_subscription'), 2, '... two effects');
is_deeply([ map { $_->{status} } invoices($id) ], [qw(paid pending)],
	'joining is paid, the first cycle is to come');
is((invoices($id))[0]{amount_cents}, 2500, '... in cents');

advance('15 days');
$row = call('get_subscription', "'$id'");
is($row->{status}, 'active', 'a subscription is read as it is now');
is_deeply([ map { $_->{status} } invoices($id) ], [qw(paid paid pending)],
	'the first cycle is paid after the grace period');

$row = call('suspend_subscription', "'$id'");
is($row->{status}, 'suspended', 'suspend returns what is suspended');
ok(defined $row->{suspended_at}, '... with its time');
is($sandbox->object(subscriptions => $id)->{state}, 'suspended', '... at the provider');
$row = call('reactivate_subscription', "'$id'");
is($row->{status}, 'active', 'reactivate returns what runs');
is($row->{suspended_at}, undef, '... and is suspended no more');
$row = call('change_subscription', "'$id'", q{'{"payment_method": "boleto"}'});
is($row->{payment_method}, 'boleto', 'change passes on what it is given');

$sandbox->config(invoices_paid => JSON::PP::false);
advance('32 days');
$node->sql("SELECT * FROM partner_api.sync_subscriptions('zs')");
is(mirror($id)->{status}, 'past_due', 'an invoice that is not paid shows')
  or diag(explain($sandbox->object(subscriptions => $id)));
$sandbox->config(invoices_paid => JSON::PP::true);
call('reactivate_subscription', "'$id'");

my ($invoice) = grep { $_->{status} eq 'paid' } invoices($id);

call('refund_invoice', "'$id'", "'$invoice->{invoice_id}'");
is($sandbox->effects('refund_invoice'), 1, 'an invoice is given back, once');
is((grep { $_->{invoice_id} eq $invoice->{invoice_id} } invoices($id))[0]{status},
	'voided', '... and void');
fails('refund_invoice', [ "'$id'", "'$invoice->{invoice_id}'" ], '38000',
	{ detail => qr/A fatura não está paga/ }, '... and not again');

$row = call('cancel_subscription', "'$id'");
is($row->{status}, 'cancelled', 'cancel returns what is cancelled');
ok(defined $row->{cancelled_at}, '... with its time');
is($sandbox->object(subscriptions => $id)->{state}, 'cancelled', '... at the provider');
is( $node->sql("SELECT string_agg(kind, ' ' ORDER BY event_id)"
		  . ' FROM partner_api.object_events'
		  . " WHERE object = 'subscription' AND object_id = '$id'"
		  . " AND action_id IS NOT NULL"),
	'created suspended reactivated changed reactivated cancelled',
	'its whole life is recorded');

# ---- the same number is nobody else's ----

my $sent = $sandbox->counters('change_plan')->{requests} // 0;

$sandbox->fault(operation => 'change_plan', type => 'withhold');
my $slow = $node->start_sql("SELECT name FROM partner_api.change_plan('zs', '$plan', name => 'slow')");

$sandbox->wait_for_requests('change_plan', $sent + 1);
fails('suspend_subscription', ["'$plan'"], '42704', {},
	'a subscription does not wait for the plan of its number');
my $behind = $node->sql("SELECT partner_api.enqueue_cancel_subscription('zs', '$plan')");

$node->wait_for_state($behind, 'failed');
is($node->sql("SELECT partner_api.enqueue_change_plan('zs', '$plan', name => 'next') > 0"),
	't', '... while the plan has one change in flight');
$node->drive_pass;
is($sandbox->counters('change_plan')->{requests}, $sent + 1, '... and no second');
$sandbox->release;
is($slow->output, 'slow', '... until it is done');
$sandbox->wait_for_requests('change_plan', $sent + 2);

# ---- either reading of the status, and none ----

foreach my $numbers (qw(six four))
{
	foreach my $title (JSON::PP::true, JSON::PP::false)
	{
		$sandbox->config(zsystems_status_numbers => $numbers,
			zsystems_status_title => $title);
		$row = call('get_subscription', "'$id'");
		is($row->{status_id}, $numbers eq 'six' ? 5 : 2,
			'the number is kept as data');
		like($row->{status}, $title ? qr/^cancelled$/ : qr/./,
			'... and the title, where there is one, says what it is');
	}
}
$sandbox->config(zsystems_status_numbers => 'six',
	zsystems_status_title => JSON::PP::true);

# ---- refused ----

my $effects = $sandbox->effects('create_subscription');

foreach my $number ('4111111111150002', '4111111111120005')
{
	fails('create_subscription', [ $long =~ s/4111111111111111/$number/r ],
		'38000', { detail => qr/Saldo insuficiente/ },
		"a card that the acquirer declines, under 200 ($number)");
}
foreach my $shape (qw(error error_object errors erros message))
{
	$sandbox->config(zsystems_refusals => $shape, zsystems_refusal_status => 200);
	fails('refund_invoice', [ "'$id'", "'$invoice->{invoice_id}'" ], '38000',
		{ detail => qr/A fatura não está paga/ }, "a refusal as $shape under 200");
}
$sandbox->config(zsystems_refusals => 'seen', zsystems_refusal_status => 400);
fails('suspend_subscription', ["'1'"], '42704',
	{ detail => qr/Assinatura não encontrado/ },
	'a subscription that does not exist');

my $before = $sandbox->control('counters?names=false')->{operations};

foreach my $bad (
	[ 'create_subscription', "plan_id => '$plan'" ],
	[ 'create_subscription', $short, 'card => ' . object(%CARD) ],
	[ 'create_subscription', $long =~ s/4111111111111111/4111111111111112/r ],
	[ 'create_subscription', $long =~ s{12/2099}{12/2001}r ],
	[ 'create_subscription', $long =~ s{12/2099}{13/2099}r ],
	[ 'create_subscription', $long =~ s/"987"/"9"/r ],
	[ 'create_subscription', $long =~ s/12345678909/12345678900/r ],
	[ 'create_client', "name => 'A'", "document => '123'" ],
	[ 'create_client', "name => ''", "document => '12345678909'" ],
	[ 'store_card', "'$client->{client_id}'", "'{}'" ],
	[ 'store_card', "'not an id'", object(%CARD) ],
	[ 'change_subscription', "'$id'", "'{}'" ],
	[ 'cancel_subscription', "'../planos'" ],
	[ 'refund_invoice', "'$id'", "''" ])
{
	my ($function, @arguments) = @$bad;
	my $error = $node->error("SELECT partner_api.$function("
		  . join(', ', "'zs'", @arguments) . ')');

	like($error->{sqlstate} // 'none', qr/^(?:22|23)/,
		"$function refuses bad input: " . ($error->{message} // ''));
}
is_deeply($sandbox->control('counters?names=false')->{operations}, $before,
	'none of this was sent');
is($sandbox->effects('create_subscription'), $effects,
	'... and no subscription was made');

# ---- lost answers ----

foreach my $operation (
	[ 'suspend_subscription', 'suspended', '' ],
	[ 'reactivate_subscription', 'active', 'suspend_subscription' ],
	[ 'cancel_subscription', 'cancelled', '' ])
{
	my ($function, $state, $first) = @$operation;

	foreach my $type (qw(reset_after truncate garbage))
	{
		my $one = call('create_subscription', $short)->{subscription_id};

		call($first, "'$one'") if $first;
		my $count = $sandbox->effects($function);

		$sandbox->fault(operation => $function, type => $type);
		settle(enqueue($function, "'$one'"));
		is($sandbox->effects($function) - $count, 1, "$function, $type: one effect");
		is(mirror($one)->{status}, $state, "... and it is $state");
	}
}
foreach my $type (qw(reset_after close_after truncate garbage))
{
	my $count = $sandbox->effects('create_subscription');

	$sandbox->fault(operation => 'create_subscription', type => $type);
	my $action = enqueue('create_subscription', $short);

	is(settle($action), 'done',
		"create_subscription, $type: found in the list");
	is($sandbox->effects('create_subscription') - $count, 1, "... $type: one effect");
}
foreach my $type (qw(reset_before close_before))
{
	my $count = $sandbox->counters('create_subscription')->{requests};

	$sandbox->fault(operation => 'create_subscription', type => $type);
	is(settle(enqueue('create_subscription', $short)), 'needs_attention',
		"create_subscription, $type: for a person to decide");
	is($sandbox->counters('create_subscription')->{requests} - $count, 1,
		'... as it charges a card, and is never sent again');
	$node->sql('SELECT partner_api.cancel_action(action_id)'
		  . " FROM partner_api.pending_actions WHERE state = 'needs_attention'");
}
foreach my $type (qw(reset_after reset_before truncate))
{
	my $document = { reset_after => '39053344705', reset_before => '52998224725',
		truncate => '11144477735' }->{$type};
	my $count = $sandbox->effects('create_client');

	$sandbox->fault(operation => 'create_client', type => $type);
	my $action = enqueue('create_client', "name => 'B'", "document => '$document'");

	is(settle($action), 'done', "create_client, $type: done");
	is($sandbox->effects('create_client') - $count, 1, '... with one effect');
}
is(scalar(my @all = invoices($id)),
	scalar(grep { $_->{fields}{assinatura_id} == $id } $sandbox->objects('invoices')),
	'invoices are those of the subscription');

done_testing();
