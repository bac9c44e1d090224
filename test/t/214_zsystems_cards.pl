# The data of a card is never at rest: it goes from the call to the one
# request that carries it and is in no file of the cluster, no log, no view of
# sessions and statements, no table, no error, and after the request not even
# in the worker's memory; whatever becomes of the request.

use strict;
use warnings;

use JSON::PP;
use PartnerApi::Cluster;
use PartnerApi::Sandbox;
use PostgreSQL::Test::Utils;
use Test::More;

my $sandbox = PartnerApi::Sandbox->new;
my $node = PartnerApi::Cluster->launch(
	'main', $sandbox,
	server => {
		name => 'zs', provider => 'zsystems', circuit_failures => 0,
		list_lag => '0' },
	conf => <<'CONF');
shared_preload_libraries = 'partner_api, pg_stat_statements'
log_statement = all
log_min_messages = debug1
log_error_verbosity = verbose
log_min_duration_statement = 0
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
pg_stat_statements.track = all
restart_after_crash = on
CONF

$node->sql('CREATE EXTENSION pg_stat_statements');

my $NAME = 'HOLDER OF A CARD';
my $SECURITY_CODE = '8642';

# Numbers that are valid and unlike any other text.
my @numbers = map { with_check_digit("411122${_}3344556") } 10 .. 40;
my @used;

# A number with the digit that makes it valid.
sub with_check_digit
{
	my ($digits) = @_;
	my $sum = 0;
	my $place = 0;

	foreach my $digit (reverse split //, $digits)
	{
		my $value = $digit * ($place++ % 2 ? 1 : 2);

		$sum += $value > 9 ? $value - 9 : $value;
	}
	return $digits . (10 - $sum % 10) % 10;
}

# A number as people write it.
sub grouped
{
	my ($number, $between) = @_;

	return join $between, unpack '(A4)*', $number;
}

# A card that no other has; SQL that reads it from a file, so that the
# statement does not tell it.
sub card
{
	my (%more) = @_;
	my $number = $more{number} // shift @numbers;

	push @used, $number;
	my $file = $node->secret_file("card." . @used,
		encode_json({
			holder => $NAME, number => $number,
			security_code => $SECURITY_CODE, valid_until => '12/2099' }));

	return "pg_read_file('$file')::jsonb";
}

my $plan = $node->sql('SELECT plan_id FROM partner_api.create_plan('
	  . "'zs', name => 'p', description => 'p', amount_cents => 100,"
	  . " frequency => 'monthly', payment_methods => 'credit_card')");
my $client = $node->sql('SELECT client_id FROM partner_api.create_client('
	  . "'zs', name => 'A', document => '12345678909')");

# The calls that carry a card, in SQL.
my %calls = (
	store_card => sub { "partner_api.store_card('zs', '$client', $_[0])" },
	create_subscription => sub {
		"partner_api.create_subscription('zs', plan_id => '$plan',"
		  . q( client => '{"name": "A", "document": "12345678909", "email": "a@shop.test", "birth_date": "1990-01-02"}',)
		  . q( address => '{"street": "R", "number": "1", "district": "D", "postal_code": "01001000", "city": "C", "state": "SP"}',)
		  . " card => $_[0])" });

# What a done call is answered with by a provider that repeats the card.
my %repeated = (
	store_card => sub {
		{ success => JSON::PP::true, cartaoId => {
			id => 31, ultimos_digitos => $_[0],
			titular => { numero => $_[0], cvv2 => $SECURITY_CODE } } } },
	create_subscription => sub {
		{ success => JSON::PP::true, data => {
			id => 90, pagamento => { numero => 0 + $_[0], cvc => $SECURITY_CODE },
			observacao => 'card ' . grouped($_[0], '-') } } });

my @shown;    # [where, text]

sub show
{
	push @shown, [@_];
	return;
}

# What anybody could look at, now.
sub look
{
	my ($when) = @_;

	show("sessions $when",
		$node->sql("SELECT string_agg(a::text, ' ') FROM pg_stat_activity a"));
	foreach my $table ($node->rows('SELECT oid::regclass::text AS name'
		  . " FROM pg_class WHERE relnamespace = 'partner_api'::regnamespace"
		  . " AND relkind IN ('r', 'v')"))
	{
		show("$table->{name} $when", $node->sql("SELECT * FROM $table->{name}"));
	}
	show("statements $when",
		$node->sql('SELECT query FROM pg_stat_statements'));
	return;
}

# Run a call; what it returns or raises is shown too.
sub call
{
	my ($function, $card) = @_;
	my ($out, $err);

	$node->psql('postgres',
		"\\set VERBOSITY verbose\nSELECT * FROM " . $calls{$function}->($card),
		stdout => \$out, stderr => \$err, on_error_stop => 0);
	show("output of $function", $out);
	show("errors of $function", $err);
	return ($out, $err);
}

# Does a process have a text in its memory?  undef if we may not look.
sub memory_has
{
	my ($pid, @texts) = @_;
	my $found = 0;

	open my $maps, '<', "/proc/$pid/maps" or return;
	open my $memory, '<:raw', "/proc/$pid/mem" or return;
	while (my $line = <$maps>)
	{
		my ($from, $to) = $line =~ /^(\w+)-(\w+) rw/ or next;
		my ($start, $size) = (hex $from, hex($to) - hex($from));
		my $bytes;

		sysseek $memory, $start, 0 or next;
		next unless sysread $memory, $bytes, $size;
		$found += grep { index($bytes, $_) >= 0 } @texts;
	}
	return $found;
}

# ---- whatever becomes of the request ----

foreach my $function (sort keys %calls)
{
	my $effects = $sandbox->effects($function);
	my ($out) = call($function, card());

	like($out, qr/\S/, "$function is done");
	is($sandbox->effects($function), $effects + 1, '... once');

	# the provider repeats what it was sent
	my $card = card();

	$sandbox->fault(operation => $function, type => 'status', status => 400,
		body => { success => JSON::PP::false,
			error => "card $used[-1] $SECURITY_CODE refused" });
	my (undef, $err) = call($function, $card);

	like($err, qr/38000/, '... refused');
	$card = card();
	$sandbox->fault(operation => $function, type => 'status', status => 400,
		body => { success => JSON::PP::false,
			error => 'no ' . grouped($used[-1], ' ') });
	(undef, $err) = call($function, $card);
	like($err, qr/no \*{4} \*{4} \*{4} \d{4}/, '... in its own words');

	# also with a yes
	$card = card();
	$sandbox->fault(operation => $function, type => 'status', status => 200,
		body => $repeated{$function}->($used[-1]));
	($out) = call($function, $card);
	like($out, qr/zs\|/, '... done');

	# nothing had arrived: it is not sent again, as it is gone
	foreach my $type (qw(reset_before reset_after truncate))
	{
		my $requests = $sandbox->counters($function)->{requests};

		$sandbox->fault(operation => $function, type => $type);
		call($function, card());
		$node->set_clock($sandbox,
			"partner_api.clock() + interval '10 min'");
		$node->drive_pass;
		is($sandbox->counters($function)->{requests}, $requests + 1,
			"... $type: one request");
	}

	# while it is on its way, and its worker ends
	my $requests = $sandbox->counters($function)->{requests};

	$sandbox->fault(operation => $function, type => 'withhold');
	my $session = $node->start_sql('SELECT * FROM '
		  . $calls{$function}->(card()));

	$sandbox->wait_for_requests($function, $requests + 1);
	look("while $function is open");
	my $worker = $node->wait_for_worker;

	$node->sql("SELECT pg_terminate_backend($worker)");
	show("errors of a lost $function", $session->error->{text});
	$node->wait_for("SELECT count(*) = 1 FROM partner_api.worker_status"
		  . " WHERE pid <> $worker");
	$sandbox->release;
	$node->set_clock($sandbox, "partner_api.clock() + interval '10 min'");
	$node->drive_pass;
	is($sandbox->counters($function)->{requests}, $requests + 1,
		'... nor is it sent by the next worker');

	# a call that nobody waits for has no place to keep a card
	$node->fails_with("SELECT partner_api.enqueue_$function()", '42883', {},
		'... and it cannot be enqueued');
}

foreach my $path ('{cartao}', '{card}', '{cliente, cartao, numero}')
{
	my $changes = "jsonb_set('{\"cliente\": {\"cartao\": {}}}', '$path',"
	  . ' to_jsonb(' . card() . "->>'number'))";

	$changes = "jsonb_build_object('a', $changes)" if $path =~ /cliente/;
	$node->fails_with(
		"SELECT partner_api.enqueue_change_subscription('zs', '1', $changes)",
		'22023', { message => qr/"changes" must be without a card/ },
		"$path is no change of a subscription");
}

# ---- bad cards are refused without a word of them ----

foreach my $bad (
	{ number => '4111111111111112' }, { security_code => 'x' },
	{ valid_until => '12/2001' }, { holder => '' })
{
	my %card = (
		holder => $NAME, number => $numbers[0],
		security_code => $SECURITY_CODE, valid_until => '12/2099', %$bad);
	my $file = $node->secret_file('card.bad', encode_json(\%card));
	my (undef, $err) = call('store_card', "pg_read_file('$file')::jsonb");

	like($err, qr/ERROR:  22/, 'refused: ' . join ' ', %$bad);
	push @used, $card{number};
}

# ---- where the card is not ----

look('afterwards');
my $mine = memory_has($$, $used[0]);
my $in_worker = memory_has($node->wait_for_worker, @used);

SKIP:
{
	skip 'the memory of other processes cannot be read', 1
	  unless defined $in_worker && $mine;
	is($in_worker, 0, 'no number is in the memory of the worker');
}
my ($dump) = run_command([ 'pg_dump', '-d', $node->connstr('postgres') ]);

show('dump', $dump);
$node->sql('CHECKPOINT');
$node->stop;
show('server log', slurp_file($node->logfile));

my @files = split /\n/, (run_command([ 'find', $node->data_dir, '-type', 'f' ]))[0];

show($_, slurp_file($_)) foreach @files;
cmp_ok(scalar @files, '>', 900, 'there are files to look through');
foreach my $text (@used, (map { grouped($used[$_], ' '), grouped($used[$_], '-') } 0 .. $#used),
	$NAME, qq("$SECURITY_CODE"))
{
	my @found = map { $_->[0] } grep { index($_->[1], $text) >= 0 } @shown;

	is_deeply(\@found, [], 'not there: ' . substr($text, -6));
}
ok((grep { $_->[0] eq 'dump' && $_->[1] =~ /\b\Q$client\E\b/ } @shown),
	'what was looked through is what it is said to be');
done_testing();
