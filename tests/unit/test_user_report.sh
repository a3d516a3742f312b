#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The report of `user` at its end.

. "$(dirname "$0")/user.sh"

# fault ADDRESS TIME RESULT LATENCY REGION MAP [PID]: a line with these values.
fault() {
	printf 'PID = %8d Page Fault at Address 0x%x at Time %u tid=4497 cpu=1 ip=0x0 access=read' \
		"${7:-4494}" "$1" "$2"
	printf ' mode=user region=%s result=%s latency_ns=%u tries=1 map=%s\n' "$5" "$3" "$4" "$6"
}

results() { # MINOR MAJOR FAILED
	echo "$(summary $(($1 + $2 + $3))) minor=$1 major=$2 failed=$3 abandoned=0 unfinished=0"
	echo EXIT_CODE
}

narrow() { # FILE: at most 12 lines of at most 79 columns
	[ "$(awk 'length > 79' "$1" | wc -l)" = 0 ] && [ "$(wc -l <"$1")" -le 12 ]
}

the_report_has_log_count_process_retries_and_span() {
	stream 3201 3201 >pf_probe_B
	cp "$user" user
	: >page_fault_plot.py
	./user ./pf_probe_B >msg
	check [ "$(cat msg)" = 'out/my_prog-4494.pf_probe_B.log: 3201 page faults of PID 4494 (my\040prog)
  in 3.200 s, 3201 pages, 41 retries folded
  by region: heap 3201
out/ holds 1 log, 467 kB; --keep N removes all but the newest N
next: python3 page_fault_plot.py out/my_prog-4494.pf_probe_B.log --by' ]
	(PATH=$PWD:$PATH && user -o "it's.log" ./pf_probe_B >msg)
	check [ "$(tail -n 1 msg)" = "next: page_fault_plot 'it'\\''s.log' --by" ]
}

no_fault_and_one_fault() {
	stream 0 0 >none
	stream 1 1 >one
	run 0 ./none ./one
	check grep -q '^out/none.log: 0 page faults of PID' msg
	check grep -q '^out/one.log: 1 page fault of PID' msg
	check grep -q '^  in 0.000 s, 1 page, 41 retries folded$' msg
	check [ "$(wc -l <out/none.log)" = 2 ]
	check only out none.log one.log
}

results_regions_and_mappings_are_reported() {
	{
		echo "$head_line page=4096"
		fault 0x7000 2000000000 minor 1000 anon anon
		fault 0x7008 2000000000 minor 1000 anon anon
		for i in $(seq 8); do
			fault $((0x10000 * i)) $((2000000000 + i)) major $((i * 1000000)) file /lib/$i
		done
		fault 0x9000 2100000000 sigbus 5 stack '[stack]'
		results 2 8 1
	} >in
	run 0 ./in
	check [ "$(sed '1d; $d' msg)" = '  in 0.100 s, 10 pages, 41 retries folded
  2 minor, 8 major, 1 failed
  by region: file 8, anon 2, stack 1
  most time, by mapping:
           1        8.000 ms  /lib/8
           1        7.000 ms  /lib/7
           1        6.000 ms  /lib/6
           1        5.000 ms  /lib/5
           1        4.000 ms  /lib/4
36.0 ms in faults; over 99.9 % of it in major faults' ]
	check grep -q '^next: .* out/in.log -o warm.sh$' msg
	check narrow msg
	sed 's/ result=[^ ]* latency_ns=[^ ]* tries=1//; s/ minor=.*//' in >plain
	run 0 ./plain
	check grep -qx '  most faults, by mapping:' msg
	check grep -qx '           2  anon' msg
}

an_unknown_result_is_counted_as_unknown() {
	{
		echo "$head_line page=4096"
		fault 0x1000 2000000000 minor 1000 anon anon
		fault 0x2000 2000001000 postponed 1000 anon anon
		fault 0x3000 2000002000 hwpoison 1000 anon anon
		fault 0x4000 2000003000 hwpoisons 1000 new anon
		results 2 1 1
	} >in
	run 0 ./in
	check grep -qx '  1 minor, 0 major, 1 failed, 2 with an unknown result' msg
	check grep -qx '  by region: anon 3, other 1' msg
	check [ ! -s err ]
	sed 's/ minor=2 major=1/ minor=2 major=2/' in >more
	run 0 ./more
	check [ "$(grep -c 'the results of the faults do not add up' err)" = 1 ]
}

times_are_rounded_to_the_nearest() {
	{
		echo "$head_line page=4096"
		fault 0x1000 2000000000 minor 1835 anon /a
		fault 0x2000 2000000000 minor 999499 anon /b
		fault 0x3000 2000000000 minor 999500 anon /c
		fault 0x4000 3234567000 minor 500 anon /d
		fault 0x5000 2000000000 minor 18446744071709551615 anon /e
		results 5 0 0
	} >in
	run 0 ./in
	check [ "$(sed -n 's/.* \([0-9.]* ms  .*\)/\1/p' msg)" = '18446744071709.552 ms  /e
1.000 ms  /c
0.999 ms  /b
0.002 ms  /a
0.001 ms  /d' ]
	sed '/map=\/e/d' in | sed 's/Time 3234567000/Time 3234567500/' >shorter
	run 0 ./shorter
	check grep -q '^  in 1.235 s, 4 pages' msg
}

the_span_is_right_if_lines_are_in_the_order_of_ends() {
	{
		echo "$head_line page=4096"
		fault 0x8000 7000000000 minor 1000 anon anon
		fault 0x7000 2000000000 major 5000002000 file /slow
		results 1 1 0
	} >in
	run 0 ./in
	check grep -q '^  in 5.000 s, 2 pages' msg
}

pages_are_counted_once_in_each_process() {
	{
		echo "$head_line page=16384"
		for i in 0 0x3fff 0x4000 0x7fff 0x7000000000000; do
			fault $i 2000000000 minor 1 anon anon 4494
			fault $i 2000000000 minor 1 anon anon 4495
		done
		results 10 0 0
	} >in
	run 0 ./in
	check grep -q '^  in 0.000 s, 6 pages' msg
}

many_faults_in_many_mappings_are_as_by_awk() {
	awk -v head="$head_line page=4096" 'BEGIN {
		print head
		for (i = 0; i < 300000; i++)
			printf "PID =     4494 Page Fault at Address 0x%x at Time %d tid=4494 cpu=0" \
				" ip=0x0 access=read mode=user region=file map=/m/%d\n",
				i * 7919 % 65521 * 4096, 1000000000 + i, i * i % 4001
		print "# recorded=300000 retries=0 dropped=0 overwritten=0 missed=0 target=exited"
		print "EXIT_CODE" }' >in
	run 0 ./in
	check grep -q '^  in 0.000 s, 65521 pages, 0 retries' msg
	check [ "$(sed -n 's/^ *\([0-9]*\)  \/m\/.*/\1/p' msg | xargs)" = "$(sed -n 's/.*map=//p' in |
		sort | uniq -c | sort -rn | awk 'NR <= 5 { print $1 }' | xargs)" ]
}

hostile_names_and_numbers_are_harmless() {
	local long
	long=$(printf %05000d 0)
	{
		printf '# pf_probe_B version=1 pid=44\33[2J94 comm=e\33[31mvil\233 page=3\n'
		for i in "/a/$long/the-end" $'/e\e]0;title\a' $'/c\x9b2J' $'\t' ''; do
			fault 0 1 minor 1000 file "$i"
		done
		fault 0xfffffffffffffff 18446744073709551615 minor 18446744073709551615 '' x
		echo 'PID = 99999999999999999999 Page Fault at Address 0xg at Time x region= map='
		echo 'PID ='
		echo 'PID = 1 Page Fault at Address 0x1 at Time 1 map='
		echo 'PID = 1 Page Fault at Address 0x1 at Time 1'
		printf 'PID = 1 Page\0 Fault at\n'
		summary 11
		echo EXIT_CODE
	} >in
	run 0 ./in
	check [ "$(LC_ALL=C grep -c '[^ -~]' msg err | xargs)" = 'msg:0 err:0' ]
	check grep -qE '^ +1 +[0-9.]+ ms  \.\.\.0+/the-end$' msg
	check grep -q '^  *1  *0.001 ms  /e?\]0;title?$' msg
	check narrow msg
}

a_file_name_sends_no_control_characters() {
	local name=$'e\e[31mv\a\n\x9b\xc2\x9b2J\x7fil-\xc3\xa4\xe2\x80\x9c' word
	local LC_ALL=C shown=$'e?\\[31mv???\xc2?2J?il-\xc3\xa4\xe2\x80\x9c'
	stream 1 1 >"$name"
	mkdir out
	echo left >"out/$name.log.part"
	run 0 -d "./$name"
	check grep -aq "^out/$shown.log: 1 page fault " msg
	check grep -aq "^user: out/$shown.log.part was left by a run that failed: kept as " err
	check [ "$(grep -ac $'[\x01-\x1f\x7f]\\|\xc2\x9b\\|[ -~]\x9b' msg err | xargs)" = 'msg:0 err:0' ]
	check [ "$(grep -avc '^user: ' err)" = 0 ]
	# What a shell makes of the command is the name.
	word=$(sed -n 's/^next: .*page_fault_plot[.py]* //; s/ --by$//p' msg)
	eval "word=$word"
	check [ "$word" = "out/$name.log" ]
	check cmp "$word" <(reference <"$name")
}

a_region_with_a_zero_byte_is_unknown() {
	{
		printf 'PID = 1 Page Fault at Address 0x1 at Time 1 region=code\0data map=anon\n'
		printf 'PID = 1 Page Fault at Address 0x1 at Time 1 region=heap\0 map=anon\n'
		echo EXIT_CODE
	} >in
	run 0 ./in
	check grep -qx '  by region: other 2' msg
}

more_mappings_than_there_is_room_for_are_counted() {
	{
		echo "$head_line page=4096"
		for i in $(seq 9000) 9000 9000 1 1 1; do
			echo "PID = 4494 Page Fault at Address 0x1000 at Time 1 region=file map=/m/$i"
		done
		summary 9005
		echo EXIT_CODE
	} >in
	run 0 ./in
	check grep -qE '^ +4  /m/1$' msg
	check grep -qx '         810  in mappings beyond the first 8192' msg
	check narrow msg
}

children_are_reported() {
	{
		echo "$head_line"
		faults 1 2
		echo '# child time=1002500000 pid=4495 ppid=4494 comm=my\040prog'
		faults 3 4
		echo "$(summary 4) children=1 untold=0"
		echo EXIT_CODE
	} >in
	run 0 ./in
	reference <in >want
	check cmp want out/in.log
	check grep -q '^  in 0.003 s, 4 pages, 41 retries folded, 1 child$' msg
	sed 's/children=1 /children=12 /' in >more
	run 0 ./more
	check grep -q ', 12 children$' msg
}

a_stream_without_head_or_summary_has_a_report() {
	{
		fault 0x1000 1 major 1 file /a
		fault 0x2000 2 major 1 file /a
		echo EXIT_CODE
	} >in
	run 0 ./in
	check [ "$(head -n 3 msg)" = 'out/in.log: 2 page faults
  in 0.000 s, 2 pages
  0 minor, 2 major, 0 failed' ]
	check grep -qx 'at least 2 ns in faults' msg
}

losses_are_reported() {
	stream 1000 1000 4000 >dropped
	stream 1000 5000 0 4000 >overwritten
	stream 10 10 0 0 3 >missed
	stream 10 10 | sed 's/^# recorded.*/& counted=12 unseen=2 probe=armed/' >unseen
	stream 10 10 | sed 's/^# recorded.*/& counted=10 unseen=0 probe=disarmed/' >disarmed
	stream 10 10 | sed 's/^# recorded.*/& counted=10 unseen=0 probe=armed/' >nothing
	run 0 ./dropped
	check [ "$(cat err)" = 'user: LOST: 4000 faults, because the list was full:'\
' use max_faults=5000 or cont_store=1' ]
	run 0 ./overwritten
	check [ "$(cat err)" = 'user: LOST: the oldest 4000 faults: use max_faults=5000 or --follow' ]
	run 0 ./missed
	check [ "$(cat err)" = 'user: LOST: up to 3 faults: another tracer is active,'\
' or maxactive is too small' ]
	run 0 ./unseen
	check [ "$(cat err)" = 'user: LOST: 2 faults that the kernel counted and the module did not see' ]
	stream 10 10 | sed 's/^# recorded.*/& counted=7 unseen=0 incomplete=1 surplus=2/' >surplus
	run 0 ./surplus
	check [ "$(cat err)" = 'user: WARNING: 2 more faults were recorded than the kernel counted' ]
	check grep -q ', 1 incomplete$' msg
	stream 10 10 | sed 's/^# recorded.*/& counted=10 unseen=0 names_lost=4/' >names
	run 0 ./names
	check [ "$(cat err)" = 'user: LOST: the file names of 4 faults: too many files were mapped,'\
' or some were being renamed' ]
	stream 10 10 | sed 's/^# recorded.*/& offsets_lost=6 maps_lost=5 files_lost=3/' >areas
	run 0 ./areas
	check grep -qx 'user: LOST: 5 changes of address spaces or names of threads, so'\
' functions may be missing or wrong: use a larger max_faults' err
	check grep -qx 'user: LOST: the offsets of 6 faults in files: too many mappings,'\
' use a larger max_faults' err
	check grep -qx 'user: LOST: the files of 3 areas of address spaces: too many files were mapped' err
	run 0 ./disarmed
	check [ "$(cat err)" = 'user: WARNING: the module sees no faults at the moment:'\
' are kprobes or ftrace disabled?' ]
	run 0 ./nothing
	check [ ! -s err ]
}

lines_that_look_like_the_logs_own_are_not_counted_as_faults() {
	{
		echo "$head_line page=4096"
		fault 0x1000 1000000000 minor 1000 file /a
		echo '   1:: PID = 1 Page Fault at Address 0x9000 at Time 1000000000 map=/b'
		results 1 0 0
		fault 0x2000 2000000000 minor 1000 file /a
	} >in
	run 1 --follow ./in
	check grep -q '^out/in.log: 1 page fault of' msg
	check [ "$(grep -c /b msg)" = 0 ]
}

a_wrong_number_of_faults_is_reported() {
	stream 10 12 >too_few
	stream 10 8 >too_many
	stream 10 30 0 18 >too_few_overwritten
	stream 10 12 0 0 0 running >of_a_running_target
	for i in too_few too_many too_few_overwritten of_a_running_target; do
		run 0 ./$i
		word=LOST
		[ $i = too_many ] && word=WARNING
		check [ "$(grep -c "^user: $word: [0-9]* faults were read, but [0-9]* were recorded:"\
' read them again$' err)" = 1 ]
	done
}

results_that_differ_from_the_summary_are_reported() {
	{ fault 0x1000 1 minor 1 anon anon; results 0 1 0; } >in
	run 0 ./in
	check [ "$(cat err)" = 'user: WARNING: the results of the faults do not add up'\
' to those of the summary: read them again' ]
}

run_cases
