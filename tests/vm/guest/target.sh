# SPDX-License-Identifier: GPL-2.0-or-later
# Which faults are recorded: those of the whole process, across exec, none of a reused PID.
. /tap.sh
plan 9

recorded() {
	sed -n 's/^# recorded=\([0-9]*\) .*/\1/p' /proc/pf_probe_B
}

# next_pid N: the next process gets this PID.
next_pid() {
	echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid
}

start_stopped /workload run touch 50
insmod /pf_probe_B.ko process_id=$pid
/workload run touch 500
is "faults of others are not recorded" "$(recorded)" 0
kill -CONT $pid
wait $pid
before=$(recorded)
ok "faults stay readable after the target's exit" test "$before" -ge 50
like "and the name that it had last, after exec" "$(cat /proc/pf_probe_B)" " comm=workload "
next_pid $pid
/workload run touch 500 &
is "the PID is reused" $! $pid
wait $!
is "but the new process is not recorded" "$(recorded)" "$before"
rmmod pf_probe_B

cp /workload '/tmp/a b\c'
'/tmp/a b\c' run fault-forever &
pid=$!
wait_for grep -q 'a b' /proc/$pid/comm
insmod /pf_probe_B.ko process_id=$pid
like "a name with a blank and a backslash" "$(cat /proc/pf_probe_B)" ' comm=a\\040b\\134c '
kill $pid
wait $pid
rmmod pf_probe_B

# In its own PID namespace, the target has PID 2 or so.
cat >/tmp/inside.sh <<'END'
mount -t proc proc /proc
. /tap.sh
start_stopped /workload run touch 23
insmod /pf_probe_B.ko process_id=$pid || exit 1
kill -CONT $pid
wait $pid
/user -o - B >/tmp/inside.log 2>/dev/null
echo $pid
END
inside=$(unshare --pid --fork --mount sh /tmp/inside.sh | tail -n 1)
ok "process_id is in the loader's PID namespace" test "$inside" -lt 20
is "so are PID and tid" "$(grep -c "PID = *$inside .* tid=$inside .*0x200000" /tmp/inside.log) \
$(grep -c "PID = *$inside .*0x200000.* tid=$inside " /tmp/inside.log)" "0 23"
like "so is the head line" "$(cat /tmp/inside.log)" "^# pf_probe_B .* pid=$inside "
rmmod pf_probe_B
