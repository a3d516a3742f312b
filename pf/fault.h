/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One page fault: what is kept of it, and its one line of text. Pure (see env.h).
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

static const char *const pf_access_names[] = { "read", "write", "exec" };
static const char *const pf_mode_names[] = { "user", "kernel", "gup", "remote" };
static const char *const pf_region_names[] = { "code", "data", "heap",	 "stack",
					       "file", "anon", "special" };

static_assert(ARRAY_SIZE(pf_access_names) == NR_PF_ACCESS);
static_assert(ARRAY_SIZE(pf_mode_names) == NR_PF_MODE);
static_assert(ARRAY_SIZE(pf_region_names) == NR_PF_REGION);

/**
 * struct pf_fault - one record of the fault list
 * @time_ns: CLOCK_MONOTONIC at the first entry of the fault
 * @address: the faulting address (page-aligned where the architecture tells no more)
 * @ip: user-space instruction pointer, 0 if there was none
 * @tid: the thread, as the process that loaded the module numbers it
 * @cpu: where the fault was taken; filled in when the record is read
 * @access: enum pf_access
 * @mode: enum pf_mode
 * @region: enum pf_region
 */
struct pf_fault {
	u64 time_ns;
	u64 address;
	u64 ip;
	u32 tid;
	u16 cpu;
	u8 access : 4;
	u8 mode : 4;
	u8 region;
};

static_assert(sizeof(struct pf_fault) <= 40);

/* No fault line is longer, the newline and no terminating zero counted. */
#define PF_FAULT_LINE_MAX 192

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

/**
 * pf_fault_format() - write a fault's line, newline included, not zero-terminated
 * @buf: at least PF_FAULT_LINE_MAX bytes
 * @f: the fault
 * @pid: its process, as the process that loaded the module numbers it
 *
 * vsnprintf() would cost more than capturing the fault did.
 *
 * Return: the line's length in bytes
 */
static inline size_t pf_fault_format(char *buf, const struct pf_fault *f, u32 pid)
{
	char *p = buf;

	p = pf_put_lit(p, "PID = ");
	p = pf_put_dec(p, pid, 8);
	p = pf_put_lit(p, " Page Fault at Address ");
	p = pf_put_hex(p, f->address);
	p = pf_put_lit(p, " at Time ");
	p = pf_put_dec(p, f->time_ns, 0);
	p = pf_put_lit(p, " tid=");
	p = pf_put_dec(p, f->tid, 0);
	p = pf_put_lit(p, " cpu=");
	p = pf_put_dec(p, f->cpu, 0);
	p = pf_put_lit(p, " ip=");
	p = pf_put_hex(p, f->ip);
	p = pf_put_lit(p, " access=");
	p = pf_put_str(p, pf_access_names[f->access]);
	p = pf_put_lit(p, " mode=");
	p = pf_put_str(p, pf_mode_names[f->mode]);
	p = pf_put_lit(p, " region=");
	p = pf_put_str(p, pf_region_names[f->region]);
	*p++ = '\n';
	return p - buf;
}

#endif /* PF_FAULT_H */
