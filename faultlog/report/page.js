// SPDX-License-Identifier: GPL-2.0-or-later
// The page's script. Traced programs choose names, possibly to do harm: they go into the page
// only as textContent, and to Plotly, which interprets markup, only escaped.

const pageModule = (() => {
"use strict";

const { byId, unpacked, Faults, View, FIGURES, MAX_SORTED, WIDTH_CELLS, HEIGHT_CELLS } =
	viewModule;

const MAX_ROWS = 200; // of the table
const ACCESS_COLOURS = ["#4d5560", "#4ba3dd", "#d55e00", "#8e1a78", "#2a7f62"];
const RESULT_COLOURS = { minor: "#8fb4d6", major: "#22262b", failed: "#b00020",
	unknown: "#9aa3ad" };
const KEYS = ["map", "function", "offset", "region", "kind", "access", "mode", "result", "tid",
	"threadname", "pid", "program", "cpu", "page"];
const TITLES = { map: "mapping", offset: "file offset", pid: "process", tid: "thread",
	threadname: "thread name" };
// Of FIGURES.
const HEADINGS = ["faults", "minor", "major", "failed", "pages", "total", "p50", "p99",
	"longest"];
const FILTERS = ["pid", "tid", "threadname", "map", "region", "access", "result", "program"];
const METRICS = {
	faults: "faults",
	latency: "time in faults",
	major: "major faults",
};

const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const number = (n) => n.toLocaleString("en-US");
const percent = (part, all) => (all ? (100 * part / all).toFixed(1) + " %" : "");

function element(tag, text, parent) {
	const made = document.createElement(tag);
	made.textContent = text;
	if (parent)
		parent.append(made);
	return made;
}

// As in words.py: a unit's length in ns, its name, and from how many units on it is used.
const UNITS = [[86400e9, "d", 2], [3600e9, "h", 2], [60e9, "min", 2], [1e9, "s", 1],
	[1e6, "ms", 1], [1e3, "µs", 1]];

function threeDigits(value) {
	for (const digits of [2, 1]) {
		const text = value.toFixed(digits);
		if (text.length <= 4)
			return text;
	}
	return value.toFixed(0);
}

// The same text as time_text() in words.py.
function duration(ns) {
	const unitOf = (time) => UNITS.find(([length, , least]) => time >= length * least);
	if (!unitOf(ns))
		return `${Math.round(ns)} ns`;
	let [length, unit] = unitOf(ns), text = threeDigits(ns / length);
	if (text === "1000") { // rounded up to 1.00 of the next unit
		[length, unit] = unitOf(ns * 1.001);
		text = threeDigits(ns / length);
	}
	return `${text.length > 4 ? number(Number(text)) : text} ${unit}`;
}

// -- The picture

const MAX_TIME_TICKS = 11;
// Round times, in s: parts of a minute, minutes, hours; then 1, 2, 5, 10 ... days.
const ROUND_TIMES = [20, 30, ...[1, 2, 5, 10, 20, 30].map((n) => n * 60),
	...[1, 2, 3, 6, 12].map((n) => n * 3600)];
for (let days = 1; days < 1e6; days *= 10)
	ROUND_TIMES.push(...[1, 2, 5].map((n) => n * days * 86400));

// The title and ticks of the axis of time, whose range is in seconds. In longer units there is a
// tick at each whole or half unit; for seconds Plotly chooses the ticks.
function timeAxis([x0, x1]) {
	const seconds = { title: "seconds since the first fault" };
	const step = ROUND_TIMES.find((t) => Math.floor((x1 - x0) / t) < MAX_TIME_TICKS);
	const [length, unit] = UNITS.find(([ns]) => step % (ns / 2e9) === 0);
	if (x1 - x0 < 120 || unit === "s")
		return seconds;
	const tickvals = [];
	for (let tick = Math.ceil(x0 / step) * step; tick <= x1; tick += step)
		tickvals.push(tick);
	return { title: `time since the first fault (${unit})`, tickvals,
		ticktext: tickvals.map((tick) => number(tick * 1e9 / length || 0)) };
}

// Ticks at round addresses, offsets or page numbers in view: [y, text].
function ticks(panels, shift, [y0, y1]) {
	const found = [];
	for (const panel of panels) {
		const low = Math.max(y0, panel.bottom), high = Math.min(y1, panel.bottom + panel.height);
		if (low >= high || !["address", "offset", "page"].includes(panel.unit))
			continue;
		const per = panel.height / panel.pages, first = BigInt(panel.first);
		const from = BigInt(Math.ceil((low - panel.bottom) / per - 1e-6));
		const to = BigInt(Math.floor((high - panel.bottom) / per + 1e-6));
		const most = BigInt(Math.max(1, Math.floor((high - low) / (y1 - y0) * 20)));
		let step = 1n;
		while ((first + to) / step - (first + from - 1n) / step > most)
			step *= 2n;
		for (let page = (first + from + step - 1n) / step * step; page <= first + to; page += step)
			found.push([panel.bottom + Number(page - first) * per, panel.unit === "page" ?
				`page ${number(Number(page))}` : "0x" + (page << BigInt(shift)).toString(16)]);
	}
	const room = (y1 - y0) / 36; // for a label
	return found.filter((tick, i) => !i || tick[0] - found[i - 1][0] >= room);
}

function figure(view, counted) {
	const { faults, metric, x, y } = view, { panels, page_shift: shift } = faults.meta;
	const stepX = (x[1] - x[0]) / WIDTH_CELLS, stepY = (y[1] - y[0]) / HEIGHT_CELLS;
	const middles = (first, step, n) => Array.from({ length: n }, (_, i) => first + (i + 0.5) * step);
	const xs = middles(x[0], stepX, WIDTH_CELLS), traces = [];
	if (counted.marks) {
		const names = faults.meta.names.access;
		for (const code of ACCESS_COLOURS.keys()) {
			const rows = counted.marks.filter((i) => faults.access[faults.group[i]] === code);
			if (!rows.length)
				continue;
			traces.push({ type: "scatter", mode: "markers", x: rows.map((i) => faults.time[i] / 1e9),
				y: rows.map((i) => faults.y[i]), customdata: rows, hoverinfo: "none",
				name: code === 0 ? "unknown access" : code < 4 ? names[code] : "other access",
				marker: { size: rows.map((i) => faults.outcome[faults.group[i]] > 1 ? 9 : 5),
					symbol: rows.map((i) => ["circle", "circle", "circle-open", "x-thin"][
						faults.outcome[faults.group[i]]]),
					color: ACCESS_COLOURS[code], line: { width: rows.map((i) =>
						faults.outcome[faults.group[i]] > 1 ? 1.6 : 0),
					color: ACCESS_COLOURS[code] } } });
		}
	} else {
		const z = [];
		let most = 1;
		for (let r = 0; r < HEIGHT_CELLS; r++) {
			const row = counted.cells.subarray(r * WIDTH_CELLS, (r + 1) * WIDTH_CELLS);
			z.push(Array.from(row, (v) => (v ? Math.log10(v) : null)));
			most = row.reduce((a, b) => Math.max(a, b), most);
		}
		const top = Math.log10(most), values = [];
		for (let power = 0; power <= top; power++)
			values.push(power);
		const label = (v) => metric === "latency" ? duration(v) : number(v);
		traces.push({ type: "heatmap", x: xs, y: middles(y[0], stepY, HEIGHT_CELLS), z,
			hoverinfo: "none", zmin: metric === "latency" ? Math.max(0, top - 5) : 0,
			zmax: Math.max(top, 0.3), zsmooth: false,
			colorscale: [[0, "#a9cdea"], [0.35, "#4a90c8"], [0.7, "#1c4f8a"], [1, "#0b1f3f"]],
			colorbar: { thickness: 10, len: 0.5, y: 1, yanchor: "top", x: 1.15, outlinewidth: 0,
				title: { text: "per cell", font: { size: 11 } }, tickvals: values,
				ticktext: values.map((v) => label(10 ** v)) } });
	}
	["unknown", "minor", "major", "failed"].forEach((name, outcome) => {
		if (counted.bars[outcome].some(Boolean))
			traces.push({ type: "bar", x: xs, y: Array.from(counted.bars[outcome]), yaxis: "y2",
				width: stepX, marker: { color: RESULT_COLOURS[name], line: { width: 0 } },
				name, showlegend: true, hoverinfo: "none" });
	});
	const marked = ticks(panels, shift, y), { title: timeTitle, ...timeTicks } = timeAxis(x);
	const shapes = panels.map((p) => ({ type: "rect", xref: "paper", x0: 0, x1: 1, yref: "y",
		y0: p.bottom, y1: p.bottom + p.height, fillcolor: "#f5f6f8", line: { width: 0 },
		layer: "below" }));
	shapes.push(...faults.meta.execs.map((ns) => ({ type: "line", x0: ns / 1e9, x1: ns / 1e9,
		yref: "paper", y0: 0, y1: 1, line: { color: "#22262b", width: 1, dash: "dash" } })));
	const labels = panels.map((p) => ({ low: Math.max(p.bottom, y[0]),
		high: Math.min(p.bottom + p.height, y[1]), text: p.label }));
	const annotations = labels.filter((l) => l.low < l.high).map((l) => ({ text: escaped(l.text),
		xref: "paper", x: 1.005, xanchor: "left", yref: "y", y: (l.low + l.high) / 2,
		showarrow: false, font: { size: 11 } }));
	return [traces, {
		margin: { l: 130, r: 250, t: 12, b: 42 }, barmode: "stack", bargap: 0, dragmode: "zoom",
		showlegend: true, legend: { x: 1.14, y: 0.02, yanchor: "bottom", font: { size: 11 } },
		font: { family: "system-ui, DejaVu Sans, sans-serif", size: 12, color: "#22262b" },
		plot_bgcolor: "#fff", paper_bgcolor: "#fff", hovermode: "closest", shapes, annotations,
		xaxis: { range: [...x], title: { text: timeTitle, standoff: 8 }, ...timeTicks,
			anchor: "y2", zeroline: false, showgrid: false, ticks: "outside", tickcolor: "#b9c0c8",
			exponentformat: "none" },
		yaxis: { range: [...y], domain: [0.2, 1], zeroline: false, showgrid: false,
			tickvals: marked.map((t) => t[0]), ticktext: marked.map((t) => t[1]),
			tickfont: { size: 11, family: "DejaVu Sans Mono, monospace" } },
		yaxis2: { domain: [0, 0.15], fixedrange: true, zeroline: false, gridcolor: "#e8ebee", nticks: 4,
			rangemode: "tozero",
			title: { text: `faults per<br>${duration(stepX * 1e9)}`, font: { size: 11 } } },
	}];
}

// -- The page

class Page {
	constructor(faults) {
		this.faults = faults;
		this.view = new View(faults);
		this.key = "map";
		this.hasLatency = faults.latency.some(Boolean);
		this.sort = [this.hasLatency ? "spent" : "faults", -1]; // figure or text, direction
		this.asked = this.askedTable = 0;
		this.showLog();
		this.makeFilters();
		this.makeKeys();
		this.update();
		this.listen();
	}

	showLog() {
		const { meta } = this.faults, { head } = meta;
		byId("title").textContent = `Page faults of ${head.comm || meta.name}` +
			(head.pid ? ` (PID ${head.pid})` : "");
		const what = meta.view === "mapping" &&
			"files by offset, other memory by the pages of each process";
		const execs = meta.nr_execs > 0 && (meta.execs.length ? "vertical dashed lines: " :
			`${number(meta.nr_execs)} times `) + "exec, the memory is new from there on";
		const about = [
			meta.name, meta.recorder, head.probe, head.kernel && `Linux ${head.kernel}`, head.arch,
			meta.filter, what, execs,
		];
		byId("about").textContent = about.filter(Boolean).join(" · ") + " ";
		if (meta.complete)
			element("span", "· nothing lost", byId("about")).id = "complete";
		byId("notes").textContent = meta.notes.join("\n");
		const rows = { log: meta.name, ...head, ...meta.summary };
		for (const [key, value] of Object.entries(rows)) {
			const row = element("tr", "", byId("head").tBodies[0]);
			element("td", key, row);
			element("td", String(value), row);
		}
		for (const event of meta.events.slice(0, MAX_ROWS)) {
			const row = element("tr", "", byId("head").tBodies[0]);
			element("td", event.kind, row);
			const from = event.ppid === null ? "" : ` of ${event.ppid}`;
			element("td", `${event.comm} ${event.pid}${from} at ${event.time_ns}`, row);
		}
	}

	makeFilters() {
		const bar = byId("filters"), sums = this.view.count().sums;
		const choose = (key, title, options) => {
			const label = element("label", title, bar), select = element("select", "", label);
			select.id = `filter-${key}`;
			for (const [value, text] of options) {
				const option = element("option", text, select);
				option.value = value;
			}
			return select;
		};
		this.selects = new Map();
		for (const key of FILTERS) {
			const rows = this.view.rows(sums, key).sort((a, b) => b[1] - a[1]);
			if (rows.length < 2)
				continue;
			const select = choose(key, TITLES[key] || key, [["", "all"], ...rows.map((row, i) =>
				[String(i + 1), `${row[0] || "unknown"} (${number(row[1])})`])]);
			this.selects.set(key, { select, texts: rows.map((row) => row[0]) });
			select.addEventListener("change", () =>
				this.setFilter(key, select.value === "" ? null : rows[select.value - 1][0]));
		}
		const metrics = Object.entries(METRICS).filter(([name]) => name === "faults" ||
			(name === "latency" ? this.hasLatency : this.faults.outcome.includes(2)));
		const metric = choose("metric", "colour shows", metrics);
		metric.addEventListener("change", () => {
			this.view.metric = metric.value;
			this.update();
		});
		const reset = element("button", "Show all", bar);
		reset.id = "reset";
		reset.addEventListener("click", () => {
			this.view.reset();
			this.view.filter.clear();
			this.setFilter(null, null);
		});
	}

	setFilter(key, text) {
		if (key && text !== null)
			this.view.filter.set(key, text);
		else if (key)
			this.view.filter.delete(key);
		for (const [name, { select, texts }] of this.selects) {
			const is = this.view.filter.has(name);
			select.value = is ? String(texts.indexOf(this.view.filter.get(name)) + 1) : "";
			select.classList.toggle("set", is);
		}
		this.view.applyFilter();
		this.update();
	}

	makeKeys() {
		for (const key of KEYS) {
			const button = element("button", TITLES[key] || key, byId("keys"));
			button.id = `by-${key}`;
			button.setAttribute("aria-pressed", key === this.key);
			button.addEventListener("click", () => {
				this.key = key;
				for (const other of byId("keys").children)
					other.setAttribute("aria-pressed", other === button);
				this.showTable();
			});
		}
	}

	update() {
		this.counted = this.view.count();
		const [traces, layout] = figure(this.view, this.counted);
		Plotly.react("plot", traces, layout, { scrollZoom: true, displaylogo: false, responsive: true,
			doubleClick: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d",
				"resetScale2d", "toImage"] });
		const rows = this.view.rows(this.counted.sums, "result");
		const sum = (column) => rows.reduce((all, row) => all + row[column], 0);
		const [minor, major, failed, spent] = [2, 3, 4, 5].map(sum);
		const { total } = this.counted, counts = byId("counts");
		Object.assign(counts.dataset, { faults: total, minor, major, failed, spent });
		counts.textContent = `In view: ${number(total)} of ${number(this.faults.n)} faults` +
			(minor + major + failed ? `: ${number(minor)} minor, ${number(major)} major, ` +
				`${number(failed)} failed; ${duration(spent)} in faults` : "") +
			(this.counted.marks ? ". Each fault is a mark whose colour shows the access; " +
				"major faults are rings, failed ones crosses." :
				`. The darker a cell, the more ${METRICS[this.view.metric]}.`);
		this.showTable();
	}

	// The rows to show, in order, each with its text: the first MAX_ROWS in the chosen order.
	async shown(table, key) {
		const [by, direction] = this.sort, { columns, first } = table;
		const texts = new Map(), rows = first.map((_, r) => r);
		const findTexts = async (which) => {
			// In the order of the faults, so that each packed chunk is unpacked only once.
			for (const r of [...which].sort((a, b) => first[a] - first[b]))
				texts.set(r, await this.faults.textOf(first[r], key));
		};
		if (by === "text" && !this.faults.codes.has(key)) {
			await findTexts(rows);
			rows.sort((a, b) => direction *
				texts.get(a).localeCompare(texts.get(b), "en", { numeric: true }));
		} else {
			const codes = this.faults.codes.get(key);
			const value = by === "text" ? (r) => codes[first[r]] : (r) => columns[by][r];
			rows.sort((a, b) => direction * (value(a) - value(b)) ||
				columns.faults[b] - columns.faults[a]);
		}
		rows.splice(MAX_ROWS);
		await findTexts(rows);
		return rows.map((r) => [r, texts.get(r)]);
	}

	async showTable() {
		const { key, counted } = this, asked = ++this.askedTable;
		if (!counted.tables.has(key))
			counted.tables.set(key, this.view.table(counted.inView, key));
		const table = counted.tables.get(key), { columns, isSorted } = table;
		const rows = await this.shown(table, key);
		if (asked !== this.askedTable)
			return; // a newer table was asked for meanwhile
		const spent = columns.spent.reduce((all, ns) => all + ns, 0);
		const { tHead: head, tBodies: [body] } = byId("table");
		head.textContent = body.textContent = "";
		const line = element("tr", "", head), [by, direction] = this.sort;
		[TITLES[key] || key, ...HEADINGS].forEach((title, i) => {
			const figure = i ? FIGURES[i - 1] : "text";
			const arrow = figure === by ? (direction < 0 ? " ▼" : " ▲") : "";
			element("th", title + arrow, line).addEventListener("click", () => {
				this.sort = [figure, figure === by ? -direction : i ? -1 : 1];
				this.showTable();
			});
		});
		element("th", "share of time", line);
		for (const [r, text] of rows) {
			const tr = element("tr", "", body);
			element("td", text || "unknown", tr);
			const result = columns.minor[r] + columns.major[r] + columns.failed[r];
			element("td", number(columns.faults[r]), tr);
			for (const name of ["minor", "major", "failed"])
				element("td", result ? number(columns[name][r]) : "-", tr);
			const pages = columns.pages[r] ? number(columns.pages[r]) : "-";
			element("td", isSorted ? pages : "", tr);
			for (const name of FIGURES.slice(5)) {
				const known = isSorted || !["median", "p99"].includes(name);
				const shown = columns.timed[r] ? duration(columns[name][r]) : "-";
				element("td", known ? shown : "", tr);
			}
			element("td", this.hasLatency ? percent(columns.spent[r], spent) : "-", tr);
			if (this.selects.has(key)) {
				const is = this.view.filter.get(key) === text;
				tr.classList.add("choice");
				tr.classList.toggle("set", is);
				tr.addEventListener("click", () => this.setFilter(key, is ? null : text));
			}
		}
		const left = table.first.length - rows.length, more = [];
		if (left > 0)
			more.push(`${number(left)} more rows: sort, filter or zoom to see them.`);
		if (!isSorted)
			more.push("Zoom or filter to see pages and percentiles: they are computed for at most " +
				`${number(MAX_SORTED)} faults in view.`);
		if (!this.hasLatency || !this.faults.outcome.some(Boolean))
			more.push(`The log has no results and latencies (-): ${this.faults.meta.outcome_hint}.`);
		more.push(...this.faults.meta.tables_notes[key] ?? []);
		byId("more").textContent = more.join("\n");
		byId("table").dataset.by = key;
	}

	listen() {
		const plot = byId("plot");
		plot.on("plotly_relayout", (change) => {
			const axes = ["xaxis.range[0]", "xaxis.range[1]", "yaxis.range[0]", "yaxis.range[1]",
				"xaxis.range", "yaxis.range"];
			if (!axes.some((name) => name in change))
				return;
			this.view.x = [...plot.layout.xaxis.range].map(Number);
			this.view.y = [...plot.layout.yaxis.range].map(Number);
			this.update();
		});
		plot.on("plotly_doubleclick", () => {
			this.view.reset();
			this.update();
		});
		plot.on("plotly_hover", ({ points: [point] }) => this.describe(point));
	}

	// Shows what is under the pointer: a fault's line, or a cell's faults by kind.
	async describe(point) {
		const asked = ++this.asked;
		let text;
		if (point.data.type === "bar")
			text = `${number(point.y)} ${point.data.name} at ${duration(Math.max(point.x, 0) * 1e9)}`;
		else if (point.data.type === "scatter")
			text = await this.line(point.customdata);
		else
			text = this.cell(point);
		if (asked === this.asked)
			byId("fault").textContent = text;
	}

	async line(i) {
		const { faults } = this, { meta } = faults, group = faults.group[i];
		const pair = (key) => {
			const text = faults.text(group, key);
			const value = key === "tid" ? text.replace(/ .*/, "") : text; // without its name
			return text === "" ? "" : ` ${key}=${value}`;
		};
		const [address, ip, offset] = await Promise.all(
			["address", "ip", "offset"].map((name) => faults.exact(name, i)));
		const latency = faults.latency[i] ? ` latency_ns=${faults.latency[i] - 1}` : "";
		const time = BigInt(meta.first_ns) + BigInt(faults.time[i]);
		const pid = faults.text(group, "pid").replace(/~.*/, ""); // 500~2: the second process 500
		const where = faults.isMissing(address) ? "?" : `0x${address.toString(16)}`;
		return `PID = ${pid || "?"} Page Fault at Address ${where} ` +
			`at Time ${time}${pair("tid")}${pair("cpu")}` + (ip ? ` ip=0x${(ip - 1n).toString(16)}` : "") +
			["access", "mode", "region", "kind", "result"].map(pair).join("") + latency +
			pair("tries") + pair("map") + (offset ? ` offset=0x${(offset - 1n).toString(16)}` : "");
	}

	cell(point) {
		const { view } = this, stepX = (view.x[1] - view.x[0]) / WIDTH_CELLS;
		const stepY = (view.y[1] - view.y[0]) / HEIGHT_CELLS;
		const small = Object.assign(Object.create(View.prototype), view, {
			x: [point.x - stepX / 2, point.x + stepX / 2], y: [point.y - stepY / 2, point.y + stepY / 2] });
		const { sums, total, inside } = small.count();
		const list = (key) => small.rows(sums, key).sort((a, b) => b[1] - a[1]).slice(0, 4)
			.map((row) => `${number(row[1])} ${row[0] || "unknown"}`).join(", ");
		return `${number(total)} faults at ${duration(Math.max(point.x, 0) * 1e9)}` +
			(inside ? `, taking ${duration(inside)}` : "") +
			`\n${list("access")}; ${list("result")}\n${list("map")}`;
	}
}

async function start() {
	const text = (bytes) => new TextDecoder().decode(bytes);
	const script = document.createElement("script");
	script.textContent = text(await unpacked("plotly.0"));
	document.head.append(script);
	byId("plotly.0").remove();
	const faults = new Faults(JSON.parse(text(await unpacked("meta.0"))));
	await faults.load((part) => {
		byId("about").textContent = `Unpacking ... ${Math.round(100 * part)} %`;
	});
	window.page = new Page(faults);
	document.body.dataset.ready = "yes";
}

start().catch((error) => {
	byId("about").textContent = `The page could not be shown: ${error.message}`;
	throw error;
});

return { duration }; // for tests
})();
