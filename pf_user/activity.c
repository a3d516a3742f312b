// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "activity.h"
#include "say.h"

static void lanes_init(struct lanes *lanes)
{
	names_init(&lanes->names, ACTIVITY_NAMES_MAX, ACTIVITY_NAMES_SIZE);
	lanes->list = need(calloc(ACTIVITY_NAMES_MAX + 1, sizeof(*lanes->list)));
}

/* Clears only the lanes that were used: usually a few. */
static void lanes_clear(struct lanes *lanes)
{
	memset(lanes->list, 0, lanes->names.nr * sizeof(*lanes->list));
	memset(lanes->list + ACTIVITY_NAMES_MAX, 0, sizeof(*lanes->list));
	names_clear(&lanes->names);
}

static struct lane *lane_of(struct lanes *lanes, const char *text, size_t len)
{
	return &lanes->list[names_find(&lanes->names, text, len)];
}

void activity_init(struct activity *a, u64 begin_ns)
{
	*a = (struct activity) { .begin_ns = begin_ns };
	lanes_init(&a->maps);
	lanes_init(&a->threads);
}

void activity_clear(struct activity *a)
{
	memset(&a->all, 0, sizeof(a->all));
	memset(a->regions, 0, sizeof(a->regions));
	lanes_clear(&a->maps);
	lanes_clear(&a->threads);
}

void activity_free(struct activity *a)
{
	names_free(&a->maps.names);
	names_free(&a->threads.names);
	free(a->maps.list);
	free(a->threads.list);
}

static void lane_add(struct lane *lane, const struct fault *f)
{
	lane->nr_faults++;
	lane->time_ns += f->latency_ns;
	if (f->result == RESULT_MINOR) {
		lane->nr_minor++;
		latency_add(&lane->minor, f->latency_ns);
	} else if (f->result == RESULT_MAJOR) {
		lane->nr_major++;
		latency_add(&lane->major, f->latency_ns);
	}
}

void activity_add(struct activity *a, const struct fault *f)
{
	u64 end_ns = fault_end_ns(f);

	a->nr_faults++;
	a->nr_minor += f->result == RESULT_MINOR;
	a->nr_major += f->result == RESULT_MAJOR;
	a->nr_failed += f->result == RESULT_FAILED;
	a->nr_new += f->result == RESULT_NEW;
	a->has_results |= f->result != RESULT_UNKNOWN;
	if (end_ns > a->newest_ns)
		a->newest_ns = end_ns;
	if (end_ns < a->begin_ns) {
		a->nr_earlier++;
		return;
	}
	lane_add(&a->all, f);
	if (f->region >= 0)
		lane_add(&a->regions[f->region], f);
	if (f->map)
		lane_add(lane_of(&a->maps, f->map, f->map_len), f);
	if (f->tid)
		lane_add(lane_of(&a->threads, f->tid, strcspn(f->tid, " \n")), f);
}

/* The lanes that compare() looks up: qsort() has no argument for them. */
static const struct lane *sorted;

/* Equal lanes keep the order of their numbers. */
static int compare(const void *left, const void *right)
{
	size_t i = *(const size_t *)left, j = *(const size_t *)right;
	const struct lane *a = &sorted[i], *b = &sorted[j];

	if (a->time_ns != b->time_ns)
		return a->time_ns > b->time_ns ? -1 : 1;
	if (a->nr_faults != b->nr_faults)
		return a->nr_faults > b->nr_faults ? -1 : 1;
	return i < j ? -1 : i > j;
}

static size_t sort(const struct lane *list, size_t nr, size_t *order)
{
	size_t nr_active = 0;

	for (size_t i = 0; i < nr; i++)
		if (list[i].nr_faults)
			order[nr_active++] = i;
	sorted = list;
	qsort(order, nr_active, sizeof(*order), compare);
	return nr_active;
}

size_t lanes_sort(const struct lanes *lanes, size_t *order)
{
	return sort(lanes->list, lanes->names.nr, order);
}

size_t regions_sort(const struct activity *a, size_t *order)
{
	return sort(a->regions, REGIONS, order);
}
