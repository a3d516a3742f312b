# SPDX-License-Identifier: GPL-2.0-or-later
# The Debian packages on a clean system: dkms builds the modules while the packages are installed,
# pf_user traces a command, page_fault_plot draws it, and nothing is left after they are removed.
# vm: packages
# vm: long
. /tap.sh

[ "${QUICK:-0}" = 0 ] || skip_all "not in a quick run"
[ -e /disk/packages ] || skip_all "packages are tested on the default kernel only"
plan 18

root=/system
mkdir $root
ok "the system is mounted" mount -t ext4 /dev/vdb $root
ln -sfn /proc/self/fd /dev/fd # as udev does; dkms needs it
for folder in proc sys dev; do
	mount --rbind /$folder $root/$folder
done
mkdir $root/packages
cp /disk/packages/*.deb $root/packages
version=$(cd $root/packages && ls pf-probe-dkms_*.deb | cut -d _ -f 2)
release=$(uname -r)

inside() { # SCRIPT
	chroot $root /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive sh -c "cd /root && $1" 2>&1
}

# Left out: what dpkg, depmod and programs write beside the packages, and the key with which dkms
# signs all modules.
files() {
	inside "find / -xdev ! -path '/root*' ! -path '/packages*' ! -path '/tmp/*' \
		! -path '/var/lib/dpkg/*' ! -path '/var/log/*' ! -path '/var/cache/*' \
		! -path '/usr/lib/modules/*/modules.*' ! -path '/var/lib/dkms/mok.*' | LC_ALL=C sort"
}

files >$root/packages/before
ok "the system has files to compare" test "$(wc -l <$root/packages/before)" -gt 5000
inside "dpkg -i /packages/*.deb" >/tmp/installing
is "both packages are installed" "$(inside "dpkg-query -W \
	-f '\${Package} \${Version} \${db:Status-Status}\n' 'pf-probe*'" | sort | xargs)" \
	"pf-probe $version installed pf-probe-dkms $version installed" ||
	diag "$(tail -n 20 /tmp/installing; tail -n 20 $root/var/lib/dkms/pf_probe/*/build/make.log)"
is "dkms has built the modules and installed them" "$(inside "dkms status")" \
	"pf_probe/$version, $release, $(uname -m): installed"
for module in A B C; do
	is "modprobe finds pf_probe_$module" "$(inside "modinfo -F version pf_probe_$module")" \
		"$version"
done

inside "pf_user --root -- ls /usr/bin >listed; echo status=\$?" >/tmp/said
like "pf_user traces a command" "$(cat /tmp/said)" "^status=0$" || diag "$(cat /tmp/said)"
ok "the command runs" grep -qx env $root/root/listed
log=$root/root/out/pf_probe_B.log
ok "the log has its faults" test "$(grep -c ":: PID = " $log)" -gt 50
like "the log is complete" "$(tail -n 1 $log)" \
	"^# recorded=[0-9]+ .*dropped=0 .* missed=0 target=exited "
ok "the module is unloaded" fails grep -q ^pf_probe /proc/modules
like "page_fault_plot prints a table" "$(inside "page_fault_plot out/pf_probe_B.log --by")" \
	"^ *100\.0 % .*\(all\)$"
if inside "python3 -c 'import matplotlib'" >/dev/null; then
	inside "page_fault_plot out/pf_probe_B.log -o x.png" >/tmp/said
	is "page_fault_plot draws a picture" "$(dd if=$root/root/x.png bs=1 skip=1 count=3 2>/dev/null)" \
		PNG || diag "$(cat /tmp/said)"
else
	skip 1 "no matplotlib in the system"
fi
ok "the manual pages are there" test -s $root/usr/share/man/man8/pf_user.8.gz -a \
	-s $root/usr/share/man/man8/pf_probe.8.gz -a -s $root/usr/share/man/man1/page_fault_plot.1.gz

inside "dpkg -r pf-probe pf-probe-dkms" >/tmp/removing
is "both packages are removed" "$(inside "dpkg-query -W -f '\${db:Status-Abbrev}' 'pf-probe*'" |
	grep -c '^ii')" 0 || diag "$(tail -n 20 /tmp/removing)"
files >$root/packages/after
is "no file is left" "$(inside "cd /packages && LC_ALL=C comm -13 before after")" ""
is "no file of others is gone" "$(inside "cd /packages && LC_ALL=C comm -23 before after")" ""
umount -l $root
