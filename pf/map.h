/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mapping of a fault: a number in the record, a name for readers.
 *
 * A mapping is a file and the address at which the file's first byte is or would be mapped. From
 * that follows the file offset of any address, and most segments of a library share one mapping.
 *
 * The first fault in a file reads the file's path within its mount. A worker adds the path of the
 * mount later. No reference to the file is kept: whoever drops the last one closes the file, which
 * can take as long as its file system likes. Later faults identify the file by its struct
 * pf_file_id. Dentries and mounts that have been freed may be allocated again at the same address,
 * but not with the same inode number and generation. (All anonymous inodes, such as those of perf,
 * have the same; one may get the name of an earlier one.)
 *
 * When the table of mappings is full, faults have a name but no offset, and are counted in
 * offsets_lost. When the table of files is full, the name is "?", and the fault is counted in
 * names_lost; likewise if the file is being renamed, but then its next fault tries again.
 */
#ifndef PF_MAP_H
#define PF_MAP_H

#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/irq_work.h>
#include <linux/kprobes.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "event.h"
#include "fault_line.h"
#include "lock.h"
#include "map_table.h"
#include "path.h"
#include "queue.h"
#include "text.h"

/* The mapping number of a fault whose file can't be named. */
#define PF_MAP_UNKNOWN (BIT(PF_MAP_BITS) - 1)

/* Longest name in bytes: an escaped path, or its end. */
#define PF_MAP_NAME_MAX PATH_MAX

/* Longest path within a mount: longer than a name, so that a cut path is also marked as cut. */
#define PF_MAP_PATH_MAX (PF_MAP_NAME_MAX + 1)

/*
 * Memory for paths that the worker has not processed yet. Usually enough if thousands of files are
 * new at once.
 */
#define PF_PATH_BYTES (64 * PF_NR_FILES)

/*
 * Memory for names, in bytes per record that there is room for, and at least. The traced process
 * chooses their lengths.
 */
#define PF_NAME_BYTES_OF_FAULT 32UL
#define PF_NAME_BYTES_MIN (1UL << 20)
#define PF_NAME_BYTES_MAX (1UL << 26)

/* How long a reader waits for names. The worker waits only for memory, so it is never long. */
#define PF_MAP_NAME_MS 1000

static struct {
	u32 nr_named; /* files that the worker has processed */
	u32 paths_used; /* bytes of @paths in use; under pf_map_table.lock */
	char *paths; /* the paths of files from nr_named on */
	u64 nr_name_bytes; /* of all names; only the worker uses it */
	u64 nr_name_bytes_max;
	char __percpu *path; /* buffer to read a path into, PF_MAP_PATH_MAX bytes */
	struct irq_work added;
} pf_map;

/**
 * struct pf_map_lost - what could not be recorded for lack of room
 * @nr_names: how often a file could not be named
 * @nr_offsets: how often a fault got a name without an offset
 */
struct pf_map_lost {
	u64 nr_names;
	u64 nr_offsets;
};

static DEFINE_PER_CPU(struct pf_map_lost, pf_map_lost);

/* Counts a fault whose file can't be named. */
static u32 pf_map_lose(void)
{
	this_cpu_inc(pf_map_lost.nr_names);
	return PF_MAP_UNKNOWN;
}
NOKPROBE_SYMBOL(pf_map_lose);

/*
 * Reads the path of a file, or the @name of a special mapping, into this CPU's buffer, which is
 * ours until preemption is enabled. Returns false if the path can't be read.
 */
static bool pf_map_read_path(struct pf_path *p, struct file *file, const char *name)
{
	size_t len;

	p->start = this_cpu_ptr(pf_map.path);
	p->end = p->start + PF_MAP_PATH_MAX;
	if (file)
		return pf_path_read(p, pf_file_path(file));
	len = strnlen(name, PF_MAP_PATH_MAX);
	p->at = p->end - len;
	p->is_in_mount = false;
	return pf_text_copy_end(p->at, name, len, 0);
}
NOKPROBE_SYMBOL(pf_map_read_path);

/* Adds a file with its path @p. Returns the number of its mapping, or PF_MAP_UNKNOWN. */
static u32 pf_map_insert_file(struct pf_file_id id, struct file *mapped, const struct pf_path *p)
{
	u32 nr = pf_map_table.nr_files, len = p->end - p->at;
	struct pf_file *file;

	lockdep_assert_held(&pf_map_table.lock);

	if (nr == pf_map_table.nr_files_max)
		return PF_MAP_UNKNOWN;
	/* The worker has processed all paths. Pairs with its smp_store_release(). */
	if (smp_load_acquire(&pf_map.nr_named) == nr)
		pf_map.paths_used = 0;
	/* Too many new files at once: the file's next fault tries again. */
	if (PF_PATH_BYTES - pf_map.paths_used < len)
		return PF_MAP_UNKNOWN;
	file = pf_file_at(nr);
	file->id = id;
	file->nr = nr;
	file->path = pf_map.paths + pf_map.paths_used;
	file->path_len = len;
	memcpy(pf_map.paths + pf_map.paths_used, p->at, len);
	pf_map.paths_used += len;
	if (p->is_in_mount)
		file->mnt = mntget(pf_file_path(mapped)->mnt);
	smp_store_release(&pf_map_table.nr_files, nr + 1);
	irq_work_queue(&pf_map.added);
	return pf_map_insert(id, PF_NO_START, file);
}
NOKPROBE_SYMBOL(pf_map_insert_file);

/**
 * pf_map_add() - add a mapping that pf_map_find() did not find
 * @start: the start of the mapping as in struct pf_map, PF_NO_START for a special mapping
 * @file: the file, NULL for a special mapping
 * @name: the name of a special mapping, else NULL
 *
 * Context: preemption off; takes a raw spinlock. Wakes the worker by irq_work, so any context will
 * do.
 * Return: the mapping's number, or PF_MAP_UNKNOWN after counting it
 */
static noinline notrace u32 pf_map_add(u64 start, struct file *file, const char *name)
{
	struct pf_file_id id = pf_file_id_of(file, name);
	u32 nr = 0, of_file;
	struct pf_path path;

	/* If there is nothing to add, the lock is not needed. */
	of_file = pf_map_find(id, PF_NO_START);
	if (of_file && start == PF_NO_START)
		return of_file;
	if (of_file && !pf_map_room()) {
		this_cpu_inc(pf_map_lost.nr_offsets);
		return of_file;
	}
	if (!of_file && (READ_ONCE(pf_map_table.nr_files) == READ_ONCE(pf_map_table.nr_files_max) ||
			 !pf_map_read_path(&path, file, name)))
		return pf_map_lose();
	pf_lock(&pf_map_table.lock);
	if (!of_file)
		of_file = pf_map_find(id, PF_NO_START) ?: pf_map_insert_file(id, file, &path);
	if (start != PF_NO_START && of_file != PF_MAP_UNKNOWN) {
		nr = pf_map_find(id, start); /* another CPU may have added it */
		if (!nr && pf_map_room())
			nr = pf_map_insert(id, start, pf_map_at(of_file)->file);
		if (!nr)
			this_cpu_inc(pf_map_lost.nr_offsets);
	}
	if (pf_map_wants_part())
		irq_work_queue(&pf_map.added);
	raw_spin_unlock(&pf_map_table.lock);
	return of_file == PF_MAP_UNKNOWN ? pf_map_lose() : nr ?: of_file;
}
NOKPROBE_SYMBOL(pf_map_add);

/* Out of line: most faults are in the newest part. */
static noinline notrace u32 pf_map_find_or_add(u64 start, struct file *file)
{
	return pf_map_find(pf_file_id_of(file, NULL), start) ?: pf_map_add(start, file, NULL);
}
NOKPROBE_SYMBOL(pf_map_find_or_add);

/**
 * pf_map_of_file() - the number of a mapping of a file
 * @vma: the mapping
 *
 * Context: at the entry of handle_mm_fault(), preemption off.
 * Return: a number for struct pf_fault.map
 */
static __always_inline u32 pf_map_of_file(const struct vm_area_struct *vma)
{
	u64 start = vma->vm_start - ((u64)vma->vm_pgoff << PAGE_SHIFT);

	return pf_map_find_in(READ_ONCE(pf_map_newest), pf_file_id_of(vma->vm_file, NULL), start) ?:
	       pf_map_find_or_add(start, vma->vm_file);
}

/**
 * pf_map_of_special() - like pf_map_of_file(), for [vdso] etc.: not anonymous, but without a file
 * @vma: the mapping
 *
 * Context: at the entry of handle_mm_fault(), preemption off.
 * Return: a number for struct pf_fault.map, 0 if the mapping has no name
 */
static noinline notrace u32 pf_map_of_special(struct vm_area_struct *vma)
{
	const char *name = vma->vm_ops->name ? vma->vm_ops->name(vma) : NULL;

	if (!name)
		return 0;
	return pf_map_find(pf_file_id_of(NULL, name), PF_NO_START) ?:
	       pf_map_add(PF_NO_START, NULL, name);
}
NOKPROBE_SYMBOL(pf_map_of_special);

/**
 * pf_map_file() - the number of a mapping's file
 * @map: the number of the mapping, or PF_MAP_UNKNOWN
 *
 * Context: any.
 * Return: the number, from 0; PF_FILE_UNKNOWN if it has none
 */
static __always_inline u32 pf_map_file(u32 map)
{
	return map && map != PF_MAP_UNKNOWN ? pf_map_at(map)->file->nr : PF_FILE_UNKNOWN;
}

/**
 * pf_map_unlose() - take back what was counted for PF_MAP_UNKNOWN: it was not for a fault
 *
 * Context: preemption off since then.
 */
static void pf_map_unlose(void)
{
	this_cpu_dec(pf_map_lost.nr_names);
}
NOKPROBE_SYMBOL(pf_map_unlose);

/**
 * pf_map_file_of() - the number of a file
 * @file: a mapped file
 *
 * Context: preemption off; may take the raw spinlock of the mappings.
 * Return: see pf_map_file()
 */
static u32 pf_map_file_of(struct file *file)
{
	return pf_map_file(pf_map_find(pf_file_id_of(file, NULL), PF_NO_START) ?:
			   pf_map_add(PF_NO_START, file, NULL));
}
NOKPROBE_SYMBOL(pf_map_file_of);

/* Buffers of the worker, which never runs twice at the same time. */
static char pf_map_mount_path[PATH_MAX];
static char pf_map_whole_path[PATH_MAX + PF_MAP_PATH_MAX];
static char pf_map_text[PF_MAP_NAME_MAX];

/*
 * Sets @file's name, or leaves it NULL if there is no memory. GFP_NOIO: must not wait for a file
 * system to write.
 */
static void pf_map_name(struct pf_file *file)
{
	const char *mount = file->mnt ? pf_path_of_mount(file->mnt, pf_map_mount_path) : "";
	char *name = NULL;
	size_t len;

	/* Too long. Any text of that length will do, as only the end of a name is kept. */
	if (!mount) {
		memset(pf_map_mount_path, '/', PATH_MAX - 1);
		mount = pf_map_mount_path;
	}
	len = strlen(mount);
	memcpy(pf_map_whole_path, mount, len);
	memcpy(pf_map_whole_path + len, file->path, file->path_len);
	len += file->path_len;
	if (!len)
		pf_map_whole_path[len++] = '/';
	len = pf_text_escape_end(pf_map_text, sizeof(pf_map_text), pf_map_whole_path, len);
	if (pf_map.nr_name_bytes + len <= pf_map.nr_name_bytes_max)
		name = kmemdup(pf_map_text, len, GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);
	if (file->mnt)
		mntput(file->mnt); /* the last reference is cleaned up by another worker */
	file->mnt = NULL;
	file->path = NULL;
	file->len = name ? len : 0;
	pf_map.nr_name_bytes += file->len;
	if (!name)
		this_cpu_inc(pf_map_lost.nr_names);
	smp_store_release(&file->name, name);
}

static DECLARE_WAIT_QUEUE_HEAD(pf_map_wait);

/* Grows the tables if needed, then names the new files. If there is no memory, faults count it. */
static void pf_map_process(struct work_struct *work)
{
	if (pf_map_wants_part())
		pf_map_add_part(PF_NR_FILES);
	while (pf_map.nr_named < smp_load_acquire(&pf_map_table.nr_files)) {
		pf_map_name(pf_file_at(pf_map.nr_named));
		smp_store_release(&pf_map.nr_named, pf_map.nr_named + 1);
		if (pf_map_wants_part())
			pf_map_add_part(PF_NR_FILES);
	}
	wake_up_all(&pf_map_wait);
}

static DECLARE_WORK(pf_map_work, pf_map_process);

static void pf_map_wake(struct irq_work *work)
{
	queue_work(pf_queue, &pf_map_work);
}

/**
 * pf_map_flush() - wait until all mappings added so far have names, for up to PF_MAP_NAME_MS
 *
 * A mapping that has no name after that is printed as "?".
 *
 * Context: process context, may sleep.
 */
static void pf_map_flush(void)
{
	u32 nr_files = smp_load_acquire(&pf_map_table.nr_files);

	wait_event_timeout(pf_map_wait, smp_load_acquire(&pf_map.nr_named) >= nr_files,
			   msecs_to_jiffies(PF_MAP_NAME_MS));
}

/**
 * pf_map_describe() - look up the name of a fault's mapping, and the offset in its file
 * @f: the fault
 * @c: receives @map, @map_len and @offset
 */
static inline void pf_map_describe(const struct pf_fault *f, struct pf_context *c)
{
	const struct pf_map *map;
	const struct pf_file *file;

	c->map = NULL;
	c->offset = PF_NO_OFFSET;
	if (likely(!f->map))
		return;
	c->map = "?";
	c->map_len = 1;
	if (f->map == PF_MAP_UNKNOWN)
		return;
	map = pf_map_at(f->map);
	file = map->file;
	if (smp_load_acquire(&file->name)) {
		c->map = file->name;
		c->map_len = file->len;
	}
	if (map->start != PF_NO_START)
		c->offset = (f->address & PAGE_MASK) - map->start;
}

/**
 * pf_map_file_name() - look up a file's name
 * @nr: its number
 * @len: set to its length in bytes
 *
 * Return: the escaped name, not zero-terminated; "?" if it has none
 */
static const char *pf_map_file_name(u32 nr, u32 *len)
{
	const struct pf_file *file = pf_file_at(nr);
	const char *name = smp_load_acquire(&file->name);

	*len = name ? file->len : 1;
	return name ?: "?";
}

/**
 * pf_map_lost_sum() - what could not be recorded so far; each attempt is counted
 *
 * Context: any.
 */
static struct pf_map_lost pf_map_lost_sum(void)
{
	struct pf_map_lost sum = {};
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		sum.nr_names += READ_ONCE(per_cpu(pf_map_lost, cpu).nr_names);
		sum.nr_offsets += READ_ONCE(per_cpu(pf_map_lost, cpu).nr_offsets);
	}
	return sum;
}

static void pf_map_free_memory(void)
{
	free_percpu(pf_map.path);
	kvfree(pf_map.paths);
	pf_map_table_free();
}

/**
 * pf_map_init() - allocate the tables of mappings and files
 * @nr_faults: maximum number of records, which limits the tables
 *
 * Call pf_queue_start() first.
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOMEM after printing the cause
 */
static int pf_map_init(unsigned long nr_faults)
{
	int ret = pf_map_table_init(nr_faults);

	pf_map.added = PF_IRQ_WORK_INIT_HARD(pf_map_wake);
	pf_map.nr_name_bytes_max = clamp(nr_faults, PF_NAME_BYTES_MIN / PF_NAME_BYTES_OF_FAULT,
					 PF_NAME_BYTES_MAX / PF_NAME_BYTES_OF_FAULT) *
				   PF_NAME_BYTES_OF_FAULT;
	pf_map.paths = kvmalloc(PF_PATH_BYTES, GFP_KERNEL);
	pf_map.path = __alloc_percpu(PF_MAP_PATH_MAX, sizeof(u64));
	if (ret || !pf_map.paths || !pf_map.path) {
		pr_err("no memory for file names\n");
		pf_map_free_memory();
		return -ENOMEM;
	}
	return 0;
}

/**
 * pf_map_free() - free the tables, once nothing can add a mapping any more: the hook is removed
 *
 * Context: process context, may sleep.
 */
static void pf_map_free(void)
{
	u32 i;

	irq_work_sync(&pf_map.added);
	flush_work(&pf_map_work);
	for (i = 0; i < pf_map_table.nr_files; i++)
		kfree(pf_file_at(i)->name);
	pf_map_free_memory();
}

#endif /* PF_MAP_H */
