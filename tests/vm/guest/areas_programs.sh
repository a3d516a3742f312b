# SPDX-License-Identifier: GPL-2.0-or-later
# The lines about address spaces, of Python with numpy and of the compiler: every instruction is in
# an area, and the areas of Python are those of its /proc/PID/maps. The host then compares the names
# of functions with gdb's (tests/vm/functions.py).
# vm: programs
# vm: long
. /tap.sh
. /tracing.sh
. /comparing.sh

root=/disk/programs
[ -e $root/usr/bin/python3 ] || skip_all "the programs are for another architecture"
nr=10
[ "${QUICK:-0}" = 1 ] && nr=5
plan $nr

for folder in proc sys dev; do
	mkdir -p $root/$folder
	mount --rbind /$folder $root/$folder
done
mkdir -p $root/tmp $root/work
for name in 1 2 3; do
	echo "int f$name(int *p, int n) { return n ? p[n] + f$name(p, n - 1) : 0; }" \
		>$root/work/$name.c
done
# With the argument "stop" it stops when half of the libraries are loaded.
cat >$root/work/import.py <<'END'
import os, sys, time
import numpy

if "stop" in sys.argv:
    os.kill(os.getpid(), 19)
numpy.linalg.inv(numpy.ones((300, 300)) + numpy.eye(300))
import ctypes, json, sqlite3

lines = open("/proc/self/maps").readlines()
now = time.monotonic_ns()
with open("/work/said", "w") as said:
    for line in lines:
        if "all" in sys.argv or line.split()[1][2] == "x":
            said.write(f"AREA {os.getpid()} {now} {line}")
END
said=$root/work/said
mkdir -p /out/functions

# program DESC PARAMETERS COMMAND: two checks.
program() {
	rm -f $said
	result=$(/workload track B "$2" command chroot $root /bin/sh -c \
		"export PATH=/usr/bin:/bin; cd /work; exec $3" 2>/tmp/errors)
	like "$1: exact" "$result" \
		"^difference=0 .*status=0 .*dropped=0 .*missed=0 .*unseen=0 .*surplus=0"
	diag "$result"
	[ ! -s /tmp/errors ] || diag "$(tail -n 3 /tmp/errors)"
	touch $said
	agrees "$1" /tmp/track.log
}

program python3 "" "python3 import.py"
cp /tmp/track.log /out/functions/python3.log
program gcc "children=1 outcome=1" "gcc -nostdinc -O2 -c 1.c 2.c 3.c"
cp /tmp/track.log /out/functions/gcc.log
ok "gcc: there are several programs" test "$(grep -c '^# space ' /tmp/track.log)" -gt 4
if [ $nr = 10 ]; then
	program "python3, maps=all" "maps=all outcome=1 children=1" "python3 import.py all"

	rm -rf $said out err
	chroot $root /usr/bin/python3 /work/import.py stop &
	pid=$!
	wait_for stopped $pid
	$by_sudo /user -B --pid $pid 2>err &
	user=$!
	wait_for grep -q 'log grows' err
	kill -CONT $pid
	wait $pid
	is "--pid, python3: it ends well" $? 0
	wait $user
	like "--pid, python3: exact" "$? $(tail -n 1 out/pf_probe_B.log)" "$whole_log"
	agrees "--pid, python3" out/pf_probe_B.log
	cp out/pf_probe_B.log /out/functions/python3-pid.log
fi
rm -rf $root/work
