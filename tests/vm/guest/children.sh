# SPDX-License-Identifier: GPL-2.0-or-later
# children=1: the descendants of the target.
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
like "outcome=1" "$result" \
	"^difference=0 .*abandoned=0 .*minor_difference=0 major_difference=0$"
children=$(echo "$result" | sed 's/.* children=\([0-9]*\) .*/\1/')
is "there is a line for each child" "$(grep -c '^# child time=' /tmp/track.log)" "$children"
head=$(sed -n 's/^# pf_probe_B .* pid=\([0-9]*\) .*/\1/p' /tmp/track.log)
sed -n 's/^# child .* pid=\([0-9]*\) ppid.*/\1/p' /tmp/track.log >/tmp/pids
echo "$head" >>/tmp/pids
is "and each has faults" "$(sed -n 's/^PID = *\([0-9]*\) .*/\1/p' /tmp/track.log | sort -u)" \
	"$(sort -u /tmp/pids)"
is "a child's line comes before its first fault" "$(awk '
	/^# child/ { split($4, pid, "="); known[pid[2]] = 1 }
	/^PID/ && !known[$3] && $3 != '"$head"' { print }' /tmp/track.log)" ""
is "PID is the process, tid the thread" "$(awk '
	/^PID/ { for (i = 1; i <= NF; i++) if ($i ~ /^tid=/) print $3 == substr($i, 5) }' \
	/tmp/track.log | sort | uniq -c | awk '{ print $2, ($1 > 0) }' | tr '\n' ' ')" "0 1 1 1 "
like "an exec has a line with the new name" "$(cat /tmp/track.log)" \
	"^# exec time=[0-9]+ pid=[0-9]+ comm=workload$"
like "a child's line" "$(cat /tmp/track.log)" \
	"^# child time=[0-9]+ pid=[0-9]+ ppid=$head comm=workload space=copy$"

like "mix, with its child" "$(/workload track C "children=1 outcome=1" mix)" \
	"^difference=0 .*children=1 .*major_difference=0$"
like "placement=entry" "$(/workload track B "children=1 placement=entry" family 6)" "^difference=0 "
start_stopped /workload run family 6
insmod /pf_probe_B.ko process_id=$pid children=1 outcome=1
kill -CONT $pid
wait $pid
is "any offset can be read, with children and outcomes" "$(/reader at /proc/pf_probe_B)" same
cat /proc/pf_probe_B >/tmp/whole
/reader size 7 /proc/pf_probe_B >/tmp/sized
ok "and in reads of 7 bytes" cmp /tmp/whole /tmp/sized
rmmod pf_probe_B
dmesg_mark
like "A" "$(/workload track A "children=1" family 2)" "^difference=0 "
like "A prints the children's faults" "$(dmesg_since)" "^pf_probe_A: PID = .* tid="
is "and all of them" "$(dmesg_since | grep -c '^pf_probe_A: PID = ')" \
	"$(grep -c '^PID = ' /tmp/track.log)"
dmesg_mark
/workload track B "children=1" family 2 >/tmp/result
like "B: the title has their number" "$(dmesg_since)" \
	"^PID [0-9]+ \(workload\) and 3 children: [0-9]+ page faults"
like "without children=1 they are not recorded" "$(/workload track B "" mix)" "^difference=0 "

# The target has exited, its child has not.
rm -f /tmp/wake
start_stopped /workload run orphan 50
insmod /pf_probe_B.ko process_id=$pid children=1
cd /tmp
/user --follow >/tmp/followed 2>&1 &
follower=$!
kill -CONT $pid
wait $pid
like "target=running while a child runs" "$(tail -n 2 /proc/pf_probe_B)" " target=running "
/workload run touch 500
touch /tmp/wake
wait $follower
is "user --follow waits for them" $? 0
like "then target=exited" "$(tail -n 1 out/pf_probe_B.log)" " target=exited children=1 "
is "the log has all faults" "$(grep -c 'region=anon map=anon' out/pf_probe_B.log)" \
	"$(grep -c 'region=anon map=anon' /proc/pf_probe_B)"
like "user reports the child" "$(cat /tmp/followed)" "^  in [0-9.]+ s, .*, 1 child$"

# Reused PIDs, of the target and of its child.
before=$(grep -c PID /proc/pf_probe_B)
child=$(sed -n 's/^# child .* pid=\([0-9]*\) ppid.*/\1/p' /proc/pf_probe_B)
for number in $pid $child; do
	echo $((number - 1)) >/proc/sys/kernel/ns_last_pid
	/workload run touch 100 &
	wait $!
	[ $! = "$number" ] || echo "$number was not reused, but $!"
done >/tmp/reused
is "the PIDs are reused" "$(cat /tmp/reused)" ""
is "by processes that are not recorded" "$(grep -c PID /proc/pf_probe_B)" "$before"
rmmod pf_probe_B

# A shell and its children in a PID namespace that is not the initial one.
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
is "in a PID namespace: its PIDs" "$(echo "$inside" | grep 0x200000 |
	sed 's/.*PID = *\([0-9]*\) .* tid=\([0-9]*\) .*/\1 \2/' | awk '$1 == $2 && $1 < 30' | wc -l)" 46
rmmod pf_probe_B

# A real build, started by a shell.
root=/disk/compiler
mkdir -p $root/src $root/tmp $root/dev $root/usr/include
: >$root/usr/include/stdc-predef.h # every compilation looks for it
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
is "all sources are compiled" "$(ls $root/src/*.o | wc -l)" $nr_sources
for name in make gcc cc1 as; do
	ok "the log has the exec of $name" grep -q "^# exec time=.* comm=$name$" /tmp/track.log
done
rm -rf $root/src $root/dev
