# PartnerApi::Invoices
#	  Invoices of a customer at the server "asaas", as generate_invoices()
#	  leaves them, without a plan and a subscription: for tests of what becomes
#	  of them.
#
#	  my $invoice = new_invoice($node, 'ana', amount_cents => 9990);
#	  $node->sql("SELECT partner_api.further_customer('asaas', 'ana')");
#	  is(wait_for_invoice($node, $invoice, 'open')->{due_on}, ...);

package PartnerApi::Invoices;

use strict;
use warnings;

use Exporter qw(import);
use Test::More;

our @EXPORT = qw(new_invoice wait_for_invoice);

my $subscriptions = 0;

# Make an invoice of today, each of a subscription of its own; returns its
# number.  It is due in so many days: due_in.
sub new_invoice
{
	my ($node, $customer_ref, %of) = @_;

	$subscriptions++;
	%of = (
		due_in => 5, amount_cents => 9990, billing_type => 'PIX',
		description => 'Gold', %of);
	return $node->sql('INSERT INTO partner_api.invoices (server,'
		  . ' subscription_id, customer_ref, plan_server, plan_id,'
		  . ' period_start, period_end, issued_on, due_on, amount_cents,'
		  . ' billing_type, description, issued_at)'
		  . " SELECT 'asaas', 's$subscriptions', '$customer_ref', 'asaas', 'p',"
		  . " d, d, d, d + $of{due_in}, $of{amount_cents},"
		  . " '$of{billing_type}', '$of{description}', partner_api.clock()"
		  . " FROM partner_api.server_day('asaas') d RETURNING invoice_id");
}

# Wait until an invoice has a status; returns its row.
sub wait_for_invoice
{
	my ($node, $invoice, $status) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$node->wait_for("SELECT status = '$status' FROM partner_api.invoices"
		  . " WHERE invoice_id = $invoice");
	return $node->row(
		"SELECT * FROM partner_api.invoices WHERE invoice_id = $invoice");
}

1;
