// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "path.h"
#include "say.h"
#include "stream.h"

static void counter_init(struct counter *c)
{
	memset(c->text, ' ', sizeof(c->text));
	c->end = c->text + sizeof(c->text);
	c->units = memcpy(c->end - strlen("0:: "), "0:: ", strlen("0:: "));
	c->start = c->units - 3;
}

static inline void counter_add(struct counter *c)
{
	char *digit = c->units;

	while (*digit == '9')
		*digit-- = '0';
	*digit = *digit == ' ' ? '1' : (char)(*digit + 1);
	if (digit < c->start)
		c->start = digit;
}

static inline bool starts(const char *line, size_t len, const char *prefix)
{
	return len >= strlen(prefix) && !memcmp(line, prefix, strlen(prefix));
}

/* The text after ` key=`, or an empty text. Each line ends with a newline, where readers stop. */
static const char *find_value(const char *line, size_t len, const char *key)
{
	const char *value = memmem(line, len, key, strlen(key));

	return value ? value + strlen(key) : "";
}

static void copy_value(char *to, size_t size, const char *line, size_t len, const char *key)
{
	const char *value = find_value(line, len, key);

	snprintf(to, size, "%.*s", (int)strcspn(value, " \n"), value);
}

static bool has_value(const char *line, size_t len, const char *pair)
{
	return strchr(" \n", *find_value(line, len, pair)) && memmem(line, len, pair, strlen(pair));
}

static u64 find_number(const char *line, size_t len, const char *key)
{
	const char *digit = find_value(line, len, key);
	u64 number = 0;

	while (*digit >= '0' && *digit <= '9')
		number = number * 10 + (u64)(*digit++ - '0');
	return number;
}

static void take_summary(struct stream *s, const char *line, size_t len)
{
	char *copy = need(malloc(len));

	free(s->sum.line);
	s->sum = (struct summary) {
		.line = memcpy(copy, line, len),
		.len = len,
		.recorded = find_number(line, len, " recorded="),
		.retries = find_number(line, len, " retries="),
		.dropped = find_number(line, len, " dropped="),
		.overwritten = find_number(line, len, " overwritten="),
		.missed = find_number(line, len, " missed="),
		.minor = find_number(line, len, " minor="),
		.major = find_number(line, len, " major="),
		.failed = find_number(line, len, " failed="),
		.children = find_number(line, len, " children="),
		.unseen = find_number(line, len, " unseen="),
		.surplus = find_number(line, len, " surplus="),
		.names_lost = find_number(line, len, " names_lost="),
		.offsets_lost = find_number(line, len, " offsets_lost="),
		.maps_lost = find_number(line, len, " maps_lost="),
		.files_lost = find_number(line, len, " files_lost="),
		.incomplete = find_number(line, len, " incomplete="),
		.has_results = *find_value(line, len, " minor="),
		.exited = has_value(line, len, " target=exited"),
		.disarmed = has_value(line, len, " probe=disarmed"),
	};
	log_flush(&s->log);
	s->whole_nr_faults = s->nr_faults;
	s->whole_size = s->log.size;
}

static void take_exit_code(struct stream *s)
{
	s->between = true;
	s->nr_drains++;
	debug("%s: drain %u ends, %llu faults so far", s->path, s->nr_drains, s->nr_faults);

	/* Faults may have come after this drain and before the exit: one more drain is due. */
	if (!opt.follow || s->last_drain)
		s->state = DONE;
	else
		s->last_drain = s->sum.exited;
}

/* The head, and the lines of forks and exec, name the program of a process. */
static void take_program(struct stream *s, const char *line, size_t len)
{
	const char *comm = find_value(line, len, " comm=");

	if (s->programs && *comm)
		programs_set(s->programs, find_number(line, len, " pid="), comm,
			     strcspn(comm, " \n"), find_number(line, len, " time="));
}

static void take_line(struct stream *s, const char *line, size_t len)
{
	s->between = false;
	if (starts(line, len, "EXIT_CODE\n")) {
		take_exit_code(s);
	} else if (starts(line, len, "# recorded=")) {
		take_summary(s, line, len);
	} else {
		if (starts(line, len, "# " MODULE_PREFIX)) {
			copy_value(s->pid, sizeof(s->pid), line, len, " pid=");
			copy_value(s->comm, sizeof(s->comm), line, len, " comm=");
			take_program(s, line, len);
			if (!s->nr_faults)
				tally_reset(&s->tally, find_number(line, len, " page="));
		} else if (starts(line, len, "# child ") || starts(line, len, "# exec ")) {
			take_program(s, line, len);
		}
		log_reserve(&s->log, len);
		log_put(&s->log, line, len);
	}
}

static void take_fault(struct stream *s, const char *line, size_t len)
{
	size_t counter_len = (size_t)(s->counter.end - s->counter.start);

	log_reserve(&s->log, counter_len + len);
	log_put(&s->log, s->counter.start, counter_len);
	log_put(&s->log, line, len);
	counter_add(&s->counter);
	if (fault_parse(&s->fault, line, len)) {
		tally_add(&s->tally, &s->fault);
		if (s->activity)
			activity_add(s->activity, &s->fault);
	}
	s->nr_faults++;
	s->between = false;
}

/* Takes the whole lines of the input buffer. There is no newline before `fresh`. */
static void take_lines(struct stream *s, const char *fresh)
{
	const char *line = s->in, *end = s->in + s->in_len, *newline;

	while (s->state == READING && !s->log.failed &&
	       (newline = memchr(fresh, '\n', (size_t)(end - fresh)))) {
		size_t len = (size_t)(newline + 1 - line);

		if (starts(line, len, "PID ="))
			take_fault(s, line, len);
		else
			take_line(s, line, len);
		line = fresh = newline + 1;
	}
	s->in_len = (size_t)(end - line);
	memmove(s->in, line, s->in_len);
}

/* Counts the faults of the log again, from the file. */
static void tally_again(struct stream *s)
{
	FILE *file = NULL;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int fd;

	s->has_tally = false;
	if (!s->log.part_name)
		return;
	fd = dup(s->log.fd);
	if (fd >= 0)
		file = fdopen(fd, "r");
	if (!file)
		return;
	rewind(file);
	tally_reset(&s->tally, 1ULL << s->tally.page_shift);
	while ((len = getline(&line, &size, file)) > 0) {
		const char *fault;

		if (size < (size_t)len + FAULT_SLACK) {
			size = (size_t)len + FAULT_SLACK;
			line = need(realloc(line, size));
		}
		memset(line + len, 0, FAULT_SLACK);	/* fault_parse() reads these bytes */
		fault = line + strspn(line, " 0123456789");
		if (!strncmp(fault, ":: PID =", strlen(":: PID =")) &&
		    fault_parse(&s->fault, fault + 3, (size_t)(line + len - fault - 3)))
			tally_add(&s->tally, &s->fault);
	}
	/* There are more if the stream had lines that look like numbered faults. */
	s->has_tally = !ferror(file) && s->tally.nr_faults <= s->whole_nr_faults;
	free(line);
	fclose(file);
	lseek(s->log.fd, s->whole_size, SEEK_SET);	/* the copy shares the position */
}

/*
 * For a stream that ends in the middle of a drain. If that is the first drain, only the part is
 * left. Else the log ends with the last whole drain.
 */
static void cut_stream(struct stream *s)
{
	s->cut = true;
	s->state = FAILED;
	if (!s->nr_drains || !s->whole_size || log_cut(&s->log, s->whole_size))
		return;

	if (s->nr_faults != s->whole_nr_faults)
		tally_again(s);
	s->nr_faults = s->whole_nr_faults;
	s->between = true;
	s->state = DONE;
	say("%s: ends after the last complete read", s->log.name);
}

int stream_open(struct stream *s, char *path)
{
	struct stat st;

	s->path = path;
	counter_init(&s->counter);
	tally_reset(&s->tally, 0);
	s->has_tally = true;
	s->fd = path_open(path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st))
		return -1;
	s->regular = S_ISREG(st.st_mode);
	return 0;
}

void stream_read(struct stream *s)
{
	ssize_t got = read(s->fd, s->in + s->in_len, STREAM_BUFFER_SIZE - s->in_len);
	bool again = s->at_eof;

	if (got < 0) {
		if (errno == EINTR)
			return;
		say("%s: %s%s", s->path, strerror(errno),
		    errno == EIO ? ": was the module unloaded?" : "");
		cut_stream(s);
		return;
	}

	debug("%s: read %zd", s->path, got);
	s->at_eof = !got;
	if (got) {
		s->in_len += (size_t)got;
		take_lines(s, s->in + s->in_len - got);
		if (s->in_len == STREAM_BUFFER_SIZE) {
			say("%s: not a fault log: a line has more than %d bytes", s->path,
			    STREAM_BUFFER_SIZE);
			s->state = FAILED;
		}
	} else if (!s->between || s->in_len) {
		say("%s: ends without EXIT_CODE: %s", s->path, s->nr_faults || *s->pid ?
		    "was the module unloaded?" : "is it the output of a module?");
		cut_stream(s);
	} else if (again) {
		s->state = DONE;	/* two ends of file in a row: the writer has gone */
	}
	if (s->log.failed)
		s->state = FAILED;
}

int stream_finish(struct stream *s)
{
	if (s->state == FAILED) {
		log_flush(&s->log);
		log_keep_part(&s->log);
		return -1;
	}
	if (s->between && s->sum.line) {
		log_reserve(&s->log, s->sum.len);
		log_put(&s->log, s->sum.line, s->sum.len);
	}
	kept_label(s->log.label, opt.command ? path_base(*opt.command) : s->comm, s->pid);
	return log_finish(&s->log);
}
