# The documents: every SQL example runs, in the order in which a reader meets
# it, against a cluster that is set up as the README says; and
# doc/reference.md names everything that the extension has.
#
# Only what a test cannot have is replaced: the provider's host by that of a
# sandbox, the token files by our own.  An example after the comment
# "not run: REASON" is passed over.

use strict;
use warnings;

use File::Glob qw(bsd_glob);
use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $DATABASE = 'shop';
my @DOCUMENTS = ('README.md', 'doc/reference.md');

# Errors that no caller can cause, or that are no errors.
my %NOT_FOR_CALLERS = map { $_ => 1 }
  qw(admin_shutdown data_corrupted fdw_invalid_string_format internal_error
  lock_not_available out_of_memory successful_completion warning);

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->new('readme');
my %token_files = (
	'/etc/partner_api/zapi.token' =>
	  $node->secret_file('token', "$PartnerApi::Sandbox::TOKEN\n"),
	'/etc/partner_api/zapi.client_token' => $node->secret_file(
		'client_token', "$PartnerApi::Sandbox::CLIENT_TOKEN\n"),
	'/etc/partner_api/greenapi.token' =>
	  $node->secret_file('greenapi.token', "$PartnerApi::Sandbox::TOKEN\n"),
	'/etc/partner_api/zsystems.token' =>
	  $node->secret_file('zsystems.token', "$PartnerApi::Sandbox::TOKEN\n"),
	'/etc/partner_api/asaas.key' =>
	  $node->secret_file('asaas.key', $sandbox->asaas_key . "\n"),
	'/etc/partner_api/asaas.webhook' =>
	  $node->secret_file('webhook_token', "token-of-the-webhook\n"));
my %text = map { $_ => slurp_file("$ENV{PARTNER_API_TREE}/$_") }
  (@DOCUMENTS, 'doc/invoicing.md');

# Output of SQL that must succeed, in the database of the examples.
sub sql
{
	my ($sql) = @_;

	return $node->sql($sql, database => $DATABASE);
}

# ---- examples ----

# The SQL examples of a document: [line, text].
sub examples
{
	my ($document) = @_;
	my @examples;

	while ($text{$document} =~
		/^(<!-- not run: [^\n]+ -->\n)?```sql\n(.*?)^```$/gms)
	{
		my ($skipped, $example, $end) = ($1, $2, $+[0]);
		my $line = 1 + (substr($text{$document}, 0, $-[2]) =~ tr/\n//);

		push @examples, [ $line, $example ] unless $skipped;
	}
	return @examples;
}

# An example as the test can run it.
sub runnable
{
	my ($example) = @_;
	my $url = $sandbox->url;

	$example =~ s/\(provider 'asaas'\)/(provider 'asaas', base_url '$url\/v3')/;
	$example =~ s/\(provider '(\w+)'\)/(provider '$1', base_url '$url')/;
	$example =~ s/(provider 'greenapi')/$1, instance_base_url '$url'/;
	$example =~ s/'(\/etc\/partner_api\/[\w.]+)'/'$token_files{$1}'/g;
	return $example;
}

# Wait until the worker has nothing left to do now.
sub wait_until_idle
{
	$node->wait_for_worker($DATABASE);
	$node->wait_for(
		"SELECT NOT EXISTS (SELECT FROM partner_api.pending_actions
		  WHERE state IN ('sending', 'unknown')
		     OR state = 'waiting' AND run_at <= partner_api.clock())",
		database => $DATABASE);
	return;
}

# Run the examples of a document; returns what each wrote.
sub run_examples
{
	my ($document) = @_;
	my @written;

	foreach my $example (examples($document))
	{
		my ($line, $text) = @$example;
		my ($status, $out, $err) =
		  $node->psql($DATABASE, runnable($text), on_error_stop => 1);

		is($status, 0, "$document, line $line runs") or diag($err);
		push @written, $out;
		wait_until_idle();
	}
	return @written;
}

$node->init(conf => "partner_api.databases = '$DATABASE'");
$node->start;
$node->safe_psql('postgres', "CREATE DATABASE $DATABASE");

my @written = run_examples('README.md');

like($written[0], qr/^t\|200\|/m, 'quick start: the connection is tested');
like($written[1], qr/^\w+\|trial\|.*^sign_instance\|held\|approval\|/ms,
	'quick start: a trial and its sign action');
is( sql(q{SELECT name, status, customer_ref FROM partner_api.instances
		  WHERE server = 'zapi' AND customer_ref IS NOT NULL
		  ORDER BY customer_ref}),
	"Padaria Sol|trial|1\nFarmacia Lua|cancelling|2\n"
	  . "Oficina Mar|trial|3\nLivraria Rio|trial|4",
	'tasks: what became of the customers');
is( sql(q{SELECT customer_ref, state FROM partner_api.pending_actions
		  WHERE server = 'zapi' AND customer_ref IS NOT NULL
		  ORDER BY customer_ref}),
	"1|waiting\n4|held",
	'tasks: one trial is approved, one left to lapse, one asks');
is( sql(q{SELECT server, customer_ref, amount_cents
		  FROM partner_api.billing_lines ORDER BY server}),
	"green|78|\nzapi|2|4990",
	'tasks: the bills have a line each, one of them without a price');
is( sql(q{SELECT i.customer_ref, i.status, p.status, p.value_cents
		  FROM partner_api.invoices i JOIN partner_api.payments p
		  USING (server, charge_id)}),
	'4|open|PENDING|9900',
	'tasks: a customer is invoiced and charged');
is($sandbox->names_created_twice, 0, 'no instance was created twice');

run_examples('doc/reference.md');

# What that page takes for granted.
sql('CREATE ROLE accountant; DELETE FROM partner_api.routines');
run_examples('doc/invoicing.md');
is( sql(q{SELECT i.customer_ref, s.subscription_id = 'shop-1-second',
		  i.amount_cents, i.status
		  FROM partner_api.invoices i
		  JOIN partner_api.subscriptions s USING (server, subscription_id)
		  WHERE i.server = 'asaas' AND i.customer_ref = '1'}),
	'1|f|14900|open',
	'invoicing: a customer is invoiced for the subscription that has begun');

# ---- the reference names everything ----

# Section of the reference under a heading of the third level, or nothing; an
# operation has one section for both its forms.
sub section
{
	my ($name) = @_;

	$name =~ s/^enqueue_//;
	return $text{'doc/reference.md'} =~
	  /^### \Q$name\E(?:\(\))?\n(.*?)(?=^##|\z)/ms ? $1 : undef;
}

# Does the README have a heading for a setting?
sub section_of_readme
{
	my ($setting) = @_;

	return $text{'README.md'} =~ /^### \Q$setting\E$/m;
}

# Is there a row for it in the table of internal functions?
sub is_internal
{
	my ($name) = @_;

	return $text{'doc/reference.md'} =~ /^\| `\Q$name\E\(.*?\)` \|/m;
}

# What a description lacks: each name must stand in it as a word.
sub lacking
{
	my ($what, $description, @names) = @_;

	return $what unless defined $description;
	return map { "$what: $_" } grep { $description !~ /\b\Q$_\E\b/ } @names;
}

# What the description of a function lacks.  What an internal one takes and
# returns is nobody's business; another may return what a third one does.
sub undescribed
{
	my ($name, @names) = @_;
	my $section = section($name);

	return () if is_internal($name);
	@names = () if ($section // '') =~ /the columns of/;
	return lacking($name, $section, $name, @names);
}

# Rows of a query on the members of the extension, their names in an array.
sub members
{
	my ($catalog, $name, $parts) = @_;
	my $rows = sql(
		"SELECT o.$name, coalesce(($parts), '') FROM $catalog o
		  JOIN pg_depend d ON d.objid = o.oid
		   AND d.classid = '$catalog'::regclass AND d.deptype = 'e'
		  JOIN pg_extension e ON e.oid = d.refobjid
		   AND d.refclassid = 'pg_extension'::regclass
		 WHERE e.extname = 'partner_api' ORDER BY 1");

	return map { [ split /[|,]/ ] } split /\n/, $rows;
}

# Test that a list of shortcomings is empty.
sub nothing_lacks
{
	my ($name, @lacking) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(join(', ', @lacking), '', $name);
	return;
}

# Valid options as the validator's hint lists them.
sub valid_options
{
	my ($statement) = @_;
	my $error =
	  $node->error("$statement OPTIONS (no_option 'x')", database => $DATABASE);

	die "no hint: $error->{text}"
	  unless ($error->{hint} // '') =~ /: (.*)\.$/;
	return split /, /, $1;
}

my @functions = members('pg_proc', 'proname',
	"SELECT string_agg(a, ',') FROM unnest(o.proargnames) a");
my @relations = members('pg_class', 'relname',
	"SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute"
	  . " WHERE attrelid = o.oid AND attnum > 0 AND NOT attisdropped"
	  . " AND o.relkind <> 'S'");
my $reference = $text{'doc/reference.md'};

cmp_ok(scalar(@functions), '>', 20, 'the extension has functions');
nothing_lacks(
	'every function is described, with its arguments and columns',
	map { undescribed(@$_) } @functions);
nothing_lacks(
	'every table and view is described, with its columns',
	map {
		my ($name, @columns) = @$_;

		@columns
		  ? lacking($name, section($name), @columns)
		  : lacking($name, $reference, $name);
	} @relations);

my %exists = map { $_->[0] => 1 } @functions, @relations;

nothing_lacks('nothing is described that does not exist',
	grep { !$exists{$_} && !$exists{"enqueue_$_"} }
	  $reference =~ /^### ([a-z_]+)(?:\(\))?$/mg);
nothing_lacks(
	'every setting is described, in the README under a heading of its own',
	map {
		(lacking($_, $reference, $_), section_of_readme($_) ? () : $_)
	} split /\n/,
	sql(q{SELECT name FROM pg_settings WHERE name LIKE 'partner_api.%'}));
nothing_lacks(
	'every option is described in both',
	map {
		my $option = $_;

		map { $text{$_} =~ /^\| `$option` \|/m ? () : "$_: $option" }
		  @DOCUMENTS;
	  } valid_options(
		'CREATE SERVER none FOREIGN DATA WRAPPER partner_api'),
	valid_options('CREATE USER MAPPING FOR CURRENT_USER SERVER zapi'));
nothing_lacks(
	'every role and backend type is described',
	lacking(
		'reference',
		$reference,
		split /\n/,
		sql(q{SELECT rolname FROM pg_roles WHERE rolname LIKE 'partner_api%'
			  UNION
			  SELECT backend_type FROM pg_stat_activity
			  WHERE backend_type LIKE 'partner_api%'})));

# Names of the errors that the sources raise.
sub raised_errors
{
	my %raised;

	foreach my $file (bsd_glob("$ENV{PARTNER_API_TREE}/{src/*.c,src/*/*.c}"))
	{
		my $code = slurp_file($file);

		$raised{ lc $1 } = 1 while $code =~ /\bERRCODE_(\w+)/g;
	}
	foreach my $file (bsd_glob("$ENV{PARTNER_API_TREE}/sql/parts/*.sql"))
	{
		my $code = slurp_file($file);

		$raised{$1} = 1 while $code =~ /\bERRCODE = '(\w+)'/g;
	}
	return sort keys %raised;
}

nothing_lacks('every error is described',
	lacking('error', $reference,
		grep { !$NOT_FOR_CALLERS{$_} } raised_errors()));

# Names of the events that the sources announce.
sub announced_events
{
	my %announced;

	foreach my $file (
		bsd_glob("$ENV{PARTNER_API_TREE}/{src/*.c,sql/parts/*.sql}"))
	{
		my $code = slurp_file($file);

		$announced{$1} = 1
		  while $code =~ /\b(?:partner_api_)?announce\((?:\w+,)?\s*["'](\w+)/g;
		$announced{$1} = 1
		  while $code =~ /(?:'event',|notify_payment\()\s*'(\w+)'/g;
		$announced{$1} = 1
		  while $code =~ /(?:THEN|ELSE)\s+'((?:dunning|payment|charge)_\w+)'/g;
	}
	return sort keys %announced;
}

my ($notifications) = $reference =~ /^## Notifications\n(.*?)^## /ms;

my @events = announced_events();

cmp_ok(scalar(@events), '>', 20, 'events are announced');
nothing_lacks('every event is described',
	grep { $notifications !~ /^\| `\Q$_\E` \|/m } @events);

$node->stop;
done_testing();
