#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make install, make uninstall and dkms, in scratch folders, for the kernel tree KDIR.
set -u
cd "$(dirname "$0")/../.."

# dkms and modules_install require root, if only in a user namespace.
if [ "$(id -u)" -ne 0 ] && [ -z "${IN_USERNS:-}" ]; then
	IN_USERNS=1 exec unshare -r "$0"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PATH=$PATH:/usr/sbin:/sbin
number=0 failed=0

ok() { # DESC COMMAND...
	desc=$1
	shift
	number=$((number + 1))
	if "$@" >"$scratch/log" 2>&1 </dev/null; then
		echo "ok $number - $desc"
	else
		echo "not ok $number - $desc"
		sed 's/^/# /' "$scratch/log"
		failed=1
	fi
}

same() {
	[ "$1" = "$2" ] || { printf 'got: %s\nwanted: %s\n' "$1" "$2"; return 1; }
}

version=$(sed -n 's/^#define PF_VERSION "\(.*\)"/\1/p' pf_common.h)
release=$(sed -n 's/.*UTS_RELEASE "\(.*\)".*/\1/p' "$KDIR/include/generated/utsrelease.h")
files="lib/modules/R/updates/pf_probe_A.ko
lib/modules/R/updates/pf_probe_B.ko
lib/modules/R/updates/pf_probe_C.ko
usr/bin/page_fault_plot
usr/bin/pf_user
usr/share/bash-completion/completions/page_fault_plot
usr/share/bash-completion/completions/pf_user
usr/share/man/man1/page_fault_plot.1
usr/share/man/man8/pf_probe.8
usr/share/man/man8/pf_user.8
$(git ls-files faultlog | LC_ALL=C sort | sed 's|^|usr/share/pf_probe/|')"

installed() {
	(cd "$scratch/root" && find . -type f ! -name 'modules.*' | sed -e 's|^\./||' \
		-e "s|/$release/|/R/|" -e 's|/extra/|/updates/|' -e 's|\.ko\..z$|.ko|' | LC_ALL=C sort)
}

echo 1..16
# Like any other commit, HEAD always gives the same tarball.
ok "the tarball of HEAD" sh -c "umask 077; debian/build dist '$scratch/one' &&
	TZ=Asia/Tokyo debian/build dist '$scratch/two'"
tarball=pf-probe-$version.tar.xz
ok "it has all files, and is the same twice" sh -c "
	tar -tf '$scratch/one/$tarball' | grep -v '/\$' | sed 's|^[^/]*/||' | sort >'$scratch/has'
	git ls-tree -r --name-only HEAD | sort | diff '$scratch/has' - &&
	cmp '$scratch/one/$tarball' '$scratch/two/$tarball' && ls -A '$scratch/one' | wc -l | grep -qx 1"
source=$scratch/src/pf_probe-$version
mkdir -p "$source"
git ls-files | cpio -pdm "$source" 2>/dev/null
cd "$source"

ok "builds" make KDIR="$KDIR"
chmod go+w pf_probe_?.ko
mask=$(umask)
umask 000
ok "installs under DESTDIR and PREFIX" make install KDIR="$KDIR" DESTDIR="$scratch/root" PREFIX=/usr
umask "$mask"
ok "installs the right files" same "$(installed)" "$files"
ok "only root can write to them" same "$(find "$scratch/root" -mindepth 1 ! -type l -perm /022)" ""
ok "the installed reader runs" "$scratch/root/usr/bin/pf_user" --version
line='PID =        1 Page Fault at Address 0x1000 at Time 1'
ok "the installed plotter draws" sh -c "cd / && echo '$line' |
	'${PYTHON:-/usr/bin/python3}' '$scratch/root/usr/bin/page_fault_plot' - -o '$scratch/x.png'"
info=$(/sbin/modinfo "$source/pf_probe_B.ko")
ok "modinfo has description, version, license and each parameter" sh -c '
	for field in "^description: *Page-fault" "^version: *'"$version"'$" "^license: *GPL" \
		"^parm: *process_id:.*required.*(int)$" "^parm: *max_faults:.*(ulong)$" \
		"^parm: *cont_store:.*(bool)$" "^parm: *placement:.*(charp)$" \
		"^parm: *maps:.*(charp)$" \
		"^parm: *probe_print:.*(bool)$" "^parm: *probe_debug:.*(bool)$"; do
		echo "$0" | grep -q "$field" || { echo "no $field in $0"; exit 1; }
	done' "$info"
ok "uninstalls" make uninstall KDIR="$KDIR" DESTDIR="$scratch/root" PREFIX=/usr
ok "removes all files" same "$(installed)" ""

dkms="dkms --dkmstree $scratch/dkms --sourcetree $scratch/src --installtree $scratch/modules"
mkdir -p "$scratch/dkms" "$scratch/modules/$release"
make -s clean
ok "dkms add" $dkms add "pf_probe/$version"
ok "dkms build" $dkms build "pf_probe/$version" -k "$release" --kernelsourcedir "$KDIR"
ok "dkms has built the three modules" sh -c "ls $scratch/dkms/pf_probe/$version/$release/*/module |
	grep -c '^pf_probe_[ABC].ko' | grep -qx 3"
ok "dkms install" $dkms install "pf_probe/$version" -k "$release" --kernelsourcedir "$KDIR" \
	--no-depmod
ok "dkms puts them where modprobe looks" sh -c \
	"find $scratch/modules/$release/updates/dkms -name '*.ko*' | wc -l | grep -qx 3"
exit $failed
