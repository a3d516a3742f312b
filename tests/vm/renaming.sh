# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Functions for the cases that map files while directories are renamed.

# renames_round A|B DEPTH FILES: traces the storm. Writes the module's record to /tmp/recorded, and
# the log of `user` to /tmp/log.
renames_round() {
	/renames storm /tmp/storm "$2" "$3" >/tmp/said &
	pid=$!
	wait_for stopped $pid || return
	insmod "/pf_probe_$1.ko" process_id=$pid
	kill -CONT $pid
	wait $pid || return
	cat "/proc/pf_probe_$1" >/tmp/recorded
	/user -o /tmp/log "$1" >/dev/null 2>&1
	dmesg_mark
	rmmod "pf_probe_$1"
}

# renames_number KEY FILE: the sum of KEY over all lines of FILE.
renames_number() {
	sed -n "s/.* $1=\([0-9]*\).*/\1/p" "$2" | awk '{ sum += $1 } END { print sum + 0 }'
}

# renames_storm DEPTH SECONDS: rounds of 4,000 files (2,000 in a quick run), for SECONDS or a little
# longer; four checks.
renames_storm() {
	named=0 unknown=0 bad=0 lost=0 files=0
	[ "${QUICK:-0}" = 1 ] && nr_files=2000 || nr_files=4000
	end=$(($(tap_uptime_s) + $2))
	while [ "$(tap_uptime_s)" -lt $end ]; do
		renames_round B "$1" $nr_files || break
		/renames scan /tmp/storm "$1" </tmp/recorded >/tmp/scanned || diag "$(cat /tmp/scanned)"
		named=$((named + $(renames_number named /tmp/scanned)))
		unknown=$((unknown + $(renames_number unknown /tmp/scanned)))
		bad=$((bad + $(renames_number bad /tmp/scanned)))
		lost=$((lost + $(renames_number names_lost /tmp/recorded)))
		dmesg_since >/tmp/plot
		for other in /tmp/log /tmp/plot; do
			/renames scan /tmp/storm "$1" <$other >/tmp/scanned ||
				bad=$((bad + $(renames_number bad /tmp/scanned)))
		done
		files=$((files + nr_files))
	done
	diag "$1 directories: $files files, named=$named unknown=$unknown bad=$bad," \
		"the last round: $(cat /tmp/said)"
	is "$1 directories deep: paths are real ones or ?" "$bad" 0
	is "each file has a name or ?" $((named + unknown)) $files
	ok "some files have names" test "$named" -gt 0
	is "each ? is counted" "$lost" $unknown
	rm -rf /tmp/storm /tmp/log /tmp/recorded
}
