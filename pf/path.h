/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the path of a mapped file without sleeping, waiting for a lock or keeping the file open.
 *
 * The path within the mount consists of the names of dentries, which can be read without a lock.
 * The sequence count of rename_lock shows whether one of them changed meanwhile. The path of the
 * mount can be read later; that needs a reference to the mount only.
 */
#ifndef PF_PATH_H
#define PF_PATH_H

#include <linux/dcache.h>
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/limits.h>
#include <linux/mount.h>
#include <linux/path.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "compat.h"
#include "text.h"

#define PF_PATH_DELETED " (deleted)"

/* A fault reads no more names than this, to bound its cost; of a deeper path the last ones. */
#define PF_PATH_DEPTH_MAX 128

/* A concurrent rename could mix old and new names: then read once more. */
#define PF_PATH_TRIES 2

/**
 * struct pf_path - an unescaped path, written from its end towards its beginning
 * @start: start of the buffer
 * @at: start of the path written so far
 * @end: end of the buffer and of the path
 * @is_in_mount: the path of the mount has to be put before it
 */
struct pf_path {
	char *start;
	char *at;
	char *end;
	bool is_in_mount;
};

/* Writes @len bytes before the path. If there is not enough room, writes only the last ones. */
static void pf_path_put(struct pf_path *p, const char *text, size_t len)
{
	size_t room = p->at - p->start, skip = len > room ? len - room : 0;

	p->at -= len - skip;
	memcpy(p->at, text + skip, len - skip);
}
NOKPROBE_SYMBOL(pf_path_put);

/* Like pf_path_put_name(), for names that are not aligned, or too long: then writes their end. */
static noinline notrace bool pf_path_put_any_name(struct pf_path *p, const char *name, size_t len)
{
	size_t room = p->at - p->start, skip = len > room ? len - room : 0;

	p->at -= len - skip;
	return pf_text_copy_end(p->at, name, len, skip);
}
NOKPROBE_SYMBOL(pf_path_put_any_name);

/*
 * Writes a dentry's name before the path. During a rename, d_name.name and d_name.len may not
 * belong together. But every name is zero-terminated, and we read no further than that.
 *
 * Return: false if the name is shorter than d_name.len; then the path is invalid
 */
static __always_inline bool pf_path_put_name(struct pf_path *p, const struct dentry *dentry)
{
	size_t len = READ_ONCE(dentry->d_name.len);
	const char *name = smp_load_acquire(&dentry->d_name.name);

	if (unlikely(len > (size_t)(p->at - p->start) ||
		     !IS_ALIGNED((uintptr_t)name, sizeof(u64))))
		return pf_path_put_any_name(p, name, len);
	p->at -= len;
	return pf_text_copy(p->at, name, len);
}

/*
 * Writes the name that a dma-buf's owner has given it. The owner can change it, which frees the old
 * name, so this needs name_lock. Returns false if the lock is taken; and always on RT, where it is
 * a sleeping lock.
 */
static bool pf_path_put_dma_buf(struct pf_path *p, const struct dentry *dentry)
{
	struct dma_buf *dma_buf = dentry->d_fsdata;

	if (PF_SPINLOCKS_SLEEP || !spin_trylock(&dma_buf->name_lock))
		return false;
	if (dma_buf->name)
		pf_path_put(p, dma_buf->name, strlen(dma_buf->name));
	spin_unlock(&dma_buf->name_lock);
	pf_path_put(p, ":", 1);
	return true;
}
NOKPROBE_SYMBOL(pf_path_put_dma_buf);

/*
 * Writes the name of a file that can't be looked up in a file system, mostly as d_path() shows it.
 * The d_dname() that d_path() calls may take locks, so this handles each kind itself: anonymous
 * inodes, sockets, dma-bufs, and memory (memfd, System V, private hugetlb).
 */
static bool pf_path_put_pseudo(struct pf_path *p, const struct dentry *dentry)
{
	const char *type = dentry->d_sb->s_type->name, *before = "/";

	if (!strcmp(type, "anon_inodefs"))
		before = "anon_inode:";
	else if (S_ISSOCK(d_inode(dentry)->i_mode))
		before = "socket:";
	else if (strcmp(type, "dmabuf"))
		pf_path_put(p, PF_PATH_DELETED, strlen(PF_PATH_DELETED));
	else if (!pf_path_put_dma_buf(p, dentry))
		return false;
	if (!pf_path_put_name(p, dentry))
		return false;
	pf_path_put(p, before, strlen(before));
	return true;
}
NOKPROBE_SYMBOL(pf_path_put_pseudo);

static bool pf_path_put_names(struct pf_path *p, const struct path *path)
{
	const struct dentry *dentry = path->dentry, *parent;
	int depth = 0;

	if (dentry != path->mnt->mnt_root && d_unlinked(dentry))
		pf_path_put(p, PF_PATH_DELETED, strlen(PF_PATH_DELETED));
	for (; dentry != path->mnt->mnt_root && p->at > p->start; dentry = parent) {
		parent = READ_ONCE(dentry->d_parent);
		if (parent == dentry)
			break;
		if (depth++ == PF_PATH_DEPTH_MAX) {
			p->is_in_mount = false;
			pf_path_put(p, PF_TEXT_CUT, PF_TEXT_CUT_LEN);
			break;
		}
		if (!pf_path_put_name(p, dentry))
			return false;
		if (p->at > p->start)
			*--p->at = '/';
	}
	return true;
}
NOKPROBE_SYMBOL(pf_path_put_names);

/* Does d_path() put the path of the mount before this path? */
static bool pf_path_has_mount(const struct path *path)
{
	return !path->dentry->d_op || !path->dentry->d_op->d_dname ||
	       path->dentry == path->mnt->mnt_root;
}
NOKPROBE_SYMBOL(pf_path_has_mount);

/**
 * pf_path_read() - read a file's path within its mount, as d_path() would show it, not escaped
 * @p: @start and @end are the buffer; sets @at and @is_in_mount. If the path did not fit, @at is
 *	@start, and the buffer has the end of the path
 * @path: the file's path
 *
 * Names and parents change only under rename_lock. So if that was not taken meanwhile, all names
 * that were read were valid at the same time.
 *
 * Context: any, preemption off; the caller must know that @path is not freed.
 * Return: false if a rename was in progress; then @p is invalid
 */
static notrace bool pf_path_read(struct pf_path *p, const struct path *path)
{
	int tries = PF_PATH_TRIES;
	unsigned int seq;
	bool is_read;

	do {
		/* Not read_seqbegin(), which waits for a writer, and on RT sleeps. */
		seq = READ_ONCE(rename_lock.seqcount.seqcount.sequence);
		if (seq & 1)
			continue;
		smp_rmb();
		p->at = p->end;
		p->is_in_mount = pf_path_has_mount(path);
		is_read = p->is_in_mount ? pf_path_put_names(p, path) :
					   pf_path_put_pseudo(p, path->dentry);
		smp_rmb();
		if (is_read && READ_ONCE(rename_lock.seqcount.seqcount.sequence) == seq)
			return true;
	} while (--tries);
	return false;
}
NOKPROBE_SYMBOL(pf_path_read);

/**
 * pf_path_of_mount() - the path of a mount point, as seen by kernel threads
 * @mnt: the mount
 * @buf: a buffer of PATH_MAX bytes
 *
 * Context: process context; takes mount_lock and rename_lock.
 * Return: the path in @buf, "" for the root, NULL if it is too long
 */
static const char *pf_path_of_mount(struct vfsmount *mnt, char *buf)
{
	struct path root = { .mnt = mnt, .dentry = mnt->mnt_root };
	const char *path = d_path(&root, buf, PATH_MAX);

	if (IS_ERR(path))
		return NULL;
	return strcmp(path, "/") ? path : "";
}

#endif /* PF_PATH_H */
