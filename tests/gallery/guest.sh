# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Functions for runs in the guest; the caller appends a line for each run.  The host's files are at
# /host, where only the guest sees changes; the runs use the folder /gallery in there.

. /tap.sh

place=/host/gallery
mkdir -p "$place" /host/disk
cp user pf_probe_B.ko patterns patterns.c clients.sh "$place/" || exit 1
# The folder may belong to the host's user, from whom this guest's root loads no module.
chown 0:0 "$place" && chmod go-w "$place" || exit 1
mount --bind /disk /host/disk || exit 1
hostname gallery

there() { # SHELL-COMMAND
	chroot /host /bin/sh -c "cd /gallery && $1" </dev/null 2>&1
}

# run NAME PREPARATION warm|cold|ready PARAMETERS COMMAND: the page cache is empty (cold), contains
# the files of a previous run (warm), or is as the preparation has left it (ready).
run() {
	echo "VM: run $1"
	[ -z "$2" ] || there "$2" || exit 1
	case $3 in
	cold)
		sync
		echo 3 >/proc/sys/vm/drop_caches
		;;
	warm) there "$5" >/dev/null || exit 1 ;;
	esac
	there "SUDO_UID=0 SUDO_GID=0 ./user -B -o $1.log outcome=1 $4 -- $5" >"/tmp/$1.txt" || {
		cat "/tmp/$1.txt"
		exit 1
	}
	grep "page faults of" "/tmp/$1.txt"
	cp "$place/$1.log" /out/ || exit 1
}

