#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Functions for the tests of `user`, which get their streams from files and fifos. USER_BIN is the
# program (default: ./user at the top of the tree). In a test that sources this, each function whose
# name has several words is a case. The test ends with run_cases, which runs them, except those in
# SKIP_CASES. The output is TAP: `prove tests/unit/test_*.sh`.

set -u
user=$(realpath -- "${USER_BIN:-$(dirname "$0")/../../user}")
if [ ! -x "$user" ]; then
	echo "Bail out! There is no $user: make user"
	exit 1
fi
top=$(mktemp -d)
pid=
unset SUDO_UID SUDO_GID	# of whoever runs the tests
trap : PIPE	# a program that ended early fails its case, not the script
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$top"' EXIT

nr=0 nr_failed=0 case_ok=1

# Each case runs in an empty folder of its own. `check` fails the case if the command fails.
check() {
	"$@" && return
	case_ok=0
	echo "# failed: $*"
	[ ! -s err ] || sed 's/^/#   stderr: /' err | head -n 5
}

run_case() {
	mkdir "$top/$1"
	cd "$top/$1" || exit 1
	case_ok=1 skip=
	"$1"
	nr=$((nr + 1))
	[ $case_ok = 1 ] || nr_failed=$((nr_failed + 1))
	[ $case_ok = 1 ] || printf 'not '
	echo "ok $nr - ${1//_/ }${skip:+ # SKIP $skip}"
}

# run STATUS ARG...: the program's output goes to the files `msg` and `err`.
run() {
	local want=$1
	shift
	timeout 60 "$user" "$@" >msg 2>err
	status=$?
	check [ $status = "$want" ]
}

head_line='# pf_probe_B version=1 pid=4494 comm=my\040prog clock=CLOCK_MONOTONIC loaded=1'

# faults FIRST LAST: the fault lines with these numbers, a millisecond apart.
faults() {
	awk -v first="$1" -v last="$2" 'BEGIN {
		for (i = first; i <= last; i++)
			printf "PID =     4494 Page Fault at Address 0x7faa%08x at Time %.0f" \
				" tid=4497 cpu=1 ip=0x55f3920ce1b5 access=write mode=user" \
				" region=heap\n", i * 4096 % 2147483648, 1000000000 + i * 1000000 }'
}

# summary RECORDED [DROPPED [OVERWRITTEN [MISSED [TARGET]]]]
summary() {
	echo "# recorded=$1 retries=41 dropped=${2:-0} overwritten=${3:-0} missed=${4:-0}" \
		"target=${5:-exited}"
}

stream() { # NR_FAULTS [the summary's]
	echo "$head_line"
	faults 1 "$1"
	shift
	summary "$@"
	echo EXIT_CODE
}

# The expected log of a stream (standard input).
reference() {
	awk '/^PID =/ { printf "%4d:: %s\n", n++, $0; next }
		/^# recorded=/ { summary = $0; next }
		!/^EXIT_CODE$/
		END { if (summary != "") print summary }'
}

only() { # DIR NAME...: nothing else is in there, no temporary file either
	local dir=$1
	shift
	[ "$(ls -A "$dir" | xargs)" = "$*" ]
}

# until_true COMMAND...: a bounded wait.
until_true() {
	local i
	for i in $(seq 500); do
		"$@" 2>/dev/null && return
		sleep 0.02
	done
	return 1
}

reading() { tail -n 1 err | grep -q ': read '; }
opening() { [ "/proc/$pid/exe" -ef "$user" ] && grep -q '^State:.S' "/proc/$pid/status"; }
interrupting() { ! kill -INT "$pid"; }
stopped() { ! kill -0 "$pid" 2>/dev/null; }

# start ARG...: runs the program in the background; `finish STATUS` waits for it. SIGHUP has its
# default action, even if the tests run under nohup.
start() {
	env --default-signal=HUP "$user" "$@" >msg 2>err &
	pid=$!
}

finish() {
	check until_true stopped
	kill -KILL $pid 2>/dev/null
	wait $pid
	status=$?
	pid=
	check [ $status = "$1" ]
}

run_cases() {
	local name
	for name in $(sed -n 's/^\([a-zA-Z_]*_[a-zA-Z_]*\)() {$/\1/p' "$(realpath -- "$0")"); do
		[[ " ${SKIP_CASES:-} " =~ [[:space:]]$name[[:space:]] ]] || run_case "$name"
	done
	echo "1..$nr"
	cd / && exit $((nr_failed > 0))
}
