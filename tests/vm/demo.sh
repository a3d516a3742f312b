# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The demonstration, as seen from inside the guest; demo.py starts it.  /demo.conf
# gives $FOLDER, the project's on the host, and $COMPILE, the compiler's command.

. /tap.sh
. /demo.conf

# type COMMAND...: show a command as if it were typed, and run it.
type() {
	echo
	echo "# $*"
	"$@"
}

echo
echo "# $COMPILE &"
chroot /host /bin/sh -c "cd '$FOLDER' && kill -STOP \$\$ && exec $COMPILE" &
pid=$!
wait_for stopped $pid || exit 1
echo "[1] $pid, stopped before it starts"

type insmod pf_probe_B.ko process_id=$pid outcome=1 || exit 1
type kill -CONT $pid
wait $pid || exit 1
type ./user || exit 1
type rmmod pf_probe_B || exit 1
echo
echo "# dmesg"
dmesg_since | grep -v 'taint'
