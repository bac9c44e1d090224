/*
 * Servers whose whole list the worker has to read before it sends anything to
 * them: this database may lack the last commits of the one that it was made
 * from.  Not dumped: a restored dump asks for its own.
 */
CREATE TABLE server_surveys (
	server		name		PRIMARY KEY,
	wanted_at	timestamptz	NOT NULL,
	known_until	timestamptz	NOT NULL,
	listed_at	timestamptz,
	finished_at	timestamptz,
	last_error	text
);
COMMENT ON TABLE server_surveys IS
'servers whose whole list is read, since the identity of the installation changed or a look saw more than is recorded';
COMMENT ON COLUMN server_surveys.server IS
'foreign server';
COMMENT ON COLUMN server_surveys.wanted_at IS
'when that was, by clock()';
COMMENT ON COLUMN server_surveys.known_until IS
'what was made at the provider before is known here: of a long list that can be searched, what was made later is read';
COMMENT ON COLUMN server_surveys.listed_at IS
'when a whole list was first taken in; until then nothing is sent; set at once if only a look asked for it';
COMMENT ON COLUMN server_surveys.finished_at IS
'when one was taken in that began list_lag later, so that the last instances of before are in it';
COMMENT ON COLUMN server_surveys.last_error IS
'why the list could not be read';
