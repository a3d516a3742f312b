# SPDX-License-Identifier: GPL-2.0-or-later
# ftrace shuts itself down while a direct call is in place. The call can't be removed, so the module
# stays: rmmod does all of its work, prints a message, and never returns.
# vm: serial
# vm: last
. /tap.sh

[ -e /ftrace_dead.ko ] || skip_all "this kernel has no ftrace"
has_ftrace_arguments || skip_all "no placement=ftrace here"
plan 20

# A process that faults before and after, and others beside it.
start_stopped /workload run fault-forever
target=$pid
list="max_faults=1000 cont_store=1"
if [ "$(uname -m)" = x86_64 ]; then
	insmod /pf_probe_A.ko process_id=$target placement=jump probe_print=0 $list
fi
insmod /pf_probe_B.ko process_id=$target placement=ftrace $list
kill -CONT $target
insmod /ftrace_dead.ko
wait_for sh -c 'test "$(grep -c "PID =" /proc/pf_probe_B)" -ge 1000'
cat /proc/pf_probe_B >/tmp/log
like "ftrace has shut itself down: faults are still recorded" "$(tail -n 2 /tmp/log)" \
	"overwritten=[1-9].* target=running .*probe=armed"
if [ "$(uname -m)" = x86_64 ]; then
	ok "a module with jumps only can be removed" timeout 60 rmmod pf_probe_A
	ok "it is gone" fails grep -q pf_probe_A /proc/modules
else
	skip 2 "no jumps here"
fi

dmesg_mark
rmmod pf_probe_B &
rmmod=$!
said() {
	dmesg_since | grep -q 'ftrace has shut itself down'
}
ok "rmmod says why it does not return" wait_for said
like "one line says what to do" "$(dmesg_since)" \
	"^pf_probe_B: ftrace has shut itself down, and the kernel still calls .*until you reboot$"
like "rmmod draws the plot" "$(dmesg_since)" "^page number \+"
like "rmmod prints the sums" \
	"$(dmesg_since)" "^pf_probe_B: recorded=[0-9]+ .*overwritten=[0-9]+ missed=0$"
ok "the /proc file is gone" fails test -e /proc/pf_probe_B
like "the module is still there" "$(cat /proc/modules)" "^pf_probe_B [0-9]+ .* Unloading "

for what in "touch 500" "threads 64" mix; do
	ok "faults go on: $what" /workload run $what
done
ok "children, too" /workload run family 6
ok "the target keeps faulting" kill -0 $target
kill -KILL $target
wait $target 2>/dev/null

kill -KILL $rmmod
like "rmmod survives SIGKILL and is idle, so it is not reported as hung" \
	"$(cat /proc/$rmmod/status)" \
	"^State:.I \(idle\)$"
if [ -e /sys/power/pm_test ]; then
	ok "the machine can suspend meanwhile" sh -c \
		'echo freezer >/sys/power/pm_test && echo freeze >/sys/power/state'
else
	skip 1 "this kernel has no /sys/power/pm_test"
fi
ok "the module can't be loaded a second time" fails insmod /pf_probe_B.ko process_id=$$
dmesg_mark
ok "another module does not load" fails insmod /pf_probe_C.ko process_id=$$
like "another module: the error" "$(dmesg_since)" \
	"^pf_probe_C: ftrace has shut itself down, .*: reboot$"
ok "another module: it is not left loaded" fails grep -q pf_probe_C /proc/modules
