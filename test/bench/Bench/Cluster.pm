# Cluster.pm
#	  The benchmark's own cluster, with one database that has the extension.
#
# It listens on a socket below tmp only.  Durability is as shipped: fsync and
# synchronous_commit are on.  What differs from the defaults keeps checkpoints
# out of the short intervals that are measured; @SETTINGS has all of it.

package Bench::Cluster;

use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use Time::HiRes qw(time);

our @EXPORT_OK = qw(start_cluster stop_cluster restart_cluster psql
  psql_script command conninfo reload_until_seen);

my @SETTINGS = (
	"listen_addresses = ''",
	'max_connections = 50',
	"shared_buffers = '256MB'",
	"max_wal_size = '4GB'",
	"checkpoint_timeout = '30min'",
	"shared_preload_libraries = 'partner_api'",
	"partner_api.databases = 'bench'",
	"partner_api.allowed_hosts = '127.0.0.1'");

my ($directory, $socket);

# Run a program and return what it printed.
sub command
{
	my (@command) = @_;

	open(my $output, '-|', @command) or croak "could not run $command[0]: $!";
	local $/ = undef;
	my $text = <$output> // '';
	close($output) or croak "failed: @command";
	$text =~ s{\n\z}{};
	return $text;
}

sub conninfo
{
	return "host=$socket dbname=bench";
}

# Run statements, each in a transaction of its own, and return the rows.
sub psql
{
	my (@statements) = @_;

	return command('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', conninfo(),
		map { ('-c', $_) } @statements);
}

# The same for a file, with variables.
sub psql_script
{
	my ($file, %variables) = @_;

	return command('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1',
		(map { ('-v', "$_=$variables{$_}") } sort keys %variables),
		'-d', conninfo(), '-f', $file);
}

sub pg_ctl
{
	my (@arguments) = @_;

	return system('pg_ctl', '-s', '-D', "$directory/data", '-l',
		"$directory/server.log", @arguments);
}

# Make a cluster below a directory and start it.
sub start_cluster
{
	($directory) = @_;
	# a socket's path must be short
	$socket = tempdir('partner_api_bench.XXXXXX', TMPDIR => 1, CLEANUP => 1);
	remove_tree("$directory/data");
	make_path($directory);
	command('initdb', '-D', "$directory/data", '-A', 'trust', '--no-sync',
		'--no-locale', '-E', 'UTF8');
	open(my $conf, '>>', "$directory/data/postgresql.conf") or croak $!;
	print $conf map { "$_\n" } @SETTINGS,
	  "unix_socket_directories = '$socket'";
	close($conf);
	croak "the server did not start: see $directory/server.log"
	  if pg_ctl('-w', 'start') != 0;
	command('createdb', '-h', $socket, 'bench');
	psql('CREATE EXTENSION partner_api');
	return;
}

sub stop_cluster
{
	pg_ctl('-m', 'fast', 'stop')
	  if defined $directory && -e "$directory/data/postmaster.pid";
	return;
}

# Stop the server as fast as it can be done in order, and start it again;
# returns the seconds that it took to stop.
sub restart_cluster
{
	my $start = time;

	croak 'the server did not stop' if pg_ctl('-m', 'fast', 'stop') != 0;
	my $seconds = time - $start;
	croak "the server did not start: see $directory/server.log"
	  if pg_ctl('-w', 'start') != 0;
	psql('CALL bench.wait_for_worker()');
	return $seconds;
}

# Change a setting, and wait until the worker has gone through a pass with it.
sub reload_until_seen
{
	my ($name, $value) = @_;

	psql("ALTER SYSTEM SET $name = $value");
	return psql('CALL bench.reload_until_seen()');
}

1;
