// SPDX-License-Identifier: GPL-2.0-or-later
// The page's data, and counting what is in view. A page opened from a file cannot import files, so
// this is a function: page.js, which follows in the same script, sees what it returns at the end.

const viewModule = (() => {
"use strict";

const WIDTH_CELLS = 300, HEIGHT_CELLS = 170; // of the picture
const MAX_MARKS = 3000; // with more faults in view, cells are drawn instead of marks
const MAX_SORTED = 3e6; // with more faults in view, pages and percentiles are left out
const MAJOR = 2, NR_RESULTS = 8; // as in log.py
const NR_ACCESSES = 5; // unknown, those of log.py, and others
// A table's figures; from the sixth on they are times.
const FIGURES = ["faults", "minor", "major", "failed", "pages", "spent", "median", "p99", "max"];

const byId = (id) => document.getElementById(id);

// -- The data

async function unpacked(name) {
	const node = byId(name);
	const text = atob(node.textContent);
	const packed = new Uint8Array(text.length);
	for (let i = 0; i < text.length; i++)
		packed[i] = text.charCodeAt(i);
	const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
	return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Writes a chunk's numbers, given as planes of bytes, see _planes() in page.py, to
// column[begin ...].
function unfold(planes, width, column, begin) {
	const n = planes.length / width;
	let worth = 1;
	for (let k = 0; k < width; k++, worth *= 256)
		for (let i = 0, at = k * n; i < n; i++, at++)
			column[begin + i] += planes[at] * worth;
}

// Replaces places by positions on the Y axis. tests/plot/pages.py has the same rule.
function toY(places, panels) {
	for (let i = 0, p = 0; i < places.length; i++) {
		const place = places[i];
		while (place < panels[p].place)
			p--;
		while (p + 1 < panels.length && place >= panels[p + 1].place)
			p++;
		const panel = panels[p];
		places[i] = panel.bottom + ((place - panel.place + 0.5) / panel.pages) * panel.height;
	}
}

class Faults {
	constructor(meta) {
		this.meta = meta;
		this.n = meta.nr_faults;
		this.time = new Float64Array(this.n); // ns since the log's first fault
		this.y = new Float64Array(this.n);
		this.latency = new Float64Array(this.n); // ns + 1; 0: not recorded
		this.group = new Uint32Array(this.n);
		// Each fault's code for the keys that may have as many values as there are faults.
		this.codes = new Map(Object.keys(meta.nr_codes).map((key) =>
			[key, new Uint32Array(this.n)]));
		this.far = new Map(); // the last unpacked chunk of each column that stays packed
		const result = meta.shared.indexOf("result");
		// 0: not recorded or a result we do not know, 1: minor, 2: major, 3: failed
		this.outcome = Uint8Array.from(meta.groups, (g) =>
			g[result] > MAJOR ? (g[result] < NR_RESULTS ? 3 : 0) : g[result]);
		this.access = Uint8Array.from(meta.groups, (g) =>
			Math.min(g[meta.shared.indexOf("access")], NR_ACCESSES - 1));
	}

	// Unpacks the columns; progress gets the share that is done, up to 1.
	async load(progress) {
		const { chunk, widths } = this.meta;
		for (let begin = 0, c = 0; begin < this.n; begin += chunk, c++) {
			const columns = [["time", this.time], ["place", this.y], ["latency", this.latency],
				["group", this.group]];
			for (const [key, codes] of this.codes)
				columns.push([`by-${key}`, codes]);
			for (const [name, column] of columns) {
				unfold(await unpacked(`${name}.${c}`), widths[name], column, begin);
				byId(`${name}.${c}`).remove();
			}
			progress(Math.min(begin + chunk, this.n) / this.n);
		}
		toY(this.y, this.meta.panels);
	}

	// A fault's latency, 0 if not recorded; and below, when it ended; both in ns.
	spent(i) {
		return this.latency[i] ? this.latency[i] - 1 : 0;
	}

	end(i) {
		return this.time[i] + this.spent(i);
	}

	// A number of up to 65 bits, from a column that stays packed.
	async exact(name, i) {
		const c = Math.floor(i / this.meta.chunk);
		if (this.far.get(name)?.c !== c)
			this.far.set(name, { c, planes: await unpacked(`${name}.${c}`) });
		const { planes } = this.far.get(name), width = this.meta.widths[name];
		const n = planes.length / width;
		let value = 0n;
		for (let k = width - 1; k >= 0; k--)
			value = value * 256n + BigInt(planes[k * n + (i % this.meta.chunk)]);
		return value;
	}

	// Is an address, which only the files of other recorders can lack, missing?
	isMissing(address) {
		return Boolean(this.meta.recorder) && address === (1n << 64n) - 1n;
	}

	// A group's value of a key, as text; "": not recorded.
	text(group, key) {
		const value = this.meta.groups[group][this.meta.shared.indexOf(key)];
		const names = this.meta.names[key];
		return names ? names[value] : value < 0 ? "" : String(value);
	}

	// A fault's value of any key, as text.
	async textOf(i, key) {
		const group = this.group[i];
		if (key in this.meta.labels)
			return this.meta.labels[key][this.codes.get(key)[i]];
		if (key === "page") {
			const shift = BigInt(this.meta.page_shift);
			const address = await this.exact("address", i);
			if (this.isMissing(address))
				return (await this.exact("offset", i)) ? this.textOf(i, "offset") : "";
			const page = "0x" + (address >> shift << shift).toString(16);
			if (this.meta.is_of_one_space)
				return page;
			const run = this.text(group, "run"); // see runs.py
			return `${this.text(group, "pid")}${run === "0" ? "" : "+" + run}:${page}`;
		}
		if (key === "offset") {
			const map = this.text(group, "map"), offset = await this.exact("offset", i);
			return offset ? `${map}+0x${(offset - 1n).toString(16)}` : map;
		}
		return this.text(group, key);
	}

	// Numbers a key's values from 0 on. Returns [numbers, isOfFaults, how many values]: numbers
	// has one entry for each fault, or for each group if isOfFaults is false.
	numbers(key) {
		if (this.codes.has(key))
			return [this.codes.get(key), true, this.meta.nr_codes[key]];
		const known = new Map();
		const ofGroup = Uint32Array.from(this.meta.groups, (_, g) => {
			const text = this.text(g, key);
			if (!known.has(text))
				known.set(text, known.size);
			return known.get(text);
		});
		return [ofGroup, false, known.size];
	}
}

// -- What is in view

// Spreads a time over cells of this width. It begins at `within` in cells[at]; whatever would lie
// beyond cells[last] is added to that one.
function spread(cells, at, last, within, time, width) {
	for (; at < last && within + time > width; at++, within = 0) {
		cells[at] += width - within;
		time -= width - within;
	}
	cells[at] += time;
}

class View {
	constructor(faults) {
		this.faults = faults;
		const first = faults.time.reduce((a, b) => Math.min(a, b), Infinity) / 1e9;
		const last = faults.time.reduce((a, _, i) => Math.max(a, faults.end(i)), 0) / 1e9;
		const top = faults.meta.panels.at(-1);
		const edge = last > first ? (last - first) * 0.01 : 1e-6;
		this.all = { x: [first - edge, last + edge], y: [-0.01, top.bottom + top.height + 0.01] };
		this.reset();
		this.filter = new Map(); // key: text
		this.metric = "faults";
		this.applyFilter();
	}

	reset() {
		this.x = [...this.all.x];
		this.y = [...this.all.y];
	}

	applyFilter() {
		const { faults, filter } = this;
		this.keep = Uint8Array.from(faults.meta.groups, (_, g) =>
			[...filter].every(([key, text]) => faults.text(g, key) === text) ? 1 : 0);
	}

	// The faults that are in view for at least a part of their time, in the order of the log.
	inView() {
		const { faults, keep } = this, { time, y, group, n } = faults;
		const [x0, x1] = [this.x[0] * 1e9, this.x[1] * 1e9], [y0, y1] = this.y;
		const found = new Uint32Array(n);
		let total = 0;
		for (let i = 0; i < n; i++)
			if (keep[group[i]] && time[i] <= x1 && (time[i] >= x0 || faults.end(i) > x0) &&
				y[i] >= y0 && y[i] <= y1)
				found[total++] = i;
		return found.subarray(0, total);
	}

	// Counts what is in view: cells of the picture, bars of the strip, sums by group, single marks,
	// and the time within the view. A fault counts in the cell where it began; its time is spread
	// over all cells that it spans.
	count() {
		const { faults } = this, { time, y, group, outcome } = faults, inView = this.inView();
		const { metric } = this, nrGroups = outcome.length, total = inView.length;
		const [x0, x1] = [this.x[0] * 1e9, this.x[1] * 1e9], [y0, y1] = this.y;
		const perX = WIDTH_CELLS / (x1 - x0), perY = HEIGHT_CELLS / (y1 - y0);
		const cells = new Float64Array(WIDTH_CELLS * HEIGHT_CELLS);
		const bars = [0, 1, 2, 3].map(() => new Uint32Array(WIDTH_CELLS));
		const sums = { faults: new Uint32Array(nrGroups), spent: new Float64Array(nrGroups) };
		let inside = 0;
		for (const i of inView) {
			const t = time[i], g = group[i], ns = faults.spent(i);
			const row = Math.min(Math.floor((y[i] - y0) * perY), HEIGHT_CELLS - 1);
			const first = row * WIDTH_CELLS;
			const begin = Math.max(t, x0), end = Math.min(t + ns, x1);
			const column = Math.min(Math.floor((begin - x0) * perX), WIDTH_CELLS - 1);
			inside += end - begin;
			if (metric === "latency")
				spread(cells, first + column, first + WIDTH_CELLS - 1, begin - x0 - column / perX,
					end - begin, 1 / perX);
			if (t >= x0) {
				if (metric !== "latency")
					cells[first + column] += metric === "faults" ? 1 : outcome[g] === 2;
				bars[outcome[g]][column]++;
			}
			sums.faults[g]++;
			sums.spent[g] += ns;
		}
		return { cells, bars, sums, total, inside, inView, tables: new Map(),
			marks: total <= MAX_MARKS ? [...inView] : null };
	}

	// The table of the faults in view, by a key: a column for each of FIGURES, with one entry for
	// each value of the key; and one fault (first) that has this value. A percentile is the
	// smallest latency that this share of the faults does not exceed, as in table.py.
	table(inView, key) {
		const { faults } = this, { group, outcome } = faults;
		const [numbers, isOfFaults, nrNumbers] = faults.numbers(key);
		const rowOf = new Uint32Array(nrNumbers), first = [];
		for (const i of inView) {
			const value = numbers[isOfFaults ? i : group[i]];
			if (!rowOf[value])
				rowOf[value] = first.push(i); // its row + 1
		}
		const rows = first.length, columns = {};
		for (const name of FIGURES)
			columns[name] = new Float64Array(rows);
		columns.timed = new Float64Array(rows); // faults with a latency
		const outcomes = [null, columns.minor, columns.major, columns.failed];
		const row = (i) => rowOf[numbers[isOfFaults ? i : group[i]]] - 1;
		for (const i of inView) {
			const r = row(i), ns = faults.spent(i);
			columns.faults[r]++;
			if (outcome[group[i]])
				outcomes[outcome[group[i]]][r]++;
			columns.spent[r] += ns;
			columns.timed[r] += faults.latency[i] ? 1 : 0;
			if (ns > columns.max[r])
				columns.max[r] = ns;
		}
		const isSorted = inView.length <= MAX_SORTED;
		if (isSorted)
			this.sorted(columns, inView, row);
		return { columns, first, isSorted };
	}

	// Fills in pages and percentiles, for which the faults are sorted by row.
	sorted(columns, inView, row) {
		const { latency, codes } = this.faults, pages = codes.get("page");
		const ends = new Uint32Array(columns.faults.length + 1);
		for (let r = 0; r < columns.faults.length; r++)
			ends[r + 1] = ends[r] + columns.faults[r];
		const next = ends.slice(), ordered = new Uint32Array(inView.length);
		for (const i of inView)
			ordered[next[row(i)]++] = i;
		const pageless = new Set(this.faults.meta.pageless); // of faults without a known page
		const seen = new Uint32Array(this.faults.meta.nr_codes.page); // the last row with it, + 1
		const latenciesOfRow = new Float64Array(inView.length);
		for (let r = 0; r < columns.faults.length; r++) {
			let n = 0;
			for (let k = ends[r]; k < ends[r + 1]; k++) {
				const i = ordered[k];
				if (latency[i])
					latenciesOfRow[n++] = latency[i] - 1;
				if (seen[pages[i]] !== r + 1 && !pageless.has(pages[i]))
					columns.pages[r]++;
				seen[pages[i]] = r + 1;
			}
			const latencies = latenciesOfRow.subarray(0, n).sort();
			columns.median[r] = latencies[Math.ceil(n * 0.5) - 1] ?? 0;
			columns.p99[r] = latencies[Math.ceil(n * 99 / 100) - 1] ?? 0;
		}
	}

	// Adds up the groups' sums by a key's text: rows of [text, faults, minor, major, failed, ns].
	rows(sums, key) {
		const { faults } = this, rows = new Map();
		for (let g = 0; g < sums.faults.length; g++) {
			if (!sums.faults[g])
				continue;
			const text = faults.text(g, key);
			let row = rows.get(text);
			if (!row)
				rows.set(text, row = [text, 0, 0, 0, 0, 0]);
			row[1] += sums.faults[g];
			if (faults.outcome[g])
				row[1 + faults.outcome[g]] += sums.faults[g];
			row[5] += sums.spent[g];
		}
		return [...rows.values()];
	}
}

return { byId, unpacked, Faults, View, FIGURES, MAX_SORTED, WIDTH_CELLS, HEIGHT_CELLS };
})();
