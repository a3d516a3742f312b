# SPDX-License-Identifier: GPL-2.0-or-later
# Whatever the parameters: a module that is unloaded again, or an error and a line that says why.
# vm: long
. /tap.sh
plan 5

nr=1000
[ "${QUICK:-0}" = 1 ] && nr=60
seed=$(od -A n -t u4 -N 4 /dev/urandom | tr -d ' ')
sleep 100000 &
target=$!

available() {
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^MemAvailable:/ { print $2 }' /proc/meminfo
}

/parameters 20 1 $target >/dev/null
before=$(available)
result=$(/parameters $nr "$seed" $target)
like "$nr strings, seed $seed" "$result" "^loaded=[1-9][0-9]* EINVAL=[1-9]"
diag "$result"
ok "no module is left" fails grep -q pf_probe /proc/modules
ok "no file in /proc" fails test -e /proc/pf_probe_B
is "no probe" "$(cat /sys/kernel/debug/kprobes/list)" ""
after=$(available)
diag "available KiB: $before, $after"
ok "no memory" test "$after" -gt $((before - 8192))
kill $target
