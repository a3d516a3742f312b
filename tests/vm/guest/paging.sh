# SPDX-License-Identifier: GPL-2.0-or-later
# Exact to the fault with huge pages, hugetlb, userfaultfd and swap.
. /tap.sh
nr_runs=$(runs 20)
nr_ends=$(runs 5)
plan $((3 + nr_runs + nr_ends))

dd if=/dev/zero of=/disk/swap bs=1M count=64 2>/dev/null
chmod 600 /disk/swap
mkswap /disk/swap >/dev/null
ok "there is swap" swapon /disk/swap
mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/small
ok "and a cgroup with little memory" sh -c "echo 16M >/sys/fs/cgroup/small/memory.max"

for run in $(seq $nr_runs); do
	result=$(/workload track B "" paging)
	like "paging, run $run" "$result" "^difference=0 .*status=0 .*dropped=0 overwritten=0 missed=0"
	diag "$result"
done
for run in $(seq $nr_ends); do
	result=$(/workload track B "outcome=1" paging)
	like "paging, outcome=1, run $run" "$result" \
		"^difference=0 .*missed=0 .*abandoned=0 .*minor_difference=0 major_difference=0$"
	diag "$result"
done
ok "what was swapped in is told" test "$(grep -c 'region=anon kind=swap result=major' \
	/tmp/track.log)" -gt 100

rmdir /sys/fs/cgroup/small
umount /sys/fs/cgroup
swapoff /disk/swap
rm /disk/swap
echo 0 >/proc/sys/vm/nr_hugepages
