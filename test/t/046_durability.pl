# What was committed is there after a crash, whatever the session thinks of its
# own rows.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;

# Nothing else flushes: no walwriter within ten seconds, no full buffers.
my $node = PartnerApi::Cluster->launch('main', $sandbox, conf => <<'END');
partner_api.enabled = off
wal_writer_delay = 10s
wal_writer_flush_after = 100MB
autovacuum = off
END

my $OFF = "SET synchronous_commit = 'off';";

$node->sql('CREATE TABLE marks (mark text)');

# Is everything that is written so far on disk?
sub is_flushed
{
	my ($sql) = @_;

	return $node->sql("$OFF CHECKPOINT; $sql; "
		  . 'SELECT pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn()');
}

like(is_flushed("INSERT INTO marks VALUES ('of the session')"),
	qr/^f$/m, 'a session that does not flush its own rows');
like(is_flushed("SELECT partner_api.enqueue_create_instance('zapi', 'one')"),
	qr/^t$/m, '... flushes an intent');
like(
	is_flushed(
		"BEGIN; SELECT partner_api.enqueue_create_instance('zapi', 'two');"
		  . ' COMMIT'),
	qr/^t$/m, '... in a transaction of its own too');
like(is_flushed("INSERT INTO marks VALUES ('after')"),
	qr/^f$/m, '... and only that: the setting is as it was');

# A function with a setting of its own hands its caller's setting back.
$node->sql('CREATE FUNCTION enqueue(name text) RETURNS bigint LANGUAGE sql'
	  . " SET synchronous_commit = 'off'"
	  . " AS \$\$SELECT partner_api.enqueue_create_instance('zapi', name)\$\$");
like(is_flushed("SELECT enqueue('three')"),
	qr/^t$/m, '... also from a function that says otherwise');

$node->sql("$OFF SELECT partner_api.enqueue_create_instance('zapi', 'four')");
$node->stop('immediate');
$node->start;
is( $node->sql("SELECT string_agg(arguments->>'name', ' ' ORDER BY action_id)"
		  . ' FROM partner_api.pending_actions'),
	'one two three four',
	'what was enqueued is there after a crash');

done_testing();
