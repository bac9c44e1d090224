# Tables that rows come and go in stay small: history that is pruned, and
# pending_actions, also after somebody has held an old snapshot.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	conf => 'autovacuum = off', server => { trial_end => 'lapse' });
my @tables = qw(action_history action_attempts idempotency_keys);

# Let so many actions be closed with their keys: as the worker would, but
# without requests.
sub close_actions
{
	my ($count) = @_;

	$node->sql(<<"SQL");
WITH action AS (
	INSERT INTO partner_api.action_history
		(action_id, server, kind, state, arguments, run_at, attempts, nonce,
		 fingerprint, requested_by, automatic, idempotency_key, lease, looks,
		 enqueued_at, closed_at)
	SELECT n, 'zapi', 'create_instance', 'done', '{"name": "shop"}',
		   partner_api.clock(), 1, 'nonce', repeat('f', 64), 'postgres', false,
		   'key ' || n, 1, 0, partner_api.clock(), partner_api.clock()
	FROM (SELECT nextval('partner_api.action_id_seq') AS n
		  FROM generate_series(1, $count)) s
	RETURNING *),
attempt AS (
	INSERT INTO partner_api.action_attempts
		(action_id, attempt, lease, purpose, started_at, finished_at,
		 latency_ms, verdict)
	SELECT action_id, 1, 1, 'send', closed_at, closed_at, 1, 'done'
	FROM action)
INSERT INTO partner_api.idempotency_keys
SELECT server, idempotency_key, kind, requested_by, fingerprint, action_id,
	   closed_at
FROM action
SQL
	return;
}

sub vacuum
{
	$node->sql("VACUUM partner_api.$_") foreach @_;
	return;
}

# Bytes of a table with its indexes.
sub size
{
	my ($table) = @_;

	return $node->sql(
		"SELECT pg_total_relation_size('partner_api.$table')");
}

sub pages
{
	my ($table) = @_;

	return $node->sql("SELECT pg_relation_size('partner_api.$table')"
		  . ' / current_setting(\'block_size\')::int');
}

# ---- history that is pruned does not grow ----

my %size;
foreach my $year (1 .. 8)
{
	close_actions(3000);
	$node->set_clock($sandbox, "partner_api.clock() + interval '1 year'");
	$node->sql("CALL partner_api.prune_history(history_age => '300 days',"
		  . " attempts_age => '300 days', keys_age => '300 days',"
		  . ' batch => 500)');
	vacuum(@tables);
	%size = map { $_ => size($_) } @tables if $year == 4;
}
foreach my $table (@tables)
{
	is($node->sql("SELECT count(*) FROM partner_api.$table"),
		0, "$table: everything old is gone");
	cmp_ok(size($table), '<=', $size{$table},
		'... and eight years take no more room than four');
}

# ---- by an index ----

# How often the tables have been read from end to end.
sub whole_reads
{
	return $node->sql('SELECT sum(seq_scan) FROM pg_stat_user_tables'
		  . " WHERE relname IN ('"
		  . join("', '", @tables)
		  . "')");
}

close_actions(2000);
$node->set_clock($sandbox, "partner_api.clock() + interval '3 years'");
close_actions(2000);
$node->sql("ANALYZE partner_api.$_") foreach @tables;
my $reads = whole_reads();
$node->sql('CALL partner_api.prune_history(batch => 500)');
is(whole_reads(), $reads, 'what is old is found by an index');
is($node->sql('SELECT count(*) FROM partner_api.action_history'),
	2000, '... and nothing else is deleted');

# ---- who holds a row holds up nobody ----

my $holder = $node->background_psql('postgres');
my $kept = $node->sql(
	'SELECT action_id FROM partner_api.action_history LIMIT 1');

$holder->query_safe('BEGIN; SELECT FROM partner_api.action_history'
	  . " WHERE action_id = $kept FOR UPDATE");
$node->sql("CALL partner_api.prune_history('0', '0', '0')");
is($node->sql('SELECT action_id FROM partner_api.action_history'),
	$kept, 'a row that is held is left');
$holder->query_safe('COMMIT');
$node->sql("CALL partner_api.prune_history('0', '0', '0')");
is($node->sql('SELECT count(*) FROM partner_api.action_history'),
	0, '... for the next time');

# ---- pending_actions under a held snapshot ----

$holder->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ;'
	  . ' SELECT count(*) FROM partner_api.pending_actions');
foreach my $round (1 .. 5)
{
	$node->sql('SELECT count(partner_api.enqueue_create_instance('
		  . "'zapi', 'shop $round-' || n)) FROM generate_series(1, 100) n");
	$node->wait_until_settled;
	vacuum('pending_actions');
}
is(scalar $sandbox->instances, 500, 'the work goes on under an old snapshot');
cmp_ok(pages('pending_actions'), '>', 4, '... which vacuum cannot clean up for');
$holder->query_safe('COMMIT');
vacuum('pending_actions');
cmp_ok(pages('pending_actions'), '<=', 4, '... but when it is gone');
$holder->quit;

done_testing();
