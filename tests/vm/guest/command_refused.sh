# SPDX-License-Identifier: GPL-2.0-or-later
# `user -- COMMAND` fails: it says why and what to do, and leaves no module and no file behind.
# Compressed modules. Runs last, because in the end this kernel refuses all modules.
# vm: long
# vm: last
# vm: packed
. /tap.sh
. /tracing.sh
plan 74

left() {
	echo "$(loaded && echo loaded) $(ls -A out 2>/dev/null | xargs)"
}

# refused DESC STATUS WORDS COMMAND...
refused() {
	desc=$1 wanted=$2 words=$3
	shift 3
	rm -rf out err
	"$@" >stdout 2>err
	is "$desc: status" $? "$wanted"
	like "$desc: message" "$(cat err)" "^user: $words"
	is "$desc: nothing is left" "$(left)" " "
}

# changed FILE STRING OFFSET BYTES: overwrites a part of each string that begins with STRING.
changed() {
	strings -n 3 -t d "$1" | awk -v string="$2" -v offset="$3" 'index($2, string) == 1 {
		print $1 + (offset == "SMP" ? index($0, "SMP") - index($0, string) : offset) }' |
		while read -r at; do
			printf %s "$4" | dd of="$1" bs=1 seek="$at" conv=notrunc 2>/dev/null
		done
}

# beside FOLDER: a copy of `user` and its module.
beside() {
	mkdir "$1"
	cp /user /pf_probe_B.ko "$1"
}

refused "not root" 125 "only root can load a module: run it with sudo$" \
	su tester -c "/user -- true"
refused "root, but not by sudo" 125 "you are root without sudo .*--root runs it as root" \
	/user -- true
refused "no such command" 127 "nothing-there: No such file or directory$" \
	/user --root -- nothing-there
refused "a folder" 126 "/tmp: Permission denied$" /user --root -- /tmp
refused "no such parameter" 125 "pf_probe_B has no parameter nonsense$" \
	/user --root nonsense=1 -- true
refused "a parameter that is refused" 125 "/pf_probe_B.ko: Invalid argument$" \
	/user --root max_faults=0 -- true
like "max_faults=0: the module's message is shown" \
	"$(cat err)" "^pf_probe_B: max_faults=0: .*1 or more"

echo 0 >/sys/kernel/debug/kprobes/enabled
refused "kprobes switched off" 125 "/pf_probe_B.ko: Device or resource busy$" /user --root -- true
like "kprobes: the module's message is shown" \
	"$(cat err)" "^pf_probe_B: kprobes are switched off: write 1"
echo 1 >/sys/kernel/debug/kprobes/enabled

beside planted
chown 1000 planted/pf_probe_B.ko
refused "a module of another user" 125 \
	"/work/planted/pf_probe_B.ko: not loaded: users other than root and you can change it" \
	planted/user --root -- true
# A user's FUSE file system can report any owner.
mkdir served
/fuse serve /work/served &
server=$!
wait_for grep -q ' /work/served fuse ' /proc/mounts
folder=/work/served/a/b/c
for file in user pf_probe_B.ko; do
	mount --bind /$file $folder/$file
done
ok "a module in a file system that root serves" $folder/user --root -- true
mount -o remount,bind,nosuid /work/served
refused "a module in one that a user serves" 125 \
	"$folder/pf_probe_B.ko: not loaded: .* its directory" $folder/user --root -- true
umount $folder/user
umount $folder/pf_probe_B.ko
wait_for umount /work/served
wait $server
beside lacking
changed lacking/pf_probe_B.ko si_mem_available 0 x
refused "a kernel that lacks a symbol" 125 \
	"the kernel lacks an option that the module needs: CONFIG_KPROBES, CONFIG_KRETPROBES or \
CONFIG_TRACEPOINTS$" \
	lacking/user --root -- true
like "the kernel's message is shown" "$(cat err)" "^pf_probe_B: Unknown symbol xi_mem_available"
# A kernel whose kretprobes are not those that the module knows: the name that it compares is wrong.
beside refusing
changed refusing/pf_probe_B.ko %ps 0 x
refused "outcome=1 where that is not possible" 125 "/work/refusing/pf_probe_B.ko: " \
	refusing/user --root outcome=1 -- true
rm -rf out err
refusing/user --root -- true 2>err
is "by default it is left out: status" $? 0
like "by default it is left out: message" "$(cat err)" \
	"^user: outcome=1 is not possible with this kernel, and is left out$"
ok "by default it is left out: there is a log" \
	grep -q "^# recorded=.* children=" out/pf_probe_B.log

# As in a container.
touch drop_caches
mount --bind /proc/sys/vm/drop_caches drop_caches
mount --bind drop_caches /proc/sys/vm/drop_caches
mount -o remount,bind,ro /proc/sys/vm/drop_caches
refused "--cold where it is not possible" 125 \
	"the page cache cannot be emptied: /proc/sys/vm/drop_caches: Read-only file system$" \
	/user --root --cold -- true
umount /proc/sys/vm/drop_caches
umount drop_caches
beside foreign
changed foreign/pf_probe_B.ko vermagic= SMP XMP
refused "a module for another kernel" 125 \
	"it was not built for this kernel: make clean, then make$" foreign/user --root -- true

# Dead before its first instruction: a program that can't be mapped, which the kernel notices too
# late to return an error, and one that is killed while the module is being loaded.
{
	head -c 56 /workload
	printf '\001\000\000\000\000\000\000\000' # one segment
	printf '\001\000\000\000\005\000\000\000\000\000\000\000\000\000\000\000'
	printf '\000\000\000\000\000\000\000\200\000\000\000\000\000\000\000\200' # at 1 << 63
	printf '\000\020\000\000\000\000\000\000\000\020\000\000\000\000\000\000'
	printf '\000\020\000\000\000\000\000\000'
	head -c 4096 /dev/zero
} >unmappable
chmod 755 unmappable
refused "a program that can't be mapped" 125 "./unmappable: ended before its first instruction$" \
	/user --root -- ./unmappable
cp /bin/busybox victim
until killall -q -KILL victim; do :; done &
killer=$!
refused "a command killed while the module is being loaded" 125 \
	"(PID [0-9]+: ended before its first instruction|/pf_probe_B.ko: Invalid argument)$" \
	/user --root max_faults=8000000 -- ./victim sleep 60
wait $killer

# Modules as installed by distributions that compress them.
mkdir elsewhere
cp /user elsewhere/
installed=/lib/modules/$(uname -r)
mkdir -p $installed/updates $installed/kernel
packed() { # DESC
	rm -rf out err
	elsewhere/user --root -- echo traced >stdout 2>err
	is "$1: the command's status" $? 0 || diag "$(cat err)"
	ok "$1: there is a log" grep -q 'PID = ' out/pf_probe_B.log
	ok "$1: nothing is loaded" fails loaded
}
gzip -c /pf_probe_B.ko >$installed/updates/pf_probe_B.ko.gz
packed "gzip"
mv $installed/updates/pf_probe_B.ko.gz whole
head -c $(($(wc -c <whole) / 2)) whole >$installed/updates/pf_probe_B.ko.gz
refused "half of a file" 125 \
	"/lib/modules/.*/updates/pf_probe_B.ko.gz: gzip cannot decompress it$" \
	elsewhere/user --root -- true
unlike "half of a file: no other message" "$(cat err)" "not built for this kernel"
rm $installed/updates/pf_probe_B.ko.gz
cp /packed/pf_probe_B.ko.xz $installed/kernel/
echo "kernel/pf_probe_B.ko.xz:" >$installed/modules.dep
packed "xz, where depmod found it"
# This zstd is gzip in disguise, so the kernel can't decompress the module itself.
gzip -c /pf_probe_B.ko >$installed/kernel/pf_probe_B.ko.zst
mkdir -p /usr/bin
printf '#!/bin/sh\nexec gzip "$@"\n' >/usr/bin/zstd
chmod 755 /usr/bin/zstd
echo "kernel/pf_probe_B.ko.zst:" >$installed/modules.dep
packed "zstd"

# These can't be undone. Each refuses unsigned modules before anything else.
mkdir -p /sys/kernel/security
mount -t securityfs security /sys/kernel/security 2>/dev/null
if echo integrity >/sys/kernel/security/lockdown; then
	refused "lockdown" 125 \
		"the kernel is locked down, usually because of Secure Boot: sign the module" /user --root -- true
else
	skip 3 "no lockdown in this kernel"
fi
if echo 1 >/sys/module/module/parameters/sig_enforce; then
	refused "only signed modules" 125 \
		"the kernel accepts only signed modules, usually because of Secure Boot" /user --root -- true
else
	skip 3 "no signatures in this kernel"
fi
echo 1 >/proc/sys/kernel/modules_disabled
refused "modules disabled" 125 "no module can be loaded until the next boot: " \
	/user --root -- true
