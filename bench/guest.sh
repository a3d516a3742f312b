# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# What the measurements in the guest are written with; bench.py calls it. Lines that begin with =
# are results.

. /tap.sh

die() {
	echo "$*"
	[ ! -s /tmp/said ] || head -n 5 /tmp/said
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

# let_go: let it run to its end; what it said is in /tmp/held.
let_go() {
	kill -CONT $pid
	wait $pid || die "the workload failed"
}

# cost NAME traced|other read|write: what the tracer costs that `attach PID` and `detach` start
# and end. The faults are the traced process's own, or another's while that stands still.
cost() {
	hold ./faults read 1
	idle=$pid
	hold ./faults "$3" "$ROUNDS"
	if [ "$2" = traced ]; then attach $pid; else attach $idle; fi
	let_go
	detach
	kill -KILL $idle
	echo "=cost $1 $2 $3 $(cat /tmp/held)"
}

nothing() { # KIND
	attach() { :; }
	detach() { :; }
	cost nothing traced "$1"
}

# empty PLACE KIND: a probe that does nothing, for whomever.
empty() {
	place=$1
	attach() { must insmod empty_probe.ko "place=$place"; }
	detach() { must rmmod empty_probe; }
	cost "empty-$1" traced "$2"
}

module() { # NAME A|B|C PARAMETERS WHO KIND
	probe=pf_probe_$2 parameters=$3
	attach() { must insmod $probe.ko process_id="$1" $parameters; }
	detach() {
		recorded=$(sed -n 's/^# recorded=\([0-9]*\) .*/\1/p' /proc/$probe)
		must rmmod $probe
	}
	cost "$1" "$4" "$5"
	[ "$4" != traced ] || echo "=recorded $1 $5 $recorded"
}

# record A|B|C N: a loaded module with N records.
record() {
	hold ./faults many "$2"
	must insmod "pf_probe_$1.ko" process_id=$pid
	let_go
}

# possible N: so many CPUs could be there.
possible() {
	grep -qx "0-$(($1 - 1))" /sys/devices/system/cpu/possible || die "not $1 possible CPUs"
}

drain() { # NAME N
	name=$1
	shift
	record B "$1"
	must ./faults time ./user -o /tmp/log B
	echo "=size $name $1 $(tail -n 1 /tmp/said) $(wc -c </tmp/log)"
	dropped=$(sed -n 's/^# recorded=.* dropped=\([0-9]*\) .*/\1/p' /tmp/log)
	echo "=figure lost/$1 $dropped"
	rm /tmp/log
	must rmmod pf_probe_B
}

plot() { # B|C N
	record "$1" "$2"
	must ./faults time rmmod "pf_probe_$1"
	echo "=size plot-$1 $2 $(tail -n 1 /tmp/said) 0"
}

free_kb() {
	awk '/^MemFree:/ { print $2 }' /proc/meminfo
}

# What a module takes for a million records. To come first: what has been freed before is counted
# as free only later.
memory() {
	before=$(free_kb)
	must insmod pf_probe_B.ko process_id=$$ max_faults=1000000
	echo "=figure record/bytes $(((before - $(free_kb)) * 1024 / 100000))e-1"
	must rmmod pf_probe_B
}

on_tsc() {
	grep -qx tsc /sys/devices/system/clocksource/clocksource0/current_clocksource
}

# faulting THREADS MS ATTACH DETACH: the faults a second are in /tmp/held.
faulting() {
	hold ./faults threads "$1" "$2"
	$3
	let_go
	$4
}

# throughput THREADS TRIES MS: faults a second, in turns: without a probe, with a module, with a
# probe that does no more than to read the clock.
throughput() {
	wait_for on_tsc || die "the clock is not the time-stamp counter"
	tries=0
	while [ $tries -lt "$2" ]; do
		tries=$((tries + 1))
		faulting "$1" "$3" : :
		speeds=$(cat /tmp/held)
		faulting "$1" "$3" attach_module "must rmmod pf_probe_B"
		speeds="$speeds $(cat /tmp/held)"
		faulting "$1" "$3" "must insmod empty_probe.ko place=clock" "must rmmod empty_probe"
		echo "=throughput $1 $speeds $(cat /tmp/held)"
	done
	dmesg | grep -q 'pf_probe_B: .* dropped=[1-9]' && die "the list was too short"
	return 0
}

attach_module() {
	must insmod pf_probe_B.ko process_id=$pid
}

# sharing NAME PARAMETERS threads|processes N ROUNDS warm|cold: what plugin/lines.c tells of the
# cache lines is QEMU's output; the module's symbols are in /out.
sharing() {
	name=$1 parameters=$2
	shift 2
	hold ./faults sharing "$@"
	must insmod pf_probe_B.ko process_id=$pid $parameters
	grep -h -w pf_probe_B /proc/modules /proc/kallsyms >"/out/$name"
	let_go
	echo "=shared $name $(cat /tmp/held)"
	must rmmod pf_probe_B
}
