# SPDX-License-Identifier: GPL-2.0-or-later
# Names that look like lines, ends of a log or terminal commands: no line is forged or broken.
# vm: long
. /tap.sh
plan 28

step=1
[ "${QUICK:-0}" = 1 ] && step=3

export LC_ALL=C
number="[0-9]+" hex="0x[0-9a-f]+" name="[^[:cntrl:] ]+"
fault="PID = +$number Page Fault at Address $hex at Time $number tid=$number cpu=$number ip=$hex \
access=(read|write|exec) mode=(user|kernel|gup|remote) \
region=(code|data|heap|stack|file|anon|special)( kind=[a-z,]+)?\
( result=[a-z]+ latency_ns=$number tries=$number)? map=$name( offset=$hex)?"
of="time=$number pid=$number"
event="# (child $of ppid=$number comm=$name space=(copy|shared)|exec $of comm=$name|\
comm $of tid=$number comm=$name|(space|exit) $of|\
map $of start=$hex end=$hex prot=[r-][w-][x-][ps] offset=$hex file=$name|\
file time=$number nr=$number dev=$name ino=$number size=$number mtime=$number\\.$number \
build_id=([0-9a-f]+|\\?) path=$name)"
counts="recorded=$number retries=$number dropped=$number overwritten=$number missed=$number"
summary="# $counts target=[a-z]+( [a-z]+=$number)+ probe=armed( [a-z_]+=$number)+"
head="# pf_probe_[ABC] version=$name pid=$number comm=$name clock=CLOCK_MONOTONIC loaded=$number \
epoch=$number\\.$number page=$number kernel=$name arch=$name( host=$name)? maps=(exec|all|none)"

# others FILE ERE: lines of the file that do not match.
others() {
	grep -v -E -x -e "$2" "$1" | head -n 20
}

# odd FILE: number of bytes that are not text; plain FILE: that are not ASCII text.
odd() {
	tr -d '\n\040-\176\200-\377' <"$1" | wc -c
}

plain() {
	tr -d '\n\040-\176' <"$1" | wc -c
}

# trace X PARAMETERS...: traces the program with the odd names
trace() {
	rm -rf /tmp/names && mkdir /tmp/names
	module=$1
	shift
	start_stopped /names $step /tmp/names
	insmod /pf_probe_$module.ko process_id=$pid children=1 "$@"
	kill -CONT $pid
	wait $pid
	is "$module: the program succeeds" $? 0
}

nr_names=$(/names $step count)
dmesg_mark
trace B outcome=1
cat /proc/pf_probe_B >/tmp/whole
is "every line of /proc has a known form" \
	"$(others /tmp/whole "$fault|$event|$summary|$head|EXIT_CODE")" ""
is "one head, one summary, one end" "$(grep -c '^# pf_probe' /tmp/whole) \
$(grep -c '^# recorded=' /tmp/whole) $(grep -c '^EXIT_CODE$' /tmp/whole)" "1 1 1"
is "each in its place" "$(sed -n '1s/ .*//p; $p' /tmp/whole | tr '\n' ' ')" "# EXIT_CODE "
is "as many faults as the summary says" "$(grep -c '^PID = ' /tmp/whole)" \
	"$(sed -n 's/^# recorded=\([0-9]*\) .*/\1/p' /tmp/whole)"
is "a child and a program for each name" "$(grep -c '^# child ' /tmp/whole) \
$(grep -c '^# exec ' /tmp/whole)" "$nr_names $((nr_names + 1))"
is "each name of a thread" "$(sed -n 's/^# comm .* comm=//p' /tmp/whole | sort -u | wc -l)" \
	"$(sed -n -E 's/^# (comm|exec|child) .* comm=([^ ]*).*/\2/p' /tmp/whole | sort -u | wc -l)"
is "a file for each name" "$(grep -o 'map=/tmp/names/f[^ ]*' /tmp/whole | sort -u | wc -l)" \
	"$nr_names"
is "a memfd for each name" "$(grep -o 'map=/memfd:[^ ]*' /tmp/whole | sort -u | wc -l)" "$nr_names"
is "/proc has no control characters" "$(odd /tmp/whole)" 0

cd /tmp
ok "user drains it" /user -o forged.log B
is "user's log has the lines, counted" "$(sed 's/^ *[0-9]*:: //' forged.log | md5sum)" \
	"$(grep -v '^EXIT_CODE$' whole | md5sum)"
is "each fault with its number" "$(grep -c '^ *[0-9]*:: PID = ' forged.log)" \
	"$(grep -c '^PID = ' whole)"
/user -o /dev/null B >/tmp/said 2>&1
is "user's messages are ASCII" "$(plain /tmp/said)" 0
cd /
echo 1 >/sys/module/pf_probe_B/parameters/probe_print
/names $step read /proc/pf_probe_B
rmmod pf_probe_B
dmesg_since >/tmp/said
is "B: one line for each name of a reader" \
	"$(grep -c '^pf_probe_B: reader opened by ' /tmp/said)" "$nr_names"
forged='^#|^PID =|EXIT_CODE|forged|panic|^pf_probe_[AC]|^pf_probe_B: (PID|x)|\[[0-9]+\]$'
is "B: no other line" "$(sed '/ page faults/,/^pf_probe_B: recorded=/d' /tmp/said |
	grep -v '^pf_probe_B: reader' | grep -E -e "$forged")" ""
is "B: the plot is ASCII" "$(sed -n '/ page faults/,/^pf_probe_B: recorded=/p' /tmp/said >/tmp/plot
	plain /tmp/plot)" 0
like "B: there is a plot" "$(cat /tmp/plot)" "^PID $pid \("

dmesg_mark
trace A
cat /proc/pf_probe_A >/tmp/whole
rmmod pf_probe_A
dmesg_since >/tmp/said
is "A: no line is forged" "$(grep -v '^pf_probe_A: ' /tmp/said | grep -E -e "$forged")" ""
sed -n 's/^pf_probe_A: \(.* Page Fault \)/\1/p' /tmp/said >/tmp/printed
is "A: every printed fault has the right form" "$(others /tmp/printed "$fault")" ""
is "A: all faults are printed" \
	"$(grep -c ' Page Fault ' /tmp/printed)" "$(grep -c '^PID = ' /tmp/whole)"
is "A: one summary" "$(grep -c '^pf_probe_A: recorded=' /tmp/said)" 1

dmesg_mark
trace C
rmmod pf_probe_C
dmesg_since >/tmp/said
is "C: its plots are ASCII" "$(plain /tmp/said)" 0
is "C: one summary" "$(grep -c '^pf_probe_C: recorded=' /tmp/said)" 1

# user starts a program with such a name.
cd /tmp
name="$(printf 'x\n# forged\033[2J')"
cp /names "/tmp/$name"
/user -B --root -o command.log -- "/tmp/$name" 1 count >/tmp/counted 2>/tmp/said
is "user -- COMMAND: exit status" $? 0
is "user's messages about it are ASCII" "$(plain /tmp/said)" 0
rm -rf /tmp/names /tmp/whole "/tmp/$name"
