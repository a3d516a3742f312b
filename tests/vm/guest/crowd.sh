# SPDX-License-Identifier: GPL-2.0-or-later
# 100,000 threads of a process wait in a fault at the same time.
# vm: long
# vm: memory 8192
. /tap.sh
. /counting.sh
has_kernel 6 4 || skip_all "before 6.4 there are no faults under a lock of a VMA"
[ "${QUICK:-0}" = 0 ] || skip_all "not in a quick run"
plan 2

crowd 100000
