# SPDX-License-Identifier: GPL-2.0-or-later
# FUSE file systems of the traced process: names of any length, and a close that takes any time.
. /tap.sh
plan 20

mkdir -p /tmp/fuse
serve() {
	/fuse serve /tmp/fuse &
	server=$!
	wait_for grep -q ' /tmp/fuse fuse ' /proc/mounts
}

stop_serving() {
	kill -USR1 $server
	wait_for umount /tmp/fuse
	wait $server
}

# longest FILE: length of its longest line, in bytes.
longest() {
	awk '{ if (length($0) > max) max = length($0) } END { print max + 0 }' "$1"
}

serve
for probe in A B C; do
	dmesg_mark
	start_stopped /fuse long-names /tmp/fuse
	insmod /pf_probe_$probe.ko process_id=$pid
	kill -CONT $pid
	wait $pid
	is "$probe: names of 1,020 bytes each: the program succeeds" $? 0
	cat /proc/pf_probe_$probe >/tmp/log
	is "$probe: one line has the end of the path" \
		"$(grep -c '^PID.* map=\.\.\.\(\\001\)*/\(\\001\)\{1020\} offset=0x0$' /tmp/log)" 1
	is "$probe: it has 4,096 bytes" \
		"$(sed -n 's/.* map=\(\.\.\.[^ ]*\) offset=0x0$/\1/p' /tmp/log | tr -d '\n' | wc -c)" 4096
	ok "$probe: no line is longer than the name plus 320 bytes" \
		test "$(longest /tmp/log)" -le 4416
	rmmod pf_probe_$probe
	dmesg_since >/tmp/dmesg
	ok "$probe: no line in dmesg is longer than printk() allows" \
		test "$(longest /tmp/dmesg)" -lt 1000
done
stop_serving

# Closing the file waits for its file system. The module must not be the one to close it.
serve
start_stopped /fuse last-close /tmp/fuse
insmod /pf_probe_B.ko process_id=$pid
kill -CONT $pid
# At its end it has to write back what it changed: the last thread that releases the memory waits.
waits() {
	test -e /tmp/fuse-holds && sed -n 's/^State:.//p' /proc/$pid/task/*/status | grep -q -v '^Z'
}
gone() { ! kill -0 "$1" 2>/dev/null; }
ok "a program that ends waits for its file system" wait_for waits
cat /proc/pf_probe_B >/tmp/log &
reader=$!
ok "/proc can be read meanwhile" wait_for gone $reader
is "all files with their names" "$(grep -c ' map=/tmp/fuse/hold-[0-7] offset=0x0$' /tmp/log)" 16
rmmod pf_probe_B &
remover=$!
ok "rmmod returns meanwhile" wait_for gone $remover
ok "the program still waits" waits
stop_serving
wait $pid
