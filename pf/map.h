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
 * The tables are allocated at load and do not grow. When the table of mappings is full, faults have
 * a name but no offset. When the table of files is full, the name is "?", and the fault is counted
 * in names_lost; likewise if the file is being renamed, but then its next fault tries again.
 */
#ifndef PF_MAP_H
#define PF_MAP_H

#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/irq_work.h>
#include <linux/kprobes.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/overflow.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "fault_line.h"
#include "lock.h"
#include "path.h"
#include "queue.h"
#include "text.h"

#define PF_NR_FILES 4096UL
#define PF_NR_MAPS 16384
#define PF_MAP_HASH_BITS 15 /* at most half full */

/* Room for at least so many files: a fault that is retried and never recorded takes room, too. */
#define PF_NR_FILES_MIN 256UL

/* The mapping number of a fault whose file can't be named. */
#define PF_MAP_UNKNOWN 0xffff

/* Longest name in bytes: an escaped path, or its end. */
#define PF_MAP_NAME_MAX PATH_MAX

/* Longest path within a mount: longer than a name, so that a cut path is also marked as cut. */
#define PF_MAP_PATH_MAX (PF_MAP_NAME_MAX + 1)

/*
 * Memory for paths that the worker has not processed yet, in bytes per file in the table. Usually
 * enough if a quarter of all files are new at once.
 */
#define PF_PATH_BYTES_OF_FILE 64

/* How long a reader waits for names. The worker waits only for memory, so it is never long. */
#define PF_MAP_NAME_MS 1000

/* The start of an entry for the file itself, without an offset. No mapping starts at 1. */
#define PF_NO_START 1

/* Identifies a file. For a special mapping @dentry is its name, and the rest is 0. */
struct pf_file_id {
	const void *dentry;
	const void *mnt;
	unsigned long ino;
	u32 generation;
};

/**
 * struct pf_file - a mapped file, or a special mapping
 * @id: identifies it
 * @len: length of @name in bytes
 * @path_len: length of @path in bytes
 * @path: path within the mount, not escaped; valid until the worker has set @name
 * @mnt: the mount, with a reference that the worker drops; NULL if @path is the whole path
 * @name: the escaped path; NULL until the worker has set it, or if there was no memory for it
 */
struct pf_file {
	struct pf_file_id id;
	u32 len;
	u32 path_len;
	const char *path;
	struct vfsmount *mnt;
	const char *name;
};

/* @start: the address at which the file's first byte is or would be mapped, modulo 2^64. */
struct pf_map {
	u64 start;
	u16 file;
};

/* In one allocation, so that a fault in a file loads one pointer instead of three. */
struct pf_map_tables {
	u16 hash[1 << PF_MAP_HASH_BITS]; /* indices of @maps, 0 if empty */
	struct pf_map maps[PF_NR_MAPS]; /* by number; 0 means no mapping and is not used */
	struct pf_file files[];
};

static struct pf_map_tables *pf_map_tables __read_mostly;

static struct {
	raw_spinlock_t lock; /* held to add files and mappings */
	u32 nr_files;
	u32 nr_maps;
	u32 nr_named; /* files that the worker has processed */
	u32 nr_files_max;
	u32 nr_path_bytes; /* size of paths */
	u32 paths_used; /* bytes of paths in use */
	char *paths; /* the paths of files from nr_named on */
	char __percpu *path; /* buffer to read a path into, PF_MAP_PATH_MAX bytes */
	struct irq_work added;
} pf_map = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(pf_map.lock),
};

/* How often a file could not be named. */
static DEFINE_PER_CPU(u64, pf_map_nr_lost);

/* The ID of a file, or if @file is NULL, of the special mapping with this @name. */
static __always_inline struct pf_file_id pf_file_id_of(const struct file *file, const char *name)
{
	const struct inode *inode;

	if (!file)
		return (struct pf_file_id){ .dentry = name };
	inode = file_inode(file);
	return (struct pf_file_id){
		.dentry = file->f_path.dentry,
		.mnt = file->f_path.mnt,
		.ino = inode->i_ino,
		.generation = inode->i_generation,
	};
}

static __always_inline u32 pf_map_hash(struct pf_file_id id, u64 start)
{
	return hash_64((uintptr_t)id.dentry ^ start >> PAGE_SHIFT, PF_MAP_HASH_BITS);
}

/* The number of a mapping, or 0 if it is not in the table. */
static __always_inline u32 pf_map_find(struct pf_file_id id, u64 start)
{
	const struct pf_map_tables *tables = pf_map_tables;
	u32 slot = pf_map_hash(id, start), nr;

	while ((nr = smp_load_acquire(&tables->hash[slot]))) {
		const struct pf_map *map = &tables->maps[nr];
		const struct pf_file_id *known = &tables->files[map->file].id;

		if (map->start == start && known->dentry == id.dentry && known->ino == id.ino &&
		    known->generation == id.generation && known->mnt == id.mnt)
			return nr;
		slot = (slot + 1) % BIT(PF_MAP_HASH_BITS);
	}
	return 0;
}

static u32 pf_map_insert(struct pf_file_id id, u64 start, u16 file)
{
	u32 slot = pf_map_hash(id, start), nr = pf_map.nr_maps + 1;

	lockdep_assert_held(&pf_map.lock);

	pf_map_tables->maps[nr] = (struct pf_map){ .start = start, .file = file };
	while (pf_map_tables->hash[slot])
		slot = (slot + 1) % BIT(PF_MAP_HASH_BITS);
	smp_store_release(&pf_map_tables->hash[slot], nr);
	WRITE_ONCE(pf_map.nr_maps, nr);
	return nr;
}

/* Is there no room for mappings? One entry is reserved for each file that may still be added. */
static bool pf_map_is_full(void)
{
	return READ_ONCE(pf_map.nr_maps) + 1 + pf_map.nr_files_max -
		       READ_ONCE(pf_map.nr_files) >=
	       PF_NR_MAPS;
}

/* Counts a fault whose file can't be named. */
static u32 pf_map_lose(void)
{
	this_cpu_inc(pf_map_nr_lost);
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
	u32 nr = pf_map.nr_files, len = p->end - p->at;
	struct pf_file *file = &pf_map_tables->files[nr];

	lockdep_assert_held(&pf_map.lock);

	if (nr == pf_map.nr_files_max)
		return PF_MAP_UNKNOWN;
	/* The worker has processed all paths. Pairs with its smp_store_release(). */
	if (smp_load_acquire(&pf_map.nr_named) == nr)
		pf_map.paths_used = 0;
	/* Too many new files at once: the file's next fault tries again. */
	if (pf_map.nr_path_bytes - pf_map.paths_used < len)
		return PF_MAP_UNKNOWN;
	file->id = id;
	file->path = pf_map.paths + pf_map.paths_used;
	file->path_len = len;
	memcpy(pf_map.paths + pf_map.paths_used, p->at, len);
	pf_map.paths_used += len;
	if (p->is_in_mount)
		file->mnt = mntget(pf_file_path(mapped)->mnt);
	smp_store_release(&pf_map.nr_files, nr + 1);
	irq_work_queue(&pf_map.added);
	return pf_map_insert(id, PF_NO_START, nr);
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
	if (of_file && pf_map_is_full())
		return of_file;
	if (!of_file && (READ_ONCE(pf_map.nr_files) == pf_map.nr_files_max ||
			 !pf_map_read_path(&path, file, name)))
		return pf_map_lose();
	pf_lock(&pf_map.lock);
	if (!of_file)
		of_file = pf_map_find(id, PF_NO_START) ?: pf_map_insert_file(id, file, &path);
	if (start != PF_NO_START && of_file != PF_MAP_UNKNOWN) {
		nr = pf_map_find(id, start); /* another CPU may have added it */
		if (!nr && !pf_map_is_full())
			nr = pf_map_insert(id, start, pf_map_tables->maps[of_file].file);
	}
	raw_spin_unlock(&pf_map.lock);
	return of_file == PF_MAP_UNKNOWN ? pf_map_lose() : nr ?: of_file;
}
NOKPROBE_SYMBOL(pf_map_add);

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

	return pf_map_find(pf_file_id_of(vma->vm_file, NULL), start) ?:
	       pf_map_add(start, vma->vm_file, NULL);
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
	size_t len;
	char *name;

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
	name = kmemdup(pf_map_text, len, GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);
	if (file->mnt)
		mntput(file->mnt); /* the last reference is cleaned up by another worker */
	file->mnt = NULL;
	file->path = NULL;
	file->len = name ? len : 0;
	if (!name)
		this_cpu_inc(pf_map_nr_lost);
	smp_store_release(&file->name, name);
}

static DECLARE_WAIT_QUEUE_HEAD(pf_map_wait);

static void pf_map_name_files(struct work_struct *work)
{
	while (pf_map.nr_named < smp_load_acquire(&pf_map.nr_files)) {
		pf_map_name(&pf_map_tables->files[pf_map.nr_named]);
		smp_store_release(&pf_map.nr_named, pf_map.nr_named + 1);
	}
	wake_up_all(&pf_map_wait);
}

static DECLARE_WORK(pf_map_work, pf_map_name_files);

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
	u32 nr_files = smp_load_acquire(&pf_map.nr_files);

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
	map = &pf_map_tables->maps[f->map];
	file = &pf_map_tables->files[map->file];
	if (smp_load_acquire(&file->name)) {
		c->map = file->name;
		c->map_len = file->len;
	}
	if (map->start != PF_NO_START)
		c->offset = (f->address & PAGE_MASK) - map->start;
}

/**
 * pf_map_nr_names_lost() - how often a file could not be named; each attempt is counted
 *
 * Context: any.
 */
static u64 pf_map_nr_names_lost(void)
{
	u64 sum = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(pf_map_nr_lost, cpu));
	return sum;
}

static void pf_map_free_tables(void)
{
	free_percpu(pf_map.path);
	kvfree(pf_map.paths);
	vfree(pf_map_tables);
}

/**
 * pf_map_init() - allocate the tables of mappings and files
 * @nr_faults: maximum number of records, which limits the number of files
 *
 * Call pf_queue_start() first.
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOMEM after printing the cause
 */
static int pf_map_init(unsigned long nr_faults)
{
	pf_map.added = PF_IRQ_WORK_INIT_HARD(pf_map_wake);
	pf_map.nr_files_max = clamp(nr_faults, PF_NR_FILES_MIN, PF_NR_FILES);
	pf_map.nr_path_bytes = pf_map.nr_files_max * PF_PATH_BYTES_OF_FILE;
	/* Not kvzalloc(), which rounds up to a power of two. */
	pf_map_tables = vzalloc(struct_size(pf_map_tables, files, pf_map.nr_files_max));
	pf_map.paths = kvmalloc(pf_map.nr_path_bytes, GFP_KERNEL);
	pf_map.path = __alloc_percpu(PF_MAP_PATH_MAX, sizeof(u64));
	if (!pf_map_tables || !pf_map.paths || !pf_map.path) {
		pr_err("no memory for file names\n");
		pf_map_free_tables();
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
	for (i = 0; i < pf_map.nr_files; i++)
		kfree(pf_map_tables->files[i].name);
	pf_map_free_tables();
}

#endif /* PF_MAP_H */
