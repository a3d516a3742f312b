# SPDX-License-Identifier: GPL-2.0-or-later
# A short storm of faults, forks, readers and loads; `make stress` runs a long one.
# vm: serial
# vm: long
. /tap.sh
plan 5

placements="auto entry"
has_ftrace_arguments && placements="$placements ftrace callback"

/stress "${STRESS_SECONDS:-$(runs 40)}" "${STRESS_SEED:-1}" $placements >/tmp/stress 2>&1
is "no error is found" $? 0
totals=$(tail -n 1 /tmp/stress)
like "rounds were completed" "$totals" "^rounds=[1-9][0-9]* whole=[1-9].* wrong=0$"
like "lines were checked" "$totals" " recorded=[1-9].* lines=[1-9][0-9]{2,}"
diag "$(tail -n 20 /tmp/stress)"
ok "no module is left loaded" fails grep -q pf_probe /proc/modules
is "no probe is left" "$(cat /sys/kernel/debug/kprobes/list)" ""
