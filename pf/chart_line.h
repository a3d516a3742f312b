/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lines of text of which charts, tables and histograms consist: padding, numbers and units.
 * Pure (see env.h).
 *
 * No line is longer than PF_CHART_LINE_MAX, whatever is added to it: what does not fit is left out.
 */
#ifndef PF_CHART_LINE_H
#define PF_CHART_LINE_H

#include "env.h"

#define PF_CHART_LINE_MAX 100 /* longest line, without the terminating zero */

/* Receives a line: ASCII, without newline and trailing blanks. */
typedef void (*pf_chart_emit_fn)(void *ctx, const char *line);

/* The line being written, and where it goes. */
struct pf_chart_out {
	pf_chart_emit_fn emit;
	void *ctx;
	bool cut; /* a row had no room for all its regions, and ends with a + */
	int len;
	char line[PF_CHART_LINE_MAX + 1];
};

#define pf_chart_add(o, fmt, ...)                                              \
	((o)->len += scnprintf((o)->line + (o)->len, sizeof((o)->line) - (o)->len, fmt, \
			       ##__VA_ARGS__))

/**
 * pf_chart_add_char() - add a character several times, as far as there is room
 * @o: the line
 * @c: the character
 * @times: how often
 */
static inline void pf_chart_add_char(struct pf_chart_out *o, char c, unsigned int times)
{
	while (times-- && o->len < PF_CHART_LINE_MAX)
		o->line[o->len++] = c;
}

/**
 * pf_chart_align() - right-align the text at the end of a line in a field
 * @o: the line
 * @from: where the text begins: @o->len before it was added
 * @width: of the field, in characters. If the text is wider, or there is no room, it stays
 */
static inline void pf_chart_align(struct pf_chart_out *o, int from, int width)
{
	int len = o->len - from;

	if (len >= width || from + width > PF_CHART_LINE_MAX)
		return;
	memmove(o->line + from + width - len, o->line + from, len);
	memset(o->line + from, ' ', width - len);
	o->len = from + width;
}

/**
 * pf_chart_end_line() - emit a line, and begin the next one
 * @o: the line
 *
 * The line is printable ASCII, whatever was added: a title contains a program's name, which can
 * have any bytes.
 */
static inline void pf_chart_end_line(struct pf_chart_out *o)
{
	int i;

	while (o->len && o->line[o->len - 1] == ' ')
		o->len--;
	o->line[o->len] = 0;
	/* The title contains the program's name, which can have any bytes. */
	for (i = 0; i < o->len; i++)
		if (o->line[i] < ' ' || o->line[i] > '~')
			o->line[i] = '?';
	o->emit(o->ctx, o->line);
	o->len = 0;
}

/**
 * pf_chart_ratio() - divide, as a fixed-point number
 * @value: the dividend
 * @unit: the divisor, below 1 << 57
 * @parts: a unit of the result is 1 / @parts
 *
 * Return: @value / @unit in units of 1 / @parts, rounded
 */
static inline u64 pf_chart_ratio(u64 value, u64 unit, unsigned int parts)
{
	u64 whole = div64_u64(value, unit);
	u64 rest = value - whole * unit;

	return whole * parts + div64_u64(rest * parts + unit / 2, unit);
}

/* @value / @unit with three significant digits, or more before the decimal point. */
static inline void pf_chart_add_ratio(struct pf_chart_out *o, u64 value, u64 unit)
{
	unsigned int digits = 2, parts = 100;
	u64 number = pf_chart_ratio(value, unit, parts), whole;

	while (digits && number >= 1000) {
		digits--;
		parts /= 10;
		number = pf_chart_ratio(value, unit, parts);
	}
	whole = div64_u64(number, parts);
	pf_chart_add(o, "%llu", whole);
	if (digits)
		pf_chart_add(o, ".%0*llu", digits, number - whole * parts);
}

/**
 * pf_chart_add_size() - add a size with three significant digits
 * @o: the line
 * @bytes: the size
 */
static inline void pf_chart_add_size(struct pf_chart_out *o, u64 bytes)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	unsigned int i = 0;

	while (i + 1 < ARRAY_SIZE(names) && bytes >> (10 * (i + 1)))
		i++;

	pf_chart_add_ratio(o, bytes, 1ULL << (10 * i));
	pf_chart_add(o, " %s", names[i]);
}

struct pf_chart_time_unit {
	u32 ns;
	const char *name;
};

static const struct pf_chart_time_unit pf_chart_time_units[] = {
	{ 1, "ns" }, { 1000, "us" }, { 1000000, "ms" }, { 1000000000, "s" }
};

/**
 * pf_chart_time_unit() - choose a unit to print a time
 * @ns: the time
 *
 * Return: the largest unit in which @ns is at least 1, ns for 0
 */
static inline const struct pf_chart_time_unit *pf_chart_time_unit(u64 ns)
{
	unsigned int i = ARRAY_SIZE(pf_chart_time_units) - 1;

	while (i && ns < pf_chart_time_units[i].ns)
		i--;
	return &pf_chart_time_units[i];
}

/**
 * pf_chart_add_time() - add a time with three significant digits
 * @o: the line
 * @ns: the time
 */
static inline void pf_chart_add_time(struct pf_chart_out *o, u64 ns)
{
	const struct pf_chart_time_unit *unit = pf_chart_time_unit(ns);

	if (unit->ns == 1)
		pf_chart_add(o, "%llu", ns);
	else
		pf_chart_add_ratio(o, ns, unit->ns);
	pf_chart_add(o, " %s", unit->name);
}

#endif /* PF_CHART_LINE_H */
