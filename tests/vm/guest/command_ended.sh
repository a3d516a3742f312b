# SPDX-License-Identifier: GPL-2.0-or-later
# `user -- COMMAND` in a terminal, and how it ends.
. /tap.sh
plan 20

mkdir -p /dev/pts
mount -t devpts pts /dev/pts
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

counted() {
	sed -n 's/.* kernel counted \([0-9]*\) .* since its exec, .*/\1/p' err
}

shown() {
	tr -d '\r' <shown | grep -q "$1"
}

# In a terminal in the background; what comes down the pipe `keys` is typed there.
begin() { # PROBE PARAMETERS COMMAND...
	rm -rf out keys
	mkfifo keys
	probe=$1 params=$2
	shift 2
	$by_sudo /terminal /user --debug -$probe $params -- "$@" <keys >shown &
	exec 7>keys
	wait_for recording $probe
	pid=$(sed -n 's/.*loading .* process_id=\([0-9]*\).*/\1/p' shown)
	user=$(sed -n 's/^PPid:\t//p' /proc/$pid/status)
}

ended() { # as $status, what it showed in the file err
	wait $!
	status=$?
	exec 7>&-
	tr -d '\r' <shown >err
}

for probe in A B C; do
	for params in "" "outcome=1 children=1"; do
		begin $probe "$params" /workload run idle-threads 20
		printf '\003' >&7
		ended
		is "Ctrl-C, $probe $params: status" $status 130
		is "Ctrl-C, $probe $params: log" "$(account $probe "$(counted)")" \
			"$(whole $probe exited)"
	done
done

begin B "" sh -c 'trap "echo once more" INT; while :; do /workload run touch 10; done'
printf '\003' >&7
wait_for shown '^once more'
printf '\003' >&7
wait_for sh -c 'grep -c "once more" shown | grep -q 2'
is "Ctrl-C is the command's, as often as it likes" "$(grep -c 'once more' shown)" 2
kill -TERM $pid
ended
is "and it goes by its own signal" $status 143
is "the log is whole" "$(account B 0 | sed 's/difference=[0-9]*/difference=0/')" "$(whole B exited)"

# Who does not go when told is left alone at the second time.
rm -rf out
$by_sudo /user -- sh -c 'trap "" TERM; while :; do /workload run touch 10; done' 2>err &
user=$!
wait_for recording B
pid=$(sed -n 's/.* pid=\([0-9]*\) .*/\1/p' out/pf_probe_B.log.part)
# One by one: signals that wait to be taken are merged.
again() {
	! kill -TERM $user
}
wait_for again
wait $user
is "a command that ignores SIGTERM: status" $? 143
like "and is told" "$(cat err)" "^user: stopped \(Terminated\), while PID $pid runs on$"
ok "nothing is loaded" fails loaded
ok "the log is there" test -s out/pf_probe_B.log
kill -KILL $pid

$by_sudo /user -- sh -c 'kill -KILL $$' 2>err
is "a command that is killed" $? 137
