# SPDX-License-Identifier: GPL-2.0-or-later
# rmmod under load and with open readers: no hang, no crash, readers get an error.
# vm: serial
. /tap.sh
nr_rounds=$(runs 10)
plan $((1 + 6 * nr_rounds))

ready() { grep -q ready /tmp/hold.$1; }

for round in $(seq $nr_rounds); do
	# Constant faults on both CPUs.
	while :; do /workload run threads 2; done &
	loader=$!
	start_stopped /workload run fault-forever
	insmod /pf_probe_B.ko process_id=$pid
	kill -CONT $pid
	hows="open read poll hup except epoll"
	holders=
	rm -f /tmp/hold.*
	for how in $hows; do
		/reader hold $how /proc/pf_probe_B >/tmp/hold.$how 2>&1 &
		holders="$holders $!"
	done
	for how in $hows; do
		wait_for ready $how
	done
	ok "round $round: rmmod with readers" rmmod pf_probe_B
	wait $holders
	is "round $round: readers got an error" "$(cat /tmp/hold.* | sort | uniq -c | tr -s ' ')" \
		" 6 read: Input/output error
 6 ready"
	kill -KILL $pid $loader
	wait $pid $loader 2>/dev/null
	ok "round $round: /proc is clean" fails test -e /proc/pf_probe_B
	ok "round $round: no module is left" fails grep -q pf_probe /proc/modules
done

# The same with everything that has to be released: children, outcomes, files.
for round in $(seq $nr_rounds); do
	while :; do /workload run threads 4; done &
	loader=$!
	start_stopped sh -c 'while :; do /workload run threads 4; /workload run touch 30; done'
	placement=auto
	[ $((round % 2)) = 0 ] && placement=entry
	insmod /pf_probe_B.ko process_id=$pid children=1 outcome=1 max_faults=20000 cont_store=1 \
		placement=$placement
	kill -CONT $pid
	/user --follow -o /dev/null B >/dev/null 2>&1 &
	follower=$!
	wait_for sh -c 'test "$(grep -c "^# exec" /proc/pf_probe_B)" -gt 3'
	ok "round $round: rmmod with children and outcomes" rmmod pf_probe_B
	kill -KILL $pid $loader
	wait $pid $loader $follower 2>/dev/null
	ok "round $round: no module is left" fails grep -q pf_probe /proc/modules
done

# The target is killed while it faults.
start_stopped /workload run fault-forever
insmod /pf_probe_B.ko process_id=$pid max_faults=100000
kill -CONT $pid
wait_for sh -c 'test "$(grep -c "PID =" /proc/pf_probe_B)" -gt 100'
kill -KILL $pid
wait $pid 2>/dev/null
like "the faults of a killed target can be read" \
	"$(tail -n 2 /proc/pf_probe_B)" "recorded=.*target=exited"
rmmod pf_probe_B
