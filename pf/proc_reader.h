/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reader of /proc/pf_probe_X: what it has read, and what comes next.
 *
 * A reader is used by one thread at a time, under seq_file's lock.
 *
 * It gets all faults recorded so far, in time order, then the summary, EXIT_CODE and an end of
 * file. That is one drain. Later reads return new faults, if there are any, in the same way. An
 * event comes before all faults with later times.
 */
#ifndef PF_PROC_READER_H
#define PF_PROC_READER_H

#include <linux/compiler.h>
#include <linux/string.h>
#include <linux/types.h>

#include "cursor.h"
#include "event.h"
#include "family.h"
#include "fault.h"
#include "fault_list.h"
#include "map.h"

/* What a reader prints next. */
enum pf_item {
	PF_ITEM_HEAD,
	PF_ITEM_FAULT,
	PF_ITEM_EVENT,
	PF_ITEM_SUMMARY,
	PF_ITEM_EXIT_CODE,
	PF_ITEM_END, /* until read() has returned 0 */
	PF_ITEM_NEWS, /* start another drain if there is something new */
};

/**
 * struct pf_reader - an open /proc/pf_probe_X
 * @item: what to print at position @pos
 * @pos: seq_file's count of items
 * @nr_shown: number of faults printed since the start of the file
 * @nr_results: the same by enum pf_result
 * @nr_events: number of events printed since the start of the file
 * @has_fault: @cursor is at a fault that has not been printed yet
 * @known: pf_proc_mark() when the last drain began
 * @target_exited: pf_all_exited() when the last drain began
 * @cursor: reads the list
 */
struct pf_reader {
	enum pf_item item;
	loff_t pos;
	u64 nr_shown;
	u64 nr_results[NR_PF_RESULT];
	u32 nr_events;
	bool has_fault;
	u64 known;
	bool target_exited;
	struct pf_cursor *cursor;
};

/**
 * pf_proc_mark() - a number that changes with anything new for readers, except records
 * @exited: the result of pf_all_exited()
 *
 * Context: any.
 */
static u64 pf_proc_mark(bool exited)
{
	return pf_list_nr_dropped() + READ_ONCE(pf_events.nr) + exited;
}

/**
 * pf_reader_has_news() - is there anything new since the reader's last drain?
 * @reader: the reader
 *
 * Context: process context.
 */
static bool pf_reader_has_news(const struct pf_reader *reader)
{
	return pf_cursor_has_more(reader->cursor) ||
	       reader->known != pf_proc_mark(pf_all_exited());
}

/**
 * pf_reader_event() - the next event, if it comes before the next fault
 * @reader: the reader
 *
 * Return: the event, or NULL
 */
static const struct pf_event *pf_reader_event(const struct pf_reader *reader)
{
	return pf_events_get(reader->nr_events,
			     reader->has_fault ? pf_cursor_made_ns(reader->cursor) :
						 reader->cursor->horizon_ns);
}

/* Events up to the time of the next fault come before it: a child is announced before it faults. */
static void pf_reader_choose(struct pf_reader *reader)
{
	if (unlikely(pf_reader_event(reader)))
		reader->item = PF_ITEM_EVENT;
	else
		reader->item = reader->has_fault ? PF_ITEM_FAULT : PF_ITEM_SUMMARY;
}

/**
 * pf_reader_next_fault() - read the next fault, and choose what to print next
 * @reader: the reader; sets @has_fault, @item and the counts
 *
 * Context: process context; takes the list's lock once per chunk.
 */
static void pf_reader_next_fault(struct pf_reader *reader)
{
	reader->has_fault = pf_cursor_next(reader->cursor);
	if (likely(reader->has_fault)) {
		reader->nr_shown++;
		reader->nr_results[reader->cursor->fault.result]++;
	}
	pf_reader_choose(reader);
}

/**
 * pf_reader_drain() - start a drain: let the reader read what has been recorded so far
 * @reader: the reader
 *
 * Context: process context, sleeps for a grace period, and until files are named.
 */
static void pf_reader_drain(struct pf_reader *reader)
{
	/* Before reading the list: if the summary says "exited", this drain has all faults. */
	reader->target_exited = pf_all_exited();
	reader->known = pf_proc_mark(reader->target_exited);
	if (reader->target_exited)
		pf_cursor_extend_to_end(reader->cursor);
	else
		pf_cursor_extend(reader->cursor);
	pf_map_flush();
	pf_reader_next_fault(reader);
}

/**
 * pf_reader_advance() - go on to the next item after one has been printed, except a fault
 * @reader: the reader
 *
 * Context: process context, may sleep.
 */
static void pf_reader_advance(struct pf_reader *reader)
{
	switch (reader->item) {
	case PF_ITEM_HEAD:
		pf_reader_drain(reader);
		break;
	case PF_ITEM_EVENT:
		reader->nr_events++;
		pf_reader_choose(reader);
		break;
	case PF_ITEM_SUMMARY:
		reader->item = PF_ITEM_EXIT_CODE;
		break;
	case PF_ITEM_EXIT_CODE:
		reader->item = PF_ITEM_END;
		break;
	default:
		break;
	}
}

/**
 * pf_reader_rewind() - go back to the start of the file
 * @reader: the reader
 */
static void pf_reader_rewind(struct pf_reader *reader)
{
	reader->item = PF_ITEM_HEAD;
	reader->pos = 0;
	reader->nr_shown = 0;
	reader->nr_events = 0;
	memset(reader->nr_results, 0, sizeof(reader->nr_results));
	pf_cursor_rewind(reader->cursor);
}

#endif /* PF_PROC_READER_H */
