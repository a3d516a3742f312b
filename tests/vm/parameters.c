// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For the guest tests: loads pf_probe_B.ko with random, mostly wrong parameters.
 *
 *	parameters N SEED PID	N strings, made from SEED; PID is an existing process
 *
 * For each string, the load must either fail, with an error in the kernel log that says why, or
 * succeed; then the module is unloaded. Prints the number of each result. Stops at the first string
 * with another result.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "random.h"

#define MODULE "pf_probe_B"
#define TEXT_MAX (256 * 1024)
#define ERR_LEVEL 3
#define END_LINE "parameters: next\n"

/* strerrorname_np() is not in every libc. */
static const struct {
	int error;
	const char *name;
} refusals[] = {
	{ EINVAL, "EINVAL" }, { ESRCH, "ESRCH" },   { ENOMEM, "ENOMEM" },
	{ ENOSPC, "ENOSPC" }, { ERANGE, "ERANGE" }, { EOPNOTSUPP, "EOPNOTSUPP" },
	{ EBUSY, "EBUSY" },
};

#define NR_REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

static const char *const names[] = {
	"process_id", "max_faults", "cont_store", "placement",	 "outcome",
	"maxactive",  "children",   "maps",	  "probe_print", "probe_debug"
};

#define NR_NAMES (sizeof(names) / sizeof(names[0]))

static const char *const odd_values[] = {
	"", "0", "1", "2", "-1", "-0", "+1", "00", "010", "0x10", "0x", "1e9", "1.5", "1 ", "y", "n",
	"Y", "on", "off", "true", "auto", "jump", "entry", "AUTO", "ftrace", "direct", "callback",
	"exec", "all", "none", "ALL", "exec,all",
	"65536", "65537", "2147483647", "2147483648", "-2147483648", "4294967295", "4294967296",
	"9223372036854775807", "9223372036854775808", "18446744073709551615",
	"18446744073709551616", "99999999999999999999999999999999", "-99999999999999999999",
	"%s%n%p", "\"", "\"\"", "'1'", "\\n", "\n", "1\n", "\x1b[2J", "1,2,3", "=", "==1", "\xff\xfe",
	"\xe2\x80\xae" "1", "../../etc", "$(reboot)", "--", "#"
};

#define NR_ODD (sizeof(odd_values) / sizeof(odd_values[0]))

struct said {
	unsigned int nr_by_kernel;
	unsigned int nr_by_module;
};

static char text[TEXT_MAX + 1];
static size_t len;
static const char *pid;

static void put(const char *bytes)
{
	size_t more = strlen(bytes);

	if (more > TEXT_MAX - len)
		more = TEXT_MAX - len;
	memcpy(text + len, bytes, more);
	len += more;
	text[len] = '\0';
}

static void put_number(void)
{
	char number[32];

	/* All lengths are equally likely. */
	snprintf(number, sizeof(number), "%lld", (long long)(next_random() << 16) >> below(64));
	put(number);
}

static void put_bytes(size_t nr, bool printable)
{
	char byte[2] = "";

	while (nr--) {
		*byte = printable ? ' ' + below(95) : 1 + below(255);
		put(byte);
	}
}

static void put_value(const char *name)
{
	switch (below(10)) {
	case 0:
		put_number();
		break;
	case 1:
		put_bytes(below(40), false);
		break;
	case 2:
		put_bytes(below(40), true);
		break;
	case 3:
		put_bytes(below(100) ? below(2000) : TEXT_MAX / 2, true);
		break;
	default:
		if (!strcmp(name, "process_id") && below(2))
			put(pid);
		else
			put(odd_values[below(NR_ODD)]);
	}
}

/* Usually with a small max_faults, so that a load is fast. */
static void make_text(void)
{
	size_t nr = below(6);

	len = 0;
	*text = '\0';
	if (below(20) == 0) {
		put_bytes(below(600), below(2));
		return;
	}
	if (below(4)) {
		put("process_id=");
		put(pid);
		put(" max_faults=1000 ");
	}
	while (nr--) {
		const char *name = names[below(NR_NAMES)];

		put(name);
		if (below(30))
			put("=");
		put_value(name);
		put(below(30) ? " " : "\n");
	}
	/* Sometimes replace a few bytes. */
	for (nr = below(4) ? 0 : below(4); nr && len; nr--)
		text[below(len)] = 1 + below(255);
}

static void give_up(const char *why)
{
	printf("%s: ", why);
	for (size_t i = 0; i < len && i < 3000; i++)
		printf(isprint((unsigned char)text[i]) && text[i] != '\\' ? "%c" : "\\x%02x",
		       (unsigned char)text[i]);
	puts("");
	exit(1);
}

/*
 * Counts the new messages with level KERN_ERR by their source: the module, or the kernel, which
 * prints one for each value that it can't parse.
 */
static struct said errors(int kmsg)
{
	struct said said = { 0, 0 };
	char record[8192 + 1];

	for (;;) {
		ssize_t got = read(kmsg, record, sizeof(record) - 1);
		const char *line;

		if (got < 0 && errno == EPIPE)
			continue; /* overwritten */
		if (got < 0)
			return said;
		record[got] = '\0';
		line = strchr(record, ';');
		if (line && (atoi(record) & 7) == ERR_LEVEL &&
		    !strncmp(line + 1, MODULE ": ", strlen(MODULE ": "))) {
			if (line[1 + strlen(MODULE ": ")] == '`') /* its end may be cut */
				said.nr_by_kernel++;
			else
				said.nr_by_module++;
		}
	}
}

int main(int argc, char **argv)
{
	unsigned int nr_refused[NR_REFUSALS] = { 0 }, nr_loaded = 0, kind;
	int module = open("/" MODULE ".ko", O_RDONLY);
	int kmsg = open("/dev/kmsg", O_RDWR | O_NONBLOCK);

	if (argc != 4)
		errx(2, "usage: parameters N SEED PID");
	if (module < 0 || kmsg < 0)
		err(1, "/" MODULE ".ko or /dev/kmsg");
	random_begin(argv[2]);
	pid = argv[3];
	for (long i = 0; i < atol(argv[1]); i++) {
		struct said said;
		int error;

		make_text();
		if (lseek(kmsg, 0, SEEK_END))
			err(1, "/dev/kmsg");
		error = syscall(SYS_finit_module, module, text, 0) ? errno : 0;
		/* A truncated line without a newline can be read only after the next one. */
		if (write(kmsg, END_LINE, strlen(END_LINE)) < 0)
			err(1, "/dev/kmsg");
		said = errors(kmsg);
		if (!error) {
			nr_loaded++;
			if (said.nr_by_kernel || said.nr_by_module)
				give_up("loaded, with an error in the kernel log");
			if (syscall(SYS_delete_module, MODULE, 0))
				give_up("can't be unloaded");
			continue;
		}
		for (kind = 0; kind < NR_REFUSALS && refusals[kind].error != error; kind++)
			;
		if (kind == NR_REFUSALS)
			give_up(strerror(error));
		nr_refused[kind]++;
		if (said.nr_by_kernel ? said.nr_by_module : said.nr_by_module != 1)
			give_up("refused without one line that says why");
	}
	printf("loaded=%u", nr_loaded);
	for (kind = 0; kind < NR_REFUSALS; kind++)
		printf(" %s=%u", refusals[kind].name, nr_refused[kind]);
	puts("");
	return 0;
}
