# Foreign tables of Asaas: customers, charges and recurrences as they are, and
# what of a query the provider is asked for.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox,
	server => { name => 'asaas', provider => 'asaas' });

$node->sql('CREATE SCHEMA live;'
	  . ' IMPORT FOREIGN SCHEMA partner_api FROM SERVER asaas INTO live');
is($node->sql("SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class"
		  . " WHERE relnamespace = 'live'::regnamespace"),
	'charges customers recurrences', 'the lists of the provider are imported');

my ($ana, $bia) = map {
	$sandbox->seed_object('asaas_customers', name => $_->[0],
		cpfCnpj => $_->[1], email => "$_->[0]+a&b\@shop.test")->{id}
} [ ana => '12345678909' ], [ bia => '52998224725' ];
my @charges = map {
	$sandbox->seed_object('asaas_payments', customer => $_->[0],
		value => $_->[1], billingType => $_->[2])->{id}
} [ $ana, 10, 'PIX' ], [ $ana, 20.5, 'BOLETO' ], [ $bia, 30, 'PIX' ];

$sandbox->pay_charge($charges[0]);

# Values of a query, and what the provider was asked for.
sub asked
{
	my ($query) = @_;
	my $values = $node->sql($query);
	my ($last) = ($sandbox->requests)[-1];

	return ($values, $last->{query} =~ s/&?(?:offset|limit)=\d+//gr);
}

is_deeply([ asked('SELECT sum(value_cents) FROM live.charges') ],
	[ 6050, '' ], 'a whole list, to the cent');
is_deeply([ asked("SELECT value_cents FROM live.charges WHERE status = 'RECEIVED'") ],
	[ 1000, 'status=RECEIVED' ], 'a status is searched for');
is_deeply([ asked("SELECT value_cents FROM live.charges WHERE customer_id = '$ana' AND billing_type = 'BOLETO'") ],
	[ 2050, "customer=$ana&billingType=BOLETO" ], 'several conditions are');
is_deeply([ asked("SELECT count(*) FROM live.charges WHERE status = 'PAID?'") ],
	[ 0, '' ], 'a word that is not documented is not');
is_deeply([ asked("SELECT count(*) FROM live.charges WHERE charge_id = '$charges[1]'") ],
	[ 1, '' ], 'nor an id: the list decides what there is');
is_deeply([ asked("SELECT name FROM live.customers WHERE email = 'bia+a&b\@shop.test'") ],
	[ 'bia', 'email=bia%2ba%26b%40shop.test' ], 'what is in a value is encoded');
like($node->sql("EXPLAIN SELECT FROM live.charges WHERE status = 'OVERDUE'"),
	qr/Provider List: charges\n\s*Provider Filter: .*status/,
	'EXPLAIN shows what the provider is asked for');
is($node->sql('SELECT count(*) FROM live.recurrences'), 0, 'no recurrences');

done_testing();
