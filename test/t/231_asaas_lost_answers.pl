# Lost answers at Asaas: whatever is made is made once, found by its nonce, and
# nothing is repeated blindly.

use strict;
use warnings;

use JSON::PP;
use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => {
		name => 'asaas', provider => 'asaas', circuit_failures => 0,
		list_lag => '0' });

# Enqueue an operation; returns the id of the action.
sub enqueue
{
	my ($function, @arguments) = @_;

	return $node->sql("SELECT partner_api.enqueue_$function("
		  . join(', ', "'asaas'", @arguments) . ')');
}

# Let an action come to an end or to a person, whatever looks that takes.
sub settle
{
	my ($action) = @_;

	foreach (1 .. 6)
	{
		$node->drive_pass;
		last if $node->action_state($action) =~ /^(?:done|failed|needs_attention)$/;
		$node->set_clock($sandbox,
			"partner_api.clock() + interval '10 s'");
	}
	return $node->wait_for_state($action, 'needs_attention');
}

# Verdicts of an action's attempts, in order.
sub verdicts
{
	my ($action) = @_;

	return $node->sql("SELECT string_agg(verdict, ' ' ORDER BY lease)"
		  . " FROM partner_api.action_attempts WHERE action_id = $action");
}

# Things of a kind that carry the nonce of an action.
sub made_by
{
	my ($kind, $action) = @_;
	my $nonce = $node->action($action)->{nonce};

	return grep {
		index($_->{externalReference} // $_->{name} // '', $nonce) >= 0
	} map { $_->{fields} } $sandbox->objects("asaas_$kind");
}

my $customer = $node->row(
	"SELECT * FROM partner_api.create_customer('asaas', 'Ana', '12345678909')")
  ->{customer_id};

# A CPF that was not used before.
my $documents = 0;

sub next_document
{
	my @digits = split //, sprintf '%09d', 100 + $documents++;

	foreach my $first (10, 11)
	{
		my $sum = 0;

		$sum += $digits[$_] * ($first - $_) foreach 0 .. $#digits;
		push @digits, $sum * 10 % 11 % 10;
	}
	return join '', @digits;
}

# What is made, with arguments that never make the same thing twice.
my %creates = (
	customer => [ customers => sub { ("'Bia'", "'" . next_document() . "'") } ],
	charge => [ payments => sub { ("'$customer'", "'PIX'", '1990', "'2099-12-31'") } ],
	recurrence => [ subscriptions =>
		  sub { ("'$customer'", "'BOLETO'", '1990', "'2099-12-31'", "'MONTHLY'") } ],
	webhook => [ webhooks =>
		  sub { ("'hook'", "'https://shop.test/asaas'", "'it\@shop.test'", "ARRAY['PAYMENT_RECEIVED']") } ]);

# ---- the effect is there, the answer is not ----

my @lost = (
	[ status => status => 500 ],
	['reset_after'],
	['truncate'],
	['html'],
	['empty']);

foreach my $what (sort keys %creates)
{
	my ($kind, $arguments) = @{ $creates{$what} };

	foreach my $lost (@lost)
	{
		my ($type, %more) = @$lost;
		my $name = join ' ', "create_$what", $type, $more{status} // ();

		$sandbox->fault(
			operation => "create_$what", type => $type,
			after_effect => JSON::PP::true, %more);
		my $action = enqueue("create_$what", $arguments->());

		is($node->wait_for_state($action, 'needs_attention'), 'done',
			"$name: done in the end");
		is(verdicts($action), 'unknown found', '... found at the provider');
		is(scalar made_by($kind, $action), 1, '... with one effect');
		$node->sql("SELECT partner_api.delete_webhook('asaas', instance_id)"
			  . " FROM partner_api.action_history WHERE action_id = $action")
		  if $what eq 'webhook';
	}
}

# ---- neither the effect nor the answer ----

foreach my $what (sort keys %creates)
{
	my ($kind, $arguments) = @{ $creates{$what} };

	$sandbox->fault(operation => "create_$what", type => 'close_before');

	my $action = enqueue("create_$what", $arguments->());

	is(settle($action), 'done', "create_$what without an effect: done in the end");
	is(verdicts($action), 'unknown absent absent done',
		'... sent again when two looks have not shown it');
	is(scalar made_by($kind, $action), 1, '... with one effect');
}

# ---- what acts on something that is there ----

# A new charge, paid if it is to be; returns its id.
sub charge
{
	my ($paid) = @_;
	my $id = $node->row('SELECT * FROM partner_api.create_charge('
		  . join(', ', "'asaas'", $creates{charge}[1]->()) . ')')->{charge_id};

	$sandbox->pay_charge($id) if $paid;
	return $id;
}

my @acts = (
	[ delete_charge => 0 ],
	[ receive_charge => 0, 'partner_api.server_day(\'asaas\')', 1990 ],
	[ refund_charge => 1 ],
	[ change_charge => 0, 'description => \'other\'' ]);

foreach my $act (@acts)
{
	my ($kind, $paid, @arguments) = @$act;

	$sandbox->fault(operation => $kind, type => 'reset_after');

	my $action = enqueue($kind, "'" . charge($paid) . "'", @arguments);

	is($node->wait_for_state($action, 'needs_attention'), 'done',
		"$kind, answer lost: done in the end");
	is($sandbox->effects($kind), $kind eq 'change_charge' ? 2 : 1,
		$kind eq 'change_charge' ? '... again, which changes nothing more' :
		  '... with one effect');
}

$sandbox->fault(operation => 'refund_charge', type => 'close_before');

my $refund = enqueue('refund_charge', "'" . charge(1) . "'");

is(settle($refund), 'needs_attention',
	'a refund of which nothing shows is not sent again');
is($sandbox->counters('refund_charge')->{requests}, 2, '... by itself');

# ---- a person's word against what shows later ----

$node->set_option(name_nonce => 'off', 'asaas');
$sandbox->fault(operation => 'create_charge', type => 'reset_after');

my $action = enqueue('create_charge', $creates{charge}[1]->());

is(settle($action), 'needs_attention',
	'without nonces a lost create waits for a person');
$node->set_option(name_nonce => 'on', 'asaas');
$node->sql("SELECT partner_api.retry_action($action)");
is($node->wait_for_state($action, 'needs_attention'), 'done',
	'... who may send it again');

# What is retried is searched for by its nonce before it is sent.
$sandbox->config(list_lag_seconds => 300);
$sandbox->fault(operation => 'create_charge', type => 'reset_after');
$action = enqueue('create_charge', $creates{charge}[1]->());
$node->wait_for("SELECT looks > 0 FROM partner_api.pending_actions WHERE action_id = $action");
$node->sql("SELECT partner_api.resolve_action($action, NULL)");
$node->set_clock($sandbox, "partner_api.clock() + interval '6 min'");
$node->sql("SELECT partner_api.retry_action($action)");
is($node->wait_for_state($action, 'needs_attention'), 'done',
	'one that is sent again on a wrong word');
is(scalar made_by(payments => $action), 1, '... is not made a second time');
is($node->sql("SELECT origin FROM partner_api.payments WHERE action_id = $action"),
	'adopted', '... but adopted');

done_testing();
