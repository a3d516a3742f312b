// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include "fault.h"

const char *const region_names[REGIONS] = {
	"code", "data", "heap", "stack", "file", "anon", "special", "other",
};

#define ONES	0x0101010101010101ULL

/* Eight digits at a time, then one by one. The line ends with a newline before @end. */
static const char *take_number(const char *p, const char *end, u64 *number)
{
	u64 value = 0, word;

	while (end - p >= (ptrdiff_t)sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		if (((word & 0xf0 * ONES) | ((word + 0x06 * ONES) & 0xf0 * ONES) >> 4) !=
		    0x33 * ONES)
			break;
		/* The first digit is in the lowest byte: pairs, fours, all eight. */
		word = (word & 0x0f * ONES) * (1 + (10 << 8)) >> 8;
		word = (word & 0x00ff00ff00ff00ff) * (1 + (100 << 16)) >> 16;
		word = (word & 0x0000ffff0000ffff) * (1 + (10000ULL << 32)) >> 32;
		value = value * 100000000 + word;
		p += sizeof(word);
	}
	while (*p >= '0' && *p <= '9')
		value = value * 10 + (u64)(*p++ - '0');
	*number = value;
	return p;
}

static const char *take_hex(const char *p, u64 *number)
{
	u64 value = 0;

	for (;; p++) {
		unsigned int digit = (unsigned int)*p - '0';

		if (digit > 9) {
			digit = (unsigned int)*p - 'a' + 10;
			if (digit < 10 || digit > 15)
				break;
		}
		value = value << 4 | digit;
	}
	*number = value;
	return p;
}

/* Returns what follows `word`, or NULL. */
static inline const char *skip_word(const char *p, const char *end, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(end - p) > len && !memcmp(p, word, len) ? p + len : NULL;
}

/* By two letters, as this is done for each fault; then it is looked at as a whole. */
static int region_of(const char *word, size_t len)
{
	int i = REGIONS - 1;

	if (len < 2)
		return i;
	switch (word[0]) {
	case 'c':
		i = 0;
		break;
	case 'd':
		i = 1;
		break;
	case 'h':
		i = 2;
		break;
	case 's':
		i = word[1] == 't' ? 3 : 6;
		break;
	case 'f':
		i = 4;
		break;
	case 'a':
		i = 5;
		break;
	}
	return strlen(region_names[i]) == len && !memcmp(region_names[i], word, len) ?
	       i : REGIONS - 1;
}

/* The next blank, or the newline before the end: eight bytes a step. */
static const char *next_blank(const char *p, const char *end)
{
	u64 word;

	for (; end - p >= (ptrdiff_t)sizeof(word); p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		word ^= ' ' * ONES;
		word = (word - ONES) & ~word & 0x80 * ONES;
		if (word)
			return p + __builtin_ctzll(word) / 8;
	}
	while (p < end - 1 && *p != ' ')
		p++;
	return p < end - 1 ? p : end - 1;
}

static enum result result_of(const char *word, size_t len)
{
	if (len == 5 && !memcmp(word, "minor", 5))
		return RESULT_MINOR;
	return len == 5 && !memcmp(word, "major", 5) ? RESULT_MAJOR : RESULT_FAILED;
}

/* A key's first letter tells whether it may matter. */
static void take_pairs(struct fault *f, const char *line, const char *p, const char *end)
{
	const char *value;

	while (*p == ' ') {
		const char *word = p + 1;

		p = next_blank(word, end);
		if (*word == 'r') {
			if ((value = skip_word(word, p, "region="))) {
				f->region_at = (size_t)(word - 1 - line);
				f->region = region_of(value, (size_t)(p - value));
			} else if ((value = skip_word(word, p, "result="))) {
				f->result = result_of(value, (size_t)(p - value));
			}
		} else if (*word == 'l') {
			if ((value = skip_word(word, p, "latency_ns=")))
				take_number(value, end, &f->latency_ns);
		} else if (*word == 'm' && (value = skip_word(word, p, "map="))) {
			f->map = value;
			f->map_len = (size_t)(p - value);
		}
	}
}

/* Each step ends at the newline at the latest: nothing reads beyond it. */
bool fault_parse(struct fault *f, const char *line, size_t len)
{
	const char *end = line + len, *p = skip_word(line, end, "PID =");

	*f = (struct fault) { .region = -1, .region_at = f->region_at };
	while (p && *p == ' ')
		p++;
	if (!p)
		return false;
	p = skip_word(take_number(p, end, &f->pid), end, " Page Fault at Address 0x");
	if (!p)
		return false;
	p = skip_word(take_hex(p, &f->address), end, " at Time ");
	if (!p)
		return false;
	p = take_number(p, end, &f->time_ns);
	f->tid = skip_word(p, end, " tid=");

	/* What is before the region does not matter, and mostly is as long as in the last line. */
	if (f->region_at < len && line + f->region_at >= p &&
	    skip_word(line + f->region_at, end, " region="))
		p = line + f->region_at;
	take_pairs(f, line, p, end);
	return true;
}
