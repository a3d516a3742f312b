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

keep_removes_the_oldest() {
	for i in 1 2 3 4 5; do
		named make $i 2
		run 0 ./pf_probe_B
		touch -d "2026-01-0$((6 - i))" out/make-$i.pf_probe_B.log
	done
	# Other files: another name, a folder, a link.
	touch -d 2020-01-01 out/make.log out/make-x.pf_probe_B.log out/make-1.pf_probe_D.log \
		out/make-1.pf_probe_B.log.part.1 out/.make-1.pf_probe_B.log out/-1.pf_probe_B.log
	mkdir out/make-7.pf_probe_B.log
	ln -s make.log out/make-8.pf_probe_B.log
	named make 6 2
	ls -A out >want
	run 0 --keep 4 ./pf_probe_B
	sed -i '/^make-[45].pf_probe_B.log$/d' want
	echo make-6.pf_probe_B.log >>want
	check cmp <(sort want) <(ls -A out | sort)
	check grep -q '^out/ holds 4 logs, [0-9.]* kB$' msg
	check [ out/pf_probe_B.log -ef out/make-6.pf_probe_B.log ]
	# The log written now is the newest, whatever the clock says.
	touch -d 2090-01-01 out/make-*.pf_probe_B.log
	named make 9 2
	run 0 --keep 1 ./pf_probe_B
	check [ -f out/make-9.pf_probe_B.log ]
	check [ "$(find out -type f -name 'make-[0-9].pf_probe_[ABC].log' | wc -l)" = 1 ]
}

keep_removes_nothing_where_others_can_write() {
	mkdir out
	chmod 777 out
	for i in 1 2 3; do
		named make $i 2
		run 0 --keep 2 ./pf_probe_B
	done
	check grep -qx 'user: no log is removed: other users can write in the directory' err
	check grep -q '^out/ holds 3 logs, ' msg
}

run_cases
