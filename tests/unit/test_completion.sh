#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Completion for bash: the options and words of --help, no more and no less.

. "$(dirname "$0")/user.sh"
tree=$(realpath -- "$(dirname "$0")/../..")
library=/usr/share/bash-completion/bash_completion
if [ ! -r $library ]; then
	echo "Bail out! There is no $library: install the package bash-completion"
	exit 1
fi

# Print what bash would offer at the end of a line, one per line, sorted. As bash does, it splits
# words also at =. compopt works only in bash's own completion.
offered() { # LINE
	bash -c '. "$0"
		. "$1/doc/completion/${2%% *}"
		compopt() { :; }
		read -ra COMP_WORDS <<<"${2//=/ = }"
		[[ $2 != *" " ]] || COMP_WORDS+=("")
		COMP_LINE=$2 COMP_POINT=${#2} COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		"_${2%% *}"
		((${#COMPREPLY[@]} == 0)) || printf "%s\n" "${COMPREPLY[@]}" | sort -u' \
		$library "$tree" "$1" 2>err
}

# What is offered at the end of the line is these words.
offers() { # LINE [WORDS]
	check [ "$(offered "$1" | paste -s -d ' ')" = \
		"$(tr -s ' \n' '\n' <<<"${2:-}" | sed '/^$/d' | sort -u | paste -s -d ' ')" ]
}

# Print the help of page_fault_plot, without line breaks in an option's text.
plotter() {
	COLUMNS=10000 "${PYTHON:-/usr/bin/python3}" "$tree/page_fault_plot.py" --help
}

# Print the words that the help of an option of page_fault_plot lists: a, b (a note) or c.
listed() { # OPTION BEFORE AFTER: patterns around the list
	sed -n "s/^  $1 .*$2\(.*\)$3.*/\1/p" help | sed 's/ ([^()]*)//g; s/ or /, /g; s/, /\n/g'
}

pf_user_offers_the_options_of_its_help() {
	run 0 --help
	sed -n 's/^  \(-[^ ,]\), *\(--[a-z]*\).*/\1\n\2/p; s/^  \(-[A-Z]\)  .*/\1/p
		s/^      \(--[a-z]*\).*/\1/p' msg >options
	check [ "$(wc -l <options)" -gt 20 ]
	offers "pf_user -" "-- $(cat options)"
}

pf_user_offers_nothing_else_for_the_value_of_an_option() {
	run 0 --help
	sed -n 's/^ .*\(--[a-z]*\)=.*/\1/p; s/^  \(-[a-z]\), --[a-z]*=.*/\1/p' msg >options
	check [ "$(wc -l <options)" -gt 6 ]
	while read -r option; do
		offered "pf_user $option " >out
		check eval '! grep -q children out'
	done <options
	offers "pf_user --duration="
	touch a.log
	offers "pf_user --output=a" "a.log"
	offers "pf_user --top=" "all region mapping thread process program function"
	offered "pf_user --pid=" >pids
	check grep -qx $$ pids
}

pf_user_offers_the_parameters_of_the_modules() {
	sed -n 's/^module_param[a-z_]*(\([a-z_]*\), .*/\1=/p' "$tree/pf_common.h" |
		grep -v process_id >parameters
	check [ "$(wc -l <parameters)" -gt 5 ]
	offers "pf_user " "A B C $(cat parameters)"
	offers "pf_user -B chi" "children="
	sed -n 's/^module_param(\([a-z_]*\), bool, .*/\1/p' "$tree/pf_common.h" >booleans
	while read -r name; do
		offers "pf_user $name=" "0 1"
	done <booleans
	sed -n 's/.*"Kind of hook: \(.*\)".*/\1/p' "$tree/pf_common.h" | sed 's/ or /, /' |
		tr -d , >placements
	offers "pf_user -B placement=" "$(cat placements)"
	offers "pf_user -B maps=" "exec all none"
}

pf_user_offers_commands_after_two_dashes() {
	touch traced.c
	offers "pf_user -B outcome=1 -- cat tra" "traced.c"
	offered "pf_user -- seq" >commands
	check grep -qx seq commands
}

page_fault_plot_offers_the_options_of_its_help() {
	plotter >help
	sed -n 's/^  \(-.*\)/\1/p' help | sed 's/  .*//; s/, /\n/g' | sed 's/ .*//' >options
	check [ "$(wc -l <options)" -gt 25 ]
	offers "page_fault_plot -" "$(cat options)"
}

page_fault_plot_offers_the_words_of_its_help() {
	plotter >help
	for option in --view --sort; do
		sed -n "s/^  $option {\(.*\)}.*/\1/p" help | tr , '\n' >words
		check [ "$(wc -l <words)" -gt 3 ]
		offers "page_fault_plot x.log $option " "$(cat words)"
	done
	listed --by "a row for each " "; default" >words
	check [ "$(wc -l <words)" -gt 10 ]
	offers "page_fault_plot x.log --by " "$(cat words)"
	offers "page_fault_plot x.log --by=func" "function"
	offers "page_fault_plot x.log --by map,l" "map,latency map,line"
	for option in region kind access mode; do
		listed "--$option" "  " "" >words
		check [ "$(wc -l <words)" -gt 2 ]
		offers "page_fault_plot x.log --$option " "$(cat words)"
	done
	offers "page_fault_plot x.log --region heap,sp" "heap,special"
	offers "page_fault_plot x.log --result m" "major minor"
	offers "page_fault_plot x.log --top "
}

page_fault_plot_offers_the_suffixes_of_its_help() {
	plotter >help
	listed -o "file to write: " "\. - before the suffix" >suffixes
	check [ "$(wc -l <suffixes)" -gt 9 ]
	offers "page_fault_plot x.log -o pic" "$(sed 's/^/pic/' suffixes)"
	offers "page_fault_plot x.log -o pic.tr" "pic.trace.json pic.trace.json.gz"
	offers "page_fault_plot x.log -o -" "$(grep -v sqlite suffixes | sed 's/^/-/')"
	offers "page_fault_plot x.log -o a.log" "$(sed 's/^/a.log/' suffixes)"
}

page_fault_plot_offers_logs() {
	mkdir out
	touch a.log b.log.xz c.log.gz d.log.zst e.png
	offers "page_fault_plot " "a.log b.log.xz c.log.gz d.log.zst out"
	offers "page_fault_plot a.log --compare " "a.log b.log.xz c.log.gz d.log.zst out"
	offers "page_fault_plot --by b" "b.log.xz"
	offers "page_fault_plot a.log -o e" "$(printf 'e.%s ' png svg pdf html csv jsonl sqlite \
		trace.json sh csv.gz jsonl.gz trace.json.gz)"
	offers "page_fault_plot a.log --root " "out"
}

run_cases
