/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lines of /proc/pf_probe_X: the head, faults, events of the family, and the summary.
 *
 * Names that processes choose are always escaped. Lines only grow: new keys are added at the end.
 */
#ifndef PF_PROC_TEXT_H
#define PF_PROC_TEXT_H

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/utsname.h>

#include "asked.h"
#include "cursor.h"
#include "family.h"
#include "fault_line.h"
#include "hook.h"
#include "map.h"
#include "proc_reader.h"
#include "sums.h"
#include "target.h"
#include "text.h"

/* As of pf_proc_note_load(): */
static u64 pf_loaded_ns; /* CLOCK_MONOTONIC */
static struct timespec64 pf_loaded_epoch; /* time of day */
static char pf_loaded_host[PF_TEXT_MAX(__NEW_UTS_LEN)]; /* host name, escaped */

/* Room for any line. */
#define PF_PROC_LINE_MAX (PF_FAULT_LINE_MAX + PF_MAP_NAME_MAX)

/**
 * pf_proc_line() - format the record that a cursor read last
 * @cursor: the cursor
 * @buf: where to write the line
 * @size: size of @buf in bytes, at least PF_FAULT_LINE_MAX; below PF_PROC_LINE_MAX the mapping's
 *	name may be truncated
 *
 * Call pf_map_flush() first, or the mapping may have no name yet.
 *
 * Return: the line's length in bytes, newline included; the line is not zero-terminated
 */
static inline size_t pf_proc_line(const struct pf_cursor *cursor, char *buf, size_t size)
{
	struct pf_context context = {
		.pid = cursor->extra.pid ?: pf_target.nr,
		.cpu = cursor->cpu,
		.latency_ns = cursor->extra.latency_ns,
	};

	pf_map_describe(&cursor->fault, &context);
	return pf_fault_format(buf, size, &cursor->fault, &context);
}

/*
 * The host name of the machine, not of a container. The lock that protects it, uts_sem, is not
 * exported to modules, so copy the name twice, and leave it out if the copies differ.
 */
static void pf_proc_note_host(void)
{
	char name[__NEW_UTS_LEN + 1], again[__NEW_UTS_LEN + 1];

	memcpy(name, init_utsname()->nodename, sizeof(name));
	smp_rmb();
	memcpy(again, init_utsname()->nodename, sizeof(again));
	if (memcmp(name, again, sizeof(name)))
		return;
	name[__NEW_UTS_LEN] = '\0';
	if (strcmp(name, "(none)")) /* the kernel's default: not set */
		pf_text_escape(pf_loaded_host, sizeof(pf_loaded_host), name);
}

/**
 * pf_proc_note_load() - note what the head says about when and where recording began
 *
 * Context: process context.
 */
static void pf_proc_note_load(void)
{
	pf_loaded_ns = ktime_get_mono_fast_ns();
	ktime_get_real_ts64(&pf_loaded_epoch);
	pf_proc_note_host();
}

/**
 * pf_proc_show_head() - write the first line
 * @m: the file
 */
static void pf_proc_show_head(struct seq_file *m)
{
	char comm[PF_COMM_MAX];

	pf_target_comm(comm);
	seq_printf(m, "# " KBUILD_MODNAME " version=%s pid=%d comm=%s clock=CLOCK_MONOTONIC "
		   "loaded=%llu epoch=%lld.%09ld page=%lu kernel=",
		   THIS_MODULE->version, pf_target.nr, comm, pf_loaded_ns, (s64)pf_loaded_epoch.tv_sec,
		   pf_loaded_epoch.tv_nsec, PAGE_SIZE);
	seq_escape(m, init_utsname()->release, " \t\n\\");
	seq_printf(m, " arch=%s", init_utsname()->machine);
	if (*pf_loaded_host)
		seq_printf(m, " host=%s", pf_loaded_host);
	seq_puts(m, "\n");
}

/**
 * pf_proc_show_event() - write a line for a fork or an exec
 * @m: the file
 * @event: the event
 */
static void pf_proc_show_event(struct seq_file *m, const struct pf_family_event *event)
{
	char comm[PF_COMM_MAX];

	pf_text_escape(comm, sizeof(comm), event->comm);
	if (event->ppid)
		seq_printf(m, "# child time=%llu pid=%u ppid=%u comm=%s\n", event->time_ns,
			   event->pid, event->ppid, comm);
	else
		seq_printf(m, "# exec time=%llu pid=%u comm=%s\n", event->time_ns, event->pid,
			   comm);
}

/**
 * pf_proc_show_summary() - write the summary of a drain
 * @m: the file
 * @reader: the reader, all faults of the drain shown
 *
 * Context: process context, may sleep.
 */
static void pf_proc_show_summary(struct seq_file *m, const struct pf_reader *reader)
{
	struct pf_sums sums = pf_sums_take(reader->target_exited);
	const u64 *nr = reader->nr_results;

	seq_printf(m, "# recorded=%llu retries=%llu dropped=%llu overwritten=%llu missed=%llu "
		   "target=%s",
		   reader->nr_shown + reader->cursor->nr_overwritten, sums.nr_retries,
		   sums.nr_dropped, reader->cursor->nr_overwritten, sums.nr_missed,
		   reader->target_exited ? "exited" : "running");
	if (pf_has_outcome())
		seq_printf(m, " minor=%llu major=%llu failed=%llu abandoned=%llu unfinished=%llu",
			   nr[PF_RESULT_MINOR], nr[PF_RESULT_MAJOR],
			   reader->nr_shown - nr[PF_RESULT_MINOR] - nr[PF_RESULT_MAJOR],
			   sums.nr_abandoned, sums.nr_unfinished);
	if (pf_family.members)
		seq_printf(m, " children=%llu untold=%llu", READ_ONCE(pf_family.nr_children),
			   READ_ONCE(pf_family.nr_untold));
	if (sums.is_counted)
		seq_printf(m, " counted=%llu unseen=%llu", sums.nr_counted, sums.nr_unseen);
	seq_printf(m, " probe=%s", pf_hook_is_armed() ? "armed" : "disarmed");
	if (!pf_has_outcome())
		seq_printf(m, " incomplete=%llu", sums.nr_incomplete);
	seq_printf(m, " forgotten=%llu", sums.nr_forgotten);
	if (sums.is_counted && reader->target_exited)
		seq_printf(m, " surplus=%llu", sums.nr_surplus);
	if (sums.nr_names_lost)
		seq_printf(m, " names_lost=%llu", sums.nr_names_lost);
	seq_putc(m, '\n');
}

#endif /* PF_PROC_TEXT_H */
