// SPDX-License-Identifier: GPL-2.0-or-later
#include <endian.h>
#include <string.h>

#include "fault.h"

const char *const region_names[REGIONS] = {
	"code", "data", "heap", "stack", "file", "anon", "special", "other",
};

#define ONES		0x0101010101010101ULL
#define HIGH_DIGITS	6
#define LOW_DIGITS	6
#define BYTES(nr)	(~0ULL >> (64 - 8 * (nr)))	/* a mask for the first 1 to 8 bytes */

/* Eight bytes as a word; the first is the lowest. */
static inline u64 load(const char *p)
{
	u64 word;

	memcpy(&word, p, sizeof(word));
	return le64toh(word);
}

/* Up to eight letters, in the order of load(). */
static inline u64 letters(const char *text)
{
	u64 word = 0;

	memcpy(&word, text, strlen(text));
	return le64toh(word);
}

/* Reads the digits at the start of a word. Returns their number, 0 to 8, and their value. */
static inline unsigned int take_digits(u64 word, u64 *value)
{
	u64 others;
	unsigned int nr = 8;

	word ^= '0' * ONES;
	others = (((word & 0x7f * ONES) + 0x76 * ONES) | word) & 0x80 * ONES;
	if (others) {
		nr = (unsigned int)__builtin_ctzll(others) / 8;
		if (!nr)
			return 0;
		word <<= 64 - 8 * nr;
	}
	/* Joins digits to pairs, pairs to fours, fours to eight. */
	word = (word * (1 + (10 << 8)) >> 8) & 0x00ff00ff00ff00ff;
	word = (word * (1 + (100 << 16)) >> 16) & 0x0000ffff0000ffff;
	*value = word * (1 + (10000ULL << 32)) >> 32;
	return nr;
}

/* Goes on with a number, of which `number` is the value of the digits before `p`. */
static inline const char *take_more(const char *p, u64 *number)
{
	static const unsigned int power[] = {
		1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000,
	};
	unsigned int nr;
	u64 value;

	do {
		nr = take_digits(load(p), &value);
		if (!nr)
			break;
		p += nr;
		*number = *number * power[nr] + value;
	} while (nr == 8);
	return p;
}

static inline const char *take_number(const char *p, u64 *number)
{
	*number = 0;
	return take_more(p, number);
}

/* Times that are close to each other begin with the same six digits. */
static inline const char *take_time(struct fault *f, const char *p)
{
	u64 word = load(p) & BYTES(HIGH_DIGITS);

	if (word == f->time_high_text && word) {
		f->time_ns = f->time_high;
		return take_more(p + HIGH_DIGITS, &f->time_ns);
	}
	f->time_high_text = take_digits(word, &f->time_high) == HIGH_DIGITS ? word : 0;
	return take_number(p, &f->time_ns);
}

/* -1 for other characters: then all results have their highest bit set. */
static const signed char hex_digits[256] = {
	[0 ... '0' - 1] = -1,
	['0'] = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
	['9' + 1 ... 'a' - 1] = -1,
	['a'] = 10, 11, 12, 13, 14, 15,
	['f' + 1 ... 255] = -1,
};

#define IS_NO_DIGIT(value)	((value) >> 63)

static inline u64 hex_digit(char c)
{
	return (u64)(long long)hex_digits[(unsigned char)c];
}

/* Six digits and a blank, which usually are the rest of an address. */
static inline u64 take_low_digits(const char *p)
{
	if (p[LOW_DIGITS] != ' ')
		return ~0ULL;
	return hex_digit(p[0]) << 20 | hex_digit(p[1]) << 16 | hex_digit(p[2]) << 12 |
	       hex_digit(p[3]) << 8 | hex_digit(p[4]) << 4 | hex_digit(p[5]);
}

/* Addresses that are close to each other begin with the same six digits. */
static inline const char *take_address(struct fault *f, const char *p)
{
	u64 word = load(p) & BYTES(HIGH_DIGITS), value = 0, digit;
	unsigned int nr;

	if (word == f->high_text) {
		value = f->high;
		p += HIGH_DIGITS;
		digit = take_low_digits(p);
		if (!IS_NO_DIGIT(digit)) {
			f->address = value << 4 * LOW_DIGITS | digit;
			return p + LOW_DIGITS;
		}
	} else {
		for (nr = 0; nr < HIGH_DIGITS && !IS_NO_DIGIT(digit = hex_digit(*p)); nr++, p++)
			value = (value << 4) + digit;
		f->high_text = nr == HIGH_DIGITS ? word : 0;
		f->high = value;
	}
	while (!IS_NO_DIGIT(digit = hex_digit(*p))) {
		value = (value << 4) + digit;
		p++;
	}
	f->address = value;
	return p;
}

/*
 * Does `p` begin with this text, which has at least 8 bytes and no newline? A line ends with a
 * newline, so the comparison ends there, and reads no more than the slack behind it.
 */
static inline bool has_text(const char *p, const char *text, size_t len)
{
	size_t at;

	for (at = 0; at + sizeof(u64) < len; at += sizeof(u64))
		if (load(p + at) != load(text + at))
			return false;
	return load(p + len - sizeof(u64)) == load(text + len - sizeof(u64));
}

/* Returns the end of `word` at `p`, or NULL if it is not there. */
static inline const char *skip_word(const char *p, const char *word)
{
	size_t len = strlen(word);
	bool found = len < sizeof(u64) ? (load(p) & BYTES(len)) == letters(word) :
		     has_text(p, word, len);

	return found ? p + len : NULL;
}

/* The lowest bit that is set marks the first blank in the word. */
static inline u64 blanks(u64 word)
{
	word ^= ' ' * ONES;
	return (word - ONES) & ~word & 0x80 * ONES;
}

/* The next blank, or the newline at the end. Goes in steps of eight bytes. */
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

/* A word of up to seven letters, and a blank (also for the newline); 0 for a longer word. */
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

/* Usually it is the region of the last line. */
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

static inline enum result take_result(const char **p, const char *end)
{
	static const char failed[][sizeof("sigsegv ")] = {
		"sigbus ", "sigsegv ", "oom ", "error ",
	};
	const char *start = *p;
	u64 word = take_word(p, end);

	if (word == letters("minor "))
		return RESULT_MINOR;
	if (word == letters("major "))
		return RESULT_MAJOR;
	if (word == ' ')
		return RESULT_UNKNOWN;
	for (size_t i = 0; i < sizeof(failed) / sizeof(failed[0]); i++)
		if (word == load(failed[i]))
			return RESULT_FAILED;
	/* This word is too long for take_word(). */
	if (*p - start == (long)strlen("hwpoison") && load(start) == letters("hwpoison"))
		return RESULT_FAILED;
	return RESULT_NEW;
}

/* Is everything after the region as in the latest line, except the latency? */
static inline bool take_same_tail(struct fault *f, const char *p, const char *end)
{
	const struct fault_tail *tail = &f->tail;

	if (!tail->front_len || !has_text(p, tail->text, tail->front_len))
		return false;
	p += tail->front_len;
	f->latency_ns = 0;
	if (tail->back_len) {
		p = take_number(p, &f->latency_ns);
		if (!has_text(p, tail->text + tail->front_len, tail->back_len))
			return false;
		p += tail->back_len;
	}
	if (*p != ' ' && p != end - 1)
		return false;
	f->region = tail->region;
	f->result = tail->result;
	f->map = p - tail->map_len;
	f->map_len = tail->map_len;
	f->same_map = true;
	return true;
}

/* @digits, @after: begin and end of the latency, NULL without one. */
static void keep_tail(struct fault *f, const char *region, const char *digits, const char *after)
{
	size_t front_len, back_len;
	const char *end;

	f->tail.front_len = f->tail.map_len = 0;
	if (!region || !f->map_len || (digits && digits < region))
		return;
	end = f->map + f->map_len;
	front_len = (size_t)((digits ? digits : end) - region);
	back_len = digits ? (size_t)(end - after) : 0;
	if (front_len + back_len > sizeof(f->tail.text) || (digits && back_len < sizeof(u64)))
		return;
	f->tail.front_len = front_len;
	f->tail.back_len = back_len;
	f->tail.map_len = f->map_len;
	f->tail.region = f->region;
	f->tail.result = f->result;
	memcpy(f->tail.text, region, front_len);
	memcpy(f->tail.text + front_len, end - back_len, back_len);
}

static void take_map(struct fault *f, const char *p, const char *end)
{
	const struct fault_tail *tail = &f->tail;
	size_t len = (size_t)(next_blank(p, end) - p);

	f->map = len ? p : NULL;
	f->map_len = len;
	f->same_map = len && len == tail->map_len &&
		      !memcmp(p, tail->text + tail->front_len + tail->back_len - len, len);
}

/* Reads the keys up to the mapping. Nothing after that is needed. */
static __attribute__((noinline)) void take_pairs(struct fault *f, const char *line, const char *p,
						 const char *end)
{
	const char *region = NULL, *digits = NULL, *after = NULL;
	int last_region = f->region;

	f->latency_ns = 0;
	f->region = -1;
	f->result = RESULT_UNKNOWN;
	f->map = NULL;
	f->map_len = 0;
	while (*p == ' ') {
		const char *pair = p;
		u64 key = load(p);

		if ((key & BYTES(5)) == letters(" map=")) {
			take_map(f, p + strlen(" map="), end);
			keep_tail(f, region, digits, after);
			return;
		}
		p += sizeof(key);
		if (key == letters(" region=")) {
			region = pair;
			f->region_at = (size_t)(pair - line);
			f->region = region_of(take_word(&p, end), last_region);
		} else if (key == letters(" result=")) {
			f->result = take_result(&p, end);
		} else if (key == letters(" latency") && (p = skip_word(p, "_ns="))) {
			digits = p;
			after = take_number(p, &f->latency_ns);
			p = next_blank(after, end);
		} else {
			p = next_blank(pair + 1, end);
		}
	}
}

/*
 * The keys between @p and the region are not needed. Their length is usually that of the last line,
 * or differs by one, as access=write after access=read.
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

/* Reads the text before the address. Returns NULL if it is not that of a fault. */
static __attribute__((noinline)) const char *take_pid(struct fault *f, const char *line)
{
	const char *p = skip_word(line, "PID =");

	*f->beginning = '\0';
	while (p && *p == ' ')
		p++;
	if (p)
		p = skip_word(take_number(p, &f->pid), " Page Fault at Address 0x");
	if (p && p - line == sizeof(f->beginning))
		memcpy(f->beginning, line, sizeof(f->beginning));
	return p;
}

/* No step goes beyond the newline. */
bool fault_parse(struct fault *f, const char *line, size_t len)
{
	const char *end = line + len, *p;

	if (has_text(line, f->beginning, sizeof(f->beginning)))
		p = line + sizeof(f->beginning);
	else
		p = take_pid(f, line);
	if (!p)
		return false;
	p = skip_word(take_address(f, p), " at Time ");
	if (!p)
		return false;
	p = take_time(f, p);
	f->tid = skip_word(p, " tid=");

	p = find_region(f, line, p, end);
	if (!take_same_tail(f, p, end))
		take_pairs(f, line, p, end);
	return true;
}

/* The key follows the thread's. The line ends with a newline, where this stops. */
bool fault_ip(const struct fault *f, u64 *ip)
{
	const char *p = f->tid;
	u64 digit;

	*ip = 0;
	for (; p && *p != '\n'; p++) {
		if (*p != ' ' || (load(p) & BYTES(6)) != letters(" ip=0x"))
			continue;
		for (p += 6; !IS_NO_DIGIT(digit = hex_digit(*p)); p++)
			*ip = *ip << 4 | digit;
		return true;
	}
	return false;
}
