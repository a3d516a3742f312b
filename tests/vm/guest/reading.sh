# SPDX-License-Identifier: GPL-2.0-or-later
# /proc/pf_probe_X: all ways to read it, and `user`.
# vm: long
. /tap.sh
plan 35

proc=/proc/pf_probe_B
start_stopped /workload run touch 300
insmod /pf_probe_B.ko process_id=$pid

ok "it can be read before the first fault" cat $proc
like "the summary says that nothing is recorded" "$(cat $proc)" "^# recorded=0 .*target=running"

/reader poll $proc >/tmp/poll &
poller=$!
wait_for grep -q ready /tmp/poll
kill -CONT $pid
wait $pid
wait $poller
is "poll() returns when faults come" $? 0
like "then read() returns them" "$(cat /tmp/poll)" "Page Fault at Address"
like "then a new summary and EXIT_CODE" "$(tail -n 1 /tmp/poll)" "EXIT_CODE"

cat $proc >/tmp/whole
is "no kernel address" "$(grep -c '0xffff[0-9a-f]\{12\}' /tmp/whole)" 0
is "ends with EXIT_CODE" "$(tail -n 1 /tmp/whole)" EXIT_CODE
recorded=$(sed -n 's/^# recorded=\([0-9]*\) .*/\1/p' /tmp/whole)
is "one line per fault" "$(grep -c '^PID = ' /tmp/whole)" "$recorded"
like "the summary is right" "$(tail -n 2 /tmp/whole)" \
	"^# recorded=[0-9]+ retries=[0-9]+ dropped=0 overwritten=0 missed=0 target=exited \
counted=[0-9]+ unseen=0 probe=armed incomplete=0 forgotten=0 surplus=0"
for size in 1 7 4096 1000000; do
	/reader size $size $proc >/tmp/sized
	ok "reads of $size bytes return the same" cmp /tmp/sized /tmp/whole
done
is "lseek to 0 starts over" "$(/reader rewind $proc)" same
is "poll() after lseek to 0 returns readable" "$(/reader repoll $proc)" readable
is "poll() is about the file position, whatever pread() has read" \
	"$(/reader elsewhere $proc)" readable
is "any offset can be read" "$(/reader at $proc)" same
cat $proc >/tmp/first &
cat $proc >/tmp/second &
wait
ok "two readers at once get the same" cmp /tmp/first /tmp/second
is "another read at the end returns the end, if nothing is new" "$(/reader again $proc)" ""

times=$(sed -n 's/.* at Time \([0-9]*\) .*/\1/p' /tmp/whole)
is "faults are in time order" "$times" "$(echo "$times" | sort -n)"

cd /tmp
ok "user drains" /user
is "user writes the same lines, numbered" "$(sed 's/^ *[0-9]*:: //' out/pf_probe_B.log)" \
	"$(grep -v EXIT_CODE whole)"
is "user numbers from 0" "$(grep -c '^   0:: PID' out/pf_probe_B.log)" 1
like "user prints the number of faults" "$(/user B)" "$recorded page faults"
is "user writes to standard output" "$(/user -o - B 2>/dev/null | grep -c PID)" "$recorded"
rmmod pf_probe_B
like "user without a module" "$(/user 2>&1)" "no module is loaded; to trace a command: "
is "user without a module: exit status" "$(/user >/dev/null 2>&1; echo $?)" 1

start_stopped /workload run touch 200
insmod /pf_probe_B.ko process_id=$pid
/user --follow >/tmp/followed 2>&1 &
follower=$!
kill -CONT $pid
wait $pid
wait $follower
is "user --follow ends when the target does" $? 0
is "user --follow writes every fault" "$(grep -c 'PID =' out/pf_probe_B.log) page faults" \
	"$(sed -n 's/.*: \([0-9]* page faults\).*/\1/p' /tmp/followed)"
rmmod pf_probe_B

start_stopped /workload run fault-forever
insmod /pf_probe_B.ko process_id=$pid
rm -f out/pf_probe_B.log
/user --follow >/tmp/followed 2>&1 &
follower=$!
kill -CONT $pid
wait_for sh -c "grep -q 'PID =' out/pf_probe_B.log.part"
kill -INT $follower
wait $follower
is "Ctrl-C ends user --follow" $? 130
like "Ctrl-C: the log is complete" "$(grep -m 1 PID out/pf_probe_B.log)" "^   0:: PID = "
kill $pid
wait $pid 2>/dev/null
rmmod pf_probe_B

# A million records; in a quick run, just more than fit into the buffers.
nr=1000000
[ "${QUICK:-0}" = 0 ] || nr=100000
/workload track B "max_faults=1100000" zero $nr >/tmp/result
like "$nr faults are read in one drain" \
	"$(cat /tmp/result)" "^difference=0 counted=${nr%0000}[0-9]{4} \
lines=${nr%0000}[0-9]{4} .*dropped=0 overwritten=0 missed=0"
rm -f /tmp/track.log

# pread() at a far offset: other programs run meanwhile, and the reader can be killed.
start_stopped /workload run zero 1000000
insmod /pf_probe_B.ko process_id=$pid
kill -CONT $pid
wait $pid
far=$(/reader far /proc/pf_probe_B)
rmmod pf_probe_B
diag "in ms: $far"
total=$(echo "$far" | sed 's/total=\([0-9]*\) .*/\1/')
ok "pread() at a far offset takes 200 ms or more" test "$total" -gt 200
ok "other programs of its CPU run meanwhile" \
	test "$(echo "$far" | sed 's/.* waits=\([0-9]*\) .*/\1/')" -lt $((total / 2))
ok "a SIGKILL ends it" test "$(echo "$far" | sed 's/.* killed=//')" -lt $((total / 2))
