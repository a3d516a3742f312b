# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# A database under load, for the gallery: clients.sh make FILE creates it, with an index of 60,000
# items; with clients.sh use FILE three clients look up 400 items each while a fourth changes 100.
set -eu

client() { # NUMBER SQL
	sqlite3 -bail -cmd '.timeout 60000' -cmd 'PRAGMA mmap_size = 1073741824' \
		-cmd ".parameter set :client $1" "$file" "$2" >/dev/null
}

file=$2
case $1 in
make)
	sqlite3 -bail "$file" "
		PRAGMA journal_mode = WAL;
		CREATE TABLE item (id INTEGER PRIMARY KEY, key TEXT, body TEXT);
		INSERT INTO item
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
			SELECT i, printf('%08x', i * 2654435761 % 4294967296), printf('%0100d', i) FROM n;
		CREATE INDEX item_key ON item (key);"
	;;
use)
	wanted="WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
		SELECT printf('%08x', ((i + :client * 1000) * 7919 % 60000 + 1) * 2654435761 % 4294967296)
		FROM n"
	for number in 1 2 3; do
		client $number "SELECT count(body) FROM item WHERE key IN ($wanted)" &
	done
	client 4 "UPDATE item SET body = body || '.' WHERE key IN ($wanted LIMIT 100)"
	wait
	;;
esac
