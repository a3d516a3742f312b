# SPDX-License-Identifier: GPL-2.0-or-later
# A live patch of handle_mm_fault(): what hooks the entry sees the faults all the same, a jump
# behind it does not, which is told; beside a direct call there can be none.
# vm: serial
# vm: long
. /tap.sh

[ -e /livepatch_fault.ko ] || skip_all "this kernel has no live patches"
grep -q ' __handle_mm_fault$' /proc/kallsyms || skip_all "the test's patch has nothing to call"
direct=callback callback=callback
has_kernel 5 18 && direct=direct
has_kernel 5 11 || callback=
plan 24

# summary: the keys that tell what became of the faults.
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

# load PLACEMENT: before a process of at least 1,000 faults begins.
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
ok "jump: a live patch may come" patch
run
like "jump: it sees none of the patched function's faults, which is told" "$(summary)" \
	"^0 of [0-9]{4} unseen=[0-9]{4} probe=armed "
rmmod pf_probe_B
like "jump: in dmesg, too" "$(dmesg_since)" \
	"^pf_probe_B: unseen=1[0-9]*: .* or handle_mm_fault\(\) patched"
ok "jump: the live patch may go" unpatch

for placement in entry $callback; do
	load $placement
	ok "$placement: a live patch may come" patch
	run
	like "$placement: it sees all" "$(summary)" "$seen"
	ok "$placement: the live patch may go" unpatch
	rmmod pf_probe_B
done
[ -n "$callback" ] || skip 3 "no callbacks here"

load ftrace
if [ $direct = direct ]; then
	ok "direct: there can be no live patch" fails insmod /livepatch_fault.ko
else
	skip 1 "no direct calls here"
fi
if [ -n "$callback" ]; then
	run
	like "direct: it sees all" "$(summary)" "$seen"
	rmmod pf_probe_B
else
	kill -KILL $pid
	skip 1 "no callbacks here"
fi

ok "patched already" patch
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
	like "patched already, $placement" "$(dmesg_since)" "^pf_probe_B: .* probe placement: $is$"
	run
	like "patched already, $placement: it sees all" "$(summary)" "$seen"
	rmmod pf_probe_B
done
ok "patched already, direct: refused" fails load direct
kill -KILL $pid
ok "and unpatched" unpatch
ok "no module after that" fails grep -q -E 'pf_probe|livepatch' /proc/modules
