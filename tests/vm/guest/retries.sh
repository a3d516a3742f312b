# SPDX-License-Identifier: GPL-2.0-or-later
# A fault that is tried again is recorded once, whatever happens between its tries: signals, exec,
# other threads. Faults that never complete are reported.
. /tap.sh
. /counting.sh

handlers="nothing one three another leave child same anew"
if [ "${QUICK:-0}" = 1 ]; then
	placements=auto
	has_ftrace_arguments && placements="auto ftrace"
	nr_outcomes=1 nr_children=1 nr_rounds=1 nr_threads=2000
	steps="8192 1048576"
	[ "${PATIENCE:-1}" = 1 ] || nr_rounds=10 # the debug kernels have quick runs only
else
	placements="auto entry"
	has_ftrace_arguments && placements="auto entry ftrace callback"
	nr_outcomes=2 nr_children=2 nr_rounds=10 nr_threads=12000
	steps="8192 16384 65536 1048576"
fi
nr_reads=100
nr_steps=$(echo $steps | wc -w)
nr_pairs=$((8 * $(echo $placements | wc -w)))
plan $((nr_pairs * nr_outcomes * nr_children + 5 + 4 + 4 + 2 * nr_steps + 3 + 2))

# signals PARAMETERS CHILDREN HANDLER
signals() {
	track "$3 $1 $2" "$1 $2" /retries signals "$3" $nr_reads $nr_rounds
}

# In a quick run, a pair of handler and placement has one outcome= and one children=.
pair=0
for handler in $handlers; do
	for placement in $placements; do
		for outcome in $(seq $nr_outcomes); do
			outcome=$(((outcome + pair / 2 + pair) % 2))
			for children in $(seq $nr_children); do
				signals "placement=$placement outcome=$outcome" \
					children=$(((children + pair / 4) % 2)) $handler
			done
		done
		pair=$((pair + 1))
	done
done

# exec by a thread other than the leader. It takes over the leader's PID and start time.
for faults in 0 1 2 3 4; do
	track "exec by a thread, $faults faults before" "" /retries exec $faults
done
for outcome in 0 1; do
	track "exec while the leader waits, outcome=$outcome" outcome=$outcome /retries exec -1
done
like "the leader's fault is abandoned" "$result" " abandoned=1 "
is "it is not a try of the other thread's fault" \
	"$(grep -c 'mode=kernel .* tries=1 ' /tmp/track.log)" \
	"$(grep -c 'mode=kernel ' /tmp/track.log)"

for outcome in 0 1; do
	track "unmapped between two tries, outcome=$outcome" outcome=$outcome /retries unmapped 20
	like "unmapped between two tries, outcome=$outcome: reported" "$result" \
		" (incomplete|abandoned)=20 "
done

echo 4194304 >/proc/sys/kernel/pid_max
for step in $steps; do
	for outcome in 0 1; do
		track "PIDs $step apart, outcome=$outcome" outcome=$outcome /retries numbers $step
	done
done

# More threads than there are slots, all waiting in a fault.
crowd $nr_threads
track "$nr_threads threads, outcome=1" "outcome=1 maxactive=16384" /retries crowd $nr_threads

# An untracked process becomes an orphan in the family's PID namespace, whose init waits for it. Its
# faults are then in init's sum of children, but must not be in our counts.
rm -f /tmp/init /tmp/adopted
/retries stranger /tmp/init 5000 &
result=$(/workload track B children=1 command /retries init /tmp/init)
wait $!
like "an untracked orphan is adopted: the parent's sum is too high" \
	"$result" "^difference=-[0-9]{4} "
like "no fault is reported as unseen" "$result" \
	" recorded=([0-9]+) .* counted=\\1 unseen=0 .* surplus=0"
