# demo.sh
#	  What the scripts of test/demo share; sourced by them, never run.
#
# Everything that a demo writes is in tmp/demo, except the server's socket:
# the path of a socket is short by law, that of a tree is not, so it lies in
# a directory of its own below /tmp.
#
# Sets what common.sh sets, and the places below.

. "$(dirname "${BASH_SOURCE[0]}")/../bin/common.sh"

demo=$tmp/demo
data=$demo/data
server_log=$demo/server.log
sandbox_home=$demo/sandbox
sandbox_port=$demo/sandbox.port
sandbox_pid=$demo/sandbox.pid
socket_note=$demo/socket.dir

# Two scripts that start or stop the demo of one tree take turns.
take_turn()
{
	check_owner
	mkdir -p "$tmp"
	exec 9>"$tmp/demo.lock"
	flock 9
}

# wait_until SECONDS COMMAND [ARG...]: succeed as soon as the command does,
# fail when it has not done so in time.
wait_until()
{
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
}

# Is that process the one that we started?  It is at home in its directory;
# its number alone may be somebody else's by now.
is_ours()
{
	[ "$(readlink "/proc/$1/cwd")" = "$2" ]
}

is_gone()
{
	! is_ours "$@"
}

# stop_process SIGNAL PID-FILE HOME: end a process of ours, if it still runs.
stop_process()
{
	local pid

	read -r pid 2>/dev/null <"$2" || return 0
	if is_ours "$pid" "$3"; then
		kill -s "$1" "$pid"
		wait_until 30 is_gone "$pid" "$3" || die "could not stop process $pid"
	fi
}

# Stop whatever the last demo of this tree left; its logs stay.
stop_demo()
{
	local socket_dir

	stop_process TERM "$sandbox_pid" "$sandbox_home"
	stop_process INT "$data/postmaster.pid" "$data"
	if read -r socket_dir 2>/dev/null <"$socket_note"; then
		rm -rf "$socket_dir"
		rm -f "$socket_note"
	fi
}
