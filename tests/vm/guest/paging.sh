# SPDX-License-Identifier: GPL-2.0-or-later
# The count is exact with huge pages, hugetlb, userfaultfd and swap.
. /tap.sh
nr_runs=$(runs 20)
nr_ends=$(runs 5)
plan $((2 + nr_runs + nr_ends))

ok "memory is limited, and there is swap" little_memory

for run in $(seq $nr_runs); do
	result=$(/workload track B "" paging)
	like "paging, run $run" \
		"$result" "^difference=0 .*status=0 .*dropped=0 overwritten=0 missed=0"
	diag "$result"
done
for run in $(seq $nr_ends); do
	result=$(/workload track B "outcome=1" paging)
	like "paging, outcome=1, run $run" "$result" \
		"^difference=0 .*missed=0 .*abandoned=0 .*minor_difference=0 major_difference=0$"
	diag "$result"
done
ok "swap-ins are recorded as kind=swap" test "$(grep -c 'region=anon kind=swap result=major' \
	/tmp/track.log)" -gt 100

enough_memory
