// SPDX-License-Identifier: GPL-2.0-or-later
/* A command can't type into the terminal that it shares with a shell, by any kind of call. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tap.h"

#include "pf_user/terminal.c"

#define USER		65534
#define HIGH_BITS	(1UL << 32)
#define NOT_HERE	255	/* this kernel does not have this kind of call */

static int fd = -1;			/* the terminal, of each child */
static char *byte;			/* to be typed; below 4 GiB */

#ifdef __x86_64__
static long call_32(unsigned long command)
{
	long ret;

	asm volatile("int $0x80" : "=a" (ret)
		     : "a" ((long)IOCTL_32), "b" ((long)fd), "c" (command), "d" (byte)
		     : "memory", "r8", "r9", "r10", "r11");
	if (ret >= 0)
		return ret;
	errno = (int)-ret;
	return -1;
}

static long type_by_32_bits(void)
{
	return call_32(TIOCSTI);
}

static long type_by_x32(void)
{
	return syscall(X32_BIT | IOCTL_X32, fd, TIOCSTI, byte);
}

static long type_by_x32_as_64(void)
{
	return syscall(X32_BIT | IOCTL_X86_64, fd, TIOCSTI, byte);
}

static long type_by_64_as_x32(void)
{
	return syscall(IOCTL_X32, fd, TIOCSTI, byte);
}
#endif

static long type_by_ioctl(void)
{
	return ioctl(fd, TIOCSTI, byte);
}

static long type_by_odd_command(void)
{
	return syscall(SYS_ioctl, fd, TIOCSTI | HIGH_BITS, byte);
}

static long paste(void)
{
	return ioctl(fd, TIOCLINUX, byte);
}

static const struct {
	const char *name;
	long (*call)(void);
} ways[] = {
	{ "ioctl()", type_by_ioctl },
	{ "a command with more bits", type_by_odd_command },
	{ "TIOCLINUX", paste },
#ifdef __x86_64__
	{ "a call of 32 bits", type_by_32_bits },
	{ "a call of x32", type_by_x32 },
	{ "x32 with the number of 64 bits", type_by_x32_as_64 },
	{ "64 bits with the number of x32", type_by_64_as_x32 },
#endif
};

static long look_at_size(void)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size);
}

static long look_at_privileges(void)
{
	errno = EEXIST;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) ? -1 : 0;
}

static long look_at_input(void)
{
	int nr = 1;

	errno = EEXIST;
	return ioctl(fd, FIONREAD, &nr) || nr ? -1 : 0;
}

/* In a child, as the user, in a terminal of its own. Returns 0, errno, or NOT_HERE. */
static int in_terminal(long (*call)(void), bool protect)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), status;
	struct termios raw;
	pid_t pid;

	if (master < 0 || grantpt(master) || unlockpt(master))
		return errno;
	pid = fork();
	if (!pid) {
		setsid();
		fd = open(ptsname(master), O_RDWR);
		if (fd < 0 || tcgetattr(fd, &raw))
			_exit(errno);
		cfmakeraw(&raw);
		tcsetattr(fd, TCSANOW, &raw);
		if ((protect && terminal_protect()) || setgroups(0, NULL) ||
		    setresuid(USER, USER, USER))
			_exit(errno);
		status = call() < 0 ? errno : look_at_input() ? EEXIST : 0;
		_exit(status == ENOSYS ? NOT_HERE : status);
	}
	close(master);
	if (waitpid(pid, &status, 0) != pid)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : NOT_HERE;
}

/* Returns the mode of seccomp. */
static int without_terminal(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		setsid();
		_exit(terminal_protect() ? NOT_HERE : prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : NOT_HERE;
}

int main(void)
{
	if (getuid()) {
		puts("1..0 # SKIP not root");
		return 0;
	}
	byte = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (byte == MAP_FAILED)
		return 1;
	*byte = 'x';
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		int got = in_terminal(ways[i].call, true);

		if (got == NOT_HERE)
			ok(true, "nothing is typed by %s # SKIP not in this kernel", ways[i].name);
		else
			ok(got == EPERM, "nothing is typed by %s: %s", ways[i].name, strerror(got));
	}
	ok(in_terminal(paste, false) != EPERM, "without the filter typing is possible");
	ok(!in_terminal(look_at_size, true), "other ioctl() commands work");
	ok(!in_terminal(look_at_privileges, true), "programs may still gain rights");
	ok(!without_terminal(), "without a terminal there is no filter");
	return tap_done();
}
