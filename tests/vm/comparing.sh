# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Functions for the cases that compare a log with what tests/vm/areas.c knows of its address space.

said=/tmp/said
# The status of `user`, and the summary of its log.
whole_log="^0 # recorded=.* dropped=0 .* missed=0 target=exited .*unseen=0 .*surplus=0"

# agrees DESC LOG: every instruction in the log is in an executable area of its own lines, and what
# the program has said is what the log says. Prints and keeps the checker's line in $checked.
agrees() {
	checked=$(/areas_check "$2" $said 2>/tmp/wrong)
	is "$1: the log agrees with the program" $? 0 || diag "$(head -n 25 /tmp/wrong)"
	diag "$checked"
}

# compared PARAMETERS PROGRAM MODE [N]: traces a mode: the count is exact, and the log agrees.
compared() {
	desc="$2 $3 $4, $1" params=$1 program=/$2
	shift 2
	rm -rf $said /tmp/code-*
	result=$(/workload track B "$params" command $program $said "$@")
	like "$desc: exact" "$result" \
		"^difference=0 .*status=0 .*dropped=0 .*missed=0 .*unseen=0 .*surplus=0"
	diag "$result"
	agrees "$desc" /tmp/track.log
}

# number KEY: of the checker's line.
number() {
	echo " $checked " | sed -n "s/.* $1=\([0-9]*\) .*/\1/p"
}

# attached PARAMETERS PROGRAM MODE [N]: `user --pid` when the program stops halfway: three checks.
attached() {
	desc="--pid, $2 $3 $4, $1" params=$1 program=/$2
	shift 2
	rm -rf $said /tmp/code-* out err
	AREAS_STOP=1 $program $said "$@" &
	pid=$!
	wait_for stopped $pid
	# shellcheck disable=SC2086
	$by_sudo /user -B $params --pid $pid 2>err &
	user=$!
	wait_for grep -q 'log grows' err
	kill -CONT $pid
	wait $pid
	is "$desc: the program ends well" $? 0
	wait $user
	like "$desc: exact" "$? $(tail -n 1 out/pf_probe_B.log)" "$whole_log"
	agrees "$desc" out/pf_probe_B.log
}
