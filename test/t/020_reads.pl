# What is read at the provider: connection test, list, status, QR code, phone
# code.  An answer that cannot be read whole is an error, never an empty set.

use strict;
use utf8;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { trial_end => 'lapse', timeout_ms => 60000 });
my $list = "SELECT * FROM partner_api.remote_instances('zapi')";

# What a read of the one instance, or of the list, fails with while the
# sandbox has a fault.
sub fails_during
{
	my ($sql, $fault, $sqlstate, $parts, $name) = @_;

	$sandbox->fault(times => 0, %$fault);
	$node->fails_with($sql, $sqlstate, $parts, $name);
	$sandbox->clear_faults;
	$sandbox->release;
	return;
}

# Peak memory of the backend before and after a query, in kB.
sub memory_of
{
	my ($sql) = @_;
	my $status = "pg_read_file('/proc/self/status')";
	my $peak = "substring($status FROM 'VmHWM:\\s+(\\d+)')";

	return $node->sql("SELECT $peak; $sql; SELECT $peak");
}

# ---- test_connection ----

my $row = $node->row("SELECT * FROM partner_api.test_connection('zapi')");

ok($row->{ok}, 'test_connection: ok');
is($row->{http_status}, 200, '... with the status');
cmp_ok($row->{latency_ms}, '>', 0, '... and the latency');
is($sandbox->counters('list_instances')->{requests}, 1, '... in one request');
is($sandbox->counters('create_instance')->{requests},
	0, '... that creates nothing');

$node->create_server($sandbox, name => 'stranger', token => 'wrong-token');
$row = $node->row("SELECT * FROM partner_api.test_connection('stranger')");
ok(!$row->{ok}, 'test_connection with a wrong token: not ok');
is($row->{http_status}, 401, '... with the status');
like($row->{detail}, qr/Bad Credentials.*Check the token/,
	'... and what to do');
unlike($row->{detail}, qr/wrong-token/, '... without the token');

$sandbox->fault(operation => 'list_instances', type => 'html');
$row = $node->row("SELECT * FROM partner_api.test_connection('zapi')");
ok(!$row->{ok}, 'test_connection answered by a page: not ok');

# ---- the list ----

is($node->sql("SELECT count(*) FROM partner_api.remote_instances('zapi')"),
	0, 'an empty account lists nothing');

$sandbox->config(page_size_max => 7);
$sandbox->seed(count => 23, prefix => 'bulk-', state => 'signed');
$sandbox->seed(name => 'Loja São João', state => 'trial',
	middleware => 'mobile', connected => JSON::PP::true);
is($node->sql("SELECT count(*), count(DISTINCT instance_id)"
		  . " FROM partner_api.remote_instances('zapi')"),
	'24|24', 'all pages are read');
cmp_ok($sandbox->counters('list_instances')->{requests},
	'>=', 4, '... one by one');

$row = $node->row("$list WHERE status = 'trial'");
my ($there) = $sandbox->instances(state => 'trial');

is($row->{name}, 'Loja São João', 'a row has its name');
is($row->{instance_id}, $there->{id}, '... its id');
is($row->{payment_status}, 'TRIAL', '... the provider\'s literal');
is($row->{instance_middleware}, 'mobile', '... its kind');
ok($row->{whatsapp_connected}, '... whether it is connected');
is( $node->sql("SELECT '$row->{due_at}'::timestamptz"
		  . " = '$there->{due}'::timestamptz"),
	't', '... and its due time');
unlike(JSON::PP->new->encode($row),
	qr/$there->{token}/, '... but not its token');
is( $node->sql("SELECT count(*)"
		  . " FROM partner_api.remote_instances('zapi', 'bulk-1')"),
	11, 'a query reaches the provider');
is( $node->sql("SELECT name FROM partner_api.remote_instances('zapi',"
		  . " middleware => 'mobile')"),
	'Loja São João', '... and so does a kind');

# rows that move to the next page while we read are not listed twice
$sandbox->config(list_order => 'newest');
$sandbox->fault(operation => 'list_instances', type => 'withhold', skip => 1);
my $before = $sandbox->counters('list_instances')->{requests};
my $session = $node->start_sql(
	'SELECT count(*), count(DISTINCT instance_id) FROM ('
	  . "$list) AS l WHERE name <> 'newcomer'");

$sandbox->wait_for_requests('list_instances', $before + 2);
$sandbox->seed(name => 'newcomer');
$sandbox->release;
is($session->output, '24|24', 'rows that move while paging come once');

foreach my $form (qw(string missing number))
{
	$sandbox->config(due_as => $form);
	is( $node->sql('SELECT count(due_at) FROM'
			  . " partner_api.remote_instances('zapi', 'Loja')"),
		$form eq 'missing' ? 0 : 1,
		"due as $form is read");
}

# ---- sync ----

$row = $node->row("SELECT * FROM partner_api.sync_instances('zapi')");
is_deeply($row, { seen => 25, added => 25, changed => 0, missing => 0 },
	'sync adds what is there');
$row = $node->row("SELECT * FROM partner_api.sync_instances('zapi')");
is_deeply($row, { seen => 25, added => 0, changed => 0, missing => 0 },
	'... once');

# ---- one instance ----

my $id = $node->sql(
	"SELECT instance_id FROM partner_api.create_instance('zapi', 'shop')");
my $token = $sandbox->instance($id)->{token};

$row = $node->row("SELECT * FROM partner_api.instance_status('zapi', '$id')");
ok(!$row->{connected}, 'status: not connected');
like($row->{detail}, qr/not connected/, '... in words');
my $png = $node->sql("SELECT partner_api.instance_qr('zapi', '$id')");
like($png, qr/^\\x89504e470d0a1a0a/, 'the QR code is a PNG image');
like(
	$node->sql("SELECT partner_api.instance_qr_url('zapi', '$id')"),
	qr{^data:image/png;base64,[A-Za-z0-9+/]+=*$},
	'... and comes as a URL');
like($node->sql("SELECT partner_api.phone_code('zapi', '$id', '5511999999999')"),
	qr/^\S+$/, 'phone code');
like(($sandbox->requests(operation => 'phone_code'))[-1]{path},
	qr{/phone-code/5511999999999$}, '... for the phone');

$sandbox->change($id, connected => JSON::PP::true);
$row = $node->row("SELECT * FROM partner_api.instance_status('zapi', '$id')");
ok($row->{connected}, 'status: connected');
like($row->{detail}, qr/already connected/,
	'... with a remark that is no failure');
$node->fails_with("SELECT partner_api.instance_qr('zapi', '$id')",
	'HV00M', { detail => qr/connected/ },
	'a connected instance has no QR code');
$sandbox->change($id, connected => JSON::PP::false);

$sandbox->config(qr_as => 'challenge');
foreach my $function (qw(instance_qr instance_qr_url))
{
	$node->fails_with("SELECT partner_api.$function('zapi', '$id')",
		'HV00M', { detail => qr/passkey/ },
		"$function: a passkey check is told");
}
$sandbox->config(qr_as => 'data_uri');

$node->fails_with("SELECT partner_api.instance_qr('zapi', 'nobody')",
	'42704', { hint => qr/sync_instances/ }, 'an unknown instance');
$node->fails_with("SELECT partner_api.phone_code('zapi', '$id', '+55 11')",
	'22023', { message => qr/phone/ }, 'a phone must be digits');

# ---- answers that are none ----

my @bad = (
	[ truncate => {}, 'HV00N' ],
	[ cut => {}, 'HV00M' ],
	[ html => {}, 'HV00M' ],
	[ empty => {}, 'HV00M' ],
	[ garbage => {}, 'HV00M' ],
	[ wrong_types => {}, 'HV00M' ],
	[ close_before => {}, 'HV00N' ],
	[ reset_before => {}, 'HV00N' ],
	[ status => { status => 200, body => [] }, 'HV00M' ],
	[ status => { status => 200, body => { error => 'no' } }, 'HV00M' ],
	[ status => { status => 503, body => 'busy' }, 'HV000' ],
	[ status => { status => 404, body => 'gone' }, '42704' ],
	[ status => { status => 405, body => '' }, 'HV000' ],
	[ status => { status => 415, body => '' }, 'HV000' ],
	[ rate_limit => {}, '53400' ],
	[ redirect => { location => 'http://127.0.0.1:1/' }, 'HV000' ]);

foreach my $bad (@bad)
{
	my ($type, $more, $sqlstate) = @$bad;
	my $name = join ' ', $type, map { $_ // () } $more->{status};

	fails_during($list, { operation => 'list_instances', type => $type, %$more },
		$sqlstate, { message => qr/server "zapi"/ }, "list: $name");
}

# the first page is good, a later one is not
foreach my $type (qw(truncate html empty))
{
	fails_during(
		$list, { operation => 'list_instances', type => $type, skip => 2 },
		$type eq 'truncate' ? 'HV00N' : 'HV00M',
		{}, "list: third page $type");
}
fails_during(
	"SELECT * FROM partner_api.sync_instances('zapi')",
	{ operation => 'list_instances', type => 'truncate', skip => 2 },
	'HV00N', {}, 'sync: third page truncated');
is( $node->sql('SELECT count(*) FROM partner_api.instances'
		  . ' WHERE missing_since IS NOT NULL'),
	0, '... and nothing is taken for missing');

my %read = (
	instance_status => "instance_status('zapi', '$id')",
	qr_code => "instance_qr('zapi', '$id')",
	phone_code => "phone_code('zapi', '$id', '5511999999999')");

foreach my $operation (sort keys %read)
{
	foreach my $type (qw(truncate cut html empty garbage))
	{
		fails_during(
			"SELECT partner_api.$read{$operation}",
			{ type => $type },
			$type eq 'truncate' ? 'HV00N' : 'HV00M',
			{}, "$operation: $type");
	}
}
fails_during(
	"SELECT partner_api.instance_qr('zapi', '$id')",
	{   type => 'status', status => 200,
		body => { value => 'data:image/png;base64,aGVsbG8=' } },
	'HV00M', { detail => qr/no PNG/ }, 'qr_code: no image');
fails_during(
	"SELECT partner_api.instance_status('zapi', '$id')",
	{   type => 'status', status => 403,
		body => { error => "Client-Token $token not allowed" } },
	'28000', { text => qr/^(?!.*\Q$token\E)/s },
	'a token that the provider echoes is not shown');

# ---- answers without end ----

my ($peak_before, $peak_after) = split /\n/,
  memory_of("SELECT count(*) FROM ($list) l");
my %size = (
	big => { type => 'big', bytes => 100 * 1024 * 1024 },
	endless => { type => 'endless' });

foreach my $type (sort keys %size)
{
	my $do = "DO \$\$ BEGIN PERFORM count(*) FROM ($list) l;"
	  . " RAISE 'read'; EXCEPTION WHEN OTHERS THEN"
	  . " RAISE NOTICE '%', SQLSTATE; END \$\$";

	fails_during($list, $size{$type}, 'HV00N',
		{ detail => qr/larger than max_response_bytes/ },
		"$type body: an error");
	$sandbox->fault(times => 0, %{ $size{$type} });
	($peak_before, $peak_after) = split /\n/, memory_of($do);
	cmp_ok($peak_after - $peak_before,
		'<', 64 * 1024, "$type body: memory stays bounded");
	$sandbox->clear_faults;
}

# a body of that size is taken where it is allowed
$node->set_option(max_response_bytes => 110 * 1024 * 1024);
fails_during($list, $size{big}, 'HV00M',
	{ detail => qr/^(?!.*larger than max_response_bytes)/ },
	'a large body is read where max_response_bytes allows it');
($peak_before, $peak_after) = split /\n/,
  memory_of("SELECT count(*) FROM ($list) l");
cmp_ok($peak_after - $peak_before,
	'<', 64 * 1024, '... and a small one does not need the memory');

# every read works again after all that
is($node->sql("SELECT count(*) FROM partner_api.remote_instances('zapi')"),
	26, 'the list is whole again');

done_testing();
