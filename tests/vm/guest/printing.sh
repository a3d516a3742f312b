# SPDX-License-Identifier: GPL-2.0-or-later
# pf_probe_A: every fault in dmesg, in time order, before rmmod has returned.
. /tap.sh
plan 15

dmesg_mark
/workload track A "" touch 1000 >/tmp/result
like "exact" "$(cat /tmp/result)" "^difference=0 "
dmesg_since | sed -n 's/^pf_probe_A: \(PID = .*\)/\1/p' >/tmp/printed
grep '^PID =' /tmp/track.log >/tmp/drained
ok "the same faults are in /proc" cmp /tmp/drained /tmp/printed
like "the summary is last" "$(dmesg_since | tail -n 1)" \
	"^pf_probe_A: recorded=[0-9]+ retries=0 dropped=0 overwritten=0 missed=0$"

dmesg_mark
/workload track A "probe_print=0" touch 100 >/tmp/result
is "probe_print=0: no fault is printed" "$(dmesg_since | grep -c 'PID =')" 0

start_stopped /workload run touch 10
insmod /pf_probe_A.ko process_id=$pid probe_print=0
echo 1 >/sys/module/pf_probe_A/parameters/probe_print
dmesg_mark
kill -CONT $pid
wait $pid
rmmod pf_probe_A
is "probe_print set at run time" "$(dmesg_since | grep -c '0x20000000[0-9a-f]* .*region=anon')" 10

# rmmod prints the rest. It can be interrupted; faults that are not printed are counted.
start_stopped /workload run zero 20000
insmod /pf_probe_A.ko process_id=$pid
dmesg -n 8
kill -CONT $pid
wait $pid
rmmod pf_probe_A &
unloader=$!
wait_for grep -q '^pf_probe_A .* Unloading ' /proc/modules
kill -KILL $unloader
# On RT, a thread writes to the console. It skips what is left, or it would keep a CPU for minutes.
dmesg -n 5
ok "rmmod can be interrupted" wait_for fails grep -q '^pf_probe_A ' /proc/modules
# The kernel log may have lost the first of so many lines.
left=$(dmesg | sed -n 's/.*pf_probe_A: \([0-9]*\) faults were not printed.*/\1/p')
ok "rmmod reports the number of faults not printed" test "${left:-0}" -gt 0

# The module warns if every user can read dmesg; without /proc it can't know.
restrict=/proc/sys/kernel/dmesg_restrict
was=$(cat $restrict)
for value in 0 1; do
	for name in A B C; do
		start_stopped /workload run touch 1
		dmesg_mark
		echo $value >$restrict
		insmod /pf_probe_$name.ko process_id=$pid
		[ $name = A ] || dmesg_mark
		kill -CONT $pid
		wait $pid
		rmmod pf_probe_$name
		if [ $value = 0 ]; then
			like "$name, dmesg_restrict=0: a warning" "$(dmesg_since)" \
				"^pf_probe_$name: .* lines in dmesg, because kernel.dmesg_restrict=0$"
		else
			unlike "$name, dmesg_restrict=1: no warning" \
				"$(dmesg_since)" "dmesg_restrict"
		fi
	done
done
echo "$was" >$restrict
like "singular for one fault" "$(dmesg_since)" "^[a-z]+: 1 fault$"
start_stopped /workload run touch 1
dmesg_mark
unshare --mount sh -c "umount -l /proc; insmod /pf_probe_A.ko process_id=$pid"
like "A without /proc: the warning says what it depends on" "$(dmesg_since)" \
	"^pf_probe_A: .*, unless kernel.dmesg_restrict=1$"
rmmod pf_probe_A
kill -KILL $pid
