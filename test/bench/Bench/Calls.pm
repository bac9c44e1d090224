# Calls.pm
#	  What a session waits for: calls that change something, reads, and the
#	  enqueueing itself.

package Bench::Calls;

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(dirname);
use Time::HiRes qw(time);

use lib dirname(__FILE__) . '/..';
use Bench::Cluster qw(command conninfo psql reload_until_seen);
use Bench::Drain qw(fill_queue);
use Bench::Report qw(note percentile row section);
use Bench::Sandbox;

our @EXPORT_OK = qw(pgbench_rate);

# The most that an enqueue late in a session may take of one in a new session.
my $AS_FAST = 1.25;

# Transactions a second of a script.
sub pgbench_rate
{
	my ($bench, $script, $sessions, $count) = @_;
	my $output = command(
		'pgbench', '-n', '-M', 'prepared', '-c', $sessions,
		'-t', int($count / $sessions),
		'-f', "$bench->{top}/test/bench/$script", conninfo());

	my ($rate) = $output =~ /^tps = ([\d.]+)/m
	  or die "pgbench: $output\n";
	return $rate;
}

# ---- create_instance() that is waited for ----

sub measure_calls
{
	my ($bench) = @_;
	my $count = $bench->{full} ? 20_000 : 2_000;

	section('create_instance() called and waited for');
	fill_queue($bench, $count);
	my $limit = pgbench_rate($bench, 'record_one.sql', 1, $count);
	psql('SELECT bench.reset()');
	reload_until_seen('partner_api.enabled', 'on');
	psql(q{ALTER SERVER bench OPTIONS (ADD max_concurrency '33')});
	foreach my $case ([ 1, 60 ], [ 16, 200 ])
	{
		my ($sessions, $target) = @$case;
		my $rate =
		  pgbench_rate($bench, 'create_instance.sql', $sessions, $count);
		my $share = 100 * $rate / $limit;

		row($sessions == 1 ? '1 session' : "$sessions sessions",
			sprintf('%.0f/s, %.0f %%', $rate, $share),
			"$target %", $share >= $target);
	}
	row('  claim and record one by one', sprintf('%.0f/s', $limit));
	psql('ALTER SERVER bench OPTIONS (DROP max_concurrency)');
	return;
}

# ---- reads ----

# Status calls a second from one session.
sub read_rate
{
	my ($server, $count) = @_;
	my $instance = psql(
		"SELECT instance_id FROM partner_api.create_instance('$server', 'read')"
	);

	return psql("SELECT bench.read_rate('$server', '$instance', $count)");
}

# Another sandbox, that speaks TLS; undefined where no certificate is to be had.
sub start_tls_sandbox
{
	my ($bench) = @_;
	my ($key, $certificate) = map { "$bench->{directory}/$_.pem" } qw(key cert);
	my @openssl = (
		'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
		'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj',
		'/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1',
		'-keyout', $key, '-out', $certificate);

	return unless eval { command('sh', '-c', 'exec "$@" 2>&1', 'sh', @openssl); 1 };
	my $sandbox = Bench::Sandbox->start($bench->{top}, '--tls-cert',
		$certificate, '--tls-key', $key);
	my $url = $sandbox->url;
	psql(qq{CREATE SERVER bench_tls FOREIGN DATA WRAPPER partner_api OPTIONS
		(provider 'zapi', base_url '$url', ca_file '$certificate')});
	psql(qq{CREATE USER MAPPING FOR PUBLIC SERVER bench_tls OPTIONS
		(token_file '$bench->{directory}/token',
		 client_token 'sandbox-client-token')});
	return $sandbox;
}

# Milliseconds of a query, the median of a few.
sub query_ms
{
	my ($query) = @_;
	my @times;

	foreach (1 .. 3)
	{
		my $started = time;

		psql($query);
		push @times, 1000 * (time - $started);
	}
	return percentile(0.5, @times);
}

# A long list, by the function and by a foreign table; and the top of it.
sub measure_lists
{
	my ($bench) = @_;
	my $count = $bench->{full} ? 100_000 : 20_000;
	my $pages = sub {
		return $bench->{sandbox}->control('counters?names=false')
		  ->{operations}{list_instances}{requests};
	};

	$bench->{sandbox}->control('instances',
		{ count => $count, prefix => 'listed-', state => 'signed' });
	psql("CREATE SCHEMA live; IMPORT FOREIGN SCHEMA partner_api"
		  . ' FROM SERVER bench INTO live');
	my $function =
	  query_ms("SELECT count(*) FROM partner_api.remote_instances('bench')");
	my $table = query_ms('SELECT count(*) FROM live.instances');
	my $before = $pages->();
	my $top = query_ms('SELECT name FROM live.instances LIMIT 10');

	row("list of $count, foreign table",
		sprintf('%.0f ms', $table),
		sprintf('%.0f ms (remote_instances)', $function),
		$table <= $function);
	row('  LIMIT 10 of it', sprintf('%.0f ms', $top));
	row('  its requests', ($pages->() - $before) / 3, 1,
		$pages->() - $before == 3);
	psql('SET client_min_messages = warning; DROP SCHEMA live CASCADE');
	$bench->{sandbox}->reset;
	return;
}

sub measure_reads
{
	my ($bench) = @_;
	my $count = $bench->{full} ? 100_000 : 20_000;

	section('Reads from one session, connection kept');
	$bench->{sandbox}->reset;
	psql('SELECT bench.reset()');
	reload_until_seen('partner_api.enabled', 'on');
	my $plain = read_rate('bench', $count);
	row('plain', sprintf('%.0f/s', $plain), '7,000/s', $plain >= 7000);
	measure_lists($bench);
	my $sandbox = start_tls_sandbox($bench);
	if (!$sandbox)
	{
		note('TLS: not measured, since openssl is not installed');
		return;
	}
	my $tls = read_rate('bench_tls', $count);
	row('TLS', sprintf('%.0f/s', $tls), '6,500/s', $tls >= 6500);
	$sandbox->stop;
	return;
}

# ---- enqueueing ----

sub measure_trigger
{
	my ($bench) = @_;
	my $count = 10_000;
	my (@plain, @triggered);

	foreach (1 .. ($bench->{full} ? 9 : 3))
	{
		psql('SELECT bench.reset()');
		push @plain, psql("SELECT bench.insert_us('plain', $count)");
		push @triggered, psql("SELECT bench.insert_us('triggered', $count)");
	}
	my $more = percentile(0.5, @triggered) - percentile(0.5, @plain);
	my $found = psql('SELECT count(*) FROM partner_api.pending_actions');
	row("$count rows in one statement",
		sprintf('%.1f us a row more', $more),
		'50 us', $more <= 50);
	row('  of these enqueued', $found, $count, $found == $count);
	return;
}

# Microseconds of the first and of the last enqueues of a session.
sub enqueue_alone
{
	my ($count, $few) = @_;

	return split /\|/,
	  psql("CALL bench.enqueue_alone($count, $few, NULL, NULL)");
}

sub measure_enqueue
{
	my ($bench) = @_;
	my ($count, $few) = (100_000, 10_000);

	section('Enqueue in a trigger');
	$bench->{sandbox}->reset;
	reload_until_seen('partner_api.enabled', 'off');
	measure_trigger($bench);
	psql('SELECT bench.reset()');
	my ($first, $last) = enqueue_alone($count, $few);
	my ($fresh) = enqueue_alone($few, $few);
	row("last $few of $count in a session",
		sprintf('%.0f us, new session %.0f us', $last, $fresh),
		'as fast as the first', $last <= $AS_FAST * $fresh);
	row('  its first, while the tables were small',
		sprintf('%.0f us', $first));
	psql('SELECT bench.reset()');
	reload_until_seen('partner_api.enabled', 'on');
	return;
}

1;
