// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "say.h"
#include "space.h"

#define SECOND_NS	1000000000ULL
#define STALE_NS	(5 * SECOND_NS)
#define WAIT_MIN_NS	(SECOND_NS / 100)
#define WAIT_MAX_NS	SECOND_NS

#define ENDED		"the process has ended"

/* Reads at most `max` bytes. Returns a text that the caller frees, or NULL and errno. */
static char *read_text(int dir, const char *name, size_t max)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC), err;
	size_t len = 0, room = 16384;
	ssize_t got = -1;
	char *text;

	if (fd < 0)
		return NULL;
	text = need(malloc(room));
	while (len < max) {
		if (room - len < 2) {
			room *= 2;
			text = need(realloc(text, room));
		}
		got = read(fd, text + len, room - len - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	err = errno;
	close(fd);
	errno = err;
	if (got < 0) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}

static u64 clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (u64)now.tv_sec * SECOND_NS + (u64)now.tv_nsec;
}

/* When the process began, by CLOCK_MONOTONIC; at most a tick too early. ~0 if it has ended. */
static u64 start_ns(int process)
{
	long ticks_a_second = sysconf(_SC_CLK_TCK);
	char *text = read_text(process, "stat", 4096), *p;
	unsigned long long ticks = 0;
	u64 monotonic_ns, suspended_ns, ns;
	int nr = 2;

	if (!text)
		return ~0ULL;
	/* The name, which is the second field, may contain blanks and parentheses. */
	p = strrchr(text, ')');
	for (; p && nr < 22; nr++)
		p = strchr(p + 1, ' ');
	if (p)
		ticks = strtoull(p, NULL, 10);
	free(text);
	if (!p || ticks_a_second <= 0)
		return ~0ULL;
	ns = ticks * (SECOND_NS / (u64)ticks_a_second);
	monotonic_ns = clock_ns(CLOCK_MONOTONIC);
	suspended_ns = clock_ns(CLOCK_BOOTTIME) - monotonic_ns;
	return ns > suspended_ns ? ns - suspended_ns : 0;
}

/* The type of the file system with this device, which is up to a blank; NULL: it is not there. */
static const char *file_system(const char *mounts, const char *device)
{
	const char *line = mounts, *found;

	/* The device is the third field. The type follows a lone minus. */
	while (line && (found = strstr(line, device))) {
		const char *begin = found, *end = strchr(found, '\n'), *minus;
		int nr_blanks = 0;

		for (; begin > mounts && begin[-1] != '\n'; begin--)
			nr_blanks += *begin == ' ';
		minus = strstr(found, " - ");
		if (nr_blanks == 2 && minus && (!end || minus < end))
			return minus + strlen(" - ");
		line = end ? end + 1 : NULL;
	}
	return NULL;
}

/*
 * A file system of a user's own program, or of a server, can block a reader. Files without a mount,
 * such as those of memfd_create(), are no programs that have symbols.
 */
static const char *refusal(const char *mounts, const char *own_mounts, const struct area *a)
{
	static const char *const refused[][2] = {
		{ "fuse", "on a FUSE file system" },
		{ "nfs", "on a network file system" }, { "cifs", "on a network file system" },
		{ "smb", "on a network file system" }, { "9p", "on a network file system" },
		{ "ceph", "on a network file system" }, { "afs", "on a network file system" },
		{ "proc", "a file of the kernel" }, { "sysfs", "a file of the kernel" },
		{ "debugfs", "a file of the kernel" }, { "tracefs", "a file of the kernel" },
	};
	const char *type;
	char device[32];

	snprintf(device, sizeof(device), " %u:%u ", a->major, a->minor);
	type = mounts ? file_system(mounts, device) : NULL;
	if (!type && own_mounts)
		type = file_system(own_mounts, device);
	if (!type)
		return a->major ? NULL : "in no mounted file system";
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (!strncmp(type, refused[i][0], strlen(refused[i][0])))
			return refused[i][1];
	return NULL;
}

/* Returns false if the line is not that of an executable area. */
static bool parse_area(struct area *a, const char *line, const char **path)
{
	char access[5];
	int at = 0;

	*a = (struct area) { 0 };
	return sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &a->start, &a->end, access,
		      &a->offset, &a->major, &a->minor, &a->inode, &at) == 7 && at &&
	       access[2] == 'x' && a->start < a->end && (*path = line + at);
}

/* Takes the executable areas of the text, which is changed. */
static void take_areas(struct space *s, char *text)
{
	size_t room = 0, paths_len = 0;
	char *line = text, *newline;
	const char *path;
	struct area a;

	s->paths = need(malloc(PATHS_SIZE));
	for (; (newline = strchr(line, '\n')); line = newline + 1) {
		*newline = '\0';
		if (!parse_area(&a, line, &path))
			continue;
		if (s->nr == AREAS_MAX || strlen(path) >= PATHS_SIZE - paths_len) {
			s->is_cut = true;
			break;
		}
		a.path = strcpy(s->paths + paths_len, path);
		paths_len += strlen(path) + 1;
		if (s->nr == room) {
			room = room ? 2 * room : 64;
			s->areas = need(reallocarray(s->areas, room, sizeof(*s->areas)));
		}
		s->areas[s->nr++] = a;
	}
	/* A text that was cut has no newline at its end. */
	s->is_cut |= *line != '\0';
}

static void free_areas(struct space *s)
{
	free(s->areas);
	free(s->paths);
	s->areas = NULL;
	s->paths = NULL;
	s->nr = 0;
	s->is_cut = false;
}

static bool same_mapping(const struct area *a, const struct area *b)
{
	return a->start == b->start && a->end == b->end && a->offset == b->offset &&
	       a->inode == b->inode && a->major == b->major && a->minor == b->minor &&
	       !strcmp(a->path, b->path);
}

/* Finds the files of new areas: at the next question the process may have ended. */
static void take_files(struct spaces *all, struct space *s, const struct space *before, int process)
{
	char *mounts = read_text(process, "mountinfo", MOUNTS_SIZE);
	char *own = read_text(AT_FDCWD, "/proc/self/mountinfo", MOUNTS_SIZE);
	size_t j = 0;

	for (size_t i = 0; i < s->nr; i++) {
		struct area *a = &s->areas[i];

		if (!a->inode)
			continue;
		while (j < before->nr && before->areas[j].start < a->start)
			j++;
		if (j < before->nr && same_mapping(&before->areas[j], a)) {
			a->binary = before->areas[j].binary;
			a->serial = before->areas[j].serial;
			a->refused = before->areas[j].refused;
			continue;
		}
		a->refused = refusal(mounts, own, a);
		binary_of(&all->binaries, process, a, false);
	}
	free(mounts);
	free(own);
}

static int open_process(u64 pid)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%llu", pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* @fault_ns: a process that began later is another one with the same number. */
static void read_space(struct spaces *all, struct space *s, u64 fault_ns, u64 now)
{
	struct space before = *s;
	int process = open_process(s->pid);
	char *text = NULL;

	s->read_ns = now;
	s->ended = ENDED;
	if (process >= 0 && start_ns(process) <= fault_ns) {
		text = read_text(process, "maps", MAPS_SIZE);
		if (!text && (errno == EACCES || errno == EPERM))
			s->ended = "no right to read its mappings";
	}
	/* A zombie has no mappings. Those that it had stay. */
	if (text && *text) {
		s->ended = NULL;
		s->areas = NULL;
		s->paths = NULL;
		s->nr = 0;
		s->is_cut = false;
		take_areas(s, text);
		take_files(all, s, &before, process);
		free_areas(&before);
	}
	free(text);
	if (process >= 0)
		close(process);
}

static struct space *space_of(struct spaces *all, u64 pid, u64 change)
{
	struct space *s = &all->list[0];

	for (size_t i = 0; i < SPACES_MAX; i++) {
		struct space *this = &all->list[i];

		if (this->pid == pid && this->change == change) {
			this->latest_use = ++all->nr_uses;
			return this;
		}
		if (this->latest_use < s->latest_use)
			s = this;
	}
	free_areas(s);
	*s = (struct space) { .pid = pid, .change = change, .latest_use = ++all->nr_uses };
	return s;
}

static struct area *area_of(const struct space *s, u64 ip)
{
	size_t low = 0, high = s->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->areas[middle].end <= ip)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->nr && s->areas[low].start <= ip ? &s->areas[low] : NULL;
}

static void answer(struct found *f, char kind, const char *what, const char *rest,
		   const char *reason)
{
	int len = snprintf(f->text, sizeof(f->text), "%c%s%c%s%s%s%s", kind, what, '\0', rest,
			   reason ? " (" : "", reason ? reason : "", reason ? ")" : "");

	f->len = len < FOUND_SIZE ? (size_t)len : FOUND_SIZE - 1;
}

static void answer_file(struct found *f, const char *path, const char *reason)
{
	const char *slash = strrchr(path, '/');
	char what[4096];

	snprintf(what, sizeof(what), *path == '[' ? "%s+?" : "[%s]+?", slash ? slash + 1 : path);
	answer(f, FOUND_NONE, what, slash ? path : "", reason);
}

static void answer_area(struct spaces *all, const struct space *s, struct area *a, u64 ip,
			struct found *f)
{
	const struct binary *b;
	const char *name = NULL;
	int process;

	if (!a->inode && (!strcmp(a->path, "[vdso]") || !strcmp(a->path, "[vsyscall]"))) {
		answer_file(f, a->path, NULL);
		return;
	}
	if (!a->inode) {
		answer(f, FOUND_NONE, "?", "code in memory without a file", NULL);
		return;
	}
	b = binary_of(&all->binaries, -1, a, false);
	if (!b && !a->refused) {
		process = open_process(s->pid);
		b = binary_of(&all->binaries, process, a, true);
		if (process >= 0)
			close(process);
		else
			a->refused = ENDED;
	}
	if (b && !b->refused)
		name = elf_find(&b->elf, ip - a->start + a->offset);
	if (name)
		answer(f, FOUND_FUNCTION, name, a->path, NULL);
	else
		answer_file(f, a->path, b ? b->refused : a->refused);
}

u64 space_find(struct spaces *all, const struct question *q, u64 now_ns, struct found *found)
{
	struct space *s = space_of(all, q->pid, q->change);
	struct area *a = area_of(s, q->ip);

	if (!s->ended && (a ? now_ns - s->read_ns > STALE_NS : q->time_ns >= s->read_ns)) {
		if (now_ns < s->due_ns)
			return s->due_ns;
		read_space(all, s, q->time_ns, now_ns);
		a = area_of(s, q->ip);
		s->wait_ns = a || !s->wait_ns ? WAIT_MIN_NS : 2 * s->wait_ns;
		if (s->wait_ns > WAIT_MAX_NS)
			s->wait_ns = WAIT_MAX_NS;
		s->due_ns = now_ns + s->wait_ns;
	}
	found->read_ns = s->read_ns;
	if (a)
		answer_area(all, s, a, q->ip, found);
	else
		answer(found, FOUND_NONE, "?", s->ended ? s->ended :
		       s->is_cut ? "too many mappings" : "in no executable mapping", NULL);
	return 0;
}

void spaces_free(struct spaces *all)
{
	for (size_t i = 0; i < SPACES_MAX; i++)
		free_areas(&all->list[i]);
	binaries_free(&all->binaries);
}
