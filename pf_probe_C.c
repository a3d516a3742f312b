// SPDX-License-Identifier: GPL-2.0-only
/*
 * pf_probe_C: at rmmod, draws the page faults of a process in dmesg, address over time, in one plot
 * for each region of memory (code, data, heap, stack ...), each with its own scale.
 */
#define PROBE_PRINT_DESC "Print messages about the module's work"

#include "pf_common.h"
#include "pf/chart_draw.h"
#include "pf/chart_table.h"
#include "pf/plot.h"

static void draw(const char *title)
{
	struct pf_chart_results results[NR_PF_REGION];
	char region_title[PF_CHART_LINE_MAX + 1];
	unsigned int i;

	for (i = 0; i < NR_PF_REGION; i++) {
		results[i].nr_minor = pf_histogram_sum(pf_plot_histograms[i].nr_minor);
		results[i].nr_major = pf_histogram_sum(pf_plot_histograms[i].nr_major);
	}
	pf_plot_emit(NULL, title);
	pf_chart_draw_table(pf_plot_charts, pf_has_outcome() ? results : NULL, pf_plot_emit,
			    NULL);
	for (i = 0; i < NR_PF_REGION; i++) {
		const struct pf_chart *chart = &pf_plot_charts[i];

		if (!chart->nr_faults)
			continue;
		scnprintf(region_title, sizeof(region_title), "%s: %llu fault%s",
			  pf_region_names[i], chart->nr_faults, chart->nr_faults == 1 ? "" : "s");
		pf_plot_emit(NULL, "");
		pf_chart_draw(chart, region_title, pf_plot_emit, NULL);
	}
}

static void plot(void)
{
	pf_plot(NR_PF_REGION, draw);
}

static int __init pf_probe_C_init(void)
{
	return pf_plot_start(NR_PF_REGION, pf_start);
}

static void __exit pf_probe_C_exit(void)
{
	pf_stop(plot);
}

module_init(pf_probe_C_init);
module_exit(pf_probe_C_exit);
MODULE_DESCRIPTION("Page-fault recorder: plots the faults of a process in dmesg, by region");
