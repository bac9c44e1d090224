# A promoted standby, a base backup that is started and a restored dump hold
# actions that another server may have sent.  A successor goes on, after a look
# at everything that may have been sent; a copy sends nothing until it is said
# what it is.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $LAG = 60;    # seconds: the default of list_lag, and the sandbox's

sub installation
{
	my ($node, %params) = @_;

	return $node->sql(
		'SELECT installation_id FROM partner_api.installation'
		  . ' ORDER BY established_at LIMIT 1', %params);
}

sub enqueue
{
	my ($node, $function, @arguments) = @_;

	return $node->sql("SELECT partner_api.enqueue_$function("
		  . join(', ', "'zapi'", @arguments) . ')');
}

sub create
{
	my ($node, $name) = @_;

	return $node->sql('SELECT instance_id'
		  . " FROM partner_api.create_instance('zapi', '$name')");
}

# What was sent to change something.
sub changes
{
	return grep { $_->{operation} ne 'list_instances' } $sandbox->requests;
}

# Wait until the worker of a database says that it does not act.
sub wait_until_unconfirmed
{
	my ($node, $database) = @_;

	$node->poll('SELECT state FROM partner_api.worker_status'
		  . " WHERE database = '" . ($database // 'postgres') . "'",
		qr/^unconfirmed$/, database => $database // 'postgres');
	return;
}

# Wait until every server has been listed since the identity changed.
sub wait_until_listed
{
	my ($node) = @_;

	return $node->wait_for('SELECT count(*) = 0'
		  . ' FROM partner_api.server_surveys WHERE listed_at IS NULL');
}

# ---- a primary, its standby, its backups, its dump ----

my $primary = PartnerApi::Cluster->new('primary');

$primary->init(allows_streaming => 1, has_archiving => 1);
$primary->start;
$primary->install;
$primary->create_server($sandbox, trial_end => 'ask');

my $kept = create($primary, 'kept');

# the list is known to show our nonces
$primary->sql("SELECT partner_api.sync_instances('zapi')");

# For a server that fails to commit what follows from its promotion.
$primary->sql('CREATE SEQUENCE refusals');
$primary->sql('CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$'
	  . " BEGIN PERFORM nextval('public.refusals'); RAISE 'refused'; END \$\$");
$primary->sql('CREATE CONSTRAINT TRIGGER refuse'
	  . ' AFTER UPDATE ON partner_api.installation'
	  . ' DEFERRABLE INITIALLY DEFERRED FOR EACH ROW'
	  . " WHEN (current_setting('test.refuse', true) = 'on')"
	  . ' EXECUTE FUNCTION refuse()');
$primary->backup('base');

my $standby = PartnerApi::Cluster->new('standby');

$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'partner_api.enabled = on');
$standby->start;

# Due, known to the standby, and not sent yet.
$primary->set_enabled('off');

my $ready = enqueue($primary, 'create_instance', "'ready'");
my $sign = enqueue($primary, 'sign_instance', "'$kept'");
my $never = enqueue($primary, 'create_instance', "'never sent'",
	"run_at => now() + interval '1 hour'");

$primary->wait_for_catchup($standby);

# ---- the standby is promoted, and lacks the last commits ----

$standby->sql("ALTER SYSTEM SET primary_conninfo = ''");
$standby->reload;
$primary->wait_for('SELECT count(*) = 0 FROM pg_stat_replication');
$primary->set_enabled('on');
is($primary->wait_for_state($_, 'done'), 'done', 'the primary sends')
  foreach $ready, $sign;

my $lost = create($primary, 'lost');

$sandbox->config(list_lag_seconds => $LAG);

my $late = create($primary, 'late');

$primary->stop('immediate');

my ($before) = scalar changes();

$standby->promote;
$standby->wait_for_worker;
wait_until_listed($standby);
is($standby->sql('SELECT timeline FROM partner_api.installation'),
	2, 'promotion: the identity is of the new timeline');
is($standby->wait_for_state($sign, 'needs_attention'),
	'done', '... a sign whose record was lost is found');
is($standby->sql("SELECT origin FROM partner_api.instances WHERE name = 'lost'"),
	'adopted', '... an instance whose record was lost is adopted');
is( $standby->sql("SELECT reason FROM partner_api.unmatched_instances"
		  . " WHERE name = 'lost'"),
	'the record of its order was lost', '... and reported');
is( $standby->sql(
		'SELECT status FROM partner_api.sign_instance('
		  . "'zapi', '$lost')"),
	'signed', '... with its token');
is($standby->wait_for_state($ready, 'needs_attention'),
	'done', '... and so is what the primary sent last');
is($standby->sql("SELECT count(*) FROM partner_api.instances WHERE name = 'late'"),
	0, 'an instance that the list does not show yet');
$standby->set_clock($sandbox,
	"partner_api.clock() + interval '@{[ $LAG + 1 ]} s'");
$standby->wait_for('SELECT count(*) = 0'
	  . ' FROM partner_api.server_surveys WHERE finished_at IS NULL');
is($standby->sql("SELECT instance_id FROM partner_api.instances WHERE name = 'late'"),
	$late, '... is adopted when its lag is over');
is($standby->action_state($never), 'waiting', 'what was not due is not doubted');
$standby->set_clock($sandbox, "partner_api.clock() + interval '1 hour'");
is($standby->wait_for_state($never, 'done'), 'done', '... and sent in its time');
is(scalar changes(), $before + 2,
	'nothing else was sent: the sign of the lost one and this');
is($sandbox->names_created_twice, 0, 'nothing was created twice');
is(scalar(grep { $_->{effects}{signs} > 1 } $sandbox->instances),
	0, 'nothing was signed twice');
cmp_ok(enqueue($standby, 'create_instance', "'numbered'"),
	'>', $never + 1_000_000, 'numbers that lost commits may have used are skipped');
$standby->wait_until_settled("kind <> 'sign_instance'");
like(slurp_file($standby->logfile),
	qr/goes on after a change of its identity: the server was promoted/,
	'the log says so');

# The worker is started again: nothing has changed since.
my $pid = $standby->wait_for_worker;

$standby->sql("SELECT pg_terminate_backend($pid)");
$standby->wait_for('SELECT count(*) = 1 FROM partner_api.worker_status'
	  . " WHERE pid <> $pid AND passes > 0");
is($standby->sql(
		'SELECT count(*) FROM partner_api.server_surveys'
		  . ' WHERE finished_at IS NULL'),
	0, 'a worker that is started again asks for no list');

# A list may for ever say that it has more rows than it shows: that must not
# keep everything back.
my $lists = $sandbox->counters('list_instances')->{requests};

$sandbox->fault(
	operation => 'list_instances',
	type => 'status',
	status => 200,
	body => { total => 9, totalPage => 1, page => 1, content => [] });
$standby->sql('UPDATE partner_api.server_surveys'
	  . " SET wanted_at = now() - interval '1 day', listed_at = NULL,"
	  . ' finished_at = NULL');
$standby->sql('SELECT pg_terminate_backend('
	  . $standby->wait_for_worker . ')');
$standby->wait_for('SELECT count(*) = 0'
	  . ' FROM partner_api.server_surveys WHERE finished_at IS NULL');
is($sandbox->counters('list_instances')->{requests},
	$lists + 1, 'a list that shows fewer rows than it says is taken in');

# Until a list was read, nothing is sent to the server.
$sandbox->fault(
	operation => 'list_instances', type => 'status', status => 500,
	times => 0);
$standby->sql('UPDATE partner_api.server_surveys'
	  . ' SET listed_at = NULL, finished_at = NULL');
$standby->sql('SELECT pg_terminate_backend('
	  . $standby->wait_for_worker . ')');
$standby->wait_for('SELECT last_error IS NOT NULL'
	  . ' FROM partner_api.server_surveys');

my $behind = enqueue($standby, 'create_instance', "'behind a survey'");

$standby->drive_pass;
is($standby->action_state($behind), 'waiting',
	'while the list cannot be read');
is(scalar $sandbox->created('behind a survey'), 0, '... nothing is sent');
$sandbox->clear_faults;
$standby->set_clock($sandbox, "partner_api.clock() + interval '1 minute'");
is($standby->wait_for_state($behind, 'done'), 'done', '... and then it is');

# with shared memory that knows nothing of the server's limits yet
$standby->sql('UPDATE partner_api.server_surveys'
	  . ' SET listed_at = NULL, finished_at = NULL');
$standby->restart;
$standby->wait_for('SELECT count(*) = 0'
	  . ' FROM partner_api.server_surveys WHERE listed_at IS NULL');
ok(1, '... but one that has a list to read begins with it');
$standby->set_clock($sandbox,
	"partner_api.clock() + interval '@{[ $LAG + 1 ]} s'");
$standby->wait_for('SELECT count(*) = 0'
	  . ' FROM partner_api.server_surveys WHERE finished_at IS NULL');
$sandbox->config(list_lag_seconds => 0);

# ---- a base backup, started beside the original ----

my $copy = PartnerApi::Cluster->new('copy');

$copy->init_from_backup($primary, 'base');
# the archive is the primary's
$copy->append_conf('postgresql.conf', 'archive_mode = off');
$copy->start;
wait_until_unconfirmed($copy);
$before = () = changes();

my $open = enqueue($copy, 'create_instance', "'of the copy'");

$copy->fails_with(
	"SELECT partner_api.create_instance('zapi', 'waited for')",
	'55000',
	{   message => qr/identity of this installation is not confirmed/,
		detail => qr/data directory is another/,
		hint => qr/confirm_identity\('keep'\)/ },
	'base backup: a waiting call is told that nothing is sent');
is( $copy->sql('SELECT reason FROM partner_api.trials_at_risk'),
	'waits for approval', '... trials are still looked after');
$copy->sql("SELECT partner_api.approve_trial('zapi', '$kept')");
like(
	$copy->sql('SELECT reason FROM partner_api.trials_at_risk'),
	qr/identity of this installation is not confirmed/,
	'... and at risk for that reason');
like($copy->sql('SELECT partner_api.identity_change()'),
	qr/data directory/, '... which can be asked for');
$copy->drive_pass;
is(scalar(() = changes()), $before, '... and nothing was sent');
like(
	slurp_file($copy->logfile),
	qr/WARNING:  partner_api sends nothing until confirm_identity/,
	'... and the log says so');

$copy->fails_with("SELECT partner_api.confirm_identity('maybe')",
	'22023', { message => qr/invalid choice "maybe"/, hint => qr/keep.*new/ },
	'another choice is refused');
$copy->create_role('operator', 'partner_api_operator');
$copy->fails_with("SELECT partner_api.confirm_identity('new')",
	'42501', {}, '... and whoever is not an administrator',
	role => 'operator');

# what the original charges its customers
$copy->create_server($sandbox, name => 'asaas', provider => 'asaas');
$copy->sql("SELECT partner_api.register_plan('asaas', 'gold', 'Gold', 9900);"
	  . " SELECT partner_api.register_customer('asaas', 'ana', 'Ana', '12345678909');"
	  . " SELECT partner_api.subscribe('asaas', 'ana', 'gold');"
	  . ' SELECT partner_api.generate_invoices()');

my $old_id = installation($copy);

isnt($copy->sql("SELECT partner_api.confirm_identity('new')"),
	$old_id, 'new: the copy gets an id of its own');
is($copy->wait_for_state($open, 'done'),
	'cancelled', '... what was open is left to the original');
is( create($copy, 'made by the copy') ne '', 1, '... and it can act');
like(
	($sandbox->created('made by the copy'))[0]{name},
	qr/\[pa-@{[ installation($copy) ]}-/,
	'... with nonces of its own');
is($copy->sql("SELECT partner_api.identity_change() IS NULL"),
	't', '... its identity is settled');
is( $copy->sql('SELECT count(*) FROM partner_api.trials_at_risk'
		  . " WHERE reason LIKE 'not created here%'"),
	1, '... and trials of the original are not its own');
like($copy->sql('SELECT status, reason FROM partner_api.invoices'),
	qr/^failed\|left to the installation/,
	'... nor are its customers: they are not charged');
$copy->set_clock($sandbox, "partner_api.clock() + interval '40 days'");
is($copy->sql('SELECT count(*) FROM partner_api.generate_invoices()'),
	0, '... nor invoiced again');
$copy->drive_pass;
is($sandbox->effects('create_customer'), 0, '... nor made at the provider');
$copy->fails_with("SELECT partner_api.confirm_identity('keep')",
	'55000', { message => qr/not in question/ }, 'keep has nothing to decide now');
$copy->stop;

# ---- a recovery to a point ----

my $recovered = PartnerApi::Cluster->new('recovered');

$recovered->init_from_backup($primary, 'base', has_restoring => 1,
	standby => 0);
$recovered->append_conf('postgresql.conf',
	'partner_api.after_promotion = confirm');
$recovered->start;
$recovered->wait_for('SELECT NOT pg_is_in_recovery()');
wait_until_unconfirmed($recovered);
$before = () = changes();
is( $recovered->sql('SELECT partner_api.identity_change()'),
	'the server was promoted or recovered to a point',
	'recovery: with after_promotion = confirm it waits');
enqueue($recovered, 'create_instance', "'after the recovery'");
$recovered->drive_pass;
is(scalar(() = changes()), $before, '... and nothing was sent');
is($recovered->sql("SELECT partner_api.confirm_identity('keep')"),
	$old_id, 'keep: it goes on as the same installation');
wait_until_listed($recovered);
is($recovered->sql("SELECT origin FROM partner_api.instances WHERE name = 'lost'"),
	'adopted', '... what came after the backup is adopted');
is($recovered->sql("SELECT status FROM partner_api.instances WHERE name = 'kept'"),
	'signed', '... or learnt');
# it was due, so it may have been sent: only two lists prove that it was not
$recovered->set_clock($sandbox,
	"partner_api.clock() + interval '@{[ $LAG + 1 ]} s'");
$recovered->wait_until_settled("kind = 'create_instance'");
is(scalar $sandbox->created('after the recovery'),
	1, '... and it acts again');
$recovered->sql("SELECT partner_api.reset_clock()");
$recovered->stop;

# ---- a promotion that cannot be recorded ----

my $failing = PartnerApi::Cluster->new('failing');

$failing->init_from_backup($primary, 'base', has_restoring => 1,
	standby => 0);
$failing->append_conf('postgresql.conf', 'test.refuse = on');
$failing->start;
$failing->wait_for('SELECT NOT pg_is_in_recovery()');

my $doubtful = enqueue($failing, 'create_instance', "'doubtful'");
my $failures = $failing->sql('SELECT last_value FROM refusals');

$failing->wait_for("SELECT last_value > $failures + 2 FROM refusals");
is($failing->action_state($doubtful), 'waiting',
	'promotion: while it cannot be recorded nothing is sent');
$failing->sql('ALTER SYSTEM SET test.refuse = off');
$failing->reload;
wait_until_listed($failing);
$failing->wait_for("SELECT state = 'unknown' AND looks = 1"
	  . " FROM partner_api.pending_actions WHERE action_id = $doubtful");
is(scalar $sandbox->created('doubtful'), 0, '... and what was due is doubted');
$failing->stop;

# ---- a dump, restored while a worker waits for it ----

my $dump = "$PostgreSQL::Test::Utils::tmp_check/identity.dump";

$standby->sql('DROP FUNCTION refuse CASCADE; DROP SEQUENCE refusals');
$standby->set_enabled('off');

my $dumped = enqueue($standby, 'create_instance', "'dumped'");

command_ok([ 'pg_dump', '-Fc', '-f', $dump, $standby->connstr('postgres') ],
	'a dump');

sub restore
{
	my ($node, $database) = @_;

	command_ok(
		[ 'pg_restore', '-d', $node->connstr($database), $dump ],
		'... restored');
	return;
}

my $other = PartnerApi::Cluster->new('other');

$other->init;
$other->start;
restore($other, 'postgres');
# a turned clock is not dumped
$other->set_clock($sandbox, "partner_api.clock() + interval '1 day'");
wait_until_unconfirmed($other);
like($other->sql('SELECT partner_api.identity_change()'),
	qr/another cluster/, 'dump: another cluster is noticed');
$other->drive_pass;
is(scalar $sandbox->created('dumped'), 0, '... and sends nothing');
$other->stop;

$standby->sql('CREATE DATABASE beside');
$standby->sql("ALTER SYSTEM SET partner_api.databases = 'postgres, beside'");
$standby->set_enabled('on');
is($standby->wait_for_state($dumped, 'done'), 'done', 'the original sends');
restore($standby, 'beside');
$standby->sql(
	"SELECT partner_api.set_clock(partner_api.clock() + interval '1 day')",
	database => 'beside');
wait_until_unconfirmed($standby, 'beside');
like($standby->sql('SELECT partner_api.identity_change()', database => 'beside'),
	qr/another database/, 'dump: another database of the cluster is noticed');
is(scalar $sandbox->created('dumped'), 1, '... and sends nothing');

# ... and where it was made: then the dump is only old
$standby->sql('DROP EXTENSION partner_api CASCADE');
$standby->sql('DROP SCHEMA partner_api');
restore($standby, 'postgres');
$standby->set_clock($sandbox, "partner_api.clock() + interval '1 day'");
$standby->wait_for_worker;
wait_until_unconfirmed($standby);
like($standby->sql('SELECT partner_api.identity_change()'),
	qr/a dump was restored/,
	'dump: one that is restored where it was made is noticed');
$standby->drive_pass;
is($standby->action_state($dumped), 'waiting', '... and sends nothing');
$standby->sql("SELECT partner_api.confirm_identity('keep')");
is($standby->wait_for_state($dumped, 'needs_attention'),
	'done', '... until it is confirmed: what was sent since is found');
is($standby->sql('SELECT count(*) FROM partner_api.installation'),
	1, '... and it is one installation again');
is($sandbox->names_created_twice, 0, 'nothing was ever created twice');

done_testing();
