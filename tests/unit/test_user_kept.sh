#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Logs of modules have names of their own, and none is replaced; pf_probe_X.log leads to the newest.

. "$(dirname "$0")/user.sh"

# named COMM PID NR_FAULTS: the stream of a module, for a process with this name.
named() {
	stream "$3" "$3" | sed "1s|pid=[^ ]* comm=[^ ]*|pid=$2 comm=${1//\\/\\\\}|" >pf_probe_B
}

each_log_is_kept_and_the_link_leads_to_the_newest() {
	for i in '' -2 -3; do
		named make 77 $((${#i} + 3))
		run 0 ./pf_probe_B
		check grep -q "^out/make-77$i.pf_probe_B.log: $((${#i} + 3)) page faults" msg
		check grep -q "^next: .*page_fault_plot[.py]* out/make-77$i.pf_probe_B.log --by$" msg
		check cmp "out/make-77$i.pf_probe_B.log" <(reference <pf_probe_B)
		check [ out/pf_probe_B.log -ef "out/make-77$i.pf_probe_B.log" ]
	done
	check grep -q '^out/ holds 3 logs, ' msg
	named gcc 78 9
	run 0 ./pf_probe_B
	check [ out/pf_probe_B.log -ef out/gcc-78.pf_probe_B.log ]
	check [ "$(grep -c PID out/make-77.pf_probe_B.log)" = 3 ]
	check only out gcc-78.pf_probe_B.log make-77-2.pf_probe_B.log make-77-3.pf_probe_B.log \
		make-77.pf_probe_B.log pf_probe_B.log
}

modules_have_links_of_their_own() {
	named make 77 2
	cp pf_probe_B pf_probe_C
	run 0 ./pf_probe_B ./pf_probe_C
	check only out make-77.pf_probe_B.log make-77.pf_probe_C.log pf_probe_B.log pf_probe_C.log
	check [ out/pf_probe_C.log -ef out/make-77.pf_probe_C.log ]
	# Other streams, and -o, have the one name that they had.
	cp pf_probe_B pf_probe_D
	run 0 ./pf_probe_D
	run 0 -o pf_probe_B.log ./pf_probe_B
	check [ -f out/pf_probe_D.log ]
	check [ "$(stat -c %h out/pf_probe_D.log pf_probe_B.log | xargs)" = '1 1' ]
}

a_log_without_another_name_is_not_lost() {
	mkdir out
	for i in 1 2; do
		echo "older $i" >older
		mv older out/pf_probe_B.log
		named make 77 2
		run 0 ./pf_probe_B
		check grep -qx 'user: out/pf_probe_B.log was the only name of a log: that log is now '\
"out/earlier-$i.pf_probe_B.log" err
	done
	check [ "$(cat out/earlier-*.pf_probe_B.log | xargs)" = 'older 1 older 2' ]
	check [ out/pf_probe_B.log -ef out/make-77-2.pf_probe_B.log ]
}

# comm, pid : the name
names_of_processes_become_names_of_files() {
	local long
	long=$(printf %060d 0)
	while read -r comm pid want; do
		named "$comm" "$pid" 2
		run 0 ./pf_probe_B
		check [ -f "out/$want.pf_probe_B.log" ]
		check [ "$(find . -name '*.log' | wc -l)" = 2 ]
		rm -r out
	done <<-END
		../../etc/x 1 _._.._etc_x-1
		.. 1 _.-1
		.hidden 1 _hidden-1
		--help 1 _-help-1
		a\\057b\\040\\033c 1 a_b__c-1
		g++-12.2_x 1 g++-12.2_x-1
		$long 4194304 ${long:0:40}-4194304
		x 1/../../y x-0
		x 99999999999 x-0
	END
	stream 2 2 | sed 1d >pf_probe_B
	run 0 ./pf_probe_B
	check only out pf_probe_B.log unknown-0.pf_probe_B.log
}

a_log_that_was_cut_or_stopped_is_kept_too() {
	mkfifo pf_probe_B
	start --follow --debug ./pf_probe_B
	exec 3>pf_probe_B
	stream 5 5 0 0 0 running >&3
	check until_true grep -q 'drain 1 ends' err
	check only out pf_probe_B.log.part
	kill -INT $pid
	finish 130
	exec 3>&-
	check only out 'my_prog-4494.pf_probe_B.log' pf_probe_B.log
	start --follow ./pf_probe_B
	exec 3>pf_probe_B
	{ stream 5 5 0 0 0 running; faults 6 9; } >&3
	exec 3>&-
	finish 1
	check [ "$(grep -c PID out/my_prog-4494-2.pf_probe_B.log)" = 5 ]
	check [ out/pf_probe_B.log -ef out/my_prog-4494-2.pf_probe_B.log ]
}

a_log_whose_link_cannot_be_made_is_complete() {
	mkfifo pf_probe_B
	start --follow ./pf_probe_B
	exec 3>pf_probe_B
	stream 5 5 0 0 0 running >&3
	check until_true [ -s out/pf_probe_B.log.part ]
	mkdir out/pf_probe_B.log
	exec 3>&-
	finish 0
	check grep -qx 'user: out/pf_probe_B.log: is no link to this log: Is a directory' err
	check only out my_prog-4494.pf_probe_B.log pf_probe_B.log
	check [ -z "$(ls -A out/pf_probe_B.log)" ]
}

sizes_have_three_digits() {
	while read -r size want; do
		mkdir out
		truncate -s "$size" out/x-1.pf_probe_A.log
		: >pf_probe_B
		{ echo "# pf_probe_B pid=2 comm=x"; echo EXIT_CODE; } >pf_probe_B
		run 0 ./pf_probe_B
		check grep -q "^out/ holds 2 logs, $want; --keep N removes all but the newest N$" msg
		rm -r out
	done <<-END
		0 26 bytes
		973 999 bytes
		974 1.00 kB
		99973 99.9 kB
		1234567890 1.23 GB
		56789000000 56.7 GB
	END
}

run_cases
