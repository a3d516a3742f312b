# SPDX-License-Identifier: GPL-2.0-or-later
# Third-party programs with all their children: the record has exactly the faults that the kernel
# counted for all processes that were waited for, by their parents or by us.
# vm: programs
# vm: long
. /tap.sh

root=/disk/programs
[ -e $root/usr/bin/stress-ng ] || skip_all "the programs are for another architecture"

# Stressors of memory and of processes. A few in a quick run.
stressors="fault mmap mremap vm madvise msync mlock userfaultfd brk stack malloc memfd shm remap
	mprotect fork vfork clone munmap mmapfork mmapmany pageswap stackmmap zombie bigheap pthread
	mincore vm-rw daemon"
outcomes="outcome=1 outcome=0"
[ "${QUICK:-0}" = 1 ] && stressors="fork daemon" outcomes="outcome=1"
set -- $outcomes
nr_outcomes=$#
set -- $stressors
plan $((nr_outcomes * ($# + 5)))

for folder in proc sys dev; do
	mkdir -p $root/$folder
	mount --rbind /$folder $root/$folder
done
mkdir -p $root/tmp $root/work
echo 'int main(void) { return 0; }' >$root/work/a.c

# shm ignores SIGCHLD for its children of the fourth generation (the target is the first). The
# faults of children that end after that are in no sum of the kernel. Prints all possible numbers
# of those faults, such as 0|10|20.
ignored() {
	awk '/^# child / {
			split($4, pid, "="); split($5, ppid, "=")
			generation[pid[2]] = generation[ppid[2]] + 1
		}
		/^PID = / && generation[$3] == 3 { nr[$3]++ }
		END {
			can[0] = 1
			most = 0
			for (one in nr) {
				for (sum = most; sum >= 0; sum--)
					if (sum in can)
						can[sum + nr[one]] = 1
				most += nr[one]
			}
			for (sum in can)
				printf "%s%d", nr_sums++ ? "|" : "", sum
		}' /tmp/track.log
}

# family NAME STATUS SCRIPT: the count is exact, with outcome=1 and 0. With outcome=0, the record
# also has faults that the kernel does not count: those that failed, and those that a signal cut
# short for good. Three of the programs are known to have some.
family() {
	name=$1 status=$2 script="export PATH=/usr/bin:/bin; cd /work; exec $3"
	for outcome in $outcomes; do
		result=$(/workload track B "children=1 $outcome max_faults=1000000" command \
			chroot $root /bin/sh -c "$script" 2>/tmp/said | tail -n 1)
		case $name.$outcome in
		madvise.outcome=0 | msync.outcome=0 | userfaultfd.outcome=0) wanted="[0-9]+" ;;
		shm.*) wanted="($(ignored))" ;;
		*) wanted=0 ;;
		esac
		like "$name, $outcome" "$result" \
			"^difference=$wanted counted=[0-9]{3,} .* status=$status .* dropped=0 .* missed=0 "
		diag "$result $(tail -n 3 /tmp/said)"
	done
}

# Status 512: the stressor ran and reports a failure. Other statuses are unexpected.
for name in "$@"; do
	family $name "(0|512)" "stress-ng -q --$name 1 --$name-ops 100 --timeout 3 --temp-path /tmp \
		--vm-bytes 16M --mmap-bytes 16M --malloc-bytes 16M --bigheap-growth 64K"
done
family python3 0 "python3 -c 'import numpy; print(numpy.ones((300, 300)).sum())'"
family gcc 0 "gcc -nostdinc -c a.c"
family sqlite3 0 "sqlite3 :memory: 'WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n
	LIMIT 20000) SELECT sum(x) FROM (SELECT x, x * 7919 % 20011 AS y FROM n ORDER BY y)'"

if [ "${QUICK:-0}" = 1 ]; then
	skip 2 "PostgreSQL and Redis: not in a quick run"
	exit
fi

# Servers as they are normally run: as a user of their own, with sockets in the folder.
mkdir -p $root/etc
chmod 777 $root/work $root/tmp
echo 'server:x:1000:1000::/work:/bin/sh' >$root/etc/passwd
server() { # NAME SCRIPT
	echo "set -e; cd /work; $2" >$root/work/$1.sh
	family $1 0 "setpriv --reuid 1000 --regid 1000 --clear-groups /bin/sh /work/$1.sh"
}
# shellcheck disable=SC2016
server postgresql 'PATH=$(echo /usr/lib/postgresql/*/bin):$PATH data=data-$$
initdb -D $data -A trust -U server --no-locale >&2
pg_ctl -D $data -w -t 300 -l $data/log start -o "-k /work -c listen_addresses=" >&2
pgbench -h /work -U server -q -i postgres >&2
pgbench -h /work -U server -c 4 -t 25 postgres >&2
pg_ctl -D $data -m fast -w -t 300 stop >&2'
# shellcheck disable=SC2016
server redis 'redis-server --port 0 --unixsocket /work/redis.sock --dir /work --daemonize yes >&2
cli="redis-cli -s /work/redis.sock"
until $cli ping >&2; do sleep 0.1; done
redis-benchmark -s /work/redis.sock -c 4 -n 1000 -r 1000 -t set,lpush -q >/dev/null
$cli bgsave >&2
while case $($cli info persistence) in *in_progress:1*) ;; *) false ;; esac; do sleep 0.1; done
$cli shutdown nosave >&2'
