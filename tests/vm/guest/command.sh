# SPDX-License-Identifier: GPL-2.0-or-later
# `user -- COMMAND`: the log is what the kernel itself counted from the exec on, the command is as
# it would be without, and nothing stays loaded.
# vm: long
# vm: compiler
. /tap.sh
plan 64

mkdir -p /etc /home/tester
echo 'root:x:0:0::/:/bin/sh
tester:x:1000:1001::/home/tester:/bin/sh' >/etc/passwd
echo 'tester:x:1001:
extra:x:2000:tester' >/etc/group
mkdir -p /work
cd /work

# As sudo leaves it. No function: in the background its process would be another.
by_sudo="env SUDO_UID=1000 SUDO_GID=1001 SUDO_USER=tester HOME=/ USER=root LOGNAME=root"

loaded() {
	lsmod | grep -q '^pf_probe'
}

recording() { # PROBE: some faults are in the log already
	grep -q 'PID = ' "out/pf_probe_$1.log.part"
}

# The log of pf_probe_$1 in one line, with the difference to $2 faults that the kernel counted; it
# does not count those that failed.
account() {
	log=out/pf_probe_$1.log
	lines=$(grep -c 'PID = ' "$log")
	failed=$(grep -c -E ' result=(sig|oom|hw|err)' "$log")
	target=$(tail -n 1 "$log" | sed -n "s/^# recorded=$lines .* target=\([a-z]*\).*/\1/p")
	echo "difference=$((lines - failed - $2)) enough=$((lines > 20)) target=$target" \
		"loaded=$(loaded && echo yes) plots=$(grep -c '^ *page number +' err | sed 's/[2-9]/many/')" \
		"owner=$(stat -c %u:%g:%a "$log") $(ls -A out | xargs)"
}

# What that should be.
whole() { # PROBE TARGET
	case $1 in A) plots=0 ;; B) plots=1 ;; C) plots=many ;; esac
	echo "difference=0 enough=1 target=$2 loaded= plots=$plots owner=1000:1001:600 pf_probe_$1.log"
}

# What the kernel counted of the command, with children=1 also of those that it has waited for.
counted() {
	pair=$(sed -n 's/.* kernel counted \([0-9]*\) .* since its exec, \([0-9]*\) of.*/\1 \2/p' err)
	case $1 in
	*children=1*) echo $((${pair% *} + ${pair#* })) ;;
	*) echo "${pair% *}" ;;
	esac
}

# traced NAME STATUS PROBE PARAMETERS ARGUMENTS...
traced() {
	name="$1, $3 $4" want=$2 probe=$3 params=$4
	shift 4
	rm -rf out
	$by_sudo /user --debug -$probe $params "$@" >stdout 2>err
	is "$name: status" $? "$want" || diag "$(tail -n 5 err)"
	is "$name: log" "$(account $probe "$(counted "$params")")" "$(whole $probe exited)"
}

# In the background as $!, up to the first faults in its log.
begin() { # PROBE PARAMETERS COMMAND...
	rm -rf out
	probe=$1 params=$2
	shift 2
	$by_sudo /user --debug -$probe $params -- "$@" >stdout 2>err &
	wait_for recording $probe
}

sigterm() { # PROBE PARAMETERS WORKLOAD...
	probe=$1 params=$2
	shift 2
	begin $probe "$params" /workload run "$@"
	kill -TERM $!
	wait $!
	is "SIGTERM, $*, $probe $params: status" $? 143
	is "SIGTERM, $*, $probe $params: log" "$(account $probe "$(counted "$params")")" \
		"$(whole $probe exited)"
}

root=/disk/compiler
mkdir -p $root/src $root/tmp $root/dev $root/usr/include
: >$root/usr/include/stdc-predef.h # which every compilation looks for
mknod $root/dev/null c 1 3
printf 'int f(int *p, int n)\n{\n\treturn n ? p[n] + f(p, n - 1) : 0;\n}\n' >$root/src/x.c
for params in "" "outcome=1 children=1"; do
	for probe in A B C; do
		traced gcc 0 $probe "$params" --root -- chroot $root /bin/sh -c \
			"PATH=/usr/bin:/bin; export PATH; cd /src; exec gcc -O2 -c x.c"
	done
done
for name in gcc cc1 as; do
	ok "$name is told" grep -q "^# exec time=.* comm=$name$" out/pf_probe_C.log
done
ok "it is compiled" test -s $root/src/x.o
rm -rf $root/src $root/dev
ok "what it took to start it is not in the log" fails grep -q "comm=user$" out/pf_probe_C.log

for probe in A B C; do
	for params in "" "outcome=1 children=1"; do
		traced "a command that fails" 3 $probe "$params" -- \
			sh -c 'i=0; x=; while [ $i -lt 500 ]; do i=$((i + 1)); x=$x----------$x; \
				[ ${#x} -lt 99999 ] || x=; done; exit 3'
		traced threads 0 $probe "$params" -- /workload run threads 4
		sigterm $probe "$params" idle-threads 20
	done
done
sigterm B "outcome=1" fault-forever
like "the end tells of the log" "$(cat err)" \
	"^out/pf_probe_B.log: [0-9]+ page faults of PID .*workload"

is "its standard output is its own" "$($by_sudo /user -- echo hello 2>err)" hello
is "its standard input, too" "$(echo hello | $by_sudo /user -- cat 2>err)" hello
is "the log's name while it grows is told" "$(head -n 1 err)" \
	"user: the log grows in out/pf_probe_B.log.part"
$by_sudo /user -- sh -c '[ ! -e /proc/$$/fd/0 ] && [ ! -e /proc/$$/fd/1 ]' <&- >&- 2>err
is "closed streams stay closed" $? 0
is "it runs as who typed sudo, where that was" \
	"$($by_sudo /user -- sh -c 'id -u; id -g; id -G; echo $HOME $USER $LOGNAME; pwd' 2>err | xargs)" \
	"1000 1001 1001 2000 /home/tester tester tester /work"
is "and has no way back" "$(
	$by_sudo /user -- grep -E '^(Uid|Cap(Prm|Eff)):' /proc/self/status 2>err |
	tr -s '\t' ' ' | xargs)" \
	"Uid: 1000 1000 1000 1000 CapPrm: 0000000000000000 CapEff: 0000000000000000"
is "--root" "$($by_sudo /user --root -- sh -c 'id -u; echo $HOME' 2>err | xargs)" "0 /"
is "signals are as they were" "$(/user -- grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status 2>err)" \
	"$(grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status)"
