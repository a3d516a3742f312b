# SPDX-License-Identifier: GPL-2.0-or-later
# Like renames, but longer.
# vm: long
. /tap.sh
. /renaming.sh
plan 8

seconds=$(($(runs 240) / 2))
renames_storm 60 $seconds
renames_storm 700 $seconds
