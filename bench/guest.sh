# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# What the measurements in the guest are written with. Lines that start with = are for bench.py.

. /tap.sh

# Rounds of 512 faults a measurement.
ROUNDS=41

die() {
	echo "$*"
	[ ! -s /tmp/said ] || cat /tmp/said
	exit 1
}

# must COMMAND...: it succeeds, or this is the end.
must() {
	"$@" >/tmp/said 2>&1 || die "failed: $*"
}

# hold COMMAND...: start a program that stops itself when it is prepared, as $pid.
hold() {
	"$@" >/tmp/held &
	pid=$!
	wait_for stopped $pid || die "does not stop: $*"
}

# let_go: let the program run to its end; what it said is in /tmp/held.
let_go() {
	kill -CONT $pid
	wait $pid || die "the workload failed"
}

# cost NAME traced|other read|write: what the tracer costs that `attach PID` and `detach` start
# and end. The faults are the traced process's own, or another's while that stands still.
cost() {
	hold ./faults read 1
	idle=$pid
	hold ./faults "$3" $ROUNDS
	if [ "$2" = traced ]; then attach $pid; else attach $idle; fi
	let_go
	detach
	kill -KILL $idle
	echo "=cost $1 $2 $3 $(cat /tmp/held)"
}

nothing() {
	attach() { :; }
	detach() { :; }
	cost nothing traced "$1"
}

# empty PLACE KIND: a probe that does nothing, for whomever.
empty() {
	place=$1
	attach() { must insmod empty_probe.ko place=$place; }
	detach() { must rmmod empty_probe; }
	cost "empty-$1" traced "$2"
}

# module NAME A|B|C PARAMETERS WHO KIND
module() {
	probe=pf_probe_$2 parameters=$3
	attach() { must insmod $probe.ko process_id=$1 $parameters; }
	detach() { must rmmod $probe; }
	cost "$1" "$4" "$5"
}

must ./faults clock
