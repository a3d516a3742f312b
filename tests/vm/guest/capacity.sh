# SPDX-License-Identifier: GPL-2.0-or-later
# When the list is full: what is kept, what is counted.
. /tap.sh
plan 6

result=$(/workload track B "max_faults=1000" touch 5000)
like "dropped: 1,000 kept, 4,000 counted" "$result" \
	"^difference=0 counted=5000 lines=1000 .*recorded=1000 .*dropped=4000 overwritten=0"
is "dropped: the oldest are kept" "$(/workload pages | tr '\n' ' ')" "$(seq 0 999 | tr '\n' ' ')"

result=$(/workload track B "max_faults=1000 cont_store=1" touch 5000)
like "overwritten: all recorded" "$result" "^difference=0 counted=5000 .*recorded=5000 .*dropped=0"
lines=$(echo "$result" | sed 's/.*lines=\([0-9]*\) .*/\1/')
overwritten=$(echo "$result" | sed 's/.*overwritten=\([0-9]*\) .*/\1/')
is "overwritten: the rest is counted" $((lines + overwritten)) 5000
ok "overwritten: 1,000 kept, to the chunk" test "$lines" -ge 1000 -a "$lines" -lt 1260
# An older chunk may be left on a CPU that the process has gone from.
is "overwritten: the newest are kept, without a gap" \
	"$(/workload pages | tail -n 1000 | tr '\n' ' ')" "$(seq 4000 4999 | tr '\n' ' ')"
