# SPDX-License-Identifier: GPL-2.0-or-later
# `user -- COMMAND`: the log has what the kernel counted from the exec on, the command runs as it
# would without tracing, and no module stays loaded.
# vm: long
# vm: compiler
. /tap.sh
. /tracing.sh
plan 69

# traced NAME STATUS PROBE PARAMETERS ARGUMENTS...
traced() {
	name="$1, $3 $4" want=$2 probe=$3 params=$4
	shift 4
	rm -rf out err
	$by_sudo /user --debug -$probe $params "$@" >stdout 2>err
	is "$name: status" $? "$want" || diag "$(tail -n 5 err)"
	is "$name: log" "$(account $probe "$(counted "$params")")" "$(whole $probe exited)"
}

# Starts it in the background as $!, and waits for the first faults in its log.
begin() { # PROBE PARAMETERS COMMAND...
	rm -rf out err
	probe=$1 params=$2
	shift 2
	$by_sudo /user --debug -$probe $params -- "$@" >stdout 2>err &
	wait_for recording $probe
}

sigterm() { # PROBE PARAMETERS WORKLOAD...
	probe=$1 params=$2
	shift 2
	begin $probe "$params" /workload run "$@"
	kill -TERM $!
	wait $!
	is "SIGTERM, $*, $probe $params: status" $? 143
	is "SIGTERM, $*, $probe $params: log" "$(account $probe "$(counted "$params")")" \
		"$(whole $probe exited)"
}

root=/disk/compiler
mkdir -p $root/src $root/tmp $root/dev $root/usr/include
: >$root/usr/include/stdc-predef.h # every compilation looks for it
mknod $root/dev/null c 1 3
printf 'int f(int *p, int n)\n{\n\treturn n ? p[n] + f(p, n - 1) : 0;\n}\n' >$root/src/x.c
compile() { # PROBE PARAMETERS
	traced gcc 0 "$1" "$2" --root -- chroot $root /bin/sh -c \
		"PATH=/usr/bin:/bin; export PATH; cd /src; exec gcc -O2 -c x.c"
}
compile B --fast
ok "--fast: no latency, no other program" fails grep -qE "latency_ns=|^# exec" out/pf_probe_B.log
unlike "--fast: no verdict" "$(cat err)" " in faults"
compile B "outcome=0"
ok "outcome=0: children, no latency" test "$(grep -c latency_ns= out/pf_probe_B.log)" = 0 -a \
	"$(grep -c "^# child" out/pf_probe_B.log)" -gt 1
compile C ""
like "by default there is a verdict" "$(grep " in faults" err)" \
	"^[0-9.]+ m?s in faults, the sum of all threads; .*major faults$"
for name in gcc cc1 as; do
	ok "the log has the exec of $name" grep -q "^# exec time=.* comm=$name$" out/pf_probe_C.log
done
ok "and latencies" grep -q " latency_ns=" out/pf_probe_C.log
compile B "--cold"
like "--cold says so" "$(cat err)" "^user: emptying the page cache$"
ok "--cold: gcc and cc1 are read from disk" \
	test "$(grep -c " result=major " out/pf_probe_B.log)" -gt 9
# On a debug kernel, faults that only take a page cost more than those that read from disk.
next="^next: .* -o warm.sh$"
[ "${PATIENCE:-1}" = 1 ] || next="^next: page_fault_plot "
like "the next command reads that into memory" "$(grep "^next:" err)" "$next"
ok "the source is compiled" test -s $root/src/x.o
rm -rf $root/src $root/dev
ok "the log does not contain the start by user" fails grep -q "comm=user$" out/pf_probe_C.log

# Each probe, each parameter and each way to end.
failing() { # PROBE PARAMETERS
	traced "a command that fails" 3 "$1" "$2" -- \
		sh -c 'i=0; x=; while [ $i -lt 100 ]; do i=$((i + 1)); x=$x----------$x; \
			[ ${#x} -lt 99999 ] || x=; done; exit 3'
}
failing A "outcome=1"
failing B "outcome=1 children=1"
failing C "--fast"
traced threads 0 A "children=1" -- /workload run threads 4
traced threads 0 B "" -- /workload run threads 4
traced threads 0 C "outcome=1" -- /workload run threads 4
sigterm A "" idle-threads 20
sigterm B "outcome=1" idle-threads 20
sigterm C "outcome=1 children=1" idle-threads 20
sigterm B "outcome=1" fault-forever
like "the last message names the log" "$(cat err)" \
	"^out/workload-[0-9]+.pf_probe_B.log: [0-9]+ page faults of PID .*workload"

# The share of a run of one thread, with the length of the run.
rm -rf out
$by_sudo /user -- /workload run touch 200 2>err
like "one thread: its share of the run" "$(cat err)" \
	"^[0-9.]+ m?s in faults = [0-9.]+ % of the run; "

# A series of runs.
rm -rf out
$by_sudo /user --repeat 3 -- echo ran >stdout 2>err
is "--repeat: status" $? 0
is "--repeat: runs" "$(cat stdout | xargs)" "ran ran ran"
is "--repeat: a log each" "$(ls out | sed 's/-[0-9]*\./-PID./' | xargs)" \
	"echo-PID.pf_probe_B.log echo-PID.pf_probe_B.log echo-PID.pf_probe_B.log pf_probe_B.log"
is "--repeat: the report has all logs" \
	"$(tail -n 1 err | tr ' ' '\n' | grep '^out/' | sort | xargs)" "$(ls out/echo-* | xargs)"
is "--repeat: all runs are announced" "$(grep -c '^user: run [123] of 3$' err)" 3
ok "--repeat: nothing is loaded" fails loaded
$by_sudo /user --repeat 2 --keep 4 -- sh -c 'exit 3' 2>err
is "--repeat: the status of the first run that failed" $? 3
is "--keep: the newest logs are left" "$(ls out/*-* | wc -l)" 4
like "--keep: as the report says" "$(cat err)" "^out/ holds 4 logs, [0-9.]+ kB$"
$by_sudo /user --repeat 5 -- sh -c 'kill -TERM $$' 2>err
is "--repeat: a signal ends the series: status" $? 143
like "--repeat: a signal ends the series" "$(cat err)" \
	"^user: no further run: run 1 ended with status 143$"

# A command whose child goes on. The signal is not for the command any more.
rm -rf out
$by_sudo /user -- sh -c '/workload run idle-threads 20 & exit 4' >stdout 2>err &
user=$!
like "a child that goes on is reported" "$(wait_for grep -q '^user: the command has ended' err
	cat err)" "^user: the command has ended, but not all processes that it has started: they are \
still recorded; Ctrl-C ends that$"
kill -INT $user
wait $user
is "the signal ends the recording: status of the command" $? 4
ok "the log is complete" grep -q "^# recorded=.* target=running" out/pf_probe_B.log
ok "and nothing is loaded" fails loaded
ok "the child goes on" killall -q -KILL workload
is "standard output goes through" "$($by_sudo /user -- echo hello 2>err)" hello
is "standard input goes through" "$(echo hello | $by_sudo /user -- cat 2>err)" hello
is "a message names the growing log" "$(head -n 1 err)" \
	"user: the log grows in out/pf_probe_B.log.part"
$by_sudo /user -- sh -c '[ ! -e /proc/$$/fd/0 ] && [ ! -e /proc/$$/fd/1 ]' <&- >&- 2>err
is "closed streams stay closed" $? 0
# With the C library of older kernels, a static program can't look up users.
if has_kernel 5 11; then
	is "it runs as the user behind sudo, in the same folder" "$($by_sudo /user -- sh -c '
		id -u; id -g; id -G; echo $HOME $USER $LOGNAME; pwd' 2>err | xargs)" \
		"1000 1001 1001 2000 /home/tester tester tester /work"
else
	is "it runs as the user behind sudo, without root's groups" \
		"$($by_sudo /user -- sh -c 'id -u; id -g; id -G; pwd' 2>err | xargs)" \
		"1000 1001 1001 /work"
fi
is "and can't become root again" "$(
	$by_sudo /user -- grep -E '^(Uid|Cap(Prm|Eff)):' /proc/self/status 2>err |
	tr -s '\t' ' ' | xargs)" \
	"Uid: 1000 1000 1000 1000 CapPrm: 0000000000000000 CapEff: 0000000000000000"
# While the log grows, the command has no access to it. After that it belongs to the user.
is "the command can't read or write its own log" \
	"$($by_sudo /user -- sh -c 'cat out/*.part && echo read
	echo "# forged" >>out/pf_probe_B.log.part && echo written' 2>err)" ""
is "the complete log belongs to the user" "$(stat -c %u:%g:%a out/pf_probe_B.log) $(grep -c forged \
	out/pf_probe_B.log)" "1000:1001:600 0"
is "--root" "$($by_sudo /user --root -- sh -c 'id -u; echo $HOME' 2>err | xargs)" "0 /"
rm -rf out
is "signal masks and handlers are unchanged" \
	"$(/user --root -- grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status 2>err)" \
	"$(grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status)"
