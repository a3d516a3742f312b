# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# In the guest: record a small command with each of the other recorders; record.py starts this.
# The host's files are at /host; what is in /out at the end goes back to the host.

. /tap.sh

mount --bind /tmp /host/tmp && mkdir /tmp/out || exit 1
tracing=/sys/kernel/tracing
[ -d /host$tracing/events ] || mount -t tracefs trace /host$tracing || exit 1

# in_host COMMAND...: run one of the host's programs.
in_host() {
	chroot /host /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C "$@"
}

# A process with a child, whose name has what separates fields elsewhere.
cp /host/bin/cat "/tmp/a [1] b: c" || exit 1
cat >/tmp/run <<'END'
#!/bin/sh
"/tmp/a [1] b: c" /etc/hostname
:
END
# Takes more faults than fit in the smallest buffers.
cat >/tmp/many <<'END'
#!/bin/sh
for i in 1 2 3 4 5 6; do /tmp/run; done
END
chmod +x /tmp/run /tmp/many

fields=comm,pid,tid,cpu,time,period,event,addr,ip,sym,symoff,dso
record="perf record -q -e page-faults -c 1 -d --sample-cpu -k CLOCK_MONOTONIC -o /tmp/perf.data"

# around_losses: print some lines before and after each of the first reports of lost events.
around_losses() {
	grep -E -m 3 -B 40 -A 20 'LOST|DROPPED'
}

perf_script() {
	in_host $record /tmp/run
	in_host perf script -i /tmp/perf.data >/tmp/out/perf_script_default.txt
	in_host perf script --show-task-events --show-lost-events --ns -F $fields \
		-i /tmp/perf.data >/tmp/out/perf_script.txt
}

perf_script_callchain() {
	in_host $record -g "/tmp/a [1] b: c" /etc/hostname
	in_host perf script --ns --max-stack 6 -F +pid,+cpu,+addr -i /tmp/perf.data \
		>/tmp/out/perf_script_callchain.txt
}

perf_script_lost() {
	in_host $record -m 1 /usr/bin/python3 -c "x = [bytes(9999) for i in range(3000)]"
	in_host perf script --show-lost-events --ns -F $fields -i /tmp/perf.data |
		around_losses >/tmp/out/perf_script_lost.txt
}

perf_trace() {
	in_host perf trace -F all --no-syscalls -o /tmp/out/perf_trace.txt /tmp/run
}

perf_trace_lost() {
	in_host perf trace -m 1 -F all -o /tmp/all /usr/bin/python3 -c \
		"x = [bytes(9999) for i in range(3000)]"
	around_losses </tmp/all >/tmp/out/perf_trace_lost.txt
}

trace_cmd_report() {
	in_host trace-cmd record -q -e exceptions:page_fault_user -e exceptions:page_fault_kernel \
		-F -c -o /tmp/trace.dat /tmp/run
	in_host trace-cmd report /tmp/trace.dat >/tmp/out/trace_cmd_report.txt
}

trace_cmd_report_lost() {
	in_host trace-cmd start -b 1 -e exceptions:page_fault_user
	in_host /tmp/many
	in_host trace-cmd stop
	in_host trace-cmd extract -o /tmp/trace.dat >/dev/null
	in_host trace-cmd reset
	in_host trace-cmd report /tmp/trace.dat >/tmp/out/trace_cmd_report_lost.txt
}

# traced COMMAND: run it with both events on, for it and its children.
traced() {
	echo 1 >$tracing/options/event-fork
	echo 1 >$tracing/options/record-tgid
	echo >$tracing/trace
	echo 1 >$tracing/events/exceptions/page_fault_user/enable
	echo 1 >$tracing/events/exceptions/page_fault_kernel/enable
	in_host sh -c "echo \$\$ >$tracing/set_event_pid; exec $1"
	echo 0 >$tracing/events/enable
	echo >$tracing/set_event_pid
}

trace_pipe() {
	traced /tmp/run
	timeout 3 cat $tracing/trace_pipe >/tmp/out/trace_pipe.txt
}

trace_pipe_lost() {
	size=$(cat $tracing/buffer_size_kb)
	echo 4 >$tracing/buffer_size_kb
	traced /tmp/many
	cat $tracing/trace >/tmp/out/trace_lost.txt
	timeout 3 cat $tracing/trace_pipe >/tmp/out/trace_pipe_lost.txt
	echo "${size%% *}" >$tracing/buffer_size_kb
}

for recorder in trace_pipe trace_pipe_lost trace_cmd_report trace_cmd_report_lost perf_script \
	perf_script_callchain perf_trace perf_script_lost perf_trace_lost; do
	$recorder >/tmp/said 2>&1
	echo "$recorder: $(grep -v -e '^vm$' -e Terminated /tmp/said | head -n 5)"
done
wc -l /tmp/out/*
cp /tmp/out/* /out/
