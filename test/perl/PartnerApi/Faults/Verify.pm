# PartnerApi::Faults::Verify
#	  What must be true after a run, whatever the step and the fault.
#
# The sandbox's own counters are the judge: exactly one effect for each
# intent that was recorded, none for one that was not, and no request that
# came after the effect.

package PartnerApi::Faults::Verify;

use strict;
use warnings;

# What the mirror calls a state of the sandbox.
my %STATUS = (
	trial => 'trial',
	signed => 'signed',
	cancelling => 'cancelling',
	deleted => 'deleted',
	ready => 'signed');

my %EFFECT = (
	sign_instance => 'signs',
	cancel_instance => 'cancels',
	delete_instance => 'deletes');

# The state of a subscription that shows the effect.
my %STATE = (
	cancel_subscription => 'cancelled',
	reactivate_subscription => 'active');

# What the mirror calls a state of a subscription in the sandbox.
my %SUBSCRIPTION_STATUS = (
	trial => 'trial', active => 'active', cancelled => 'cancelled',
	suspended => 'suspended');

# What a call may be told instead of its result: that its outcome is unknown,
# that nothing was sent, or nothing any more.
my $EXCUSE = qr{
	\b(?:08007|08001|53200|57P0[123]|55000|54000|HV000|HV00N)\b:
	| server\ closed\ the\ connection | could\ not\ (?:connect|receive)
	| connection\ to\ server .* failed
}x;

# All that is wrong, as sentences.
sub problems
{
	my ($run) = @_;
	my $facts = _facts($run);

	return (
		_open($facts),
		(map { _intent($run, $facts, $_) } $run->intents),
		_attempts($facts),
		_repeats($facts),
		_mirror($run, $facts),
		_object_mirrors($facts),
		_keys($run),
		_secrets($run, $facts));
}

# What is there to be looked at.
sub _facts
{
	my ($run) = @_;
	my $node = $run->rig->node;

	return {
		instances => [ $run->rig->sandbox->instances ],
		plans => [ $run->rig->sandbox->objects('plans') ],
		subscriptions => [ $run->rig->sandbox->objects('subscriptions') ],
		charges => [ $run->rig->sandbox->objects('asaas_payments') ],
		customers => [ grep { $_->{fields}{name} ne 'given' }
			  $run->rig->sandbox->objects('asaas_customers') ],
		counters => $run->rig->sandbox->control('counters?names=false'),
		pending => [ $node->rows('SELECT action_id, state, last_error'
			  . ' FROM partner_api.pending_actions') ],
		history => [ $node->rows(
			'SELECT action_id, kind, state, instance_id, last_error,'
			  . " coalesce(arguments->>'name', arguments->>'description')"
			  . ' AS name, (SELECT count(*)'
			  . '   FROM partner_api.action_attempts t'
			  . '   WHERE t.action_id = h.action_id'
			  . "   AND verdict IN ('done', 'found')) AS proofs,"
			  . ' (SELECT count(*) - count(DISTINCT lease)'
			  . '   FROM partner_api.action_attempts t'
			  . '   WHERE t.action_id = h.action_id) AS shared_leases'
			  . ' FROM partner_api.action_history h') ],
		mirror => { map { $_->{instance_id} => $_ }
			  $node->rows('SELECT instance_id, status'
				  . ' FROM partner_api.instances') },
		plan_mirror => _ids($node, 'plan_id', 'plans'),
		charge_mirror => _ids($node, 'charge_id', 'payments'),
		customer_mirror => _ids($node, 'customer_id', 'customers'),
		subscription_mirror => { map { $_->{subscription_id} => $_->{status} }
			  $node->rows('SELECT subscription_id, status'
				  . ' FROM partner_api.subscriptions') } };
}

# Ids of a mirror, in order.
sub _ids
{
	my ($node, $column, $table) = @_;

	return $node->sql("SELECT string_agg($column, ' ' ORDER BY $column COLLATE \"C\")"
		  . " FROM partner_api.$table");
}

# Nothing is left open.
sub _open
{
	my ($facts) = @_;

	return map { "action $_->{action_id} is $_->{state}: "
		  . ($_->{last_error} // '') } @{ $facts->{pending} };
}

# One intent: recorded once, done, with one effect.
sub _intent
{
	my ($run, $facts, $intent) = @_;
	my $what = "$intent->{function} of "
	  . ($intent->{name} // $intent->{instance});
	my @recorded = grep { _is_of($intent, $_) } @{ $facts->{history} };
	my $effects = _effects($facts, $intent);
	my @wrong;

	push @wrong, "recorded " . @recorded . " times" if @recorded > 1;
	push @wrong, "is $_->{state}: " . ($_->{last_error} // '')
	  foreach grep { $_->{state} ne 'done' } @recorded;
	push @wrong, "$effects effects, " . @recorded . " recorded"
	  if $effects != @recorded || $effects > 1;
	push @wrong, 'was acknowledged, but is not recorded'
	  if !@recorded && !$intent->{error};
	push @wrong, _excuse($intent, scalar @recorded);
	push @wrong, _keep($facts, $_) foreach grep { $intent->{kept} } @recorded;
	return map { "$what: $_" } @wrong;
}

sub _is_of
{
	my ($intent, $row) = @_;

	return $row->{kind} eq $intent->{function}
	  && (defined $intent->{name}
		? $row->{name} eq $intent->{name}
		: ($row->{instance_id} // '') eq $intent->{instance});
}

# Effects that the sandbox has counted.
sub _effects
{
	my ($facts, $intent) = @_;
	my @instances = @{ $facts->{instances} };
	my $state = $STATE{ $intent->{function} };

	return scalar grep { $_->{fields}{name} eq $intent->{name} }
	  @{ $facts->{plans} } if $intent->{function} eq 'create_plan';
	return scalar grep { $_->{fields}{name} eq $intent->{name} }
	  @{ $facts->{customers} } if $intent->{function} eq 'create_customer';
	return scalar grep { $_->{fields}{description} eq $intent->{name} }
	  @{ $facts->{charges} } if $intent->{function} eq 'create_charge';
	return scalar grep {
		$_->{id} eq $intent->{instance} && $_->{state} eq $state
	} @{ $facts->{subscriptions} } if $state;
	return scalar grep {
		$_->{requested_name} =~ /^\Q$intent->{name}\E(?: \[[^\]]+\])?$/
	} @instances if defined $intent->{name};
	my ($instance) = grep { $_->{id} eq $intent->{instance} } @instances;

	return $instance->{effects}{ $EFFECT{ $intent->{function} } };
}

# However the create came to be recorded, its trial was signed, once.
sub _keep
{
	my ($facts, $created) = @_;
	my $id = $created->{instance_id};
	my ($instance) = grep { $_->{id} eq $id } @{ $facts->{instances} };
	my @signs = grep { $_->{kind} eq 'sign_instance' && $_->{state} eq 'done'
		  && $_->{instance_id} eq $id } @{ $facts->{history} };

	return () if $instance->{effects}{signs} == 1 && @signs == 1;
	return "signed $instance->{effects}{signs} times, recorded "
	  . @signs . ' times';
}

# What a caller was told is true.
sub _excuse
{
	my ($intent, $recorded) = @_;
	my $error = $intent->{error} // return;
	my @wrong;

	push @wrong, "the caller was told: $error->{text}"
	  if $error->{text} !~ $EXCUSE || $intent->{holds};
	push @wrong, "the caller was told that it goes on: $error->{text}"
	  if !$recorded && ($error->{detail} // '') =~ /^Action \d+ goes on/;
	return @wrong;
}

# No lease was used twice, and every outcome was proved once; only what was not
# needed any more, the logout before a delete that is done, has none.
sub _attempts
{
	my ($facts) = @_;
	my @wrong;

	foreach my $row (@{ $facts->{history} })
	{
		my $unneeded = $row->{kind} eq 'disconnect_instance'
		  && $row->{state} eq 'cancelled';

		push @wrong, "action $row->{action_id}: $row->{proofs} proofs"
		  if $row->{proofs} != 1 && !$unneeded;
		push @wrong, "action $row->{action_id}: a lease was used twice"
		  if $row->{shared_leases};
	}
	return @wrong;
}

# Whatever reached the provider whole had an effect: what has had its effect
# is not sent again, even where the provider would refuse it.
sub _repeats
{
	my ($facts) = @_;
	my $operations = $facts->{counters}{operations};
	my $twice = $facts->{counters}{names_created_more_than_once};
	my @wrong;

	foreach my $name (
		qw(create_instance create_plan create_charge create_customer),
		sort(keys %EFFECT, keys %STATE))
	{
		my ($requests, $effects) = @{ $operations->{$name} }{qw(requests effects)};

		push @wrong, "$requests requests of $name for $effects effects"
		  if $requests != $effects;
	}
	push @wrong, "$twice names were created twice" if $twice;
	return @wrong;
}

# The mirror shows what there is, and nothing else.
sub _mirror
{
	my ($run, $facts) = @_;
	my %mirror = %{ $facts->{mirror} };
	my @wrong;

	foreach my $instance (@{ $facts->{instances} })
	{
		my $row = delete $mirror{ $instance->{id} };
		my $status = $row ? $row->{status} : 'missing';

		push @wrong, "$instance->{requested_name} is $instance->{state},"
		  . " but $status in the mirror"
		  if $status ne ($STATUS{ $instance->{state} } // '?');
	}
	push @wrong, "the mirror has $_, which does not exist"
	  foreach sort keys %mirror;
	return @wrong;
}

# So do those of plans, subscriptions, customers and charges.
sub _object_mirrors
{
	my ($facts) = @_;
	my %mirror = %{ $facts->{subscription_mirror} };
	my @wrong;

	foreach my $what (qw(plan charge customer))
	{
		my $there = join ' ', sort map { $_->{id} } @{ $facts->{"${what}s"} };
		my $here = $facts->{"${what}_mirror"};

		push @wrong, "${what}s $there, but $here in the mirror"
		  if $there ne $here;
	}
	foreach my $subscription (@{ $facts->{subscriptions} })
	{
		my $status = delete $mirror{ $subscription->{id} } // 'missing';

		push @wrong, "subscription $subscription->{id} is"
		  . " $subscription->{state}, but $status in the mirror"
		  if $status ne $SUBSCRIPTION_STATUS{ $subscription->{state} };
	}
	push @wrong, "the mirror has subscription $_, which does not exist"
	  foreach sort keys %mirror;
	return @wrong;
}

# Who asks again with the same key is given the same action.
sub _keys
{
	my ($run) = @_;
	my @wrong;

	foreach my $intent (grep { $_->{key} } $run->intents)
	{
		my $again = $run->rig->node->sql('SELECT partner_api.enqueue_'
			  . "$intent->{function}($intent->{arguments})");

		push @wrong, "key $intent->{key}: action $intent->{action},"
		  . " then $again" if $again ne $intent->{action};
	}
	return @wrong;
}

# No token is in the server's log.
sub _secrets
{
	my ($run, $facts) = @_;
	my $log = $run->rig->log_text;

	return map { 'a token is in the server log' }
	  grep { index($log, $_) >= 0 } (
		$PartnerApi::Sandbox::TOKEN, $PartnerApi::Sandbox::CLIENT_TOKEN,
		map { $_->{token} } @{ $facts->{instances} });
}

1;
