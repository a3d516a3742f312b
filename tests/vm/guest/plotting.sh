# SPDX-License-Identifier: GPL-2.0-or-later
# pf_probe_B and pf_probe_C: the plots in dmesg at rmmod.
# vm: long
. /tap.sh
plan 10

dmesg_mark
/workload track B "" mix >/tmp/result
recorded=$(sed 's/.* recorded=\([0-9]*\) .*/\1/' /tmp/result)
dmesg_since | sed -n '/page faults/,/^pf_probe_B: recorded/p' >/tmp/plot
like "B: title with command and counts" "$(cat /tmp/plot)" "workload.*$recorded|$recorded.*workload"
ok "B: a plot of about 30 rows" test "$(wc -l </tmp/plot)" -ge 30 -a "$(wc -l </tmp/plot)" -le 60
is "B: no line over 100 columns" "$(grep -c '.\{101\}' /tmp/plot)" 0
diag "$(cat /tmp/plot)"

dmesg_mark
/workload track C "" mix >/tmp/result
dmesg_since | sed -n '/page faults/,/^pf_probe_C: recorded/p' >/tmp/plot
for region in code data heap stack file anon; do
	like "C: a plot for $region" "$(cat /tmp/plot)" "^$region: [0-9]+ faults"
done
is "C: no line over 100 columns" "$(grep -c '.\{101\}' /tmp/plot)" 0
diag "$(cat /tmp/plot)"
