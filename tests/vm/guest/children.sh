# SPDX-License-Identifier: GPL-2.0-or-later
# children=1: the processes that the target forks, and theirs.
# vm: compiler
. /tap.sh
nr_runs=$(runs 5)
plan $((30 + nr_runs))

for run in $(seq $nr_runs); do
	result=$(/workload track B "children=1" family 12)
	like "a family, run $run" "$result" \
		"^difference=0 .*status=0 .*dropped=0 overwritten=0 missed=0 target=exited children=[1-9]"
	diag "$result"
done
result=$(/workload track B "children=1 outcome=1" family 12)
like "with outcomes" "$result" \
	"^difference=0 .*abandoned=0 .*minor_difference=0 major_difference=0$"
children=$(echo "$result" | sed 's/.* children=\([0-9]*\) .*/\1/')
is "each child is told" "$(grep -c '^# child time=' /tmp/track.log)" "$children"
head=$(sed -n 's/^# pf_probe_B .* pid=\([0-9]*\) .*/\1/p' /tmp/track.log)
sed -n 's/^# child .* pid=\([0-9]*\) ppid.*/\1/p' /tmp/track.log >/tmp/told
echo "$head" >>/tmp/told
is "and faults" "$(sed -n 's/^PID = *\([0-9]*\) .*/\1/p' /tmp/track.log | sort -u)" \
	"$(sort -u /tmp/told)"
is "a child is told before its first fault" "$(awk '
	/^# child/ { split($4, pid, "="); told[pid[2]] = 1 }
	/^PID/ && !told[$3] && $3 != '"$head"' { print }' /tmp/track.log)" ""
is "PID is the process, tid the thread" "$(awk '
	/^PID/ { for (i = 1; i <= NF; i++) if ($i ~ /^tid=/) print $3 == substr($i, 5) }' \
	/tmp/track.log | sort | uniq -c | awk '{ print $2, ($1 > 0) }' | tr '\n' ' ')" "0 1 1 1 "
like "a new program's name is told" "$(cat /tmp/track.log)" \
	"^# exec time=[0-9]+ pid=[0-9]+ comm=workload$"
like "a child's line" "$(cat /tmp/track.log)" \
	"^# child time=[0-9]+ pid=[0-9]+ ppid=$head comm=workload$"

like "mix, with its child" "$(/workload track C "children=1 outcome=1" mix)" \
	"^difference=0 .*children=1 .*major_difference=0$"
like "placement=entry" "$(/workload track B "children=1 placement=entry" family 6)" "^difference=0 "
start_stopped /workload run family 6
insmod /pf_probe_B.ko process_id=$pid children=1 outcome=1
kill -CONT $pid
wait $pid
is "any place can be read, with children and outcomes" "$(/reader at /proc/pf_probe_B)" same
cat /proc/pf_probe_B >/tmp/whole
/reader size 7 /proc/pf_probe_B >/tmp/sized
ok "and in small pieces" cmp /tmp/whole /tmp/sized
rmmod pf_probe_B
dmesg_mark
like "A" "$(/workload track A "children=1" family 2)" "^difference=0 "
like "A prints the children's" "$(dmesg_since)" "^pf_probe_A: PID = .* tid="
is "as many as there are" "$(dmesg_since | grep -c '^pf_probe_A: PID = ')" \
	"$(grep -c '^PID = ' /tmp/track.log)"
dmesg_mark
/workload track B "children=1" family 2 >/tmp/result
like "B: the title tells them" "$(dmesg_since)" \
	"^PID [0-9]+ \(workload\) and 3 children: [0-9]+ page faults"
like "without children=1 they are not recorded" "$(/workload track B "" mix)" "^difference=0 "

# The target has gone, its child not yet.
rm -f /tmp/wake
start_stopped /workload run orphan 50
insmod /pf_probe_B.ko process_id=$pid children=1
cd /tmp
/user --follow >/tmp/followed 2>&1 &
follower=$!
kill -CONT $pid
wait $pid
like "the target runs as long as its children" "$(tail -n 2 /proc/pf_probe_B)" " target=running "
/workload run touch 500
touch /tmp/wake
wait $follower
is "user --follow waits for them" $? 0
like "and then they have exited" "$(tail -n 1 out/pf_probe_B.log)" " target=exited children=1 "
is "with all faults" "$(grep -c 'region=anon map=anon' out/pf_probe_B.log)" \
	"$(grep -c 'region=anon map=anon' /proc/pf_probe_B)"
like "user tells of the children" "$(cat /tmp/followed)" "^  in [0-9.]+ s, .*, 1 child$"

# A number given again, of the target and of its child.
before=$(grep -c PID /proc/pf_probe_B)
child=$(sed -n 's/^# child .* pid=\([0-9]*\) ppid.*/\1/p' /proc/pf_probe_B)
for number in $pid $child; do
	echo $((number - 1)) >/proc/sys/kernel/ns_last_pid
	/workload run touch 100 &
	wait $!
	[ $! = "$number" ] || echo "$number was not given again but $!"
done >/tmp/given
is "the numbers are given again" "$(cat /tmp/given)" ""
is "to processes that are not recorded" "$(grep -c PID /proc/pf_probe_B)" "$before"
rmmod pf_probe_B

# What a shell starts; its children are in the same pid namespace, which is not the initial one.
cat >/tmp/inside.sh <<'END'
mount -t proc proc /proc
. /tap.sh
start_stopped sh -c '/workload run touch 23; /workload run touch 23'
insmod /pf_probe_B.ko process_id=$pid children=1 || exit 1
kill -CONT $pid
wait $pid
/user -o - B 2>/dev/null
END
inside=$(unshare --pid --fork --mount sh /tmp/inside.sh)
is "in a pid namespace: its numbers" "$(echo "$inside" | grep 0x200000 |
	sed 's/.*PID = *\([0-9]*\) .* tid=\([0-9]*\) .*/\1 \2/' | awk '$1 == $2 && $1 < 30' | wc -l)" 46
rmmod pf_probe_B

# A real build, as a shell starts it.
root=/disk/compiler
mkdir -p $root/src $root/tmp $root/dev $root/usr/include
: >$root/usr/include/stdc-predef.h # which every compilation looks for
mknod $root/dev/null c 1 3
nr_sources=$(($(runs 6) + 1))
for i in $(seq $nr_sources); do
	awk -v nr="$(runs 200)" 'BEGIN {
		for (i = 0; i < nr; i++)
			printf "int f%d(int *p, int n)\n{\n\tint sum = 0;\n\n\twhile (n--)\n" \
				"\t\tsum += p[n] * %d;\n\treturn sum;\n}\n\n", i, i }' >$root/src/$i.c
done
cat >$root/src/Makefile <<'END'
all: $(patsubst %.c,%.o,$(wildcard *.c))
%.o: %.c
	gcc -O2 -c -o $@ $<
END
result=$(/workload track B "children=1 outcome=1" command \
	chroot $root /bin/sh -c "PATH=/usr/bin:/bin; export PATH; cd /src && make -s -j2")
like "make -j2: exact" "$result" \
	"^difference=0 .*status=0 .*dropped=0 .*abandoned=0 .*minor_difference=0 major_difference=0$"
diag "$result"
is "made all" "$(ls $root/src/*.o | wc -l)" $nr_sources
for name in make gcc cc1 as; do
	ok "$name is told" grep -q "^# exec time=.* comm=$name$" /tmp/track.log
done
rm -rf $root/src $root/dev
