# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Functions for measurements in the guest, called by bench.py. Lines that begin with = are results.

. /tap.sh

die() {
	echo "$*"
	[ ! -s /tmp/said ] || head -n 5 /tmp/said
	exit 1
}

# must COMMAND...: exit if it fails.
must() {
	"$@" >/tmp/said 2>&1 || die "failed: $*"
}

# hold COMMAND...: start a program that stops itself when it is ready; set $pid.
hold() {
	"$@" >/tmp/held &
	pid=$!
	wait_for stopped $pid || die "does not stop: $*"
}

# let_go: let it run to its end; its output is in /tmp/held.
let_go() {
	kill -CONT $pid
	wait $pid || die "the workload failed"
}

# The program that takes the faults, or makes the calls, of a KIND.
program_of() {
	case $1 in
	read | write | file | deep) echo ./faults ;;
	*) echo ./calls ;;
	esac
}

# cost NAME traced|other KIND: the cost of the tracer that `attach PID` starts and `detach` stops.
# The faults or calls are of the traced process, or of another one while the traced one is stopped.
cost() {
	hold ./faults read 1
	idle=$pid
	hold "$(program_of "$3")" "$3" "$ROUNDS"
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

# empty PLACE KIND: a probe that does nothing, for any process.
empty() {
	place=$1
	attach() { must insmod empty_probe.ko "place=$place"; }
	detach() { must rmmod empty_probe; }
	cost "empty-$1" traced "$2"
}

# The number of faults or, for calls, of areas that the module has recorded.
nr_recorded() {
	case $(program_of "$kind") in
	./faults) sed -n 's/^# recorded=\([0-9]*\) .*/\1/p' /proc/$probe ;;
	*) grep -c '^# map ' /proc/$probe ;;
	esac
}

module() { # NAME A|B|C PARAMETERS WHO KIND
	probe=pf_probe_$2 parameters=$3 kind=$5
	attach() { must insmod $probe.ko process_id="$1" $parameters; }
	detach() {
		recorded=$(nr_recorded)
		must rmmod $probe
	}
	cost "$1" "$4" "$5"
	[ "$4" != traced ] || echo "=recorded $1 $5 $recorded"
}

# record A|B|C N: load a module and record N faults.
record() {
	hold ./faults many "$2"
	must insmod "pf_probe_$1.ko" process_id=$pid
	let_go
}

# possible N: check the number of possible CPUs.
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

# The memory of a module for a million records. Call this first: memory that was freed before it
# would be counted as free only later.
memory() {
	before=$(free_kb)
	must insmod pf_probe_B.ko process_id=$$ max_faults=1000000
	echo "=figure record/bytes $(((before - $(free_kb)) * 1024 / 100000))e-1"
	must rmmod pf_probe_B
}

on_tsc() {
	grep -qx tsc /sys/devices/system/clocksource/clocksource0/current_clocksource
}

# faulting THREADS MS ATTACH DETACH: write the faults per second to /tmp/held.
faulting() {
	hold ./faults threads "$1" "$2"
	$3
	let_go
	$4
}

# throughput THREADS TRIES MS: faults per second, alternating: without a probe, with a module, with
# a probe that only reads the clock.
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

# sharing NAME PARAMETERS threads|processes N ROUNDS warm|cold: plugin/lines.c writes its counts on
# the host; the module's symbols go to /out.
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
