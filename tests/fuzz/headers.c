// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A fuzz target (libFuzzer) for the kernel's output of a record with any contents. The first byte
 * of the input selects a name, a fault's line, a chart or a histogram. The result is checked as in
 * the unit tests, and the reader must understand the line.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../pf/fault_line.h"
#include "../../pf/histogram.h"
#include "../../pf_user/fault.h"
#include "../unit/drawn.h"
#include "../unit/escaped.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The rest of the input. */
static struct {
	const uint8_t *next;
	size_t left;
} input;

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	printf("BROKEN: %s\n", what);
	fflush(stdout);
	abort();
}

static void take(void *to, size_t size)
{
	size_t len = min(size, input.left);

	memset(to, 0, size);
	memcpy(to, input.next, len);
	input.next += len;
	input.left -= len;
}

static u64 take_number(void)
{
	uint8_t bits;
	u64 number;

	take(&bits, sizeof(bits));
	take(&number, (bits / 8 + 1) % 9);
	return number >> bits % 8;
}

/* The rest of the input as a text that ends with a zero. */
static char *take_text(void)
{
	char *text = malloc(input.left + 1);
	size_t len = input.left;

	take(text, len);
	text[len] = '\0';
	return text;
}

static void try_name(void)
{
	size_t size = take_number() % 5000 + PF_TEXT_CUT_LEN;
	const char *rest = (const char *)input.next;
	char *text;

	must(name_is_right(rest, input.left, size), "the end of a name, escaped");
	text = take_text();
	text[min(strlen(text), (size_t)120)] = '\0';
	must(beginning_is_right(text, size), "the beginning of a name, escaped");
	free(text);
}

static bool line_is_read(const char *line, size_t len, const struct pf_fault *f,
			 const struct pf_context *c)
{
	const char *region = c->map || f->region != PF_REGION_SPECIAL ? NULL : "[vdso]";
	struct fault read = { 0 };
	char *copy = malloc(len + FAULT_SLACK);
	bool right;
	u64 ip;

	memcpy(copy, line, len);
	memset(copy + len, '7', FAULT_SLACK);
	right = fault_parse(&read, copy, len) && read.pid == c->pid && read.address == f->address &&
		read.time_ns == f->time_ns && read.region == (int)f->region &&
		(read.result == RESULT_UNKNOWN) == (f->result == PF_RESULT_NONE) &&
		read.result != RESULT_NEW && fault_ip(&read, &ip) && ip == f->ip &&
		(!f->result || read.latency_ns == c->latency_ns) &&
		(!region || (read.map_len == strlen(region) && !memcmp(read.map, region, read.map_len)));
	free(copy);
	return right;
}

static void try_line(void)
{
	static const u8 kinds[] = { 0, PF_KIND_COW, PF_KIND_SHARED, PF_KIND_HUGETLB,
				    PF_KIND_SHARED | PF_KIND_HUGETLB, PF_KIND_SWAP };
	static char escaped[PF_TEXT_MAX(NAME_MAX_BYTES)];
	struct pf_context c = { .pid = take_number(), .cpu = take_number() };
	struct pf_fault f = { .time_ns = take_number(), .address = take_number() };
	uint8_t how[8];
	size_t size, len;
	char *buf;

	f.ip = take_number();
	f.tid = take_number();
	c.latency_ns = take_number();
	c.offset = take_number();
	size = take_number() % 8192;
	take(how, sizeof(how));
	f.tries = how[0];
	f.result = how[1] % NR_PF_RESULT;
	f.access = how[2] % NR_PF_ACCESS;
	f.mode = how[3] % NR_PF_MODE;
	f.region = how[4] % NR_PF_REGION;
	f.kind = kinds[how[5] % sizeof(kinds)];
	if (how[6] % 2)
		c.offset = PF_NO_OFFSET;
	if (how[7] % 2) {
		c.map_len = escape(escaped, (const char *)input.next, input.left);
		c.map = escaped;
	}
	buf = malloc(size);
	len = pf_fault_format(buf, size, &f, &c);
	if (size < PF_FAULT_LINE_MAX)
		must(!len, "no line where there is no room");
	else
		must(len <= size && memchr(buf, '\n', len) == buf + len - 1 &&
		     line_is_read(buf, len, &f, &c), "a line, and what is read of it");
	free(buf);
}

static void try_chart(void)
{
	unsigned int page_shift = 12 + take_number() % 5, i;
	u64 time_ns = take_number(), address = take_number();
	char *title;

	nr_faults = 0;
	while (input.left > 60) {
		uint8_t how;

		take(&how, sizeof(how));
		time_ns = how & 1 ? take_number() : time_ns + take_number() % (1ULL << 20);
		address = how & 2 ? take_number() : address + take_number() % (1ULL << 24);
		for (i = 0; i < 1U + (how & 4) * 100; i++)
			add(time_ns + i, address + ((u64)i << page_shift), how / 8 % NR_PF_REGION);
	}
	if (nr_faults)
		must(chart_is_true(page_shift), "a chart");
	title = take_text();
	draw_titled(page_shift, title);
	for (must(lines_fit, "lines that fit"), i = 0; i < nr_lines; i++)
		for (const char *p = lines[i]; *p; p++)
			must(*p >= ' ' && *p <= '~', "plain letters");
	free(title);
}

static void try_histogram(void)
{
	static struct pf_histogram h;
	u64 nr = 0, sum = 0, minor, major, failed;

	memset(&h, 0, sizeof(h));
	while (input.left) {
		uint8_t how[2];

		take(how, sizeof(how));
		pf_histogram_add(&h, 1 + how[0] % (NR_PF_RESULT - 1),
				 PF_LATENCY_MAX_NS >> how[1] % PF_HISTOGRAM_BUCKETS);
		nr++;
	}
	nr_lines = 0;
	lines_fit = true;
	pf_histogram_draw(&h, keep_line, NULL);
	must(lines_fit && nr_lines <= 20, "a histogram of 20 lines");
	for (unsigned int i = 2; i < nr_lines; i++) {
		must(sscanf(strchr(lines[i], '-') + 1, "%*s %*s %llu %llu", &minor, &major) == 2,
		     "a row of a histogram");
		if (!pf_histogram_sum(h.nr_failed))
			failed = 0;
		else
			sscanf(strchr(lines[i], '-') + 1, "%*s %*s %*s %*s %llu", &failed);
		sum += minor + major + failed;
	}
	must(sum == nr, "each fault in a row");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	chart = malloc(sizeof(*chart));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const tries[])(void) = { try_name, try_line, try_chart, try_histogram };

	if (!size)
		return 0;
	input.next = data + 1;
	input.left = size - 1;
	tries[*data % ARRAY_SIZE(tries)]();
	return 0;
}
