# SPDX-License-Identifier: GPL-2.0-or-later
# outcome=1: how each fault ended, and how long it took. Minor and major match the kernel's counts.
. /tap.sh
nr_runs=$(runs 20)
plan $((36 + nr_runs))

exact="^difference=0 .*status=0 .*dropped=0 overwritten=0 missed=0 .*failed=0 abandoned=0 \
unfinished=0 .*minor_difference=0 major_difference=0$"

for run in $(seq $nr_runs); do
	result=$(/workload track B "outcome=1" mix)
	like "mix, run $run" "$result" "$exact"
	diag "$result"
done
like "placement=entry" "$(/workload track B "outcome=1 placement=entry" mix)" "$exact"
like "64 threads" "$(/workload track B "outcome=1" threads 64)" "$exact"

dmesg_mark
result=$(/workload track B "outcome=1" cold)
like "16,384 cold pages: exact" "$result" "$exact"
is "16,384 cold pages: all are major faults" \
	"$(grep -c 'region=file kind=shared result=major .* map=/disk/cold ' /tmp/track.log)" 16384
is "16,384 cold pages: each has its offset in the file" \
	"$(sed -n 's/.* map=\/disk\/cold offset=//p' /tmp/track.log |
	sort -u | wc -l)" 16384
major=$(echo "$result" | sed 's/.* major=\([0-9]*\) failed.*/\1/')
plot=$(dmesg_since | sed -n '/^Latency of page faults/,/^pf_probe_B: recorded/p')
like "the histogram counts them" "$plot" \
	"^Latency of page faults: [0-9]+ minor, $major major, 0 failed"
ok "the histogram has at most 20 lines" test "$(echo "$plot" | wc -l)" -le 21
is "the rows of the histogram add up" \
	"$(echo "$plot" | awk '/ - / { sum += $7 } END { print sum }')" "$major"
diag "$plot"

dmesg_mark
like "C: exact" "$(/workload track C "outcome=1" mix)" "$exact"
table=$(dmesg_since | sed -n '/^region /,/^all /p')
like "C: its table has minor and major" "$table" \
	"^all +$(grep -c '^PID' /tmp/track.log) +$(grep -c result=minor /tmp/track.log) \
+$(grep -c result=major /tmp/track.log)$"
is "C: the table is right for each region" \
	"$(echo "$table" | awk '$1 == "file" { print $3, $4 }')" \
	"$(grep -c 'region=file .*result=minor' /tmp/track.log) \
$(grep -c 'region=file .*result=major' /tmp/track.log)"
diag "$table"
like "A: prints the outcome" "$(dmesg_mark; /workload track A "outcome=1" touch 10; dmesg_since)" \
	"^pf_probe_A: PID = .*result=minor latency_ns=[0-9]+ tries=1 map=anon"

/workload track B "outcome=1" slow 5 >/tmp/result
like "5 faults answered after 50 ms: exact" "$(cat /tmp/result)" "$exact"
# Only those of anonymous memory: on a busy machine, others may take as long.
is "each took at least 50 ms" "$(grep ' region=anon .* tries=[2-9] ' /tmp/track.log |
	sed 's/.* latency_ns=\([0-9]*\) .*/\1/' | awk '$1 >= 50000000' | wc -l)" 5
is "none of them is a swap-in" "$(grep -c 'kind=swap' /tmp/track.log)" 0
ok "five have two tries or more" test "$(grep -c 'tries=[2-9]' /tmp/track.log)" -ge 5
# The time is that of the entry; the order is that of the ends.
ends=$(sed -n 's/.* Time \([0-9]*\) .* latency_ns=\([0-9]*\) .*/\1 \2/p' /tmp/track.log |
	awk '{ printf "%.0f\n", $1 + $2 }')
is "faults are in the order of their ends" "$ends" "$(echo "$ends" | sort -n)"

like "MAP_POPULATE: exact" "$(/workload track B "outcome=1" populate 300)" "$exact"
is "MAP_POPULATE: 300 times mode=gup" \
	"$(grep -c 'mode=gup region=anon result=minor' /tmp/track.log)" 300

result=$(/workload track B "outcome=1" sigbus 7)
like "beyond the end of a file: exact except for failed faults" "$result" \
	"^difference=0 .*failed=7 .*minor_difference=0 major_difference=0$"
is "beyond the end of a file: 7 times result=sigbus" \
	"$(grep -c 'result=sigbus .*map=/memfd:short\\040(deleted) offset=0x' /tmp/track.log)" 7

result=$(/workload track B "outcome=1" cut-short)
like "a fault cut short by a signal is reported as abandoned" \
	"$result" "^difference=0 .*abandoned=1 unfinished=0"

result=$(/workload track B "outcome=1 max_faults=1000" touch 5000)
like "dropped: the count is right" "$result" "^difference=0 .*lines=1000 .*dropped=4"
result=$(/workload track B "outcome=1 max_faults=1000 cont_store=1" touch 5000)
like "overwritten: the count is right" "$result" "^difference=0 .*dropped=0 overwritten=[34]"

# Eight threads sleep in a fault: more than maxactive allows, and while the module is unloaded.
asleep() {
	test "$(grep -l '^State:.[SD]' /proc/$pid/task/[0-9]*/status | grep -v -c "/$pid/status")" -eq 8
}
for asked in maxactive=1024 maxactive=3 placement=ftrace; do
	if [ $asked = placement=ftrace ] && ! has_ftrace_arguments; then
		skip 3 "no placement=ftrace here"
		continue
	fi
	rm -f /tmp/wake
	start_stopped /workload run sleepers
	insmod /pf_probe_B.ko process_id=$pid outcome=1 $asked
	kill -CONT $pid
	wait_for asleep
	sleep 0.5 # some may have been waiting for their turn only
	wait_for asleep
	summary=$(tail -n 2 /proc/pf_probe_B | head -n 1)
	if [ $asked = maxactive=3 ]; then
		like "maxactive=3: five or more are reported as missed" "$summary" \
			" missed=([5-9]|[1-9][0-9]+) .* unfinished=3 counted="
	else
		like "$asked: eight are reported as unfinished" "$summary" \
			" missed=0 .* unfinished=8 counted="
	fi
	dmesg_mark
	rmmod pf_probe_B
	like "$asked: rmmod prints how many" \
		"$(dmesg_since)" "^pf_probe_B: unfinished=[38]:"
	touch /tmp/wake
	wait $pid
	is "$asked: they wake up and succeed" $? 0
done
rm -f /tmp/wake

dmesg_mark
sleep 100000 &
for bad in 0 10000000; do
	insmod /pf_probe_B.ko process_id=$! outcome=1 maxactive=$bad 2>/dev/null
	like "maxactive=$bad is refused" "$(dmesg_since)" "maxactive=$bad: must be 1 to"
done
ok "no module after that" fails grep -q pf_probe /proc/modules
kill $!
