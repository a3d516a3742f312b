# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Functions for tests in which `user` loads the modules. To be read after tap.sh.

# Remove what the previous case left.
rm -rf /work
mkdir -p /etc /home/tester /work
echo 'root:x:0:0::/:/bin/sh
tester:x:1000:1001::/home/tester:/bin/sh' >/etc/passwd
echo 'tester:x:1001:
extra:x:2000:tester' >/etc/group
cd /work || exit 1

# The environment that sudo sets up. Not a function: in the background, $! would be a subshell.
# shellcheck disable=SC2034
by_sudo="env SUDO_UID=1000 SUDO_GID=1001 SUDO_USER=tester HOME=/ USER=root LOGNAME=root"

loaded() {
	lsmod | grep -q '^pf_probe'
}

recording() { # PROBE: true if some faults are in the growing log
	grep -q 'PID = ' "out/pf_probe_$1.log.part"
}

# account PROBE COUNTED: describes the log in one line, with the difference to the number of faults
# that the kernel counted, which does not include failed ones.
account() {
	log=out/pf_probe_$1.log
	lines=$(grep -c 'PID = ' "$log")
	failed=$(grep -c -E ' result=(sig|oom|hw|err)' "$log")
	target=$(tail -n 1 "$log" | sed -n "s/^# recorded=$lines .* target=\([a-z]*\).*/\1/p")
	echo "difference=$((lines - failed - $2)) enough=$((lines > 20)) target=$target" \
		"loaded=$(loaded && echo yes) plots=$(grep -c '^ *page number +' err | sed 's/[2-9]/many/')" \
		"owner=$(stat -c %u:%g:%a "$log") $(files)"
}

# The files in out/. A log that is kept, to which pf_probe_X.log is a link, is shown as KEPT.
files() {
	for file in out/* out/.[!.]*; do
		case $file in
		out/*-[0-9]*.pf_probe_[ABC].log)
			[ "$file" -ef "out/pf_probe_${file##*.pf_probe_}" ] && echo KEPT || echo "$file"
			;;
		'out/*' | 'out/.[!.]*') ;;
		*) echo "${file#out/}" ;;
		esac
	done | sort | xargs
}

# whole PROBE TARGET: the line that account should print.
whole() {
	case $1 in A) plots=0 ;; B) plots=1 ;; C) plots=many ;; esac
	echo "difference=0 enough=1 target=$2 loaded= plots=$plots owner=1000:1001:600" \
		"KEPT pf_probe_$1.log"
}

# The kernel's count for the command; with children=1, the default, including children that it has
# waited for.
counted() { # PARAMETERS
	pair=$(sed -n 's/.* kernel counted \([0-9]*\) .* since its exec, \([0-9]*\) of.*/\1 \2/p' err)
	case $1 in
	*children=0* | *--fast*) echo "${pair% *}" ;;
	*) echo $((${pair% *} + ${pair#* })) ;;
	esac
}

counts() { # PID: the kernel's count so far
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $8 + $10 }'
}
