# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The demo, inside the guest; demo.py starts it.  /demo.conf sets $FOLDER, the
# project's folder on the host, $COMPILE, the command to trace, and $WARM, if the command is to run
# once before.

. /tap.sh
. /demo.conf

folder=/host$FOLDER
mkdir -p "$folder/out"
cp user pf_probe_B.ko "$folder/" || exit 1
# The folder belongs to a user of the host, from whom `user` would not load a module.
chown 0:0 "$folder" && chmod go-w "$folder" || exit 1
if [ -n "$WARM" ]; then
	echo "# $COMPILE"
	chroot /host /bin/sh -c "cd '$FOLDER' && $COMPILE" 2>&1 || exit 1
fi
echo
echo "# sudo ./user -o out/pf_probe_B.log -- $COMPILE"
chroot /host /bin/sh -c "cd '$FOLDER' && SUDO_UID=0 SUDO_GID=0 \
	./user -o out/pf_probe_B.log -- $COMPILE" 2>&1 || exit 1
cp "$folder/out/pf_probe_B.log" /out/
