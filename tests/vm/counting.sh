# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Functions for the cases that compare counts of tests/vm/retries.c.

exact="^difference=0 .*status=0 .*dropped=0 .*missed=0 .*unseen=0 .*forgotten=[0-9]+ surplus=0"

# track DESC PARAMETERS COMMAND...: the count is exact.
track() {
	desc=$1 parameters=$2
	shift 2
	result=$(/workload track B "$parameters" command "$@")
	like "$desc: exact" "$result" "$exact"
	diag "$desc: $(echo "$result" | grep -v "^signals=")"
}

# crowd N: two checks of N threads that all wait in a fault. If there are more threads than slots,
# some faults are forgotten, and it is not known whether those have completed.
crowd() {
	echo 4194304 >/proc/sys/kernel/pid_max
	echo 200000 >/proc/sys/kernel/threads-max # a small guest allows some 7,000
	echo 1000000 >/proc/sys/vm/max_map_count
	result=$(/workload track B "" command /retries crowd "$1")
	difference=$(echo "$result" | sed 's/^difference=\([-0-9]*\) .*/\1/')
	forgotten=$(echo "$result" | sed 's/.* forgotten=\([0-9]*\) .*/\1/')
	diag "$1 threads: $result"
	ok "$1 threads: $difference of $forgotten forgotten faults have not completed" \
		test "$difference" -ge 0 -a "$difference" -le "$forgotten"
	like "$1 threads: nothing lost, no surplus" "$result" \
		" status=0 .*dropped=0 .*missed=0 .*unseen=0 .* surplus=0"
}
