#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What `user` does, as far as that shows without the kernel modules: streams come from files and
# fifos. USER_BIN names the program (default: ./user at the top of the tree).
# The output is TAP: `prove tests/unit/test_user.sh`.

set -u
user=$(realpath -- "${USER_BIN:-$(dirname "$0")/../../user}")
top=$(mktemp -d)
pid=
trap : PIPE	# a program that ended early fails its case, not the script
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$top"' EXIT

nr=0 nr_failed=0 case_ok=1

# Each case is a function, run in an empty folder of its own; `check` notes what does not hold.
check() {
	"$@" && return
	case_ok=0
	echo "# failed: $*"
	[ ! -s err ] || sed 's/^/#   stderr: /' err | head -n 5
}

run_case() {
	mkdir "$top/$1"
	cd "$top/$1" || exit 1
	case_ok=1 skip=
	"$1"
	nr=$((nr + 1))
	[ $case_ok = 1 ] || nr_failed=$((nr_failed + 1))
	[ $case_ok = 1 ] || printf 'not '
	echo "ok $nr - ${1//_/ }${skip:+ # SKIP $skip}"
}

# run STATUS ARG...: the program's output goes to the files `msg` and `err`.
run() {
	local want=$1
	shift
	timeout 60 "$user" "$@" >msg 2>err
	status=$?
	check [ $status = "$want" ]
}

head_line='# pf_probe_B version=1 pid=4494 comm=my\040prog clock=CLOCK_MONOTONIC loaded=1'

# faults FIRST LAST: the fault lines with these numbers, a millisecond apart.
faults() {
	awk -v first="$1" -v last="$2" 'BEGIN {
		for (i = first; i <= last; i++)
			printf "PID =     4494 Page Fault at Address 0x7faa%08x at Time %.0f" \
				" tid=4497 cpu=1 ip=0x55f3920ce1b5 access=write mode=user" \
				" region=heap\n", i * 4096 % 2147483648, 1000000000 + i * 1000000 }'
}

# summary RECORDED [DROPPED [OVERWRITTEN [MISSED [TARGET]]]]
summary() {
	echo "# recorded=$1 retries=41 dropped=${2:-0} overwritten=${3:-0} missed=${4:-0}" \
		"target=${5:-exited}"
}

stream() { # NR_FAULTS [the summary's]
	echo "$head_line"
	faults 1 "$1"
	shift
	summary "$@"
	echo EXIT_CODE
}

# The log that a stream (standard input) should become.
reference() {
	awk '/^PID =/ { printf "%4d:: %s\n", n++, $0; next }
		/^# recorded=/ { summary = $0; next }
		!/^EXIT_CODE$/
		END { if (summary != "") print summary }'
}

only() { # DIR NAME...: nothing else is in there, no temporary file either
	local dir=$1
	shift
	[ "$(ls -A "$dir" | xargs)" = "$*" ]
}

# until_true COMMAND...: a bounded wait.
until_true() {
	local i
	for i in $(seq 500); do
		"$@" 2>/dev/null && return
		sleep 0.02
	done
	return 1
}

reading() { tail -n 1 err | grep -q ': read '; }
opening() { [ "/proc/$pid/exe" -ef "$user" ] && grep -q '^State:.S' "/proc/$pid/status"; }
interrupting() { ! kill -INT "$pid"; }
stopped() { ! kill -0 "$pid" 2>/dev/null; }

# start ARG...: in the background, to be ended by `finish STATUS`. SIGHUP is as usual, also if the
# tests run under nohup.
start() {
	env --default-signal=HUP "$user" "$@" >msg 2>err &
	pid=$!
}

finish() {
	check until_true stopped
	kill -KILL $pid 2>/dev/null
	wait $pid
	status=$?
	pid=
	check [ $status = "$1" ]
}

a_log_has_numbered_faults_and_no_EXIT_CODE() {
	stream 12 12 >pf_probe_B
	run 0 ./pf_probe_B
	reference <pf_probe_B >want
	check cmp want out/pf_probe_B.log
	check only out pf_probe_B.log
	check [ "$(sed -n 2p out/pf_probe_B.log | cut -c 1-14)" = '   0:: PID =  ' ]
	check [ ! -s err ]
}

the_report_tells_log_count_process_retries_and_span() {
	stream 3201 3201 >pf_probe_B
	run 0 ./pf_probe_B
	check [ "$(cat msg)" = 'out/pf_probe_B.log: 3201 page faults of PID 4494 (my\040prog),'\
' 41 retries folded, 3.200 s' ]
}

no_fault_and_one_fault() {
	stream 0 0 >none
	stream 1 1 >one
	run 0 ./none ./one
	check grep -q '^out/none.log: 0 page faults of .* 0.000 s$' msg
	check grep -q '^out/one.log: 1 page fault of .* 0.000 s$' msg
	check [ "$(wc -l <out/none.log)" = 2 ]
	check only out none.log one.log
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
	check grep -q '^user: ./too_long: a line of over 262144 bytes: no fault log$' err
	check only out long.log longer.log
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
	check only out pf_probe_A.log pf_probe_C.log
	check [ "$(wc -l <msg)" = 2 ]
}

two_probes_of_one_name_are_refused() {
	mkdir a b
	stream 2 2 | tee a/x >b/x
	run 1 a/x b/x
	check grep -q '^user: out/x.log: wanted for two probes$' err
	check only out
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

one_output_takes_one_probe() {
	stream 2 2 >in
	run 64 -o - ./in ./in
	check grep -q '^user: --output takes one probe, not 2: name it$' err
}

an_old_log_is_replaced_when_the_new_one_is_whole() {
	mkdir out
	echo old >out/in.log
	mkfifo in
	start ./in
	exec 3>in
	{ echo "$head_line"; faults 1 5000; } >&3
	check [ "$(cat out/in.log)" = old ]
	{ summary 5000; echo EXIT_CODE; } >&3
	finish 0
	exec 3>&-
	check [ "$(grep -c PID out/in.log)" = 5000 ]
	check only out in.log
}

a_log_has_the_mode_of_the_umask() {
	stream 2 2 >in
	local mask
	mask=$(umask)
	umask 027
	run 0 ./in
	umask "$mask"
	check [ "$(stat -c %a out/in.log)" = 640 ]
}

a_log_made_by_sudo_belongs_to_its_user() {
	if [ "$(id -u)" != 0 ]; then
		skip='not root'
		return
	fi
	stream 2 2 >in
	SUDO_UID=65534 SUDO_GID=65533 run 0 ./in
	check [ "$(stat -c %u:%g out out/in.log | xargs)" = '65534:65533 65534:65533' ]
	mkdir -p x/out
	cd x || return
	SUDO_UID=65534 SUDO_GID=65533 run 0 ../in
	check [ "$(stat -c %u out)" = 0 ]
}

a_stream_without_EXIT_CODE_leaves_no_log() {
	stream 9 9 | head -n -1 >no_end
	stream 9 9 | head -c 700 >mid_line
	: >empty
	for i in no_end mid_line; do
		run 1 ./$i
		check grep -q "^user: ./$i: ends without EXIT_CODE: was the module unloaded?$" err
		check [ ! -s msg ]
	done
	run 1 ./empty
	check grep -q "^user: ./empty: ends without EXIT_CODE: is it a probe's?$" err
	check [ ! -s msg ]
	check only out
}

one_truncated_stream_does_not_spoil_the_other() {
	stream 9 9 | tee good | head -n -1 >bad
	run 1 ./bad ./good
	check only out good.log
	check grep -q '^out/good.log: 9 page faults' msg
}

a_full_disk_is_told() {
	stream 2 2 >in
	run 1 -o /dev/full ./in
	check grep -q '^user: /dev/full: No space left on device$' err
	check [ -c /dev/full ]
	"$user" -o - ./in >/dev/full 2>err
	check [ $? = 1 ]
	check grep -q '^user: standard output: No space left on device$' err
	"$user" ./in >/dev/full 2>err
	check [ $? = 1 ]
	check grep -q '^user: standard output: No space left on device$' err
}

a_file_that_cannot_grow_is_removed() {
	stream 100000 100000 >in
	(ulimit -f 1000 && exec "$user" ./in >msg 2>err)
	check [ $? = 1 ]
	check grep -q '^user: out/in.log: File too large$' err
	check only out
}

a_closed_pipe_is_quiet_but_no_success() {
	stream 100000 100000 >in
	{ "$user" -o - ./in 2>err; echo $? >status; } | head -n 1 >first
	check [ "$(cat status)" = 1 ]
	check [ ! -s err ]
	check [ "$(cat first)" = "$head_line" ]
}

an_output_folder_that_cannot_be_made_or_written_is_told() {
	stream 2 2 >in
	: >out
	run 1 ./in
	check grep -q '^user: out/in.log: Not a directory$' err
	run 1 -o nowhere/x.log ./in
	check grep -q '^user: nowhere/x.log: No such file or directory$' err
	run 1 -o . ./in
	check grep -q '^user: .: Is a directory$' err
}

a_folder_is_no_stream() {
	mkdir dir
	run 1 ./dir
	check grep -q '^user: ./dir: Is a directory$' err
	check only out
}

no_right_to_read_is_told() {
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

without_a_probe_one_is_told_how_to_load_it() {
	if compgen -G '/proc/pf_probe_*' >compgen.out; then
		skip='a probe is loaded'
		return
	fi
	run 1
	check grep -q '^user: no probe is loaded: sudo insmod pf_probe_B.ko process_id=PID (or' err
	for i in C pf_probe_C; do
		run 1 $i
		check grep -q '^user: pf_probe_C is not loaded: sudo insmod pf_probe_C.ko ' err
	done
	check [ ! -e out ]
}

wrong_usage_is_refused() {
	for i in D AB '' pf_probe_ pf_probe_D; do
		run 64 "$i"
		check grep -q "^user: no such probe: $i (A, B, C or a path with a slash)$" err
	done
	run 1 ./missing
	check grep -q '^user: ./missing: No such file or directory$' err
	for i in x -1 1x '' 3600001 99999999999999999999 ' 1'; do
		run 64 --sleep="$i" ./missing
		check grep -q -e "--sleep wants milliseconds, 0 to 3600000, not '$i'" err
	done
	run 64 --nonsense
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
	check grep -q '^pf_user: no such probe: D ' err
	./pf_user --help >msg
	check grep -q '^    sudo ./pf_user --follow B ' msg
}

sleep_waits_between_reads() {
	stream 5000 5000 >in
	local begin=${EPOCHREALTIME/./}
	run 0 --sleep 100 ./in
	check [ $((${EPOCHREALTIME/./} - begin)) -ge 300000 ]
	check [ "$(grep -c PID out/in.log)" = 5000 ]
}

debug_tells_reads_and_drains() {
	stream 2 2 >in
	run 0 --debug ./in
	check grep -q '^user: debug: ./in goes to out/.in.log.' err
	check grep -q '^user: debug: ./in: read [0-9]*$' err
	check grep -q '^user: debug: ./in: drain 1 ends, 2 faults so far$' err
}

children_and_major_faults_are_told() {
	{
		echo "$head_line"
		faults 1 2
		echo '# child time=1002500000 pid=4495 ppid=4494 comm=my\040prog'
		faults 3 4
		echo "$(summary 4) minor=3 major=1 failed=0 abandoned=0 unfinished=0 children=1 untold=0"
		echo EXIT_CODE
	} >in
	run 0 ./in
	reference <in >want
	check cmp want out/in.log
	check grep -qF 'out/in.log: 4 page faults, 1 major, of PID 4494 (my\040prog) and 1 child, 41' msg
	sed 's/children=1 /children=12 /' in >more
	run 0 ./more
	check grep -qF ' and 12 children, ' msg
}

losses_are_warned_of() {
	stream 1000 1000 4000 >dropped
	stream 1000 5000 0 4000 >overwritten
	stream 10 10 0 0 3 >missed
	run 0 ./dropped
	check grep -q '^user: WARNING: .* 4000 faults were dropped.* max_faults=5000 ' err
	run 0 ./overwritten
	check grep -q '^user: WARNING: .* oldest 4000 faults were overwritten.* max_faults=5000 ' err
	check [ "$(wc -l <err)" = 1 ]
	run 0 ./missed
	check grep -q '^user: WARNING: .* 3 faults were missed' err
}

a_wrong_number_of_faults_is_warned_of() {
	stream 10 12 >too_few
	stream 10 8 >too_many
	stream 10 30 0 18 >too_few_overwritten
	stream 10 12 0 0 0 running >of_a_running_target
	for i in too_few too_many too_few_overwritten of_a_running_target; do
		run 0 ./$i
		check grep -q '^user: WARNING: .* 10 faults were read, but recorded=' err
		check [ "$(grep -c 'were read, but' err)" = 1 ]
	done
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
	check [ ! -s err ]
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
	check [ ! -s err ]
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
	check grep -q '^user: WARNING: .* the oldest 4 faults were overwritten' err
	check [ "$(wc -l <err)" = 1 ]
}

a_followed_stream_that_breaks_off_keeps_its_whole_drains() {
	stream 500 500 0 0 0 running >whole
	{ cat whole; faults 501 900; } >in
	run 1 --follow ./in
	reference <whole >want
	check cmp want out/in.log
	check grep -q '^user: out/in.log: ends with the last whole drain$' err
	# Twice the output buffer behind the drain: to be taken back from the file.
	{ cat whole; faults 501 9000; } >in
	run 1 --follow ./in
	check cmp want out/in.log
	check grep -q '^out/in.log: 500 page faults .* 0.499 s$' msg
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
		check grep -q 'stopped (.*): the log ends with the last whole line$' err
		check grep -q '^out/pipe.log: 5 page faults of PID 4494 (my\\040prog), 0.004 s$' msg
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
	check grep -q 'stopped (Interrupt): the log ends with a whole drain$' err
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
	# Nor when nobody ever opens the other end.
	start ./pipe
	check until_true grep -q '^SigCgt:.*4..3$' /proc/$pid/status
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
	check grep -qP '\r[1-9][0-9]* page faults read\r\x1b\[K' typescript
	check [ "$(grep -c PID out/in.log)" = 5000 ]
	rm -r out
	script -qec "'$user' ./in" quick </dev/null >script.out 2>&1
	check [ "$(grep -c 'faults read' quick)" = 0 ]
}

for name in $(sed -n 's/^\([a-zA-Z_]*_[a-zA-Z_]*\)() {$/\1/p' "$(realpath -- "$0")"); do
	case $name in
	run_case | until_true | head_line) ;;
	*) run_case "$name" ;;
	esac
done
echo "1..$nr"
cd / && exit $((nr_failed > 0))
