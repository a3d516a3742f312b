/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The line of text that is made of a fault's record, in the log and in dmesg. Pure (see env.h).
 *
 * The format only grows: new keys are added at the end.
 */
#ifndef PF_FAULT_LINE_H
#define PF_FAULT_LINE_H

#include "env.h"
#include "fault.h"
#include "text.h"

/**
 * struct pf_context - data for a fault's line that is not in struct pf_fault
 * @pid: the process, in the PID namespace of the process that loaded the module
 * @cpu: CPU on which the fault was taken, or with outcome=1, completed
 * @latency_ns: see struct pf_extra; printed if the record has a result
 * @map: the mapping's name, NULL to name it after its region
 * @map_len: length of @map in bytes
 * @offset: offset of the page in the mapped file in bytes, PF_NO_OFFSET if there is none
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
 * Longest line of a fault in bytes, with newline, without the mapping's name. Includes PF_PUT_SLACK
 * and PF_TEXT_CUT.
 */
#define PF_FAULT_LINE_MAX 320

/*
 * The pf_put_*() functions may write up to PF_PUT_SLACK bytes beyond the end that they return:
 * copies of a fixed size are far cheaper than exact ones.
 */
#define PF_PUT_SLACK 24

static inline char *pf_put_str(char *p, const char *s)
{
	while (*s)
		*p++ = *s++;
	return p;
}

/* A word of up to PF_WORD bytes, padded with zeros. */
static inline char *pf_put_word(char *p, const char word[PF_WORD])
{
	u64 bytes;

	memcpy(&bytes, word, PF_WORD);
	memcpy(p, &bytes, PF_WORD);
	return p + (fls64(bytes) + 7) / 8;
}

/* The compiler knows the length of a literal, and uses a few wide stores instead of a loop. */
#define pf_put_lit(p, lit) ((char *)memcpy((p), (lit), sizeof(lit) - 1) + sizeof(lit) - 1)

/* Decimal, padded with spaces to @width (at most 8). Each division yields two digits. */
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

	/* One digit per byte, the last one in the lowest byte. */
	x = (x | x << 16) & 0x0000ffff0000ffffULL;
	x = (x | x << 8) & 0x00ff00ff00ff00ffULL;
	x = (x | x << 4) & 0x0f0f0f0f0f0f0f0fULL;
	/* Add '0' to each, and 'a' - '0' - 10 to digits above 9, where adding 6 carries. */
	x += 0x3030303030303030ULL +
	     ((x + 0x0606060606060606ULL) >> 4 & 0x0101010101010101ULL) * ('a' - '0' - 10);
	return __builtin_bswap64(x);
}

/* Hexadecimal with 0x and without leading zeros. For little-endian machines. */
static inline char *pf_put_hex(char *p, u64 value)
{
	unsigned int len = value ? (67 - __builtin_clzll(value)) / 4 : 1;
	u64 digits[4] = { pf_hex_digits(value >> 32), pf_hex_digits(value) };

	p = pf_put_lit(p, "0x");
	memcpy(p, (const char *)digits + 16 - len, 16);
	return p + len;
}

/* By region: the end of the line for a mapping without a name of its own. */
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

/* The rest of the line for faults with a kind, a result or a named mapping. */
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
 * pf_fault_format() - write a fault's line, with newline, not zero-terminated
 * @buf: where to write the line
 * @size: size of @buf in bytes; nothing is written if it is below PF_FAULT_LINE_MAX. If the name of
 *	the mapping does not fit, its end is written after PF_TEXT_CUT
 * @f: the fault
 * @c: the other data of the line
 *
 * Does not use vsnprintf(), which would cost more than capturing the fault.
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

#endif /* PF_FAULT_LINE_H */
