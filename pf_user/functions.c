// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdlib.h>
#include <string.h>

#include "functions.h"
#include "say.h"

#define NR_SLOTS	(2 * INSTRUCTIONS_MAX)
#define NAMES_SIZE	(4 << 20)
#define STALE_NS	5000000000ULL	/* then a library may have taken another's place */
#define ANSWERS_MAX	1000		/* taken at once */

_Static_assert(!(NR_SLOTS & (NR_SLOTS - 1)), "a power of two: hashes are masked");

#define TEXT(reason)	"??\0" reason, sizeof("??\0" reason) - 1

void functions_init(struct functions *f, const struct programs *programs)
{
	*f = (struct functions) { .programs = programs, .interval = 1, .now_ns = now_ns() };
	f->list = need(calloc(INSTRUCTIONS_MAX, sizeof(*f->list)));
	f->slots = need(calloc(NR_SLOTS, sizeof(*f->slots)));
	f->queue = need(calloc(INSTRUCTIONS_MAX, sizeof(*f->queue)));
	names_init(&f->names, INSTRUCTIONS_MAX, NAMES_SIZE);
}

static bool is_of(const struct question *q, u64 pid, u64 change, u64 ip)
{
	return q->ip == ip && q->pid == pid && q->change == change;
}

static size_t place_of(const struct functions *f, u64 pid, u64 change, u64 ip)
{
	size_t slot = names_mix(ip + names_mix(pid + (change << 32))) & (NR_SLOTS - 1);

	while (f->slots[slot] && !is_of(&f->list[f->slots[slot] - 1].q, pid, change, ip))
		slot = (slot + 1) & (NR_SLOTS - 1);
	return slot;
}

static void ask_for(struct functions *f, struct instruction *i, u64 time_ns)
{
	i->state = QUEUED;
	i->q.time_ns = time_ns;
	f->queue[(f->queue_first + f->nr_queued++) % INSTRUCTIONS_MAX] =
		(unsigned int)(i - f->list);
}

size_t functions_find(struct functions *f, u64 pid, u64 ip, u64 time_ns)
{
	u64 change = programs_change(f->programs, pid);
	size_t slot = place_of(f, pid, change, ip);
	struct instruction *i;

	if (f->slots[slot]) {
		i = &f->list[f->slots[slot] - 1];
		if (i->state == ANSWERED && f->now_ns - i->asked_ns > STALE_NS)
			ask_for(f, i, time_ns);
		return f->slots[slot] - 1;
	}
	if (f->nr == INSTRUCTIONS_MAX)
		return NO_INSTRUCTION;
	i = &f->list[f->nr++];
	f->slots[slot] = (unsigned int)f->nr;
	*i = (struct instruction) {
		.q = { .pid = pid, .change = change, .ip = ip }, .name = NO_INSTRUCTION,
	};
	ask_for(f, i, time_ns);
	return f->nr - 1;
}

static void set_name(struct functions *f, struct instruction *i, const char *text, size_t len)
{
	i->name = names_find(&f->names, text, len);
	i->state = ANSWERED;
	i->asked_ns = f->now_ns;
}

/* What was asked of a helper that has ended gets no answer. */
static void give_up(struct functions *f)
{
	for (size_t i = 0; i < f->nr; i++)
		if (f->list[i].state == ASKED)
			set_name(f, &f->list[i], TEXT("reading its files takes too long"));
	f->has_helper = false;
}

static void send_questions(struct functions *f)
{
	if (f->nr_queued && !f->has_helper && !f->cannot_help) {
		f->has_helper = lookup_begin();
		f->cannot_help = !f->has_helper;
	}
	while (f->nr_queued) {
		struct instruction *i = &f->list[f->queue[f->queue_first]];

		if (!lookup_ask(&i->q))
			return;
		i->state = ASKED;
		f->queue_first = (f->queue_first + 1) % INSTRUCTIONS_MAX;
		f->nr_queued--;
	}
}

bool functions_tick(struct functions *f)
{
	static struct answer a;
	bool is_news = false;

	f->now_ns = now_ns();
	for (int nr = 0; nr < ANSWERS_MAX && lookup_take(&a); nr++) {
		size_t slot = place_of(f, a.q.pid, a.q.change, a.q.ip);
		struct instruction *i;

		if (!f->slots[slot])
			continue;	/* forgotten meanwhile */
		i = &f->list[f->slots[slot] - 1];
		i->read_ns = a.found.read_ns;
		if (i->state == ASKED)
			set_name(f, i, a.found.text, a.found.len);
		is_news = true;
	}
	if (lookup_is_stuck()) {
		give_up(f);
		is_news = true;
	}
	send_questions(f);
	return is_news;
}

bool functions_are_open(const struct functions *f)
{
	return !f->cannot_help && (f->nr_queued || lookup_nr_open());
}

static const char *text_of(const char *text, size_t size, size_t *len)
{
	*len = size;
	return text;
}

const char *functions_text(const struct functions *f, size_t number, size_t *len)
{
	const struct instruction *i = &f->list[number];
	const struct program *next = programs_find(f->programs, i->q.pid);

	if (f->cannot_help)
		return text_of(TEXT("there is no process to look it up"), len);
	if (i->name == NO_INSTRUCTION)
		return i->state == ANSWERED ? text_of(TEXT("too many names"), len) :
		       text_of(TEXT("not looked up yet"), len);
	/* The mappings may be those of the next program, which has been executed before that. */
	if (next && next->change != i->q.change && next->since_ns && next->since_ns <= i->read_ns)
		return text_of(TEXT("the process has executed another program"), len);
	*len = f->names.list[i->name].len;
	return f->names.list[i->name].text;
}

/* Those that are kept keep their order. */
static void collect(struct functions *f, unsigned int *kept, size_t nr_kept)
{
	struct functions old = *f;

	*f = (struct functions) { 0 };
	functions_init(f, old.programs);
	f->interval = old.interval;
	f->has_helper = old.has_helper;
	f->cannot_help = old.cannot_help;
	for (size_t k = 0; k < nr_kept; k++) {
		const struct instruction *from = &old.list[kept[k]];
		struct instruction *i = &f->list[f->nr];
		const struct name *name = from->name == NO_INSTRUCTION ? NULL :
					  &old.names.list[from->name];

		*i = *from;
		kept[k] = (unsigned int)f->nr++;
		f->slots[place_of(f, i->q.pid, i->q.change, i->q.ip)] = (unsigned int)f->nr;
		if (name)
			i->name = names_find(&f->names, name->text, name->len);
		if (i->state == QUEUED)
			ask_for(f, i, i->q.time_ns);
	}
	free(old.list);
	free(old.slots);
	free(old.queue);
	names_free(&old.names);
}

void functions_turn(struct functions *f, unsigned int *kept, size_t nr_kept)
{
	f->interval++;
	if (f->nr > INSTRUCTIONS_MAX / 2 || f->names.size > NAMES_SIZE / 2)
		collect(f, kept, nr_kept);
}

void functions_free(struct functions *f)
{
	lookup_end();
	free(f->list);
	free(f->slots);
	free(f->queue);
	names_free(&f->names);
	*f = (struct functions) { 0 };
}
