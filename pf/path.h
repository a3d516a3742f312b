/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The path of a mapped file, read where nothing may sleep, wait for a lock or keep a file open.
 *
 * Within its mount a file's path is in the names of its dentries, which can be read without a lock.
 * Whether they belonged together, rename_lock's sequence count shows. Where the mount is can be
 * found out later, with a reference to that alone.
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

/* Of a deeper path only the end is read: no fault pays for more names than that. */
#define PF_PATH_DEPTH_MAX 128

/* A rename under way would mix names of before and after: look again once. */
#define PF_PATH_TRIES 2

/**
 * struct pf_path - a path, not escaped, that is written from its end
 * @start: where there is room ...
 * @at: ... up to here, where the path begins as far as it has been read
 * @end: where it ends
 * @is_in_mount: the mount's own path stands before it
 */
struct pf_path {
	char *start;
	char *at;
	char *end;
	bool is_in_mount;
};

/* Writes @len bytes before the path, or the end of them that there is room for. */
static void pf_path_put(struct pf_path *p, const char *text, size_t len)
{
	size_t room = p->at - p->start, skip = len > room ? len - room : 0;

	p->at -= len - skip;
	memcpy(p->at, text + skip, len - skip);
}
NOKPROBE_SYMBOL(pf_path_put);

/* As pf_path_put_name(), of any name: the end of it that there is room for. */
static noinline notrace bool pf_path_put_any_name(struct pf_path *p, const char *name, size_t len)
{
	size_t room = p->at - p->start, skip = len > room ? len - room : 0;

	p->at -= len - skip;
	return pf_text_copy_end(p->at, name, len, skip);
}
NOKPROBE_SYMBOL(pf_path_put_any_name);

/*
 * Writes a name before the path. While it is changed, name and length may not belong together. But
 * any name ends with a zero, so reading that stops there stays within it.
 *
 * Return: false if the name ends before its length; what has been written is not to be used
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
 * What the owner of a dma-buf calls it, which it may change at any time, and then frees the old
 * name. False if the lock is not to be had; on RT that is one that may sleep.
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
 * Files that can't be looked up in a file system name themselves, by a function of theirs, which
 * may take locks. So this says much the same: of anonymous inodes, of sockets, of dma-bufs, and of
 * all that is memory (memfd, System V, private hugetlb).
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

/* Has it a place in a mount, so that the mount's path stands before its own? */
static bool pf_path_has_mount(const struct path *path)
{
	return !path->dentry->d_op || !path->dentry->d_op->d_dname ||
	       path->dentry == path->mnt->mnt_root;
}
NOKPROBE_SYMBOL(pf_path_has_mount);

/**
 * pf_path_read() - a file's path within its mount, as d_path() would show it, not escaped
 * @p: @start and @end say where there is room; where the path begins is @start if there was room
 *	only for its end
 * @path: the file's
 *
 * A name or a place in the tree changes only under rename_lock, so what was read while that was
 * not taken is as it was at one moment.
 *
 * Context: any; preemption off, and @path held by somebody.
 * Return: false if names were being changed: then nothing is known
 */
static notrace bool pf_path_read(struct pf_path *p, const struct path *path)
{
	int tries = PF_PATH_TRIES;
	unsigned int seq;
	bool is_read;

	do {
		/* Not read_seqbegin(), which waits for a writer: on RT by sleeping. */
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
 * pf_path_of_mount() - where a mount is, as the kernel's own processes see it
 * @mnt: the mount
 * @buf: of PATH_MAX bytes
 *
 * Context: process context; takes the spinlocks of mounts and renames.
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
