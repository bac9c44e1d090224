# PartnerApi::Faults::Steps
#	  How the intents of a run are brought to a step of the protocol, and how
#	  they are let go on from there.
#
# The extension has no hooks for this: what stops it is what stops it in life.
# A verdict is written with the history, the events and the instance's token
# in one statement of one transaction.  So the two last steps of the protocol,
# verdict written and history written, are three here: the verdict is known to
# the worker and not written, it is being written, it is committed and the
# mirror is not.

package PartnerApi::Faults::Steps;

use strict;
use warnings;

use PartnerApi::Faults::Rig;

my $PENDING = 'partner_api.pending_actions';

my %STEPS = (
	# The worker is stopped; what is enqueued is committed, calls have asked.
	before_claim => sub {
		my ($run) = @_;

		$run->rig->freeze;
		$run->launch($run->intents);
		$run->wait_for_callers($run->intents);
	},

	# Claims are committed; the provider's host accepts no connection.
	claimed => sub {
		my ($run) = @_;

		$run->rig->options(base_url => $run->rig->gate->shut);
		$run->launch($run->intents);
		$run->rig->node->wait_for('SELECT count(*) = '
			  . $run->intents . " FROM $PENDING WHERE state = 'sending'");
	},

	# Half of each request has reached the provider.
	half_sent => sub { _hold($_[0], 'half_sent') },

	# All of each request has left the worker.
	sent => sub { _hold($_[0], 'sent') },

	# The provider has acted; nothing of its answer has come back.
	effect => sub { _hold($_[0], 'effect') },

	# Half of each answer has come back.
	half_answer => sub { _hold($_[0], 'half_answer') },

	# The worker knows the answers; sessions hold the rows.
	verdict => sub {
		my ($run) = @_;
		my $rig = $run->rig;

		_hold($run, 'effect');
		$rig->occupy("SELECT FROM $PENDING FOR UPDATE");
		$rig->gate->release;
		$rig->node->wait_for('SELECT sum(in_flight) = 0'
			  . ' FROM partner_api.worker_status');
	},

	# A transaction of the worker is writing verdicts.
	writing => sub {
		my ($run) = @_;

		$run->rig->occupy(
			"SELECT pg_advisory_lock($PartnerApi::Faults::Rig::GATE_LOCK)");
		$run->launch($run->intents);
		$run->rig->node->wait_for('SELECT count(*) > 0 FROM pg_locks'
			  . " WHERE locktype = 'advisory' AND NOT granted"
			  . " AND objid = $PartnerApi::Faults::Rig::GATE_LOCK");
	},

	# Verdict and history are committed; the mirror's tables are locked.
	written => sub {
		my ($run) = @_;
		my $node = $run->rig->node;
		my $closed = 'SELECT count(*) FROM partner_api.action_history';
		my $before = $node->sql($closed);

		$run->rig->occupy('LOCK TABLE partner_api.instances,'
			  . ' partner_api.plans, partner_api.subscriptions,'
			  . ' partner_api.customers, partner_api.payments IN SHARE MODE');
		$run->launch($run->intents);
		$node->wait_for("SELECT ($closed) >= $before + " . $run->intents);
	});

# In the order of the protocol.
sub names
{
	return qw(before_claim claimed half_sent sent effect half_answer verdict
	  writing written);
}

# Is the answer, and with it the effect, past?
sub is_answered
{
	my ($step) = @_;

	return $step =~ /^(?:verdict|writing|written)$/;
}

# Is the request stopped at the gate?
sub is_at_gate
{
	my ($step) = @_;

	return $step =~ /^(?:half_sent|sent|effect|half_answer)$/;
}

sub _hold
{
	my ($run, $at) = @_;

	$run->rig->gate->hold($at, scalar $run->intents, $run->{end});
	$run->launch($run->intents);
	$run->rig->gate->wait_for_held(scalar $run->intents);
	return;
}

sub reach
{
	my ($run) = @_;

	$STEPS{ $run->{step} }->($run);
	return;
}

# Undo what stops them.  "end" is how requests end that are stopped.
sub let_go
{
	my ($run, $end) = @_;
	my $rig = $run->rig;

	$rig->thaw;
	$rig->gate->reopen;
	$rig->gate->release($end) if is_at_gate($run->{step});
	$rig->vacate;
	return;
}

1;
