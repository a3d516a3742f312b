/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lines of /proc/pf_probe_X: the head, faults, events, and the summary.
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

#include "area.h"
#include "asked.h"
#include "cursor.h"
#include "event.h"
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
	seq_printf(m, " maps=%s", pf_area_words[pf_area.which]);
	seq_puts(m, "\n");
}

/* "# file": its facts, when its first area was recorded. */
static void pf_proc_show_file(struct seq_file *m, const struct pf_event *event)
{
	const struct pf_file_facts *facts = &pf_file_at(event->file)->facts;
	u32 len;
	const char *name = pf_map_file_name(event->file, &len);

	seq_printf(m, "# file time=%llu nr=%u dev=%02x:%02x ino=%llu size=%llu mtime=%lld.%09ld "
		   "build_id=", event->time_ns, event->file, MAJOR(facts->dev), MINOR(facts->dev),
		   facts->ino, facts->size, (s64)facts->mtime.tv_sec, facts->mtime.tv_nsec);
	if (facts->id_len)
		seq_printf(m, "%*phN", facts->id_len, facts->id);
	else
		seq_putc(m, '?');
	seq_printf(m, " path=%.*s\n", (int)len, name);
}

/* "# map": an area. */
static void pf_proc_show_area(struct seq_file *m, const struct pf_event *event)
{
	const char *name;
	u32 len;

	seq_printf(m, "# map time=%llu pid=%u start=0x%llx end=0x%llx prot=%c%c%c%c offset=0x%llx "
		   "file=", event->time_ns, event->pid, event->start, event->end,
		   event->prot & PF_PROT_READ ? 'r' : '-', event->prot & PF_PROT_WRITE ? 'w' : '-',
		   event->prot & PF_PROT_EXEC ? 'x' : '-',
		   event->prot & PF_PROT_SHARED ? 's' : 'p', event->offset);
	switch (event->file) {
	case PF_FILE_UNKNOWN:
		seq_puts(m, "?\n");
		break;
	case PF_FILE_ANON:
		seq_puts(m, "anon\n");
		break;
	case PF_FILE_HEAP:
		seq_puts(m, "[heap]\n");
		break;
	case PF_FILE_STACK:
		seq_puts(m, "[stack]\n");
		break;
	default:
		if (pf_file_at(event->file)->facts.is_set) {
			seq_printf(m, "%u\n", event->file);
			break;
		}
		/* Special mappings such as [vdso] have a name only. */
		name = pf_map_file_name(event->file, &len);
		seq_printf(m, "%.*s\n", (int)len, name);
	}
}

/**
 * pf_proc_show_event() - write the line of an event
 * @m: the file
 * @event: the event
 */
static void pf_proc_show_event(struct seq_file *m, const struct pf_event *event)
{
	char comm[PF_COMM_MAX];

	switch (event->kind) {
	case PF_EVENT_CHILD:
		pf_text_escape(comm, sizeof(comm), event->comm);
		seq_printf(m, "# child time=%llu pid=%u ppid=%u comm=%s space=%s\n",
			   event->time_ns, event->pid, event->other, comm,
			   event->is_shared ? "shared" : "copy");
		break;
	case PF_EVENT_EXEC:
		pf_text_escape(comm, sizeof(comm), event->comm);
		seq_printf(m, "# exec time=%llu pid=%u comm=%s\n", event->time_ns, event->pid,
			   comm);
		break;
	case PF_EVENT_MAP:
		pf_proc_show_area(m, event);
		break;
	case PF_EVENT_FILE:
		pf_proc_show_file(m, event);
		break;
	case PF_EVENT_SPACE:
		seq_printf(m, "# space time=%llu pid=%u\n", event->time_ns, event->pid);
		break;
	case PF_EVENT_COMM:
		pf_text_escape(comm, sizeof(comm), event->comm);
		seq_printf(m, "# comm time=%llu pid=%u tid=%u comm=%s\n", event->time_ns,
			   event->pid, event->other, comm);
		break;
	case PF_EVENT_EXIT:
		seq_printf(m, "# exit time=%llu pid=%u\n", event->time_ns, event->pid);
		break;
	default:
		seq_printf(m, "# maps-lost time=%llu\n", event->time_ns);
	}
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
			   pf_events_nr_lost(PF_EVENTS_OF_FAMILY));
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
	if (sums.nr_offsets_lost)
		seq_printf(m, " offsets_lost=%llu", sums.nr_offsets_lost);
	if (pf_area.which != PF_AREAS_NONE)
		seq_printf(m, " maps_lost=%llu files_lost=%llu", sums.nr_maps_lost,
			   sums.nr_files_lost);
	seq_putc(m, '\n');
}

#endif /* PF_PROC_TEXT_H */
