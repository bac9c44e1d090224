# regress.sh
#	  What run-regress and run-isolation share; sourced by them.
#
# Both drivers come from PostgreSQL and make their own server: data below
# tmp/tests, a socket in a directory of its own below /tmp, no TCP port.

. "$(dirname "$0")/common.sh"

# start_output NAME: an empty directory for the results
start_output()
{
	check_owner
	output=$tmp/tests/$1
	rm -rf "$output"
	server_dir "$tmp/tests" "$output"
}

# run_in_temp_instance DRIVER ARG...
run_in_temp_instance()
{
	local driver=$1 status=0

	shift
	cat >"$output/server.conf" <<-END
	fsync = off
	log_line_prefix = '%m [%p] %q%a '
	max_prepared_transactions = 4
	END
	cd "$output"
	"$top/test/bin/as-server-user" "$pgxs_dir/src/test/$driver" \
		--outputdir="$output" --bindir="$prefix/bin" \
		--temp-instance="$output/instance" \
		--temp-config="$output/server.conf" \
		--encoding=UTF8 --no-locale "$@" || status=$?
	for diffs in "$output/regression.diffs" "$output"/*/regression.diffs; do
		if [ -s "$diffs" ]; then
			head -n 200 "$diffs"
		fi
	done
	return $status
}
