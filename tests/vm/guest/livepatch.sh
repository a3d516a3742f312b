# SPDX-License-Identifier: GPL-2.0-or-later
# A live patch of handle_mm_fault(): a hook at the entry still sees the faults; a jump after it does
# not, which is reported. With a direct call in place, the function can't be patched.
# vm: serial
# vm: long
. /tap.sh

[ -e /livepatch_fault.ko ] || skip_all "this kernel has no live patches"
grep -q ' __handle_mm_fault$' /proc/kallsyms || skip_all "the test's patch has nothing to call"
direct=callback callback=callback
has_kernel 5 18 && direct=direct
has_kernel 5 11 || callback=
plan 24

# summary: the keys that say whether all faults were recorded.
summary() {
	sed -n -E '/^# recorded/ {
		s/.*recorded=([0-9]+) .* counted=([0-9]+) /\1 of \2 /
		s/^([0-9]+) of \1 /\1 of all /
		p
	}' /proc/pf_probe_B
}

complete() {
	grep -qx 0 /sys/kernel/livepatch/livepatch_fault/transition
}

patch() {
	insmod /livepatch_fault.ko && wait_for complete
}

gone() {
	! test -e /sys/kernel/livepatch/livepatch_fault && rmmod livepatch_fault
}

unpatch() {
	echo 0 >/sys/kernel/livepatch/livepatch_fault/enabled && wait_for gone
}

# load PLACEMENT: loads the module for a stopped process that will take at least 1,000 faults.
load() {
	start_stopped /workload run touch 1000
	dmesg_mark
	insmod /pf_probe_B.ko process_id=$pid placement=$1 2>/dev/null
}

run() {
	kill -CONT $pid
	wait $pid
}

seen="^[0-9]{4} of all unseen=0 probe=armed "

load jump
ok "jump: the function can be patched" patch
run
like "jump: it misses the patched function's faults, and the summary says so" "$(summary)" \
	"^0 of [0-9]{4} unseen=[0-9]{4} probe=armed "
rmmod pf_probe_B
like "jump: dmesg says so" "$(dmesg_since)" \
	"^pf_probe_B: unseen=1[0-9]*: .* or handle_mm_fault\(\) patched"
ok "jump: the patch can be removed" unpatch

for placement in entry $callback; do
	load $placement
	ok "$placement: the function can be patched" patch
	run
	like "$placement: it records all faults" "$(summary)" "$seen"
	ok "$placement: the patch can be removed" unpatch
	rmmod pf_probe_B
done
[ -n "$callback" ] || skip 3 "no callbacks here"

load ftrace
if [ $direct = direct ]; then
	ok "direct: the function can't be patched" fails insmod /livepatch_fault.ko
else
	skip 1 "no direct calls here"
fi
if [ -n "$callback" ]; then
	run
	like "direct: it records all faults" "$(summary)" "$seen"
	rmmod pf_probe_B
else
	kill -KILL $pid
	skip 1 "no callbacks here"
fi

ok "the function is patched" patch
for placement in auto entry ftrace callback; do
	case $placement in
	ftrace | callback) is=$callback ;;
	*) is=entry ;;
	esac
	if [ -z "$is" ]; then
		skip 2 "no callbacks here"
		continue
	fi
	load $placement
	like "patched already, $placement" "$(dmesg_since)" "^pf_probe_B: .* placement: $is$"
	run
	like "patched already, $placement: it records all faults" "$(summary)" "$seen"
	rmmod pf_probe_B
done
ok "patched already, direct: refused" fails load direct
kill -KILL $pid
ok "the patch is removed" unpatch
ok "no module after that" fails grep -q -E 'pf_probe|livepatch' /proc/modules
