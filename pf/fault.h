/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One page fault: what is kept of it, and its one line of text. Pure (see env.h).
 */
#ifndef PF_FAULT_H
#define PF_FAULT_H

#include "env.h"
#include "text.h"

enum pf_access {
	PF_ACCESS_READ,
	PF_ACCESS_WRITE,
	PF_ACCESS_EXEC,
	NR_PF_ACCESS
};

enum pf_mode {
	PF_MODE_USER, /* the program's own instruction */
	PF_MODE_KERNEL, /* the kernel, touching user memory in a system call */
	PF_MODE_GUP, /* get_user_pages(): MAP_POPULATE, O_DIRECT, ptrace ... */
	PF_MODE_REMOTE, /* in another address space, as exec does for the new arguments */
	NR_PF_MODE
};

enum pf_region {
	PF_REGION_CODE, /* the program's own text */
	PF_REGION_DATA, /* the program's own data and bss */
	PF_REGION_HEAP, /* brk */
	PF_REGION_STACK,
	PF_REGION_FILE, /* any other file mapping, libraries and shared memory too */
	PF_REGION_ANON,
	PF_REGION_SPECIAL, /* vdso and the like */
	NR_PF_REGION
};

/* Flags that tell more: of mappings with a file behind them, and where the page came from. */
#define PF_KIND_COW 1 /* a write to a private mapping, which gets a copy of the page */
#define PF_KIND_SHARED 2
#define PF_KIND_HUGETLB 4
#define PF_KIND_SWAP 8 /* only with outcomes: a major fault in anonymous memory */

enum pf_result {
	PF_RESULT_NONE, /* not watched: outcome=0 */
	PF_RESULT_MINOR,
	PF_RESULT_MAJOR,
	PF_RESULT_SIGBUS,
	PF_RESULT_SIGSEGV,
	PF_RESULT_OOM,
	PF_RESULT_HWPOISON,
	PF_RESULT_ERROR,
	NR_PF_RESULT
};

/* Of 8 bytes each, the terminating zero not needed: see pf_put_word(). */
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

/* Process and thread numbers are below PID_MAX_LIMIT. */
#define PF_PID_BITS 22
#define PF_TRIES_BITS 6
#define PF_TRIES_MAX ((1U << PF_TRIES_BITS) - 1)
#define PF_LATENCY_BITS 42
#define PF_LATENCY_MAX_NS ((1ULL << PF_LATENCY_BITS) - 1)

/**
 * struct pf_fault - one record of the fault list
 * @time_ns: CLOCK_MONOTONIC at the first entry of the fault
 * @address: the faulting address (page-aligned where the architecture tells no more)
 * @ip: user-space instruction pointer, 0 if there was none
 * @thread: all of @tid, @tries and @result
 * @tid: the thread, as the process that loaded the module numbers it
 * @tries: how often the fault was entered, up to PF_TRIES_MAX; 0 if that is not watched
 * @result: enum pf_result
 * @what: all that follows, see pf_what()
 * @access: enum pf_access
 * @mode: enum pf_mode
 * @kind: PF_KIND_*
 * @region: enum pf_region
 * @map: number of the mapping in map.h, 0 for one that has no more of a name than its region
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
			u32 region : 8;
			u32 map : 16;
		};
	};
};

/**
 * struct pf_extra - what a record has beside it if outcomes or children are watched
 * @word: all of it, see pf_extra_word()
 * @latency_ns: from the first entry to the last return, up to PF_LATENCY_MAX_NS (73 minutes)
 * @pid: the process, numbered as @tid is
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

/* One store of a whole word, as the compiler makes none of assigning bit-fields one by one. */
static inline u32 pf_what(u32 access, u32 mode, u32 kind, u32 region, u32 map)
{
	return access | mode << 2 | kind << 4 | region << 8 | map << 16;
}

/* @latency_ns and @pid have to fit: they are not cut off. */
static inline u64 pf_extra_word(u64 latency_ns, u32 pid)
{
	return latency_ns | (u64)pid << PF_LATENCY_BITS;
}

/* The part of pf_fault.thread that tells of the outcome. */
static inline u32 pf_outcome(u32 tries, enum pf_result result)
{
	return tries << PF_PID_BITS | (u32)result << (PF_PID_BITS + PF_TRIES_BITS);
}

/* Mappings of files have a number, and special ones. */
static inline bool pf_what_is_anon(u32 what)
{
	return !(what >> 16);
}

/**
 * struct pf_context - what a fault's line tells beside the record
 * @pid: its process, as the process that loaded the module numbers it
 * @cpu: where it was taken, or completed if outcomes are watched
 * @latency_ns: see struct pf_extra; shown if the record has a result
 * @map: the mapping's name, NULL to name it by its region
 * @map_len: the length of @map in bytes
 * @offset: of the page in the mapped file, in bytes, PF_NO_OFFSET if there is none
 */
struct pf_context {
	u32 pid;
	u32 cpu;
	u64 latency_ns;
	const char *map;
	size_t map_len;
	u64 offset;
};

#define PF_NO_OFFSET (~0ULL)

/*
 * No fault line is longer, the newline and no terminating zero counted, but for the mapping's name,
 * which comes on top. PF_PUT_SLACK and PF_TEXT_CUT are in it.
 */
#define PF_FAULT_LINE_MAX 320

/*
 * These write a little more than they add, up to PF_PUT_SLACK bytes behind the end they return:
 * moves of a fixed size are far cheaper than what fits exactly.
 */
#define PF_PUT_SLACK 24

static inline char *pf_put_str(char *p, const char *s)
{
	while (*s)
		*p++ = *s++;
	return p;
}

/* A word from a table of words of PF_WORD bytes, filled up with zeros. */
static inline char *pf_put_word(char *p, const char word[PF_WORD])
{
	u64 bytes;

	memcpy(&bytes, word, PF_WORD);
	memcpy(p, &bytes, PF_WORD);
	return p + (fls64(bytes) + 7) / 8;
}

/* A literal's length is known to the compiler: a few wide stores instead of a loop. */
#define pf_put_lit(p, lit) ((char *)memcpy((p), (lit), sizeof(lit) - 1) + sizeof(lit) - 1)

/* Decimal, padded with spaces to at least @width, up to 8. Two digits a division. */
static inline char *pf_put_dec(char *p, u64 value, unsigned int width)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	char digits[2 * PF_PUT_SLACK];
	unsigned int at = PF_PUT_SLACK, len;

	while (value >= 10) {
		u64 rest = value / 100;

		at -= 2;
		memcpy(digits + at, pairs + 2 * (value - rest * 100), 2);
		value = rest;
	}
	if (value || at == PF_PUT_SLACK)
		digits[--at] = '0' + value;
	len = PF_PUT_SLACK - at;
	if (width > len) {
		memcpy(p, "        ", 8);
		p += width - len;
	}
	memcpy(p, digits + at, PF_PUT_SLACK);
	return p + len;
}

/* The 8 hexadecimal digits of @value, the first one in the lowest byte. */
static inline u64 pf_hex_digits(u32 value)
{
	u64 x = value;

	/* One digit a byte, the last one lowest ... */
	x = (x | x << 16) & 0x0000ffff0000ffffULL;
	x = (x | x << 8) & 0x00ff00ff00ff00ffULL;
	x = (x | x << 4) & 0x0f0f0f0f0f0f0f0fULL;
	/* ... '0' more each, and 'a' - '0' - 10 more where adding 6 carries. */
	x += 0x3030303030303030ULL +
	     ((x + 0x0606060606060606ULL) >> 4 & 0x0101010101010101ULL) * ('a' - '0' - 10);
	return __builtin_bswap64(x);
}

/* Hexadecimal with 0x in front, no leading zeros. For little-endian machines. */
static inline char *pf_put_hex(char *p, u64 value)
{
	unsigned int len = value ? (67 - __builtin_clzll(value)) / 4 : 1;
	u64 digits[4] = { pf_hex_digits(value >> 32), pf_hex_digits(value) };

	p = pf_put_lit(p, "0x");
	memcpy(p, (const char *)digits + 16 - len, 16);
	return p + len;
}

/* The mappings that have no other name, by region, and what stands before it. */
#define PF_OWN_MAP 24

static const struct {
	char text[PF_OWN_MAP - 1];
	u8 len;
} pf_own_maps[] = {
#define PF_OWN(text) { text, sizeof(text) - 1 }
	PF_OWN("code map=?"),	      PF_OWN("data map=anon"), PF_OWN("heap map=[heap]"),
	PF_OWN("stack map=[stack]"),  PF_OWN("file map=?"),    PF_OWN("anon map=anon"),
	PF_OWN("special map=[vdso]"),
#undef PF_OWN
};

static_assert(ARRAY_SIZE(pf_own_maps) == NR_PF_REGION);
static_assert(sizeof(pf_own_maps[0]) <= PF_PUT_SLACK);

/* What only some faults have: more of the kind and the outcome, a mapping with a name. */
static inline char *pf_fault_format_rest(char *p, size_t name_max, const struct pf_fault *f,
					 const struct pf_context *c)
{
	size_t cut;

	p = pf_put_word(p, pf_region_names[f->region]);
	if (f->kind) {
		p = pf_put_lit(p, " kind=");
		p = pf_put_str(p, pf_kind_names[f->kind]);
	}
	if (f->result) {
		p = pf_put_lit(p, " result=");
		p = pf_put_str(p, pf_result_names[f->result]);
		p = pf_put_lit(p, " latency_ns=");
		p = pf_put_dec(p, c->latency_ns, 0);
		p = pf_put_lit(p, " tries=");
		p = pf_put_dec(p, f->tries, 0);
	}
	p = pf_put_lit(p, " map=");
	if (!c->map)
		return pf_put_str(p, strchr(pf_own_maps[f->region].text, '=') + 1);
	cut = pf_text_end(c->map, c->map_len, name_max);
	if (unlikely(cut))
		p = pf_put_lit(p, PF_TEXT_CUT);
	memcpy(p, c->map + cut, c->map_len - cut);
	p += c->map_len - cut;
	if (c->offset != PF_NO_OFFSET) {
		p = pf_put_lit(p, " offset=");
		p = pf_put_hex(p, c->offset);
	}
	return p;
}

/**
 * pf_fault_format() - write a fault's line, newline included, not zero-terminated
 * @buf: where to
 * @size: its size in bytes; with less than PF_FAULT_LINE_MAX nothing is written. Of a mapping's
 *	name for which there is no more room comes the end, behind PF_TEXT_CUT
 * @f: the fault
 * @c: what else is known of it
 *
 * vsnprintf() would cost more than capturing the fault did.
 *
 * Return: the line's length in bytes
 */
static inline size_t pf_fault_format(char *buf, size_t size, const struct pf_fault *f,
				     const struct pf_context *c)
{
	char *p = buf;

	if (unlikely(size < PF_FAULT_LINE_MAX))
		return 0;
	p = pf_put_lit(p, "PID = ");
	p = pf_put_dec(p, c->pid, 8);
	p = pf_put_lit(p, " Page Fault at Address ");
	p = pf_put_hex(p, f->address);
	p = pf_put_lit(p, " at Time ");
	p = pf_put_dec(p, f->time_ns, 0);
	p = pf_put_lit(p, " tid=");
	p = pf_put_dec(p, f->tid, 0);
	p = pf_put_lit(p, " cpu=");
	p = pf_put_dec(p, c->cpu, 0);
	p = pf_put_lit(p, " ip=");
	p = pf_put_hex(p, f->ip);
	p = pf_put_lit(p, " access=");
	p = pf_put_word(p, pf_access_names[f->access]);
	p = pf_put_lit(p, " mode=");
	p = pf_put_word(p, pf_mode_names[f->mode]);
	p = pf_put_lit(p, " region=");
	if (f->kind || f->result || c->map) {
		p = pf_fault_format_rest(p, size - PF_FAULT_LINE_MAX, f, c);
	} else {
		memcpy(p, &pf_own_maps[f->region], PF_OWN_MAP);
		p += pf_own_maps[f->region].len;
	}
	*p++ = '\n';
	return p - buf;
}

#endif /* PF_FAULT_H */
