#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `user`: how streams become logs, its options, its signals.

. "$(dirname "$0")/user.sh"

a_log_has_numbered_faults_and_no_EXIT_CODE() {
	stream 12 12 >pf_probe_B
	run 0 ./pf_probe_B
	reference <pf_probe_B >want
	check cmp want out/pf_probe_B.log
	check only out my_prog-4494.pf_probe_B.log pf_probe_B.log
	check [ "$(sed -n 2p out/pf_probe_B.log | cut -c 1-14)" = '   0:: PID =  ' ]
	check [ ! -s err ]
}

a_million_faults_are_the_same_as_by_awk() {
	stream 1000000 1000000 >big
	reference <big >want
	run 0 ./big
	check cmp want out/big.log
}

other_lines_are_kept_as_they_are() {
	{ stream 2 2 | sed '2i # a remark\nneither\n\nPID\nEXIT_CODES\n EXIT_CODE\nPID = 0'; } >odd
	reference <odd >want
	run 0 ./odd
	check cmp want out/odd.log
}

bytes_may_dribble() {
	stream 5 5 >whole
	mkfifo dribble
	start ./dribble
	dd if=whole of=dribble bs=1 2>dd.err
	finish 0
	reference <whole >want
	check cmp want out/dribble.log
}

long_lines_fit_up_to_the_buffer() {
	{ stream 2 2 | sed "2s/\$/ note=$(printf %0130000d 0)/"; } >long
	{ stream 2 2; } | awk 'NR == 2 { for (i = 0; i < 262000; i++) $0 = $0 "x" } 1' >longer
	{ stream 2 2; } | awk 'NR == 2 { for (i = 0; i < 262144; i++) $0 = $0 "x" } 1' >too_long
	for i in long longer; do
		reference <$i >want
		run 0 ./$i
		check cmp want out/$i.log
	done
	run 1 ./too_long
	check grep -q '^user: ./too_long: not a fault log: a line has more than 262144 bytes$' err
	check only out long.log longer.log too_long.log.part
}

a_plain_drain_ends_at_EXIT_CODE() {
	mkfifo pipe
	stream 3 3 >part
	start ./pipe
	exec 3>pipe
	cat part >&3
	finish 0
	exec 3>&-
	reference <part >want
	check cmp want out/pipe.log
}

several_probes_get_a_log_each() {
	stream 2 2 >pf_probe_A
	stream 3 3 >pf_probe_C
	run 0 ./pf_probe_A "$PWD/pf_probe_C"
	check only out my_prog-4494.pf_probe_A.log my_prog-4494.pf_probe_C.log pf_probe_A.log \
		pf_probe_C.log
	check [ "$(grep -c ' page faults of PID ' msg)" = 2 ]
}

output_goes_to_a_file() {
	stream 2 2 >in
	run 0 -o here.log ./in
	reference <in >want
	check cmp want here.log
	check [ ! -e out ]
	check grep -q '^here.log: 2 page faults' msg
}

output_goes_to_standard_output() {
	stream 2 2 >in
	run 0 -o - ./in
	reference <in >want
	check cmp want msg
	check grep -q '^standard output: 2 page faults' err
}

one_output_takes_one_module() {
	stream 2 2 >in
	run 64 -o - ./in ./in
	check grep -q '^user: --output needs one module, not 2: name one module$' err
}

a_stream_without_EXIT_CODE_leaves_its_part_and_no_log() {
	stream 9 9 | head -n -1 >no_end
	stream 9 9 | head -c 700 >mid_line
	: >empty
	for i in no_end mid_line; do
		run 1 ./$i
		check grep -q "^user: ./$i: ends without EXIT_CODE: was the module unloaded?$" err
		check grep -q "^user: what was read is in out/$i.log.part$" err
		check [ ! -s msg ]
	done
	sed '$d' mid_line | reference >want
	check cmp want out/mid_line.log.part
	run 1 ./empty
	check grep -q "^user: ./empty: ends without EXIT_CODE: is it the output of a module?$" err
	check [ ! -s msg ]
	check only out mid_line.log.part no_end.log.part
}

one_truncated_stream_does_not_spoil_the_other() {
	stream 9 9 | tee good | head -n -1 >bad
	run 1 ./bad ./good
	check only out bad.log.part good.log
	check grep -q '^out/good.log: 9 page faults' msg
}

a_folder_is_no_stream() {
	mkdir dir
	run 1 ./dir
	check grep -q '^user: ./dir: Is a directory$' err
	check only out
}

no_right_to_read_is_reported() {
	stream 2 2 >in
	chmod 0 in
	if [ "$(id -u)" = 0 ]; then
		# A copy: the tree may be out of another user's reach.
		cp "$user" prog
		chmod 755 "$top" .
		setpriv --reuid 65534 --regid 65534 --clear-groups ./prog ./in >msg 2>err
	else
		"$user" ./in >msg 2>err
	fi
	check [ $? = 1 ]
	check grep -q '^prog: ./in: Permission denied: run it with sudo$' err
}

without_a_module_a_message_says_how_to_load_it() {
	if compgen -G '/proc/pf_probe_*' >compgen.out; then
		skip='a module is loaded'
		return
	fi
	run 1
	check grep -q '^user: no module is loaded; to trace a command: sudo .*user -B -- COMMAND$' err
	for i in C pf_probe_C; do
		run 1 $i
		check grep -q '^user: pf_probe_C is not loaded; to trace a command: sudo .* -C -- ' err
	done
	check [ ! -e out ]
}

wrong_usage_is_refused() {
	for i in D AB '' pf_probe_ pf_probe_D; do
		run 64 "$i"
		check grep -q "^user: no such module: $i (A, B, C or a path with a slash);"\
' a command goes after --, for example: user -- gcc -c x.c$' err
	done
	run 1 ./missing
	check grep -q '^user: ./missing: No such file or directory$' err
	for i in x -1 1x '' 3600001 99999999999999999999 ' 1'; do
		run 64 --sleep="$i" ./missing
		check grep -q -e "--sleep takes milliseconds, 0 to 3600000, not '$i'" err
	done
	run 64 --nonsense
}

a_command_without_dashes_gets_an_example() {
	install -m 755 /dev/null prog
	for words in 'gcc -c x.c' 'gcc x.c' '--cold gcc -c x.c' '-B gcc --version' './prog -n 1' ./prog; do
		# shellcheck disable=SC2086 # several words
		run 64 $words
		check grep -q "^user: no such module: .*; a command goes after --, for example: "\
'user -- gcc -c x.c$' err
		check [ "$(wc -l <err)" = 1 ]
	done
	check grep -q 'no such module: ./prog (it is a program)' err
	check only . err msg prog
}

wrong_usage_of_tracing_is_refused() {
	for i in 0 -1 x '' 1x 4194305 99999999999999999999; do
		run 64 --pid="$i"
		check grep -qF -e "user: --pid takes the number of a process, not '$i'" err
	done
	for i in 0 0.0 -1 x '' 1. .5 1.2345 1.-5 31536001 1e3 0.0001; do
		run 64 --duration="$i" -- true
		check grep -qF -e "user: --duration takes seconds, 0.001 to 31536000, not '$i'" err
	done
	run 64 --
	check [ "$(cat err)" = 'user: no command after --' ]
	run 64 -B gcc -- true
	check grep -qF "user: 'gcc' is not of the form NAME=VALUE; a command goes after --" err
	run 64 --top function --pid 1
	check grep -qF "user: 'function' is no parameter; for that table write --top=function" err
	for i in '=1' 'a b=1' Outcome=1; do
		run 64 "$i" -- true
		check grep -qF "user: '$i' is not of the form NAME=VALUE" err
	done
	run 64 'placement=x max_faults=1' -- true
	check grep -qF "user: 'placement=x max_faults=1': a parameter cannot contain spaces or quotes" err
	run 64 process_id=1 -- true
	check grep -qF 'user: process_id= is set by user: use --pid' err
	run 64 -A -B -- true
	check grep -qF 'user: give either -A or -B, not both' err
	run 64 --pid 1 -- true
	check grep -qF 'user: give either --pid or a command, not both' err
	for i in -A --duration=1 --fast; do
		run 64 $i
		check grep -qF 'user: -A, -B, -C, --duration and --fast need --pid or -- COMMAND' err
	done
	for i in --root --cold --repeat=2; do
		run 64 $i
		check grep -qF "user: ${i%=*} needs -- COMMAND" err
		run 64 $i --pid 1
		check grep -qF "user: ${i%=*} needs -- COMMAND" err
	done
	for i in 0 -1 x '' 1001 99999999999999999999; do
		run 64 --repeat="$i" -- true
		check grep -qF "user: --repeat takes a number, 1 to 1000, not '$i'" err
	done
	for i in 0 -1 x '' 1000001; do
		run 64 --keep="$i"
		check grep -qF "user: --keep takes a number, 1 to 1000000, not '$i'" err
	done
	for i in --keep=2 --repeat=2; do
		run 64 $i -o x -- true
		check grep -qF 'user: --keep and --repeat are for logs in out: leave out --output' err
	done
	run 64 --repeat 2 --top -- true
	check grep -qF 'user: give either --repeat or --top, not both' err
	run 64 --repeat 3 --keep 2 -- true
	check grep -qF 'user: --keep 2 would remove logs of this --repeat 3' err
	check only . err msg
}

tracing_takes_root() {
	local run=
	cp "$user" user
	chmod 755 "$top" .
	[ "$(id -u)" != 0 ] || run='setpriv --reuid 65534 --regid 65534 --clear-groups'
	$run ./user -- true >msg 2>err
	check [ $? = 125 ]
	check [ "$(cat err)" = 'user: only root can load a module: run it with sudo' ]
	$run ./user --pid $$ >msg 2>err
	check [ $? = 1 ]
	check [ "$(cat err)" = 'user: only root can load a module: run it with sudo' ]
}

help_and_version() {
	run 0 --help
	check grep -q -e --follow msg
	check [ "$(expand msg | awk 'length > 80' | wc -l)" = 0 ]
	run 0 --version
	check grep -q '^pf_probe [^ ]*$' msg
}

it_goes_by_the_name_that_it_is_called_by() {
	ln -s "$user" pf_user
	./pf_user D 2>err
	check grep -q '^pf_user: no such module: D ' err
	./pf_user --help >msg
	check grep -q '^    sudo ./pf_user -- gcc -c x.c ' msg
}

sleep_waits_between_reads() {
	stream 5000 5000 >in
	local begin=${EPOCHREALTIME/./}
	run 0 --sleep 100 ./in
	check [ $((${EPOCHREALTIME/./} - begin)) -ge 300000 ]
	check [ "$(grep -c PID out/in.log)" = 5000 ]
}

debug_prints_reads_and_drains() {
	stream 2 2 >in
	run 0 --debug ./in
	check grep -q '^user: debug: ./in goes to out/in.log.part$' err
	check grep -q '^user: debug: ./in: read [0-9]*$' err
	check grep -q '^user: debug: ./in: drain 1 ends, 2 faults so far$' err
}

follow_takes_drain_after_drain_and_keeps_one_summary() {
	mkfifo pipe
	start --follow ./pipe
	exec 3>pipe
	{ stream 5 5 0 0 0 running | tee all; } >&3
	{ faults 6 8; summary 8 0 0 0 running; echo EXIT_CODE; } | tee -a all >&3
	check [ ! -e out/pipe.log ]
	{ faults 9 9; summary 9; echo EXIT_CODE; } | tee -a all >&3
	finish 0
	exec 3>&-
	reference <all >want
	check cmp want out/pipe.log
	check [ "$(grep -c recorded= out/pipe.log)" = 1 ]
	check [ "$(cat err)" = 'user: the log grows in out/pipe.log.part' ]
}

follow_sends_each_drain_on_to_standard_output_at_once() {
	mkfifo pipe
	start --follow -o - ./pipe
	exec 3>pipe
	stream 5 5 0 0 0 running >&3
	check until_true grep -q '^   4:: ' msg
	{ summary 5; echo EXIT_CODE; } >&3
	finish 0
	exec 3>&-
	check [ "$(grep -c recorded= msg)" = 1 ]
}

follow_takes_what_came_between_the_last_drain_and_the_exit() {
	mkfifo pipe
	start --follow ./pipe
	exec 3>pipe
	{ stream 5 5; faults 6 7; summary 7; echo EXIT_CODE; } >sent
	cat sent >&3
	finish 0
	exec 3>&-
	check [ "$(grep -c PID out/pipe.log)" = 7 ]
	check [ "$(wc -l <err)" = 1 ]
}

follow_ends_where_no_more_comes() {
	stream 5 5 0 0 0 running >in
	run 0 --follow ./in
	reference <in >want
	check cmp want out/in.log
}

follow_polls_several_probes_at_once() {
	mkfifo a b
	start --follow ./a ./b
	exec 3>a 4>b
	stream 5 5 0 0 0 running >&3
	stream 4 4 0 0 0 running >&4
	for i in 5 6 7; do
		{ faults $i $i; summary $i 0 0 0 running; echo EXIT_CODE; } >&4
		{ faults $((i + 1)) $((i + 1)); summary $((i + 1)) 0 0 0 running; } >&3
		echo EXIT_CODE >&3
	done
	{ summary 7; echo EXIT_CODE; } >&4
	exec 4>&-
	{ summary 8; echo EXIT_CODE; } >&3
	finish 0
	exec 3>&-
	check [ "$(tail -n 1 out/a.log)" = "$(summary 8)" ]
	check [ "$(tail -n 1 out/b.log)" = "$(summary 7)" ]
	check [ "$(grep -c PID out/a.log):$(grep -c PID out/b.log)" = 8:7 ]
}

follow_counts_faults_overwritten_unread_over_all_drains() {
	mkfifo pipe
	start --follow ./pipe
	exec 3>pipe
	{ stream 5 5 0 0 0 running; faults 10 12; summary 12 0 4; echo EXIT_CODE; } >&3
	finish 0
	exec 3>&-
	check [ "$(grep LOST err)" = 'user: LOST: the oldest 4 faults: use max_faults=12 or --follow' ]
}

a_followed_stream_that_ends_early_keeps_its_whole_drains() {
	stream 500 500 0 0 0 running >whole
	{ cat whole; faults 501 900; } >in
	run 1 --follow ./in
	reference <whole >want
	check cmp want out/in.log
	check grep -q '^user: out/in.log: ends after the last complete read$' err
	# Twice the output buffer after the drain, so that the file must be cut.
	{ cat whole; faults 501 9000; } >in
	run 1 --follow ./in
	check cmp want out/in.log
	check grep -q '^out/in.log: 500 page faults ' msg
	check grep -q '^  in 0.499 s, 500 pages, ' msg
}

interrupt_in_a_drain_leaves_the_whole_lines() {
	mkfifo pipe
	for i in INT:130 TERM:143 HUP:129; do
		start --debug ./pipe
		exec 3>pipe
		{ echo "$head_line"; faults 1 5; printf 'PID =  4'; } >sent
		cat sent >&3
		check until_true grep -q ': read ' err
		kill -${i%:*} $pid
		finish ${i#*:}
		exec 3>&-
		grep -v 'PID =  4$' sent | reference >want
		check cmp want out/pipe.log
		check grep -q 'stopped (.*): the log ends after the last complete line$' err
		check grep -q '^out/pipe.log: 5 page faults of PID 4494 (my\\040prog)$' msg
		check grep -q '^  in 0.004 s, 5 pages$' msg
		check only out pipe.log
		rm out/pipe.log
	done
}

interrupt_ends_follow_with_a_whole_log() {
	mkfifo pipe
	start --follow --debug ./pipe
	exec 3>pipe
	{ stream 5 5 0 0 0 running | tee sent; } >&3
	check until_true grep -q 'drain 1 ends' err
	kill -INT $pid
	finish 130
	exec 3>&-
	reference <sent >want
	check cmp want out/pipe.log
	check grep -q 'stopped (Interrupt): the log ends after a complete read$' err
}

interrupt_within_a_later_drain_leaves_no_stale_summary() {
	mkfifo pipe
	start --follow --debug ./pipe
	exec 3>pipe
	stream 5 5 0 0 0 running >&3
	check until_true grep -q 'drain 1 ends' err
	faults 6 6 >&3
	check until_true reading
	kill -INT $pid
	finish 130
	exec 3>&-
	check [ "$(grep -c PID out/pipe.log)" = 6 ]
	check [ "$(grep -c recorded= out/pipe.log)" = 0 ]
}

interrupt_before_anything_was_read_leaves_no_log() {
	mkfifo pipe
	start ./pipe
	exec 3>pipe
	check until_true [ -d out ]
	kill -INT $pid
	finish 130
	exec 3>&-
	check grep -q 'nothing was read, so there is no log$' err
	check only out
	# Also if nothing ever opens the other end.
	start ./pipe
	check until_true grep -q '^SigCgt:.*4..7$' /proc/$pid/status
	check until_true opening
	kill -INT $pid
	finish 130
	check only out
}

a_stuck_pipe_gives_way_to_a_second_interrupt() {
	stream 100000 100000 >in
	mkfifo stuck
	exec 3<>stuck
	"$user" -o - ./in >&3 2>err &
	pid=$!
	check until_true interrupting
	finish 1
	exec 3>&-
	check grep -q '^user: standard output: Interrupted system call$' err
}

interrupt_ends_a_long_sleep() {
	stream 5000 5000 >in
	start --sleep 3600000 --debug ./in
	check until_true grep -q ': read ' err
	kill -INT $pid
	finish 130
	check [ "$(grep -vc PID out/in.log)" = 1 ]
}

a_terminal_sees_progress_after_a_second() {
	if ! command -v script >which.out; then
		skip='no script(1)'
		return
	fi
	stream 5000 5000 >in
	TERM=vt100 script -qec "'$user' --sleep 600 ./in" typescript </dev/null >script.out 2>&1
	check grep -qP '\r[1-9][0-9]* page faults read, [1-9][0-9]* a second\x1b\[K\r\x1b\[K' typescript
	check [ "$(grep -c PID out/in.log)" = 5000 ]
	rm -r out
	script -qec "'$user' ./in" quick </dev/null >script.out 2>&1
	check [ "$(grep -c 'faults read' quick)" = 0 ]
}

run_cases
