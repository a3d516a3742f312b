# SPDX-License-Identifier: GPL-2.0-or-later
# Each allocation of a load, of opening, reading and unloading fails in turn. The result is ENOMEM,
# or the same as without a failure; nothing is left behind.
# vm: serial
# vm: long
. /tap.sh
[ -e /proc/self/fail-nth ] || skip_all "no fault injection in this kernel: make test-debug has one"
plan 25

# All allocations, also those that may wait and those of one page; without messages.
for what in failslab fail_page_alloc; do
	for setting in ignore-gfp-wait ignore-gfp-highmem verbose min-order; do
		file=/sys/kernel/debug/$what/$setting
		[ -e $file ] && echo 0 >$file
	done
done

# Messages about failed allocations are no error here. Save the messages so far for the harness,
# which checks them and those after this test; the messages of this test are checked here.
dmesg >>/out/dmesg.txt
dmesg_mark
dmesg -n 1

# nth PROBE SITUATION:PARAMETERS...
nth() {
	probe=$1
	shift
	for what in "$@"; do
		/failing $probe "$what" >/tmp/failing 2>&1
		like "$probe, $what" "$(cat /tmp/failing)" \
			" tried=[1-9][0-9]* refused=[0-9]+ whole=[1-9][0-9]* odd=0$"
		diag "$(tail -n 20 /tmp/failing)"
	done
}

nth B load: load:outcome=1 load:children=1 "load:children=1 outcome=1" load:placement=entry \
	load:placement=direct load:placement=callback "load:placement=ftrace children=1" \
	"load:placement=callback outcome=1" open: read: read:children=1 unload: \
	"unload:children=1 outcome=1" unload:placement=direct
nth A load:probe_print=0 "load:probe_print=0 outcome=1 children=1 placement=callback" open: \
	unload:probe_print=0
nth C load: "load:children=1 placement=ftrace" "load:outcome=1" unload:outcome=1

is "nothing is left" "$(grep pf_probe /proc/modules) $(cat /sys/kernel/debug/kprobes/list)" " "
unlike "no error of the kernel" "$(dmesg_since)" \
	"BUG|WARNING|KASAN|UBSAN|KCSAN|Oops|general protection|refcount_t|INFO: task|corruption"
dmesg -c >/dev/null
dmesg -n 5
