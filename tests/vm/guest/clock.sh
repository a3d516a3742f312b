# SPDX-License-Identifier: GPL-2.0-or-later
# The time of a fault is CLOCK_MONOTONIC, between what the process itself reads before and after it:
# while the clock is slowed down and sped up, and set, and while its source changes.
. /tap.sh
nr_pages=$(($(runs 8) * 1000))
plan 10

source=/sys/devices/system/clocksource/clocksource0

# told DESC PARAMETERS: each page's time is within.
told() {
	result=$(/workload track B "$2" stamps $nr_pages)
	like "$1: all are recorded" "$result" "^difference=0 .*status=0 .*dropped=0 overwritten=0 missed=0"
	is "$1: pages, of them outside of the process's own times" \
		"$(awk 'NR == FNR { before[$1] = $2; after[$1] = $3; next }
			{ for (i = 1; i < NF; i++) if ($i == "Address") { page = $(i + 1); time = $(i + 4) } }
			page in before { nr++; if (time < before[page] || time > after[page]) { bad++
				if (bad < 4) print page, before[page], time, after[page] } }
			END { print nr + 0, bad + 0 }' /tmp/stamps /tmp/track.log | tr '\n' ' ')" "$nr_pages 0 "
	diag "$result"
}

# stir COMMAND...: again and again, until calm.
stir() {
	while :; do "$@"; done >/dev/null 2>&1 &
	stirrer=$!
}

calm() {
	kill $stirrer
	wait $stirrer 2>/dev/null
}

slew() {
	for tick in 9000 10000 11000 10500; do
		adjtimex -t $tick
		usleep 5000
	done
}

step() {
	date -s @1700000000
	usleep 7000
	date -s @1800000000
	usleep 7000
}

change_source() {
	for name in $(cat $source/available_clocksource); do
		echo $name >$source/current_clocksource
		usleep 20000
	done
}

diag "the clock is $(cat $source/current_clocksource), of $(cat $source/available_clocksource)"
told "at rest" ""
told "at rest, outcome=1" "outcome=1"
stir slew
told "slewed" ""
calm
adjtimex -t 10000 >/dev/null
now=$(date +%s)
stir step
told "set" ""
calm
date -s @$now >/dev/null
was=$(cat $source/current_clocksource)
stir change_source
told "another source" ""
calm
echo $was >$source/current_clocksource
