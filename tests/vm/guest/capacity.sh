# SPDX-License-Identifier: GPL-2.0-or-later
# A full list: which faults are kept, which are counted.
. /tap.sh
plan 10

# The program touches only a few other pages, of its own data.
value() { # KEY
	echo "$result" | sed "s/.* $1=\([0-9]*\) .*/\1/"
}

result=$(/workload track B "max_faults=1000" touch 5000)
like "dropped: exact" "$result" "^difference=0 counted=50[0-9]{2} lines=1000 .*recorded=1000 "
is "dropped: the other faults are counted" $((1000 + $(value dropped))) "$(value counted)"
/workload pages >/tmp/pages
is "dropped: the oldest are kept" "$(cat /tmp/pages)" "$(seq 0 $(($(wc -l </tmp/pages) - 1)))"

result=$(/workload track B "max_faults=1000 cont_store=1" touch 5000)
like "overwritten: exact" "$result" "^difference=0 counted=50[0-9]{2} .*dropped=0"
is "overwritten: the other faults are counted" \
	$(($(value lines) + $(value overwritten))) "$(value counted)"
lines=$(value lines)
ok "overwritten: 1,000 are kept, rounded up to chunks" test "$lines" -ge 1000 -a "$lines" -lt 1260
# An older chunk may remain on a CPU that the process has left.
/workload pages | tail -n 900 >/tmp/pages
is "overwritten: the newest are kept, without a gap" "$(cat /tmp/pages)" "$(seq 4100 4999)"

# CPUs that hold several chunks each have to give back chunks that they do not fill.
result=$(/workload track B "max_faults=20000" threads 400)
like "many CPUs: exact" "$result" "^difference=0 counted=4[0-9]{4} .*overwritten=0"
lines=$(value lines)
diag "lines=$lines on $(nproc) CPUs"
ok "many CPUs: the capacity, plus at most one record per CPU" \
	test "$lines" -ge 20000 -a "$lines" -le $((20000 + $(nproc)))
is "many CPUs: the other faults are counted" $((lines + $(value dropped))) "$(value counted)"
