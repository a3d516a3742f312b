# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Functions for guest tests.  A test declares how many checks it makes, then makes
# them:
#
#	. /tap.sh
#	plan 3
#	ok "the probe loads" insmod pf_probe_B.ko process_id=$$
#	is "one fault per page" "$(count)" 23
#	like "the error names the parameter" "$(dmesg_since)" "process_id=PID"
#
# Checks count in this shell only: never call one in a pipe or in $( ).

tap_nr=0
tap_mark=

# plan N: declares that this test makes N checks.
plan() {
	echo "1..$1"
}

# runs N: prints N, or in a quick run a seventh of it.  For numbers of repetitions.
runs() {
	[ "${QUICK:-0}" = 1 ] && echo $((($1 + 6) / 7)) || echo "$1"
}

# skip_all REASON: skips the whole test.
skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}

# diag TEXT: prints each line as a comment.
diag() {
	echo "$*" | sed 's/^/# /'
}

tap_result() { # STATUS DESC
	tap_nr=$((tap_nr + 1))
	[ "$1" -eq 0 ] && echo "ok $tap_nr - $2" || echo "not ok $tap_nr - $2"
	return "$1"
}

# ok DESC COMMAND...: passes if the command succeeds; if not, prints its output.
ok() {
	tap_desc=$1
	shift
	"$@" >/tmp/tap.out 2>&1 </dev/null
	tap_result $? "$tap_desc" && return
	diag "$* failed: $(head -n 20 /tmp/tap.out)"
	return 1
}

# fails COMMAND...: for `ok`: succeeds if the command fails, but not by a signal.
fails() {
	"$@"
	tap_status=$?
	[ $tap_status -gt 0 ] && [ $tap_status -lt 128 ]
}

# is DESC GOT WANTED: passes if the texts are equal.
is() {
	[ "$2" = "$3" ]
	tap_result $? "$1" && return
	diag "     got: $2"
	diag "expected: $3"
	return 1
}

# like DESC TEXT ERE / unlike DESC TEXT ERE: passes if a (no) line of the text matches.
like() {
	echo "$2" | grep -E -q -e "$3"
	tap_result $? "$1" && return
	diag "no line matches $3 in: $(echo "$2" | head -n 20)"
	return 1
}

unlike() {
	! echo "$2" | grep -E -q -e "$3"
	tap_result $? "$1" && return
	diag "should not be there: $(echo "$2" | grep -E -e "$3" | head -n 20)"
	return 1
}

# skip N REASON: skips N checks.
skip() {
	tap_left=$1
	shift
	while [ "$tap_left" -gt 0 ]; do
		tap_nr=$((tap_nr + 1))
		tap_left=$((tap_left - 1))
		echo "ok $tap_nr # SKIP $*"
	done
}

tap_uptime_s() {
	cut -d . -f 1 /proc/uptime
}

# wait_for COMMAND...: repeats it until it succeeds, for a minute, or longer on slow machines.
# Returns 1 if it never succeeded.
wait_for() {
	tap_end=$(($(tap_uptime_s) + 60 * ${PATIENCE:-1}))
	until "$@" >/dev/null 2>&1; do
		[ "$(tap_uptime_s)" -lt $tap_end ] || return 1
		sleep 0.1
	done
}

# start_stopped COMMAND...: starts it in the background as $pid, stopped before its
# first instruction; `kill -CONT $pid` lets it run.
start_stopped() {
	sh -c 'kill -STOP $$; exec "$@"' sh "$@" &
	pid=$!
	wait_for stopped $pid
}

# stopped PID: true while the process is stopped by a signal.
stopped() {
	grep -q '^State:.T (stopped)' "/proc/$1/status"
}

# has_kernel MAJOR MINOR: true if the kernel has this version or a later one.
has_kernel() {
	uname -r | awk -F . -v major="$1" -v minor="$2" \
		'{ exit $1 * 1000 + int($2) < major * 1000 + minor }'
}

# has_ftrace_arguments: true if the kernel supports placement=ftrace.
has_ftrace_arguments() {
	case $(uname -m) in
	x86_64) has_kernel 5 11 ;;
	*) has_kernel 6 2 ;;
	esac
}

# little_memory: sets up swap and a cgroup with too little memory, for `workload paging`.
# enough_memory: removes both, and the huge pages.
little_memory() {
	dd if=/dev/zero of=/disk/swap bs=1M count=64 && chmod 600 /disk/swap &&
		mkswap /disk/swap && swapon /disk/swap || return
	mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null # unless it is mounted already
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	mkdir /sys/fs/cgroup/small && echo 16M >/sys/fs/cgroup/small/memory.max
}

enough_memory() {
	rmdir /sys/fs/cgroup/small
	umount /sys/fs/cgroup
	swapoff /disk/swap
	rm /disk/swap
	echo 0 >/proc/sys/vm/nr_hugepages
}

# dmesg_mark: writes a canary to the kernel log.
# dmesg_since: prints the log after the latest canary, without time stamps.  Each test starts
# with a canary of its own.
dmesg_mark() {
	tap_mark="canary-$$-$((${tap_mark##*-} + 1))"
	echo "$tap_mark" >/dev/kmsg
}

dmesg_since() {
	dmesg | sed -e "1,/$tap_mark\$/d" -e 's/^\[[^]]*\] //'
}

dmesg_mark
