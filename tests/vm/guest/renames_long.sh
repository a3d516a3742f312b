# SPDX-License-Identifier: GPL-2.0-or-later
# Like renames, but longer.
# vm: long
. /tap.sh
. /renaming.sh
[ "${QUICK:-0}" = 0 ] || skip_all "not in a quick run"
plan 8

renames_storm 60 120
renames_storm 700 120
