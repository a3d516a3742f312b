// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pf/fault_list.h, list_*.h and cursor.h: the records that a full list keeps, those that readers
 * get, and the costs with many CPUs. For the figures in bench/tried.md:
 *
 *	gcc -O2 -I. -o /tmp/test_list tests/unit/test_list.c && /tmp/test_list
 */
#include "kernel.h"

#include <time.h>

#include "pf/cursor.h"
#include "pf/list_memory.h"
#include "pf/list_push.h"
#include "tap.h"

#define NR_PUSHES_MAX 60000
#define NR_CHUNKS_MAX 2000
#define NR_ROUNDS 7

/* A model of the list: it follows the rule, without queues. Records are identified by numbers. */
static struct {
	struct model_chunk {
		unsigned int cpu;
		u32 nr;
		bool is_gone;
		u32 records[PF_CHUNK_FAULTS];
	} chunks[NR_CHUNKS_MAX]; /* in the order in which CPUs took them */
	unsigned int nr_chunks, nr_gone;
	struct model_chunk *filling[NR_CPUS];
	unsigned long nr_retired, nr_overwritten;
} model;

static u32 nr_pushed;

static void begin(unsigned int cpus, unsigned int nodes, unsigned long max_faults, bool cont_store,
		  bool has_extra)
{
	boot_cpus(cpus, nodes);
	memset(&pf_list, 0, sizeof(pf_list));
	memset(&model, 0, sizeof(model));
	nr_pushed = 0;
	test_clock_ns = 1;
	if (pf_list_init(max_faults, cont_store, has_extra))
		abort();
}

/* Record a fault as pf_capture() does. False if it is lost. */
static inline bool push(unsigned int cpu)
{
	struct pf_chunk *chunk;
	u32 nr;

	test_cpu = cpu;
	test_clock_ns++;
	chunk = pf_list_chunk();
	if (!pf_list_has_room(chunk)) {
		chunk = pf_list_drop_if_full() ? NULL : pf_list_room();
		if (!chunk)
			return false;
	}
	nr = chunk->nr;
	chunk->faults[nr].time_ns = test_clock_ns;
	chunk->faults[nr].address = nr_pushed++;
	if (pf_list.has_extra)
		pf_chunk_extras(chunk)[nr].word = 0;
	pf_list_publish(chunk, nr);
	return true;
}

/* With cont_store: discard the oldest chunk that no CPU fills. */
static bool model_overwrite(void)
{
	struct model_chunk *chunk;

	for (chunk = model.chunks; chunk < model.chunks + model.nr_chunks; chunk++) {
		if (chunk->is_gone || model.filling[chunk->cpu] == chunk)
			continue;
		chunk->is_gone = true;
		model.nr_gone++;
		model.nr_retired -= chunk->nr;
		model.nr_overwritten += chunk->nr;
		return true;
	}
	return false;
}

static void model_push(unsigned int cpu)
{
	struct model_chunk *chunk = model.filling[cpu];

	if (!chunk || chunk->nr == pf_list.chunk_faults) {
		model.nr_retired += chunk ? chunk->nr : 0;
		while (model.nr_retired >= pf_list.max_faults + pf_list.chunk_faults)
			if (!model_overwrite())
				break;
		if (model.nr_chunks - model.nr_gone == pf_list.nr_chunks)
			model_overwrite();
		chunk = &model.chunks[model.nr_chunks++];
		chunk->cpu = cpu;
		model.filling[cpu] = chunk;
	}
	chunk->records[chunk->nr++] = nr_pushed;
}

/* The next CPU to fault: one for a while, then another; all in turns; or mostly the first. */
static unsigned int draw_cpu(unsigned int how, unsigned int cpu)
{
	switch (how) {
	case 0:
		return tap_random() % 300 ? cpu : tap_random() % nr_cpu_ids;
	case 1:
		return (cpu + 1) % nr_cpu_ids;
	default:
		return tap_random() % 20 ? 0 : tap_random() % nr_cpu_ids;
	}
}

struct seen {
	u32 nr;
	bool is_in_order;
	bool has[NR_PUSHES_MAX];
};

/* Read everything that a cursor has now. */
static void drain(struct pf_cursor *cursor, struct seen *seen)
{
	pf_cursor_extend(cursor);
	while (pf_cursor_next(cursor)) {
		/* Each record has a time of its own. */
		if (seen->has[cursor->fault.address])
			seen->is_in_order = false;
		seen->has[cursor->fault.address] = true;
		seen->nr++;
	}
}

static bool is_as_modelled(const struct seen *seen)
{
	static bool wanted[NR_PUSHES_MAX];
	const struct model_chunk *chunk;
	u32 i;

	memset(wanted, 0, sizeof(wanted));
	for (chunk = model.chunks; chunk < model.chunks + model.nr_chunks; chunk++)
		for (i = 0; i < chunk->nr && !chunk->is_gone; i++)
			wanted[chunk->records[i]] = true;
	return !memcmp(wanted, seen->has, sizeof(wanted));
}

static bool is_overwritten_as_modelled(unsigned int cpus, unsigned int nodes,
				       unsigned long max_faults, unsigned int how)
{
	static struct seen late, live;
	struct pf_cursor *at_last, *meanwhile;
	unsigned int cpu = 0, nr_kept;
	bool is_right;
	u32 i;

	begin(cpus, nodes, max_faults, true, false);
	meanwhile = pf_cursor_new();
	at_last = pf_cursor_new();
	memset(&late, 0, sizeof(late));
	memset(&live, 0, sizeof(live));
	late.is_in_order = live.is_in_order = true;
	for (i = 0; i < NR_PUSHES_MAX; i++) {
		cpu = draw_cpu(how, cpu);
		model_push(cpu);
		push(cpu);
		if (!(tap_random() % 3000))
			drain(meanwhile, &live);
	}
	drain(meanwhile, &live);
	drain(at_last, &late);
	nr_kept = late.nr;
	is_right = is_as_modelled(&late) && late.is_in_order && live.is_in_order &&
		   pf_list.nr_overwritten == model.nr_overwritten &&
		   nr_kept + at_last->nr_overwritten == NR_PUSHES_MAX &&
		   live.nr + meanwhile->nr_overwritten == NR_PUSHES_MAX &&
		   pf_list_nr_recorded() == NR_PUSHES_MAX && !pf_list_nr_dropped();
	/* The newest records, and up to a chunk per CPU more, as one is emptied when one is taken. */
	is_right = is_right && nr_kept >= min(max_faults, NR_PUSHES_MAX) &&
		   nr_kept <= max_faults + (cpus + 1) * pf_list.chunk_faults;
	kvfree(meanwhile);
	kvfree(at_last);
	pf_list_free();
	return is_right;
}

static void test_overwritten(void)
{
	static const unsigned int cpus[] = { 1, 2, 7, 64, 128 };
	static const unsigned long sizes[] = { 1, 126, 1000, 20000 };
	bool is_right = true;
	unsigned int i, j, how;

	for (i = 0; i < ARRAY_SIZE(cpus); i++)
		for (j = 0; j < ARRAY_SIZE(sizes); j++)
			for (how = 0; how < 3; how++)
				is_right &= is_overwritten_as_modelled(cpus[i], 1 + how, sizes[j],
								       how);
	ok(is_right, "only the oldest chunk that no CPU fills is overwritten, and it is counted");
}

/* A cursor finds without a lock whether there is more; a CPU's mark changes with each fault. */
static void test_news(void)
{
	static struct seen seen;
	bool is_right = true, is_marked = true;
	unsigned int i, store;

	for (store = 0; store < 2; store++) {
		struct pf_cursor *cursor;

		begin(64, 1, 5000, store, true);
		cursor = pf_cursor_new();
		memset(&seen, 0, sizeof(seen));
		drain(cursor, &seen);
		for (i = 0; i < 20000; i++) {
			unsigned int cpu = draw_cpu(i / 5000 % 3, test_cpu);
			u64 mark = pf_list_lane_mark(cpu);
			unsigned long locked;
			bool is_recorded;

			is_recorded = push(cpu);
			is_marked &= pf_list_lane_mark(cpu) != mark;
			if (tap_random() % 3)
				continue;
			locked = nr_locked;
			is_right &= pf_cursor_has_more(cursor) || !is_recorded;
			is_right &= nr_locked == locked;
			drain(cursor, &seen);
			locked = nr_locked;
			is_right &= !pf_cursor_has_more(cursor) && nr_locked == locked;
		}
		kvfree(cursor);
		pf_list_free();
	}
	ok(is_right, "a cursor finds without a lock whether there is more");
	ok(is_marked, "a CPU's mark changes with each fault, recorded or lost");
}

/* The clock of one CPU is ahead of the reader's, and nothing more is recorded. */
static void test_clock_ahead(void)
{
	struct pf_cursor *cursor;
	bool is_early, is_late;

	begin(2, 1, 100, false, false);
	cursor = pf_cursor_new();
	push(0);
	push(1);
	test_clock_ns--;
	pf_cursor_extend(cursor);
	is_early = pf_cursor_next(cursor) && !pf_cursor_next(cursor);
	pf_cursor_extend_to_end(cursor);
	is_late = pf_cursor_next(cursor) && cursor->cpu == 1 && !pf_cursor_next(cursor);
	test_clock_ns++;
	kvfree(cursor);
	pf_list_free();
	ok(is_early && is_late, "the last record of a CPU whose clock is ahead is read at the end");
}

/* The percentage of chunks that were taken from the memory of the CPU's own node. */
static unsigned int share_near(unsigned int nodes, unsigned int mean_faults)
{
	unsigned int nr_near = 0, nr = 0, cpu = 0, i;

	begin(8, nodes, 100000, true, false);
	for (i = 0; i < 3000000; i++) {
		const struct pf_chunk *before, *after;

		if (!(tap_random() % mean_faults))
			cpu = tap_random() % nr_cpu_ids;
		test_cpu = cpu;
		before = pf_list_chunk();
		push(cpu);
		after = pf_list_chunk();
		if (after != before && i > 500000) {
			nr++;
			nr_near += page_to_nid(after) == numa_node_id();
		}
	}
	pf_list_free();
	return 100 * nr_near / nr;
}

static void test_nodes(void)
{
	unsigned int two = share_near(2, 10), four = share_near(4, 10);

	printf("# another CPU every 1,000 faults: %u%% on 2 nodes, %u%% on 4\n",
	       share_near(2, 1000), share_near(4, 1000));
	ok(two >= 95, "2 nodes: %u%% of the recycled chunks are on the CPU's own node", two);
	ok(four >= 95, "4 nodes: %u%%", four);
}

struct cost {
	double ns, looks;
};

/*
 * The cost of taking a chunk when the list is full and all CPUs have one, if one CPU or all of them
 * fault: the best of some rounds, as other programs may run here, and how often another CPU's data
 * were accessed.
 */
static struct cost cost_of_taking(unsigned int cpus, bool all)
{
	const unsigned int nr_chunks = 1000, nr = 126 * 3 * nr_chunks;
	struct cost best = { 1e9, 0 };
	unsigned int round, i;

	for (round = 0; round < NR_ROUNDS; round++) {
		unsigned long looked;
		unsigned int nr_taken = 0;
		double ns = 0;

		begin(cpus, 1, 126 * nr_chunks, true, false);
		for (i = 0; i < cpus; i++)
			push(i);
		for (i = 0; i < 126 * (nr_chunks + 2 * cpus); i++)
			push(all ? i % cpus : 0);
		looked = nr_looked;
		for (i = 0; i < nr; i++) {
			struct timespec from, to;

			test_cpu = all ? i % cpus : 0;
			if (pf_list_has_room(pf_list_chunk())) {
				push(test_cpu);
				continue;
			}
			clock_gettime(CLOCK_MONOTONIC, &from);
			push(test_cpu);
			clock_gettime(CLOCK_MONOTONIC, &to);
			ns += (to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec);
			nr_taken++;
		}
		best.ns = min(best.ns, ns / nr_taken);
		best.looks = (double)(nr_looked - looked) / nr_taken;
		pf_list_free();
	}
	return best;
}

/* The cost of a poll() without new records, or with some. */
static struct cost cost_of_polling(unsigned int cpus, bool has_more)
{
	const unsigned int nr = 10000;
	static struct seen seen;
	struct cost best = { 1e9, 0 };
	struct pf_cursor *cursor;
	unsigned int round, i;

	begin(cpus, 1, 20000, true, false);
	cursor = pf_cursor_new();
	memset(&seen, 0, sizeof(seen));
	for (i = 0; i < 10000; i++)
		push(i % cpus);
	drain(cursor, &seen);
	for (i = 0; has_more && i < 1000; i++)
		push(i % cpus);
	for (round = 0; round < NR_ROUNDS; round++) {
		unsigned long looked = nr_looked, nr_yes = 0;
		struct timespec from, to;
		double ns;

		clock_gettime(CLOCK_MONOTONIC, &from);
		for (i = 0; i < nr; i++)
			nr_yes += pf_cursor_has_more(cursor);
		clock_gettime(CLOCK_MONOTONIC, &to);
		if (nr_yes != (has_more ? nr : 0))
			abort();
		ns = (to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec);
		best.ns = min(best.ns, ns / nr);
		best.looks = (double)(nr_looked - looked) / nr;
	}
	kvfree(cursor);
	pf_list_free();
	return best;
}

static void test_cost(void)
{
	static const unsigned int cpus[] = { 1, 8, 64, 128 };
	double most_taking = 0, most_polling = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cpus); i++) {
		struct cost one = cost_of_taking(cpus[i], false);
		struct cost all = cost_of_taking(cpus[i], true);
		struct cost quiet = cost_of_polling(cpus[i], false);
		struct cost busy = cost_of_polling(cpus[i], true);

		printf("# %3u CPUs: a chunk %.0f ns if one faults, %.0f ns if all do; lanes read:"
		       " %.1f, %.1f\n",
		       cpus[i], one.ns, all.ns, one.looks, all.looks);
		printf("# %3u CPUs: poll() %.0f ns without new records, %.0f ns with; lanes read:"
		       " %.1f, %.1f\n",
		       cpus[i], quiet.ns, busy.ns, quiet.looks, busy.looks);
		most_taking = max(most_taking, max(one.looks, all.looks));
		most_polling = max(most_polling, busy.looks);
	}
	ok(most_taking <= 3,
	   "with up to 128 CPUs a chunk is taken after reading %.1f lanes, on average",
	   most_taking);
	ok(most_polling <= 1, "poll() finds new records in the first lane");
}

int main(void)
{
	test_overwritten();
	test_news();
	test_clock_ahead();
	test_nodes();
	test_cost();
	return tap_done();
}
