# SPDX-License-Identifier: GPL-2.0-or-later
# `user --pid`: exact from the load on, however it ends; --duration; errors are reported.
# vm: long
. /tap.sh
. /tracing.sh
plan 43

zombie() {
	grep -q '^State:.Z' "/proc/$1/status"
}

attach() { # PROBE PARAMETERS PID: starts `user` as $user and waits until it follows the process
	rm -rf out err
	# shellcheck disable=SC2086
	$by_sudo /user "-$1" $2 --pid "$3" 2>err &
	user=$!
	wait_for grep -q 'log grows' err
}

# A process that is stopped, then faults, then stops again.
ended_by() { # PROBE PARAMETERS SIGNAL STATUS
	start_stopped sh -c 'kill -STOP $$; i=0; x=; while [ $i -lt 100 ]; do i=$((i + 1))
		x=$x----------$x; [ ${#x} -lt 99999 ] || x=; done; kill -STOP $$'
	kill -CONT $pid
	wait_for stopped $pid
	before=$(counts $pid)
	attach "$1" "$2" $pid
	kill -CONT $pid
	wait_for recording "$1"
	ok "$3, $1 $2: the process stops" wait_for stopped $pid
	kill "-$3" $user
	wait $user
	is "$3, $1 $2: status" $? "$4"
	is "$3, $1 $2: log" "$(account "$1" $(($(counts $pid) - before)))" "$(whole "$1" running)"
	kill -KILL $pid
}
ended_by A "outcome=1" INT 130
ended_by B "" TERM 143
ended_by C "outcome=1 children=1" HUP 129

# Its parent does not wait for it, so the kernel's count can be read after its end.
to_its_end() { # PROBE PARAMETERS
	sh -c 'sh -c "kill -STOP \$\$; exec /workload run threads 8" & echo $! >pid
		exec sleep 1000' &
	parent=$!
	wait_for test -s pid
	pid=$(cat pid)
	wait_for stopped $pid
	before=$(counts $pid)
	attach "$1" "$2" $pid
	kill -CONT $pid
	wait $user
	is "to its end, $1 $2: status" $? 0
	wait_for zombie $pid
	is "to its end, $1 $2: log" "$(account "$1" $(($(counts $pid) - before)))" \
		"$(whole "$1" exited)"
	kill -KILL $parent
	rm pid
}
to_its_end A "children=1"
to_its_end B "outcome=1"
to_its_end C ""

value() { # KEY: in the summary
	tail -n 1 out/pf_probe_B.log | sed -n "s/.* $1=\([a-z0-9]*\).*/\1/p"
}

# No fault is lost of a process that was running when the module was loaded.
is_whole() { # NAME
	lines=$(grep -c 'PID = ' out/pf_probe_B.log)
	is "$1: the module is unloaded, no fault is lost" \
		"$(loaded && echo loaded) $(value recorded) $(value dropped) $(value missed) $(value unseen)" \
		" $lines 0 0 0"
	ok "$1: there are faults of several threads" test "$(sed -n 's/.* tid=\([0-9]*\) .*/\1/p' \
		out/pf_probe_B.log | sort -u | wc -l)" -gt 2
}

/workload run threads-forever 4 &
pid=$!
rm -rf out err
begin=$(date +%s)
$by_sudo /user -B --duration 0.5 --pid $pid 2>err
is "--duration: status" $? 0
ok "--duration: it ends in time" test $(($(date +%s) - begin)) -lt $((20 * ${PATIENCE:-1}))
is_whole "--duration"
ok "--duration: the process keeps running" kill -0 $pid

# The process is stopped when recording begins and ends, so that no thread is in a fault then.
all_stopped() {
	! grep -L '^State:.T (stopped)' "/proc/$1/task"/*/status | grep -q .
}
kill -STOP $pid
wait_for all_stopped $pid
attach B "" $pid
kill -CONT $pid
kill -STOP $user
ok "SIGSTOP stops the reader" wait_for stopped $user
kill -CONT $user
recorded_more() {
	[ "$(wc -l <out/pf_probe_B.log.part)" -gt "$1" ]
}
ok "SIGCONT: it continues" wait_for recorded_more "$(wc -l <out/pf_probe_B.log.part)"
kill -STOP $pid
wait_for all_stopped $pid
kill -INT $user
wait $user
is "after a stop: status" $? 130
is_whole "after a stop"
is "the log agrees with the kernel's count" "$(grep -c 'PID = ' out/pf_probe_B.log)" \
	"$(value counted)"
kill -CONT $pid

attach B "" $pid
wait_for recording B
$by_sudo /user -B --pid $$ 2>errors
is "already loaded: status" $? 1
like "already loaded: the error names the reader" "$(cat errors)" \
	"^user: pf_probe_B is already loaded, for PID $pid \(workload\), and PID $user is reading it: wait"
kill -KILL $user
wait $user
ok "kill -9 leaves the module loaded" loaded
ok "kill -9 leaves the growing log" recording B
$by_sudo /user -B --pid $$ 2>errors
is "the next run: status" $? 1
like "the next run: the error says what to do" \
	"$(cat errors)" "^user: pf_probe_B is already loaded, for PID $pid \
\(workload\), and nothing is reading it. To save its records: sudo /user B; then: sudo \
rmmod pf_probe_B$"
$by_sudo /user B >/dev/null 2>errors
is "that works: status" $? 0
like "the growing log is kept under another name" "$(cat errors)" \
	"^user: out/pf_probe_B.log.part was left by a run that failed: kept as .*.part.1$"
ok "the kept log has contents" test -s out/pf_probe_B.log.part.1
ok "there is a log" test -s out/pf_probe_B.log
ok "rmmod" rmmod pf_probe_B
kill -KILL $pid

$by_sudo /user --pid 4194304 2>errors
is "no such process: status" $? 1
like "no such process: error" "$(cat errors)" "^user: there is no process 4194304$"
mkdir elsewhere
cp /user elsewhere/user
$by_sudo elsewhere/user -- true 2>errors
is "no module: status" $? 125
is "no module: error" \
	"$(cat errors)" "user: no pf_probe_B.ko for Linux $(uname -r) beside elsewhere/user or in \
/lib/modules/$(uname -r): run make, or make install"

rm -rf out err
$by_sudo /user --duration 0.2 -- sh -c 'sleep 1; exit 7' 2>err
is "--duration with a command: exit status of the command" $? 7
ok "nothing is loaded" fails loaded
