# SPDX-License-Identifier: GPL-2.0-or-later
# Who may load and look, and that no output has an address of the kernel in it.
. /tap.sh
plan 10

start_stopped /workload run mix
for module in A B C; do
	insmod /pf_probe_$module.ko process_id=$pid outcome=1 children=1 probe_print=1 probe_debug=1
done
kill -CONT $pid
wait $pid

file=/proc/pf_probe_B
like "another user may not look" "$(/reader nobody $file 2>&1)" "Permission denied"
like "nor may he as root of a user namespace of his own" "$(/reader root $file 2>&1)" \
	"Permission denied"
is "a descriptor that root opened can be read by who gets it" "$(/reader before $file 2>&1)" whole
like "without CAP_SYS_MODULE nothing is loaded" "$(/reader load /pf_probe_A.ko 2>&1)" \
	"finit_module: Operation not permitted"
for parameter in process_id max_faults cont_store placement outcome maxactive children; do
	stat -c %a /sys/module/pf_probe_B/parameters/$parameter
done >/tmp/modes
is "parameters that are settled can't be written" "$(sort -u /tmp/modes)" 444
is "the others only by root" "$(stat -c %a /sys/module/pf_probe_B/parameters/probe_* | sort -u)" 600

cat /proc/pf_probe_[ABC] /sys/module/pf_probe_[ABC]/parameters/* >/tmp/outputs
rmmod pf_probe_A && rmmod pf_probe_B && rmmod pf_probe_C
dmesg_since >>/tmp/outputs
(cd /tmp && /user -B --root outcome=1 -o access.log -- /workload run touch 10 && cat access.log) \
	>>/tmp/outputs 2>&1
ok "there is much to look at" test "$(wc -l </tmp/outputs)" -gt 5000
# All that the kernel has is in the upper half, wherever KASLR has put it; in decimal 1844....
like "what is looked for is found" "$(grep -m 1 ' handle_mm_fault$' /proc/kallsyms)" \
	"^ffff[0-9a-f]{12} "
is "no address of the kernel" "$(grep -o -i -E 'f{4}[0-9a-f]{12}' /tmp/outputs | head -n 5)" ""
is "nor in decimal" "$(grep -o -E '(^|[^0-9])1844[0-9]{16}' /tmp/outputs | head -n 5)" ""
rm -f /tmp/outputs
