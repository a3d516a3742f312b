/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Draws the fault list as charts in dmesg, for pf_probe_B and pf_probe_C at rmmod.
 */
#ifndef PF_PLOT_H
#define PF_PLOT_H

#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sched.h>

#include "asked.h"
#include "chart.h"
#include "chart_line.h"
#include "family.h"
#include "cursor.h"
#include "histogram.h"
#include "print.h"
#include "sums.h"
#include "target.h"

/* Allocated at load, when a lack of memory can still be reported. */
static struct pf_chart *pf_plot_charts;
static struct pf_cursor *pf_plot_cursor;
static struct pf_histogram *pf_plot_histograms; /* by region; filled with outcome=1 */

static void pf_plot_free(void)
{
	kvfree(pf_plot_histograms);
	kvfree(pf_plot_charts);
	kvfree(pf_plot_cursor);
}

/**
 * pf_plot_start() - allocate memory for the plot, then start recording
 * @nr_charts: 1 for a chart of all faults, or NR_PF_REGION for a chart of each region
 * @start: starts recording
 *
 * Context: process context, may sleep.
 * Return: 0, -ENOMEM, or the error of @start
 */
static int pf_plot_start(unsigned int nr_charts, int (*start)(void))
{
	int ret = -ENOMEM;

	pf_plot_cursor = pf_cursor_new();
	pf_plot_charts = kvcalloc(nr_charts, sizeof(*pf_plot_charts), GFP_KERNEL);
	pf_plot_histograms = kvcalloc(NR_PF_REGION, sizeof(*pf_plot_histograms), GFP_KERNEL);
	if (!pf_plot_cursor || !pf_plot_charts || !pf_plot_histograms) {
		pr_err("no memory for the plot\n");
		goto free;
	}
	ret = start();
	if (ret)
		goto free;
	return 0;

free:
	pf_plot_free();
	return ret;
}

/**
 * pf_plot_emit() - print a line of a plot
 * @ctx: not used
 * @line: the line
 *
 * By printk() and not pr_info(): the lines are too wide for the module's name in front.
 */
static void pf_plot_emit(void *ctx, const char *line)
{
	printk(KERN_INFO "%s\n", line);
}

static __always_inline void pf_plot_pass_of(bool by_region, bool survey, bool has_extra)
{
	struct pf_cursor *cursor = pf_plot_cursor;
	const struct pf_fault *fault = &cursor->fault;
	struct pf_chart *charts = pf_plot_charts;
	unsigned int nr = 0;

	pf_cursor_rewind(cursor);
	pf_cursor_extend_to_end(cursor);
	while (pf_cursor_next_of(cursor, has_extra)) {
		struct pf_chart *chart = &charts[by_region ? fault->region : 0];

		if (survey)
			pf_chart_survey(chart, fault);
		else
			pf_chart_plot(chart, fault);
		if (survey && has_extra && fault->result)
			pf_histogram_add(&pf_plot_histograms[fault->region], fault->result,
					 cursor->extra.latency_ns);
		if (!(++nr % 4096))
			cond_resched();
	}
}

/* Tests has_extra once per pass, not once per fault. */
static __always_inline void pf_plot_pass(bool by_region, bool survey)
{
	if (pf_list.has_extra)
		pf_plot_pass_of(by_region, survey, true);
	else
		pf_plot_pass_of(by_region, survey, false);
}

/* Counts all faults into one chart, or into one chart for each region. */
static __always_inline void pf_plot_fill(unsigned int nr_charts)
{
	unsigned int i;

	for (i = 0; i < nr_charts; i++)
		pf_chart_init(&pf_plot_charts[i], PAGE_SHIFT);
	pf_plot_pass(nr_charts > 1, true);
	for (i = 0; i < nr_charts; i++)
		pf_chart_layout(&pf_plot_charts[i]);
	pf_plot_pass(nr_charts > 1, false);
}

/* Draws a histogram of the latency of all faults. Adds all regions up in the first one. */
static void pf_plot_draw_latency(void)
{
	struct pf_histogram *all = &pf_plot_histograms[0];
	unsigned int i;

	for (i = 1; i < NR_PF_REGION; i++)
		pf_histogram_merge(all, &pf_plot_histograms[i]);
	pf_plot_emit(NULL, "");
	pf_histogram_draw(all, pf_plot_emit, NULL);
}

/* Writes a title, e.g. "PID 4494 (brave): 12003 page faults", with losses if there are any. */
static void pf_plot_title(char *title, size_t size)
{
	struct pf_sums sums = pf_sums_take(pf_all_exited());
	u64 nr_faults = sums.nr_recorded - pf_list.nr_overwritten;
	char comm[PF_COMM_MAX];
	int len;

	pf_target_comm(comm);
	len = scnprintf(title, size, "PID %d (%s)", pf_target.nr, comm);
	if (pf_family.nr_children)
		len += scnprintf(title + len, size - len, " and %llu child%s",
				 pf_family.nr_children, pf_family.nr_children > 1 ? "ren" : "");
	len += scnprintf(title + len, size - len, ": %llu page fault%s", nr_faults,
			 nr_faults == 1 ? "" : "s");
	if (sums.nr_dropped)
		len += scnprintf(title + len, size - len, ", %llu more DROPPED", sums.nr_dropped);
	if (sums.is_counted && sums.nr_unseen)
		len += scnprintf(title + len, size - len, ", %llu more NOT SEEN", sums.nr_unseen);
	if (sums.is_counted && sums.nr_surplus)
		len += scnprintf(title + len, size - len, ", %llu TOO MANY", sums.nr_surplus);
	if (pf_list.nr_overwritten)
		scnprintf(title + len, size - len, ", %llu older OVERWRITTEN",
			  pf_list.nr_overwritten);
}

/**
 * pf_plot() - draw the whole list, and free what pf_plot_start() has allocated
 * @nr_charts: as for pf_plot_start()
 * @draw: draws the filled charts with a title
 *
 * Context: process context, may sleep; recording has ended.
 */
static __always_inline void pf_plot(unsigned int nr_charts, void (*draw)(const char *title))
{
	char title[PF_CHART_LINE_MAX + 1];

	pf_dmesg_warn();
	pf_plot_fill(nr_charts);
	pf_plot_title(title, sizeof(title));
	draw(title);
	if (pf_has_outcome())
		pf_plot_draw_latency();
	pf_plot_free();
}

#endif /* PF_PLOT_H */
