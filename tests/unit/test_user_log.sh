#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The log of `user`: its names, its owner and mode, and what is left of it after errors.

. "$(dirname "$0")/user.sh"

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

a_new_log_is_private_and_an_old_one_keeps_its_mode() {
	stream 2 2 >in
	local mask
	mask=$(umask)
	umask 022
	run 0 ./in
	umask "$mask"
	check [ "$(stat -c %a out/in.log)" = 600 ]
	chmod 640 out/in.log
	run 0 ./in
	check [ "$(stat -c %a out/in.log)" = 640 ]
}

# acl NAME KIND: an ACL by which 65533 may read and write, too.
acl() {
	"${PYTHON:-/usr/bin/python3}" -c 'import os, struct, sys
acl = [(1, 6, -1), (2, 6, 65533), (4, 0, -1), (16, 6, -1), (32, 0, -1)]
os.setxattr(sys.argv[1], "system.posix_acl_" + sys.argv[2], struct.pack("<I", 2) + b"".join(
    struct.pack("<HHi", *entry) for entry in acl))' "$1" "$2" 2>acl.err
}

the_mask_of_an_acl_is_not_the_mode_of_a_group() {
	stream 2 2 >in
	echo old >old.log
	chmod 600 old.log
	acl old.log access || { skip='no ACLs here' && return; }
	check [ "$(stat -c %a old.log)" = 660 ]
	run 0 -o old.log ./in
	check [ "$(stat -c %a old.log)" = 600 ]
	# Neither is an ACL that the folder gives to its files.
	mkdir folder
	acl folder default
	echo old >plain
	chmod 640 plain
	mv plain folder/x.log
	run 0 -o folder/x.log ./in
	check [ "$(stat -c %a folder/x.log)" = 600 ]
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
	# An older log keeps its owner, even if that is root.
	: >old.log
	SUDO_UID=65534 SUDO_GID=65533 run 0 -o old.log ../in
	check [ "$(stat -c %u:%g old.log)" = 0:0 ]
	chown 65534:65532 old.log
	SUDO_UID=65534 SUDO_GID=65533 run 0 -o old.log ../in
	check [ "$(stat -c %u:%g old.log)" = 65534:65532 ]
}

files_of_other_users_are_left_alone() {
	if [ "$(id -u)" != 0 ]; then
		skip='not root'
		return
	fi
	stream 2 2 >in
	mkdir theirs
	echo theirs >theirs/x.log
	echo theirs >theirs/y.log.part
	chown -R 1234 theirs
	SUDO_UID=65534 SUDO_GID=65533 run 1 -o theirs/x.log ./in
	check grep -q '^user: theirs/x.log: belongs to another user: name another file$' err
	SUDO_UID=65534 SUDO_GID=65533 run 1 -o theirs/y.log ./in
	check grep -q '^user: theirs/y.log.part: exists and belongs to another user$' err
	check [ "$(cat theirs/*)" = $'theirs\ntheirs' ]
	SUDO_UID=65534 SUDO_GID=65533 run 0 -o theirs/z.log ./in
	check grep -q '^user: theirs/z.log: is in a directory of another user, who can remove it$' err
	check only theirs x.log y.log.part z.log
	ln -s theirs out
	chown -h 1234 out
	SUDO_UID=65534 SUDO_GID=65533 run 1 ./in
	check grep -q '^user: out/in.log: its path contains a symbolic link of another user$' err
	check only theirs x.log y.log.part z.log
}

symbolic_links_are_not_followed_to_files() {
	stream 2 2 >in
	echo precious >precious
	ln -s precious link
	ln -s nowhere dangling
	for i in link dangling; do
		run 1 -o $i ./in
		check grep -q "^user: $i: is a symbolic link: name its target, or -$" err
	done
	ln -s precious x.log.part
	run 1 -o x.log ./in
	check grep -q '^user: x.log.part: is a symbolic link$' err
	check [ "$(cat precious)" = precious ]
	check [ -L link ]
	# A link to a device is followed, as /dev/stdout is.
	ln -s /dev/null null
	run 0 -o null ./in
	check [ -L null ]
	check [ -c /dev/null ]
	"$user" -o /dev/stdout ./in 2>err | grep '^ *[0-9]*::' >got
	check [ "$(wc -l <got)" = 2 ]
	"$user" -o /dev/stdout ./in >file 2>err
	check [ $? = 1 ]
	check [ ! -s file ]
	if [ "$(id -u)" = 0 ]; then
		chown -h 1234 null
		SUDO_UID=65534 SUDO_GID=65533 run 1 -o null ./in
		check grep -q '^user: null: is a symbolic link: ' err
	fi
}

a_log_can_be_read_while_it_grows() {
	mkfifo pipe
	start --follow ./pipe
	exec 3>pipe
	stream 5 5 0 0 0 running >&3
	check until_true grep -q '^   4:: ' out/pipe.log.part
	check [ "$(cat err)" = 'user: the log grows in out/pipe.log.part' ]
	check [ "$(stat -c %a out/pipe.log.part)" = 600 ]
	check [ ! -e out/pipe.log ]
	{ summary 5; echo EXIT_CODE; } >&3
	finish 0
	exec 3>&-
	check only out pipe.log
}

the_part_of_a_killed_run_is_kept_and_reported() {
	mkfifo pipe
	stream 3 3 >in
	for i in 1 2 3; do
		start --follow -o x.log ./pipe
		exec 3>pipe
		stream $((i * 10)) 5 0 0 0 running >&3
		check until_true [ -s x.log.part ]
		kill -KILL $pid
		wait $pid 2>wait.err
		pid=
		exec 3>&-
		run 0 -o x.log ./in
		check grep -qx 'user: x.log.part was left by a run that failed: '\
"kept as x.log.part.$i" err
		check [ "$(grep -c PID x.log.part.$i)" = $((i * 10)) ]
		check [ "$(grep -c PID x.log)" = 3 ]
		check [ ! -e x.log.part ]
	done
	check only . err in msg pipe wait.err x.log x.log.part.1 x.log.part.2 x.log.part.3
	# An empty part is removed without a message.
	: >x.log.part
	run 0 -o x.log ./in
	check [ ! -s err ]
	check [ ! -e x.log.part ]
	mkdir x.log.part
	run 1 -o x.log ./in
	check grep -q '^user: x.log.part: exists and is not a file$' err
}

two_runs_do_not_write_one_log() {
	mkfifo pipe
	stream 3 3 >in
	start --follow -o x.log ./pipe
	exec 3>pipe
	stream 5 5 0 0 0 running >&3
	check until_true [ -s x.log.part ]
	timeout 60 "$user" -o x.log ./in >msg.2 2>err.2
	check [ $? = 1 ]
	check grep -q '^user: x.log.part: is being written by another run$' err.2
	{ summary 5; echo EXIT_CODE; } >&3
	finish 0
	exec 3>&-
	check [ "$(grep -c PID x.log)" = 5 ]
}

a_part_that_was_taken_away_is_saved() {
	mkfifo pipe
	{ stream 7 7 0 0 0 running; summary 7; echo EXIT_CODE; } | reference >want
	for taken in 'rm x.log.part' 'mv x.log.part elsewhere' 'mv -T other x.log.part'; do
		echo other >other
		start --follow -o x.log ./pipe
		exec 3>pipe
		stream 7 7 0 0 0 running >&3
		check until_true [ -s x.log.part ]
		$taken
		{ summary 7; echo EXIT_CODE; } >&3
		finish 0
		exec 3>&-
		check grep -q '^user: x.log.part: was removed or renamed; its contents are saved$' err
		check cmp want x.log
		check [ "$(cat other x.log.part 2>/dev/null)" = other ]
		rm x.log x.log.part elsewhere 2>/dev/null
		check [ -z "$(find . -name 'x.log*')" ]
	done
	# Also if the stream is not complete.
	start -o x.log ./pipe
	exec 3>pipe
	{ echo "$head_line"; faults 1 5000; } | tee sent >&3
	check until_true [ -s x.log.part ]
	rm x.log.part
	exec 3>&-
	finish 1
	saved=$(sed -n 's/^user: what was read is in \(x.log.part.[0-9a-f]*\)$/\1/p' err)
	check [ "$(grep -c PID "$saved")" = 5000 ]
	check [ "$(stat -c %a "$saved")" = 600 ]
}

a_log_whose_folder_was_removed_is_saved() {
	mkfifo pipe
	{ stream 7 7 0 0 0 running; summary 7; echo EXIT_CODE; } | reference >want
	for name in out/pipe.log "folder/$(printf %0250d 0)"; do
		for after in true 'mkdir out folder'; do
			mkdir -p folder out
			start --follow -o "$name" ./pipe
			exec 3>pipe
			stream 7 7 0 0 0 running >&3
			check until_true [ -s "$name.part" ]
			rm -r "${name%/*}"
			$after 2>mkdir.err
			{ summary 7; echo EXIT_CODE; } >&3
			finish 0
			exec 3>&-
			check grep -q "^user: $name: its directory was removed; the log goes to /var/tmp$" err
			saved=$(sed -n 's/^\(.*\): 7 page faults of .*/\1/p' msg)
			check cmp want "$saved"
			check [ "$(stat -c %a "$saved")" = 600 ]
			case $saved in /var/tmp/*) rm -f "$saved" ;; esac
			rm -rf out folder
		done
	done
}

a_log_whose_folder_was_renamed_is_named_by_where_it_is() {
	mkfifo pipe
	{ stream 7 7 0 0 0 running; summary 7; echo EXIT_CODE; } | reference >want
	for output in '' '-o out/pipe.log' "-o $PWD/out/pipe.log"; do
		for after in true 'cp -r planted out' 'ln -s planted out' 'touch out'; do
			mkdir -p out planted
			echo planted >planted/pipe.log
			# shellcheck disable=SC2086 # two words
			start --follow $output ./pipe
			exec 3>pipe
			stream 7 7 0 0 0 running >&3
			check until_true [ -s out/pipe.log.part ]
			mv out moved
			$after
			{ summary 7; echo EXIT_CODE; } >&3
			finish 0
			exec 3>&-
			check grep -q ": its directory was renamed; the log is now $PWD/moved/pipe.log$" err
			check grep -q "^$PWD/moved/pipe.log: 7 page faults of " msg
			check grep -q "^next: .* $PWD/moved/pipe.log --by$" msg
			check cmp want moved/pipe.log
			check [ "$(cat planted/pipe.log)" = planted ]
			rm -r moved planted out 2>/dev/null
		done
	done
}

a_part_with_a_long_name_that_was_taken_away_is_saved() {
	mkfifo pipe
	{ stream 7 7 0 0 0 running; summary 7; echo EXIT_CODE; } | reference >want
	for len in 233 234 250; do
		name=$(printf "%${len}s" '' | tr ' ' x)
		start --follow -o "$name" ./pipe
		exec 3>pipe
		stream 7 7 0 0 0 running >&3
		check until_true [ -s "$name.part" ]
		rm "$name.part"
		{ summary 7; echo EXIT_CODE; } >&3
		finish 0
		exec 3>&-
		check cmp want "$name"
		# The part of a killed run is renamed, too.
		echo left >"$name.part"
		stream 3 3 >in
		run 0 -o "$name" ./in
		check [ "$(cat ./*.part.1)" = left ]
		rm ./*.part.1
	done
	# There is no room for `.part`: refused before the run.
	name=$(printf %0251d 0)
	run 1 -o "$name" ./in
	check grep -q ': File name too long$' err
	check [ ! -e "$name" ]
}

closed_standard_streams_stay_closed_and_nothing_goes_astray() {
	stream 2 2 >in
	reference <in >want
	"$user" ./in <&- >msg 2>err
	check [ $? = 0 ]
	check cmp want out/in.log
	"$user" ./in 2>&- >msg
	check [ $? = 0 ]
	check cmp want out/in.log
	"$user" ./in >&- 2>err
	check [ $? = 1 ]
	check grep -q '^user: standard output: Bad file descriptor$' err
	check cmp want out/in.log
	"$user" -o - ./in >&- 2>err
	check [ $? = 1 ]
	check grep -q '^user: standard output: Bad file descriptor$' err
	"$user" --debug ./in <&- >&- 2>&-
	check [ $? = 1 ]
	check cmp want out/in.log
	check only out in.log
}

without_dev_null_no_message_gets_into_the_log() {
	stream 2 2 >in
	mkdir dev
	without() { unshare --mount sh -c 'mount --bind dev /dev && exec "$@"' sh "$@"; }
	without true 2>without.err || { skip='no mount namespace' && return; }
	without "$user" -o x.log ./in <&- >&- 2>&-
	check [ $? = 1 ]
	without "$user" -o x.log ./in >&- 2>err
	check [ $? = 1 ]
	check grep -q '^user: a standard stream is closed, and /dev/null: No such file or directory$' err
	without "$user" -- true <&- 2>err
	check [ $? = 125 ]
	check [ ! -e x.log ]
	check only dev
	# With all three nothing is amiss.
	without "$user" -o x.log ./in <in >msg 2>err
	check [ $? = 0 ]
	check cmp x.log <(reference <in)
}

a_full_disk_is_reported() {
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

what_a_full_disk_had_room_for_is_kept() {
	stream 100000 100000 >in
	echo old >out.log
	(ulimit -f 1000 && exec "$user" -o out.log ./in >msg 2>err)
	check [ $? = 1 ]
	check [ "$(sed -n 1p err)" = 'user: out.log: File too large' ]
	check [ "$(sed -n 2p err)" = 'user: what was read is in out.log.part' ]
	check [ "$(wc -l <err)" = 2 ]
	check [ "$(cat out.log)" = old ]
	# Whole lines, as many as fit.
	reference <in | head -n "$(wc -l <out.log.part)" >want
	check cmp want out.log.part
	check [ "$(stat -c %s out.log.part)" -gt 1023000 ]
}

a_closed_pipe_is_quiet_but_no_success() {
	stream 100000 100000 >in
	{ "$user" -o - ./in 2>err; echo $? >status; } | head -n 1 >first
	check [ "$(cat status)" = 1 ]
	check [ ! -s err ]
	check [ "$(cat first)" = "$head_line" ]
}

# A command can make the standard streams that it shares O_NONBLOCK. They are read late here.
a_stream_that_does_not_wait_gets_all_of_it() {
	cat >slow.py <<-'END'
		import fcntl, os, subprocess, sys, time
		nr, full, args = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
		to_read, to_write = os.pipe()
		os.set_blocking(to_write, False)
		if full == "full":
		    os.write(to_write, b"\n" * fcntl.fcntl(to_write, fcntl.F_GETPIPE_SZ))
		streams = {1: None, 2: None}
		streams[nr] = to_write
		child = subprocess.Popen(args, stdout=streams[1], stderr=streams[2])
		os.close(to_write)
		time.sleep(0.5)
		while text := os.read(to_read, 65536):
		    sys.stdout.buffer.write(text.lstrip(b"\n"))
		    time.sleep(0.001)
		sys.exit(child.wait())
	END
	stream 10000 10000 >in
	reference <in >want
	timeout 60 "${PYTHON:-/usr/bin/python3}" slow.py 1 empty "$user" -o - ./in >got 2>err
	check [ $? = 0 ]
	check cmp want got
	"$user" ./in >want 2>err
	timeout 60 "${PYTHON:-/usr/bin/python3}" slow.py 1 full "$user" ./in >got 2>err
	check [ $? = 0 ]
	check cmp want got
	timeout 60 "${PYTHON:-/usr/bin/python3}" slow.py 2 full "$user" ./nothing >got
	check [ $? = 1 ]
	check [ "$(cat got)" = "user: ./nothing: No such file or directory" ]
}

an_output_folder_that_cannot_be_made_or_written_is_reported() {
	stream 2 2 >in
	: >out
	run 1 ./in
	check grep -q '^user: out/in.log: Not a directory$' err
	run 1 -o nowhere/x.log ./in
	check grep -q '^user: nowhere/x.log: No such file or directory$' err
	run 1 -o . ./in
	check grep -q '^user: .: Is a directory$' err
}

two_probes_of_one_name_are_refused() {
	mkdir a b
	stream 2 2 | tee a/x >b/x
	run 1 a/x b/x
	check grep -q '^user: two modules would write out/x.log$' err
	check [ ! -e out ]
}

run_cases
