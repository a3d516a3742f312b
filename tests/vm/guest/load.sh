# SPDX-License-Identifier: GPL-2.0-or-later
# Parameters: wrong values are refused with a message, and nothing is left behind.
. /tap.sh
plan 40

# refused DESC ERROR WORDS PARAMETERS...
refused() {
	desc=$1 error=$2 words=$3
	shift 3
	dmesg_mark
	out=$(insmod /pf_probe_B.ko "$@" 2>&1)
	like "$desc: $error" "$out" "$error"
	like "$desc: message" "$(dmesg_since)" "^pf_probe_B: .*$words"
}

sleep 100000 &
target=$!

refused "no process_id" "Invalid argument" "process_id=PID is required"
refused "process_id=0" "Invalid argument" "process_id=PID is required" process_id=0
refused "process_id=-5" "Invalid argument" "process_id=PID is required" process_id=-5
refused "process_id=abc" "Invalid argument" "process_id=PID is required" process_id=abc
# For ESRCH, kmod and busybox would print a message about symbols.
refused "no such process" "[Ii]nvalid (argument|parameter)" "no process 4000000" process_id=4000000
refused "a kernel thread" "Invalid argument" "2 is a kernel thread" process_id=2
refused "maps=nonsense" "Invalid argument" "maps=nonsense: must be exec, all or none$" \
	process_id=$target maps=nonsense
refused "max_faults=0" "Invalid argument" "must be 1 or more" process_id=$target max_faults=0
refused "max_faults=10^12" "Cannot allocate memory|Out of memory" "more memory than can be spared" \
	process_id=$target max_faults=1000000000000
most=$(dmesg_since | sed -n 's/.*: give \([0-9]*\) or less$/\1/p' | tail -n 1)

ok "no file in /proc after refusals" fails test -e /proc/pf_probe_B
ok "no module after refusals" fails grep -q pf_probe /proc/modules

# The suggested maximum is possible, unless others allocate memory meanwhile, and leaves some free.
most=$((most / 10 * 9))
if grep -q ' kasan_report$' /proc/kallsyms; then
	skip 1 "KASAN and kmemleak need additional memory for each allocation"
else
	ok "the suggested max_faults is possible" \
		insmod /pf_probe_B.ko process_id=$target max_faults=$most
fi
total=$(awk '/^MemTotal:/ { print $2 }' /proc/meminfo)
left=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
diag "of $total KiB $left KiB are left"
ok "some memory is left" test "$left" -gt $((total / 32))
rmmod pf_probe_B
insmod /pf_probe_B.ko process_id=$target max_faults=$most &
loader=$!
wait_for grep -q '^pf_probe_B .* Loading ' /proc/modules
kill -KILL $loader
wait $loader
is "a long load can be killed" $? 137
ok "after that, no module is loaded" fails grep -q pf_probe /proc/modules

hostname "a b"
ok "B loads" insmod /pf_probe_B.ko process_id=$target
like "the same module can't be loaded twice" \
	"$(insmod /pf_probe_B.ko process_id=$target 2>&1)" "File exists"
ok "A and C can be loaded at the same time" sh -c "insmod /pf_probe_A.ko process_id=$target &&
	insmod /pf_probe_C.ko process_id=$target"
is "mode of the file" "$(stat -c %a /proc/pf_probe_B)" 400
like "other users can't read it" "$(/reader nobody /proc/pf_probe_B 2>&1)" "Permission denied"
is "parameters can be read back" "$(cat /sys/module/pf_probe_B/parameters/process_id)" $target
like "head line" "$(head -n 1 /proc/pf_probe_B)" \
	"^# pf_probe_B version=[0-9.]+ pid=$target comm=sleep clock=CLOCK_MONOTONIC loaded=[0-9]+ \
epoch=[0-9]+\.[0-9]{9} page=[0-9]+ kernel=$(uname -r | sed 's/[+.]/\\&/g') \
arch=$(uname -m) host=a\\\\040b maps=exec$"
is "maps can be read back" "$(cat /sys/module/pf_probe_B/parameters/maps)" exec
rmmod pf_probe_A && rmmod pf_probe_B && rmmod pf_probe_C

refused "placement=x" "Invalid argument" "auto, jump, entry, ftrace, direct or callback" \
	process_id=$target placement=x
wanted=entry
[ "$(uname -m)" != x86_64 ] || wanted=jump
for placement in entry auto; do
	dmesg_mark
	insmod /pf_probe_B.ko process_id=$target placement=$placement
	rmmod pf_probe_B
	[ $placement = entry ] && is=entry || is=$wanted
	like "placement=$placement is $is here" "$(dmesg_since)" "placement: $is$"
done
# If kprobes are not optimised there is no jump, and auto falls back to the entry.
echo 0 >/proc/sys/debug/kprobes-optimization 2>/dev/null
refused "placement=jump without optimisation" "." "cannot place a jump" process_id=$target \
	placement=jump
dmesg_mark
insmod /pf_probe_B.ko process_id=$target
like "auto falls back" "$(dmesg_since)" "placement: entry"
rmmod pf_probe_B
echo 1 >/proc/sys/debug/kprobes-optimization 2>/dev/null

/workload run idle-threads 3 &
pid=$!
threads() { test "$(ls /proc/$pid/task | wc -l)" -eq 4; }
wait_for threads
tid=$(ls /proc/$pid/task | tail -n 1)
dmesg_mark
insmod /pf_probe_B.ko process_id=$tid
like "the number of a thread selects its process" "$(dmesg_since)" \
	"pf_probe_B: $tid is a thread of process $pid: recording the whole process"
rmmod pf_probe_B
kill $pid

kill $target
