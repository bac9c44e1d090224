# common.sh
#	  What the scripts of test/bin share; sourced by them, never run.
#
# Sets: top (the tree), tmp (where everything made by tests goes), prefix (the
# private PostgreSQL), PATH with the prefix's programs first, PG_CONFIG and
# MAKE.
#
# The locale is fixed, so that messages and the encoding of new clusters are
# the same everywhere, and libpq's variables are dropped, so that nothing
# here ever reaches a server of the machine.

set -euo pipefail
umask 022

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
tmp=$top/tmp
prefix=$tmp/prefix
pgxs_dir=$prefix/pgxs

export LANG=C.UTF-8
unset LANGUAGE ${!LC_@}
for name in ${!PG@}; do
	# with an underscore they are not libpq's
	[[ $name == PG_* ]] || unset "$name"
done
export PATH="$prefix/bin:$PATH"

# as in the Makefile
if [ -z "${PG_CONFIG:-}" ]; then
	PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config
	[ -x "$PG_CONFIG" ] || PG_CONFIG=pg_config
fi
export PG_CONFIG MAKE="${MAKE:-make}"

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

# The user that servers run as: ours, unless we are root.
server_user()
{
	if [ "$(id -u)" -ne 0 ]; then
		id -un
	elif id -u postgres >/dev/null 2>&1; then
		echo postgres
	else
		echo nobody
	fi
}

# server_dir DIR...: make directories that the server's user may write to.
server_dir()
{
	mkdir -p "$@"
	if [ "$(id -u)" -eq 0 ]; then
		chown -hR "$(server_user)" "$@"
	fi
}

# Root may have been here before us, and its files are not ours to replace.
check_owner()
{
	local found

	found=$(find "$top/src" "$top/sql" "$top"/test/*/build "$tmp" \
		"$top/partner_api.so" ! -type l ! -writable -print -quit \
		2>/dev/null) || true
	if [ -n "$found" ]; then
		die "cannot write to $found, which another user left here:" \
			"run \"make clean\" as root"
	fi
}
