# SPDX-License-Identifier: GPL-2.0-or-later
# counted= and unseen=: the kernel's own count beside ours; what nobody told of is told.
# vm: serial
. /tap.sh
plan 32

# both_count DESC PARAMETERS WORKLOAD...: the count in the summary is the one that wait4() gives.
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
both_count "with outcomes, in which some fail" "outcome=1" sigbus
both_count "with children" "children=1" family 6
both_count "cold pages, each entered twice" "" cold

summary() {
	cat /proc/pf_probe_B | tail -n 2 | head -n 1
}

# The kernel may turn the jump into a breakpoint and back, whose handler it takes for an NMI.
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

# unseen_of DESC: what the program faulted while nothing was recorded, in all places.
unseen_of() {
	kill -CONT $pid
	wait $pid
	line=$(summary)
	unseen=$(echo "$line" | sed -n 's/.* unseen=\([0-9]*\) .*/\1/p')
	like "$1: nothing recorded" "$line" "^# recorded=0 .* dropped=0 .* missed=0 "
	is "$1: all the kernel's faults are unseen" \
		"$(echo "$line" | sed -n 's/.* counted=\([0-9]*\) .*/\1/p')" "$unseen"
	ok "$1: and they are many" test "$unseen" -gt 1000
	like "$1: the probe is not there" "$line" " probe=disarmed "
	dmesg_mark
	rmmod pf_probe_B
	said=$(dmesg_since)
	like "$1: dmesg tells" "$said" "^pf_probe_B: unseen=$unseen: .*switched off"
	like "$1: the plot, too" "$said" "0 page faults, $unseen more NOT SEEN"
}

start_stopped /workload run touch 1000
insmod /pf_probe_B.ko process_id=$pid
echo 0 >/sys/kernel/debug/kprobes/enabled
unseen_of "kprobes switched off"
dmesg_mark
ok "no load while they are" fails insmod /pf_probe_B.ko process_id=$$
like "in words" "$(dmesg_since)" "^pf_probe_B: kprobes are switched off: write 1 to "
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

# A child from before is in what its parent sums up, and in neither of our counts.
sh -c 'sleep 1 & kill -STOP $$; wait; exec /workload run touch 10' &
pid=$!
wait_for stopped $pid
insmod /pf_probe_B.ko process_id=$pid children=1
kill -CONT $pid
wait $pid
like "with a child from before: the target's own faults" "$(summary)" \
	"^# recorded=([0-9]+) .* counted=\\1 unseen=0 .* surplus=0"
rmmod pf_probe_B

# At any moment, of a process that runs, whose children come and go.
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
is "of running processes nothing is called unseen that was recorded" "$bad" ""
kill -KILL $pid $other
wait $pid $other 2>/dev/null
rmmod pf_probe_B
rmmod pf_probe_C
