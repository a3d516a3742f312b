/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The record of a page fault: the fields, and the words for their values. Its line of text is in
 * fault_line.h. Pure (see env.h).
 *
 * A record takes 32 bytes, and 8 more with outcome=1 or children=1: each of a million recorded
 * faults pays for them.
 */
#ifndef PF_FAULT_H
#define PF_FAULT_H

#include "env.h"

enum pf_access {
	PF_ACCESS_READ,
	PF_ACCESS_WRITE,
	PF_ACCESS_EXEC,
	NR_PF_ACCESS
};

enum pf_mode {
	PF_MODE_USER, /* an instruction of the program */
	PF_MODE_KERNEL, /* the kernel accesses user memory, in a system call */
	PF_MODE_GUP, /* get_user_pages(): MAP_POPULATE, O_DIRECT, ptrace ... */
	PF_MODE_REMOTE, /* in another address space, e.g. when exec writes the new arguments */
	NR_PF_MODE
};

enum pf_region {
	PF_REGION_CODE, /* the program's own text */
	PF_REGION_DATA, /* the program's own data and bss */
	PF_REGION_HEAP, /* brk */
	PF_REGION_STACK,
	PF_REGION_FILE, /* any other file mapping, including libraries and shared memory */
	PF_REGION_ANON,
	PF_REGION_SPECIAL, /* [vdso] etc. */
	NR_PF_REGION
};

/* Flags: properties of file mappings, and swap. */
#define PF_KIND_COW 1 /* a write to a private mapping, which gets a copy of the page */
#define PF_KIND_SHARED 2
#define PF_KIND_HUGETLB 4
#define PF_KIND_SWAP 8 /* a major fault in anonymous memory; only with outcome=1 */

enum pf_result {
	PF_RESULT_NONE, /* not known: outcome=0 */
	PF_RESULT_MINOR,
	PF_RESULT_MAJOR,
	PF_RESULT_SIGBUS,
	PF_RESULT_SIGSEGV,
	PF_RESULT_OOM,
	PF_RESULT_HWPOISON,
	PF_RESULT_ERROR,
	NR_PF_RESULT
};

/* Words of up to 8 bytes, zero-padded, not always zero-terminated: see pf_put_word(). */
#define PF_WORD 8

static const char pf_access_names[][PF_WORD] = { "read", "write", "exec" };
static const char pf_mode_names[][PF_WORD] = { "user", "kernel", "gup", "remote" };
static const char pf_region_names[][PF_WORD] = { "code", "data", "heap",   "stack",
						 "file", "anon", "special" };
static const char pf_result_names[][PF_WORD + 1] = { "",	"minor", "major",    "sigbus",
						     "sigsegv", "oom",	 "hwpoison", "error" };
static const char *const pf_kind_names[] = { "",	"cow", "shared",	 "?",
					     "hugetlb", "?",   "shared,hugetlb", "?",
					     "swap" };

static_assert(ARRAY_SIZE(pf_access_names) == NR_PF_ACCESS);
static_assert(ARRAY_SIZE(pf_mode_names) == NR_PF_MODE);
static_assert(ARRAY_SIZE(pf_region_names) == NR_PF_REGION);
static_assert(ARRAY_SIZE(pf_result_names) == NR_PF_RESULT);

/* PIDs are below PID_MAX_LIMIT, which is 1 << 22. */
#define PF_PID_BITS 22
#define PF_TRIES_BITS 6
#define PF_TRIES_MAX ((1U << PF_TRIES_BITS) - 1)
#define PF_MAP_BITS 21
#define PF_LATENCY_BITS 42
#define PF_LATENCY_MAX_NS ((1ULL << PF_LATENCY_BITS) - 1)

/**
 * struct pf_fault - one record of the fault list
 * @time_ns: CLOCK_MONOTONIC at the first entry of the fault
 * @address: the faulting address (page-aligned where the architecture reports no more)
 * @ip: user-space instruction pointer, 0 if there was none
 * @thread: @tid, @tries and @result in one word
 * @tid: the thread, in the PID namespace of the process that loaded the module
 * @tries: how often the fault was entered, up to PF_TRIES_MAX; 0 with outcome=0
 * @result: enum pf_result
 * @what: all fields below in one word, see pf_what()
 * @access: enum pf_access
 * @mode: enum pf_mode
 * @kind: PF_KIND_*
 * @region: enum pf_region
 * @map: number of the mapping, see map.h; 0 if its only name is that of its region
 */
struct pf_fault {
	u64 time_ns;
	u64 address;
	u64 ip;
	union {
		u32 thread;
		struct {
			u32 tid : PF_PID_BITS;
			u32 tries : PF_TRIES_BITS;
			u32 result : 4;
		};
	};
	union {
		u32 what;
		struct {
			u32 access : 2;
			u32 mode : 2;
			u32 kind : 4;
			u32 region : 3;
			u32 map : PF_MAP_BITS;
		};
	};
};

/**
 * struct pf_extra - the rest of a record, with outcome=1 or children=1
 * @word: both fields in one word, see pf_extra_word()
 * @latency_ns: from the first entry to the last return, up to PF_LATENCY_MAX_NS (73 minutes)
 * @pid: the process, in the same namespace as pf_fault.tid
 */
struct pf_extra {
	union {
		u64 word;
		struct {
			u64 latency_ns : PF_LATENCY_BITS;
			u64 pid : PF_PID_BITS;
		};
	};
};

static_assert(sizeof(struct pf_fault) + sizeof(struct pf_extra) <= 40);

/**
 * pf_what() - pack the value of pf_fault.what
 * @access: enum pf_access
 * @mode: enum pf_mode
 * @kind: PF_KIND_*
 * @region: enum pf_region
 * @map: see pf_fault.map
 *
 * To store a whole word: the compiler does not merge assignments to bit-fields.
 */
static inline u32 pf_what(u32 access, u32 mode, u32 kind, u32 region, u32 map)
{
	return access | mode << 2 | kind << 4 | region << 8 | map << (32 - PF_MAP_BITS);
}

/**
 * pf_extra_word() - pack the value of pf_extra.word
 * @latency_ns: up to PF_LATENCY_MAX_NS; not masked
 * @pid: below 1 << PF_PID_BITS; not masked
 */
static inline u64 pf_extra_word(u64 latency_ns, u32 pid)
{
	return latency_ns | (u64)pid << PF_LATENCY_BITS;
}

/**
 * pf_end_bits() - pack how a fault ended
 * @tries: up to PF_TRIES_MAX; not masked
 * @result: how it ended
 *
 * Return: the bits of pf_fault.thread for both
 */
static inline u32 pf_end_bits(u32 tries, enum pf_result result)
{
	return tries << PF_PID_BITS | (u32)result << (PF_PID_BITS + PF_TRIES_BITS);
}

/**
 * pf_what_is_anon() - is a fault in anonymous memory?
 * @what: pf_fault.what
 *
 * File mappings and special mappings have a number, anonymous ones have none.
 */
static inline bool pf_what_is_anon(u32 what)
{
	return !(what >> (32 - PF_MAP_BITS));
}

#endif /* PF_FAULT_H */
