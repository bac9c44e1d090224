# PartnerApi::Faults::Run
#	  One run of the fault matrix: some intents are brought to a step of the
#	  protocol, a fault strikes there, and then everything is well again.
#
# What is promised: whatever the step and the fault, each intent has exactly
# one effect in the end, and is recorded once.
#
# How each step is reached is in Steps.pm, what each fault does in Strikes.pm,
# and what must be true afterwards in Verify.pm.

package PartnerApi::Faults::Run;

use strict;
use warnings;

use Digest::MD5 qw(md5);
use JSON::PP;
use PartnerApi::Faults::Steps;
use PartnerApi::Faults::Strikes;
use PartnerApi::Faults::Verify;
use PostgreSQL::Test::Utils;

# Kinds of intent: the function, the state of the instance or subscription it is
# about, whether its caller waits, and whether its trial is to be kept: then it
# is signed when the time has come.
my %KINDS = (
	create => { function => 'create_instance' },
	create_kept => { function => 'create_instance', kept => 1 },
	create_call => { function => 'create_instance', waits => 1 },
	sign => { function => 'sign_instance', given => 'trial' },
	sign_call => { function => 'sign_instance', given => 'trial', waits => 1 },
	cancel => { function => 'cancel_instance', given => 'signed' },
	delete => { function => 'delete_instance', given => 'cancelled' },
	green_create => { function => 'create_instance', server => 'green' },
	green_create_call =>
	  { function => 'create_instance', server => 'green', waits => 1 },
	green_delete =>
	  { function => 'delete_instance', server => 'green', given => 'ready' },
	charge => {
		function => 'create_charge', server => 'asaas', given_customer => 1 },
	charge_call => {
		function => 'create_charge', server => 'asaas', given_customer => 1,
		waits => 1 },
	customer => { function => 'create_customer', server => 'asaas' },
	plan => { function => 'create_plan', server => 'zs' },
	plan_call => { function => 'create_plan', server => 'zs', waits => 1 },
	unsubscribe => {
		function => 'cancel_subscription', server => 'zs',
		given_subscription => 'trial' },
	resume => {
		function => 'reactivate_subscription', server => 'zs',
		given_subscription => 'suspended' });

# Settings of instances that take any text.
my %SETTING = (zapi => 'sessionName', green => 'webhookUrlToken');

# The arguments of a plan of this name.
sub plan_arguments
{
	my ($name) = @_;

	return "'zs', name => '$name', description => '', amount_cents => 100,"
	  . " frequency => 'monthly', payment_methods => 'credit_card'";
}

# The arguments of a charge of this description.
sub charge_arguments
{
	my ($description, $customer) = @_;

	return "'asaas', '$customer', 'PIX', 100, '2099-12-31',"
	  . " description => '$description'";
}

# A CPF for each number of a customer.
sub _document
{
	my ($number) = @_;
	my @digits = split //, sprintf '%09d', $number;

	foreach my $first (10, 11)
	{
		my $sum = 0;

		$sum += $digits[$_] * ($first - $_) foreach 0 .. $#digits;
		push @digits, $sum * 10 % 11 % 10;
	}
	return join '', @digits;
}

# A text that does not compress: 32 bytes, or so large that the worker cannot
# handle it in the memory that it has.
my $TEXT = "(SELECT string_agg(md5(n::text), '') FROM generate_series(1, %d) n)";
my $LARGE = 6_000;

# Looks that find something due before the clock is turned a little, in case
# the worker has not been told.
my $PATIENCE = 15;

# "step" and "fault" are names; everything else follows from seed and number.
sub new
{
	my ($class, $rig, %params) = @_;

	return bless { rig => $rig, drawn => 0, intents => [], %params }, $class;
}

sub rig { return $_[0]{rig} }
sub intents { return @{ $_[0]{intents} } }

# A number below a limit, the same in every repetition.
sub draw
{
	my ($self, $below) = @_;

	return unpack('N', md5("$self->{seed}/$self->{number}/" . $self->{drawn}++))
	  % $below;
}

sub choose
{
	my ($self, @from) = @_;

	return $from[ $self->draw(scalar @from) ];
}

# ---- intents ----

# What the run is about: a create, which alone can be doubled at the provider,
# and at most two more; it is waited for where the fault is about the caller.
sub _plan
{
	my ($self) = @_;
	my @kinds = map { $self->choose(sort keys %KINDS) } 0 .. $self->draw(3);

	$kinds[0] = $self->choose(qw(create create_call create_kept green_create
		  green_create_call plan plan_call charge charge_call customer));
	$kinds[0] = 'create' if $self->{fault} eq 'out_of_memory';
	$kinds[0] = $self->choose(
		qw(create_call green_create_call plan_call charge_call))
	  if PartnerApi::Faults::Strikes::wants_caller($self->{fault});
	my @given = grep { defined } map { $KINDS{$_}{given} } @kinds;
	my @ids = $self->{rig}->seed(@given);
	my @subscriptions = $self->{rig}->seed_subscriptions(
		grep { defined } map { $KINDS{$_}{given_subscription} } @kinds);

	$self->{customer} = $self->{rig}->seed_customer
	  if grep { $KINDS{$_}{given_customer} } @kinds;

	foreach my $kind (@kinds)
	{
		$self->_add($kind,
			$KINDS{$kind}{given} ? shift @ids
			: $KINDS{$kind}{given_subscription} ? shift @subscriptions
			: undef);
	}
	return;
}

sub _add
{
	my ($self, $kind, $instance) = @_;
	my %intent = (server => 'zapi', %{ $KINDS{$kind} }, instance => $instance);
	my @arguments = ("'$intent{server}'");

	if (defined $instance)
	{
		push @arguments, "'$instance'";
	}
	else
	{
		$intent{name} = "run $self->{number} " . @{ $self->{intents} };
		push @arguments, "'$intent{name}'";
	}
	@arguments = plan_arguments($intent{name})
	  if $intent{function} eq 'create_plan';
	@arguments = charge_arguments($intent{name}, $self->{customer})
	  if $intent{given_customer};
	push @arguments, "'" . _document(1000 + @{ $self->{intents} }) . "'"
	  if $intent{function} eq 'create_customer';
	push @arguments, "trial_end => 'sign'" if $intent{kept};
	if ($kind =~ /create$/)
	{
		my $text = sprintf $TEXT,
		  $self->{fault} eq 'out_of_memory' ? $LARGE : 1;

		$intent{key} = $intent{name} if $self->draw(2);
		push @arguments,
		  "settings => jsonb_build_object('$SETTING{$intent{server}}', $text)";
		push @arguments, "idempotency_key => '$intent{key}'"
		  if $intent{key};
	}
	$intent{arguments} = join ', ', @arguments;
	push @{ $self->{intents} }, \%intent;
	return \%intent;
}

# Enqueue what is enqueued, in one transaction, and begin the calls.
sub launch
{
	my ($self, @intents) = @_;
	my @queued = grep { !$_->{waits} } @intents;

	if (@queued)
	{
		my $ids = $self->{rig}->node->sql('SELECT concat_ws(\' \', '
			  . join(', ', map { _enqueue($_) } @queued) . ')');
		my @ids = split / /, $ids;

		$_->{action} = shift @ids foreach @queued;
	}
	$_->{session} = $self->{rig}->node->start_sql(_call($_))
	  foreach grep { $_->{waits} } @intents;
	return;
}

sub _enqueue
{
	my ($intent) = @_;

	return "partner_api.enqueue_$intent->{function}($intent->{arguments})";
}

sub _call
{
	my ($intent) = @_;

	return ($intent->{before} // '')
	  . "SELECT FROM partner_api.$intent->{function}"
	  . "($intent->{arguments});"
	  . ($intent->{after} // '');
}

# One more create, that what comes next may strike.
sub follow
{
	my ($self) = @_;

	$self->launch($self->_add('create'));
	return;
}

# A caller that holds all our rows while it waits for a create of its own.
sub call_holding_rows
{
	my ($self) = @_;
	my $intent = $self->_add('create_call');

	@$intent{qw(before after holds)} = (
		'BEGIN; SELECT FROM partner_api.pending_actions FOR UPDATE;'
		  . ' SELECT FROM partner_api.instances FOR UPDATE;'
		  . ' SELECT FROM partner_api.plans FOR UPDATE;'
		  . ' SELECT FROM partner_api.subscriptions FOR UPDATE;'
		  . ' SELECT FROM partner_api.customers FOR UPDATE;'
		  . ' SELECT FROM partner_api.payments FOR UPDATE;',
		'COMMIT;', 1);
	$self->launch($intent);
	$self->wait_for_callers($intent);
	return;
}

# Wait until calls have asked the worker, or wait for a lock, or are over.
sub wait_for_callers
{
	my ($self, @intents) = @_;

	foreach my $session (map { $_->{session} // () } @intents)
	{
		$self->{rig}->wait_until('a call waits', sub {
			$session->{run}->pump_nb if $session->{run}->pumpable;
			return !$session->{run}->pumpable
			  || $self->{rig}->node->sql('SELECT count(*) FROM pg_stat_activity'
				  . " WHERE application_name = '$session->{name}'"
				  . " AND wait_event_type IN ('Extension', 'Lock')") });
	}
	return;
}

# What the calls returned or raised.
sub _hear_callers
{
	my ($self) = @_;

	foreach my $intent (grep { $_->{session} } $self->intents)
	{
		my $session = $intent->{session};

		$session->{run}->finish;
		$intent->{error} = PartnerApi::Cluster::_parse_error($session->{err})
		  if $session->{err} ne '';
	}
	return;
}

# ---- afterwards ----

# What is open, and whether something is due: what follows an action of the same
# instance whose outcome is unknown is not.
sub _open
{
	my ($self) = @_;

	return $self->{rig}->node->row(
		'SELECT count(*) AS open,'
		  . " count(*) FILTER (WHERE state = 'needs_attention') AS stuck,"
		  . " count(*) FILTER (WHERE state = 'sending'"
		  . '   OR run_at <= partner_api.clock() AND NOT EXISTS ('
		  . '    SELECT FROM partner_api.pending_actions q'
		  . '    WHERE q.instance_id = p.instance_id'
		  . "      AND q.state = 'unknown' AND p.state = 'waiting')) AS due,"
		  . ' (SELECT count(*) FROM partner_api.mirror_backlog) AS backlog,'
		  . ' (SELECT sum(in_flight) FROM partner_api.worker_status) AS flying'
		  . ' FROM partner_api.pending_actions p');
}

# Turn the clocks to when the next action is due, or a little.
sub _turn_clock
{
	my ($self, $far) = @_;
	my $next = '(SELECT min(run_at) FROM partner_api.pending_actions'
	  . ' WHERE run_at > partner_api.clock())';

	$self->{rig}->node->set_clock($self->{rig}->sandbox,
		($far ? "coalesce($next, partner_api.clock())" : 'partner_api.clock()')
		. " + interval '1 ms'");
	return;
}

# Let time pass until nothing is open.  The clock is not turned while anything
# is on its way: no provider would be that slow.
sub _settle
{
	my ($self) = @_;
	my $rig = $self->{rig};
	my $quiet = 0;
	my $looks = 0;

	$rig->wait_until('everything is settled', sub {
		my $open = $self->_open;

		return 1 if $open->{stuck};
		return !$open->{flying} if !$open->{open} && !$open->{backlog};
		$quiet = $open->{due} || $open->{flying} || $rig->gate->busy
		  ? 0 : $quiet + 1;
		if ($quiet >= 2)
		{
			$self->_turn_clock($open->{open} > 0);
			$quiet = 0;
		}
		elsif (++$looks % $PATIENCE == 0)
		{
			$self->_turn_clock(0);
		}
		return 0;
	});
	return;
}

# Do it all; returns what is wrong, nothing if all is well.
sub perform
{
	my ($self) = @_;
	my $rig = $self->{rig};

	$rig->clean;
	PartnerApi::Faults::Strikes::prepare($self);
	$self->_plan;
	PartnerApi::Faults::Steps::reach($self);
	PartnerApi::Faults::Strikes::strike($self);
	$rig->gate->release;
	$rig->limit_memory(0);
	$self->_settle;
	$self->_hear_callers;
	$self->_settle;
	return PartnerApi::Faults::Verify::problems($self);
}

1;
