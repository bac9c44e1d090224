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

done_testing();
