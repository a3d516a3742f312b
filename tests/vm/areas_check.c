// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For the guest tests: compares a log with what the program areas.c, or /proc/PID/maps, says about
 * address spaces.
 *
 *	areas_check LOG [SAID]	SAID has the lines of areas_say.h
 *
 * Every instruction of a fault must be in an executable area of the log's own lines; in a range of
 * SAID, that must be the right one; and each area of SAID must be what the newest covering line
 * says. Prints a line of key=value, and on standard error the first things that are wrong. The exit
 * status is 0 if nothing is wrong. `excused`: missing answers after `# maps-lost`.
 */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "areas_log.h"

#define SHOWN_MAX 20
/* Of larger areas, only the first and the last pages are looked up. */
#define WHOLE_PAGES 256
#define KERNEL_HALF (1ULL << 63) /* vsyscall */

struct range {
	pid_t pid;
	char name[40], map[200];
	uint64_t start, end, from_ns, to_ns, offset;
	long touches, nr_seen;
};

struct line {
	pid_t pid;
	uint64_t time_ns, start, end, offset, ino;
	char prot[8], dev[16], path[256];
};

struct region {
	pid_t pid;
	uint64_t start, end;
	char name[16];
	long touches, nr_seen;
};

static struct range *ranges;
static struct line *lines;
static struct region *regions;
static size_t nr_ranges, nr_lines, nr_regions, next_event;

static struct {
	long nr_placed, nr_excused, nr_system, nr_areas, nr_ranged, nr_touches, nr_names, nr_regions;
	long nr_files, nr_build_ids, nr_wrong;
} sums;

static void __attribute__((format(printf, 1, 2))) wrong(const char *format, ...)
{
	va_list args;

	if (++sums.nr_wrong > SHOWN_MAX)
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* Wrong, unless lines have been lost before that moment. */
static bool excuse(uint64_t time_ns)
{
	if (!record.nr_lost_lines || time_ns < record.lost_ns)
		return false;
	sums.nr_excused++;
	return true;
}

/* A thread's name: the newest line at or before that moment. Earlier names are not recorded. */
static void check_name(pid_t tid, uint64_t time_ns, const char *name)
{
	const struct event *newest = NULL;

	if (time_ns < record.loaded_ns)
		return;
	for (size_t i = 0; i < record.nr_events && record.events[i].time_ns <= time_ns; i++) {
		const struct event *e = &record.events[i];

		if (*e->comm && e->tid == tid)
			newest = e;
	}
	sums.nr_names++;
	if ((!newest || strcmp(newest->comm, name)) && !excuse(time_ns))
		wrong("thread %d at %llu is %s, the log says %s", tid, (unsigned long long)time_ns,
		      name, newest ? newest->comm : "nothing");
}

static void read_said_line(const char *line)
{
	unsigned long long numbers[5];
	char name[100], map[200];
	int pid, tid, at = 0;
	long touches;

	if (sscanf(line, "RANGE %d %39s %llx %llx %llu %llu %199s %llx %ld", &pid, name, &numbers[0],
		   &numbers[1], &numbers[2], &numbers[3], map, &numbers[4], &touches) == 9) {
		struct range *r;

		ranges = grown(ranges, nr_ranges, sizeof(*ranges));
		r = &ranges[nr_ranges++];
		*r = (struct range){ .pid = pid, .start = numbers[0], .end = numbers[1],
				     .from_ns = numbers[2], .to_ns = numbers[3],
				     .offset = numbers[4], .touches = touches };
		strcpy(r->name, name);
		strcpy(r->map, map);
	} else if (sscanf(line, "AREA %d %llu %n", &pid, &numbers[0], &at) == 2 && at) {
		struct line *l;

		lines = grown(lines, nr_lines, sizeof(*lines));
		l = &lines[nr_lines];
		*l = (struct line){ .pid = pid, .time_ns = numbers[0] ? numbers[0] : NEVER };
		if (sscanf(line + at, "%llx-%llx %7s %llx %15s %llu %255[^\n]", &numbers[0],
			   &numbers[1], l->prot, &numbers[2], l->dev, &numbers[3], l->path) < 6)
			errx(1, "not a line of maps: %s", line);
		l->start = numbers[0];
		l->end = numbers[1];
		l->offset = numbers[2];
		l->ino = numbers[3];
		nr_lines += l->start < KERNEL_HALF;
	} else if (sscanf(line, "NAME %d %d %llu %99s", &pid, &tid, &numbers[0], name) == 4) {
		if (process_of(pid)->is_known)
			check_name(tid, numbers[0], name);
	} else if (sscanf(line, "REGION %d %llx %llx %15s %ld", &pid, &numbers[0], &numbers[1], name,
			  &touches) == 5) {
		struct region *r;

		regions = grown(regions, nr_regions, sizeof(*regions));
		r = &regions[nr_regions++];
		*r = (struct region){ .pid = pid, .start = numbers[0], .end = numbers[1],
				      .touches = touches };
		strcpy(r->name, name);
	} else if (*line != '#') {
		errx(1, "not understood: %s", line);
	}
}

/* Children that were recorded are known in advance. */
static void know_children(void)
{
	for (size_t i = 0; i < record.nr_events; i++)
		if (!strcmp(record.events[i].kind, "child"))
			process_of(record.events[i].pid)->is_known = true;
}

static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	return x->time_ns < y->time_ns ? -1 : x->time_ns > y->time_ns;
}

static void read_said(const char *path)
{
	FILE *in = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;

	if (!in)
		err(1, "%s", path);
	while (getline(&line, &size, in) > 0)
		read_said_line(line);
	fclose(in);
	free(line);
	if (nr_lines)
		qsort(lines, nr_lines, sizeof(*lines), compare_lines);
}

static void advance(uint64_t time_ns)
{
	while (next_event < record.nr_events && record.events[next_event].time_ns <= time_ns)
		replay(&record.events[next_event++]);
}

/* With maps=exec there is no new line for an area that only becomes writable, or ceases to be. */
static bool is_same_prot(const char *ours, const char *theirs)
{
	return ours[0] == theirs[0] && ours[2] == theirs[2] && ours[3] == theirs[3] &&
	       (ours[1] == theirs[1] || !strcmp(record.maps, "exec"));
}

/* Is a page of a line of maps what the newest covering line says? */
static bool is_same_page(const struct line *l, const struct area *area, uint64_t address)
{
	const struct file *file = area ? file_of(area) : NULL;

	if (!area || !is_same_prot(area->prot, l->prot))
		return false;
	if (!l->ino)
		return !strcmp(l->path, "[vdso]") ? !strcmp(area->file, "[vdso]") :
		       l->prot[2] == 'x' && *l->path != '[' ? !strcmp(area->file, "anon") : !file;
	if (!strcmp(area->file, "?"))
		return true; /* counted as files_lost */
	return file && file->ino == l->ino && !strcmp(file->dev, l->dev) &&
	       area->offset + (address - area->start) == l->offset + (address - l->start);
}

static void check_area(const struct line *l)
{
	const struct process *p = process_of(l->pid);
	uint64_t page_size = sysconf(_SC_PAGESIZE), nr = (l->end - l->start) / page_size;

	if (!p->is_known)
		return;
	advance(l->time_ns);
	sums.nr_areas++;
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t address = l->start + i * page_size;
		const struct area *area;

		if (i == WHOLE_PAGES && nr > 2 * WHOLE_PAGES)
			i = nr - WHOLE_PAGES;
		area = cover(p->space, address);
		if (is_same_page(l, area, address))
			continue;
		if (!excuse(l->time_ns))
			wrong("maps of %d has %llx-%llx %s %llx %s %llu %s; at %llx the log has "
			      "%llx-%llx %s %llx %s", l->pid, (unsigned long long)l->start,
			      (unsigned long long)l->end, l->prot, (unsigned long long)l->offset, l->dev,
			      (unsigned long long)l->ino, l->path, (unsigned long long)address,
			      area ? (unsigned long long)area->start : 0,
			      area ? (unsigned long long)area->end : 0, area ? area->prot : "nothing",
			      area ? (unsigned long long)area->offset : 0, area ? area->file : "");
		return;
	}
}

static void check_ranges(const struct fault *f, const struct area *area)
{
	for (size_t i = 0; i < nr_ranges; i++) {
		struct range *r = &ranges[i];
		const struct file *file;

		if (r->pid != f->pid || f->ip < r->start || f->ip >= r->end ||
		    f->time_ns + LATE_NS < r->from_ns || f->time_ns > r->to_ns)
			continue;
		sums.nr_ranged++;
		r->nr_seen += strcmp(f->access, "exec") != 0;
		if (!area)
			continue; /* reported already */
		file = file_of(area);
		if (!strcmp(r->map, "anon") ? !strcmp(area->file, "anon") :
		    !strcmp(area->file, "?") ||
		    (file && !strcmp(file->path, r->map) &&
		     area->offset + (f->ip - area->start) == r->offset + (f->ip - r->start)))
			continue;
		if (!excuse(f->time_ns))
			wrong("instruction %llx of %d at %llu is in %s, %s+%llx; the log has "
			      "%llx-%llx offset %llx in %s", (unsigned long long)f->ip, f->pid,
			      (unsigned long long)f->time_ns, r->name, r->map,
			      (unsigned long long)(r->offset + (f->ip - r->start)),
			      (unsigned long long)area->start, (unsigned long long)area->end,
			      (unsigned long long)area->offset, file ? file->path : area->file);
	}
}

static void check_fault(const struct fault *f)
{
	struct process *p = process_of(f->pid);
	bool is_user = !strcmp(f->mode, "user");
	const struct area *area;

	for (size_t i = 0; i < nr_regions; i++) {
		struct region *r = &regions[i];

		if (r->pid != f->pid || f->address < r->start || f->address >= r->end)
			continue;
		r->nr_seen++;
		if (strcmp(f->region, r->name))
			wrong("%llx is in region %s, the log says %s", (unsigned long long)f->address,
			      r->name, f->region);
	}
	if (!f->ip || f->ip >= KERNEL_HALF)
		return;
	advance(f->time_ns);
	if (is_user)
		p->in_exec = false;
	area = cover(p->in_exec ? p->old : p->space, f->ip);
	sums.nr_system += !is_user;
	sums.nr_placed += is_user && area;
	if ((!area || area->prot[2] != 'x') && !excuse(f->time_ns))
		wrong("instruction %llx of %d at %llu, mode=%s: %s%s", (unsigned long long)f->ip, f->pid,
		      (unsigned long long)f->time_ns, f->mode, area ? "prot=" : "no area",
		      area ? area->prot : "");
	if (is_user)
		check_ranges(f, area);
}

/* All faults that the program knows of are there, and no other. */
static void check_numbers(void)
{
	for (size_t i = 0; i < nr_ranges; i++) {
		const struct range *r = &ranges[i];

		if (r->touches < 0 || !process_of(r->pid)->is_known)
			continue;
		sums.nr_touches += r->touches;
		if (r->nr_seen != r->touches)
			wrong("%s %llx of %d: %ld touches, %ld faults", r->name,
			      (unsigned long long)r->start, r->pid, r->touches, r->nr_seen);
	}
	for (size_t i = 0; i < nr_regions; i++) {
		const struct region *r = &regions[i];

		sums.nr_regions += r->nr_seen;
		if (r->nr_seen != r->touches)
			wrong("%s %llx of %d: %ld touches, %ld faults", r->name,
			      (unsigned long long)r->start, r->pid, r->touches, r->nr_seen);
	}
	if (!strstr(record.summary, " maps_lost=0 ") && record.lost_ns == NEVER)
		wrong("maps_lost is not 0, and there is no line # maps-lost:%s", record.summary);
	if (record.lost_ns != NEVER && record.nr_lost_lines != 1)
		wrong("%ld lines # maps-lost", record.nr_lost_lines);
	if (strstr(record.summary, " target=exited") && record.lost_ns == NEVER)
		for (pid_t pid = 1; pid <= last_pid; pid++)
			if (processes[pid].nr_begun != processes[pid].nr_exits)
				wrong("process %d: %u begun, %u lines of an exit", pid,
				      processes[pid].nr_begun, processes[pid].nr_exits);
}

/* The build-id of an ELF file in memory, as hexadecimal digits; "" if it has none. */
static void find_build_id(const char *at, size_t size, char *id, size_t id_size)
{
	const Elf64_Ehdr *head = (const void *)at;

	*id = '\0';
	if (size < sizeof(*head) || memcmp(at, ELFMAG, SELFMAG) || at[EI_CLASS] != ELFCLASS64)
		return;
	for (int i = 0; i < head->e_phnum; i++) {
		const Elf64_Phdr *ph = (const void *)(at + head->e_phoff + i * sizeof(*ph));
		const Elf64_Nhdr *note;
		uint64_t from, end;

		if ((const char *)(ph + 1) > at + size)
			return;
		from = ph->p_offset;
		end = from + ph->p_filesz;
		if (ph->p_type != PT_NOTE || from > size || end > size)
			continue;
		for (; from + sizeof(*note) < end;
		     from += sizeof(*note) + ((note->n_namesz + 3) & -4) + ((note->n_descsz + 3) & -4)) {
			const unsigned char *desc;

			note = (const void *)(at + from);
			desc = (const void *)((const char *)(note + 1) + ((note->n_namesz + 3) & -4));
			if (note->n_type != NT_GNU_BUILD_ID || note->n_namesz != 4 ||
			    memcmp(note + 1, "GNU", 4) || 2 * note->n_descsz >= id_size)
				continue;
			for (size_t j = 0; j < note->n_descsz; j++)
				sprintf(id + 2 * j, "%02x", desc[j]);
			return;
		}
	}
}

/* The file of that line, if it still has its path and its inode, is as the line says. */
static void check_file(const struct file *f)
{
	char dev[16], mtime[32], id[80];
	int fd = open(f->path, O_RDONLY);
	struct stat st;
	void *at;

	if (fd < 0)
		return;
	if (fstat(fd, &st))
		err(1, "%s", f->path);
	snprintf(dev, sizeof(dev), "%02x:%02x", major(st.st_dev), minor(st.st_dev));
	snprintf(mtime, sizeof(mtime), "%lld.%09ld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	at = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (st.st_ino != f->ino || strcmp(dev, f->dev) || at == MAP_FAILED)
		return;
	find_build_id(at, st.st_size, id, sizeof(id));
	munmap(at, st.st_size);
	sums.nr_files++;
	sums.nr_build_ids += *id && !strcmp(id, f->build_id);
	if ((uint64_t)st.st_size != f->size || strcmp(mtime, f->mtime))
		wrong("%s: size=%lld mtime=%s, the log says %llu, %s", f->path, (long long)st.st_size,
		      mtime, (unsigned long long)f->size, f->mtime);
	if (strcmp(f->build_id, "?") && strcmp(f->build_id, id))
		wrong("%s: build_id=%s, the log says %s", f->path, id, f->build_id);
}

int main(int argc, char **argv)
{
	size_t at_line = 0;

	if (argc < 2 || argc > 3)
		errx(2, "usage: areas_check LOG [SAID]");
	read_log(argv[1]);
	know_children();
	if (argc == 3)
		read_said(argv[2]);
	for (size_t i = 0; i < record.nr_faults; i++) {
		while (at_line < nr_lines && lines[at_line].time_ns < record.faults[i].time_ns)
			check_area(&lines[at_line++]);
		check_fault(&record.faults[i]);
	}
	while (at_line < nr_lines)
		check_area(&lines[at_line++]);
	advance(NEVER);
	check_numbers();
	for (size_t i = 0; i < record.nr_files; i++)
		check_file(&record.files[i]);
	sums.nr_wrong += record.nr_unordered;
	printf("wrong=%ld placed=%ld system=%ld areas=%ld ranged=%ld touches=%ld names=%ld regions=%ld "
	       "files=%ld build_ids=%ld unordered=%ld excused=%ld lost_lines=%ld unnamed=%ld events=%zu\n",
	       sums.nr_wrong, sums.nr_placed, sums.nr_system, sums.nr_areas, sums.nr_ranged,
	       sums.nr_touches, sums.nr_names, sums.nr_regions, sums.nr_files, sums.nr_build_ids,
	       record.nr_unordered, sums.nr_excused, record.nr_lost_lines, record.nr_unnamed,
	       record.nr_events);
	return sums.nr_wrong != 0;
}
