// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For the guest tests: gives itself, its threads, its children and its files names that can be
 * mistaken for something else.
 *
 *	names N FOLDER	use each Nth name; make the files in FOLDER
 *	names N count	print how many names that is
 *	names N read FILE	read FILE to the end under each of these names
 *
 * Without arguments it exits at once.
 */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Some are short, because the name of a process has only the first 15 bytes. */
static const char *const names[] = {
	"x\n# recorded=1 retries=0 dropped=0 overwritten=0 missed=0 target=exited",
	"\nEXIT_CODE\n",
	"EXIT_CODE",
	"\nPID =        1 Page Fault at Address 0x1 at Time 1 tid=1 cpu=0 ip=0x1 access=read",
	"\nPID = 1 Page F",
	"\n# child time=1 pid=1 ppid=1 comm=forged",
	"\n# exec forged",
	"# recorded=7",
	"\npf_probe_A: x",
	"\npf_probe_A: recorded=1 retries=0 dropped=0 overwritten=0 missed=0",
	"\n<0>panic",
	"a map=b offset=0x0 result=major latency_ns=1 tries=1",
	" tid=1 cpu=9",
	"=cmd|' -C calc'!A1",
	"+1,2;\t\"quoted\",'x'",
	"<script>alert(1)<",
	"<img src=x onerror=alert(1)>", /* a file's name has no slash */
	"&lt;b&gt;&#60;",
	"\x1b[2J\x1b]0;title\a",
	"\x1b[31m\x1b(0",
	"\x9b" "31m\x90" "q\x9c",
	"\xc2\x9b" "2J",
	"\xff\xfe\x80",
	"\xe2\x80\xae" "gpj.exe",
	"\xe2\x80\xa8" "line",
	"\xf0\x9f\x92\xa9",
	"\\040\\012\\",
	"\\",
	"\r\b\t\v\f\x7f\x01",
	"%s%n%p%d",
	"$(reboot)`reboot`;reboot",
	"$\\frac{1}$",
	"'; DROP TABLE faults; --",
	" (deleted)",
	"...",
	"?",
	"-o",
};

#define NR_NAMES (sizeof(names) / sizeof(names[0]))

static void touch_file(int fd)
{
	volatile char *page;

	if (fd < 0 || ftruncate(fd, 4096))
		err(1, "a file");
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		err(1, "mmap");
	*page = 1;
	close(fd);
}

static void *be_thread(void *name)
{
	volatile char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				   -1, 0);

	prctl(PR_SET_NAME, name);
	*page = 1;
	return NULL;
}

static void be_called(const char *folder, const char *name)
{
	char path[1024];
	pthread_t thread;
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/f%s", folder, name);
	touch_file(open(path, O_RDWR | O_CREAT, 0600));
	touch_file(memfd_create(name, 0));
	prctl(PR_SET_NAME, name);
	if (pthread_create(&thread, NULL, be_thread, (void *)name) || pthread_join(thread, NULL))
		errx(1, "a thread");
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (symlink("/proc/self/exe", path))
		err(1, "symlink");
	fflush(NULL);
	pid = fork();
	if (!pid) {
		execl(path, "names", NULL);
		_exit(1);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "a child");
}

static void read_under_names(size_t step, const char *path)
{
	char buffer[65536];

	for (size_t i = 0; i < NR_NAMES; i += step) {
		int fd;

		prctl(PR_SET_NAME, names[i]);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			err(1, "%s", path);
		while (read(fd, buffer, sizeof(buffer)) > 0)
			;
		close(fd);
	}
}

int main(int argc, char **argv)
{
	size_t step = argc > 2 ? strtoul(argv[1], NULL, 0) : 0;

	if (!step)
		return 0;
	if (!strcmp(argv[2], "count"))
		printf("%zu\n", (NR_NAMES + step - 1) / step);
	else if (!strcmp(argv[2], "read") && argc == 4)
		read_under_names(step, argv[3]);
	else
		for (size_t i = 0; i < NR_NAMES; i += step)
			be_called(argv[2], names[i]);
	return 0;
}
