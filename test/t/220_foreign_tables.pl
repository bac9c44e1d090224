# Foreign tables: a provider's list as it is when the table is scanned.  What
# the provider is asked for, how much of the list is read, with whose rights;
# and that a list which is not whole is an error, not a smaller set.

use strict;
use utf8;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $PAGE = 7;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'lapse' });

my $rows = 'SELECT * FROM live.instances';

# Requests for a page of the list so far.
sub pages
{
	return $sandbox->counters('list_instances')->{requests};
}

# Test that SQL yields an output and asks for so many pages.
sub yields
{
	my ($sql, $output, $pages, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = pages();

	is($node->sql($sql), $output, $name);
	is(pages() - $before, $pages, "... in $pages requests");
	return;
}

# The queries of the last requests for pages, as they were sent.
sub asked
{
	my ($count) = @_;
	my @requests = $sandbox->requests(operation => 'list_instances');

	return map { $_->{query} } @requests[ -$count .. -1 ];
}

# The plan of a query, and what it did if it is to be run.
sub explained
{
	my ($query, @options) = @_;

	return $node->sql('EXPLAIN ('
		  . join(', ', 'costs off', 'timing off', 'summary off', @options)
		  . ") $query");
}

# The error of SQL while the sandbox has a fault.
sub fails_during
{
	my ($sql, $fault, $sqlstate, $parts, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$sandbox->fault(operation => 'list_instances', times => 0, %$fault);
	$node->fails_with($sql, $sqlstate, $parts, $name);
	$sandbox->clear_faults;
	return;
}

# Start SQL whose second page is withheld, make an instance, and let it go on.
sub with_newcomer
{
	my ($sql) = @_;
	my $before = pages();
	my $session;

	$sandbox->fault(operation => 'list_instances', type => 'withhold',
		skip => 1);
	$session = $node->start_sql($sql);
	$sandbox->wait_for_requests('list_instances', $before + 2);
	$sandbox->seed(name => 'newcomer');
	$sandbox->release;
	return $session;
}

$sandbox->config(page_size_max => $PAGE);

# ---- import ----

$node->sql('CREATE SCHEMA live; CREATE SCHEMA other');
$node->fails_with('IMPORT FOREIGN SCHEMA nobody FROM SERVER zapi INTO live',
	'HV00Q', { hint => qr/"partner_api"/ }, 'there is one schema');
$node->fails_with(
	'IMPORT FOREIGN SCHEMA partner_api FROM SERVER zapi INTO live'
	  . " OPTIONS (pages '1')",
	'HV00D', { message => qr/"pages"/ }, 'import has no options');
$node->sql('IMPORT FOREIGN SCHEMA partner_api FROM SERVER zapi INTO live');
is( $node->sql("SELECT string_agg(foreign_table_name, ' ')"
		  . ' FROM information_schema.foreign_tables'
		  . " WHERE foreign_table_schema = 'live'"),
	'instances', 'import makes what the provider lists');
is(pages(), 0, '... without asking it');
$node->sql('IMPORT FOREIGN SCHEMA partner_api EXCEPT (instances)'
	  . ' FROM SERVER zapi INTO other');
is( $node->sql("SELECT count(*) FROM pg_class WHERE relkind = 'f'"
		  . " AND relnamespace = 'other'::regnamespace"),
	0, 'EXCEPT leaves a list out');

# ---- tables made by hand ----

$node->fails_with('CREATE FOREIGN TABLE other.t (name text) SERVER zapi',
	'HV00J', { message => qr/"list"/ }, 'a table needs a list');
$node->fails_with(
	"CREATE FOREIGN TABLE other.t (name text) SERVER zapi OPTIONS (list 'x')",
	'HV024', { hint => qr/: instances, plans, subscriptions, customers, charges, recurrences\.$/ },
	'... that there is');
$node->fails_with(
	"CREATE FOREIGN TABLE other.t (name text) SERVER zapi"
	  . " OPTIONS (list 'invoices')",
	'HV024', {}, '... and is not always of one thing');
$node->fails_with(
	'CREATE FOREIGN TABLE other.t (name text) SERVER zapi'
	  . " OPTIONS (list 'instances', pages '1')",
	'HV00D', { hint => qr/list/ }, '... and no other options');
$node->sql("CREATE FOREIGN TABLE other.odd (instance_token text)"
	  . " SERVER zapi OPTIONS (list 'instances')");
$node->fails_with('SELECT * FROM other.odd', 'HV005',
	{ message => qr/"instance_token"/, hint => qr/instance_id, name/ },
	'tokens are no column');
$node->sql("CREATE FOREIGN TABLE other.plans (name text)"
	  . " SERVER zapi OPTIONS (list 'plans')");
foreach my $sql ('SELECT * FROM', 'EXPLAIN SELECT * FROM', 'ANALYZE')
{
	$node->fails_with("$sql other.plans", '0A000',
		{ message => qr/provider "zapi" has no list "plans"/ },
		"a list that the provider has not: $sql");
}
is(pages(), 0, '... and nothing is asked');

# ---- rows ----

yields('SELECT count(*) FROM live.instances', 0, 1, 'an empty account');
$sandbox->seed(count => 23, prefix => 'bulk-', state => 'signed');
$sandbox->seed(name => 'Loja São João', state => 'trial',
	middleware => 'mobile', connected => JSON::PP::true);
yields('SELECT count(*), count(DISTINCT instance_id) FROM live.instances',
	'24|24', 4, 'all pages');
is_deeply(
	[ $node->rows('SELECT * FROM live.instances ORDER BY instance_id') ],
	[   $node->rows("SELECT * FROM partner_api.remote_instances('zapi')"
			  . ' ORDER BY instance_id') ],
	'the rows of remote_instances()');
is( $node->sql("SET datestyle = 'SQL, DMY'; SET timezone = 'Asia/Tokyo';"
		  . ' SELECT count(*) FROM live.instances'
		  . " JOIN partner_api.remote_instances('zapi')"
		  . ' USING (instance_id, created_at, due_at)'),
	24, '... whatever the session calls a day');
my ($there) = $sandbox->instances(state => 'trial');
unlike($node->sql('SELECT * FROM live.instances'),
	qr/$there->{token}/, 'no token is shown');

$node->sql('CREATE FOREIGN TABLE other.some ('
	  . "title varchar OPTIONS (column_name 'name'), gone text,"
	  . ' phone_connected text, created_at date, details json NOT NULL)'
	  . " SERVER zapi OPTIONS (list 'instances');"
	  . ' ALTER FOREIGN TABLE other.some DROP COLUMN gone');
is( $node->sql("SELECT title, phone_connected, created_at - current_date,"
		  . " details->>'name' FROM other.some WHERE title LIKE 'Loja%'"),
	'Loja São João|t|0|Loja São João',
	'columns by name, with types of one\'s own');
$node->sql('CREATE FOREIGN TABLE other.number (name integer)'
	  . " SERVER zapi OPTIONS (list 'instances')");
$node->fails_with('SELECT * FROM other.number', '22P02',
	{ text => qr/column "name" of foreign table "number"/ },
	'a type that a value does not fit');

# ---- what the provider is asked for ----

yields("SELECT count(*) FROM live.instances WHERE name = 'bulk-1'",
	1, 2, 'a name: what it finds is compared again');
is_deeply([ grep { !/query=bulk-1$/ } asked(2) ],
	[], '... and it was searched for');
yields("SELECT name FROM live.instances WHERE 'Loja São João' = name",
	'Loja São João', 1, 'a name, the other way round');
yields("SELECT name FROM live.instances WHERE instance_id = '$there->{id}'",
	'Loja São João', 1, 'an id');
yields('SELECT name FROM live.instances'
	  . " WHERE instance_middleware = 'mobile' AND phone_connected",
	'Loja São João', 1, 'a kind, beside what is no search');
yields("PREPARE p(text) AS SELECT instance_middleware FROM live.instances"
	  . ' WHERE name = $1; SET plan_cache_mode = force_generic_plan;'
	  . " EXECUTE p('Loja São João')",
	'mobile', 1, 'a parameter');
yields('SELECT count(*) FROM live.instances WHERE name ='
	  . " (SELECT 'bulk-' || 20)",
	1, 1, 'the result of a subquery');
yields('SELECT count(*) FROM live.instances WHERE name = (SELECT null)',
	0, 0, 'null equals nothing, so nothing is asked');
$sandbox->config(query_mode => 'exact');
yields("SELECT count(*) FROM live.instances WHERE name = 'bulk-1'",
	1, 1, 'a provider that searches otherwise: the same');
$sandbox->config(query_mode => 'ignore');
yields("SELECT count(*) FROM live.instances WHERE name = 'bulk-1'",
	1, 4, '... or does not search');
$sandbox->config(query_mode => 'substring');

my $id = $node->sql(
	"SELECT instance_id FROM partner_api.create_instance('zapi', 'shop')");
my $name = $sandbox->instance($id)->{name};

isnt($name, 'shop', 'an instance of ours has a nonce in its name');
yields("SELECT instance_id FROM live.instances WHERE name = '$name'",
	$id, 1, '... by which it is found');

# what the provider must not be asked for
foreach my $condition ("name = ''", "name = ' bulk-1'", "name = 'bulk-1 '",
	"name LIKE 'bulk-1'", "name = 'bulk-1' OR phone_connected",
	"lower(name) = 'loja'", "name <> 'bulk-1'", "name = repeat('x', 600)",
	"name = 'a?'", "instance_middleware = 'WEB'", "name = instance_id",
	"status = 'signed'", "name::varchar(3) = 'bul'",
	"name = random()::text")
{
	my $before = pages();

	$node->sql("SELECT count(*) FROM live.instances WHERE $condition");
	is_deeply([ grep { /query|middleware/ } asked(pages() - $before) ],
		[], "not searched for: $condition");
}
$node->sql("CREATE COLLATION other.blind (provider = icu, locale = 'und',"
	  . " deterministic = false);"
	  . 'CREATE FOREIGN TABLE other.blind (name text COLLATE other.blind)'
	  . " SERVER zapi OPTIONS (list 'instances')");
unlike(explained("SELECT * FROM other.blind WHERE name = 'bulk-1'"),
	qr/Provider Filter/, 'nor under a collation that is not deterministic');
$node->sql('CREATE FOREIGN TABLE other.two (name text COLLATE "C",'
	  . ' instance_id text COLLATE "POSIX")'
	  . " SERVER zapi OPTIONS (list 'instances')");
$node->fails_with('SELECT FROM other.two WHERE name = instance_id',
	'42P22', {}, '... and two collations are the error that they always are');
unlike(explained("SELECT * FROM other.some WHERE title = 'bulk-1'"),
	qr/Provider Filter/, '... nor by another type');

# a value that is not shown as it is stored
$sandbox->change($id, name => "ta\tb");
yields("SELECT instance_id FROM live.instances WHERE name = 'ta?b'",
	$id, 4, 'a control character is shown as a question mark, and found');

# ---- how much is read ----

my $all = $node->sql('SELECT count(*) FROM live.instances');

cmp_ok($all, '>', 3 * $PAGE, 'there are four pages');
yields('SELECT count(*) FROM (SELECT FROM live.instances LIMIT 5) l',
	5, 1, 'LIMIT: one page is enough');
yields("SELECT count(*) FROM (SELECT FROM live.instances LIMIT $PAGE) l",
	$PAGE, 1, 'LIMIT of a page: no second one');
yields('SELECT count(*) FROM (SELECT FROM live.instances OFFSET 8 LIMIT 5) l',
	5, 2, 'OFFSET counts');
yields('SELECT count(*) FROM (SELECT FROM live.instances LIMIT 0) l',
	0, 0, 'LIMIT 0 asks for nothing');
yields('SELECT count(*) FROM (SELECT FROM live.instances LIMIT 1000) l',
	$all, 4, 'a LIMIT beyond the end');
yields("SELECT name FROM live.instances WHERE name LIKE 'bulk-1_' LIMIT 1",
	'bulk-10', 2, 'LIMIT counts what the condition lets through');
yields("SELECT name FROM live.instances WHERE name = 'bulk-1' LIMIT 1",
	'bulk-1', 1, 'LIMIT on a search');
yields('SELECT name FROM live.instances ORDER BY name DESC LIMIT 1',
	'ta?b', 4, 'an order needs all');
yields('SELECT count(*) FROM live.instances LIMIT 1',
	$all, 4, '... and so does an aggregate');
yields('SELECT count(*) FROM (SELECT DISTINCT status FROM live.instances'
	  . ' LIMIT 1) l', 1, 4, '... and DISTINCT');
yields('BEGIN; DECLARE c CURSOR FOR SELECT 1 FROM live.instances LIMIT 100;'
	  . ' FETCH 3 FROM c; FETCH 3 FROM c; CLOSE c; COMMIT',
	join("\n", (1) x 6), 1, 'a cursor under a LIMIT reads as it is fetched');
yields('PREPARE p(bigint) AS SELECT 1 FROM live.instances LIMIT $1;'
	  . ' SET plan_cache_mode = force_generic_plan; EXECUTE p(1)',
	1, 1, 'a LIMIT that the plan does not know');

# ---- what is read once ----

$node->sql("CREATE TABLE names AS SELECT 'bulk-' || n AS name"
	  . ' FROM generate_series(1, 3) n');
yields('SET enable_hashjoin = off; SET enable_mergejoin = off;'
	  . ' SET enable_material = off;'
	  . ' SELECT count(*) FROM names n JOIN live.instances i'
	  . " ON i.name || '' = n.name",
	3, 4, 'a nested loop reads the list once');
yields('SELECT count(i.name) FROM names n CROSS JOIN LATERAL'
	  . ' (SELECT name FROM live.instances WHERE n.name IS NOT NULL LIMIT 9) i',
	27, 2, 'rows under a LIMIT are kept too');
$node->sql('ANALYZE names');
yields('SELECT count(*) FROM names JOIN live.instances USING (name)',
	3, 4, 'a join with few rows searches for each');
is_deeply([ map { /query=(.*)$/ } asked(4) ],
	[qw(bulk-1 bulk-1 bulk-2 bulk-3)], '... by what it joins with');
yields('SELECT count(i.name) FROM (SELECT * FROM names UNION ALL'
	  . ' SELECT null) n LEFT JOIN live.instances i USING (name)',
	3, 4, '... and for null not at all');
yields('SELECT count(*) FROM names n WHERE EXISTS (SELECT FROM'
	  . ' live.instances i WHERE i.name = n.name OFFSET 0)',
	3, 4, '... also in a subquery');
$node->sql('INSERT INTO names SELECT n::text FROM generate_series(1, 1000) n;'
	  . ' ANALYZE names');
yields('SELECT count(*) FROM names JOIN live.instances USING (name)',
	3, 4, 'a join with many rows lists once');
$node->sql('DELETE FROM names WHERE name !~ \'bulk\'; ANALYZE names');

# ---- what else a table is good for ----

yields('SELECT tableoid::regclass FROM live.instances LIMIT 1',
	'live.instances', 1, 'a row knows its table');
$node->sql('CREATE TABLE other.every (server_name name, name text)'
	  . ' PARTITION BY LIST (server_name);'
	  . " CREATE TABLE other.ours PARTITION OF other.every FOR VALUES IN ('');"
	  . ' CREATE FOREIGN TABLE other.theirs PARTITION OF other.every'
	  . " FOR VALUES IN ('zapi') SERVER zapi OPTIONS (list 'instances')");
yields("SELECT name FROM other.every WHERE name = 'bulk-20'",
	'bulk-20', 1, 'a partition is searched too');
yields("SELECT count(*) FROM other.every WHERE server_name = ''",
	0, 0, '... or passed over');
yields('SELECT n.name, i.status FROM names n, LATERAL (SELECT status'
	  . ' FROM live.instances i WHERE i.name = n.name LIMIT 1) i'
	  . " WHERE n.name = 'bulk-3'",
	'bulk-3|signed', 1, 'a lateral subquery');
yields('BEGIN; UPDATE names SET name = upper(i.name) FROM live.instances i'
	  . " WHERE i.name = names.name AND names.name = 'bulk-3'"
	  . ' RETURNING names.name; ROLLBACK',
	'BULK-3', 1, 'an update of another table');

# ---- EXPLAIN ----

my $before = pages();
my $plan = explained("SELECT * FROM live.instances WHERE name = 'bulk-1'"
	  . " AND instance_middleware = 'web' AND phone_connected LIMIT 2 OFFSET 1");

like($plan, qr/^ *Provider List: instances$/m, 'EXPLAIN: the list');
like($plan,
	qr/^ *Provider Filter: query = 'bulk-1'::text, middleware = 'web'::text$/m,
	'... what is asked for');
like($plan, qr/Filter: \(phone_connected AND/, '... what is compared here');
like($plan, qr/^ *Stops After: 3 rows$/m, '... and where it ends');
unlike($plan, qr/Pages/, '... but no pages');
is(pages(), $before, '... since nothing is asked');
$plan = explained('SELECT * FROM live.instances', 'analyze');
unlike($plan, qr/Stops After|Provider Filter/, 'EXPLAIN ANALYZE: all');
like($plan, qr/^ *Provider Pages: 4$/m, '... in so many pages');
like(explained("$rows LIMIT 1", 'analyze', 'format json'),
	qr/"Stops After": 1,\s+"Provider Pages": 1/, '... in JSON');
foreach my $query (
	"$rows ORDER BY name LIMIT 1",
	'SELECT DISTINCT name FROM live.instances LIMIT 1',
	'SELECT count(*) FROM live.instances LIMIT 1',
	'SELECT name FROM live.instances GROUP BY name LIMIT 1',
	'SELECT rank() OVER (ORDER BY name) FROM live.instances LIMIT 1',
	"$rows UNION ALL $rows LIMIT 1",
	"$rows LEFT JOIN names USING (name) LIMIT 1",
	"$rows LIMIT null")
{
	unlike(explained($query), qr/Stops After/, "read whole: $query");
}
like(explained('SELECT * FROM names JOIN live.instances USING (name)'),
	qr/Provider Filter: query = \S+$/m, 'a join\'s search is shown');

# ---- ANALYZE ----

yields('ANALYZE live.instances', '', 4, 'ANALYZE reads the list');
is( $node->sql('SELECT reltuples FROM pg_class'
		  . " WHERE oid = 'live.instances'::regclass"),
	$all, '... and counts it');
is( $node->sql('SELECT n_distinct FROM pg_stats'
		  . " WHERE schemaname = 'live' AND attname = 'instance_id'"),
	-1, '... with statistics');
yields('SELECT count(*) FROM names JOIN live.instances USING (name)',
	3, 4, 'a list that is known to be short is read once for a join');
is_deeply([ grep { /query/ } asked(4) ], [], '... without a search');
$node->sql('CREATE TABLE other.parent (name text);'
	  . ' CREATE FOREIGN TABLE other.child () INHERITS (other.parent)'
	  . " SERVER zapi OPTIONS (list 'instances');"
	  . ' ALTER TABLE other.parent'
	  . ' SET (autovacuum_analyze_threshold = 0,'
	  . ' autovacuum_analyze_scale_factor = 0);'
	  . " INSERT INTO other.parent VALUES ('ours')");
$before = pages();
$node->append_conf('postgresql.conf', 'autovacuum_naptime = 1s');
$node->reload;
$node->wait_for('SELECT last_autoanalyze IS NOT NULL'
	  . " FROM pg_stat_user_tables WHERE relname = 'parent'");
is(pages(), $before, 'autovacuum asks for nothing');
yields('ANALYZE other.parent', '', 4, '... but who analyzes a parent does');
fails_during('ANALYZE live.instances', { type => 'truncate', skip => 2 },
	'HV00N', {}, 'a list that cannot be read is not analyzed');

# ---- a list that is not whole ----

foreach my $type (qw(truncate html empty garbage close_before reset_before))
{
	my $sqlstate =
	  $type =~ /truncate|before/ ? 'HV00N' : 'HV00M';

	fails_during($rows, { type => $type },
		$sqlstate, { message => qr/server "zapi"/ }, "first page: $type");
	fails_during($rows, { type => $type, skip => 2 },
		$sqlstate, { message => qr/server "zapi"/ }, "third page: $type");
	fails_during("$rows LIMIT 100", { type => $type, skip => 2 },
		$sqlstate, { message => qr/server "zapi"/ },
		"third page under a LIMIT: $type");
}
fails_during("$rows WHERE name = 'bulk-1'",
	{ type => 'status', status => 401, body => { error => 'no' } },
	'28000', {}, 'a search that is refused');
fails_during("$rows LIMIT 1",
	{ type => 'status', status => 200, body => { error => 'no' } },
	'HV00M', {}, 'an error with status 200');

my %short = (type => 'status', status => 200, body => {
		total => 2, totalPage => 1, page => 1, pageSize => 50,
		content => [ { id => 'A', name => 'alone' } ] });

fails_during($rows, \%short, 'HV000',
	{ message => qr/not whole/, detail => qr/2 rows, and shows 1/ },
	'fewer rows than the list says');
fails_during("$rows LIMIT 5", \%short, 'HV000',
	{ message => qr/not whole/ }, '... under a LIMIT that reaches the end');
$sandbox->fault(operation => 'list_instances', times => 0, %short);
is($node->sql("SELECT count(*) FROM live.instances WHERE name = 'alone'"),
	1, '... but not on a search, whose total may count all');
$sandbox->clear_faults;

$sandbox->config(list_order => 'newest');
is(with_newcomer('SELECT count(*), count(DISTINCT instance_id)'
		  . ' FROM live.instances')->output,
	join('|', ($all + 1) x 2), 'a list that changes is read again');
PartnerApi::Cluster::error_is(
	with_newcomer("$rows LIMIT 1000")->error, 'HV000',
	{ message => qr/changes while it is read/, hint => qr/without LIMIT/ },
	'... but not when rows may have been returned');
$all += 2;
$sandbox->config(list_order => 'oldest');
yields('SELECT count(*) FROM live.instances', $all, 4, 'all is well again');

# ---- rights ----

$node->sql('REVOKE USAGE ON FOREIGN SERVER zapi FROM PUBLIC');
$node->create_role('clerk');
$node->create_role('analyst');
$node->sql('GRANT USAGE ON SCHEMA live TO clerk, analyst;'
	  . ' GRANT USAGE ON FOREIGN SERVER zapi TO clerk;'
	  . ' GRANT SELECT ON live.instances TO clerk;'
	  . ' CREATE VIEW live.names AS SELECT name FROM live.instances;'
	  . ' ALTER VIEW live.names OWNER TO clerk;'
	  . ' GRANT SELECT ON live.names TO analyst');
$node->fails_with($rows, '42501', { message => qr/table instances/ },
	'the table is for whom it was granted to', role => 'analyst');
is($node->sql("SELECT count(*) FROM ($rows) l", role => 'clerk'),
	$all, 'a role with USAGE on the server reads it');
is($node->sql('SELECT count(*) FROM live.names', role => 'analyst'),
	$all, 'a view reads with the rights of its owner');
$node->sql('GRANT SELECT ON live.instances TO analyst');
$before = pages();
$node->fails_with($rows, '42501', { message => qr/foreign server zapi/ },
	'the right to the table is none to the server', role => 'analyst');
$node->sql('DROP USER MAPPING FOR PUBLIC SERVER zapi');
$node->fails_with($rows, '42704', { message => qr/user mapping/ },
	'without a token nothing is read', role => 'clerk');
$node->sql('CREATE USER MAPPING FOR clerk SERVER zapi'
	  . " OPTIONS (token 'wrong-token')");
$node->fails_with($rows, '28000', { text => qr/^(?!.*wrong-token)/s },
	'a wrong token is refused, and not shown', role => 'clerk');
is(pages() - $before, 1, '... and only that was asked');
$node->sql("ALTER USER MAPPING FOR clerk SERVER zapi"
	  . " OPTIONS (SET token '$PartnerApi::Sandbox::TOKEN')");
is(explained($rows) =~ /Provider List/, 1, 'EXPLAIN needs no token');

# ---- memory ----

# Peak memory of the backend before and after a query, in kB.
sub memory_of
{
	my ($sql) = @_;
	my $status = "pg_read_file('/proc/self/status')";
	my $peak = "substring($status FROM 'VmHWM:\\s+(\\d+)')";

	return split /\n/, $node->sql("SELECT $peak; $sql; SELECT $peak");
}

$sandbox->config(page_size_max => 1000);
$sandbox->seed(count => 20000, prefix => 'many-', state => 'signed');
$node->sql('CREATE USER MAPPING FOR PUBLIC SERVER zapi'
	  . " OPTIONS (token '$PartnerApi::Sandbox::TOKEN')");
my ($peak_before, $count, $peak_after) =
  memory_of("SET work_mem = '1MB'; SELECT count(details) FROM live.instances");

is($count, $all + 20000, 'a long list is read');
cmp_ok($peak_after - $peak_before, '<', 16 * 1024, '... in bounded memory');

# ---- a list that cannot be searched ----

$node->create_server($sandbox, name => 'green', provider => 'greenapi');
$sandbox->seed(provider => 'greenapi', name => 'verde');
$sandbox->seed(provider => 'greenapi', name => 'gone', state => 'deleted');
$node->sql('CREATE SCHEMA green;'
	  . ' IMPORT FOREIGN SCHEMA partner_api FROM SERVER green INTO green');
is( $node->sql("SELECT string_agg(relname, ' ') FROM pg_class"
		  . " WHERE relnamespace = 'green'::regnamespace"),
	'instances', 'Green API: the lists that it has');
yields('SELECT name, status, phone_connected, deleted_at IS NOT NULL'
	  . ' FROM green.instances ORDER BY name',
	"gone|deleted||t\nverde|signed||f", 1, '... with what it shows');
is_deeply(
	[ $node->rows('SELECT * FROM green.instances ORDER BY name') ],
	[   $node->rows("SELECT * FROM partner_api.remote_instances('green')"
			  . ' ORDER BY name') ],
	'... the rows of remote_instances()');
yields("SELECT name FROM green.instances WHERE name = 'verde'",
	'verde', 1, 'a condition is applied here');
unlike(explained("SELECT * FROM green.instances WHERE name = 'verde'"),
	qr/Provider Filter/, '... and the provider not asked for it');

# ---- lists of what is no instance ----

$node->create_server($sandbox, name => 'billing', provider => 'zsystems');
$sandbox->seed_object('plans', name => "Mensal á", amount => 9990,
	frequency => 'monthly', interval => 1, logo => JSON::PP::true,
	plan_expiration_date => '2031-01-31T12:00:00Z');
my ($plan_id) = map { $_->{id} } $sandbox->objects('plans');
$sandbox->seed_object('subscriptions', plano_id => $plan_id,
	cliente_id => 20001, amount => 99.9);
$node->sql('CREATE SCHEMA billing;'
	  . ' IMPORT FOREIGN SCHEMA partner_api LIMIT TO (plans, subscriptions,'
	  . ' instances) FROM SERVER billing INTO billing');
is( $node->sql("SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class"
		  . " WHERE relnamespace = 'billing'::regnamespace"),
	'plans subscriptions', 'zsystems: the lists that it has');
is( $node->sql('SELECT server_name, plan_id, name, amount_cents, frequency,'
		  . ' interval_count, logo,'
		  . " plan_expiration_date = '2031-01-31 12:00+00', email IS NULL,"
		  . " details->>'name' FROM billing.plans"),
	"billing|$plan_id|Mensal á|9990|monthly|1|t|t|t|Mensal á",
	'... a plan by its columns');
is( $node->sql('SELECT s.client_id, p.name, s.status, s.amount_cents'
		  . ' FROM billing.plans p JOIN billing.subscriptions s'
		  . ' USING (plan_id)'),
	"20001|Mensal á|active|9990", '... and its subscription');
foreach my $list (qw(plans subscriptions))
{
	foreach my $type (qw(truncate html empty))
	{
		$sandbox->fault(operation => "list_$list", type => $type);
		$node->fails_with("SELECT * FROM billing.$list",
			$type eq 'truncate' ? 'HV00N' : 'HV00M',
			{ message => qr/server "billing"/ }, "$list: $type");
	}
}

# ---- what a foreign table is not for ----

foreach my $change (
	"INSERT INTO live.instances (name) VALUES ('x')",
	"UPDATE live.instances SET name = 'x'",
	'DELETE FROM live.instances', 'TRUNCATE live.instances')
{
	my ($word) = $change =~ /^(\w+)/;

	$node->fails_with($change, '0A000', {}, "$word: refused");
}

# ---- interrupts ----

$sandbox->fault(operation => 'list_instances', type => 'withhold');
$before = pages();
my $session = $node->start_sql('SET ROLE clerk; SELECT * FROM live.instances');

$sandbox->wait_for_requests('list_instances', $before + 1);
$session->cancel;
PartnerApi::Cluster::error_is($session->error, '57014', {},
	'a scan can be cancelled');
$sandbox->clear_faults;
$sandbox->release;

# ---- dump, drop ----

$node->sql('DROP SCHEMA other CASCADE');
my $dump = $node->basedir . '/dump.sql';

command_ok(
	[ 'pg_dump', '-f', $dump, '--schema', 'live', $node->connstr('postgres') ],
	'pg_dump');
like(slurp_file($dump), qr/CREATE FOREIGN TABLE live\.instances/,
	'... has the table');
$node->fails_with('DROP EXTENSION partner_api', '2BP01',
	{ text => qr/foreign table live\.instances depends/ },
	'the extension is not dropped under it');
$node->sql('DROP EXTENSION partner_api CASCADE');
is($node->sql("SELECT count(*) FROM pg_class WHERE relkind = 'f'"),
	0, '... unless that is asked for');

done_testing();
