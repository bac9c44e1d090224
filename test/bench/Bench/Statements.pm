# Statements.pm
#	  The worker's own SQL, to be run without any request.
#
# To say what writing costs, the benchmark must write what the worker writes.
# A copy of the statements would drift from the C files, so they are taken
# from the library itself, where each is one constant, and wrapped into
# functions; recording.sql puts these together.  A statement that is not found
# exactly once ends the benchmark: then the C code has changed, and what is
# here must follow.

package Bench::Statements;

use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);

our @EXPORT_OK = qw(wrap_statements);

# Rows of the statement that the caller goes on with.
my $CLAIMED = 'FOR taken IN %s LOOP
	claimed_id := taken.action_id;
	claimed_lease := taken.lease;
	RETURN NEXT;
END LOOP';
my $SETTLED = 'FOR taken IN %s LOOP
	settled_event := taken.event_id;
	IF settled_event IS NOT NULL THEN RETURN NEXT; END IF;
END LOOP';

# Name, how the statement looks, arguments, what the function returns, body.
my @functions = (
	[   'claim',
		qr/\AWITH due AS .*p\.deadline IS NULL AND.*RETURNING p\.\*/,
		'name, timestamptz, integer, timestamptz, text[], name[], boolean,
		timestamptz, bigint',
		'TABLE (claimed_id bigint, claimed_lease bigint)',
		$CLAIMED ],
	[   'settle',
		qr/\AWITH v AS /,
		'bigint[], bigint[], integer[], integer[], text[], text[], integer[],
		integer[], timestamptz[], timestamptz[], text[], text[],
		timestamptz[], text[], text[], text[], text[], text[], text[],
		timestamptz',
		'TABLE (settled_event bigint)',
		$SETTLED ],
	[   'create_rows', qr/\AINSERT INTO partner_api\.instances AS i /,
		'bigint[]', 'void', '%s' ],);

# The text constants of a library.
sub constants
{
	my ($library) = @_;

	open(my $file, '<:raw', $library) or croak "could not open $library: $!";
	local $/ = undef;
	return grep { length > 30 } split(/\0/, <$file>);
}

# SQL that makes a function of each statement in the schema "bench".
sub wrap_statements
{
	my ($library) = @_;
	my @constants = constants($library);
	my $sql = '';

	foreach my $function (@functions)
	{
		my ($name, $pattern, $arguments, $returns, $body) = @$function;
		my @found = grep { $_ =~ $pattern } @constants;

		croak "the statement for \"$name\" was found "
		  . scalar(@found)
		  . ' times in the library'
		  if @found != 1;
		$body = sprintf($body, $found[0]);
		$sql .= "CREATE FUNCTION bench.$name($arguments) RETURNS $returns "
		  . "LANGUAGE plpgsql AS \$body\$ DECLARE taken record; BEGIN\n"
		  . "$body;\nEND \$body\$;\n";
	}
	return $sql;
}

1;
