# Plans at zsystems: created as JSON and as a form, found again when the answer
# was lost, read, listed and changed; every shape of answer and of refusal.

use strict;
use warnings;

use MIME::Base64;
use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => {
		name => 'zs', provider => 'zsystems', circuit_failures => 0 });
my $LAG = 60;    # seconds: the default of list_lag

# A plan's arguments in SQL: the least that the provider takes, and more.
sub arguments
{
	my ($name, %more) = @_;
	my %arguments = (
		name => "'$name'", description => "'Plan $name'",
		amount_cents => 9990, frequency => "'monthly'",
		payment_methods => "'credit_card'", %more);

	return "'zs', " . join ', ',
	  map { "$_ => $arguments{$_}" }
	  grep { defined $arguments{$_} } sort keys %arguments;
}

# Create a plan and wait; returns its row.
sub create
{
	return $node->row(
		'SELECT * FROM partner_api.create_plan(' . arguments(@_) . ')');
}

sub enqueue
{
	return $node->sql(
		'SELECT partner_api.enqueue_create_plan(' . arguments(@_) . ')');
}

# A create must fail; tests its error.
sub create_fails
{
	my ($sqlstate, $parts, $what, @plan) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return $node->fails_with(
		'SELECT partner_api.create_plan(' . arguments(@plan) . ')',
		$sqlstate, $parts, $what);
}

sub advance
{
	my ($seconds) = @_;

	$node->set_clock($sandbox,
		"partner_api.clock() + interval '$seconds s'");
	return;
}

# Plans at the provider that came of one name.
sub made
{
	my ($name) = @_;

	return $sandbox->objects('plans', name => $name);
}

# Create a plan whose answer is lost, and let it be found; returns its row.
sub lost
{
	my ($name) = @_;
	my $action = enqueue($name);

	$node->wait_for_state($action, 'done');
	return $node->row(
		"SELECT * FROM partner_api.plans WHERE action_id = $action");
}

# Let time pass until nothing is open.
sub settle
{
	$node->wait_for("SELECT bool_and(state = 'unknown' AND looks > 0)"
		  . ' IS NOT FALSE FROM partner_api.pending_actions');
	advance($LAG + 1);
	$node->wait_until_settled;
	return;
}

# ---- as JSON ----

my $row = create('everything',
	email => "'plans\@shop.test'", setup_amount_cents => 2500,
	grace_period => 14, tolerance_period => 3, interval_count => 2,
	logo => 'true', currency => "'BRL'",
	plan_expiration_date => "'2099-12-01T01:00:00Z'",
	has_expiration => 'true', expire_subscriptions => 'true',
	subscription_duration => 12);
my $there = $sandbox->object(plans => $row->{plan_id});
my %fields = %{ $there->{fields} };

is($there->{format}, 'json', 'a plan is sent as JSON');
like(
	delete $fields{description},
	qr/^Plan everything \[pa-[0-9a-f]{8}-\d+-[0-9a-f]{8}\]$/,
	'its description carries a nonce');
delete @fields{qw(id created modified)};
is_deeply(
	\%fields,
	{   name => 'everything', email => 'plans@shop.test',
		setup_amount => 2500, amount => 9990, grace_period => 14,
		tolerance_period => 3, frequency => 'monthly', interval => 2,
		logo => JSON::PP::true, currency => 'BRL',
		payment_methods => 'credit_card',
		plan_expiration_date => $fields{plan_expiration_date},
		has_expiration => JSON::PP::true,
		expire_subscriptions => JSON::PP::true,
		subscription_duration => 12 },
	'each of its fields reaches the provider');
like($fields{plan_expiration_date}, qr/^2099-12-01T01:00:00(?:\.0+)?Z$/,
	'... the expiry as a time in UTC');
is($row->{description}, 'Plan everything',
	'create returns the description without the nonce');
is($row->{amount_cents}, 9990, '... and the amount in cents');
is($row->{frequency}, 'monthly', '... and the frequency');
is($row->{origin}, 'created', '... as created here');
is_deeply(
	$node->row("SELECT * FROM partner_api.plans WHERE plan_id = '$row->{plan_id}'"),
	$row, 'create returns the row of the table plans');
is( $node->sql('SELECT kind FROM partner_api.object_events'
		  . " WHERE object = 'plan' AND object_id = '$row->{plan_id}'"),
	'created', 'the event is recorded');

foreach my $spelling (qw(annualy annually yearly))
{
	$row = create($spelling, frequency => "'$spelling'");
	is($sandbox->object(plans => $row->{plan_id})->{fields}{frequency},
		'annualy', "$spelling is sent as the provider spells it");
	is($row->{frequency}, 'annualy', '... and shown so');
}
foreach my $form (qw(string object))
{
	$sandbox->config(zsystems_plan_id => $form);
	$row = create("answer with $form");
	is($row->{name}, "answer with $form", "a new id is read from a $form");
	is((made("answer with $form"))[0]{id}, $row->{plan_id}, '... rightly');
}
$sandbox->config(zsystems_plan_id => 'number');

# ---- as a form ----

my %plan = (
	format => "'multipart'", description => "E'of two\\nlines: \"ç\"'",
	grace_period => 7, logo => 'true', setup_amount_cents => 0);

$row = create('form', %plan);
$there = $sandbox->object(plans => $row->{plan_id});
is($there->{format}, 'multipart', 'a plan is sent as a form');
is_deeply([ grep { defined $_->{filename} } @{ $there->{parts} } ],
	[], '... with text parts only');

my %parts = map { $_->{name} => $_->{content} } @{ $there->{parts} };

like($parts{description}, qr/\Aof two\r?\nlines: "ç" \[pa-/,
	'... text unharmed');
is_deeply([ @parts{qw(name amount frequency interval currency grace_period logo)} ],
	[ 'form', 9990, 'monthly', 1, 'BRL', 7, 'true' ],
	'... and numbers and flags written out');

my $bytes = join '', map { chr } 0 .. 255;
my $base64 = encode_base64($bytes, '');

$row = create('file', %plan, file_field => "'picture'",
	file_name => "'logo.png'", file_content => "decode('$base64', 'base64')");
my ($file) = grep { defined $_->{filename} }
  @{ $sandbox->object(plans => $row->{plan_id})->{parts} };

is_deeply([ @$file{qw(name filename bytes)} ], [ 'picture', 'logo.png', 256 ],
	'a file goes as a part whose name the caller gives');
is( $node->sql('SELECT count(*) FROM partner_api.object_events'
		  . " WHERE details ? 'file_content'"),
	0, '... and is not kept with what happened');
is($sandbox->effects('create_plan'),
	scalar(() = $sandbox->objects('plans')), 'each create was made once');

# ---- refused before anything is sent ----

my $recorded = 'SELECT (SELECT count(*) FROM partner_api.pending_actions)'
  . ' + (SELECT count(*) FROM partner_api.action_history)';
my $actions = $node->sql($recorded);
my $before = $sandbox->counters('create_plan')->{requests};

foreach my $bad (
	[ 'no name', name => "''" ],
	[ 'a blank name', name => "'  '" ],
	[ 'an unknown frequency', frequency => "'fortnightly'" ],
	[ 'no frequency', frequency => 'NULL' ],
	[ 'a negative amount', amount_cents => -1 ],
	[ 'no amount', amount_cents => 'NULL' ],
	[ 'a negative setup amount', setup_amount_cents => -1 ],
	[ 'an interval of 0', interval_count => 0 ],
	[ 'a negative grace period', grace_period => -1 ],
	[ 'another currency', currency => "'USD'" ],
	[ 'an expiry in the past', plan_expiration_date => "'2001-01-01Z'" ],
	[ 'an unknown format', format => "'xml'" ],
	[ 'a file without its field', format => "'multipart'", file_content => "'\\x00'" ],
	[ 'a file in JSON', file_field => "'f'", file_content => "'\\x00'" ],
	[ 'a file of 5 MB', format => "'multipart'", file_field => "'f'",
		file_name => "'f'",
		file_content => "decode(repeat('00', 5 * 1024 * 1024), 'hex')" ])
{
	my ($what, %bad) = @$bad;

	foreach my $function (qw(create_plan enqueue_create_plan))
	{
		my $error = $node->error("SELECT partner_api.$function("
			  . arguments('bad', %bad) . ')');

		like($error->{sqlstate} // 'none', qr/^(?:22|23|HV)/,
			"$what is refused by $function")
		  or diag($error->{text});
	}
}
isnt($node->error('SELECT partner_api.create_plan('
		  . arguments('bad', amount_cents => '99.90') . ')')->{sqlstate} // 'none',
	'none', 'a fraction of a cent is no amount');
is($sandbox->counters('create_plan')->{requests}, $before,
	'... and nothing of this was sent');
is($node->sql($recorded), $actions, '... nor recorded');
like($node->start_sql('SET client_min_messages = warning;'
		  . ' SELECT partner_api.create_plan('
		  . arguments('voucher', payment_methods => "'voucher'") . ')')
	  ->error->{text}, qr/WARNING: .*voucher/,
	'a payment method that is not documented is warned of');
is((made('voucher'))[0]{fields}{payment_methods}, 'voucher',
	'... and passed on');

# ---- refused by the provider ----

my $refused = $sandbox->effects('create_plan');

foreach my $shape (qw(seen error error_object errors erros message))
{
	foreach my $status (400, 200, 202)
	{
		$sandbox->config(zsystems_refusals => $shape,
			zsystems_refusal_status => $status);
		create_fails('38000', { detail => qr/O campo payment_methods/ },
			"a refusal as $shape under $status",
			'refused', payment_methods => 'NULL');
	}
}
$sandbox->config(zsystems_refusals => 'seen', zsystems_refusal_status => 400);
foreach my $status (401, 403)
{
	$sandbox->config(tokens => ['another'],
		zsystems_unauthorized_status => $status);
	create_fails('28000', { detail => qr/Token inválido/ },
		"a token that is refused with $status", 'refused');
}
$sandbox->config(tokens => [$PartnerApi::Sandbox::TOKEN]);
is($node->sql("SELECT ok FROM partner_api.test_connection('zs')"),
	't', 'the token is accepted again');
is($sandbox->effects('create_plan'), $refused, 'none of these had an effect');
is($node->sql('SELECT count(*) FROM partner_api.pending_actions'), 0,
	'... and none is left open');

# ---- the answer is lost ----

# The list has to show one of our nonces before anything is sent again.
$sandbox->fault(operation => 'create_plan', type => 'reset_after');
is(lost('first')->{origin}, 'adopted',
	'a plan whose answer was lost is found by its nonce');

foreach my $list (qw(planos data array))
{
	my %lost = (
		close_after => {}, truncate => {}, cut => {}, garbage => {}, html => {},
		empty => {}, wrong_types => {},
		status => { status => 502, after_effect => JSON::PP::true });

	$sandbox->config(zsystems_plan_list => $list);
	foreach my $type (sort keys %lost)
	{
		$sandbox->fault(operation => 'create_plan', type => $type,
			%{ $lost{$type} });
		lost("$list $type");
		is(scalar(made("$list $type")), 1,
			"$type: one effect, found in a list as $list");
	}
	is( $node->sql('SELECT count(*) FROM partner_api.plans'
			  . " WHERE origin = 'adopted' AND name LIKE '$list %'"),
		scalar(keys %lost), '... each plan adopted');
}
$sandbox->config(zsystems_plan_list => 'planos');
$sandbox->config(zsystems_plan_id => 'missing');
is(lost('no id')->{plan_id}, (made('no id'))[0]{id},
	'a success without an id is resolved by the list');
$sandbox->config(zsystems_plan_id => 'number');

# ---- nothing had arrived, or it is listed late ----

my @late = map { enqueue("before $_") } (
	map { $sandbox->fault(operation => 'create_plan', type => $_,
			body_contains => "before $_"); $_ } qw(reset_before close_before));

$sandbox->fault(operation => 'create_plan', type => 'status', status => 500,
	body_contains => 'before status');
push @late, enqueue('before status');
# a plan of somebody else's, made meanwhile, is no reason to ask a person
my $meanwhile = $sandbox->seed_object('plans', name => 'meanwhile')->{id};
settle();
is_deeply([ map { $node->action_state($_) } @late ],
	[ ('done') x @late ], 'what had no effect is sent again after the lag');
is(scalar(made("before $_")), 1, "... $_: with one effect")
  foreach qw(reset_before close_before status);
$sandbox->remove_object('plans', $meanwhile);

$sandbox->config(list_lag_seconds => $LAG - 5);
$sandbox->fault(operation => 'create_plan', type => 'reset_after');
my $action = enqueue('listed late');

settle();
is($node->action_state($action), 'done', 'a plan that is listed late is waited for');
is(scalar(made('listed late')), 1, '... and not made twice');
$sandbox->config(list_lag_seconds => 0);

$sandbox->config(mangle_names => 'upper');
$sandbox->fault(operation => 'create_plan', type => 'reset_after');
$action = enqueue('mangled');
settle_or_ask();
cmp_ok(scalar(made('mangled')), '==', 1,
	'a nonce that comes back changed leads to no second plan');
$sandbox->config(mangle_names => 'none');

# After so many seconds it is either settled or a person's.
sub settle_or_ask
{
	foreach (1 .. 3)
	{
		$node->drive_pass;
		advance($LAG + 1);
	}
	$node->wait_for("SELECT bool_and(state = 'needs_attention') IS NOT FALSE"
		  . ' FROM partner_api.pending_actions');
	return;
}

# ---- read, listed, changed ----

my $id = (made('first'))[0]{id};

$row = $node->row("SELECT * FROM partner_api.change_plan('zs', '$id',"
	  . " amount_cents => 12345, description => 'changed')");
is($row->{amount_cents}, 12345, 'change returns the changed plan');
is($sandbox->object(plans => $id)->{fields}{amount}, 12345,
	'... at the provider');
is($sandbox->object(plans => $id)->{fields}{name}, 'first',
	'... and nothing else of it');
$node->fails_with("SELECT partner_api.change_plan('zs', '1', amount_cents => 1)",
	'42704', { detail => qr/Plano não encontrado/ },
	'a plan that does not exist cannot be changed');
$node->fails_with("SELECT partner_api.delete_plan('zs', '$id')", '0A000',
	{ hint => qr/./ }, 'plans cannot be deleted here, with a hint');

$node->sql("SELECT * FROM partner_api.sync_plans('zs')");
my $seeded = $sandbox->seed_object('plans', name => 'made elsewhere')->{id};

$node->sql("SELECT * FROM partner_api.sync_plans('zs')");
is( $node->sql("SELECT origin FROM partner_api.plans WHERE plan_id = '$seeded'"),
	'imported', 'a plan that was made elsewhere is imported');
$sandbox->remove_object('plans', $seeded);
advance($LAG + 1);
$node->sql("SELECT * FROM partner_api.sync_plans('zs')");
is( $node->sql('SELECT missing_since IS NOT NULL FROM partner_api.plans'
		  . " WHERE plan_id = '$seeded'"),
	't', 'one that the list does not show any more is missing');
is( $node->sql("SELECT count(*) FROM partner_api.list_plans('zs')"),
	scalar(grep { !$_->{removed} } $sandbox->objects('plans')),
	'the list is whole');
foreach my $fault (qw(truncate cut garbage html empty reset_before))
{
	$sandbox->fault(operation => 'list_plans', type => $fault);
	isnt($node->error("SELECT * FROM partner_api.list_plans('zs')")
		  ->{sqlstate} // 'none', 'none', "$fault of a list is an error");
}
is($sandbox->names_created_twice, 0, 'no plan was created twice');

done_testing();
