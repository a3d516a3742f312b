# SPDX-License-Identifier: GPL-2.0-or-later
# Random system calls on /proc/pf_probe_X have the same results as on a file with the same text.
. /tap.sh
plan 2

nr=4000
[ "${QUICK:-0}" = 1 ] && nr=500
seed=$(od -A n -t u4 -N 4 /dev/urandom | tr -d ' ')

# operate DESC WORKLOAD... -- PARAMETERS...
operate() {
	desc=$1 run=$2 parameters=$3
	start_stopped /workload run $run
	insmod /pf_probe_B.ko process_id=$pid $parameters
	kill -CONT $pid
	wait $pid
	result=$(/operations $nr "$seed" /proc/pf_probe_B)
	like "$desc, $nr operations, seed $seed" "$result" " fstat=[1-9]"
	diag "$result"
	rmmod pf_probe_B
}

operate "faults" "touch 600" ""
operate "children=1 outcome=1" "family 2" "children=1 outcome=1"
