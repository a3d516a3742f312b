#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The live view of `user`: as plain text, and on a terminal of tmux. Its lines are tested in
# test_view.c.

. "$(dirname "$0")/user.sh"

# busy NR [NAME]: faults of this moment, a tenth of them major, and the end of a drain. Their times
# are a little in the future, because the clock used here has hundredths of seconds.
nr_busy=0
busy() {
	awk -v nr="$1" -v name="${2:-/lib/libc.so.6}" -v now="$(cut -d ' ' -f 1 /proc/uptime)" 'BEGIN {
		for (i = 0; i < nr; i++) {
			major = i % 10 == 9
			printf "PID =     4494 Page Fault at Address 0x7faa%08x at Time %.0f tid=%d" \
				" cpu=1 ip=0x0 access=read mode=user region=%s result=%s" \
				" latency_ns=%d tries=1 map=%s\n", i * 4096, (now + 0.1) * 1e9, \
				major ? 4497 : 4494, major ? "file" : "heap", \
				major ? "major" : "minor", major ? 20000000 : 1500, \
				major ? name : "[heap]"
		} }'
	nr_busy=$((nr_busy + $1))
	drain_end
}

drain_end() { # [TARGET]
	echo "$(summary $nr_busy 0 0 0 "${1:-running}") minor=$((nr_busy / 10 * 9))" \
		"major=$((nr_busy / 10)) failed=0 abandoned=0 unfinished=0"
	echo EXIT_CODE
}

# Runs `user ARG...` in a terminal of its own, where the shell prints its exit status.
terminal() { # COLUMNS ROWS ARG...
	local columns=$1 rows=$2
	shift 2
	cat >rc <<-END
		PS1='typed: '
		user() { command "$user" "\$@"; echo "status \$?"; }
	END
	tmux="tmux -S $PWD/tmux -f /dev/null"
	$tmux new-session -d -x "$columns" -y "$rows" "TERM=screen bash --rcfile rc -i" 2>tmux.err
	check until_true on_screen '^typed:'
	$tmux send-keys "user $*" Enter
}

# Shows the view of a pipe in a terminal, after some faults.
viewing() { # COLUMNS ROWS NR [NAME]
	mkfifo pipe
	terminal "$1" "$2" --top ./pipe
	exec 3>pipe
	nr_busy=0
	{ echo "$head_line"; busy "${@:3}"; } >&3
}

# The traced process exits. Waits until the text of the shell, or the given one, is on the screen.
exiting() {
	drain_end exited >&3
	exec 3>&-
	check until_true on_screen "${1:-^status 0\$}"
	check on_screen "^out/pipe.log: $nr_busy page faults"
	check off_screen '%  all$'
	check shows_cursor 1
	$tmux kill-server
}

screen() { $tmux capture-pane -p; }
on_screen() { screen | grep -q -e "$1"; }
off_screen() { ! on_screen "$1"; }
shows_cursor() { [ "$($tmux display-message -p '#{cursor_flag}')" = "$1" ]; }
lines_of_screen() { screen | sed '/^$/d' | wc -l; }

without() { # PROGRAM
	command -v "$1" >which.out && return 1
	skip="no $1"
}

shown_again() { [ "$(grep -c '^200 faults' msg)" -ge 2 ]; }

elsewhere_it_is_plain_text_once_a_second() {
	mkfifo pf_probe_B
	start --top ./pf_probe_B
	exec 3>pf_probe_B
	nr_busy=0
	{ echo "$head_line"; busy 200; } >sent
	cat sent >&3
	check until_true grep -q '^200 faults: 180 minor, 20 major, 0 failed$' msg
	# A second without faults, and the last view at the end.
	check until_true shown_again
	busy 10 >more
	drain_end exited >>more
	tee -a sent <more >&3
	exec 3>&-
	finish 0
	grep -v '^$' msg | awk '/^pf_probe_B of PID/ { nr++ } nr == 1' >first
	check grep -q '^pf_probe_B of PID 4494 (my\\040prog), running, for [0-9]* s$' first
	check [ "$(grep -c '^by' first)" = 3 ]
	check grep -qE '^ +[0-9]+ +[0-9]+ 1.4us 1.4us +[0-9]+  19ms  19ms +[0-9]+%  all$' first
	check grep -qE '^ +[0-9]+ +0 +- +- +[0-9]+  19ms  19ms +[0-9]+%  /lib/libc.so.6$' first
	check grep -qE '^ +[0-9]+ +[0-9]+ 1.4us 1.4us +0 +- +- +0%  tid 4494$' first
	check grep -q '^210 faults: 189 minor, 21 major, 0 failed$' msg
	check [ "$(grep -c '[^ -~]' msg)" = 0 ]
	check [ "$(awk 'length > 79 && !/^next/' msg | wc -l)" = 0 ]
	reference <sent >want
	check cmp want out/pf_probe_B.log
	check grep -q '^out/my_prog-4494.pf_probe_B.log: 210 page faults' msg
}

it_is_on_standard_error_if_the_log_is_on_standard_output() {
	mkfifo pipe
	start --top -o - ./pipe
	exec 3>pipe
	nr_busy=0
	{ echo "$head_line"; busy 100; } >sent
	cat sent >&3
	check until_true grep -q '^100 faults: 90 minor' err
	drain_end exited | tee -a sent >&3
	exec 3>&-
	finish 0
	reference <sent >want
	check cmp want msg
}

faults_from_before_are_counted_separately() {
	mkfifo pipe
	start --top ./pipe
	exec 3>pipe
	stream 50 50 0 0 0 running >&3
	check until_true grep -q '^50 faults; 50 of them before$' msg
	check grep -qx '       0  all' msg
	exec 3>&-
	finish 0
}

it_takes_one_module() {
	stream 2 2 >in
	run 64 --top ./in ./in
	check grep -q '^user: --top needs one module, not 2: name one module$' err
	check only . err in msg
}

on_a_terminal_it_fills_the_screen_and_gives_it_back() {
	without tmux && return
	viewing 90 20 200 "$(printf '/\e[2J\xe4\xb8\xad/%0200d/end' 0)"
	check until_true on_screen '^200 faults: 180 minor, 20 major, 0 failed$'
	check on_screen '%  all$'
	check on_screen '^pipe of PID 4494 (my\\040prog), running, for '
	check off_screen '^typed:'
	check shows_cursor 0
	exiting
}

it_fits_a_terminal_that_changes_its_size() {
	without tmux && return
	viewing 100 30 200
	check until_true on_screen '^200 faults'
	for size in 30x5 8x3 1x1 2x40 200x2 79x12; do
		$tmux resize-window -x ${size%x*} -y ${size#*x}
		busy 10 "$(printf '/\xe4\xb8\xad\e[31m%0300d' 0)" >&3
		[ $size != 79x12 ] || check until_true on_screen '^260 faults'
		sleep 1.2
		check [ "$(lines_of_screen)" -le ${size#*x} ]
		check shows_cursor 0
	done
	check on_screen '^faults/s  minor/s   p50   p99  major/s   p50   p99  time$'
	check [ "$(screen | head -n 1 | cut -c 1-16)" = 'pipe of PID 4494' ]
	$tmux send-keys C-c
	check until_true on_screen '^status 130$'
	exec 3>&-
	$tmux kill-server
}

a_suspended_view_gives_the_screen_back_meanwhile() {
	without tmux && return
	viewing 80 24 20
	check until_true on_screen '%  all$'
	$tmux send-keys C-z
	check until_true on_screen 'Stopped'
	check off_screen '%  all$'
	check shows_cursor 1
	$tmux send-keys fg Enter
	check until_true on_screen '%  all$'
	check off_screen 'Stopped'
	exiting '^next: '	# the shell reported a status when it stopped
}

a_terminal_held_by_ctrl_s_does_not_hold_the_reading() {
	without tmux && return
	viewing 80 24 20
	check until_true on_screen '%  all$'
	$tmux send-keys C-s
	sleep 1.5
	for i in 1 2 3; do
		busy 100 >&3
		sleep 1.1
	done
	check until_true grep -q '^ 319:: ' out/pipe.log.part
	check on_screen '^20 faults'
	$tmux send-keys C-q
	check until_true on_screen '^320 faults'
	exiting
}

keys_choose_tables_order_and_names() {
	without tmux && return
	viewing 100 24 200
	check until_true on_screen '^h keys  q quit'
	check on_screen '^by region:$'
	$tmux send-keys p
	check until_true on_screen '^by process:$'
	check on_screen '% *4494 my\\040prog$'
	check off_screen '^by region:$'
	$tmux send-keys g
	check until_true on_screen '^by program:$'
	check on_screen '% *my\\040prog$'
	$tmux send-keys m s
	check until_true on_screen '^sorted by faults; failed/s 0'
	check [ "$(screen | grep -A 1 '^by mapping:$' | grep -c '\[heap\]')" = 1 ]
	# Each drain's faults are shown for a second, at their time or a little later.
	busy 200 >&3
	$tmux send-keys / l i b
	check until_true on_screen '^filter: lib_'
	check until_true on_screen '% *.lib.libc.so.6$'
	check off_screen 'heap'
	$tmux send-keys Enter h
	check until_true on_screen '^keys:$'
	check off_screen '%  all$'
	$tmux send-keys Escape
	check until_true on_screen 'filter: lib'
	$tmux send-keys Escape a
	check until_true on_screen '^by region:$'
	exiting
}

a_paused_view_stays_and_the_log_goes_on() {
	without tmux && return
	viewing 80 24 20
	check until_true on_screen '^20 faults'
	$tmux send-keys Space
	check until_true on_screen '^PAUSED; sorted by time'
	busy 100 >&3
	check until_true grep -q '^ 119:: ' out/pipe.log.part
	sleep 1.2
	check on_screen '^20 faults'
	$tmux send-keys t
	check until_true on_screen '^by thread:$'
	$tmux send-keys Space
	check until_true on_screen '^120 faults'
	exiting
}

q_ends_the_recording_and_gives_the_keyboard_back() {
	without tmux && return
	viewing 80 24 20
	check until_true on_screen '^20 faults'
	$tmux send-keys q
	check until_true on_screen '^status 130$'
	check on_screen '^out/pipe.log: 20 page faults'
	check shows_cursor 1
	$tmux send-keys 'stty -a | grep -o " icanon\|-icanon\| echo \|-echo " | tr -d "\n"; echo' Enter
	check until_true on_screen '^ icanon echo *$'
	exec 3>&-
	$tmux kill-server
}

a_suspended_view_gives_the_keyboard_back_meanwhile() {
	without tmux && return
	viewing 80 40 20
	check until_true on_screen '%  all$'
	$tmux send-keys C-z
	check until_true on_screen 'Stopped'
	$tmux send-keys 'printf "ty%s\\n" ped-42' Enter
	check until_true on_screen '^typed-42$'
	# In the background it shows nothing and reads no keys: the shell gets them.
	$tmux send-keys bg Enter
	sleep 1.5
	check off_screen '%  all$'
	$tmux send-keys 'jobs >jobs.txt' Enter
	check until_true grep -q Running jobs.txt
	$tmux send-keys fg Enter
	sleep 1.5
	$tmux send-keys r
	check until_true on_screen '^by region:$'
	check off_screen '^by thread:$'
	exiting '^next: '
}

without_a_terminal_nothing_is_read_from_it() {
	mkfifo pipe
	mkfifo keys
	exec 4<>keys
	start --top ./pipe <&4
	exec 3>pipe
	nr_busy=0
	{ echo "$head_line"; busy 100; } >&3
	printf 'qqq' >&4
	check until_true grep -q '^100 faults' msg
	check [ "$(grep -c 'keys' msg)" = 0 ]
	drain_end exited >&3
	exec 3>&- 4>&-
	finish 0
}

run_cases
