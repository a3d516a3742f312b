// SPDX-License-Identifier: GPL-2.0-or-later
#include <endian.h>
#include <string.h>

#include "fault.h"

const char *const region_names[REGIONS] = {
	"code", "data", "heap", "stack", "file", "anon", "special", "other",
};

#define ONES		0x0101010101010101ULL
#define HIGH_DIGITS	6
#define BYTES(nr)	(~0ULL >> (64 - 8 * (nr)))	/* the first ones of a word, 1 to 8 */

/* Eight bytes, the first one lowest. */
static inline u64 load(const char *p)
{
	u64 word;

	memcpy(&word, p, sizeof(word));
	return le64toh(word);
}

/* Up to eight letters as load() has them. */
static inline u64 letters(const char *text)
{
	u64 word = 0;

	memcpy(&word, text, strlen(text));
	return le64toh(word);
}

/* Eight digits at a time. */
static inline const char *take_number(const char *p, u64 *number)
{
	static const unsigned int power[] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000 };
	u64 value = 0;

	for (;;) {
		u64 word = load(p) ^ '0' * ONES;
		u64 others = ((word & 0x7f * ONES) + 0x76 * ONES) | word;
		unsigned int nr = 8;

		others &= 0x80 * ONES;
		if (others) {
			nr = (unsigned int)__builtin_ctzll(others) / 8;
			if (!nr)
				break;
			/* In front of fewer than eight there are zeros. */
			word <<= 64 - 8 * nr;
		}
		/* Pairs, fours, all eight. */
		word = (word * (1 + (10 << 8)) >> 8) & 0x00ff00ff00ff00ff;
		word = (word * (1 + (100 << 16)) >> 16) & 0x0000ffff0000ffff;
		word = word * (1 + (10000ULL << 32)) >> 32;
		p += nr;
		if (nr < 8) {
			value = value * power[nr] + word;
			break;
		}
		value = value * 100000000 + word;
	}
	*number = value;
	return p;
}

/* The value of a digit and 1, 0 for what is none. */
static const unsigned char hex_digits[256] = {
	['0'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
	['a'] = 11, 12, 13, 14, 15, 16,
};

/* Addresses that are near each other begin alike: with the same six digits. */
static inline const char *take_address(struct fault *f, const char *p)
{
	u64 word = load(p) & BYTES(HIGH_DIGITS), value = 0;
	unsigned int digit, nr;

	if (word == f->high_text) {
		value = f->high;
		p += HIGH_DIGITS;
	} else {
		for (nr = 0; nr < HIGH_DIGITS && (digit = hex_digits[(unsigned char)*p]); nr++, p++)
			value = (value << 4) + digit - 1;
		f->high_text = nr == HIGH_DIGITS ? word : 0;
		f->high = value;
	}
	while ((digit = hex_digits[(unsigned char)*p])) {
		value = (value << 4) + digit - 1;
		p++;
	}
	f->address = value;
	return p;
}

/* Returns what follows `word`, or NULL. */
static inline const char *skip_word(const char *p, const char *end, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(end - p) > len && !memcmp(p, word, len) ? p + len : NULL;
}

/* The first blank in a word is the lowest bit of these. */
static inline u64 blanks(u64 word)
{
	word ^= ' ' * ONES;
	return (word - ONES) & ~word & 0x80 * ONES;
}

/* The next blank, or the newline before the end: eight bytes a step. */
static inline const char *next_blank(const char *p, const char *end)
{
	u64 found = blanks(load(p));

	while (!found && p < end) {
		p += sizeof(found);
		found = blanks(p < end ? load(p) : 0);
	}
	p += found ? __builtin_ctzll(found) / 8 : 0;
	return p < end ? p : end - 1;
}

/* A word of up to seven letters and a blank, be it the newline in truth; 0 for any longer one. */
static inline u64 take_word(const char **p, const char *end)
{
	const char *start = *p;
	u64 word = load(start);
	size_t len;

	*p = next_blank(start, end);
	len = (size_t)(*p - start);
	if (len > 7)
		return 0;
	return (word & ((1ULL << 8 * len) - 1)) | (u64)' ' << 8 * len;
}

/* Mostly it is the one of the last line. */
static inline int region_of(u64 word, int last)
{
	static const char words[REGIONS - 1][sizeof("special ")] = {
		"code ", "data ", "heap ", "stack ", "file ", "anon ", "special ",
	};

	if (last >= 0 && last < REGIONS - 1 && word == load(words[last]))
		return last;
	for (int i = 0; i < REGIONS - 1; i++)
		if (word == load(words[i]))
			return i;
	return word == ' ' ? -1 : REGIONS - 1;
}

static inline enum result result_of(u64 word)
{
	if (word == letters("minor "))
		return RESULT_MINOR;
	if (word == letters("major "))
		return RESULT_MAJOR;
	return word == ' ' ? RESULT_UNKNOWN : RESULT_FAILED;
}

/* Mostly it is the same as in the last line. */
static inline void take_map(struct fault *f, const char *p, const char *end)
{
	size_t len = f->last_map_len;

	f->same_map = len && (size_t)(end - p) > len && !memcmp(p, f->last_map, len) &&
		      (p[len] == ' ' || p + len == end - 1);
	if (!f->same_map) {
		len = (size_t)(next_blank(p, end) - p);
		f->last_map_len = len <= sizeof(f->last_map) ? len : 0;
		memcpy(f->last_map, p, f->last_map_len);
	}
	f->map = len ? p : NULL;
	f->map_len = len;
}

/* Up to the mapping, behind which nothing matters. */
static void take_pairs(struct fault *f, const char *line, const char *p, const char *end,
		       int last_region)
{
	while (*p == ' ') {
		const char *pair = p;
		u64 key = load(p);

		if ((key & BYTES(5)) == letters(" map=")) {
			take_map(f, p + strlen(" map="), end);
			return;
		}
		p += sizeof(key);
		if (key == letters(" region=")) {
			f->region_at = (size_t)(pair - line);
			f->region = region_of(take_word(&p, end), last_region);
		} else if (key == letters(" result=")) {
			f->result = result_of(take_word(&p, end));
		} else if (key == letters(" latency") && (p = skip_word(p, end, "_ns="))) {
			p = next_blank(take_number(p, &f->latency_ns), end);
		} else {
			p = next_blank(pair + 1, end);
		}
	}
}

/*
 * What is between @p and the region does not matter, and mostly is as long as in the last line, or
 * by one longer or shorter: access=write after access=read.
 */
static inline const char *find_region(const struct fault *f, const char *line, const char *p,
				      const char *end)
{
	const char *last = line + f->region_at;

	if (f->region_at + 1 >= (size_t)(end - line) || last <= p)
		return p;
	if (load(last) == letters(" region="))
		return last;
	if (load(last + 1) == letters(" region="))
		return last + 1;
	return load(last - 1) == letters(" region=") ? last - 1 : p;
}

/* What comes before the address; NULL if something else does. */
static const char *take_pid(struct fault *f, const char *line, const char *end)
{
	const char *p = skip_word(line, end, "PID =");

	*f->beginning = '\0';
	while (p && *p == ' ')
		p++;
	if (p)
		p = skip_word(take_number(p, &f->pid), end, " Page Fault at Address 0x");
	if (p && p - line == sizeof(f->beginning))
		memcpy(f->beginning, line, sizeof(f->beginning));
	return p;
}

/* Each step ends at the newline at the latest. */
bool fault_parse(struct fault *f, const char *line, size_t len)
{
	const char *end = line + len, *p;
	int last_region = f->region;

	f->latency_ns = 0;
	f->region = -1;
	f->result = RESULT_UNKNOWN;
	f->map = NULL;
	f->map_len = 0;
	if (len > sizeof(f->beginning) && !memcmp(line, f->beginning, sizeof(f->beginning)))
		p = line + sizeof(f->beginning);
	else
		p = take_pid(f, line, end);
	if (!p)
		return false;
	p = skip_word(take_address(f, p), end, " at Time ");
	if (!p)
		return false;
	p = take_number(p, &f->time_ns);
	f->tid = skip_word(p, end, " tid=");

	take_pairs(f, line, find_region(f, line, p, end), end, last_region);
	return true;
}
