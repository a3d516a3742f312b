// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
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
	lanes_init(&a->processes);
	lanes_init(&a->of_programs);
	lanes_init(&a->of_functions);
	a->ips.list = need(calloc(ACTIVITY_IPS_MAX + 1, sizeof(*a->ips.list)));
	a->ips.numbers = need(calloc(ACTIVITY_IPS_MAX, sizeof(*a->ips.numbers)));
}

static void ips_clear(struct ip_lanes *ips)
{
	memset(ips->list, 0, ips->nr * sizeof(*ips->list));
	memset(ips->list + ACTIVITY_IPS_MAX, 0, sizeof(*ips->list));
	ips->nr = 0;
	ips->nr_without = 0;
}

void activity_clear(struct activity *a)
{
	memset(&a->all, 0, sizeof(a->all));
	memset(a->regions, 0, sizeof(a->regions));
	lanes_clear(&a->maps);
	lanes_clear(&a->threads);
	lanes_clear(&a->processes);
	lanes_clear(&a->of_programs);
	lanes_clear(&a->of_functions);
	ips_clear(&a->ips);
}

void activity_turn(struct activity *a, struct activity *before)
{
	struct activity old = *before;

	*before = *a;
	a->maps = old.maps;
	a->threads = old.threads;
	a->processes = old.processes;
	a->of_programs = old.of_programs;
	a->of_functions = old.of_functions;
	a->ips = old.ips;
	activity_clear(a);
}

static void lanes_free(struct lanes *lanes)
{
	names_free(&lanes->names);
	free(lanes->list);
}

void activity_free(struct activity *a)
{
	lanes_free(&a->maps);
	lanes_free(&a->threads);
	lanes_free(&a->processes);
	lanes_free(&a->of_programs);
	lanes_free(&a->of_functions);
	free(a->ips.list);
	free(a->ips.numbers);
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
	} else if (f->result == RESULT_FAILED) {
		lane->nr_failed++;
	}
}

/* A process that executes another program becomes a lane of its own. */
static void add_to_process(struct activity *a, const struct fault *f)
{
	struct program *latest = &a->latest;
	char name[24 + sizeof(latest->comm)];
	int len;

	if (latest->pid != f->pid || a->latest_change != a->programs->nr_changes) {
		const struct program *found = programs_find(a->programs, f->pid);

		*latest = found ? *found : (struct program) { .pid = f->pid, .len = 1, .comm = "?" };
		a->latest_change = a->programs->nr_changes;
	}
	len = snprintf(name, sizeof(name), "%llu %.*s", f->pid, (int)latest->len, latest->comm);
	lane_add(lane_of(&a->processes, name, (size_t)len), f);
	lane_add(lane_of(&a->of_programs, latest->comm, latest->len), f);
}

static void add_to_function(struct activity *a, const struct fault *f)
{
	struct ip_lanes *ips = &a->ips;
	struct instruction *i;
	size_t number;
	u64 ip;

	if (!fault_ip(f, &ip)) {
		ips->nr_without++;
		return;
	}
	number = functions_find(a->functions, f->pid, ip, f->time_ns);
	if (number == NO_INSTRUCTION) {
		lane_add(&ips->list[ACTIVITY_IPS_MAX], f);
		return;
	}
	i = &a->functions->list[number];
	if (i->interval != a->functions->interval) {
		if (ips->nr == ACTIVITY_IPS_MAX) {
			lane_add(&ips->list[ACTIVITY_IPS_MAX], f);
			return;
		}
		i->interval = a->functions->interval;
		i->lane = (unsigned int)ips->nr++;
		ips->numbers[i->lane] = (unsigned int)number;
	}
	lane_add(&ips->list[i->lane], f);
}

static void lane_add_all(struct lane *lane, const struct lane *more)
{
	lane->nr_faults += more->nr_faults;
	lane->nr_minor += more->nr_minor;
	lane->nr_major += more->nr_major;
	lane->nr_failed += more->nr_failed;
	lane->time_ns += more->time_ns;
	latency_add_all(&lane->minor, &more->minor);
	latency_add_all(&lane->major, &more->major);
}

void activity_name(struct activity *a)
{
	const struct ip_lanes *ips = &a->ips;

	lanes_clear(&a->of_functions);
	for (size_t i = 0; i < ips->nr; i++) {
		size_t len;
		const char *text = functions_text(a->functions, ips->numbers[i], &len);

		lane_add_all(lane_of(&a->of_functions, text, len), &ips->list[i]);
	}
	lane_add_all(&a->of_functions.list[ACTIVITY_NAMES_MAX], &ips->list[ACTIVITY_IPS_MAX]);
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
	if (a->programs)
		add_to_process(a, f);
	if (a->functions)
		add_to_function(a, f);
}

/* The lanes that compare() looks up, and their key: qsort() has no argument for them. */
static const struct lane *sorted;
static enum sort_key sort_key;

static u64 figure(const struct lane *lane, enum sort_key key)
{
	return key == SORT_FAULTS ? lane->nr_faults : key == SORT_MAJOR ? lane->nr_major :
	       key == SORT_FAILED ? lane->nr_failed : lane->time_ns;
}

/* Equal lanes keep the order of their numbers. */
static int compare(const void *left, const void *right)
{
	const enum sort_key keys[] = { sort_key, SORT_TIME, SORT_FAULTS };
	size_t i = *(const size_t *)left, j = *(const size_t *)right;

	for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++) {
		u64 a = figure(&sorted[i], keys[k]), b = figure(&sorted[j], keys[k]);

		if (a != b)
			return a > b ? -1 : 1;
	}
	return i < j ? -1 : i > j;
}

static size_t sort(const struct lane *list, size_t nr, enum sort_key key, size_t *order)
{
	size_t nr_active = 0;

	for (size_t i = 0; i < nr; i++)
		if (list[i].nr_faults)
			order[nr_active++] = i;
	sorted = list;
	sort_key = key;
	qsort(order, nr_active, sizeof(*order), compare);
	return nr_active;
}

size_t lanes_sort(const struct lanes *lanes, enum sort_key key, size_t *order)
{
	return sort(lanes->list, lanes->names.nr, key, order);
}

size_t regions_sort(const struct activity *a, enum sort_key key, size_t *order)
{
	return sort(a->regions, REGIONS, key, order);
}
