# SPDX-License-Identifier: GPL-2.0-or-later
# counted= and unseen=: the kernel's own count is compared with ours; silent losses are reported.
# vm: serial
. /tap.sh
plan 32

# both_count DESC PARAMETERS WORKLOAD...: the summary has the same count as wait4().
both_count() {
	desc=$1 parameters=$2
	shift 2
	result=$(/workload track B "$parameters" "$@")
	diag "$result"
	is "$desc: counted" "$(echo "$result" | sed -n 's/.* counted=\([0-9]*\) unseen=.*/\1/p')" \
		"$(echo "$result" | sed -n 's/^difference=[-0-9]* counted=\([0-9]*\) .*/\1/p')"
	like "$desc: nothing unseen, probe=armed" "$result" " unseen=0 probe=armed"
}

both_count "one thread" "" touch 1000
both_count "threads that come and go" "" mix
both_count "outcome=1, some faults fail" "outcome=1" sigbus
both_count "children=1" "children=1" family 6
both_count "cold pages, each entered twice" "" cold

summary() {
	cat /proc/pf_probe_B | tail -n 2 | head -n 1
}

# The kernel may turn the jump into a breakpoint, which it handles as an NMI, and back.
toggle() {
	while :; do
		echo 0 >/proc/sys/debug/kprobes-optimization
		echo 1 >/proc/sys/debug/kprobes-optimization
		echo >>/tmp/toggled
	done
}

if [ -e /proc/sys/debug/kprobes-optimization ]; then
	for parameters in "" "outcome=1" "children=1 cont_store=1 max_faults=1000"; do
		start_stopped /workload run threads 60
		insmod /pf_probe_B.ko process_id=$pid placement=jump $parameters
		: >/tmp/toggled
		toggle &
		toggler=$!
		kill -CONT $pid
		wait $pid
		wait_for test -s /tmp/toggled
		kill $toggler
		wait $toggler 2>/dev/null
		line=$(summary)
		diag "$(wc -l </tmp/toggled) times: $line"
		is "a jump that comes and goes, $parameters: exact" \
			"$(echo "$line" | sed 's/.*recorded=\([0-9]*\) .*/\1/')" \
			"$(echo "$line" | sed 's/.*counted=\([0-9]*\) .*/\1/')"
		like "a jump that comes and goes, $parameters: nothing lost" "$line" \
			" dropped=0 .* missed=0 .* unseen=0 "
		rmmod pf_probe_B
		echo 1 >/proc/sys/debug/kprobes-optimization
	done
else
	skip 6 "a kprobe is never a jump here"
fi

# unseen_of DESC: all outputs report the faults that were taken while the probe was disabled.
unseen_of() {
	kill -CONT $pid
	wait $pid
	line=$(summary)
	unseen=$(echo "$line" | sed -n 's/.* unseen=\([0-9]*\) .*/\1/p')
	like "$1: nothing recorded" "$line" "^# recorded=0 .* dropped=0 .* missed=0 "
	is "$1: all faults that the kernel counted are unseen" \
		"$(echo "$line" | sed -n 's/.* counted=\([0-9]*\) .*/\1/p')" "$unseen"
	ok "$1: there are more than 1,000" test "$unseen" -gt 1000
	like "$1: the probe is disarmed" "$line" " probe=disarmed "
	dmesg_mark
	rmmod pf_probe_B
	said=$(dmesg_since)
	like "$1: reported in dmesg" "$said" "^pf_probe_B: unseen=$unseen: .*switched off"
	like "$1: reported in the plot" "$said" "0 page faults, $unseen more NOT SEEN"
}

start_stopped /workload run touch 1000
insmod /pf_probe_B.ko process_id=$pid
echo 0 >/sys/kernel/debug/kprobes/enabled
unseen_of "kprobes switched off"
dmesg_mark
ok "kprobes switched off: the module does not load" fails insmod /pf_probe_B.ko process_id=$$
like "kprobes switched off: the error says so" \
	"$(dmesg_since)" "^pf_probe_B: kprobes are switched off: write 1 to "
echo 1 >/sys/kernel/debug/kprobes/enabled

if [ -e /proc/sys/kernel/ftrace_enabled ] && [ "$(uname -m)" = x86_64 ]; then
	start_stopped /workload run touch 1000
	insmod /pf_probe_B.ko process_id=$pid placement=entry
	echo 0 >/proc/sys/kernel/ftrace_enabled
	unseen_of "ftrace switched off"
	echo 1 >/proc/sys/kernel/ftrace_enabled
else
	skip 6 "kprobes do not go through ftrace here"
fi

# The parent's own sum includes a child that was forked before the load; our counts do not.
sh -c 'sleep 1 & kill -STOP $$; wait; exec /workload run touch 10' &
pid=$!
wait_for stopped $pid
insmod /pf_probe_B.ko process_id=$pid children=1
kill -CONT $pid
wait $pid
like "a child forked before the load: only the target's faults are counted" "$(summary)" \
	"^# recorded=([0-9]+) .* counted=\\1 unseen=0 .* surplus=0"
rmmod pf_probe_B

# At any moment, for running processes, one with short-lived children.
sh -c 'while :; do /workload run touch 10; done' >/dev/null &
pid=$!
/workload run fault-forever 3 &
other=$!
insmod /pf_probe_B.ko process_id=$other outcome=1 cont_store=1 max_faults=1000
insmod /pf_probe_C.ko process_id=$pid children=1 cont_store=1 max_faults=1000
bad=
for round in $(seq "$(runs 10)"); do
	for probe in B C; do
		line=$(cat /proc/pf_probe_$probe | tail -n 2 | head -n 1)
		case $line in
		*" unseen=0 probe=armed "*) ;;
		*) bad="$bad$line " ;;
		esac
	done
done
is "running processes: no recorded fault is reported as unseen" "$bad" ""
kill -KILL $pid $other
wait $pid $other 2>/dev/null
rmmod pf_probe_B
rmmod pf_probe_C
