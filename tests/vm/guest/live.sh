# SPDX-License-Identifier: GPL-2.0-or-later
# user --top: what it shows is what it logs.
# vm: long
. /tap.sh
plan 14

cd /tmp
log=out/pf_probe_B.log

twice() {
	[ "$(grep -c '%  all$' "$1")" -ge 2 ]
}

# The last of the lines about all faults in the text.
totals() {
	sed -n '/^[0-9]* faults: /{s/;.*//;p}' "$1" | tail -n 1
}

# As the log has them.
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
ok "a view comes, and another" wait_for twice /tmp/top
kill -KILL $pid
wait $pid 2>/dev/null
wait $viewer
is "--top ends when the target does" $? 0
is "all that was logged was counted" "$(totals /tmp/top)" "$(logged)"
like "by region" "$(cat /tmp/top)" '^ +[0-9]+ .*%  anon$'
like "by thread" "$(cat /tmp/top)" "%  tid $pid\$"
like "for how long" "$(cat /tmp/top)" \
	"^pf_probe_B of PID $pid \((workload|sh)\), running, for [0-9]+ s\$"
rmmod pf_probe_B

/user --top --root outcome=1 -- /workload run touch 300 >/tmp/top.out 2>/tmp/top
is "a command is seen, too" $? 0
is "with all its faults" "$(totals /tmp/top)" "$(logged)"
is "and has its standard output for itself" "$(cat /tmp/top.out)" \
	"$(/workload run touch 300)"

# On a terminal. The command takes a while.
mkdir -p /dev/pts
mount -t devpts pts /dev/pts 2>/dev/null
command="/user --top --root outcome=1 children=1 -- timeout 3 /workload run fault-forever"
TERM=linux /terminal sh -c "$command >/tmp/top.out 2>/tmp/top" </dev/null >/tmp/shown
escape=$(printf '\033')
like "the view has the terminal if the command has not" "$(head -n 1 /tmp/shown)" \
	"^$escape\[\?1049h$escape\[\?25l"
like "and is there" "$(cat /tmp/shown)" '%  all'
like "and gives it back" "$(tail -n 1 /tmp/shown)" "$escape\[\?25h$escape\[\?1049l\$"
TERM=linux /terminal $command </dev/null >/tmp/shown
like "beside a command that may write there it is plain text" "$(cat /tmp/shown)" '%  all'
unlike "without orders to the terminal" "$(cat /tmp/shown)" "$escape"
