/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Draw a chart and check it: chart_is_true() computes every fault's cell independently, and reads
 * the drawn lines back: labels, glyphs against the legend, counts, breaks. It prints errors.
 */
#ifndef DRAWN_H
#define DRAWN_H

#include "../../pf/chart_draw.h"

#define NR_FAULTS_MAX 1000000
#define NR_LINES_MAX 64

static struct pf_fault faults[NR_FAULTS_MAX];
static size_t nr_faults;

static struct pf_chart *chart;
static char lines[NR_LINES_MAX][PF_CHART_LINE_MAX + 1];
static unsigned int nr_lines;
static bool lines_fit;

static void add(u64 time_ns, u64 address, enum pf_region region)
{
	faults[nr_faults++] = (struct pf_fault){
		.time_ns = time_ns,
		.address = address,
		.region = region,
	};
}

static void keep_line(void *ctx, const char *line)
{
	(void)ctx;
	if (nr_lines == NR_LINES_MAX || strlen(line) > PF_CHART_LINE_MAX)
		lines_fit = false;
	else
		strcpy(lines[nr_lines++], line);
}

static void show_lines(void)
{
	unsigned int i;

	for (i = 0; i < nr_lines; i++)
		printf("# %s\n", lines[i]);
}

/* Both passes and the drawing, into a chart with other contents from before. */
static bool draw_titled(unsigned int page_shift, const char *title)
{
	bool plotted = true;
	size_t i;

	memset(chart, 0xa5, sizeof(*chart));
	pf_chart_init(chart, page_shift);
	for (i = 0; i < nr_faults; i++)
		pf_chart_survey(chart, &faults[i]);
	pf_chart_layout(chart);
	for (i = 0; i < nr_faults; i++)
		plotted = pf_chart_plot(chart, &faults[i]) && plotted;
	nr_lines = 0;
	lines_fit = true;
	pf_chart_draw(chart, title, keep_line, NULL);
	return plotted;
}

/* Is this the column of @since out of @span? As exact as pf_chart_column() promises. */
static bool column_is_right(unsigned int column, u64 since, u64 span)
{
	const unsigned __int128 whole = (unsigned __int128)span + 1;
	unsigned __int128 slack = 0;

	if (span >> 30)
		slack = 3ULL << (fls64(span) - 30);
	else if (span >> 24)
		slack = 1;
	return column < PF_CHART_COLS && column * whole <= (since + slack) * PF_CHART_COLS &&
	       (column + 1) * whole + slack * PF_CHART_COLS >
		       (unsigned __int128)since * PF_CHART_COLS;
}

/* Count the faults anew, row by row, and compare all cells. */
static bool cells_are_right(void)
{
	static u32 cells[PF_CHART_ROWS][PF_CHART_COLS];
	u64 first_ns = ~0ULL, last_ns = 0, sum = 0;
	unsigned int row, column;
	size_t i;

	memset(cells, 0, sizeof(cells));
	for (i = 0; i < nr_faults; i++) {
		first_ns = min(first_ns, faults[i].time_ns);
		last_ns = max(last_ns, faults[i].time_ns);
	}
	for (i = 0; i < nr_faults; i++) {
		const u64 page = faults[i].address >> chart->page_shift;

		for (row = 0; row < chart->nr_rows; row++)
			if (page >= chart->rows[row].first && page <= chart->rows[row].last)
				break;
		column = pf_chart_column(chart, faults[i].time_ns - first_ns);
		if (row == chart->nr_rows ||
		    !column_is_right(column, faults[i].time_ns - first_ns, last_ns - first_ns) ||
		    !(chart->rows[row].regions & 1U << faults[i].region)) {
			printf("# fault %zu: page 0x%llx is in row %u of %u, time %llu in column %u\n",
			       i, page, row, chart->nr_rows, faults[i].time_ns - first_ns, column);
			return false;
		}
		cells[row][column]++;
	}
	for (row = 0; row < chart->nr_rows; row++) {
		if (memcmp(cells[row], chart->rows[row].cells, sizeof(cells[row]))) {
			printf("# row %u: wrong number of faults\n", row);
			return false;
		}
		for (column = 0; column < PF_CHART_COLS; column++)
			sum += chart->rows[row].cells[column];
	}
	if (sum != nr_faults || chart->nr_faults != nr_faults)
		printf("# %llu faults in the cells, %llu in the chart, %zu in all\n", sum,
		       chart->nr_faults, nr_faults);
	return sum == nr_faults && chart->nr_faults == nr_faults;
}

/* Rows ascend and do not overlap, few are breaks, and breaks hide no fault. */
static bool rows_are_right(void)
{
	u64 nr_pages = 0;
	unsigned int i, nr_breaks = 0;

	for (i = 0; i < chart->nr_rows; i++) {
		const struct pf_chart_row *row = &chart->rows[i];

		if (row->first > row->last || (i && row->first <= row[-1].last))
			return false;
		if (i && row->first != row[-1].last + 1)
			nr_breaks++;
		nr_pages += row->last - row->first + 1;
	}
	return chart->nr_rows == min(nr_pages, (u64)PF_CHART_ROWS) &&
	       nr_breaks < PF_CHART_AREAS_MAX;
}

struct legend {
	u32 from[128];
	u32 to[128];
};

/* Does a row have more regions than it can name? */
static bool regions_are_cut(void)
{
	unsigned int i;

	for (i = 0; i < nr_lines; i++)
		if (strchr(lines[i], '|') && lines[i][strlen(lines[i]) - 1] == '+')
			return true;
	return false;
}

/* Parse the legend: "  . 1  : 2-4  - 5-9", then the meaning of a +, if there is one. */
static bool read_legend(struct legend *legend)
{
	unsigned int i = nr_lines - 1;
	u32 before = 0;

	memset(legend, 0, sizeof(*legend));
	while (i && strncmp(lines[i], "Faults in a cell:", 17))
		i--;
	for (; i && i < nr_lines && *lines[i] != 'A'; i++) {
		const char *p = lines[i] + (*lines[i] == 'F' ? 17 : 0);

		while (*p) {
			char glyph;
			int len;
			u32 from;

			if (sscanf(p, "  %c %u%n", &glyph, &from, &len) != 2)
				return false;
			p += len;
			legend->from[(int)glyph] = from;
			legend->to[(int)glyph] = from;
			if (*p == '-') {
				if (sscanf(p, "-%u%n", &legend->to[(int)glyph], &len) != 1)
					return false;
				p += len;
			}
			/* Each number is in exactly one range. */
			if (from != before + 1 || legend->to[(int)glyph] < from)
				return false;
			before = legend->to[(int)glyph];
		}
	}
	return i + regions_are_cut() == nr_lines && before;
}

static bool row_is_drawn(const struct pf_chart_row *row, const char *line, const struct legend *l)
{
	const char *bar = strchr(line, '|');
	unsigned int column, sum = 0, count = 0;
	u64 label;

	if (!bar || sscanf(line, " 0x%llx |", &label) != 1 || label != row->first)
		return false;
	for (column = 0; column < PF_CHART_COLS; column++) {
		const u32 nr = row->cells[column];
		const int glyph = bar[1 + column];

		sum += nr;
		if (nr ? nr < l->from[glyph] || nr > l->to[glyph] : glyph != ' ')
			return false;
	}
	bar += 1 + PF_CHART_COLS;
	return *bar == '|' && (sscanf(bar, "| %u", &count) == 1) == (sum > 0) && count == sum;
}

/* Line by line from the top: the title, the frame, rows and breaks, the axis, the legend. */
static bool lines_are_right(void)
{
	struct legend legend;
	unsigned int i, line = 2;

	for (i = 0; i < nr_lines; i++) {
		const char *p;

		for (p = lines[i]; *p; p++)
			if (*p < ' ' || *p > '~')
				return false;
		if (p != lines[i] && p[-1] == ' ')
			return false;
	}
	if (!lines_fit || !read_legend(&legend))
		return false;
	for (i = chart->nr_rows; i--; line++) {
		if (!row_is_drawn(&chart->rows[i], lines[line], &legend)) {
			printf("# line %u is not row %u\n", line, i);
			return false;
		}
		if (i && chart->rows[i].first != chart->rows[i - 1].last + 1)
			if (!strstr(lines[++line], "~~ ") || !strstr(lines[line], " without faults ~~"))
				return false;
	}
	return strstr(lines[line], "+-") && !strncmp(lines[line + 2], "X: ", 3);
}

/* Draw the faults, and check the chart. */
static bool chart_is_true(unsigned int page_shift)
{
	bool plotted = draw_titled(page_shift, "title");
	bool right = cells_are_right() && rows_are_right() && lines_are_right() && plotted;

	if (!right)
		show_lines();
	return right;
}

#endif /* DRAWN_H */
