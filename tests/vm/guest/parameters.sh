# SPDX-License-Identifier: GPL-2.0-or-later
# Any parameters: the module loads and can be unloaded, or there is an error and a message.
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
ok "no module is left loaded" fails grep -q pf_probe /proc/modules
ok "no file is left in /proc" fails test -e /proc/pf_probe_B
is "no kprobe is left" "$(cat /sys/kernel/debug/kprobes/list)" ""
after=$(available)
diag "available KiB: $before, $after"
ok "no memory is leaked" test "$after" -gt $((before - 8192))
kill $target
