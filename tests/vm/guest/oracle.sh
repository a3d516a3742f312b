# SPDX-License-Identifier: GPL-2.0-or-later
# The number of recorded faults is exactly what the kernel counted for the process.
. /tap.sh
nr_runs=$(runs 20)
plan $((10 + nr_runs))

for run in $(seq $nr_runs); do
	result=$(/workload track B "" mix)
	like "mix, run $run" "$result" "^difference=0 .*status=0 .*dropped=0 overwritten=0 missed=0"
	diag "$result"
done

for placement in entry auto; do
	result=$(/workload track B "placement=$placement" mix)
	like "mix, placement=$placement" "$result" "^difference=0 .*status=0 .*missed=0"
done
like "an instruction fetch is recorded, with address = ip" "$(cat /tmp/track.log)" \
	"Address (0x[0-9a-f]+) at .* ip=\\1 access=exec mode=user region=code"
result=$(/workload track B "" threads 64)
like "64 threads" "$result" "^difference=0 .*status=0 .*dropped=0"
is "64 threads: each has faults" \
	"$(sed -n 's/.* tid=\([0-9]*\) .*/\1/p' /tmp/track.log | sort -u | wc -l)" 65

# The first fault of a new thread is at the address of the only fault of a dead one with its TID.
for outcome in 0 1; do
	result=$(/workload track B "outcome=$outcome" reused-tid 11)
	like "a reused TID, outcome=$outcome" "$result" "^difference=0 "
	diag "$result"
done

/workload track B "" touch 23 >/tmp/result
like "23 pages: 23 records" "$(cat /tmp/result)" "^difference=0 counted=[0-9]+ "
is "23 pages: the right page numbers, in order" "$(/workload pages | tr '\n' ' ')" \
	"$(seq 0 22 | tr '\n' ' ')"
is "23 pages: the right access, mode and region" \
	"$(grep -c 'Address 0x200000.*access=write mode=user region=anon map=anon$' /tmp/track.log)" 23
