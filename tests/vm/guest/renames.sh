# SPDX-License-Identifier: GPL-2.0-or-later
# While directories are renamed, a path is a real one or ?: no other kernel memory gets into /proc,
# a log or dmesg.
. /tap.sh
. /renaming.sh
plan 5

renames_storm 700 20

echo "renames: the storm of A" >/dev/kmsg
renames_round A 60 200
dmesg | sed -e "1,/renames: the storm of A$/d" -e 's/^\[[^]]*\] //' |
	grep "^pf_probe_A: PID =" >/tmp/printed
ok "A: also in printed faults" \
	sh -c 'test -s /tmp/printed && /renames scan /tmp/storm 60 </tmp/printed'
rm -rf /tmp/storm
