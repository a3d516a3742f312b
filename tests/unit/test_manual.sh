#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The manual pages agree with the programs, the modules and the benches.

. "$(dirname "$0")/user.sh"
tree=$(realpath -- "$(dirname "$0")/../..")

# The same lines, in any order, and at least one.
same() {
	sort -u "$1" >"$1.sorted"
	[ -s "$1" ] && sort -u "$2" | diff "$1.sorted" -
}

# Print a section of a page.
section() { # PAGE TITLE...
	local page=$tree/doc/$1
	shift
	awk -v title="$*" '/^\.S[hs]/ { inside = $0 ~ "^.S[hs] " title "$" } inside' "$page"
}

both_pages_are_sound() {
	mandoc -T lint "$tree"/doc/*.8 2>&1 |
		grep -v -e 'referenced manual not found' -e 'outdated mandoc.db' >lint
	check [ ! -s lint ]
	for page in pf_user pf_probe; do
		# Bold letters are printed twice, with a backspace in between.
		mandoc -T ascii "$tree/doc/$page.8" | sed 's/.\x08//g' | awk 'length > 80' >wide
		check [ ! -s wide ]
	done
}

help_and_page_have_the_same_options() {
	run 0 --help
	sed -n 's/^  \(-[^ ,]\), *\(--[a-z]*\).*/\1\n\2/p; s/^  \(-[A-Z]\)  .*/\1/p
		s/^      \(--[a-z]*\).*/\1/p' msg >in_help
	section pf_user.8 OPTIONS | sed -n 's/^\.It Fl //p' | sed 's/ Ar .*//; s/\\&//g' |
		tr -s ' ,' '\n' | sed 's/^/-/' >in_page
	check same in_help in_page
	# The same options take an argument.
	sed -n 's/^ .*\(--[a-z]*\)=.*/\1/p' msg >in_help
	section pf_user.8 OPTIONS | sed -n 's/^\.It Fl .*\(-[a-z][a-z]*\) Ar .*/-\1/p' >in_page
	check same in_help in_page
}

the_synopsis_has_all_options() {
	section pf_user.8 OPTIONS | sed -n 's/^\.It Fl \([^ ]*\).*/\1/p' | grep -v '[?V]' |
		grep -v usage >options
	section pf_user.8 SYNOPSIS | sed -n 's/^\.\(Op \)*Fl \([^ ]*\)\(.*\)/\2 \3/p' >synopsis
	check [ "$(wc -l <options)" -gt 8 ]
	while read -r option; do
		case $option in
		?) check grep -q "^\([a-zA-Z]*$option\|A .*$option\)" synopsis ;;
		*) check grep -q -e "^$option " synopsis ;;
		esac
	done <options
}

help_and_page_have_the_same_exit_statuses() {
	run 0 --help
	tr '\n' ' ' <msg | sed 's/.*Exit status: //' | grep -oE '\b[0-9]+\b' >in_help
	section pf_user.8 EXIT STATUS | grep -oE '\b[0-9]+\b' >in_page
	check same in_help in_page
}

all_parameters_of_the_modules_are_in_the_page() {
	sed -n 's/^MODULE_PARM_DESC(\([a-z_]*\),.*/\1/p' "$tree/pf_common.h" >in_modules
	section pf_probe.8 PARAMETERS | sed -n 's/^\.It Cm //p' | tr -s ' ,' '\n' >in_page
	check same in_modules in_page
}

# Keys in the source: between a blank and a %, a quotation mark, or the end of the line.
all_keys_of_the_log_are_in_the_page() {
	grep -hoE '[" ][a-z_]+=(["%]|$)' "$tree/pf/fault_line.h" | tr -d '"% =' >keys
	sed -n '/^static void pf_proc_show_summary/,/^}/p' "$tree/pf/proc_text.h" |
		grep -oE '[" ][a-z_]+=["%]' | tr -d '"% =' >>keys
	{
		section pf_probe.8 Keys of a fault
		section pf_probe.8 Keys of the summary
	} | sed -n 's/^\.It Cm //p' | tr -s ' ,' '\n' >in_page
	check [ "$(sort -u keys | wc -l)" -gt 15 ]
	while read -r key; do
		check grep -qx "$key" in_page
	done <keys
}

every_rule_names_tests_that_exist() {
	# Numbers stand for the tests.
	grep -o '\[[0-9]*\]' "$tree/SECURITY.md" | tr -d '[]' | sort -nu >used
	sed -n 's/^\([0-9][0-9]*\)\. .*/\1/p' "$tree/SECURITY.md" >listed
	check [ "$(wc -l <listed)" -gt 20 ]
	check cmp used listed
	sed -n '/^[0-9][0-9]*\. /p' "$tree/SECURITY.md" | grep -o '`[a-z_A-Z]*`' | tr -d '`' >cases
	check [ "$(wc -l <cases)" -gt 15 ]
	while read -r name; do
		check grep -q "^$name() {" "$tree"/tests/unit/test_user*.sh
	done <cases
	for name in $(sed -n '/^[0-9][0-9]*\. /p' "$tree/SECURITY.md" | grep -o 'tests/[a-z_./]*[a-z]'); do
		check [ -f "$tree/$name" ]
	done
}

overhead_matches_the_benches() {
	section pf_user.8 OVERHEAD | sed -n 's/^\.It \(pf_probe_B.*\)/\1/p' |
		sed 's/  *Ta  */:/g' >in_page
	check [ "$(wc -l <in_page)" -ge 4 ]
	while IFS=: read -r name traced other; do
		check grep -q "^| $name | read | $traced | [^|]* | [^|]* | $other |" \
			"$tree/bench/results.md"
	done <in_page
	check grep -q 'a read fault takes 1,280 instructions' "$tree/bench/results.md"
	check grep -q 'takes 1,280\.$' "$tree/doc/pf_user.8"
}

run_cases
