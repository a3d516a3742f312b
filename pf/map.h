/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which mapping a fault was in, as a number in the record and a name for the reader.
 *
 * A mapping is a file and where the file would begin in memory: that gives the offset of any
 * address in it, and is the same for most parts of a library. The first fault of a file notes its
 * path within its mount and leaves the rest to a worker, which puts the mount's path before it.
 * The file itself is never kept open: to be the last to close it could take as long as its file
 * system likes. Later faults know it by what tells it from others, dead or alive: its places in
 * memory may be used again, not together with inode number and generation. (Anonymous inodes, as
 * of perf, all have the same: one may be told by a former one's name.)
 *
 * The tables are allocated at load and do not grow. If that of mappings is full, names come without
 * an offset; if that of files is full, the name is a question mark, which is counted. So is a fault
 * whose file was just being renamed; the file's next fault tries again.
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
#include "fault.h"
#include "lock.h"
#include "path.h"
#include "queue.h"
#include "text.h"

#define PF_NR_FILES 4096UL
#define PF_NR_MAPS 16384
#define PF_MAP_HASH_BITS 15 /* at most half full */

/* There is room for so many files at least: what is tried and never recorded may be noted, too. */
#define PF_NR_FILES_MIN 256UL

/* For a file that has no more room in the table. */
#define PF_MAP_UNKNOWN 0xffff

/* No name is longer: a path, escaped, or the end of one. */
#define PF_MAP_NAME_MAX PATH_MAX

/* Of a path within its mount: more than a name has room for, so what is cut here is told as cut. */
#define PF_MAP_PATH_MAX (PF_MAP_NAME_MAX + 1)

/* For the paths that the worker has not come to, of each file: mostly enough for a quarter. */
#define PF_PATH_BYTES_OF_FILE 64

/* How long a reader waits for names: the worker waits for nothing but memory, so never long. */
#define PF_MAP_NAME_MS 1000

/* No mapping begins at an odd address: that is the file's name alone. */
#define PF_NO_START 1

/* What tells a file from others. For a special mapping @dentry is its name, the rest is 0. */
struct pf_file_id {
	const void *dentry;
	const void *mnt;
	unsigned long ino;
	u32 generation;
};

/**
 * struct pf_file - a file that was mapped, or a special mapping
 * @id: how it is known
 * @len: the name's length in bytes
 * @path_len: the path's length in bytes
 * @path: within the mount, not escaped; until the worker has made the name
 * @mnt: the mount, of which there is a reference until then; NULL if the path is the whole name
 * @name: escaped, NULL until the worker has made it, or if there was no memory for it
 */
struct pf_file {
	struct pf_file_id id;
	u32 len;
	u32 path_len;
	const char *path;
	struct vfsmount *mnt;
	const char *name;
};

/* @start: where the file's first byte is, or would be, in memory. It wraps. */
struct pf_map {
	u64 start;
	u16 file;
};

/* In one piece: each fault in a file pays for one pointer, not for one to each. */
struct pf_map_tables {
	u16 hash[1 << PF_MAP_HASH_BITS]; /* numbers of maps, 0 for none */
	struct pf_map maps[PF_NR_MAPS]; /* by number; that of none, 0, is not used */
	struct pf_file files[];
};

static struct pf_map_tables *pf_map_tables __read_mostly;

static struct {
	raw_spinlock_t lock; /* whoever adds */
	u32 nr_files;
	u32 nr_maps;
	u32 nr_named; /* files that the worker is done with */
	u32 nr_files_max;
	u32 nr_path_bytes;
	u32 paths_used; /* bytes of paths[] */
	char *paths; /* of the files from nr_named on */
	char __percpu *path; /* where a path is read, of PF_MAP_PATH_MAX bytes */
	struct irq_work added;
} pf_map = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(pf_map.lock),
};

/* How often a name was wanted and could not be had. */
static DEFINE_PER_CPU(u64, pf_map_nr_lost);

/* Of a file, or of a special mapping by its @name. */
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

/* The number of a mapping, or 0. */
static __always_inline u32 pf_map_find(struct pf_file_id id, u64 start)
{
	const struct pf_map_tables *tables = pf_map_tables;
	u32 place = pf_map_hash(id, start), nr;

	while ((nr = smp_load_acquire(&tables->hash[place]))) {
		const struct pf_map *map = &tables->maps[nr];
		const struct pf_file_id *known = &tables->files[map->file].id;

		if (map->start == start && known->dentry == id.dentry && known->ino == id.ino &&
		    known->generation == id.generation && known->mnt == id.mnt)
			return nr;
		place = (place + 1) % BIT(PF_MAP_HASH_BITS);
	}
	return 0;
}

static u32 pf_map_insert(struct pf_file_id id, u64 start, u16 file)
{
	u32 place = pf_map_hash(id, start), nr = pf_map.nr_maps + 1;

	lockdep_assert_held(&pf_map.lock);

	pf_map_tables->maps[nr] = (struct pf_map){ .start = start, .file = file };
	while (pf_map_tables->hash[place])
		place = (place + 1) % BIT(PF_MAP_HASH_BITS);
	smp_store_release(&pf_map_tables->hash[place], nr);
	WRITE_ONCE(pf_map.nr_maps, nr);
	return nr;
}

/* Each file that may still come has to find a place for its name alone. */
static bool pf_map_is_full(void)
{
	return READ_ONCE(pf_map.nr_maps) + 1 + pf_map.nr_files_max -
		       READ_ONCE(pf_map.nr_files) >=
	       PF_NR_MAPS;
}

/* The fault has no name. */
static u32 pf_map_lose(void)
{
	this_cpu_inc(pf_map_nr_lost);
	return PF_MAP_UNKNOWN;
}
NOKPROBE_SYMBOL(pf_map_lose);

/*
 * Reads the path of a file, or a special mapping's @name, to this CPU's buffer: no other fault can
 * come to it before this one is done. False if it can't be had.
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

/* Enters a file with its path, which has been read; the number, or PF_MAP_UNKNOWN. */
static u32 pf_map_insert_file(struct pf_file_id id, struct file *mapped, const struct pf_path *p)
{
	u32 nr = pf_map.nr_files, len = p->end - p->at;
	struct pf_file *file = &pf_map_tables->files[nr];

	lockdep_assert_held(&pf_map.lock);

	if (nr == pf_map.nr_files_max)
		return PF_MAP_UNKNOWN;
	/* Pairs with the worker's release: all paths have been used. */
	if (smp_load_acquire(&pf_map.nr_named) == nr)
		pf_map.paths_used = 0;
	/* Too many new ones at a time: the file's next fault tries again. */
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
 * pf_map_add() - find or enter a mapping that pf_map_find() does not know
 * @start: the mapping's, PF_NO_START for a special mapping
 * @file: the file, NULL for a special mapping
 * @name: a special mapping's name, else NULL
 *
 * Context: preemption off; takes a raw spinlock. What the worker is woken by can be used anywhere.
 * Return: its number, or PF_MAP_UNKNOWN, which has been counted
 */
static noinline notrace u32 pf_map_add(u64 start, struct file *file, const char *name)
{
	struct pf_file_id id = pf_file_id_of(file, name);
	u32 nr = 0, of_file;
	struct pf_path path;

	/* With nothing left to enter there is no need for the lock. */
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
		nr = pf_map_find(id, start); /* another CPU may have come first */
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
 * Context: in handle_mm_fault()'s entry, preemption off.
 * Return: a number for pf_map_describe()
 */
static __always_inline u32 pf_map_of_file(const struct vm_area_struct *vma)
{
	u64 start = vma->vm_start - ((u64)vma->vm_pgoff << PAGE_SHIFT);

	return pf_map_find(pf_file_id_of(vma->vm_file, NULL), start) ?:
	       pf_map_add(start, vma->vm_file, NULL);
}

/* As pf_map_of_file() for what has neither a file nor is anonymous: [vdso] and the like. */
static noinline notrace u32 pf_map_of_special(struct vm_area_struct *vma)
{
	const char *name = vma->vm_ops->name ? vma->vm_ops->name(vma) : NULL;

	if (!name)
		return 0;
	return pf_map_find(pf_file_id_of(NULL, name), PF_NO_START) ?:
	       pf_map_add(PF_NO_START, NULL, name);
}
NOKPROBE_SYMBOL(pf_map_of_special);

/* The buffers of the worker, which is never in two places at a time. */
static char pf_map_mount_path[PATH_MAX];
static char pf_map_whole_path[PATH_MAX + PF_MAP_PATH_MAX];
static char pf_map_text[PF_MAP_NAME_MAX];

/* Makes @file's name, or leaves it unknown without memory. Waits for no file system to write. */
static void pf_map_name(struct pf_file *file)
{
	const char *mount = file->mnt ? pf_path_of_mount(file->mnt, pf_map_mount_path) : "";
	size_t len;
	char *name;

	/* The end of the whole is kept, so what is too long may be anything that is too long. */
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
		mntput(file->mnt); /* if it was the last, another worker takes it from there */
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
 * pf_map_flush() - wait until all mappings found up to now have names, for PF_MAP_NAME_MS at most
 *
 * Those that have none by then are told as unknown.
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
 * pf_map_describe() - the name of a fault's mapping
 * @f: the fault
 * @c: @map, @map_len and @offset are set
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

/* How often a fault's file could not be named; what is tried again is counted each time. */
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
 * pf_map_init() - take the memory for names; pf_queue_start() comes before
 * @nr_faults: as many will be recorded at most; it is no use to note more files
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM
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
		pr_err("no memory for the names of files\n");
		pf_map_free_tables();
		return -ENOMEM;
	}
	return 0;
}

/* When nobody adds any more. Sleeps. */
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
