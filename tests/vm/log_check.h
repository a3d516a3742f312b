/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A strict checker of /proc/pf_probe_X, for the storm of stress.c: every line must be one that the
 * module can write, in time order. Each of the storm's own pages must appear at most once, in the
 * order in which the pages were touched.
 */
#ifndef LOG_CHECK_H
#define LOG_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/*
 * Each thread of the storm has pages of its own and touches them one after the other, each once. A
 * few are written, the others read.
 */
#define STORM_THREADS 64
#define STORM_BASE 0x200000000000ULL
#define STORM_SHIFT 34 /* log2 of the bytes per thread */
/* So does each process that it forks, and again after an exec; they write to all. */
#define CHILD_BASE 0x400000000000ULL
#define CHILD_SHIFT 40
#define CHILD_LIVES 2ULL

#define USER_END (1ULL << 56) /* with five levels of page tables, as used by exec */
#define NR_PIDS 65536
/* How far the clocks of two CPUs may be apart, see pf_cursor_extend(). */
#define LATE_NS 1000

static bool storm_writes(uint64_t page)
{
	return page % 64 == 0;
}

/* The position of a thread or a child in its pages. */
struct place {
	uint64_t next; /* page */
	uint64_t ns; /* time of the previous one */
};

struct log_check {
	pid_t target;
	bool children, outcome;
	char line[8192];
	size_t len;
	uint64_t last_ns;
	long nr_faults; /* lines since the head */
	long nr_pages; /* of these, in pages of the storm's threads */
	long nr_late, nr_gaps, nr_again;
	int nr_lost; /* lines `# maps-lost` */
	long nr_drains, nr_lines; /* since the beginning */
	char summary[512];
	bool in_drain; /* between the head, or the first new line, and EXIT_CODE */
	struct place threads[STORM_THREADS];
	struct {
		pid_t pid;
		struct place places[CHILD_LIVES];
	} child[NR_PIDS];
	char why[600]; /* the first error; empty if there is none */
};

static struct log_check *log_check_new(pid_t target, bool children, bool outcome)
{
	struct log_check *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->target = target;
	c->children = children;
	c->outcome = outcome;
	return c;
}

static bool __attribute__((format(printf, 2, 3))) bad(struct log_check *c, const char *why, ...)
{
	va_list args;
	int len;

	va_start(args, why);
	len = vsnprintf(c->why, sizeof(c->why), why, args);
	va_end(args);
	snprintf(c->why + len, sizeof(c->why) - len, ": %.*s", 300, c->line);
	return false;
}

static bool eat(const char **p, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*p, word, len))
		return false;
	*p += len;
	return true;
}

/* A number as the module writes it: no sign, no leading zeros. */
static bool eat_number(const char **p, unsigned int base, uint64_t *value)
{
	const char *start = *p;

	*value = 0;
	for (;; (*p)++) {
		unsigned int digit = **p >= '0' && **p <= '9' ? **p - '0' :
				     **p >= 'a' && **p <= 'f' ? **p - 'a' + 10 : 99;

		if (digit >= base)
			break;
		*value = *value * base + digit;
	}
	return *p > start && *p <= start + 20 && (*start != '0' || *p == start + 1);
}

static bool eat_one_of(const char **p, const char *const *words)
{
	for (; *words; words++)
		if (eat(p, *words))
			return true;
	return false;
}

/* A name: no blanks, at least one character. */
static bool eat_name(const char **p)
{
	size_t len = strcspn(*p, " ");

	*p += len;
	return len > 0;
}

static bool is_member(const struct log_check *c, pid_t pid)
{
	return pid == c->target || (c->children && c->child[pid % NR_PIDS].pid == pid);
}

/*
 * @page must be the next one, or a later one if some were lost. A written page may fault once more
 * later, because a fork may have write-protected it between the fault and the write.
 */
static bool check_page(struct log_check *c, struct place *place, uint64_t page, uint64_t ns,
		       bool write)
{
	if (page < place->next) {
		if (page + 1 < place->next || !write)
			return bad(c, "page %lu again, %lu is next", (long)page, (long)place->next);
		if (ns <= place->ns)
			return bad(c, "page %lu twice", (long)page);
		c->nr_again++;
	}
	c->nr_gaps += page > place->next;
	place->next = page + 1;
	place->ns = ns;
	return true;
}

static bool check_storm(struct log_check *c, pid_t pid, uint64_t address, uint64_t ns,
			const char *rest)
{
	static const char writes[] = " access=write mode=user region=anon ";
	static const char reads[] = " access=read mode=user region=anon ";
	uint64_t at, page;
	bool write;

	if (address >= CHILD_BASE && address < CHILD_BASE + (CHILD_LIVES << CHILD_SHIFT)) {
		at = address - CHILD_BASE;
		if (pid == c->target)
			return bad(c, "a child's page, by the target");
		if (strncmp(rest, writes, strlen(writes)))
			return bad(c, "not how a child touches its page");
		return check_page(c, &c->child[pid % NR_PIDS].places[at >> CHILD_SHIFT],
				  (at & ((1ULL << CHILD_SHIFT) - 1)) / 4096, ns, true);
	}
	if (address >= STORM_BASE && address < STORM_BASE + ((uint64_t)STORM_THREADS << STORM_SHIFT)) {
		at = address - STORM_BASE;
		if (pid != c->target)
			return bad(c, "the target's page, by a child");
		page = (at & ((1ULL << STORM_SHIFT) - 1)) / 4096;
		write = storm_writes(page);
		if (strncmp(rest, write ? writes : reads, write ? strlen(writes) : strlen(reads)))
			return bad(c, "not how a thread touches its page");
		c->nr_pages++;
		return check_page(c, &c->threads[at >> STORM_SHIFT], page, ns, write);
	}
	return true;
}

static bool check_time(struct log_check *c, uint64_t ns)
{
	if (ns < c->last_ns) {
		if (c->last_ns - ns > LATE_NS)
			return bad(c, "out of order, %lu ns after the one before",
				   (long)(c->last_ns - ns));
		c->nr_late++;
		return true;
	}
	c->last_ns = ns;
	return true;
}

static bool check_fault(struct log_check *c, const char *p)
{
	static const char *const accesses[] = { "read", "write", "exec", NULL };
	static const char *const modes[] = { "user", "kernel", "gup", "remote", NULL };
	static const char *const regions[] = { "code", "data",	  "heap", "stack",
					       "file", "special", "anon", NULL };
	static const char *const results[] = { "minor", "major", "sigbus", "sigsegv",
					       "oom",	"hwpoison", "error", NULL };
	uint64_t pid, address, ns, tid, cpu, ip, latency = 0, tries;
	const char *rest;

	while (*p == ' ')
		p++;
	if (!eat_number(&p, 10, &pid) || !eat(&p, " Page Fault at Address 0x") ||
	    !eat_number(&p, 16, &address) || !eat(&p, " at Time ") || !eat_number(&p, 10, &ns) ||
	    !eat(&p, " tid=") || !eat_number(&p, 10, &tid) || !eat(&p, " cpu=") ||
	    !eat_number(&p, 10, &cpu) || !eat(&p, " ip=0x") || !eat_number(&p, 16, &ip))
		return bad(c, "not a fault");
	rest = p;
	if (!eat(&p, " access=") || !eat_one_of(&p, accesses) || !eat(&p, " mode=") ||
	    !eat_one_of(&p, modes) || !eat(&p, " region=") || !eat_one_of(&p, regions))
		return bad(c, "not a fault's kind");
	if (eat(&p, " kind="))
		p += strcspn(p, " ");
	if (c->outcome && (!eat(&p, " result=") || !eat_one_of(&p, results) ||
			   !eat(&p, " latency_ns=") || !eat_number(&p, 10, &latency) ||
			   !eat(&p, " tries=") || !eat_number(&p, 10, &tries) || !tries))
		return bad(c, "not an outcome");
	if (!eat(&p, " map=") || !strcspn(p, " "))
		return bad(c, "no mapping");
	p += strcspn(p, " ");
	if (*p && (!eat(&p, " offset=0x") || !eat_number(&p, 16, &tries) || *p))
		return bad(c, "not an offset");
	if (address >= USER_END || ip >= USER_END || cpu > 255 || !tid)
		return bad(c, "not of a process");
	if (!is_member(c, pid))
		return bad(c, "a stranger's fault (target %d)", c->target);
	c->nr_faults++;
	return check_time(c, ns + latency) && check_storm(c, pid, address, ns, rest);
}

static bool check_child(struct log_check *c, const char *p)
{
	static const char *const spaces[] = { "copy", "shared", NULL };
	uint64_t ns, pid, ppid;

	if (!eat_number(&p, 10, &ns) || !eat(&p, " pid=") || !eat_number(&p, 10, &pid) ||
	    !eat(&p, " ppid=") || !eat_number(&p, 10, &ppid) || !eat(&p, " comm=") || !eat_name(&p) ||
	    !eat(&p, " space=") || !eat_one_of(&p, spaces) || *p)
		return bad(c, "not a child");
	if (!c->children || !is_member(c, ppid))
		return bad(c, "a stranger's child");
	memset(&c->child[pid % NR_PIDS], 0, sizeof(*c->child));
	c->child[pid % NR_PIDS].pid = pid;
	return check_time(c, ns);
}

static bool check_exec(struct log_check *c, const char *p)
{
	uint64_t ns, pid;

	if (!eat_number(&p, 10, &ns) || !eat(&p, " pid=") || !eat_number(&p, 10, &pid) ||
	    !eat(&p, " comm=") || !*p)
		return bad(c, "not an exec");
	if (!c->children || !is_member(c, pid))
		return bad(c, "a stranger's exec");
	return check_time(c, ns);
}

/* A file that areas are of. */
static bool check_file(struct log_check *c, const char *p)
{
	uint64_t ns, number;

	if (!eat_number(&p, 10, &ns) || !eat(&p, " nr=") || !eat_number(&p, 10, &number) ||
	    !eat(&p, " dev=") || !eat_name(&p) || !eat(&p, " ino=") || !eat_number(&p, 10, &number) ||
	    !eat(&p, " size=") || !eat_number(&p, 10, &number) || !eat(&p, " mtime=") ||
	    !eat_name(&p) || !eat(&p, " build_id=") || !eat_name(&p) || !eat(&p, " path=") ||
	    !eat_name(&p) || *p)
		return bad(c, "not a file");
	return check_time(c, ns);
}

/* An area of an address space. */
static bool check_map(struct log_check *c, const char *p)
{
	uint64_t ns, pid, start, end, offset;
	size_t prot;

	if (!eat_number(&p, 10, &ns) || !eat(&p, " pid=") || !eat_number(&p, 10, &pid) ||
	    !eat(&p, " start=0x") || !eat_number(&p, 16, &start) || !eat(&p, " end=0x") ||
	    !eat_number(&p, 16, &end) || !eat(&p, " prot="))
		return bad(c, "not an area");
	prot = strspn(p, "rwxsp-");
	p += prot;
	if (prot != 4 || !eat(&p, " offset=0x") || !eat_number(&p, 16, &offset) ||
	    !eat(&p, " file=") || !eat_name(&p) || *p || start >= end || end > USER_END)
		return bad(c, "not an area");
	if (!is_member(c, pid))
		return bad(c, "a stranger's area");
	return check_time(c, ns);
}

/* A new address space, or the end of a process. */
static bool check_process(struct log_check *c, const char *p)
{
	uint64_t ns, pid;

	if (!eat_number(&p, 10, &ns) || !eat(&p, " pid=") || !eat_number(&p, 10, &pid) || *p)
		return bad(c, "not a process");
	if (!is_member(c, pid))
		return bad(c, "a stranger's space or exit");
	return check_time(c, ns);
}

/* The name of a thread. */
static bool check_comm(struct log_check *c, const char *p)
{
	uint64_t ns, pid, tid;

	if (!eat_number(&p, 10, &ns) || !eat(&p, " pid=") || !eat_number(&p, 10, &pid) ||
	    !eat(&p, " tid=") || !eat_number(&p, 10, &tid) || !eat(&p, " comm=") || !eat_name(&p) ||
	    *p)
		return bad(c, "not a name");
	if (!is_member(c, pid))
		return bad(c, "a stranger's name");
	return check_time(c, ns);
}

/* From here on, lines about areas are missing. There is at most one such line. */
static bool check_lost(struct log_check *c, const char *p)
{
	uint64_t ns;

	if (!eat_number(&p, 10, &ns) || *p)
		return bad(c, "not a time");
	if (c->nr_lost++)
		return bad(c, "lines are missing, twice");
	return check_time(c, ns);
}

static const struct {
	const char *begin;
	bool (*check)(struct log_check *c, const char *p);
} log_events[] = {
	{ "# child time=", check_child }, { "# exec time=", check_exec },
	{ "# file time=", check_file },	  { "# map time=", check_map },
	{ "# space time=", check_process }, { "# exit time=", check_process },
	{ "# comm time=", check_comm },	  { "# maps-lost time=", check_lost },
};

static bool check_line(struct log_check *c)
{
	const char *p = c->line;

	if (memchr(c->line, 0, c->len))
		return bad(c, "a zero byte");
	if (eat(&p, "# pf_probe_")) {
		if (c->in_drain || c->nr_drains)
			return bad(c, "a second head");
		c->in_drain = true;
		return true;
	}
	if (!c->in_drain && !c->nr_drains)
		return bad(c, "no head");
	c->in_drain = true;
	if (eat(&p, "PID = "))
		return check_fault(c, p);
	for (size_t i = 0; i < sizeof(log_events) / sizeof(*log_events); i++)
		if (eat(&p, log_events[i].begin))
			return log_events[i].check(c, p);
	if (eat(&p, "# recorded=")) {
		snprintf(c->summary, sizeof(c->summary), "%s", c->line + 1);
		return true;
	}
	if (strcmp(p, "EXIT_CODE") || !*c->summary)
		return bad(c, "not a line of the module");
	c->in_drain = false;
	c->nr_drains++;
	return true;
}

/* Checks the next bytes of a stream. Returns false and sets c->why if there is an error. */
static bool log_check_feed(struct log_check *c, const char *text, size_t size)
{
	while (size) {
		const char *end = memchr(text, '\n', size);
		size_t len = end ? (size_t)(end - text) : size;

		if (c->len + len >= sizeof(c->line))
			return bad(c, "line too long");
		memcpy(c->line + c->len, text, len);
		c->len += len;
		c->line[c->len] = '\0';
		if (!end)
			return true;
		c->nr_lines++;
		if (!check_line(c))
			return false;
		c->len = 0;
		text += len + 1;
		size -= len + 1;
	}
	return true;
}

#endif /* LOG_CHECK_H */
