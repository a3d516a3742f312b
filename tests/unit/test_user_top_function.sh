#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The live view by function: of instructions in a real process, whose /proc is read.

. "$(dirname "$0")/user.sh"

code=$(realpath -- "$(dirname "$0")/code.c")

build() { # NAME OPTION...
	"${CC:-cc}" -O1 -Wl,--hash-style=gnu -o "$@" "$code" || echo 'Bail out! code.c'
}

# Runs a program that waits; its number is in $target, its addresses are in `addresses`.
begin() { # PROGRAM ARG...
	[ -p hold ] || mkfifo hold
	"$@" <hold >addresses &
	target=$!
	exec 5>hold
	check until_true grep -q '^vdso' addresses
	[ $# = 1 ] || check until_true grep -q "^${*: -1} " addresses
}

end() {
	exec 5>&-
	wait $target
}

# A fault of each of these instructions. Its time is a minute ahead: earlier faults than the view
# are in no second, and a busy machine starts the reader late.
faults_at() { # NAME...
	local name
	for name; do
		awk -v pid="$target" -v name="$name" -v now="$(cut -d ' ' -f 1 /proc/uptime)" '
			$1 == name { printf "PID = %8d Page Fault at Address 0x7faa00001000 at Time" \
				" %.0f tid=%d cpu=1 ip=%s access=read mode=user region=heap result=minor" \
				" latency_ns=1500 tries=1 map=[heap]\n", pid, (now + 60) * 1e9, pid, $2 }
			' addresses
	done
}

# Shows the faults of these lines (standard input) by function: in `msg`, and the rows of the last
# view in `rows`.
view() { # [PROGRAM...]: to run the reader by
	local nr
	cat >lines
	nr=$(wc -l <lines)
	{ echo "$head_line"; cat lines; summary "$nr"; echo EXIT_CODE; } >in
	timeout 60 "$@" "$user" --top=function ./in >msg 2>err
	check [ $? = 0 ]
	awk '/%  all$/ { rows = ""; inside = 1; next }
		/^$/ { inside = 0 }
		inside && sub(/^.*[0-9]%  /, "") { rows = rows $0 "\n" }
		END { printf "%s", rows }' msg >rows
}

row() { # ROW: a pattern for the whole row
	check grep -qxE -e "$1" rows
}

# viewing TABLE: of a fault in a pipe, which stays open as descriptor 3.
viewing() {
	build code
	begin ./code
	faults_at exported >lines
	mkfifo pipe
	start --top="$1" ./pipe
	exec 3>pipe
	{ echo "$head_line"; cat lines; summary 1 0 0 0 running; echo EXIT_CODE; } >&3
}

unknown() { # SHARE
	check grep -q "^by function (unknown for $1% of the faults):\$" msg
}

functions_of_a_program_are_named() {
	build code
	begin ./code
	faults_at exported exported hidden | view
	row 'exported_function  .*/code'
	row 'hidden_function  .*/code'
	check [ "$(wc -l <rows)" = 2 ]
	check grep -q '^by function:$' msg
	end
}

what_is_not_known_is_never_guessed() {
	build code
	begin ./code
	faults_at exported without_size data jit vdso | view
	row 'exported_function  .*/code'
	row '.code.\+\?  .*/code'
	row '\?  in no executable mapping'
	row '\?  code in memory without a file'
	row '.vdso.\+\?'
	unknown 80.0
	end
}

a_stripped_program_has_the_functions_that_it_exports() {
	build code -rdynamic -s
	begin ./code
	faults_at exported hidden | view
	row 'exported_function  .*/code'
	row '.code.\+\?  .*/code'
	unknown 50.0
	end
}

a_program_at_fixed_addresses_has_functions() {
	build code -static -no-pie
	begin ./code
	faults_at exported hidden jit | view
	row 'exported_function  .*/code'
	row 'hidden_function  .*/code'
	row '\?  code in memory without a file'
	end
}

follows_links() { ls -l /proc/self/map_files/* >maps.out 2>&1; }

a_removed_or_replaced_file_is_the_one_that_is_mapped() {
	build code
	build other -DINSIDE=0 -Dexported_function=wrong -Dhidden_function=other
	begin ./code
	rm code
	cp other code
	faults_at exported | view
	# Without the right to open the mapped file itself, no other file takes its place.
	if [ -e "/proc/$target/map_files/$(awk 'NR == 1 { print $1 }' /proc/$target/maps)" ]; then
		row 'exported_function  .*code .deleted.'
	else
		row '.code .deleted..\+\?  .* .it cannot be opened.'
	fi
	end
}

# As in containers.
without_the_right_to_follow_links_paths_are_checked() {
	local without='-sys_admin,-checkpoint_restore'
	setpriv --bounding-set=$without true 2>/dev/null || without=
	build code
	begin ./code
	faults_at exported | view ${without:+setpriv --bounding-set=$without}
	row 'exported_function  .*/code'
	mv code code.old
	build code -DINSIDE=0 -Dexported_function=wrong
	faults_at exported | view ${without:+setpriv --bounding-set=$without}
	row 'exported_function  .*code.old'
	rm code.old
	mkfifo code.old
	faults_at exported | view ${without:+setpriv --bounding-set=$without}
	row '.code.old .deleted..\+\?  .*cannot be opened.'
	end
}

a_process_that_has_ended_has_no_functions() {
	build code
	begin ./code
	end
	faults_at exported hidden | view
	row '\?  the process has ended'
	unknown 100.0
}

absurd_files_have_no_functions() {
	build code
	# An ELF file whose counts and positions are all ones.
	{ printf '\177ELF\2\1\1'; head -c 9 /dev/zero; head -c 4080 /dev/zero | tr '\0' '\377'; } >absurd
	echo 'no ELF file' >text
	head -c 65536 code >cut
	truncate -s 4096 cut
	printf 'x\033[31m' >"$(printf 'red\033[2J')"
	begin ./code red* absurd text cut
	faults_at absurd text cut | view
	row '.absurd.\+\?  .*cannot be read as ELF.'
	row '.text.\+\?  .*cannot be read as ELF.'
	row '.cut.\+\?  .*cannot be read as ELF.'
	awk '/red/ { $1 = "red"; print }' addresses >red && mv red addresses
	faults_at red | view
	row '.red.033.2J.\+\?  .*read as ELF.'
	check [ "$(grep -c '[^ -~]' msg)" = 0 ]
	end
}

a_line_without_an_instruction_has_no_function() {
	build code
	begin ./code
	faults_at exported jit | sed '2s/ ip=[^ ]*//' | view
	row 'exported_function  .*/code'
	unknown 50.0
	end
}

other_tables_start_no_process() {
	viewing process
	check until_true grep -q '^by process:$' msg
	check [ -z "$(ps -o pid= --ppid "$pid")" ]
	summary 1 >&3
	echo EXIT_CODE >&3
	exec 3>&-
	finish 0
	end
}

the_helper_keeps_no_file_open_and_ends_with_the_reader() {
	viewing function
	check until_true grep -q '  exported_function' msg
	helper=$(ps -o pid= --ppid "$pid" | tr -d ' ')
	check [ "$(ls "/proc/$helper/fd" | xargs)" = 0 ]
	kill -KILL "$pid"
	finish 137
	check until_true [ ! -e "/proc/$helper" ]
	exec 3>&-
	end
}

only_known_tables_are_taken() {
	stream 2 2 >in
	run 64 --top=file ./in
	check grep -q "^user: --top takes region, mapping, thread, process, program, function or all, not 'file'" err
}

the_key_f_shows_functions() {
	command -v tmux >which.out || { skip='no tmux'; return; }
	build code
	begin ./code
	mkfifo pipe
	tmux="tmux -S $PWD/tmux -f /dev/null"
	$tmux new-session -d -x 100 -y 24 "TERM=screen '$user' --top ./pipe" 2>tmux.err
	exec 3>pipe
	{ echo "$head_line"; faults_at exported; summary 1 0 0 0 running; echo EXIT_CODE; } >&3
	check until_true on_screen '^by region:$'
	$tmux send-keys f
	check until_true on_screen '^by function, from the next second on:$'
	for i in 1 2 3; do
		{ faults_at exported exported jit; summary $((1 + 3 * i)) 0 0 0 running; echo EXIT_CODE; } >&3
		sleep 0.7
	done
	check until_true on_screen '^by function (unknown for 33.3% of the faults):$'
	check on_screen "%  exported_function  .*/code\$"
	check on_screen '%  ?  code in memory without a file$'
	$tmux send-keys /export
	check until_true on_screen '^filter: export_'
	check off_screen 'without a file'
	exec 3>&-
	$tmux kill-server
	end
}

on_screen() { $tmux capture-pane -p | grep -q -e "$1"; }
off_screen() { ! on_screen "$1"; }

run_cases
