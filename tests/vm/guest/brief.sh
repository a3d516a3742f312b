# SPDX-License-Identifier: GPL-2.0-or-later
# `user` traces a command and a process: a short version of the cases command, command_ended and
# attach, which a quick matrix leaves out.
. /tap.sh
. /tracing.sh
plan 6

rm -rf out err
$by_sudo /user --debug -C outcome=1 children=1 -- sh -c '/workload run threads 4; exit 3' \
	>stdout 2>err
is "a command: status" $? 3
is "a command: log" "$(account C "$(counted children=1)")" "$(whole C exited)"

rm -rf out err
$by_sudo /user --debug -B -- /workload run idle-threads 20 >stdout 2>err &
wait_for recording B
kill -TERM $!
wait $!
is "SIGTERM: status" $? 143
is "SIGTERM: log" "$(account B "$(counted "")")" "$(whole B exited)"

rm -rf out err
start_stopped /workload run fault-forever
before=$(counts $pid)
$by_sudo /user -A --pid $pid 2>err &
user=$!
wait_for grep -q 'log grows' err
kill -CONT $pid
wait_for recording A
# At once: faults taken since the current drain began are in the log, too.
kill -STOP $pid
wait_for stopped $pid
kill -INT $user
wait $user
is "Ctrl-C of an attachment: status" $? 130
is "Ctrl-C of an attachment: log" "$(account A $(($(counts $pid) - before)))" "$(whole A running)"
kill -KILL $pid
