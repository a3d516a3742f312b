#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `user` as root, with other users: 65534 has run sudo, 65533 is another one. SECURITY.md has the
# rules, and names these cases.

. "$(dirname "$0")/user.sh"
python=${PYTHON:-/usr/bin/python3}

# Begins a case: the folder belongs to the user, and other users can read it.
shared() {
	if [ "$(id -u)" != 0 ]; then
		skip='not root'
		return 1
	fi
	stream 2 2 >in
	chmod 755 "$top" .
	chown 65534:65534 .
}

by() { # UID COMMAND...
	local uid=$1
	shift
	setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
}

# sudoed STATUS ARG...: as run, by the user 65534.
sudoed() {
	SUDO_UID=65534 SUDO_GID=65534 run "$@"
}

# racing UID FROM TO: exchanges the two names again and again, in the background, as $racer; the
# PID of the program that does it is in the file racer.
racing() {
	by "$1" "$python" -c '
import ctypes, os, sys
exchange = ctypes.CDLL(None).renameat2
names = [os.fsencode(name) for name in sys.argv[1:]]
parent = os.getppid()
print(os.getpid(), flush=True)
while os.getppid() == parent:
    exchange(-100, names[0], -100, names[1], 2)' "$2" "$3" >racer &
	racer=$!
}

# repeat N COMMAND...: repeats it for N seconds, as long as the case is ok.
repeat() {
	local end=$((SECONDS + $1))
	shift
	while [ "$SECONDS" -lt "$end" ] && [ $case_ok = 1 ]; do
		"$@"
	done
	kill $racer
	wait $racer 2>/dev/null
}

unloaded() {
	! compgen -G '/proc/pf_probe_*' >compgen.out || { skip='a probe is loaded' && return 1; }
}

a_module_that_others_can_change_is_not_loaded() {
	shared && unloaded || return
	# how to change it : what the message names
	while IFS=: read -r how what; do
		mkdir beside
		cp "$user" beside/user
		echo bogus >beside/pf_probe_B.ko
		(cd beside && eval "$how")
		timeout 60 env SUDO_UID=65534 SUDO_GID=65534 beside/user -- true >msg 2>err
		check [ $? = 125 ]
		if [ -n "$what" ]; then
			check grep -q "^user: .*/beside/pf_probe_B.ko: not loaded: users other than root and you \
can change $what; " err
		else
			# The kernel was asked to load it, and refused.
			check grep -q '^user: .*/beside/pf_probe_B.ko: [A-Z]' err
		fi
		rm -r beside
	done <<-'END'
		true:
		chown 65534 . user pf_probe_B.ko:
		chmod 664 pf_probe_B.ko:
		chown 65533 pf_probe_B.ko:it
		chmod 646 pf_probe_B.ko:it
		chgrp 65533 pf_probe_B.ko; chmod 664 pf_probe_B.ko:it
		chown 65533 .:its directory
		chmod 1777 .:its directory
		chgrp 65533 .; chmod 775 .:its directory
		chown 65533 user:this program
		chmod 757 user:this program
	END
	# daemon has a group of its own name everywhere. It may write, but no ACL may be there.
	if [ "$(id -un 1):$(getent group daemon)" = daemon:daemon:x:1: ]; then
		mkdir beside
		cp "$user" beside/user
		echo bogus >beside/pf_probe_B.ko
		chgrp 1 beside beside/*
		chmod g+w beside beside/*
		SUDO_UID=1 SUDO_GID=1 timeout 60 beside/user -- true >msg 2>err
		check grep -q '^user: .*/beside/pf_probe_B.ko: [A-Z]' err
		# Another user may write; the mode shows that as the group's right.
		if "$python" -c 'import os, struct, sys
acl = [(1, 6, -1), (2, 6, 65533), (4, 4, -1), (16, 6, -1), (32, 4, -1)]
os.setxattr(sys.argv[1], "system.posix_acl_access", struct.pack("<I", 2) + b"".join(
    struct.pack("<HHi", *entry) for entry in acl))' beside/pf_probe_B.ko 2>acl.err; then
			SUDO_UID=1 SUDO_GID=1 timeout 60 beside/user -- true >msg 2>err
			check grep -q ': not loaded: users other than root and you can change it; ' err
		fi
		rm -r beside
	fi
	# Root without sudo trusts no user.
	mkdir beside
	cp "$user" beside/user
	echo bogus >beside/pf_probe_B.ko
	chown 65534 beside/pf_probe_B.ko
	timeout 60 beside/user --pid $$ >msg 2>err
	check grep -q ': not loaded: users other than root and you can change it; ' err
	ln -sf "$PWD/in" beside/pf_probe_B.ko
	chown -h 65533 beside/pf_probe_B.ko
	timeout 60 beside/user --pid $$ >msg 2>err
	check grep -q '/beside/pf_probe_B.ko: is a symbolic link: ' err
}

# among PASSWD GROUP COMMAND...: runs it with these files as /etc/passwd and /etc/group.
among() {
	local passwd=$1 group=$2
	shift 2
	unshare --mount sh -c '
		mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/group && shift 2 && exec "$@"
	' sh "$PWD/$passwd" "$PWD/$group" "$@"
}

a_group_that_is_the_primary_one_of_another_user_is_not_private() {
	shared && unloaded || return
	printf 'root:x:0:0::/:/bin/sh\nme:x:65534:4242::/:/bin/sh\n' >alone
	{ cat alone; echo 'other:x:65533:4242::/:/bin/sh'; } >primary
	{ cat alone; echo 'other:x:65533:65533::/:/bin/sh'; } >listed
	{ cat alone; echo 'toor:x:0:4242::/:/bin/sh'; echo 'alias:x:65534:4242::/:/bin/sh'; } >same
	printf 'root:x:0:\nme:x:4242:\nalso:x:4242:\n' >groups
	printf 'root:x:0:\nme:x:4242:\nalso:x:4242:other\n' >groups.listed
	among alone groups true 2>among.err || { skip='no mount namespace' && return; }
	mkdir beside
	cp "$user" beside/user
	echo bogus >beside/pf_probe_B.ko
	chgrp 4242 beside/pf_probe_B.ko
	chmod g+w beside/pf_probe_B.ko
	export SUDO_UID=65534 SUDO_GID=4242
	among primary groups timeout 60 beside/user -- true >msg 2>err
	check grep -q ': not loaded: users other than root and you can change it; ' err
	among listed groups.listed timeout 60 beside/user -- true >msg 2>err
	check grep -q ': not loaded: users other than root and you can change it; ' err
	for i in alone same; do
		among $i groups timeout 60 beside/user -- true >msg 2>err
		check grep -q '^user: .*/beside/pf_probe_B.ko: [A-Z]' err
	done
	unset SUDO_UID SUDO_GID
}

a_pipe_of_another_user_gets_no_log() {
	shared || return
	mkdir out
	chmod 777 out
	by 65533 mkfifo -m 666 out/in.log
	cat out/in.log >got &
	reader=$!
	sudoed 1 ./in
	check grep -q '^user: out/in.log: belongs to another user, who would get the log$' err
	sudoed 1 -o out/in.log ./in
	check grep -q '^user: out/in.log: belongs to another user, who would get the log$' err
	run 1 -o out/in.log ./in
	check grep -q '^user: out/in.log: belongs to another user, who would get the log$' err
	kill $reader
	wait $reader 2>/dev/null
	check [ ! -s got ]
	# The user's own pipe gets the log.
	chown 65534 out/in.log
	cat out/in.log >got &
	sudoed 0 -o out/in.log ./in
	wait $!
	reference <in >want
	check cmp want got
}

out_is_followed_only_to_a_folder_of_the_users_own() {
	shared || return
	mkdir roots theirs mine
	chown 65533 theirs
	chown 65534 mine
	for i in roots theirs; do
		by 65534 ln -s $i out
		sudoed 1 ./in
		check grep -q "^user: out/in.log: its path contains a symbolic link to a directory that is not \
the user's own$" err
		sudoed 1 -o out/x.log ./in
		check only $i
		rm out
	done
	by 65534 ln -s mine out
	sudoed 0 ./in
	check only mine in.log
	# Links to links, and a loop of links.
	rm out
	by 65534 ln -s "$PWD/mine/../once" out
	by 65534 ln -s mine/.. once
	by 65534 ln -s roots mine/pf
	sudoed 0 -o out/x.log ./in
	check [ -s x.log ]
	sudoed 1 -o out/once/mine/pf/x.log ./in
	check only roots
	by 65534 ln -sfn out out
	sudoed 1 ./in
	check grep -q '^user: out/in.log: Too many levels of symbolic links$' err
	# A link of root's is followed to any folder.
	rm out
	ln -s roots out
	sudoed 0 ./in
	check only roots in.log
}

out_cannot_be_exchanged_for_a_link() {
	shared || return
	mkdir roots
	by 65534 mkdir out
	by 65534 ln -s roots link
	racing 65534 out link
	once() {
		timeout 60 env SUDO_UID=65534 SUDO_GID=65534 "$user" ./in >msg 2>err
		check only roots
	}
	repeat 3 once
}

a_folder_of_roots_is_not_given_away_as_out() {
	shared || return
	racing 65534 now/roots now/out
	looked_at() {
		find "$folder" -inum "$inode" -printf '%U\n' >owner && [ -s owner ]
	}
	once() {
		folder=$(mktemp -d here.XXX)
		mkdir -m 700 "$folder/roots"
		inode=$(stat -c %i "$folder/roots")
		chown 65534 "$folder"
		ln -sfn "$folder" now
		(cd "$folder" && timeout 60 env SUDO_UID=65534 SUDO_GID=65534 "$user" ../in) >msg 2>err
		check until_true looked_at
		check [ "$(sort -u owner)" = 0 ]
	}
	repeat 3 once
}

out_is_the_users_where_that_is_safe() {
	shared || return
	# owner and mode of the folder, owner and mode of out
	while read -r owner mode want; do
		mkdir -m "$mode" here
		chown "$owner" here
		(cd here && SUDO_UID=65534 SUDO_GID=65534 timeout 60 "$user" ../in) >msg 2>err
		check [ "$(stat -c %u:%a here/out)" = "$want" ]
		check [ "$(stat -c %u:%a here/out/in.log)" = 65534:600 ]
		rm -r here
	done <<-END
		65534:65534 755 65534:755
		0:0 755 65534:755
		0:0 1777 65534:755
		65534:65534 555 0:755
		65533:65533 755 0:755
	END
}

# With the user's groups, not without them or with those of root.
out_is_made_with_the_users_groups() {
	shared || return
	mkdir -m 775 here
	chown 65533:4242 here
	(cd here && SUDO_UID=65534 SUDO_GID=65534 \
		setpriv --groups 0,4242 timeout 60 "$user" ../in) >msg 2>err
	check [ "$(stat -c %u:%a here/out)" = 0:755 ]
	rm -r here/out
	printf 'root:x:0:0::/:/bin/sh\nme:x:65534:65534::/:/bin/sh\n' >users
	printf 'root:x:0:\nme:x:65534:\nshared:x:4242:me\n' >groups
	among users groups true 2>among.err || { skip='no mount namespace' && return; }
	SUDO_UID=65534 SUDO_GID=65534 among users groups \
		sh -c 'cd here && exec timeout 60 "$1" ../in' sh "$user" >msg 2>err
	check [ "$(stat -c %u:%a here/out)" = 65534:755 ]
}

a_growing_log_is_out_of_its_users_reach() {
	shared || return
	mkfifo pipe
	SUDO_UID=65534 SUDO_GID=65534 start --follow ./pipe
	exec 3>pipe
	stream 5 5 0 0 0 running >&3
	check until_true [ -s out/pipe.log.part ]
	check [ "$(stat -c %u:%a out out/pipe.log.part | xargs)" = '65534:755 0:600' ]
	check until_true grep -q '^   4:: ' out/pipe.log.part
	for uid in 65533 65534; do
		by $uid cat out/pipe.log.part >got 2>cat.err
		by $uid sh -c 'echo forged >>out/pipe.log.part' 2>sh.err
		check [ ! -s got ]
	done
	# The user can rename it, and put another file there.
	by 65534 mv out/pipe.log.part out/mine
	by 65534 sh -c 'echo forged >out/pipe.log.part'
	{ summary 5; echo EXIT_CODE; } >&3
	finish 0
	exec 3>&-
	check grep -q 'was removed or renamed; its contents are saved$' err
	check [ "$(grep -c PID out/pipe.log)$(grep -c forged out/pipe.log)" = 50 ]
	check [ "$(stat -c %u:%g:%a out/pipe.log)" = 65534:65534:600 ]
	check [ "$(stat -c %u:%a out/mine)" = 0:600 ]
}

what_was_read_before_an_error_is_the_users() {
	shared || return
	stream 5 5 | head -n -1 >cut
	sudoed 1 ./cut
	check grep -q '^user: what was read is in out/cut.log.part$' err
	check [ "$(stat -c %u:%g:%a out/cut.log.part)" = 65534:65534:600 ]
}

a_file_of_roots_is_not_given_away_as_a_part() {
	shared || return
	echo secret >secret
	chmod 600 secret
	mkdir out
	chown 65534 out
	by 65534 mv secret out/in.log.part
	sudoed 0 ./in
	check [ "$(stat -c %u:%a out/in.log.part.1)" = 0:600 ]
}

without_sudo_a_command_runs_as_root_only_by_name() {
	shared || return
	run 125 -- touch ran
	check grep -q '^user: you are root without sudo .*; --root runs it as root$' err
	check [ ! -e ran ]
	# With --root another error comes later.
	run 125 --root pf_probe_nothing=1 -- touch ran
	check [ "$(grep -c 'which user' err)" = 0 ]
	check [ ! -e ran ]
}

malformed_numbers_of_sudo_are_refused() {
	shared || return
	want='^user: SUDO_UID and SUDO_GID must be the numbers of a user and a group, as sudo sets them$'
	for i in x '' -1 4294967295 99999999999999999999 1x; do
		SUDO_UID=$i SUDO_GID=65533 run 1 -o new.log ./in
		check grep -q "$want" err
		SUDO_UID=65534 SUDO_GID=$i run 125 -- true
		check grep -q "$want" err
		SUDO_UID=$i SUDO_GID=65533 run 125 --root -- true
		check grep -q "$want" err
	done
	SUDO_UID=65534 run 1 -o new.log ./in
	check grep -q "$want" err
	SUDO_GID=65534 run 1 -o new.log ./in
	check grep -q "$want" err
	check [ ! -e new.log ]
}

root_leaves_logs_of_users_alone() {
	shared || return
	echo theirs >x.log
	chown 65533 x.log
	run 1 -o x.log ./in
	check grep -q '^user: x.log: belongs to another user: name another file$' err
	sudoed 1 -o x.log ./in
	check [ "$(cat x.log)" = theirs ]
	chown 65534 x.log
	run 1 -o x.log ./in
	check [ "$(cat x.log)" = theirs ]
	sudoed 0 -o x.log ./in
	check [ "$(stat -c %u:%a x.log)" = 65534:644 ]
}

a_log_that_another_user_has_made_meanwhile_is_left_alone() {
	shared || return
	chmod 1777 .
	mkfifo pipe
	SUDO_UID=65534 SUDO_GID=65534 start -o x.log ./pipe
	exec 3>pipe
	{ echo "$head_line"; faults 1 5; } >&3
	check until_true [ -e x.log.part ]
	by 65533 sh -c 'echo theirs >x.log'
	{ summary 5; echo EXIT_CODE; } >&3
	finish 1
	exec 3>&-
	check grep -q '^user: x.log: now belongs to another user$' err
	check grep -q '^user: what was read is in x.log.part$' err
	check [ "$(cat x.log)" = theirs ]
	check [ "$(grep -c PID x.log.part)" = 5 ]
}

a_link_to_a_log_is_never_one_to_another_file() {
	shared || return
	mv in pf_probe_B
	by 65534 mkdir out
	# A file of root's, which the user has moved there.
	echo secret >out/secret
	inode=$(stat -c %i out/secret)
	racing 65534 out/secret out/my_prog-4494.pf_probe_B.log
	once() {
		timeout 60 env SUDO_UID=65534 SUDO_GID=65534 "$user" ./pf_probe_B >msg 2>err
		# Names that change while find reads them are seen twice, or the wrong one is removed.
		check until_true test -s racer
		kill -STOP "$(cat racer)"
		check until_true grep -q '^State:.T' "/proc/$(cat racer)/status"
		check [ "$(find out -inum "$inode" -printf '%U:%n:%s ')" = '0:1:7 ' ]
		find out -type f ! -inum "$inode" -delete
		kill -CONT "$(cat racer)"
	}
	repeat 3 once
}

a_log_of_another_user_is_neither_replaced_nor_removed() {
	shared || return
	mv in pf_probe_B
	mkdir out
	chmod 1777 out
	# A file that another user has given a log's name, and one with the name of the link.
	by 65533 sh -c 'echo theirs | tee out/my_prog-4494.pf_probe_B.log >out/a-1.pf_probe_B.log'
	sudoed 0 ./pf_probe_B
	check [ "$(stat -c %u:%a out/my_prog-4494-2.pf_probe_B.log)" = 65534:600 ]
	check [ out/pf_probe_B.log -ef out/my_prog-4494-2.pf_probe_B.log ]
	check grep -q '^out/ holds 1 log, ' msg
	check [ "$(cat out/my_prog-4494.pf_probe_B.log out/a-1.pf_probe_B.log)" = $'theirs\ntheirs' ]
	chmod 755 out
	chown 65534 out
	sudoed 0 --keep 1 ./pf_probe_B
	check only out a-1.pf_probe_B.log my_prog-4494-3.pf_probe_B.log my_prog-4494.pf_probe_B.log \
		pf_probe_B.log
	check [ "$(cat out/my_prog-4494.pf_probe_B.log out/a-1.pf_probe_B.log)" = $'theirs\ntheirs' ]
	chmod 1777 out
	rm out/pf_probe_B.log
	by 65533 sh -c 'echo theirs >out/pf_probe_B.log'
	sudoed 1 ./pf_probe_B
	check grep -q '^user: out/pf_probe_B.log: belongs to another user: name another file$' err
	check [ "$(cat out/pf_probe_B.log)" = theirs ]
}

# rules OWN_UID OTHER_UID COMMAND...: checks the rules for a COMMAND that runs as OWN_UID.
rules() {
	local own=$1 other=$2
	shift 2
	# The log while it grows and when it is complete; out/.
	mkfifo -m 666 pipe
	"$@" --follow ./pipe >msg 2>err &
	pid=$!
	exec 3>pipe
	stream 5 5 0 0 0 running >&3
	check until_true [ -s out/pipe.log.part ]
	check [ "$(stat -c %u:%a out out/pipe.log.part | xargs)" = "$own:755 $own:600" ]
	{ summary 5; echo EXIT_CODE; } >&3
	finish 0
	exec 3>&-
	check [ "$(stat -c %u:%a out/pipe.log)" = "$own:600" ]
	chmod 640 out/pipe.log
	by "$own" cp in out/pipe
	"$@" out/pipe >msg 2>err
	check [ "$(stat -c %u:%a out/pipe.log)" = "$own:640" ]
	# Another user's pipe, log, part and link, and a log that appears during the run.
	chmod 1777 .
	by "$other" mkfifo -m 666 fifo
	by "$other" sh -c 'umask 0; echo theirs | tee x.log >y.log.part; ln -s out link'
	for i in fifo:'belongs to another user, who would get the log' \
			x.log:'belongs to another user: name another file' \
			y.log:'y.log.part: exists and belongs to another user' \
			link/z.log:'its path contains a symbolic link of another user'; do
		timeout 60 "$@" -o "${i%%:*}" ./in >msg 2>err
		check [ $? = 1 ]
		check grep -q ": ${i#*:}$" err
	done
	check [ "$(cat x.log y.log.part)" = $'theirs\ntheirs' ]
	check only out pipe pipe.log
	"$@" -o w.log ./pipe >msg 2>err &
	pid=$!
	exec 3>pipe
	{ echo "$head_line"; faults 1 5; } >&3
	check until_true [ -e w.log.part ]
	by "$other" sh -c 'echo theirs >w.log'
	{ summary 5; echo EXIT_CODE; } >&3
	finish 1
	exec 3>&-
	check [ "$(cat w.log)" = theirs ]
	# Own links, and an own part that was left.
	by "$own" ln -s out mine
	echo left >mine/v.log.part
	chown "$own" out/v.log.part
	"$@" -o mine/v.log ./in >msg 2>err
	check [ $? = 0 ]
	check [ "$(cat out/v.log.part.1)" = left ]
	check [ -s out/v.log ]
}

root_without_sudo_trusts_no_user() {
	shared || return
	chown 0:0 .
	rules 0 65534 "$user"
}

a_user_without_rights_trusts_root_alone() {
	shared || return
	cp "$user" "$top/program"
	SUDO_UID=x SUDO_GID=0 rules 65534 65533 setpriv --reuid 65534 --regid 65534 \
		--clear-groups "$top/program"
	rm "$top/program"
}

a_mode_that_others_may_have_chosen_is_not_kept() {
	shared || return
	mkdir out
	chown 65533 out
	for mode in 755 777 1777; do
		echo old >out/in.log
		chmod 644 out/in.log
		chown 65534 out/in.log
		chmod $mode out
		sudoed 0 ./in
		check [ "$(stat -c %u:%g:%a out/in.log)" = 65534:65534:600 ]
		chown 65534 out
	done
}

a_link_to_a_device_is_no_log() {
	shared || return
	mknod -m 666 device c 1 3
	by 65534 ln -s device link
	sudoed 1 -o link ./in
	check grep -q '^user: link: is a symbolic link: name its target, or -$' err
	by 65534 mkdir out
	by 65534 ln -s /dev/null out/in.log
	sudoed 1 ./in
	check grep -q '^user: out/in.log: is a symbolic link: name its target, or -$' err
	# Neither is a link of root's in a folder of the user, who may have moved it there.
	ln -s /dev/null moved
	sudoed 1 -o moved ./in
	check grep -q '^user: moved: is a symbolic link: name its target, or -$' err
	SUDO_UID=65534 SUDO_GID=65534 "$user" -o /dev/stdout ./in 2>err | grep '^ *[0-9]*::' >got
	check [ "$(wc -l <got)" = 2 ]
	sudoed 0 -o /dev/null ./in
}

a_stream_behind_a_link_of_another_user_is_not_read() {
	shared || return
	echo secret >secret
	for uid in 65533 65534; do
		by $uid true
		ln -sf secret link
		chown -h $uid link
		sudoed 1 ./link
		check grep -q '^user: ./link: is a symbolic link: name its target$' err
		check [ ! -e out ]
	done
}

run_cases
