/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of a kernel that the fault list and its cursors need: CPUs and memory nodes are
 * numbers, of which one CPU is current at a time, and locks check their use. Include this first.
 */
#ifndef TEST_KERNEL_H
#define TEST_KERNEL_H

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "pf/env.h"

#define NR_CPUS 128
#define MAX_NUMNODES 8
#define U64_MAX UINT64_MAX

/* The machine of a test. The names differ from those of the kernel, which the code uses. */
static unsigned int nr_cpu_ids = 1, test_nr_nodes = 1;
static unsigned int test_cpu;
static unsigned long nr_locked; /* how often a lock was taken ... */
static unsigned long nr_looked; /* ... and another CPU's data accessed */
static u64 test_clock_ns;

static u8 node_of_cpu[NR_CPUS];

#define smp_processor_id() test_cpu
#define numa_node_id() ((int)node_of_cpu[test_cpu])
#define num_possible_cpus() nr_cpu_ids
#define for_each_possible_cpu(cpu) for ((cpu) = 0; (cpu) < nr_cpu_ids; (cpu)++)
#define N_MEMORY 0
#define num_node_state(state) test_nr_nodes
#define for_each_node_state(nid, state) for ((nid) = 0; (nid) < (int)test_nr_nodes; (nid)++)

/* Each CPU has a copy of the section, as in the kernel. */
extern char __start_pf_percpu[], __stop_pf_percpu[];
static char *percpu[NR_CPUS];

#define DEFINE_PER_CPU(type, name) __attribute__((section("pf_percpu"), used)) type name
/* The compiler must not mistake it for the variable itself, which nobody writes to. */
static inline void *hidden(uintptr_t address)
{
	asm("" : "+r"(address));
	return (void *)address;
}

#define per_cpu_ptr(p, cpu) \
	((typeof(p))hidden((uintptr_t)percpu[cpu] + ((uintptr_t)(p) - (uintptr_t)__start_pf_percpu)))
#define per_cpu(var, cpu) (*(nr_looked++, per_cpu_ptr(&(var), cpu)))
#define this_cpu_ptr(p) per_cpu_ptr(p, test_cpu)
#define this_cpu_read(var) (*this_cpu_ptr(&(var)))
#define this_cpu_inc(var) (this_cpu_read(var)++)

/* Reset all CPUs to their initial state. */
static inline void boot_cpus(unsigned int cpus, unsigned int nodes)
{
	unsigned int cpu;

	nr_cpu_ids = cpus;
	test_nr_nodes = nodes;
	test_cpu = 0;
	for (cpu = 0; cpu < NR_CPUS; cpu++) {
		if (!percpu[cpu])
			percpu[cpu] = malloc(__stop_pf_percpu - __start_pf_percpu);
		if (!percpu[cpu])
			abort();
		node_of_cpu[cpu] = cpu * nodes / cpus % nodes;
		memcpy(percpu[cpu], __start_pf_percpu, __stop_pf_percpu - __start_pf_percpu);
	}
}

typedef struct {
	bool is_taken;
} raw_spinlock_t;

#define __RAW_SPIN_LOCK_UNLOCKED(name) { false }

static inline bool raw_spin_trylock(raw_spinlock_t *lock)
{
	if (lock->is_taken)
		abort(); /* nobody else could release it */
	nr_locked++;
	return lock->is_taken = true;
}

static inline void raw_spin_lock(raw_spinlock_t *lock)
{
	raw_spin_trylock(lock);
}

static inline void raw_spin_unlock(raw_spinlock_t *lock)
{
	if (!lock->is_taken)
		abort();
	lock->is_taken = false;
}

#define lockdep_assert_held(lock) ((lock)->is_taken ? (void)0 : abort())

#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))
#define smp_store_release(p, value) __atomic_store_n(p, value, __ATOMIC_RELEASE)
#define smp_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#define smp_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define cpu_relax()
#define cond_resched()
#define synchronize_rcu()
#define ktime_get_mono_fast_ns() test_clock_ns

#define notrace
#define noinline __attribute__((noinline))
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define __aligned(bytes) __attribute__((aligned(bytes)))
#define NOKPROBE_SYMBOL(name)
#define likely(x) __builtin_expect(!!(x), 1)
#define min_t(type, a, b) min((type)(a), (type)(b))
#define clamp(x, low, high) min(max(x, low), high)
#define struct_size(p, member, n) (sizeof(*(p)) + (n) * sizeof(*(p)->member))

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096UL
#define GFP_KERNEL 0
#define __GFP_NORETRY 0
#define __GFP_NOWARN 0
#define current NULL
#define fatal_signal_pending(task) false
#define si_mem_available() (1UL << 30)
#define totalram_pages() (1UL << 20)
#define pr_err(...) fprintf(stderr, __VA_ARGS__)
#define kfree(p) free(p)
#define kvfree(p) free(p)
#define kvmalloc(size, gfp) malloc(size)
#define kvcalloc(n, size, gfp) calloc(n, size)

/* Memory of @size bytes on a node, whose number is stored behind it. */
static inline void *kzalloc_node(size_t size, int gfp, int nid)
{
	char *p = aligned_alloc(64, size + 64);

	(void)gfp;
	if (p) {
		memset(p, 0, size);
		*(int *)(p + size) = nid;
	}
	return p;
}

#define virt_to_page(p) (p)

/* The node of memory that is a chunk. */
static inline int page_to_nid(const void *p)
{
	return *(const int *)((const char *)p + PAGE_SIZE);
}

#endif /* TEST_KERNEL_H */
