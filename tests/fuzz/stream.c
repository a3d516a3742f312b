// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A fuzz target (libFuzzer) that reads a stream of any bytes.
 *
 * The input is a stream; its last byte also selects how it is read. In addition to the sanitizers'
 * checks, the log must equal one that is made here in a simpler way, the report and the live view
 * must fit a terminal and be harmless to it, and none of this may depend on how the bytes arrive.
 * tests/fuzz/run makes the buffers small, so that inputs reach their ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../pf_user/report.h"
#include "../../pf_user/say.h"
#include "../../pf_user/stream.h"
#include "../../pf_user/view.h"

#define LOG_NAME	"fuzz.log"
#define PART_NAME	LOG_NAME ".part"

struct options opt;

struct text {
	char *bytes;
	size_t len;
};

/* What the wrapped read() returns, and in which portions. */
static struct {
	const char *next, *end;
	bool dribble;
	bool gone;			/* an error at the end: the module was unloaded */
	unsigned int random;
} input;

/* All results of a run. */
struct outcome {
	struct text log, report, view;
	int state;
	bool cut, whole, named;
	unsigned int nr_drains;
	u64 nr_faults;
};

ssize_t __wrap_read(int fd, void *buf, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	dprintf(STDOUT_FILENO, "BROKEN: %s\n", what);
	abort();
}

static unsigned int next_random(void)
{
	input.random = input.random * 1103515245 + 12345;
	return input.random >> 16;
}

ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	size_t left = (size_t)(input.end - input.next), len = left < size ? left : size;

	(void)fd;
	if (input.dribble) {
		if (next_random() % 8 == 0) {
			errno = EINTR;
			return -1;
		}
		if (len)
			len = next_random() % 4 ? 1 : next_random() % len + 1;
	}
	if (!left && input.gone) {
		errno = EIO;
		return -1;
	}
	memcpy(buf, input.next, len);
	input.next += len;
	return (ssize_t)len;
}

/* Uses stdio, whose reads are not wrapped. */
static struct text read_file(const char *name)
{
	struct text text = { 0 };
	FILE *file = fopen(name, "r"), *copy;
	char block[4096];
	size_t got;

	if (!file)
		return text;
	copy = open_memstream(&text.bytes, &text.len);
	while ((got = fread(block, 1, sizeof(block), file)))
		fwrite(block, 1, got, copy);
	fclose(file);
	fclose(copy);
	return text;
}

static bool same(const struct text *a, const struct text *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->bytes, b->bytes, a->len));
}

static bool begins(const char *line, size_t len, const char *word)
{
	return len >= strlen(word) && !memcmp(line, word, strlen(word));
}

/* The log of the lines from `from` to `to`, and the summary if one is wanted. */
static struct text log_of(const char *from, const char *to, bool with_summary)
{
	const char *summary = NULL;
	struct text log;
	size_t summary_len = 0;
	u64 nr = 0;
	FILE *out = open_memstream(&log.bytes, &log.len);

	while (from < to) {
		size_t len = (size_t)((const char *)memchr(from, '\n', (size_t)(to - from)) + 1 -
				      from);

		if (begins(from, len, "# recorded=")) {
			summary = from;
			summary_len = len;
		} else if (!begins(from, len, "EXIT_CODE\n")) {
			if (begins(from, len, "PID ="))
				fprintf(out, "%4llu:: ", nr++);
			fwrite(from, 1, len, out);
		}
		from += len;
	}
	if (with_summary && summary)
		fwrite(summary, 1, summary_len, out);
	fclose(out);
	return log;
}

/* The end of the last line of the stream that is in the log. */
static const char *end_of_log(const char *from, const char *end, const struct outcome *got)
{
	const char *after_summary = from, *newline;
	bool ended = got->state == DONE && !got->cut;
	unsigned int nr_drains = 0;

	while ((newline = memchr(from, '\n', (size_t)(end - from))) &&
	       newline - from < STREAM_BUFFER_SIZE) {
		const char *line = from;
		size_t len = (size_t)(newline + 1 - line);

		from += len;
		nr_drains += begins(line, len, "EXIT_CODE\n");
		if (ended && nr_drains == got->nr_drains)
			break;
		if (begins(line, len, "# recorded="))
			after_summary = from;
	}
	return got->cut && got->state == DONE ? after_summary : from;
}

static void check_screen(const struct text *text, size_t columns, size_t rows)
{
	size_t column = 0, row = 0;

	for (size_t i = 0; i < text->len; i++) {
		char c = text->bytes[i];

		must(c == '\n' || (c >= ' ' && c <= '~'), "plain letters");
		column = c == '\n' ? 0 : column + 1;
		row += c == '\n';
		must(column <= columns, "lines that fit");
	}
	must(row <= rows && !column, "as many lines as fit");
}

static struct outcome read_stream(const char *data, size_t size, bool dribble)
{
	struct stream *s = need(calloc(1, sizeof(*s)));
	struct view size_of_view = { .columns = size % 120, .rows = size % 37, .moment_ns = size };
	struct programs *programs = size % 2 ? need(calloc(1, sizeof(*programs))) : NULL;
	struct choice choice = { 0 };
	struct outcome got = { 0 };
	struct activity activity;
	FILE *report_to, *view_to;

	input.next = data;
	input.end = data + size;
	input.dribble = dribble;
	input.random = (unsigned int)size;
	must(!stream_open(s, format("/dev/null")), "open");
	must(!log_open(&s->log, LOG_NAME, s->path), "a log");
	activity_init(&activity, size);
	s->activity = &activity;
	activity.programs = s->programs = programs;
	if (programs) {
		choice_take(&choice, data, size < 32 ? size : 32);
		size_of_view.choice = &choice;
		size_of_view.has_keys = true;
	}
	while (s->state == READING)
		stream_read(s);
	got.state = s->state;
	got.whole = !stream_finish(s);
	got.cut = s->cut;
	got.nr_drains = s->nr_drains;
	got.nr_faults = s->nr_faults;
	got.named = !access(LOG_NAME, F_OK);
	got.log = read_file(got.named ? LOG_NAME : PART_NAME);
	report_to = open_memstream(&got.report.bytes, &got.report.len);
	must(!report(s, report_to), "a report");
	fclose(report_to);
	view_to = open_memstream(&got.view.bytes, &got.view.len);
	view_put(view_to, &size_of_view, s, &activity);
	fclose(view_to);
	check_screen(&got.report, 79, 12);
	check_screen(&got.view, size_of_view.columns, size_of_view.rows);
	must(!s->has_tally || s->tally.nr_faults <= s->nr_faults, "no more faults than lines");

	close(s->fd);
	close(s->log.fd);
	close(s->log.dir_fd);
	unlink(LOG_NAME);
	unlink(PART_NAME);
	tally_free(&s->tally);
	activity_free(&activity);
	free(programs);
	free(s->log.name);
	free(s->log.part_name);
	free(s->sum.line);
	free(s->path);
	free(s);
	return got;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	stderr = need(fopen("/dev/null", "w"));	/* messages; the sanitizers write to the fd */
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const char *data = (const char *)bytes;
	struct outcome whole, pieces;
	struct text want;

	if (!size)
		return 0;
	opt.follow = !(data[size - 1] & 1);
	input.gone = data[size - 1] & 4;
	whole = read_stream(data, size, false);
	pieces = read_stream(data, size, true);
	must(same(&whole.log, &pieces.log), "the same log, however its bytes arrive");
	must(same(&whole.report, &pieces.report), "the same report, however the bytes arrive");
	must(same(&whole.view, &pieces.view), "the same view, however the bytes arrive");
	must(whole.state == pieces.state && whole.nr_faults == pieces.nr_faults &&
	     whole.whole == pieces.whole, "the same end, however the bytes arrive");
	must(whole.named == whole.whole, "a name if it is whole");
	must(whole.state != READING && (whole.state == DONE) == whole.whole, "an end");

	want = log_of(data, end_of_log(data, data + size, &whole), whole.state == DONE);
	must(same(&whole.log, &want), "the log that the lines make");

	free(whole.log.bytes);
	free(whole.report.bytes);
	free(whole.view.bytes);
	free(pieces.log.bytes);
	free(pieces.report.bytes);
	free(pieces.view.bytes);
	free(want.bytes);
	return 0;
}
