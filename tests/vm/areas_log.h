/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a log with lines about address spaces, and replays them: which area of which process
 * covered an address at a moment. For areas_check.c.
 *
 * The rule: the newest line at or before the moment that covers the address, in the address space
 * that the process had then. `# child` begins a space, with all areas of the parent (space=copy) or
 * as the same one (space=shared); `# space` begins an empty one. From then to `# exec`, or to the
 * first fault with mode=user, a system call's instruction belongs to the space before.
 */
#ifndef AREAS_LOG_H
#define AREAS_LOG_H

#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define NR_PIDS 4194304
#define NEVER UINT64_MAX
/* How far the clocks of two CPUs may be apart, as in log_check.h. */
#define LATE_NS 1000

/* A file of the log; texts as they are there, escaped. */
struct file {
	uint64_t nr, ino, size;
	char dev[16], mtime[32], build_id[80];
	char *path;
};

/* A line `# map`, and those that its address space had before. Never changed: forks share them. */
struct area {
	const struct area *older;
	uint64_t start, end, offset;
	char prot[5], file[20];
};

struct space {
	const struct area *newest;
};

struct process {
	struct space *space, *old;
	bool in_exec;
	bool is_known; /* recorded: has a head or a `# child` */
	unsigned int nr_begun, nr_exits;
};

/* A line between the faults. */
struct event {
	char kind[16];
	uint64_t time_ns;
	pid_t pid, tid, ppid;
	bool shared;
	char comm[100];
	struct area area;
	size_t nr; /* in the log */
};

struct fault {
	pid_t pid;
	uint64_t address, time_ns, ip;
	char access[8], mode[8], region[12];
};

static struct log {
	struct file *files;
	struct event *events;
	struct fault *faults;
	size_t nr_files, nr_events, nr_faults;
	uint64_t loaded_ns, lost_ns; /* of the head, of `# maps-lost` */
	long nr_lost_lines, nr_unordered, nr_unnamed;
	pid_t target;
	char maps[8], summary[1024];
} record = { .lost_ns = NEVER };

static struct process *processes;
static pid_t last_pid; /* the highest one */

static void *grown(void *array, size_t nr, size_t size)
{
	/* At each power of two. */
	if (nr & (nr - 1))
		return array;
	array = realloc(array, (nr ? 2 * nr : 1) * size);
	if (!array)
		err(1, "memory");
	return array;
}

/* Copies the value of ` key=`; returns whether there is one. */
static bool value(const char *line, const char *key, char *to, size_t size)
{
	const char *at = strstr(line, key);
	size_t len;

	*to = '\0';
	if (!at)
		return false;
	at += strlen(key);
	len = strcspn(at, " \n");
	if (len >= size)
		errx(1, "too long: %s", line);
	memcpy(to, at, len);
	to[len] = '\0';
	return true;
}

/* A number; exits if there is none. */
static uint64_t value_of(const char *line, const char *key, int base)
{
	char text[32], *end;
	uint64_t number;

	if (!value(line, key, text, sizeof(text)))
		errx(1, "no%s in: %s", key, line);
	number = strtoull(text, &end, base);
	if (end == text || *end)
		errx(1, "%sis not a number in: %s", key, line);
	return number;
}

static struct process *process_of(pid_t pid)
{
	if (pid <= 0 || pid >= NR_PIDS)
		errx(1, "PID %d", pid);
	if (pid > last_pid)
		last_pid = pid;
	return &processes[pid];
}

static void read_file_line(const char *line)
{
	struct file *f;
	char path[8192];

	record.files = grown(record.files, record.nr_files, sizeof(*record.files));
	f = &record.files[record.nr_files++];
	f->nr = value_of(line, " nr=", 10);
	f->ino = value_of(line, " ino=", 10);
	f->size = value_of(line, " size=", 10);
	value(line, " dev=", f->dev, sizeof(f->dev));
	value(line, " mtime=", f->mtime, sizeof(f->mtime));
	value(line, " build_id=", f->build_id, sizeof(f->build_id));
	value(line, " path=", path, sizeof(path));
	f->path = strdup(path);
	if (!f->path)
		err(1, "memory");
}

static void read_event(const char *line, const char *kind)
{
	struct event *e;
	char text[40];

	record.events = grown(record.events, record.nr_events, sizeof(*record.events));
	e = &record.events[record.nr_events];
	memset(e, 0, sizeof(*e));
	snprintf(e->kind, sizeof(e->kind), "%s", kind);
	e->nr = record.nr_events++;
	e->time_ns = value_of(line, " time=", 10);
	e->pid = e->tid = value_of(line, " pid=", 10);
	value(line, " comm=", e->comm, sizeof(e->comm));
	if (!strcmp(kind, "comm"))
		e->tid = value_of(line, " tid=", 10);
	if (!strcmp(kind, "child")) {
		e->ppid = value_of(line, " ppid=", 10);
		if (!value(line, " space=", text, sizeof(text)) ||
		    (strcmp(text, "copy") && strcmp(text, "shared")))
			errx(1, "neither space=copy nor space=shared: %s", line);
		e->shared = !strcmp(text, "shared");
	}
	if (!strcmp(kind, "map")) {
		e->area.start = value_of(line, " start=", 16);
		e->area.end = value_of(line, " end=", 16);
		e->area.offset = value_of(line, " offset=", 16);
		value(line, " prot=", text, sizeof(text));
		snprintf(e->area.prot, sizeof(e->area.prot), "%.4s", text);
		value(line, " file=", e->area.file, sizeof(e->area.file));
		if (e->area.start >= e->area.end || strlen(text) != 4 || !*e->area.file)
			errx(1, "not an area: %s", line);
		record.nr_unnamed += !strcmp(e->area.file, "?");
	}
}

static void read_fault(const char *line)
{
	struct fault *f;

	record.faults = grown(record.faults, record.nr_faults, sizeof(*record.faults));
	f = &record.faults[record.nr_faults++];
	f->pid = strtol(strchr(line, '=') + 1, NULL, 10);
	f->address = value_of(line, " Address ", 16);
	f->time_ns = value_of(line, " Time ", 10);
	f->ip = value_of(line, " ip=", 16);
	value(line, " access=", f->access, sizeof(f->access));
	value(line, " mode=", f->mode, sizeof(f->mode));
	value(line, " region=", f->region, sizeof(f->region));
}

/* No line may come after a fault that was recorded later. */
static void check_order(const char *line, bool is_fault)
{
	static uint64_t last_ns;
	uint64_t time_ns = value_of(line, is_fault ? " Time " : " time=", 10);

	/* With outcome=1, faults are in the order in which they ended. */
	if (is_fault && strstr(line, " latency_ns="))
		time_ns += value_of(line, " latency_ns=", 10);
	if (time_ns + LATE_NS < last_ns) {
		record.nr_unordered++;
		fprintf(stderr, "# %llu ns late: %s", (unsigned long long)(last_ns - time_ns), line);
	}
	if (time_ns > last_ns)
		last_ns = time_ns;
}

static void read_line(const char *line)
{
	static const char *const kinds[] = { "map", "space", "comm", "exit", "child", "exec" };
	char kind[16];

	/* `user` numbers the faults. */
	if (line[strspn(line, " 0123456789")] == ':' && strstr(line, "PID = "))
		line = strstr(line, "PID = ");
	if (!strncmp(line, "PID = ", 6)) {
		check_order(line, true);
		read_fault(line);
		return;
	}
	if (!strncmp(line, "# pf_probe_", 11)) {
		record.target = value_of(line, " pid=", 10);
		record.loaded_ns = value_of(line, " loaded=", 10);
		value(line, " maps=", record.maps, sizeof(record.maps));
		return;
	}
	if (!strncmp(line, "# recorded=", 11)) {
		snprintf(record.summary, sizeof(record.summary), "%s", line + 1);
		return;
	}
	if (sscanf(line, "# %15s", kind) != 1)
		return;
	if (!strcmp(kind, "maps-lost")) {
		record.nr_lost_lines++;
		record.lost_ns = value_of(line, " time=", 10);
	} else if (!strcmp(kind, "file")) {
		check_order(line, false);
		read_file_line(line);
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kind, kinds[i])) {
			check_order(line, false);
			read_event(line, kind);
		}
}

static int compare_events(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->nr < y->nr ? -1 : 1;
}

static int compare_faults(const void *a, const void *b)
{
	const struct fault *x = a, *y = b;

	return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

static struct space *new_space(const struct area *newest)
{
	struct space *space = calloc(1, sizeof(*space));

	if (!space)
		err(1, "memory");
	space->newest = newest;
	return space;
}

static void begin_process(pid_t pid, struct space *space)
{
	struct process *p = process_of(pid);

	p->space = space;
	p->old = NULL;
	p->in_exec = false;
	p->is_known = true;
	p->nr_begun++;
}

static void read_log(const char *path)
{
	FILE *in = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;

	processes = calloc(NR_PIDS, sizeof(*processes));
	if (!in || !processes)
		err(1, "%s", path);
	while (getline(&line, &size, in) > 0)
		read_line(line);
	fclose(in);
	free(line);
	if (!record.target || !*record.summary)
		errx(1, "%s: no head or no summary", path);
	if (record.nr_events)
		qsort(record.events, record.nr_events, sizeof(*record.events), compare_events);
	if (record.nr_faults)
		qsort(record.faults, record.nr_faults, sizeof(*record.faults), compare_faults);
	begin_process(record.target, new_space(NULL));
}

/* Only a lost `# child` is an excuse. */
static void is_unknown(const struct event *e)
{
	if (strstr(record.summary, " untold=") && !strstr(record.summary, " untold=0"))
		return;
	errx(1, "# %s time=%llu pid=%d ppid=%d: this process has no line before", e->kind,
	     (unsigned long long)e->time_ns, e->pid, e->ppid);
}

/* Lets an event happen. */
static void replay(struct event *e)
{
	struct process *p = process_of(e->pid);

	if (!strcmp(e->kind, "child")) {
		struct space *of_parent = process_of(e->ppid)->space;

		if (!of_parent) {
			is_unknown(e);
			return;
		}
		begin_process(e->pid, e->shared ? of_parent : new_space(of_parent->newest));
	} else if (!p->space) {
		is_unknown(e);
	} else if (!strcmp(e->kind, "map")) {
		e->area.older = p->space->newest;
		p->space->newest = &e->area;
	} else if (!strcmp(e->kind, "space")) {
		p->old = p->space;
		p->space = new_space(NULL);
		p->in_exec = true;
	} else if (!strcmp(e->kind, "exec")) {
		p->in_exec = false;
	} else if (!strcmp(e->kind, "exit")) {
		p->nr_exits++;
	}
}

/* The area that covers an address in a space, now. NULL: none. */
static const struct area *cover(const struct space *space, uint64_t address)
{
	const struct area *area = space ? space->newest : NULL;

	while (area && (address < area->start || address >= area->end))
		area = area->older;
	return area;
}

/* The file of an area; NULL: it has none, or no number. */
static const struct file *file_of(const struct area *area)
{
	char *end;
	uint64_t nr = strtoull(area->file, &end, 10);

	if (*end || end == area->file)
		return NULL;
	/* Numbers usually count from 0 or 1, in the order of the lines. */
	for (size_t i = nr < record.nr_files ? nr : 0; i < record.nr_files; i++)
		if (record.files[i].nr == nr)
			return &record.files[i];
	for (size_t i = 0; i < record.nr_files; i++)
		if (record.files[i].nr == nr)
			return &record.files[i];
	errx(1, "no line of file %llu", (unsigned long long)nr);
}

#endif /* AREAS_LOG_H */
