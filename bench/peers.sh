# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The other tracers, as installed on the host, whose files are at /host. Each NAME has NAME_start
# PID, which returns when the process is being traced, NAME_stop, and NAME_text, which prints the
# recorded faults, one per line.

. /guest.sh

# The tracers' output must be visible here, too. Nothing in the host's own /tmp is needed.
grep -q ' /host/tmp ' /proc/mounts || mount --bind /tmp /host/tmp || exit 1

EVENTS=/sys/kernel/tracing
EVENT=$EVENTS/events/exceptions/page_fault_user
# HOME=/tmp, so that the user's own settings have no effect.
IN_HOST='chroot /host /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp'

# A peer that does not work here is a result, too; its last line may say why.
die() {
	echo "=absent $what $* $(cat /tmp/said /tmp/tracer.err 2>/dev/null | tail -n 1)"
	exit 0
}

# trace COMMAND...: start a tracer.
trace() {
	rm -f /tmp/perf.data /tmp/trace.dat /tmp/trace.txt
	$IN_HOST "$@" >/tmp/tracer.out 2>/tmp/tracer.err &
	tracer=$!
}

# All of them sleep in poll or epoll once they are set up, and not before.
polling() {
	grep -q 'poll' /proc/$tracer/wchan
}

until_polling() {
	wait_for polling || die "did not start"
}

stop_tracer() {
	kill -INT $tracer 2>/dev/null
	wait $tracer
	:
}

ftrace_start() {
	echo 16384 >$EVENTS/buffer_size_kb # to lose nothing
	echo "$1" >$EVENTS/set_event_pid
	echo 1 >$EVENT/enable || die "no event"
}

ftrace_stop() {
	echo 0 >$EVENT/enable
	echo >$EVENTS/set_event_pid
}

ftrace_text() {
	grep page_fault_user: $EVENTS/trace
	echo >$EVENTS/trace
}

# For kernels without a trace event for page faults.
kprobe_event() {
	EVENT=$EVENTS/events/kprobes/fault
	echo 'p:fault handle_mm_fault address=$arg2' >$EVENTS/kprobe_events || die "no kprobe event"
}

ftrace_kprobe_start() {
	kprobe_event
	ftrace_start "$1"
}

ftrace_kprobe_stop() {
	ftrace_stop
}

# Removing the event also removes its output.
ftrace_kprobe_text() {
	grep ' fault: ' $EVENTS/trace
	echo >$EVENTS/kprobe_events
}

tracing() {
	grep -q "$1" $EVENTS/set_event_pid && grep -q 1 $EVENT/enable &&
		grep -q 1 $EVENTS/tracing_on
}

trace_cmd_start() {
	trace trace-cmd record -e exceptions:page_fault_user -P "$1" -o /tmp/trace.dat
	wait_for tracing "$1" || die "did not start"
}

trace_cmd_stop() {
	stop_tracer
}

trace_cmd_text() {
	$IN_HOST trace-cmd report /tmp/trace.dat 2>/tmp/tracer.err | grep page_fault_user:
}

trace_cmd_kprobe_start() {
	kprobe_event
	trace trace-cmd record -e kprobes:fault -P "$1" -o /tmp/trace.dat
	wait_for tracing "$1" || die "did not start"
}

trace_cmd_kprobe_stop() {
	stop_tracer
	echo >$EVENTS/kprobe_events
}

trace_cmd_kprobe_text() {
	$IN_HOST trace-cmd report /tmp/trace.dat 2>/tmp/tracer.err | grep ' fault: '
}

perf_record_start() {
	trace perf record -e page-faults -c 1 -d -p "$1" -o /tmp/perf.data
	until_polling
}

perf_record_stop() {
	stop_tracer
}

perf_record_text() {
	$IN_HOST perf script -i /tmp/perf.data 2>/tmp/tracer.err | grep page-faults
}

perf_trace_start() {
	trace perf trace -F all -p "$1" -o /tmp/trace.txt
	until_polling
}

perf_trace_stop() {
	stop_tracer
}

perf_trace_text() {
	grep 'fault \[' /tmp/trace.txt
}

bpftrace_tracepoint_start() {
	trace bpftrace -e "tracepoint:exceptions:page_fault_user /pid == $1/ \
		{ printf(\"fault %llx\n\", args->address); }"
	until_polling
}

bpftrace_tracepoint_stop() {
	stop_tracer
}

bpftrace_tracepoint_text() {
	grep ^fault /tmp/tracer.out
}

bpftrace_kprobe_start() {
	trace bpftrace -e "kprobe:handle_mm_fault /pid == $1/ { printf(\"fault %llx\n\", arg1); }"
	until_polling
}

bpftrace_kprobe_stop() {
	stop_tracer
}

bpftrace_kprobe_text() {
	grep ^fault /tmp/tracer.out
}

# peer NAME TOOL WHAT: choose a peer and the name of its results; `-` is the kernel itself, no tool.
peer() {
	peer=$1 what=$3
	rm -f /tmp/said /tmp/tracer.err
	[ "$2" = - ] || $IN_HOST sh -c "command -v $2" >/dev/null || die "not installed"
	attach() { "${peer}_start" "$1"; }
	detach() { "${peer}_stop"; }
}

peer_costs() { # KIND
	cost $peer traced "$1"
	recorded=$("${peer}_text" | wc -l)
	[ "$recorded" -gt 0 ] || die "recorded nothing"
	echo "=recorded $peer $1 $recorded"
	cost $peer other "$1"
}

peer_calls() { # KIND
	cost $peer traced "$1"
	cost $peer other "$1"
}

# peer_drain N COMMAND...: the cost of printing a recording of N faults.
peer_drain() {
	hold ./faults many "$1"
	attach $pid
	let_go
	detach
	size=$(cat /tmp/perf.data /tmp/trace.dat 2>/dev/null | wc -c)
	nr=$1
	shift
	must ./faults time $IN_HOST sh -c "$* >/tmp/text 2>/tmp/tracer.err"
	[ "$(wc -l </tmp/text)" -ge "$nr" ] || die "not all of $nr faults are in its text"
	echo "=size $what $nr $(tail -n 1 /tmp/said) $size"
}
