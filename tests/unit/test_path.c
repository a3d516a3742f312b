// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pf/path.h: paths are read while a thread renames as the kernel does: short names are swapped word
 * by word within their entries, long ones are in memory of their own.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#define PF_COMPAT_H /* nothing of it is needed */
#include "../../pf/path.h"

#include "tap.h"

#define DEPTH 12
#define NR_READ 20000
#define NR_RENAMES 50000
#define TRY_S 60
#define ROOM 4097
#define LONG_NAME 200

static struct dentry *levels[600];
static struct vfsmount mount;
static struct super_block super;
static bool finished;
static long nr_renames;

/* Two names for each level, of any length: all levels have the first one, or all the second. */
static char names[DEPTH][2][LONG_NAME + 1];
static struct dentry *others[DEPTH];

/* Memory with nothing readable behind it. @size: up to a page */
static void *new_room(size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			   0);

	mprotect(pages + page, page, PROT_NONE);
	return pages + page - (size + 7) / 8 * 8;
}

static struct dentry *new_dentry(struct dentry *parent, const char *name)
{
	struct dentry *dentry = new_room(sizeof(*dentry));
	size_t len = strlen(name);
	char *text = dentry->d_iname;

	dentry->d_parent = parent ?: dentry;
	dentry->d_sb = &super;
	memset(dentry->d_iname, 0xee, sizeof(dentry->d_iname)); /* old contents of the page */
	dentry->d_iname[DNAME_INLINE_LEN - 1] = '\0';
	memset(dentry->secret, 0xff, sizeof(dentry->secret));
	if (len >= DNAME_INLINE_LEN)
		text = new_room(len + 1);
	memcpy(text, name, len + 1);
	dentry->d_name.name = text;
	dentry->d_name.len = len;
	return dentry;
}

static bool is_inline(const struct dentry *dentry)
{
	return dentry->d_name.name == dentry->d_iname;
}

static void move_words(volatile u64 *to, const volatile u64 *from)
{
	for (int i = 0; i < DNAME_INLINE_LEN / 8; i++)
		to[i] = from[i];
}

/* As the kernel does, without any order that it does not guarantee. */
static void swap_names(struct dentry *a, struct dentry *b)
{
	const char *name = b->d_name.name;
	u32 len = a->d_name.len;

	if (!is_inline(a) && !is_inline(b)) {
		*(const char *volatile *)&b->d_name.name = a->d_name.name;
		*(const char *volatile *)&a->d_name.name = name;
	} else if (is_inline(a) && is_inline(b)) {
		u64 words[DNAME_INLINE_LEN / 8];

		move_words(words, (u64 *)a->d_iname);
		move_words((u64 *)a->d_iname, (u64 *)b->d_iname);
		move_words((u64 *)b->d_iname, words);
	} else if (is_inline(a)) {
		move_words((u64 *)b->d_iname, (u64 *)a->d_iname);
		*(const char *volatile *)&a->d_name.name = name;
		*(const char *volatile *)&b->d_name.name = b->d_iname;
	} else {
		swap_names(b, a);
		return;
	}
	*(volatile u32 *)&a->d_name.len = b->d_name.len;
	*(volatile u32 *)&b->d_name.len = len;
}

static void *rename_all(void *arg)
{
	volatile unsigned int *seq = &rename_lock.seqcount.seqcount.sequence;

	for (unsigned int i = 0; !__atomic_load_n(&finished, __ATOMIC_RELAXED); i++) {
		__atomic_store_n(&nr_renames, i, __ATOMIC_RELAXED);
		++*seq;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		for (int level = 0; level < DEPTH; level++)
			swap_names(levels[level], others[level]);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		++*seq;
		/* Time in which a path can be read. */
		for (int pause = 0; pause < 2000; pause++)
			__asm__ volatile("");
	}
	return arg;
}

/* Does each level have its first name, or each its second one? */
static bool is_path(const char *text, size_t len)
{
	char whole[ROOM];

	for (int i = 0; i < 2; i++) {
		size_t used = 0;

		for (int level = 0; level < DEPTH; level++)
			used += sprintf(whole + used, "/%s", names[level][i]);
		if (used == len && !memcmp(text, whole, len))
			return true;
	}
	return false;
}

static void name_levels(void)
{
	static const int lengths[][2] = { { 3, LONG_NAME }, { 28, 29 }, { 31, 5 }, { 150, 180 } };

	for (int level = 0; level < DEPTH; level++) {
		for (int i = 0; i < 2; i++) {
			char *name = names[level][i];

			memset(name, "xy"[i], lengths[level % 4][i]);
			name[0] = 'a' + level;
		}
		levels[level] = new_dentry(level ? levels[level - 1] : mount.mnt_root,
					   names[level][0]);
		others[level] = new_dentry(mount.mnt_root, names[level][1]);
	}
}

static void test_renames(void)
{
	struct path path = { &mount, NULL };
	long nr_tries = 0, nr_read = 0, nr_bad = 0;
	char *room = malloc(ROOM);
	pthread_t thread;

	name_levels();
	path.dentry = levels[DEPTH - 1];
	pthread_create(&thread, NULL, rename_all, NULL);
	alarm(TRY_S);
	while (nr_read < NR_READ || __atomic_load_n(&nr_renames, __ATOMIC_RELAXED) < NR_RENAMES) {
		struct pf_path p = { .start = room, .end = room + ROOM };

		nr_tries++;
		if (!pf_path_read(&p, &path))
			continue;
		nr_read++;
		nr_bad += !is_path(p.at, p.end - p.at);
	}
	__atomic_store_n(&finished, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	alarm(0);
	ok(!nr_bad, "of %ld paths under %ld renames %ld could be read, and had been right at some time",
	   nr_tries, nr_renames, nr_read);
	free(room);
}

/* The end of a deep or long path, from the result of pf_path_read(). */
static void test_cut(void)
{
	struct path path = { &mount, NULL };
	char room[ROOM], wanted[2 * PF_PATH_DEPTH_MAX + 4] = "...";
	struct pf_path p = { .start = room, .end = room + sizeof(room) };
	struct dentry *at = mount.mnt_root;
	char name[LONG_NAME + 1] = "";

	for (int i = 0; i < PF_PATH_DEPTH_MAX; i++) {
		at = levels[i] = new_dentry(at, "n");
		strcat(wanted, "/n");
	}
	path.dentry = at;
	ok(pf_path_read(&p, &path) && p.is_in_mount && p.end - p.at == 2 * PF_PATH_DEPTH_MAX &&
		   !memcmp(p.at, wanted + 3, p.end - p.at),
	   "a path of %d names", PF_PATH_DEPTH_MAX);
	path.dentry = new_dentry(at, "n");
	ok(pf_path_read(&p, &path) && !p.is_in_mount &&
		   (size_t)(p.end - p.at) == strlen(wanted) &&
		   !memcmp(p.at, wanted, p.end - p.at),
	   "of a path with one more name the end, with a mark");
	memset(name, 'x', LONG_NAME);
	at = mount.mnt_root;
	for (int i = 0; i < 30; i++)
		at = new_dentry(at, name);
	path.dentry = at;
	ok(pf_path_read(&p, &path) && p.at == p.start && !memcmp(p.at, "xxx", 3) &&
		   p.end[-LONG_NAME - 1] == '/' &&
		   p.start[ROOM % (LONG_NAME + 1) - 1] == 'x' && p.start[ROOM % (LONG_NAME + 1)] == '/',
	   "of a path that is too long as much as fits");
	path.dentry = mount.mnt_root;
	ok(pf_path_read(&p, &path) && p.at == p.end && p.is_in_mount, "the root of a mount");
}

int main(void)
{
	(void)pf_path_of_mount;
	mount.mnt_root = new_dentry(NULL, "/");
	test_renames();
	test_cut();
	return tap_done();
}
