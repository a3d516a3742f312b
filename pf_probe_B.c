// SPDX-License-Identifier: GPL-2.0-only
/*
 * pf_probe_B: at rmmod, draws the page faults of a process in dmesg, address over time.
 */
#define PROBE_PRINT_DESC "Print messages about the module's work"

#include "pf_common.h"
#include "pf/chart_draw.h"
#include "pf/plot.h"

static void draw(const char *title)
{
	pf_chart_draw(pf_plot_charts, title, pf_plot_emit, NULL);
}

static void plot(void)
{
	pf_plot(1, draw);
}

static int __init pf_probe_B_init(void)
{
	return pf_plot_start(1, pf_start);
}

static void __exit pf_probe_B_exit(void)
{
	pf_stop(plot);
}

module_init(pf_probe_B_init);
module_exit(pf_probe_B_exit);
MODULE_DESCRIPTION("Page-fault recorder: plots the faults of a process in dmesg");
