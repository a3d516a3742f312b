# SPDX-License-Identifier: GPL-2.0-or-later
# user --top shows the numbers that it logs.
# vm: long
. /tap.sh
plan 18

cd /tmp
log=out/pf_probe_B.log

twice() {
	[ "$(grep -c '%  all$' "$1")" -ge 2 ]
}

# The last line with the sums of all faults.
totals() {
	sed -n '/^[0-9]* faults: /{s/;.*//;p}' "$1" | tail -n 1
}

# The same line, made from the log's summary.
logged() {
	number='([0-9]+)'
	tail -n 1 $log | sed -E "s/# recorded=$number .* minor=$number major=$number failed=$number .*/\
\1 faults: \2 minor, \3 major, \4 failed/"
}

start_stopped /workload run fault-forever
insmod /pf_probe_B.ko process_id=$pid outcome=1
/user --top >/tmp/top 2>/tmp/err &
viewer=$!
kill -CONT $pid
ok "two views are printed" wait_for twice /tmp/top
kill -KILL $pid
wait $pid 2>/dev/null
wait $viewer
is "--top ends when the target does" $? 0
is "the last view has all faults of the log" "$(totals /tmp/top)" "$(logged)"
like "faults by region" "$(cat /tmp/top)" '^ +[0-9]+ .*%  anon$'
like "faults by thread" "$(cat /tmp/top)" "%  tid $pid\$"
like "the heading has the time" "$(cat /tmp/top)" \
	"^pf_probe_B of PID $pid \((workload|sh)\), running, for [0-9]+ s\$"
rmmod pf_probe_B

/user --top --root outcome=1 -- /workload run touch 300 >/tmp/top.out 2>/tmp/top
is "a command: exit status" $? 0
is "a command: the last view has all faults of the log" "$(totals /tmp/top)" "$(logged)"
is "a command: its standard output is unchanged" "$(cat /tmp/top.out)" \
	"$(/workload run touch 300)"

# On a terminal. The command takes a while.
mkdir -p /dev/pts
mount -t devpts pts /dev/pts 2>/dev/null
command="/user --top --root outcome=1 children=1 -- timeout 3 /workload run fault-forever"
TERM=linux /terminal sh -c "$command >/tmp/top.out 2>/tmp/top" </dev/null >/tmp/shown
escape=$(printf '\033')
like "the view uses the whole terminal if the command does not use it" "$(head -n 1 /tmp/shown)" \
	"^$escape\[\?1049h$escape\[\?25l"
like "the view is shown" "$(cat /tmp/shown)" '%  all'
like "the terminal is restored" "$(tail -n 1 /tmp/shown)" "$escape\[\?25h$escape\[\?1049l\$"
TERM=linux /terminal $command </dev/null >/tmp/shown
like "next to a command that may use the terminal, the view is plain text" \
	"$(cat /tmp/shown)" '%  all'
unlike "and has no escape sequences" "$(cat /tmp/shown)" "$escape"

# By function, of a program that a traced one executes.
rows() { # the first one of each second
	sed -n '/^by function/{n;s/.*[0-9]%  //p}' /tmp/top
}
/user --top=function --root -- timeout 4 /workload run fault-forever >/tmp/top.out 2>/tmp/top
if grep -q "functions cannot be looked up: Function not implemented" /tmp/top; then
	skip 1 "no sockets in this kernel"
else
	ok "by function: the function that touches memory, and its file" \
		test "$(rows | grep -cE '^(touch|run_fault_forever)[a-z0-9.]*  /workload$')" -ge 2
fi
ok "by function: the share of unknown ones is shown" \
	grep -qE '^by function( \(unknown for [0-9.]+% of the faults\))?:$' /tmp/top
ok "by function: no module is left" test ! -e /proc/pf_probe_B
like "by function: the log is complete" "$(tail -n 1 $log)" ' target=exited '
