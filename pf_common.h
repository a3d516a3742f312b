/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Common to the three modules: parameters, start and stop. Each module includes this once, so each
 * has a list, a hook and a /proc file of its own.
 */
#ifndef PF_COMMON_H
#define PF_COMMON_H

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#define PF_VERSION "1.0"

/* The default of cont_store; `make CONT_STORE=1` changes it. */
#ifndef CONT_STORE
#define CONT_STORE 0
#endif

#include "pf/compat.h"

#include "pf/account.h"
#include "pf/area.h"
#include "pf/area_hook.h"
#include "pf/area_snapshot.h"
#include "pf/clock.h"
#include "pf/event.h"
#include "pf/family.h"
#include "pf/fault.h"
#include "pf/fault_list.h"
#include "pf/hook.h"
#include "pf/life.h"
#include "pf/list_memory.h"
#include "pf/map.h"
#include "pf/print.h"
#include "pf/proc.h"
#include "pf/queue.h"
#include "pf/sums.h"
#include "pf/target.h"
#include "pf/thread.h"
#include "pf/try.h"

/* Limits memory: since 6.7 the kernel allocates 8 bytes of each of these for each possible CPU. */
#define PF_MAXACTIVE_MAX 65536

static int process_id;
static unsigned long max_faults = 1048576;
static bool cont_store = CONT_STORE;
static char *placement = "auto";
static bool outcome;
static unsigned int maxactive = 1024;
static bool children;
static char *maps = "exec";

/* Takes a value that is not a number as 0, so that pf_target_set() prints our own message. */
static int pf_param_set_process_id(const char *val, const struct kernel_param *kp)
{
	if (kstrtoint(val, 0, &process_id))
		process_id = 0;
	return 0;
}

static const struct kernel_param_ops pf_param_process_id_ops = {
	.set = pf_param_set_process_id,
	.get = param_get_int,
};

module_param_cb(process_id, &pf_param_process_id_ops, &process_id, 0444);
__MODULE_PARM_TYPE(process_id, "int");
MODULE_PARM_DESC(process_id, "PID of the process to record, with all its threads (required)");
module_param(max_faults, ulong, 0444);
MODULE_PARM_DESC(max_faults, "Number of faults that there is room for (default 1048576)");
module_param(cont_store, bool, 0444);
MODULE_PARM_DESC(cont_store, "When full: 0 drops new faults, 1 overwrites the oldest (default "
		 __stringify(CONT_STORE) ")");
module_param(placement, charp, 0444);
MODULE_PARM_DESC(placement, "Kind of hook: auto, jump, entry, ftrace, direct or callback"
		 " (default auto)");
module_param(outcome, bool, 0444);
MODULE_PARM_DESC(outcome, "Record how each fault ends: result, latency, tries (default 0)");
module_param(maxactive, uint, 0444);
MODULE_PARM_DESC(maxactive, "With outcome=1: maximum faults in progress at once (default 1024)");
module_param(children, bool, 0444);
MODULE_PARM_DESC(children, "Also record the processes that it forks from now on, and their "
		 "descendants (default 0)");
module_param(maps, charp, 0444);
MODULE_PARM_DESC(maps, "Areas of address spaces to record: exec (executable ones), all or none"
		 " (default exec)");
module_param(probe_print, bool, 0600);
MODULE_PARM_DESC(probe_print, PROBE_PRINT_DESC " (default " __stringify(PROBE_PRINT) ")");
module_param(probe_debug, bool, 0600);
MODULE_PARM_DESC(probe_debug, "Print debug messages (default "
		 __stringify(PROBE_DEBUG) ")");

MODULE_AUTHOR("The pf_probe authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(PF_VERSION);

/**
 * pf_start() - check the parameters, create the /proc file and start recording
 *
 * Context: process context, may sleep.
 * Return: 0, or a negative errno after printing the cause
 */
static int pf_start(void)
{
	char comm[PF_COMM_MAX];
	int ret;

	if (!maxactive || maxactive > PF_MAXACTIVE_MAX) {
		pr_err("maxactive=%u: must be 1 to %u\n", maxactive, PF_MAXACTIVE_MAX);
		return -EINVAL;
	}
	ret = pf_area_parse(maps);
	if (ret)
		return ret;
	ret = pf_target_set(process_id);
	if (ret)
		return ret;
	ret = pf_list_init(max_faults, cont_store, outcome || children);
	if (ret)
		goto clear_target;
	ret = pf_threads_init();
	if (ret)
		goto free_list;
	ret = pf_events_init(max_faults, cont_store, children, pf_area.which != PF_AREAS_NONE);
	if (ret)
		goto free_threads;
	if (children) {
		ret = pf_family_init();
		if (ret)
			goto free_events;
	}
	ret = pf_queue_start();
	if (ret)
		goto free_family;
	ret = pf_map_init(cont_store ? ULONG_MAX : max_faults);
	if (ret)
		goto stop_queue;
	pf_clock_start();
	pf_asked_set(children, outcome);
	ret = pf_life_start((children ? PF_LIFE_OF_CHILDREN : 0) |
			    (pf_area.which != PF_AREAS_NONE ? PF_LIFE_OF_AREAS : 0));
	if (ret)
		goto stop_clock;
	ret = pf_hook_place(placement, outcome ? maxactive : 0);
	if (ret)
		goto stop_life;
	pf_area_hooks_place();
	ret = pf_proc_create();
	if (ret)
		goto remove_hooks;

	ret = pf_area_begin();
	if (ret)
		goto remove_proc;
	/* From here on, faults are recorded. */
	pf_account_prepare();
	if (children)
		pf_family_begin();
	pf_target_begin();
	pf_account_begin();

	pf_target_comm(comm);
	pr_info("recording process %d (%s)%s, placement: %s\n", pf_target.nr, comm,
		children ? " and its children" : "", pf_hook_name());
	pf_debug("%lu chunks of %u faults, %u bytes a fault\n", pf_list.nr_chunks,
		 pf_list.chunk_faults, PF_CHUNK_BYTES / pf_list.chunk_faults);
	return 0;

remove_proc:
	pf_proc_remove();
remove_hooks:
	pf_hook_remove();
	pf_area_hooks_remove();
stop_life:
	pf_life_stop();
	pf_hook_hold_module();
stop_clock:
	pf_clock_stop();
	pf_map_free();
stop_queue:
	pf_queue_stop();
free_family:
	if (children)
		pf_family_free();
free_events:
	pf_events_free();
free_threads:
	pf_threads_free();
free_list:
	pf_list_free();
clear_target:
	pf_target_clear();
	return ret;
}

/**
 * pf_stop() - stop recording, let the module use the whole list, print the sums and free all
 * @finish: called when the list is complete and has no other user; may be NULL
 *
 * Context: process context, may sleep.
 */
static void pf_stop(void (*finish)(void))
{
	struct pf_sums sums;
	bool exited = pf_all_exited();

	pf_account_end();
	pf_hook_remove();
	pf_area_hooks_remove();
	pf_clock_stop();
	pf_proc_remove();
	if (finish)
		finish();
	sums = pf_sums_take(exited);
	pf_life_stop();
	pr_info("recorded=%llu retries=%llu dropped=%llu overwritten=%llu missed=%llu\n",
		sums.nr_recorded, sums.nr_retries, sums.nr_dropped, pf_list.nr_overwritten,
		sums.nr_missed);
	if (sums.nr_abandoned)
		pr_info("abandoned=%llu: faults that were not tried again\n",
			sums.nr_abandoned);
	if (sums.nr_unfinished)
		pr_info("unfinished=%llu: faults in progress, so not recorded\n",
			sums.nr_unfinished);
	if (sums.nr_incomplete)
		pr_info("incomplete=%llu: faults in progress, cut short by a signal, or failed\n",
			sums.nr_incomplete);
	if (sums.nr_forgotten)
		pr_info("forgotten=%llu: faults in progress that there was no room to remember\n",
			sums.nr_forgotten);
	if (sums.is_counted && sums.nr_unseen)
		pr_warn("unseen=%llu: faults that the kernel counted and the module did not see: were "
			"kprobes or ftrace switched off, or " PF_SYMBOL "() patched?\n",
			sums.nr_unseen);
	if (sums.is_counted && sums.nr_surplus)
		pr_warn("surplus=%llu: more faults were recorded than the kernel counted: some were "
			"recorded twice; please report this\n", sums.nr_surplus);
	if (sums.nr_names_lost)
		pr_info("names_lost=%llu: how often a file could not be named: it was being renamed, or "
			"there was no room for its name\n", sums.nr_names_lost);
	if (sums.nr_offsets_lost)
		pr_info("offsets_lost=%llu: faults in files without an offset: there was no room for "
			"more mappings\n", sums.nr_offsets_lost);
	if (sums.nr_maps_lost)
		pr_info("maps_lost=%llu: areas and names of threads that are missing: there was no room, "
			"or a lock was taken\n", sums.nr_maps_lost);
	if (sums.nr_files_lost)
		pr_info("files_lost=%llu: areas without a file: there was no room for its name\n",
			sums.nr_files_lost);
	pf_hook_hold_module();
	if (children)
		pf_family_free();
	pf_events_free();
	pf_threads_free();
	pf_map_free();
	pf_queue_stop();
	pf_list_free();
	pf_target_clear();
}

#endif /* PF_COMMON_H */
