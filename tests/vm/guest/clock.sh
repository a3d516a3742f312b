# SPDX-License-Identifier: GPL-2.0-or-later
# The time of a fault is CLOCK_MONOTONIC, between the times that the process itself reads before and
# after it; also while the clock is slewed, stepped, or gets another source.
. /tap.sh
nr_pages=$(($(runs 8) * 1000))
plan 10

source=/sys/devices/system/clocksource/clocksource0

# within DESC PARAMETERS: the time of each fault is between the process's own times.
within() {
	result=$(/workload track B "$2" stamps $nr_pages)
	like "$1: all faults are recorded" \
		"$result" "^difference=0 .*status=0 .*dropped=0 overwritten=0 missed=0"
	is "$1: number of pages, and of those outside of the process's own times" \
		"$(awk 'NR == FNR { before[$1] = $2; after[$1] = $3; next }
			{ for (i = 1; i < NF; i++) if ($i == "Address") { page = $(i + 1); time = $(i + 4) } }
			page in before { nr++; if (time < before[page] || time > after[page]) { bad++
				if (bad < 4) print page, before[page], time, after[page] } }
			END { print nr + 0, bad + 0 }' /tmp/stamps /tmp/track.log | tr '\n' ' ')" "$nr_pages 0 "
	diag "$result"
}

# stir COMMAND...: runs it again and again, until calm.
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
within "undisturbed" ""
within "undisturbed, outcome=1" "outcome=1"
stir slew
within "slewed" ""
calm
adjtimex -t 10000 >/dev/null
now=$(date +%s)
stir step
within "stepped" ""
calm
date -s @$now >/dev/null
was=$(cat $source/current_clocksource)
stir change_source
within "changing source" ""
calm
echo $was >$source/current_clocksource
