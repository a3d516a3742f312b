# SPDX-License-Identifier: GPL-2.0-or-later
# `user -- COMMAND`: the log is what the kernel itself counted from the exec on, the command is as
# it would be without, and nothing stays loaded.
# vm: long
# vm: compiler
. /tap.sh
. /tracing.sh
plan 40

# traced NAME STATUS PROBE PARAMETERS ARGUMENTS...
traced() {
	name="$1, $3 $4" want=$2 probe=$3 params=$4
	shift 4
	rm -rf out err
	$by_sudo /user --debug -$probe $params "$@" >stdout 2>err
	is "$name: status" $? "$want" || diag "$(tail -n 5 err)"
	is "$name: log" "$(account $probe "$(counted "$params")")" "$(whole $probe exited)"
}

# In the background as $!, up to the first faults in its log.
begin() { # PROBE PARAMETERS COMMAND...
	rm -rf out err
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
compile() { # PROBE PARAMETERS
	traced gcc 0 "$1" "$2" --root -- chroot $root /bin/sh -c \
		"PATH=/usr/bin:/bin; export PATH; cd /src; exec gcc -O2 -c x.c"
}
compile B ""
compile C "outcome=1 children=1"
for name in gcc cc1 as; do
	ok "$name is told" grep -q "^# exec time=.* comm=$name$" out/pf_probe_C.log
done
ok "it is compiled" test -s $root/src/x.o
rm -rf $root/src $root/dev
ok "what it took to start it is not in the log" fails grep -q "comm=user$" out/pf_probe_C.log

# Each probe with each of the parameters, and with each way to end.
failing() { # PROBE PARAMETERS
	traced "a command that fails" 3 "$1" "$2" -- \
		sh -c 'i=0; x=; while [ $i -lt 100 ]; do i=$((i + 1)); x=$x----------$x; \
			[ ${#x} -lt 99999 ] || x=; done; exit 3'
}
failing A "outcome=1"
failing B "outcome=1 children=1"
failing C ""
traced threads 0 A "children=1" -- /workload run threads 4
traced threads 0 B "" -- /workload run threads 4
traced threads 0 C "outcome=1" -- /workload run threads 4
sigterm A "" idle-threads 20
sigterm B "outcome=1" idle-threads 20
sigterm C "outcome=1 children=1" idle-threads 20
sigterm B "outcome=1" fault-forever
like "the end tells of the log" "$(cat err)" \
	"^out/pf_probe_B.log: [0-9]+ page faults of PID .*workload"

is "its standard output is its own" "$($by_sudo /user -- echo hello 2>err)" hello
is "its standard input, too" "$(echo hello | $by_sudo /user -- cat 2>err)" hello
is "the log's name while it grows is told" "$(head -n 1 err)" \
	"user: the log grows in out/pf_probe_B.log.part"
$by_sudo /user -- sh -c '[ ! -e /proc/$$/fd/0 ] && [ ! -e /proc/$$/fd/1 ]' <&- >&- 2>err
is "closed streams stay closed" $? 0
# The C library that comes with older kernels looks up nobody in a static program.
if has_kernel 5 11; then
	is "it runs as who typed sudo, where that was" "$($by_sudo /user -- sh -c '
		id -u; id -g; id -G; echo $HOME $USER $LOGNAME; pwd' 2>err | xargs)" \
		"1000 1001 1001 2000 /home/tester tester tester /work"
else
	is "it runs as who typed sudo, with no group of root's" \
		"$($by_sudo /user -- sh -c 'id -u; id -g; id -G; pwd' 2>err | xargs)" \
		"1000 1001 1001 /work"
fi
is "and has no way back" "$(
	$by_sudo /user -- grep -E '^(Uid|Cap(Prm|Eff)):' /proc/self/status 2>err |
	tr -s '\t' ' ' | xargs)" \
	"Uid: 1000 1000 1000 1000 CapPrm: 0000000000000000 CapEff: 0000000000000000"
# The log is out of its reach while it grows, and the user's then.
is "it can't read or write its own log" "$($by_sudo /user -- sh -c 'cat out/*.part && echo read
	echo "# forged" >>out/pf_probe_B.log.part && echo written' 2>err)" ""
is "which is its user's when it is whole" "$(stat -c %u:%g:%a out/pf_probe_B.log) $(grep -c forged \
	out/pf_probe_B.log)" "1000:1001:600 0"
is "--root" "$($by_sudo /user --root -- sh -c 'id -u; echo $HOME' 2>err | xargs)" "0 /"
rm -rf out
is "signals are as they were" \
	"$(/user --root -- grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status 2>err)" \
	"$(grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status)"
