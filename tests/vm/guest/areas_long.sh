# SPDX-License-Identifier: GPL-2.0-or-later
# The lines about address spaces: each mode of areas.c with each kind of hook, attached to while it
# runs, in large numbers.
# vm: long
. /tap.sh
. /tracing.sh
. /comparing.sh
[ "${QUICK:-0}" = 0 ] || skip_all "not in a quick run"

placements="auto entry"
has_ftrace_arguments && placements="$placements ftrace callback"
plan $((2 * 26 * $(echo $placements | wc -w) + 10 + 24 + 5))

some() { # PARAMETERS: 26 checks
	for mode in "jit 30" "toggle 1000" "parts 5" "remap 5" "reuse 12" "names 12"; do
		# shellcheck disable=SC2086
		compared "$1" areas $mode
	done
	compared "$1" areas_dynamic libraries 12
	compared "$1" areas_pie jit 6
	compared "$1 children=1" areas fork 3
	compared "$1 children=1" areas_dynamic vfork 12
	compared "$1 children=1" areas spawn 6
	compared "$1 children=1" areas shared 5
	compared "$1" areas exec 9
}
for placement in $placements; do
	some "max_faults=60000 placement=$placement"
	export AREAS_ALL=1
	some "max_faults=60000 placement=$placement outcome=1 maps=all"
	unset AREAS_ALL
done

# In large numbers.
compared "children=1" areas_dynamic vfork 400
compared "children=1 outcome=1" areas spawn 100
compared "" areas toggle 30000
compared "" areas jit 1500
compared "children=1" areas exec 40

for params in "" "--fast maps=all"; do
	attached "$params" areas jit 30
	attached "$params" areas toggle 400
	attached "$params" areas remap 6
	attached "$params" areas_dynamic libraries 12
done

# Perhaps more files than there is room for: each area without a file's number is counted.
compared "max_faults=20000" areas files 3000
files_lost=$(echo "$result" | sed -n 's/.* files_lost=\([0-9]*\).*/\1/p')
ok "3,000 files: each area without a file is counted" \
	test "$(number unnamed)" -le "${files_lost:-0}"
ok "3,000 files: there are lines of files" test "$(grep -c '^# file ' /tmp/track.log)" -gt 100
ok "3,000 files: at most one line says that lines are missing" test "$(number lost_lines)" -le 1
rm -rf /tmp/code-* $said
