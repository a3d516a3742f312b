// SPDX-License-Identifier: GPL-2.0-or-later
/* Address spaces: texts of /proc as a hostile process may shape them, and this process itself. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define SPACES_MAX	4
#define AREAS_MAX	200
#define BINARIES_MAX	1	/* each new file takes another's place */
#include "pf_user/binary.c"
#include "pf_user/elf.c"
#include "pf_user/say.c"
#include "pf_user/space.c"
#include "pf_user/stop.c"

struct options opt;

static const char mounts[] =
	"36 35 98:0 /m1 /m2 rw,noatime master:1 - ext4 /dev/root rw\n"
	"40 36 0:52 / /home/me/0:53 rw shared:7 - fuse.sshfs me@there: rw,user_id=1000\n"
	"41 36 0:53 / /a\\040-\\040ext4 rw - nfs4 server:/ rw\n"
	"42 36 0:54 / /proc rw - proc proc rw\n"
	"43 36 0:55 / /tmp rw - tmpfs 0:56 rw\n"
	"44 36 8:1 / /ntfs rw - fuseblk /dev/sda1 rw";

static bool is_refused(unsigned int major, unsigned int minor, const char *reason)
{
	struct area a = { .major = major, .minor = minor };
	const char *got = refusal(NULL, mounts, &a);

	return got && reason ? !strcmp(got, reason) : got == reason;
}

static void test_file_systems(void)
{
	ok(is_refused(98, 0, NULL) && is_refused(0, 55, NULL), "files on disks and in memory are read");
	ok(is_refused(0, 52, "on a FUSE file system") && is_refused(8, 1, "on a FUSE file system"),
	   "none of a user's own program");
	ok(is_refused(0, 53, "on a network file system"), "none of a server");
	ok(is_refused(0, 54, "a file of the kernel"), "none that the kernel makes");
	ok(is_refused(0, 56, "in no mounted file system") && is_refused(0, 5, "in no mounted file system"),
	   "none without a mount, such as that of memfd_create()");
	ok(is_refused(8, 2, NULL), "a disk of another mount namespace is read");
}

static void test_texts(void)
{
	static const char lines[] =
		"00400000-00452000 r-xp 00001000 08:02 173521      /usr/bin/a b\n"
		"00651000-00652000 r--p 00051000 08:02 173521      /usr/bin/a b\n"
		"e03000-e24000 rwxp 00000000 00:00 0           [heap]\n"
		"\n"
		"nonsense x\n"
		"7fff-7ffe r-xp 00000000 00:00 0 \n"
		"7f0000000000-7f0000001000 r-xp 00000000 00:00 0 \n";
	struct space s = { 0 };
	char *many, *text;
	size_t len;
	FILE *to;

	text = strdup(lines);
	take_areas(&s, text);
	ok(s.nr == 3 && s.areas[0].offset == 0x1000 && s.areas[0].inode == 173521 &&
	   s.areas[0].major == 8 && !strcmp(s.areas[0].path, "/usr/bin/a b") &&
	   !strcmp(s.areas[1].path, "[heap]") && !*s.areas[2].path && !s.is_cut,
	   "executable areas are taken");
	ok(area_of(&s, 0x400000) == &s.areas[0] && area_of(&s, 0x451fff) == &s.areas[0] &&
	   !area_of(&s, 0x452000) && !area_of(&s, 0x651000) && !area_of(&s, 0) && !area_of(&s, ~0ULL) &&
	   area_of(&s, 0x7f0000000000) == &s.areas[2], "an address is in one of them or not");
	free(text);
	free_areas(&s);

	to = open_memstream(&many, &len);
	for (int i = 0; i < AREAS_MAX + 1; i++)
		fprintf(to, "%x000-%x000 r-xp 00000000 00:00 0 \n", 2 * i, 2 * i + 1);
	fclose(to);
	take_areas(&s, many);
	ok(s.nr == AREAS_MAX && s.is_cut, "there is a limit to areas");
	free(many);
	free_areas(&s);

	to = open_memstream(&many, &len);
	for (int i = 0; i < 100; i++)
		fprintf(to, "%x000-%x000 r-xp 00000000 08:01 7 /%04000d\n", 2 * i, 2 * i + 1, i);
	fclose(to);
	take_areas(&s, many);
	ok(s.nr == PATHS_SIZE / 4002 && s.is_cut, "and to their paths");
	free(many);
	free_areas(&s);

	text = strdup("1000-2000 r-xp 00000000 00:00 0 \n3000-4000 r-xp 000");
	take_areas(&s, text);
	ok(s.nr == 1 && s.is_cut, "a text that was cut");
	free(text);
	free_areas(&s);
}

static struct spaces spaces;
static struct found found;

__attribute__((noinline)) static int this_function(int n)
{
	return n * 3 + (int)getpid();
}

static struct question about(pid_t pid, const void *ip)
{
	return (struct question) { .pid = (u64)pid, .ip = (u64)(size_t)ip, .time_ns = now_ns() };
}

static bool finds(const struct question *q, const char *what)
{
	return !space_find(&spaces, q, now_ns(), &found) && !strcmp(found.text + 1, what);
}

static void test_this_process(void)
{
	struct question q = about(getpid(), (const char *)this_function + 1);
	char *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const char *reason = found.text + 3;
	bool both = true;
	u64 due_ns, now, longest_ns = 0;

	ok(this_function(1) && finds(&q, "this_function") && *found.text == FOUND_FUNCTION,
	   "a function of this process");
	for (int i = 0; i < 10; i++) {
		struct question other = about(getpid(), (void *)waitpid);

		q.change = (u64)i;
		both &= finds(&q, "this_function") &&
			!space_find(&spaces, &other, now_ns(), &found) && *found.text == FOUND_FUNCTION;
	}
	ok(both && spaces.binaries.size == elf_memory(&spaces.binaries.list[0].elf),
	   "files take each other's place, and spaces, too");
	q = about(getpid(), code);
	ok(finds(&q, "?") && !strcmp(reason, "code in memory without a file"), "code without a file");
	munmap(code, 4096);

	/* A mapping that is not known, because it is newer. */
	q = about(getpid(), code + (1ULL << 40));
	now = now_ns();
	for (int i = 0; i < 40; i++) {
		q.time_ns = now;
		due_ns = space_find(&spaces, &q, now, &found);
		longest_ns = due_ns > now && due_ns - now > longest_ns ? due_ns - now : longest_ns;
		now = due_ns ? due_ns : now;
	}
	ok(longest_ns == WAIT_MAX_NS, "mappings are read again each time later, at last once a second");
	now += WAIT_MAX_NS;
	ok(!space_find(&spaces, &q, now, &found) && !strcmp(reason, "in no executable mapping"),
	   "then it is in no mapping");
	spaces_free(&spaces);
	spaces = (struct spaces) { 0 };
}

static void test_other_processes(void)
{
	struct question q = about(getpid(), this_function);
	const char *reason = found.text + 3;
	pid_t child;

	q.time_ns = 1;
	ok(finds(&q, "?") && !strcmp(reason, "the process has ended"),
	   "a process that began after the fault is another one");
	child = fork();
	if (!child)
		_exit(pause());
	q = about(child, (const char *)this_function + 1);
	ok(finds(&q, "this_function"), "a process that was forked");
	kill(child, SIGKILL);
	waitid(P_PID, (id_t)child, &(siginfo_t) { 0 }, WEXITED | WNOWAIT);
	ok(finds(&q, "this_function"), "what is known of it stays when it has ended");
	q.change++;
	ok(finds(&q, "?") && !strcmp(reason, "the process has ended"), "a zombie has no mappings");
	waitpid(child, NULL, 0);
	q.change++;
	ok(finds(&q, "?") && !strcmp(reason, "the process has ended"), "nor has one that is gone");
	q = about(0, this_function);
	q.pid = ~0ULL;
	ok(finds(&q, "?"), "a number that no process has");
	spaces_free(&spaces);
}

int main(void)
{
	test_file_systems();
	test_texts();
	test_this_process();
	test_other_processes();
	return tap_done();
}
