# SPDX-License-Identifier: GPL-2.0-or-later
# Like ftrace_dead, with a kprobe at the entry, a direct call (outcome=1 children=1) and a callback
# in the same function: ftrace must not follow its list of them into freed memory.
# vm: alone
. /tap.sh

[ -e /ftrace_dead.ko ] || skip_all "this kernel has no ftrace"
# On x86 a kprobe at the entry goes through ftrace, elsewhere not.
modules=
[ "$(uname -m)" != x86_64 ] || modules=A
! has_ftrace_arguments || modules="$modules B C"
[ -n "$modules" ] || skip_all "nothing goes through ftrace here"
plan $((4 + 4 * $(echo $modules | wc -w)))

# A few faults after each fork; many would take minutes under three modules.
start_stopped sh -c 'while :; do (:); sleep 0.1; done'
target=$pid
list="max_faults=1000 cont_store=1"
[ "$(uname -m)" != x86_64 ] ||
	insmod /pf_probe_A.ko process_id=$target placement=entry probe_print=0 $list
! has_ftrace_arguments || {
	insmod /pf_probe_B.ko process_id=$target placement=ftrace outcome=1 children=1 $list
	insmod /pf_probe_C.ko process_id=$target placement=callback outcome=1 $list
}
kill -CONT $target
sees() {
	cat /proc/pf_probe_$1 >/tmp/log && test "$(grep -c '^PID' /tmp/log)" -gt 20
}
for module in $modules; do
	wait_for sees $module
done
insmod /ftrace_dead.ko

# A newer kernel's kprobes do nothing from now on.
recorded() {
	sed -n 's/.* recorded=\([0-9]*\) .*/\1/p' /proc/pf_probe_$1
}
for module in $modules; do
	nr=$(recorded $module)
	sleep 3
	if [ "$(recorded $module)" -gt "$nr" ]; then
		armed=armed
	else
		armed=disarmed
	fi
	like "$module is $armed, and says so" "$(tail -n 2 /proc/pf_probe_$module)" " probe=$armed"
done

dmesg_mark
said() {
	dmesg_since | grep -q "^pf_probe_$1: ftrace has shut itself down, .*until you reboot$"
}
for module in $modules; do
	rmmod pf_probe_$module &
	ok "$module: rmmod says why it does not return" wait_for said $module
	like "$module: rmmod prints the sums" \
		"$(dmesg_since)" "^pf_probe_$module: recorded=[1-9][0-9]* "
	like "$module: it is still there" "$(cat /proc/modules)" "^pf_probe_$module .* Unloading "
done
ok "the target still runs" kill -0 $target
kill -KILL $target
wait $target 2>/dev/null
ok "faults go on" /workload run mix
ok "in many processes" /workload run family 6
ok "in many threads" /workload run threads 64
