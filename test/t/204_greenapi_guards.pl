# What keeps Green API from costing more than is wanted, and its tokens where
# they belong: hosts of instances, caps, switches, and deletes that are
# withdrawn.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $elsewhere = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->new('main');

$node->init;
$node->start;
$node->install;
$node->create_server(
	$sandbox,
	name => 'green',
	provider => 'greenapi',
	instance_base_url => $sandbox->url);

sub enqueue
{
	my ($operation, $arguments) = @_;

	return $node->sql(
		"SELECT partner_api.enqueue_$operation('green', $arguments)");
}

# Turn both clocks forward.
sub advance
{
	my ($interval) = @_;

	$node->set_clock($sandbox, "partner_api.clock() + interval '$interval'");
	return;
}

# Requests of an operation at a sandbox.
sub requests
{
	my ($operation, $where) = @_;

	return ($where // $sandbox)->counters($operation)->{requests};
}

my $id = $node->sql('SELECT instance_id FROM'
	  . " partner_api.create_instance('green', 'guarded')");
my ($token) = map { $_->{token} } $sandbox->instances;

advance('3 min');
$node->wait_until_settled;

# ---- hosts of instances ----

my $own = requests('instance_status');

$node->set_option(instance_base_url => $elsewhere->url, 'green');
$node->fails_with("SELECT partner_api.instance_status('green', '$id')",
	'28000', {}, 'a call of an instance goes where the option says');
is(requests('instance_status'), $own, '... and not to the server');
my ($path) = map { $_->{path} } $elsewhere->requests;
like($path, qr{^/waInstance$id/getStateInstance}, '... with its path');

$node->sql("ALTER SERVER green OPTIONS (DROP instance_base_url)");
my $reached = scalar $elsewhere->requests;
my $rule = substr $id, 0, 4;

$node->fails_with("SELECT partner_api.instance_status('green', '$id')",
	'42501',
	{ message => qr/host "$rule\.api\.greenapi\.com" is not allowed/,
		hint => qr/superuser/ },
	'without it, to the host of the provider\'s rule, if that is allowed');
$node->sql('UPDATE partner_api.instances'
	  . " SET api_url = 'https://evil.example' WHERE instance_id = '$id'");
$node->fails_with("SELECT partner_api.instance_status('green', '$id')",
	'42501', { message => qr/host "evil\.example" is not allowed/ },
	'or to the host that the provider told, if that is');
my $reboot = enqueue('reboot_instance', "'$id'");

$node->wait_for("SELECT last_error ~ 'evil.example. is not allowed'"
	  . " FROM partner_api.pending_actions WHERE action_id = $reboot");
is($node->action($reboot)->{state}, 'waiting',
	'the worker sends no token there either');
$node->sql("SELECT partner_api.cancel_action($reboot)");
is(requests('instance_status'), $own, '... and nothing was sent');
is(scalar $elsewhere->requests, $reached, '... to anybody');
$node->sql('UPDATE partner_api.instances'
	  . " SET api_url = '" . $sandbox->url . "' WHERE instance_id = '$id'");
is($node->sql(
		"SELECT detail FROM partner_api.instance_status('green', '$id')"),
	'notAuthorized', 'what the provider told is used');
is(requests('instance_status'), $own + 1, '... once');
$node->sql("ALTER SERVER green OPTIONS (ADD instance_base_url '"
	  . $sandbox->url . "')");

# ---- a delete that is withdrawn ----

$node->set_enabled('off');
my $delete = enqueue('delete_instance', "'$id'");

is($node->sql("SELECT string_agg(kind, ' ' ORDER BY action_id)"
		  . ' FROM partner_api.pending_actions'),
	'disconnect_instance delete_instance',
	'a delete is recorded with the disconnect before it');
$node->sql("SELECT partner_api.cancel_action($delete)");
$node->set_enabled('on');
$node->wait_until_settled;
is(requests('disconnect_instance'), 0,
	'if it is withdrawn, the phone stays linked');
is($node->sql("SELECT last_error FROM partner_api.action_history"
		  . " WHERE kind = 'disconnect_instance'"),
	'not needed any more: no delete follows', '... which is recorded');

# The disconnect is sent as whoever wants the delete.
$node->create_role('deleter', 'partner_api_operator');
$node->sql("SET ROLE deleter;"
	  . " SELECT partner_api.enqueue_delete_instance('green', '$id',"
	  . " run_at => partner_api.clock() + interval '1 day')");
is($node->sql("SELECT string_agg(DISTINCT requested_by || ' ' || run_at, ',')"
		  . ' FROM partner_api.pending_actions') =~ tr/,//,
	0, 'both have the same role and the same time');
like($node->sql('SELECT requested_by FROM partner_api.pending_actions'
		  . " WHERE kind = 'disconnect_instance'"),
	qr/^deleter$/, '... that of the caller');
$node->sql('SELECT partner_api.cancel_action(action_id)'
	  . ' FROM partner_api.pending_actions');

# ---- caps and switches ----

$node->set_option(max_instances => 1, 'green');
$node->fails_with(
	"SELECT partner_api.create_instance('green', 'one too many')",
	'53400', {}, 'an instance that is billed counts as one');
$node->set_option(max_instances => 100, 'green');
$node->set_option(max_new_per_day => 1, 'green');
$node->fails_with(
	"SELECT partner_api.create_instance('green', 'one too many')",
	'53400', {}, '... as a new one');
$node->set_option(max_new_per_day => 100, 'green');
$node->sql('ALTER USER MAPPING FOR PUBLIC SERVER green'
	  . " OPTIONS (ADD token_quota '1')");
$node->fails_with(
	"SELECT partner_api.create_instance('green', 'one too many')",
	'53400', {}, '... and of its token');
$node->sql('ALTER USER MAPPING FOR PUBLIC SERVER green'
	  . ' OPTIONS (DROP token_quota)');

$node->append_conf('postgresql.conf', 'partner_api.paid_calls = off');
$node->reload;
$node->wait_for("SELECT current_setting('partner_api.paid_calls') = 'off'");
my $create = enqueue('create_instance', "'switched off'");

$node->drive_pass;
is($node->action_state($create), 'waiting',
	'nothing that costs money is sent while that is switched off');
$node->append_conf('postgresql.conf', 'partner_api.paid_calls = on');
$node->reload;
$node->wait_for_state($create, 'done');
advance('3 min');
$node->wait_until_settled;

my %before = map { $_ => requests($_) }
  qw(create_instance delete_instance disconnect_instance instance_status);

$node->set_option(mode => 'dry_run', 'green');
$create = enqueue('create_instance',
	q('shown', '{"webhookUrlToken": "s3cr3t", "webhookUrl": "https://a.example"}'));
$delete = enqueue('delete_instance', "'$id'");
$node->wait_until_settled;
$node->drive_pass;
is(requests($_), $before{$_}, "a dry run sends no $_") foreach sort keys %before;
foreach my $action ($create, $delete)
{
	my $outcome = $node->sql('SELECT outcome FROM partner_api.action_history'
		  . " WHERE action_id = $action");

	like($outcome, qr/partner/, '... and shows what it would');
	unlike($outcome, qr/$PartnerApi::Sandbox::TOKEN|s3cr3t/,
		'... without the token in its path, and other secrets');
}
$node->set_option(mode => 'live', 'green');

# ---- no token anywhere ----

my @tables = split /\n/, $node->sql(
	"SELECT c.oid::regclass FROM pg_class c"
	  . " WHERE c.relnamespace = 'partner_api'::regnamespace"
	  . " AND c.relkind IN ('r', 'v') AND c.relname !~ 'secrets'");

$node->sql("SELECT partner_api.sync_instances('green')");
foreach my $secret ($PartnerApi::Sandbox::TOKEN, $token, 's3cr3t')
{
	my @shown = grep {
		$node->sql("SELECT count(*) FROM $_ t"
			  . " WHERE strpos(t::text, '$secret') > 0") > 0
	} @tables;

	is("@shown", '', 'no table or view shows a secret');
}
my @lines = grep { !/strpos/ } split /\n/, slurp_file($node->logfile);

foreach my $secret ($PartnerApi::Sandbox::TOKEN, $token)
{
	is(scalar(grep { /$secret/ } @lines), 0, 'nor does the log');
}

done_testing();
