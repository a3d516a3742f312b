# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# For scripts that wait for other programs: what these are doing, as a line on a terminal.

# begin_showing COMMAND: from the second second on, show what the command prints, and for how long
# this has been going on, until end_showing. Without a terminal on standard error it does nothing.
begin_showing() {
	shower=
	[ -t 2 ] && [ "${TERM:-dumb}" != dumb ] || return 0
	(
		begun=$(date +%s)
		while sleep 0.5 && kill -0 $$ 2>/dev/null; do
			spent=$(($(date +%s) - begun))
			[ $spent -lt 1 ] ||
				printf '\r%s, %d:%02d\033[K' "$($1)" $((spent / 60)) $((spent % 60)) >&2
		done
	) &
	shower=$!
}

end_showing() {
	[ -n "$shower" ] || return 0
	kill $shower
	wait $shower 2>/dev/null || true
	printf '\r\033[K' >&2
	shower=
}
