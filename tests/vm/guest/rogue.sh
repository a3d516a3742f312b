# SPDX-License-Identifier: GPL-2.0-or-later
# Programs with rare uses of memory: the count is exact, memory is bounded, the kernel survives.
. /tap.sh
plan 10

nr_threads=400 nr_maps=2000
[ "${QUICK:-0}" = 1 ] || nr_threads=20000 nr_maps=100000
dd if=/dev/zero of=/disk/swap bs=1M count=64 2>/dev/null
chmod 600 /disk/swap
mkswap /disk/swap >/dev/null
swapon /disk/swap
echo 300000 >/proc/sys/vm/max_map_count

exact="^difference=0 .*status=0 .*dropped=0 overwritten=0 missed=0"
for what in heap code traced seccomp out; do
	[ $what != seccomp ] || grep -q ^Seccomp: /proc/self/status || {
		skip 1 "no seccomp in this kernel"
		continue
	}
	result=$(/workload track B "outcome=1" command /rogue $what)
	like "$what: exact" "$result" "$exact"
	diag "$result"
done
result=$(/workload track B "" command /rogue threads $nr_threads)
like "as many threads as possible: exact" "$result" "$exact"
diag "$result"
made=$(echo "$result" | sed -n 's/ threads$//p')
is "each thread has a fault" \
	"$(($(grep -o ' tid=[0-9]*' /tmp/track.log | sort -u | wc -l) - 1))" "$made"
result=$(/workload track B "" command /rogue maps $nr_maps)
like "$nr_maps mappings: exact" "$result" "$exact"
diag "$result"
ok "each mapping has a fault" test "$(grep -c 'map=/tmp/rogue' /tmp/track.log)" -ge \
	"$(echo "$result" | sed -n 's/ mappings$//p')"
ok "no module is left loaded" fails grep -q pf_probe /proc/modules

swapoff /disk/swap
rm -f /disk/swap /tmp/track.log
