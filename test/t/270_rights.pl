# Who may configure, who may generate and cancel, who may read: three grants,
# and what each of them is refused.

use strict;
use warnings;

use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch('main', $sandbox);
my $key = $sandbox->asaas_key;
my $listener = $node->listen;
my $webhook_token = 'token-of-the-webhook';

$node->create_server(
	$sandbox,
	name => 'asaas',
	provider => 'asaas',
	client_token => $webhook_token);
$node->sql(<<"END");
REVOKE USAGE ON FOREIGN SERVER asaas FROM PUBLIC;
CREATE SERVER plain FOREIGN DATA WRAPPER partner_api
	OPTIONS (provider 'asaas');
CREATE USER MAPPING FOR PUBLIC SERVER plain
	OPTIONS (token '$key', client_token '$webhook_token');
END

# each has one role of the extension, and nothing else
my %role = (
	reads => 'partner_api_reader',
	acts => 'partner_api_operator',
	sets => 'partner_api_admin');
$node->create_role($_, $role{$_}) foreach sort keys %role;
$node->create_role('nobody');
$node->sql('GRANT USAGE ON FOREIGN SERVER asaas TO acts, sets');

# What takes which role at least; in an order in which all of it works.
my @deeds = (
	[ sets => "register_plan('asaas', 'plan', 'Plan', 990)" ],
	[ sets => "set_plan_terms('asaas', 'plan', dunning => 'cancel_instance')" ],
	[ sets => "set_message_template('paid', 'Paid {amount}', 'Thank you')" ],
	[ sets => "reset_message_template('paid')" ],
	[ acts => "register_customer('asaas', 'C', 'Ana', '12345678909',"
		  . " birth_date => (partner_api.server_day('asaas')"
		  . " - interval '28 years')::date)" ],
	[ acts => "subscribe('asaas', 'C', 'plan', subscription_id => 'S')" ],
	[ acts => "set_subscription_price('asaas', 'S', 1990)" ],
	[ acts => 'generate_invoices()' ],
	[ acts => "refresh_payments('asaas')" ],
	[ acts => "run_dunning('asaas')" ],
	[ acts => 'run_dunning()' ],
	[ acts => 'announce_birthdays()' ],
	[ acts => "unsubscribe('asaas', 'S')" ],
	[ acts => 'cancel_invoice((SELECT max(invoice_id)'
		  . ' FROM partner_api.invoices))' ],
	[ reads => "invoice_report('[2026-05-01,2026-05-31]')" ],
	[ reads => "invoice_totals('[2026-05-01,2026-05-31]')" ],
	[ reads => "payment_report('[2026-05-01,2026-05-31]')" ],
	[ reads => "payment_totals('[2026-05-01,2026-05-31]')" ],
	[ reads => "margin_report('[2026-05-01,2026-05-31]')" ],
	[ reads => 'birthdays()' ]);
my %rank = (nobody => 0, reads => 1, acts => 2, sets => 3);

foreach my $deed (@deeds)
{
	my ($least, $call) = @$deed;
	my ($name) = $call =~ /^(\w+)/;

	foreach my $role (sort { $rank{$a} <=> $rank{$b} } keys %rank)
	{
		next if $rank{$role} >= $rank{$least};
		$node->fails_with(
			"SELECT partner_api.$call",
			'42501',
			{ message => qr/permission denied/ },
			"$role must not $name()",
			role => $role);
	}
	# nothing below may depend on which of the two did it
	$node->sql("BEGIN; SELECT partner_api.$call; ROLLBACK", role => 'sets');
	$node->sql("SELECT partner_api.$call", role => $least);
	pass("$least may $name()");
	# before it is cancelled, it must have its charge
	$node->wait_until_settled if $name eq 'generate_invoices';
}
$node->wait_until_settled;

my @birthdays = $listener->heard(qr/"birthday"/) =~ /("event": "birthday")/g;

is(scalar(@birthdays), 1, 'a birthday is announced by what was committed');
is($node->sql('SELECT partner_api.announce_birthdays()'), 0, '... once');

# ---- reading ----

my @views = qw(invoices payments dunning_steps plan_terms subscriptions
  overdue_invoices open_invoices customer_balances server_days);

foreach my $view (@views)
{
	$node->sql("SELECT count(*) FROM partner_api.$view", role => 'reads');
	$node->fails_with("SELECT count(*) FROM partner_api.$view",
		'42501', {}, "nobody else reads $view", role => 'nobody');
}
foreach my $statement (
	'INSERT INTO partner_api.dunning_steps (invoice_id, step, taken_at)'
	. " VALUES (1, 'notify', now())",
	'UPDATE partner_api.invoices SET status = \'paid\'',
	'DELETE FROM partner_api.payments',
	'UPDATE partner_api.plan_terms SET dunning = \'delete_instance\'')
{
	my ($verb) = $statement =~ /^(\w+ \S+ \S+)/;

	$node->fails_with($statement, '42501', {},
		"$verb: nobody writes the tables themselves", role => 'sets');
}

# what only the extension calls
foreach my $call (
	'undo_dunning(1)', 'approve_paid_trials(1)',
	'release_signs()', "run_dunning_for('postgres', '{}')",
	"announce_birthdays_for('postgres', '{}')",
	"enqueue_for('postgres', 'zapi', 'cancel_instance', 'I1')",
	"payments_of_period('(,)', 'paid_on')",
	"provider_costs('[2026-05-01,2026-05-31]')")
{
	$node->fails_with("SELECT partner_api.$call",
		'42501', { message => qr/permission denied for function/ },
		"$call is nobody's", role => 'sets');
}

# ---- reports without the rest ----

$node->create_role('accountant');
$node->sql('GRANT USAGE ON SCHEMA partner_api TO accountant;'
	  . ' GRANT EXECUTE ON FUNCTION partner_api.invoice_report(daterange,'
	  . ' name), partner_api.margin_report(daterange) TO accountant');
is( $node->sql('SELECT customer_name FROM'
		  . " partner_api.invoice_report('[2020-01-01,)')",
		role => 'accountant'),
	'Ana',
	'a report can be granted alone');
$node->sql("SELECT partner_api.margin_report('[2026-05-01,2026-05-31]')",
	role => 'accountant');
$node->fails_with('SELECT document FROM partner_api.customers',
	'42501', {}, '... without documents and addresses of customers',
	role => 'accountant');

# ---- secrets ----

# All that a role can read of the extension, as text.
sub all_there_is
{
	my ($role) = @_;
	my @relations = split /\n/,
	  $node->sql('SELECT c.oid::regclass FROM pg_class c'
		  . " WHERE c.relnamespace IN ('partner_api'::regnamespace,"
		  . " 'pg_catalog'::regnamespace) AND c.relkind IN ('r', 'v')"
		  . " AND has_table_privilege('$role', c.oid, 'SELECT')"
		  . " AND (c.relnamespace = 'partner_api'::regnamespace"
		  . " OR c.relname ~ 'foreign|mapping|stat_activity|db_role|settings')");

	return $node->sql(
		join('; ', map { "SELECT r::text FROM $_ r" } @relations),
		role => $role);
}

foreach my $role (qw(nobody reads acts sets accountant))
{
	my $all = all_there_is($role);

	unlike($all, qr/\Q$key\E/, "$role sees no key");
	unlike($all, qr/\Q$webhook_token\E/, "$role sees no token of a webhook");
}
like(all_there_is('postgres'), qr/\Q$key\E/,
	'the owner does, where it was given as text');

done_testing;
