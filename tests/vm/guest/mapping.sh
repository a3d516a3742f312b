# SPDX-License-Identifier: GPL-2.0-or-later
# map= and offset=: the file of a fault, for any name and any number of files.
. /tap.sh
plan 49

# touches TEXT: number of fault lines that contain TEXT.
touches() {
	grep -c -F -e "$1" /tmp/track.log
}

# sum_of KEY: its value in the summary of the last run.
sum_of() {
	echo "$result" | sed -n "s/.* $1=\\([0-9]*\\).*/\\1/p"
}

x200=$(printf '%200s' '' | tr ' ' x)
result=$(/workload track B "" names)
like "all kinds of names: exact" "$result" "^difference=0 .*status=0"
is "two mappings of a file share its name" "$(touches 'map=/tmp/mapped\040twice offset=0x')" 4
is "with the right offsets" \
	"$(sed -n 's/.*map=\/tmp\/mapped\\040twice offset=//p' /tmp/track.log | tr '\n' ' ')" \
	"0x0 0x1000 0x5000 0x6000 "
is "a name with a newline and a backslash" "$(touches 'map=/tmp/new\012line\134 offset=0x0')" 1
is "a deleted file" "$(touches 'map=/tmp/deleted\040(deleted) offset=0x0')" 1
is "of a path longer than PATH_MAX, the end" \
	"$(grep -c "map=\.\.\..*/$x200/the-end/file offset=0x0$" /tmp/track.log)" 1
is "also if it is too long only when escaped" \
	"$(grep -c 'map=\.\.\..*/\(\\040\)\{200\}/the-end/file offset=0x0$' /tmp/track.log)" 1
is "both have 4,096 bytes, or less to not split an escape" \
	"$(sed -n 's/.* map=\(\.\.\.[^ ]*\) .*/\1/p' /tmp/track.log |
		awk '{ print (length($0) > 4092 && length($0) <= 4096) }' | tr -d '\n')" 11
is "memfd" "$(touches 'map=/memfd:my\040memfd\040(deleted) offset=0x0')" 1
is "shared memory" "$(touches 'map=/dev/shm/my-shm offset=0x0')" 1
is "kind=shared" "$(touches 'region=file kind=shared map=/tmp/deleted')" 1
is "kind=cow" "$(touches 'region=file kind=cow map=/tmp/private offset=0x0')" 1
is "kind=hugetlb" "$(touches 'region=file kind=shared,hugetlb map=/memfd:huge')" 1
is "each line has a name" "$(grep '^PID' /tmp/track.log | grep -v -c ' map=[^ ]')" 0
is "no name is unknown" "$(touches 'map=?')" 0

/workload track B "" mix >/tmp/result
like "[heap]" "$(cat /tmp/track.log)" "region=heap map=\[heap\]$"
like "[stack]" "$(cat /tmp/track.log)" "region=stack map=\[stack\]$"
like "the program" "$(cat /tmp/track.log)" \
	"access=exec .*region=code map=/workload offset=0x[0-9a-f]*000$"
like "anon" "$(cat /tmp/track.log)" "region=anon map=anon$"

# The module keeps no file open: its file system can be unmounted while the module is loaded.
mkdir -p /tmp/mnt && mount -t tmpfs x /tmp/mnt && cp /workload /tmp/mnt/
start_stopped /tmp/mnt/workload run touch 10
insmod /pf_probe_B.ko process_id=$pid
kill -CONT $pid
wait $pid
ok "the file system can be unmounted" wait_for umount /tmp/mnt
like "the file's name is kept" "$(cat /proc/pf_probe_B)" " map=/tmp/mnt/workload offset=0x"
rmmod pf_probe_B

# A program that is run right after it was written, though the kernel keeps it open for a moment.
while :; do :; done &
others=$!
while :; do :; done &
others="$others $!"
nr_written=$(runs 300)
start_stopped /workload run written "$nr_written" >/tmp/written
insmod /pf_probe_B.ko process_id=$pid children=1
kill -CONT $pid
wait $pid
kill -KILL $others
wait $others 2>/dev/null
diag "$(cat /tmp/written)"
ok "programs written through a mapping can be run at once" \
	test "$(sed 's/busy=\([0-9]*\) of .*/\1/' /tmp/written)" -le $((nr_written / 10))
is "each has a fault with its name" \
	"$(grep -c 'map=/tmp/written-.* offset=0x0$' /proc/pf_probe_B)" "$nr_written"
rmmod pf_probe_B

# overlayfs maps another struct file than the one that was opened.
mkdir -p /tmp/layers && mount -t tmpfs x /tmp/layers && cd /tmp/layers &&
	mkdir lower upper work top && cp /workload lower/ &&
	mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work x top
cd /
start_stopped /tmp/layers/top/workload run touch 10
insmod /pf_probe_B.ko process_id=$pid
kill -CONT $pid
wait $pid
faults=$(grep -F ' map=/tmp/layers/top/workload' /proc/pf_probe_B)
like "on overlayfs: the program's code has its path" "$faults" " region=code "
like "on overlayfs: the program's data has its path" "$faults" " region=data "
unlike "on overlayfs: nothing is attributed to another file" "$faults" " region=file "
rmmod pf_probe_B
umount /tmp/layers/top && umount /tmp/layers

# A mount in the traced process's mount namespace only.
cat >/tmp/apart.sh <<'END'
mkdir -p /tmp/apart && mount -t tmpfs x /tmp/apart && cp /workload /tmp/apart/
exec /tmp/apart/workload run touch 10
END
unshare --mount sh -c 'kill -STOP $$; exec sh /tmp/apart.sh' &
pid=$!
wait_for stopped $pid
insmod /pf_probe_B.ko process_id=$pid
kill -CONT $pid
wait $pid
like "a file that only the traced process can see" \
	"$(cat /proc/pf_probe_B)" " map=/tmp/apart/workload offset=0x"
rmmod pf_probe_B

# Of a very deep path, only the end is read.
result=$(/workload track B "" deep 300)
like "300 directories deep: exact" "$result" "^difference=0 .*status=0"
is "300 directories deep: the last 128 names" \
	"$(grep -c ' map=\.\.\.\(/n\)\{127\}/file offset=0x0$' /tmp/track.log)" 1
result=$(/workload track B "" deep 126)
is "126 directories deep: the whole path" \
	"$(grep -c ' map=/tmp\(/n\)\{126\}/file offset=0x0$' /tmp/track.log)" 1
rm -rf /tmp/n

# A traced SCHED_FIFO thread does not keep the worker from setting names. It can keep much else of
# the kernel from its work, and every reader then waits until it ends: so it ends after SECONDS. (On
# RT it blocks RCU grace periods, which every reader waits for.)
#
# read_beside_fifo SECONDS: reads the log to /tmp/fifo.log; false if the thread ended before that.
read_beside_fifo() {
	start_stopped /workload run fifo "$1"
	insmod /pf_probe_B.ko process_id=$pid
	kill -CONT $pid
	wait_for grep -q 'region=file kind=shared' /proc/pf_probe_B
	cat /proc/pf_probe_B >/tmp/fifo.log
	grep -q '^State:.R' /proc/$pid/status
	beside=$?
	kill -KILL $pid 2>/dev/null
	wait $pid
	rmmod pf_probe_B
	return $beside
}

if uname -v | grep -q PREEMPT_RT; then
	skip 2 "on RT, no reader makes progress"
else
	runtime=$(cat /proc/sys/kernel/sched_rt_runtime_us)
	echo -1 >/proc/sys/kernel/sched_rt_runtime_us
	for seconds in 5 10 20 40; do
		read_beside_fifo $seconds && break
	done
	echo "$runtime" >/proc/sys/kernel/sched_rt_runtime_us
	is "the log is read while a SCHED_FIFO thread keeps its CPU" $beside 0
	is "its file gets a name meanwhile" \
		"$(grep -c ' map=/tmp/fifo offset=0x0$' /tmp/fifo.log)" 1
fi

if [ -c /dev/udmabuf ] && has_kernel 6 12; then
	result=$(/workload track B "" dma-buf)
	like "a dma-buf: exact" "$result" "^difference=0 .*status=0"
	is "a dma-buf: the name is that in /proc/PID/maps" \
		"$(grep -o ' map=/dmabuf:[^ ]*' /tmp/track.log | sort -u)" \
		" map=$(sed 's/ /\\040/g' /tmp/mapped)"
else
	skip 2 "no /dev/udmabuf"
fi

# FAULT_FLAG_UNSHARE copies the page, like a write.
if has_kernel 5 19; then
	result=$(/workload track B "" unshare 7)
	like "pinning shared pages: exact" "$result" "^(0x.*)?difference=0 .*status=0"
	is "pinning shared pages: recorded as writes" \
		"$(grep -c "access=write mode=\(gup\|remote\) region=anon" /tmp/track.log)" 7
else
	skip 2 "no FAULT_FLAG_UNSHARE"
fi

# The tables grow ...
result=$(/workload track B "" many-files 6000)
like "6,000 files: exact" "$result" "^difference=0 .*status=0"
is "each has a name" "$(touches 'map=/tmp/many-')" 6000
result=$(/workload track B "" many-maps 40000)
like "40,000 mappings: exact" "$result" "^difference=0 .*status=0"
is "each has a name and an offset" "$(touches 'map=/tmp/many offset=0x0')" 40000

# ... unless there is no room for as many records. The rest have no name, or no offset.
result=$(/workload track B "max_faults=5500" many-files 5000)
like "5,000 files in small tables: exact" "$result" "^difference=0 .*status=0"
named=$(touches 'map=/tmp/many-')
unnamed=$(touches 'map=?')
is "each has a name or is ?" $((named + unnamed)) 5000
is "each ? is counted in names_lost" "$(sum_of names_lost)" "$unnamed"
ok "about 4,096 have names" test "$named" -le 4096 -a "$named" -gt 4080
result=$(/workload track B "max_faults=16000" many-maps 15000)
like "15,000 mappings in small tables: exact" "$result" "^difference=0 .*status=0"
is "all have the file's name" "$(touches 'map=/tmp/many')" 15000
placed=$(touches 'map=/tmp/many offset=0x0')
ok "about 12,000 have an offset" test "$placed" -gt 12000 -a "$placed" -lt 12300
is "the others are counted in offsets_lost" "$(sum_of offsets_lost)" $((15000 - placed))
rm -f /tmp/many /tmp/track.log

start_stopped /workload run touch 1
insmod /pf_probe_B.ko process_id=$pid
ok "the module itself takes less than 768 KiB" \
	test "$(awk '$1 == "pf_probe_B" { print $2 }' /proc/modules)" -lt 786432
rmmod pf_probe_B
kill -KILL $pid
