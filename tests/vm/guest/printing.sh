# SPDX-License-Identifier: GPL-2.0-or-later
# pf_probe_A: every fault in dmesg, in time order, before rmmod has returned.
. /tap.sh
plan 5

dmesg_mark
/workload track A "" touch 1000 >/tmp/result
like "exact" "$(cat /tmp/result)" "^difference=0 "
dmesg_since | sed -n 's/^pf_probe_A: \(PID = .*\)/\1/p' >/tmp/printed
grep '^PID =' /tmp/track.log >/tmp/drained
ok "what /proc shows is what was printed" cmp /tmp/drained /tmp/printed
like "then the summary" "$(dmesg_since | tail -n 1)" \
	"^pf_probe_A: recorded=[0-9]+ retries=0 dropped=0 overwritten=0 missed=0$"

dmesg_mark
/workload track A "probe_print=0" touch 100 >/tmp/result
is "probe_print=0: none" "$(dmesg_since | grep -c 'PID =')" 0

start_stopped /workload run touch 10
insmod /pf_probe_A.ko process_id=$pid probe_print=0
echo 1 >/sys/module/pf_probe_A/parameters/probe_print
dmesg_mark
kill -CONT $pid
wait $pid
rmmod pf_probe_A
is "probe_print set at run time" "$(dmesg_since | grep -c '0x20000000[0-9a-f]* .*region=anon')" 10
