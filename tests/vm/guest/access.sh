# SPDX-License-Identifier: GPL-2.0-or-later
# Who may load a module and read the record; no output contains a kernel address.
. /tap.sh
plan 10

start_stopped /workload run mix
for module in A B C; do
	insmod /pf_probe_$module.ko process_id=$pid outcome=1 children=1 probe_print=1 probe_debug=1
done
kill -CONT $pid
wait $pid

file=/proc/pf_probe_B
like "another user can't read the file" "$(/reader nobody $file 2>&1)" "Permission denied"
like "nor as root of a user namespace" "$(/reader root $file 2>&1)" \
	"Permission denied"
is "a descriptor that root opened can be read by the process that it is passed to" \
	"$(/reader before $file 2>&1)" whole
like "without CAP_SYS_MODULE, no module can be loaded" "$(/reader load /pf_probe_A.ko 2>&1)" \
	"finit_module: Operation not permitted"
for parameter in process_id max_faults cont_store placement outcome maxactive children maps; do
	stat -c %a /sys/module/pf_probe_B/parameters/$parameter
done >/tmp/modes
is "parameters that are fixed at load are read-only" "$(sort -u /tmp/modes)" 444
is "root alone can write the others" \
	"$(stat -c %a /sys/module/pf_probe_B/parameters/probe_* | sort -u)" 600

cat /proc/pf_probe_[ABC] /sys/module/pf_probe_[ABC]/parameters/* >/tmp/outputs
rmmod pf_probe_A && rmmod pf_probe_B && rmmod pf_probe_C
dmesg_since >>/tmp/outputs
(cd /tmp && /user -B --root outcome=1 -o access.log -- /workload run touch 10 && cat access.log) \
	>>/tmp/outputs 2>&1
ok "there is enough output to check" test "$(wc -l </tmp/outputs)" -gt 5000
# Kernel addresses are in the upper half, wherever KASLR puts them; in decimal, 1844....
like "the pattern matches kernel addresses" "$(grep -m 1 ' handle_mm_fault$' /proc/kallsyms)" \
	"^ffff[0-9a-f]{12} "
is "no kernel address" "$(grep -o -i -E 'f{4}[0-9a-f]{12}' /tmp/outputs | head -n 5)" ""
is "none in decimal" "$(grep -o -E '(^|[^0-9])1844[0-9]{16}' /tmp/outputs | head -n 5)" ""
rm -f /tmp/outputs
