// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pf_user/fault.c: parsing a line does not depend on the lines before it. The parser skips parts
 * that are the same as in the previous line; so each line is parsed twice, once as the first one.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>

#include "tap.h"

#include "pf_user/fault.c"

#define NR_RANDOM 50000

/* Lines in memory of the exact size plus the slack, so that ASan finds an overrun of one byte. */
static bool parse(struct fault *f, const char *text, char **copy)
{
	size_t len = strlen(text);

	*copy = malloc(len + FAULT_SLACK);
	memcpy(*copy, text, len);
	memset(*copy + len, tap_random() & 1 ? '7' : 0, FAULT_SLACK);
	return fault_parse(f, *copy, len);
}

static bool same_piece(const char *a, const char *b, size_t len)
{
	return !a == !b && (!a || !memcmp(a, b, len));
}

static bool same(const struct fault *a, const struct fault *b)
{
	return a->pid == b->pid && a->address == b->address && a->time_ns == b->time_ns &&
	       a->latency_ns == b->latency_ns && a->region == b->region &&
	       a->result == b->result && a->map_len == b->map_len &&
	       same_piece(a->map, b->map, a->map_len) && same_piece(a->tid, b->tid, 1);
}

static const char *one_of(const char *const *list, size_t nr)
{
	return list[tap_random() % nr];
}
#define ONE_OF(...) one_of((const char *const[]) { __VA_ARGS__ }, \
			   sizeof((const char *const[]) { __VA_ARGS__ }) / sizeof(char *))

/* A number of up to @bits bits; sometimes the same again. */
static uint64_t number(unsigned int bits)
{
	return tap_random() >> (64 - 1 - tap_random() % bits);
}

/* A line that the kernel could write, made by printf(), and its contents in @f. */
static char *make_line(struct fault *f)
{
	static uint64_t address, time_ns;
	char latency[64] = "", map[300] = "", *text;
	const char *region, *name;
	int len;

	*f = (struct fault) { .region = -1, .pid = tap_random() % 3 ? 4494 : number(22) };
	address = tap_random() % 4 ? address + tap_random() % 8 * 4096 : number(64);
	time_ns = tap_random() % 4 ? time_ns + tap_random() % 100000 : number(60);
	f->address = address;
	f->time_ns = time_ns;
	region = ONE_OF("code", "data", "heap", "stack", "file", "anon", "anon", "special", "new");
	if (tap_random() % 2) {
		static const char *const results[] = {
			"minor", "major", "sigbus", "sigsegv", "oom", "hwpoison", "error",
			"new", "minors", "hwpoison2", "sigsegv2", "postponed",
		};
		size_t i = tap_random() % 2 ? 0 : tap_random() % (sizeof(results) / sizeof(*results));
		const char *result = results[i];

		f->latency_ns = number(50);
		f->result = !i ? RESULT_MINOR : i == 1 ? RESULT_MAJOR :
			    i < 7 ? RESULT_FAILED : RESULT_NEW;
		snprintf(latency, sizeof(latency), " result=%s latency_ns=%llu tries=%s", result,
			 f->latency_ns, ONE_OF("1", "1", "2", "12"));
	}
	name = ONE_OF("", "anon", "anon", "[heap]", "/lib/a", "/lib/b", "/lib/a\\040b",
		      "/a/very/long/name/of/a/file/that/nobody/would/choose/but/to/annoy/anybody/who/"
		      "keeps/such/names/in/a/buffer/of/a/fixed/size/and/so/on/and/so/on/and/so/on/and/"
		      "so/on/and/so/on/and/so/on/and/so/on/and/so/on/and/so/on/and/so/on/and/so/on");
	if (*name)
		snprintf(map, sizeof(map), " map=%s%s", name, ONE_OF("", "", " offset=0x1000"));
	f->map_len = strlen(name);
	if (tap_random() % 16) {
		for (f->region = 0; f->region < REGIONS - 1; f->region++)
			if (!strcmp(region, region_names[f->region]))
				break;
		len = asprintf(&text, "PID = %8llu Page Fault at Address 0x%llx at Time %llu "
			       "tid=%llu cpu=%s ip=0x%" PRIx64 " access=%s mode=user region=%s%s%s%s\n",
			       f->pid, f->address, f->time_ns, f->pid, ONE_OF("0", "1", "12"),
			       number(48), ONE_OF("read", "write", "exec"), region,
			       ONE_OF("", "", " kind=cow"), latency, map);
	} else {
		f->latency_ns = f->map_len = 0;
		f->result = RESULT_UNKNOWN;
		len = asprintf(&text, "PID = %8llu Page Fault at Address 0x%llx at Time %llu%s\n",
			       f->pid, f->address, f->time_ns, ONE_OF("", " tid=7"));
	}
	return len < 0 ? NULL : text;
}

static bool line_is_right(struct fault *f, const char *text, const struct fault *wanted)
{
	struct fault first = { 0 };
	char *copy, *first_copy;
	bool right = parse(&first, text, &first_copy) && parse(f, text, &copy) && same(&first, f) &&
		     f->pid == wanted->pid && f->address == wanted->address &&
		     f->time_ns == wanted->time_ns && f->latency_ns == wanted->latency_ns &&
		     f->region == wanted->region && f->result == wanted->result &&
		     f->map_len == wanted->map_len;

	if (!right)
		printf("# %s", text);
	free(copy);
	free(first_copy);
	return right;
}

/* Random bytes are changed: the line may be refused, but not because of the lines before it. */
static bool spoiled_is_the_same(struct fault *f, char *text)
{
	struct fault first = { 0 };
	char *copy, *first_copy;
	size_t len = strlen(text);
	bool right, there;

	for (unsigned int i = 0; i < 2; i++)
		text[5 + tap_random() % (len - 6)] = *ONE_OF(" ", "g", "0", "=", "f", ":", "/", "\x80");
	there = parse(&first, text, &first_copy);
	right = parse(f, text, &copy) == there && (!there || (f->address == first.address &&
							      f->time_ns == first.time_ns));
	if (!right)
		printf("# %s", text);
	free(copy);
	free(first_copy);
	return right;
}

int main(void)
{
	struct fault f = { 0 }, wanted;
	bool right = true, spoiled = true, same_map = true;
	char last_map[300] = "";

	for (unsigned int i = 0; i < NR_RANDOM; i++) {
		char *text = make_line(&wanted), *map;

		right = line_is_right(&f, text, &wanted) && right;
		map = strstr(text, " map=");
		if (map) {
			map += strlen(" map=");
			map[strcspn(map, " \n")] = '\0';
			same_map = (!f.same_map || !strcmp(map, last_map)) && same_map;
			strcpy(last_map, map);
		}
		free(text);
	}
	ok(right, "%d lines, after any other lines", NR_RANDOM);
	ok(same_map, "a mapping that is reported as the same is the same");

	for (unsigned int i = 0; i < NR_RANDOM; i++) {
		char *text = make_line(&wanted);

		spoiled = spoiled_is_the_same(&f, text) && spoiled;
		free(text);
	}
	ok(spoiled, "%d damaged lines, after any other lines", NR_RANDOM);
	return tap_done();
}
