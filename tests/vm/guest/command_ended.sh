# SPDX-License-Identifier: GPL-2.0-or-later
# `user -- COMMAND` in a terminal, and how it ends.
# vm: long
. /tap.sh
. /tracing.sh
grep -q "^Seccomp_filters:" /proc/self/status ||
	skip_all "no seccomp filters: \`user\` refuses to share a terminal"
plan 29

mkdir -p /dev/pts
mount -t devpts pts /dev/pts

shown() {
	tr -d '\r' <shown | grep -q "$1"
}

# Starts it in a terminal in the background; text written to the pipe `keys` is typed there.
begin() { # PROBE PARAMETERS COMMAND...
	rm -rf out err shown keys
	mkfifo keys
	probe=$1 params=$2
	shift 2
	$by_sudo /terminal /user --debug -$probe $params -- "$@" <keys >shown &
	exec 7>keys
	wait_for recording $probe
	pid=$(sed -n 's/.*loading .* process_id=\([0-9]*\).*/\1/p' shown)
	user=$(sed -n 's/^PPid:\t//p' /proc/$pid/status)
}

ended() { # waits for its end: status in $status, output in the file err
	wait $!
	status=$?
	exec 7>&-
	tr -d '\r' <shown >err
}

ctrl_c() { # PROBE PARAMETERS
	begin "$1" "$2" /workload run idle-threads 20
	printf '\003' >&7
	ended
	is "Ctrl-C, $1 $2: status" $status 130
	is "Ctrl-C, $1 $2: log" "$(account "$1" "$(counted "$2")")" "$(whole "$1" exited)"
}
ctrl_c A "outcome=1 children=1"
ctrl_c B ""
ctrl_c C "outcome=1"

begin B "" sh -c 'trap "echo once more" INT; while :; do /workload run touch 10; done'
printf '\003' >&7
wait_for shown 'once more' # after the echo of the key, or in a line of its own
printf '\003' >&7
wait_for sh -c 'grep -c "once more" shown | grep -q 2'
is "the command handles Ctrl-C, twice" "$(grep -c 'once more' shown)" 2
kill -TERM $pid
ended
is "SIGTERM ends it: status" $status 143
is "SIGTERM ends it: log" \
	"$(account B 0 | sed 's/difference=[0-9]*/difference=0/')" "$(whole B exited)"

# Ctrl-Z stops both, as a job of a shell; fg continues them.
begin C "" /workload run fault-forever
printf '\032' >&7
ok "Ctrl-Z: the job is stopped" wait_for shown 'terminal: stopped$'
ok "Ctrl-Z: the command is stopped" wait_for stopped $pid
lines=$(grep -c 'PID = ' out/pf_probe_C.log.part)
kill -CONT $user $pid # as fg does, to the whole group
more() {
	[ "$(grep -c 'PID = ' out/pf_probe_C.log.part)" -gt "$lines" ]
}
ok "fg: it continues" wait_for more
printf '\003' >&7
ended
is "fg: Ctrl-C: status" $status 130
is "fg: Ctrl-C: log" "$(account C "$(counted "")")" "$(whole C exited)"

# A command takes the foreground of the terminal, so that others that write to it are stopped.
over() {
	grep -q '^State:.Z' "/proc/$1/status" || [ ! -e "/proc/$1" ]
}
rm -rf out err shown
$by_sudo /terminal /user --debug -B -- /terminal --take /workload run touch 30 </dev/null >shown &
ok "a command that takes the terminal does not stop user" wait_for over $!
ok "nothing is loaded" fails loaded
ok "the log is there" test -s out/pf_probe_B.log
ok "nothing was stopped" fails shown 'terminal: stopped$'
loaded && rmmod -f pf_probe_B

# A command that stops the terminal's output, to which user writes messages.
rm -rf out err shown
$by_sudo /terminal /user -B -- /terminal --halt /workload run touch 30 </dev/null >shown &
ok "a command that stops the terminal's output does not stop user" wait_for over $!
ok "the messages are there" shown 'page faults of PID'
ok "nothing is loaded" fails loaded
loaded && rmmod -f pf_probe_B

# The shell, which may be root's, would read what a command types.
rm -rf out err shown
$by_sudo /terminal /user -B -- /terminal --type "rm -rf typed" </dev/null >shown
is "a command that types into the terminal: status" $? 2
ok "it gets an error" shown 'TIOCSTI: Operation not permitted'
ok "nothing is typed" fails shown '^rm -rf typed'

# A command that ignores a signal is left running after the second one.
rm -rf out err
$by_sudo /user -- sh -c 'trap "" TERM; while :; do /workload run touch 10; done' 2>err &
user=$!
wait_for recording B
pid=$(sed -n 's/.* pid=\([0-9]*\) .*/\1/p; 1q' out/pf_probe_B.log.part) # it grows fast
# One at a time, because pending signals are merged.
again() {
	! kill -TERM $user
}
wait_for again
wait $user
is "a command that ignores SIGTERM: status" $? 143
like "a command that ignores SIGTERM: message" \
	"$(cat err)" "^user: stopped \(Terminated\); PID $pid continues$"
ok "nothing is loaded" fails loaded
ok "the log is there" test -s out/pf_probe_B.log
kill -KILL $pid

$by_sudo /user -- sh -c 'kill -KILL $$' 2>err
is "a command that is killed" $? 137
