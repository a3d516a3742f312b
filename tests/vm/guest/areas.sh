# SPDX-License-Identifier: GPL-2.0-or-later
# The lines about address spaces: every instruction is in an area, and in the right one.
. /tap.sh
. /tracing.sh
. /comparing.sh
plan 89

small="max_faults=40000"

# Areas that come, go, move and change.
compared "$small" areas jit 24
ok "jit: each function's fault is in its place" test "$(number ranged)" -ge "$(number touches)"
compared "$small" areas toggle 2000
ok "a page that is written and executed in turn takes little room" \
	test "$(grep -c '^# map ' /tmp/track.log)" -lt 50
compared "$small" areas parts 3
compared "$small outcome=1" areas remap 3
compared "$small children=1" areas reuse 12
compared "$small" areas_dynamic libraries 11
ok "libraries: some were loaded at the address of the one before" \
	grep -q '^# [1-9][0-9]* of 11 libraries' $said
for name in areas_dynamic areas_one.so areas_two.so libc.so.6; do
	like "libraries: $name has a line with its build-id" "$(cat /tmp/track.log)" \
		"^# file time=[0-9]+ nr=[0-9]+ dev=[0-9a-f]+:[0-9a-f]+ ino=[0-9]+ size=[0-9]+ \
mtime=[0-9]+\.[0-9]{9} build_id=[0-9a-f]{40} path=/$name$"
done

# Threads, processes, programs.
compared "$small" areas names 8
compared "$small children=1" areas fork 2
like "a forked child has a copy" "$(cat /tmp/track.log)" "^# child .* comm=areas space=copy$"
compared "$small" areas fork 2
compared "$small children=1 outcome=1" areas vfork 12
like "a child by vfork shares the memory" "$(cat /tmp/track.log)" \
	"^# child .* comm=areas space=shared$"
compared "$small children=1" areas spawn 3
compared "$small children=1" areas shared 3
compared "$small" areas shared 3
compared "$small" areas exec 6
is "six programs, six address spaces" "$(grep -c '^# space time=' /tmp/track.log)" 6
compared "$small children=1 outcome=1" areas exec 6

# The memory that belongs to the program's file, however it is linked. A fault for each page.
thp=/sys/kernel/mm/transparent_hugepage/enabled
[ ! -e $thp ] || before=$(sed 's/.*\[\(.*\)\].*/\1/' $thp)
[ ! -e $thp ] || echo never >$thp
for program in areas areas_pie areas_dynamic; do
	compared "$small" $program own
	is "$program own: all of it is seen" "$(number regions)" 120
done
[ ! -e $thp ] || echo "$before" >$thp

# The parameter.
AREAS_ALL=1
export AREAS_ALL
compared "$small maps=all" areas_dynamic libraries 4
ok "maps=all: there are areas that are not executable" grep -q '^# map .* prot=rw-p ' /tmp/track.log
compared "$small maps=all children=1" areas remap 2
unset AREAS_ALL
like "maps=all: the head says so" "$(head -n 1 /tmp/track.log)" " maps=all$"
like "maps=none: exact" "$(/workload track B "$small maps=none children=1" command \
	/areas $said fork 1)" "^difference=0 .*status=0 "
like "maps=none: the head says so" "$(head -n 1 /tmp/track.log)" " maps=none$"
is "maps=none: no line about address spaces" \
	"$(grep -c -E '^# (file|map|space|comm|exit|maps-lost) ' /tmp/track.log)" 0
ok "maps=none: children have lines" grep -q '^# child ' /tmp/track.log
if has_ftrace_arguments; then
	compared "$small placement=ftrace" areas remap 2
	compared "$small placement=ftrace children=1" areas exec 3
else
	skip 4 "no placement=ftrace"
fi

# There is room for 1,024 lines.
compared "max_faults=8000" areas fill 2000
is "overflow: one line" "$(grep -c '^# maps-lost time=[0-9]*$' /tmp/track.log)" 1
like "overflow: the summary counts them" "$result" " maps_lost=[1-9][0-9]{2,} "
ok "overflow: the lines before are right" test "$(number excused)" -lt "$(number areas)"
rm -rf out err $said
$by_sudo /user --root max_faults=8000 -- /areas $said fill 2000 2>err
like "overflow: user reports it" "$(cat err)" "^user: LOST: [0-9]+ changes of address spaces"


# Whether an area has grown cannot be seen while another thread has the lock: then it is counted,
# if it may be executable.
maps_lost() {
	sed -n 's/^# recorded=.* maps_lost=\([0-9]*\) .*/\1/p' /tmp/track.log
}
for mode in grow grow-data; do
	like "$mode, beside other threads: exact" "$(/workload track B "" command \
		/areas $said $mode 3000)" "^difference=0 .*status=0 "
	lines=$(grep -c '^# map .* start=0x100040000000 ' /tmp/track.log)
	diag "$lines lines, $(maps_lost) lost"
	[ $mode = grow ] && expected=3001 || expected=0
	is "$mode: each executable area has a line, or is counted as lost" \
		$((lines + $(maps_lost))) $expected
done

# Names of threads have room of their own, for 1,024 of them here.
/workload track B "max_faults=8000" command /bin/sh -c \
	'i=0; while [ $i -lt 1500 ]; do i=$((i + 1)); echo n$i >/proc/$$/comm; done' >/dev/null
is "many names: they have lines" "$(grep -c '^# comm ' /tmp/track.log)" 1024
like "many names: the others are counted" "$(tail -n 2 /tmp/track.log)" \
	" maps_lost=4[0-9]{2} files_lost=0"
ok "many names: no area is lost" fails grep -q '^# maps-lost' /tmp/track.log
# The kernel writes long arguments to the new stack while the old address space is still in use.
long=$(head -c 90000 /dev/zero | tr '\0' x)
/workload track B "maps=all children=1" command /bin/sh -c \
	"exec /bin/sh -c 'read -r line </proc/self/maps; exit 0' $long" >/dev/null
like "long arguments: all is recorded" "$(tail -n 2 /tmp/track.log)" "target=exited .* maps_lost=0"
# Up to 5.10, the new address space begins with it, before it gets its final place.
ok "long arguments: their stack is in no address space but the new one" awk '
	/^# space / { is_new = 1 }
	/^# map / {
		if (/ end=0x7ffffffff000 / && !is_new)
			exit 1
		is_new = 0
	}' /tmp/track.log

attached "" areas jit 16
attached "--fast" areas_dynamic libraries 8
# attach_no_names: the code of before had no names, as none of its faults was recorded.
sed '/PID = /q' out/pf_probe_B.log >/tmp/before
ok "--pid: the code of before has areas, before the first fault" \
	grep -q '^# map .* prot=r-xp .* file=[0-9]' /tmp/before
like "--pid: and files" "$(cat /tmp/before)" "^# file .* path=/areas_dynamic$"
attached "maps=all" areas names 6
rm -rf /tmp/code-* /tmp/before $said
