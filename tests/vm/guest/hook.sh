# SPDX-License-Identifier: GPL-2.0-or-later
# placement=ftrace, a direct call or a callback: as exact as a kprobe, also with other users of
# ftrace, can be unloaded under load, and is refused with a reason if the kernel can't do it.
# vm: serial
. /tap.sh

sleep 100000 &
idle=$!

# refused DESC WORDS PARAMETERS...
refused() {
	desc=$1 words=$2
	shift 2
	dmesg_mark
	ok "$desc: refused" fails insmod /pf_probe_B.ko process_id=$idle placement=ftrace "$@"
	like "$desc: error" "$(dmesg_since)" "^pf_probe_B: $words"
}

if ! has_ftrace_arguments; then
	plan 3
	refused "without arguments" \
		"placement=ftrace: this kernel lacks CONFIG_DYNAMIC_FTRACE_WITH_ARGS .*use placement=auto$"
	ok "no module after that" fails grep -q pf_probe /proc/modules
	kill $idle
	exit 0
fi
nr_runs=$(runs 6)
nr_rounds=$(runs 8)
nr_ends=$(runs 3)
nr_paging=$(runs 5)
nr_files=$(runs 5000)
plan $((58 + nr_runs + $(runs 3) + 2 * nr_ends + nr_paging + 2 * nr_rounds))

exact="^difference=0 .*status=0 .*dropped=0 overwritten=0 missed=0"
ends="$exact .*abandoned=0 unfinished=0 .*minor_difference=0 major_difference=0$"

# tracks DESC RESULT PROBE PARAMETERS WORKLOAD...: the workload's result matches RESULT.
tracks() {
	desc=$1 wanted=$2 probe=$3 parameters=$4
	shift 4
	result=$(/workload track $probe "placement=$placement $parameters" "$@")
	like "$placement: $desc" "$result" "$wanted"
	diag "$result"
}

# A direct call if the kernel supports it.
direct=callback
[ "$(uname -m)" = x86_64 ] && has_kernel 5 18 && direct=direct

for placement in ftrace callback; do
	[ $placement = ftrace ] || nr_runs=$(runs 3)
	for run in $(seq $nr_runs); do
		tracks "mix, run $run" "$exact" B "" mix
	done
	dmesg_mark
	tracks "64 threads" "$exact" B "" threads 64
	[ $placement = ftrace ] && is=$direct || is=callback
	like "$placement: it is a $is, says dmesg" \
		"$(dmesg_since)" "^pf_probe_B: .* placement: $is$"
	tracks "a reused TID" "^difference=0 " B "" reused-tid 11
	tracks "23 pages" "$exact" B "" touch 23
	is "$placement: 23 records with the right page numbers" "$(/workload pages | tr '\n' ' ')" \
		"$(seq 0 22 | tr '\n' ' ')"
	is "$placement: with the right access, mode and region" "$(grep -c \
		'Address 0x200000.*access=write mode=user region=anon map=anon$' /tmp/track.log)" 23
	tracks "A" "$exact" A "" touch 23
	tracks "C" "$exact" C "" mix
	like "$placement: an instruction fetch is recorded" "$(cat /tmp/track.log)" \
		"Address (0x[0-9a-f]+) at .* ip=\\1 access=exec mode=user region=code"
	tracks "children=1" "$exact" B "children=1" family 6
	is "$placement: there is a line for each child" \
		"$(grep -c '^# child time=' /tmp/track.log)" \
		"$(echo "$result" | sed 's/.* children=\([0-9]*\) .*/\1/')"
done

for placement in ftrace callback; do
	dmesg_mark
	for run in $(seq $nr_ends); do
		tracks "outcome=1, run $run" "$ends" B "outcome=1" mix
	done
	[ $placement = ftrace ] && is=$direct || is=callback
	like "$placement: outcome=1: it is a $is, says dmesg" "$(dmesg_since)" \
		"^pf_probe_B: .* placement: $is$"
	tracks "outcome=1 children=1" "$ends" B "outcome=1 children=1" family 6
	tracks "outcome=1, 64 threads" "$ends" B "outcome=1" threads 64
done
placement=ftrace
if [ "${QUICK:-0}" = 1 ]; then
	skip 2 "16,384 cold pages: not in a quick run"
else
	tracks "outcome=1, 16,384 cold pages" "$ends" B "outcome=1" cold
	is "16,384 faults are major" \
		"$(grep -c 'result=major .* map=/disk/cold ' /tmp/track.log)" 16384
fi

tracks "dropped: counted" "^difference=0 .*lines=1000 .*recorded=1000 .*dropped=4" B \
	"max_faults=1000" touch 5000
tracks "overwritten: counted" "^difference=0 .*dropped=0 overwritten=[34]" B \
	"max_faults=1000 cont_store=1" touch 5000
tracks "all kinds of names" "$exact" B "" names
is "the offsets in a file are right" \
	"$(sed -n 's/.*map=\/tmp\/mapped\\040twice offset=//p' /tmp/track.log | tr '\n' ' ')" \
	"0x0 0x1000 0x5000 0x6000 "
tracks "many files" "$exact" B "" many-files $nr_files

# Huge pages, userfaultfd, swap.
ok "memory is limited, and there is swap" little_memory
for run in $(seq $nr_paging); do
	tracks "paging, run $run" "$exact" B "" paging
done
tracks "paging, outcome=1" "$ends" B "outcome=1" paging
placement=callback
tracks "paging" "$exact" B "" paging
tracks "paging, outcome=1" "$ends" B "outcome=1" paging
enough_memory

# Other hooks in the same function: the function tracer, a kprobe, our own modules.
cd /sys/kernel/tracing
echo handle_mm_fault >set_ftrace_filter
echo function >current_tracer
for placement in ftrace callback; do
	tracks "beside the function tracer" "$exact" B "" mix
done
echo 'p:beside handle_mm_fault' >kprobe_events
echo 1 >events/kprobes/beside/enable
for placement in ftrace callback; do
	tracks "and a kprobe" "$exact" B "" mix
	tracks "and both, outcome=1" "$ends" B "outcome=1" mix
done
ok "both have seen faults, too" sh -c \
	'test $(grep -c "workload.*beside: " trace) -gt 1000 -a $(grep -c handle_mm_fault trace) -gt 2000'
echo 0 >events/kprobes/beside/enable
echo >kprobe_events
echo nop >current_tracer
echo >set_ftrace_filter
echo >trace
cd /
start_stopped /workload run touch 100
dmesg_mark
insmod /pf_probe_A.ko process_id=$pid placement=ftrace probe_print=0
insmod /pf_probe_C.ko process_id=$pid placement=auto
insmod /pf_probe_B.ko process_id=$pid placement=ftrace
like "the first module gets the direct call" "$(dmesg_since)" "^pf_probe_A: .* placement: $direct$"
like "the next gets a callback" "$(dmesg_since)" "^pf_probe_B: .* placement: callback$"
kill -CONT $pid
wait $pid
faults=$(grep -c '^PID' /proc/pf_probe_B)
is "three modules at a time record the same" \
	"$(grep -c '^PID' /proc/pf_probe_A) $(grep -c '^PID' /proc/pf_probe_C)" "$faults $faults"
rmmod pf_probe_B
dmesg_mark
ok "placement=direct: a second one is refused" fails insmod /pf_probe_B.ko process_id=$idle \
	placement=direct
like "placement=direct: error" \
	"$(dmesg_since)" "^pf_probe_B: cannot place a direct call .*use placement=ftrace$"
ok "the other modules can be unloaded in any order" sh -c 'rmmod pf_probe_A && rmmod pf_probe_C'

# While a hook is placed, ftrace can't be switched off; while it is off, none can be placed.
for placement in ftrace callback; do
	insmod /pf_probe_B.ko process_id=$idle placement=$placement
	ok "$placement: ftrace can't be switched off" fails sh -c \
		'echo 0 >/proc/sys/kernel/ftrace_enabled'
	rmmod pf_probe_B
done
echo 0 >/proc/sys/kernel/ftrace_enabled
refused "ftrace switched off" "placement=ftrace: refused .*kernel.ftrace_enabled=0"
echo 1 >/proc/sys/kernel/ftrace_enabled
ok "no module after that" fails grep -q pf_probe /proc/modules
is "no hook in the function after that" \
	"$(grep handle_mm_fault /sys/kernel/tracing/enabled_functions)" ""

# Unloading while all CPUs and the target take faults.
for round in $(seq $nr_rounds); do
	[ $((round % 4)) -lt 2 ] && placement=ftrace || placement=callback
	[ $((round % 3)) = 1 ] && watched=outcome=1 || watched=
	while :; do /workload run threads 4; done &
	loader=$!
	if [ $((round % 2)) = 1 ]; then
		start_stopped /workload run fault-forever
		insmod /pf_probe_B.ko process_id=$pid placement=$placement $watched
	else
		start_stopped sh -c 'while :; do /workload run threads 4; done'
		insmod /pf_probe_B.ko process_id=$pid placement=$placement children=1 $watched \
			max_faults=20000 cont_store=1
	fi
	kill -CONT $pid
	wait_for sh -c 'test "$(grep -c "PID =" /proc/pf_probe_B)" -gt 1000'
	ok "round $round, $placement $watched: rmmod under load" rmmod pf_probe_B
	ok "round $round: no module after that" fails grep -q pf_probe /proc/modules
	kill -KILL $pid $loader
	wait $pid $loader 2>/dev/null
done
kill $idle
