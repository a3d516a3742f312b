# SPDX-License-Identifier: GPL-2.0-or-later
# File systems that the traced process makes itself: names as long as it likes, closing that takes
# as long as it likes.
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

# longest FILE: of its lines, in bytes.
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
	is "$probe: names of 1,020 bytes each, the program ends well" $? 0
	cat /proc/pf_probe_$probe >/tmp/log
	is "$probe: one line has the end of the path" \
		"$(grep -c '^PID.* map=\.\.\.\(\\001\)*/\(\\001\)\{1020\} offset=0x0$' /tmp/log)" 1
	is "$probe: of 4,096 bytes" \
		"$(sed -n 's/.* map=\(\.\.\.[^ ]*\) offset=0x0$/\1/p' /tmp/log | tr -d '\n' | wc -c)" 4096
	ok "$probe: no line is longer than the name and 320" test "$(longest /tmp/log)" -le 4416
	rmmod pf_probe_$probe
	dmesg_since >/tmp/dmesg
	ok "$probe: nor one in dmesg than printk takes" test "$(longest /tmp/dmesg)" -lt 1000
done
stop_serving

# Who closes such a file waits for its file system; that must not be us.
serve
start_stopped /fuse last-close /tmp/fuse
insmod /pf_probe_B.ko process_id=$pid
kill -CONT $pid
# What it changed it has to tell at its end: that thread which is the last to let its memory go.
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
ok "and rmmod ends" wait_for gone $remover
ok "while the program still waits" waits
stop_serving
wait $pid
