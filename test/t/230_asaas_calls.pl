# Customers, charges, recurrences, notifications and webhooks at Asaas: every
# call end to end, what is sent, what is refused before it is sent, what is
# read, and what the mirror knows afterwards.

use strict;
use warnings;

use JSON::PP;
use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	conf => "partner_api.allowed_hosts = '127.0.0.1, api.asaas.com'",
	server => {
		name => 'asaas', provider => 'asaas', circuit_failures => 0,
		list_lag => '0' });
my $json = JSON::PP->new->canonical;

# A JSON value as SQL.
sub jsonb
{
	my ($value) = @_;
	my $text = $json->encode($value) =~ s/'/''/gr;

	return "'$text'::jsonb";
}

# One row, or value, of a function of this server.
sub call
{
	my ($function, @arguments) = @_;

	return $node->row("SELECT * FROM partner_api.$function("
		  . join(', ', "'asaas'", @arguments) . ')');
}

# A function that returns JSON.
sub told
{
	my ($function, @arguments) = @_;

	return $json->decode($node->sql("SELECT partner_api.$function("
			  . join(', ', "'asaas'", @arguments) . ')'));
}

# A call that must fail; tests its error.
sub fails
{
	my ($function, $arguments, $sqlstate, $parts, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return $node->fails_with("SELECT partner_api.$function("
		  . join(', ', "'asaas'", @$arguments) . ')', $sqlstate, $parts, $what);
}

# What the sandbox holds of a thing.
sub there
{
	my ($kind, $id) = @_;

	return $sandbox->object("asaas_$kind" => $id)->{fields};
}

# Requests of an operation that the sandbox has got so far.
sub requests
{
	my ($operation) = @_;

	return $sandbox->counters($operation)->{requests};
}

# ---- customers ----

my $ana = call('create_customer', "'Ana Souza'", "'123.456.789-09'",
	"email => 'ana\@shop.test'", "mobile => '47999998888'",
	"postal_code => '89010025'", "birth_date => '1990-02-28'",
	"customer_ref => 'ana'");

is($ana->{customer_ref}, 'ana', 'create_customer returns the customer');
is(join('|', @$ana{qw(document origin birth_date)}),
	'12345678909|created|1990-02-28', '... as it is known here');

my $there = there(customers => $ana->{customer_id});

is_deeply([ @$there{qw(name cpfCnpj email mobilePhone postalCode)} ],
	[ 'Ana Souza', '12345678909', 'ana@shop.test', '47999998888', '89010025' ],
	'... and there');
like($there->{externalReference}, qr/^pa-[0-9a-f]{8}-\d+-[0-9a-f]{8}$/,
	'... with our nonce alone as externalReference');

is($node->sql("SELECT kind FROM partner_api.object_events WHERE object = 'customer'"),
	'created', '... as an event');
is(requests('list_customers'), 1, 'the list was searched before');

# ---- found, not made ----

my $again = call('create_customer', "'Ana'", "'12345678909'");

is($again->{customer_id}, $ana->{customer_id},
	'a customer of the same document is found');
is(join('|', @$again{qw(customer_ref name)}), 'ana|Ana Souza',
	'... and is the one that is known here');
is($sandbox->effects('create_customer'), 1, '... and none is made');
is($node->sql('SELECT kind FROM partner_api.object_events ORDER BY event_id DESC LIMIT 1'),
	'found', '... which is recorded as such');

my $other = call('create_customer', "'Ana, shop'", "'12345678909'",
	"customer_ref => 'ana-shop'");

isnt($other->{customer_id}, $ana->{customer_id},
	'one that is known here under another key is not taken for it');

# Seeded customers of one document; the sandbox lists the newest first.
sub seed_customer
{
	my (%fields) = @_;

	return $sandbox->seed_object('asaas_customers', %fields);
}

seed_customer(name => "Bia $_", cpfCnpj => '52998224725') foreach 1 .. 3;
my ($first, $second, $third) = map { $_->{id} }
  grep { $_->{fields}{cpfCnpj} eq '52998224725' }
  $sandbox->objects('asaas_customers');
$sandbox->change_object(asaas_customers => $first, deleted => JSON::PP::true);
is(call('create_customer', "'Bia'", "'529.982.247-25'", "customer_ref => 'bia'")
	  ->{customer_id}, $second,
	'of several that the provider has, the oldest that is not deleted');

# ---- the life of a customer ----

is(call('change_customer', "'$ana->{customer_id}'", "email => 'new\@shop.test'")
	  ->{email}, 'new@shop.test', 'change_customer');
is(there(customers => $ana->{customer_id})->{name}, 'Ana Souza',
	'... leaves the rest as it is');
isnt(call('delete_customer', "'$ana->{customer_id}'")->{deleted_at}, undef,
	'delete_customer');
is(call('restore_customer', "'$ana->{customer_id}'")->{deleted_at}, undef,
	'restore_customer');
is(call('get_customer', "'$ana->{customer_id}'")->{email}, 'new@shop.test',
	'get_customer');
is($node->sql("SELECT count(*) FROM partner_api.find_customers('asaas', '123.456.789-09')"),
	2, 'find_customers shows all of a document');

# ---- the life of a charge ----

my $customer = $ana->{customer_id};
my $charge = call('create_charge', "'$customer'", "'BOLETO'", 1990,
	"'2099-12-31'", "description => 'Plano, \"ouro\"'", 'days_to_cancel => 5',
	'discount => ' . jsonb({ percent => '2.5', days_before_due => 3 }),
	'interest => ' . jsonb({ percent => 1 }),
	'fine => ' . jsonb({ value_cents => 205 }),
	"customer_ref => 'ana'");
my $id = $charge->{charge_id};
my ($request) = $sandbox->requests(operation => 'create_charge');

is(join('|', @$charge{qw(customer_id status value_cents due_on origin)}),
	"$customer|PENDING|1990|2099-12-31|created", 'create_charge returns the payment');
like($request->{body}, qr/"value":19\.90,/, 'cents are sent as exact decimals');
like($request->{body}, qr/"discount":\{"value":2\.50,"dueDateLimitDays":3,"type":"PERCENTAGE"\}/,
	'... and so are percentages');
like($request->{body}, qr/"fine":\{"value":2\.05,"type":"FIXED"\}/, '... and fines');

foreach my $cents (1, 10, 29, 57, 115, 1999, 100000001, 9999999999)
{
	my $payment = call('create_charge', "'$customer'", "'PIX'", $cents, "'2099-12-31'");

	is($payment->{value_cents}, $cents, "$cents cents there and back");
	is(there(payments => $payment->{charge_id})->{value}, $cents, '... to the cent');
}

is(call('change_charge', "'$id'", 'value_cents => 2095')->{value_cents}, 2095,
	'change_charge');
is(call('change_charge', "'$id'", "description => 'Prata'")->{value_cents}, 2095,
	'... leaves the rest as it is');
ok(call('delete_charge', "'$id'")->{deleted}, 'delete_charge');
ok(call('get_charge', "'$id'")->{deleted}, 'a deleted charge can still be read');
ok(!call('restore_charge', "'$id'")->{deleted}, 'restore_charge');
is(call('receive_charge', "'$id'", "partner_api.server_day('asaas')", 2095)->{status},
	'RECEIVED_IN_CASH', 'receive_charge');
is(call('undo_receive_charge', "'$id'")->{status}, 'PENDING', 'undo_receive_charge');

my $pix = call('create_charge', "'$customer'", "'PIX'", 500, "'2099-12-31'")->{charge_id};

my $code = call('charge_pix', "'$pix'");

like($code->{payload}, qr/^000201/, 'charge_pix: the code');
like($code->{image}, qr/^\\x89504e47/, '... its image');
like($code->{expires_at}, qr/^2\d\d\d-/, '... and until when');
$sandbox->pay_charge($pix);
is(call('refund_charge', "'$pix'")->{status}, 'REFUNDED', 'refund_charge');

# What it takes to pay, and the account.
like(call('charge_boleto', "'$id'")->{line}, qr/^[\d. ]{40,}$/, 'charge_boleto');
is(call('charge_views', "'$id'")->{invoice_viewed}, undef, 'charge_views');
like($node->sql("SELECT partner_api.account_balance('asaas')"), qr/^-?\d+$/,
	'account_balance');
is(call('account_status')->{general}, 'APPROVED', 'account_status');
is(call('charge_limit')->{daily_limit}, 100000, 'charge_limit');

my $query = "partner_api.search_term('status', 'PENDING') || '&' || partner_api.search_term('due_from', '2099-12-31')";

is($node->sql("SELECT count(*) FROM partner_api.list_charges('asaas', $query)"),
	9, 'list_charges searches');
is($node->sql("SELECT count(*) FROM partner_api.list_charges('asaas', 'charge_id=pay_unknown')"),
	0, '... and an id that there is not is a list of nothing');

# ---- notifications ----

my @shown = $node->rows("SELECT * FROM partner_api.customer_notifications('asaas', '$customer')");

is(scalar @shown, 8, 'a customer has 8 notifications');

my $changed = told('change_notifications', "'$customer'",
	jsonb([ { notification_id => $shown[0]{notification_id}, sms_customer => JSON::PP::false } ]));

ok(!$changed->{notifications}[0]{sms_customer}, 'change_notifications');
is(scalar @{ told('check_notifications', "'$customer'")->{notifications} }, 8,
	'check_notifications');

# ---- recurrences ----

my $recurrence = told('create_recurrence', "'$customer'", "'BOLETO'", 9900,
	"'2099-01-31'", "'MONTHLY'")->{recurrence_id};

is($node->sql("SELECT count(*) FROM partner_api.recurrence_charges('asaas', '$recurrence')"),
	1, 'a recurrence makes its first charge at once');
is(told('change_recurrence', "'$recurrence'", 'value_cents => 10000')->{value_cents},
	10000, 'change_recurrence');
is(call('get_recurrence', "'$recurrence'")->{value_cents}, 10000, 'get_recurrence');
is($node->sql("SELECT count(*) FROM partner_api.list_recurrences('asaas')"), 1,
	'list_recurrences');
ok(told('delete_recurrence', "'$recurrence'")->{deleted}, 'delete_recurrence');

# ---- webhooks ----

my $webhook = told('create_webhook', "'shop'", "'https://shop.test/asaas'",
	"'it\@shop.test'", "ARRAY['PAYMENT_RECEIVED', 'PAYMENT_OVERDUE']");

is(there(webhooks => $webhook->{webhook_id})->{authToken},
	$PartnerApi::Sandbox::CLIENT_TOKEN, 'a webhook has the token of the user mapping');
unlike($json->encode($webhook), qr/\Q$PartnerApi::Sandbox::CLIENT_TOKEN/,
	'... which is shown to nobody');
is($node->sql("SELECT count(*) FROM partner_api.action_history WHERE strpos(action_history::text, '$PartnerApi::Sandbox::CLIENT_TOKEN') > 0"),
	0, '... nor kept with the action');
ok(!told('change_webhook', "'$webhook->{webhook_id}'", 'enabled => false')->{enabled},
	'change_webhook');
is(call('list_webhooks')->{has_token}, 1, 'list_webhooks');
ok(told('delete_webhook', "'$webhook->{webhook_id}'")->{deleted}, 'delete_webhook');

# ---- bad input: refused before anything is sent ----

my $sent = $sandbox->counters('create_charge')->{requests};
my $actions = $node->sql('SELECT count(*) FROM partner_api.action_history');

fails('create_customer', [ "'Ana'", "'123.456.789-00'" ], '22023',
	{ message => qr/document/, detail => qr/check digits/, hint => qr/./ },
	'a CPF whose check digits do not fit');
fails('create_customer', [ "'Loja'", "'11.222.333/0001-82'" ], '22023',
	{ detail => qr/check digits/ }, '... and a CNPJ');
fails('create_customer', [ "NULL", "'12345678909'" ], '22023',
	{ message => qr/name/ }, 'a customer without a name');

my @charge = ("'$customer'", "'PIX'", 100, "'2099-12-31'");

foreach my $value (0, -1)
{
	fails('create_charge', [ @charge[0, 1], $value, $charge[3] ], '22023',
		{ message => qr/value_cents/, detail => qr/nothing to pay/ },
		"a charge of $value cents");
}
fails('create_charge', [ @charge[0, 1], 10.555, $charge[3] ], '42883',
	{ message => qr/create_charge/ }, 'parts of a cent');
fails('create_charge', [ @charge[0 .. 2], "'2020-01-01'" ], '22023',
	{ message => qr/due_date/, detail => qr/over/ }, 'a due date in the past');
fails('create_charge', [ @charge[0 .. 2], "'infinity'" ], '22023',
	{ message => qr/due_date/ }, 'a due date that is none');
fails('create_charge', [ $charge[0], "'CASH'", @charge[2, 3] ], '22023',
	{ message => qr/billing_type/, hint => qr/./ }, 'an unknown way to pay');
fails('create_charge', [ "'cus/1'", @charge[1 .. 3] ], '22023',
	{ message => qr/customer_id/ }, 'what is no id');
fails('create_charge', [ @charge, 'fine => ' . jsonb({ percent => '2.555' }) ], '22023',
	{ message => qr/fine/ }, 'a percentage with three decimals');
fails('change_charge', ["'pay_1'"], '22023', { detail => qr/nothing to change/ },
	'a change of nothing');
fails('change_notifications', [ "'$customer'", "'{}'" ], '22023',
	{ message => qr/notifications/ }, 'notifications that are no array');
fails('create_webhook', [ "'shop'", "'http://shop.test'", "'a\@b.c'", "ARRAY['X']" ], '22023',
	{ message => qr/url/ }, 'a webhook without https');
fails('list_charges', ["'colour=blue'"], '22023',
	{ hint => qr/Known names are: charge_id, customer_id/ }, 'an unknown term');
fails('remote_object', [ "'cat'", "'1'" ], '22023',
	{ hint => qr/charge_limit/ }, 'what cannot be read alone');
is($sandbox->counters('create_charge')->{requests}, $sent, 'nothing was sent');
is($node->sql('SELECT count(*) FROM partner_api.action_history'), $actions,
	'... or recorded');

# What only the provider knows is told in its words.
fails('create_charge', [ "'cus_unknown'", @charge[1 .. 3] ], '38000',
	{ detail => qr/\(invalid_customer\)/ }, 'an unknown customer');
fails('delete_charge', ["'$pix'"], '38000', { detail => qr/invalid_action/ },
	'a paid charge that is to be deleted');
fails('get_charge', ["'pay_unknown'"], '42704', { message => qr/404/ },
	'a charge that there is not');
fails('create_instance', ["'shop'"], '0A000', { hint => qr/charges customers/ },
	'what the provider does not have');

# A key of the other environment does not leave the house.
$node->sql(q{CREATE SERVER production FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'asaas');
	CREATE USER MAPPING FOR PUBLIC SERVER production
	OPTIONS (token '$aact_hmlg_not-for-production')});
$node->fails_with(
	"SELECT partner_api.enqueue_create_customer('production', 'Ana', '12345678909')",
	'28000', { detail => qr/key of the sandbox/ }, 'a key of the other environment');

# A webhook without a token would take anybody's word.
$node->sql(q{ALTER USER MAPPING FOR PUBLIC SERVER asaas OPTIONS (DROP client_token_file)});
fails('create_webhook', [ "'shop'", "'https://shop.test'", "'a\@b.c'", "ARRAY['X']" ],
	'28000', { message => qr/no client_token/, hint => qr/client_token_file/ },
	'a webhook without a token');

done_testing();
