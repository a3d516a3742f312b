/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the fault list to charts in dmesg: what pf_probe_B and pf_probe_C do at rmmod.
 */
#ifndef PF_PLOT_H
#define PF_PLOT_H

#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sched.h>

#include "chart.h"
#include "fault_list.h"
#include "target.h"

/* Taken at load: at unload there is nobody to tell that there was no memory for the plot. */
static struct pf_chart *pf_plot_charts;
static struct pf_cursor *pf_plot_cursor;

static void pf_plot_free(void)
{
	kvfree(pf_plot_charts);
	kvfree(pf_plot_cursor);
}

static int pf_plot_init(unsigned int nr_charts)
{
	pf_plot_cursor = pf_cursor_new();
	pf_plot_charts = kvcalloc(nr_charts, sizeof(*pf_plot_charts), GFP_KERNEL);
	if (!pf_plot_cursor || !pf_plot_charts) {
		pr_err("no memory for the plot\n");
		pf_plot_free();
		return -ENOMEM;
	}
	return 0;
}

/* Lines stand without the module's name: they are wide, and belong together visibly. */
static void pf_plot_emit(void *ctx, const char *line)
{
	printk(KERN_INFO "%s\n", line);
}

static void pf_plot_pass(bool by_region, bool survey)
{
	struct pf_fault fault;
	unsigned int nr = 0;

	pf_cursor_rewind(pf_plot_cursor);
	pf_cursor_extend(pf_plot_cursor);
	while (pf_cursor_next(pf_plot_cursor, &fault)) {
		struct pf_chart *chart = &pf_plot_charts[by_region ? fault.region : 0];

		if (survey)
			pf_chart_survey(chart, &fault);
		else
			pf_chart_plot(chart, &fault);
		if (!(++nr % 4096))
			cond_resched();
	}
}

/* Counts all faults into the charts: into one for all, or one for each region. */
static void pf_plot_fill(unsigned int nr_charts)
{
	unsigned int i;

	for (i = 0; i < nr_charts; i++)
		pf_chart_init(&pf_plot_charts[i], PAGE_SHIFT);
	pf_plot_pass(nr_charts > 1, true);
	for (i = 0; i < nr_charts; i++)
		pf_chart_layout(&pf_plot_charts[i]);
	pf_plot_pass(nr_charts > 1, false);
}

/* Writes "PID 4494 (brave): 12003 page faults" to @title and says what was lost. */
static void pf_plot_title(char *title, size_t size)
{
	u64 nr_dropped = pf_list_nr_dropped();
	char comm[PF_COMM_MAX];
	int len;

	pf_target_comm(comm);
	len = scnprintf(title, size, "PID %d (%s): %llu page faults", pf_target.nr, comm,
			pf_list_nr_recorded() - pf_list.nr_overwritten);
	if (nr_dropped)
		len += scnprintf(title + len, size - len, ", %llu more DROPPED", nr_dropped);
	if (pf_list.nr_overwritten)
		scnprintf(title + len, size - len, ", %llu older OVERWRITTEN",
			  pf_list.nr_overwritten);
}

#endif /* PF_PLOT_H */
