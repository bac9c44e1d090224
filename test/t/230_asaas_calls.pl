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

	return scalar grep { $_->{operation} eq $operation } @{ $sandbox->requests };
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

done_testing();
