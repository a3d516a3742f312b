// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * user - drains /proc/pf_probe_X into a log file
 *
 * A stream is a head line, fault lines, a summary line, EXIT_CODE and an end of file: one drain.
 * Reading on gives the next drain: what came since, a new summary, EXIT_CODE. The log has the lines
 * as read, the fault lines numbered, the latest summary last and no EXIT_CODE. It appears under its
 * name when it is whole.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef PF_VERSION
#define PF_VERSION "dev"
#endif
#ifndef USER_SLEEP
#define USER_SLEEP 0
#endif
#ifndef USER_DEBUG
#define USER_DEBUG 0
#endif

#define OUT_DIR		"out"
#define PROBE_NAME	"pf_probe_"
#define PROBE_LETTERS	"ABC"
#define LOAD_IT		"sudo insmod pf_probe_%s.ko process_id=PID (or modprobe, if installed)"

#define TEXT_OF(value)	#value
#define AS_TEXT(macro)	TEXT_OF(macro)

#define IN_SIZE		(256 * 1024)	/* no line may be longer */
#define OUT_SIZE	(512 * 1024)	/* so a numbered line always fits into an empty one */
#define SLEEP_MS_MAX	3600000

typedef unsigned long long u64;

/* The latest summary line: the kernel's own account of the recording so far. */
struct summary {
	char *line;
	size_t len;
	u64 recorded, retries, dropped, overwritten, missed;
	u64 major, children;		/* 0 if not watched */
	bool exited;
};

/* What the log holds. */
struct content {
	u64 nr_faults;
	u64 first_ns, last_ns;
	off_t size;
};

/* `%4d:: ` before a fault line, kept as text: adding one is cheaper than printing it. */
struct counter {
	char text[24];			/* right-aligned */
	char *start, *units, *end;
};

struct stream {
	char *path;
	int fd;
	bool regular;			/* read() never sleeps; so it is with /proc */
	enum { READING, DONE, FAILED } state;
	bool between;			/* two drains: the latest line was EXIT_CODE */
	bool last_drain;		/* the target has exited: take what there is, then end */
	bool at_eof;			/* the latest read() gave nothing */
	unsigned int nr_drains;

	char *log_name;
	char *tmp_name;			/* NULL if written in place: pipes, devices */
	int log_fd;

	struct content now;
	struct content whole;		/* as of the latest summary */
	struct summary sum;
	struct counter counter;
	char pid[16], comm[72];

	size_t in_len, out_len;
	char in[IN_SIZE];
	char out[OUT_SIZE];
};

static struct {
	char *output;
	unsigned int sleep_ms;
	bool follow;
	bool debug;
	char **probes;
	size_t nr_probes;
} opt = {
	.sleep_ms = USER_SLEEP,
	.debug = USER_DEBUG,
};

static struct stream *streams;
static struct pollfd *pollfds;

static struct {
	bool on, shown;
	u64 next_ms;
} progress;

static int exit_status;
static sigset_t stop_signals;
static volatile sig_atomic_t stop_signal, nr_stops;

static void on_stop(int sig)
{
	stop_signal = sig;
	nr_stops++;
}

/* Without SA_RESTART: an open() or write() that sleeps is to end. nohup keeps SIGHUP ignored. */
static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction act = { .sa_handler = on_stop }, old;

	sigemptyset(&stop_signals);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		sigaction(signals[i], NULL, &old);
		if (signals[i] == SIGHUP && old.sa_handler == SIG_IGN)
			continue;
		sigaction(signals[i], &act, NULL);
		sigaddset(&stop_signals, signals[i]);
	}
	sigprocmask(SIG_UNBLOCK, &stop_signals, NULL);

	/* Have write() fail instead: no temporary file stays behind. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

static void clear_progress(void)
{
	if (progress.shown)
		fputs("\r\033[K", stderr);
	progress.shown = false;
}

__attribute__((format(printf, 1, 2)))
static void say(const char *fmt, ...)
{
	va_list args;

	clear_progress();
	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

#define debug(...) do { if (opt.debug) say("debug: " __VA_ARGS__); } while (0)

static void *need(void *mem)
{
	if (!mem) {
		say("%s", strerror(ENOMEM));
		exit(1);
	}
	return mem;
}

__attribute__((format(printf, 1, 2)))
static char *format(const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	return need(text);
}

/* The log: a temporary file beside its final name, renamed when it is whole. */

/* What sudo makes here belongs to who typed it: the plotter is to write its pictures there. */
static void give_to_sudo_user(int fd, const char *name)
{
	const char *uid = getenv("SUDO_UID"), *gid = getenv("SUDO_GID");

	if (geteuid() != 0 || !uid || !gid)
		return;
	if (fchown(fd, (uid_t)strtoul(uid, NULL, 10), (gid_t)strtoul(gid, NULL, 10)))
		say("%s stays root's: %s", name, strerror(errno));
}

static int make_out_dir(void)
{
	int fd;

	if (mkdir(OUT_DIR, 0777))
		return errno == EEXIST ? 0 : -1;
	fd = open(OUT_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	give_to_sudo_user(fd, OUT_DIR);
	close(fd);
	return 0;
}

static int open_tmp(struct stream *s)
{
	const char *slash = strrchr(s->log_name, '/');
	const char *base = slash ? slash + 1 : s->log_name;
	char *name = format("%.*s.%s.XXXXXX", (int)(base - s->log_name), s->log_name, base);
	mode_t mask = umask(0);

	umask(mask);
	s->log_fd = mkostemp(name, O_CLOEXEC);
	if (s->log_fd < 0) {
		free(name);
		return -1;
	}
	s->tmp_name = name;
	give_to_sudo_user(s->log_fd, s->log_name);
	return fchmod(s->log_fd, 0644 & ~mask);
}

static int open_log(struct stream *s)
{
	struct stat st;
	int err = 0;

	if (!opt.output) {
		s->log_name = format(OUT_DIR "/%s.log", strrchr(s->path, '/') + 1);
		err = make_out_dir() || open_tmp(s);
	} else if (!strcmp(opt.output, "-")) {
		s->log_name = format("standard output");
		s->log_fd = STDOUT_FILENO;
	} else {
		s->log_name = format("%s", opt.output);
		if (!stat(opt.output, &st) && !S_ISREG(st.st_mode)) {
			/* A pipe, a device: never to be replaced by a file. */
			s->log_fd = open(opt.output, O_WRONLY | O_CLOEXEC);
			err = s->log_fd < 0;
		} else {
			err = open_tmp(s);
		}
	}
	if (err) {
		say("%s: %s", s->log_name, strerror(errno));
		return -1;
	}
	debug("%s goes to %s", s->path, s->tmp_name ? s->tmp_name : s->log_name);
	return 0;
}

static void discard_log(struct stream *s)
{
	s->state = FAILED;
	if (s->tmp_name)
		unlink(s->tmp_name);
}

static void fail_log(struct stream *s)
{
	if (errno != EPIPE)
		say("%s: %s", s->log_name, strerror(errno));
	s->state = FAILED;
}

/* Patient with a pipe that nobody empties, until it is told to stop for the second time. */
static void flush_log(struct stream *s)
{
	const char *from = s->out, *end = s->out + s->out_len;

	while (from < end && s->state != FAILED) {
		ssize_t done = write(s->log_fd, from, (size_t)(end - from));

		if (done >= 0)
			from += done;
		else if (errno != EINTR || nr_stops > 1)
			fail_log(s);
	}
	s->out_len = 0;
}

static inline void put_log(struct stream *s, const char *text, size_t len)
{
	if (len > OUT_SIZE - s->out_len)
		flush_log(s);
	memcpy(s->out + s->out_len, text, len);
	s->out_len += len;
	s->now.size += (off_t)len;
}

/* The summary goes in last, unless a drain that it knows nothing of has begun. */
static void finish_log(struct stream *s)
{
	if (s->between && s->sum.line)
		put_log(s, s->sum.line, s->sum.len);
	flush_log(s);
	if (s->state != FAILED && close(s->log_fd))
		fail_log(s);
	if (s->state != FAILED && s->tmp_name && rename(s->tmp_name, s->log_name))
		fail_log(s);
	if (s->state == FAILED)
		discard_log(s);
}

/* The text of a stream. */

static void counter_init(struct counter *c)
{
	memset(c->text, ' ', sizeof(c->text));
	c->end = c->text + sizeof(c->text);
	c->units = memcpy(c->end - strlen("0:: "), "0:: ", strlen("0:: "));
	c->start = c->units - 3;
}

static inline void counter_add(struct counter *c)
{
	char *digit = c->units;

	while (*digit == '9')
		*digit-- = '0';
	*digit = *digit == ' ' ? '1' : (char)(*digit + 1);
	if (digit < c->start)
		c->start = digit;
}

static inline bool starts(const char *line, size_t len, const char *prefix)
{
	return len >= strlen(prefix) && !memcmp(line, prefix, strlen(prefix));
}

/* What follows ` key=`, or an empty text. Lines end with a newline: nothing reads beyond it. */
static const char *find_value(const char *line, size_t len, const char *key)
{
	const char *value = memmem(line, len, key, strlen(key));

	return value ? value + strlen(key) : "";
}

static void copy_value(char *to, size_t size, const char *line, size_t len, const char *key)
{
	const char *value = find_value(line, len, key);

	snprintf(to, size, "%.*s", (int)strcspn(value, " \n"), value);
}

static u64 find_number(const char *line, size_t len, const char *key)
{
	const char *digit = find_value(line, len, key);
	u64 number = 0;

	while (*digit >= '0' && *digit <= '9')
		number = number * 10 + (u64)(*digit++ - '0');
	return number;
}

static u64 fault_time_ns(const char *line, const char *end)
{
	return find_number(line, (size_t)(end - line), " at Time ");
}

static void take_summary(struct stream *s, const char *line, size_t len)
{
	char *copy = malloc(len);

	if (!copy) {
		fail_log(s);
		return;
	}
	free(s->sum.line);
	s->sum = (struct summary) {
		.line = memcpy(copy, line, len),
		.len = len,
		.recorded = find_number(line, len, " recorded="),
		.retries = find_number(line, len, " retries="),
		.dropped = find_number(line, len, " dropped="),
		.overwritten = find_number(line, len, " overwritten="),
		.missed = find_number(line, len, " missed="),
		.major = find_number(line, len, " major="),
		.children = find_number(line, len, " children="),
		.exited = !strncmp(find_value(line, len, " target="), "exited", strlen("exited")),
	};
	flush_log(s);
	s->whole = s->now;
}

static void take_exit_code(struct stream *s)
{
	s->between = true;
	s->nr_drains++;
	debug("%s: drain %u ends, %llu faults so far", s->path, s->nr_drains, s->now.nr_faults);

	/* The target may have exited within this drain: one more look is due. */
	if (!opt.follow || s->last_drain)
		s->state = DONE;
	else
		s->last_drain = s->sum.exited;
}

static void take_line(struct stream *s, const char *line, size_t len)
{
	s->between = false;
	if (starts(line, len, "EXIT_CODE\n")) {
		take_exit_code(s);
	} else if (starts(line, len, "# recorded=")) {
		take_summary(s, line, len);
	} else {
		if (starts(line, len, "# " PROBE_NAME)) {
			copy_value(s->pid, sizeof(s->pid), line, len, " pid=");
			copy_value(s->comm, sizeof(s->comm), line, len, " comm=");
		}
		put_log(s, line, len);
	}
}

static void take_fault(struct stream *s, const char *line, size_t len)
{
	put_log(s, s->counter.start, (size_t)(s->counter.end - s->counter.start));
	put_log(s, line, len);
	counter_add(&s->counter);
	if (!s->now.nr_faults++)
		s->now.first_ns = fault_time_ns(line, line + len);
	s->between = false;
}

/* Takes the whole lines of the input buffer. Up to `fresh` it is known to have no newline. */
static void take_lines(struct stream *s, const char *fresh)
{
	const char *line = s->in, *end = s->in + s->in_len, *fault = NULL, *newline;

	while (s->state == READING && (newline = memchr(fresh, '\n', (size_t)(end - fresh)))) {
		size_t len = (size_t)(newline + 1 - line);

		if (starts(line, len, "PID =")) {
			take_fault(s, line, len);
			fault = line;
		} else {
			if (fault)
				s->now.last_ns = fault_time_ns(fault, line);
			fault = NULL;
			take_line(s, line, len);
		}
		line = fresh = newline + 1;
	}
	if (fault)
		s->now.last_ns = fault_time_ns(fault, line);
	s->in_len = (size_t)(end - line);
	memmove(s->in, line, s->in_len);
}

/*
 * A stream that breaks off within its first drain leaves no log. What was followed for longer is
 * not thrown away: the log goes back to the end of the latest whole drain, if it can.
 */
static void cut_stream(struct stream *s)
{
	off_t written = s->now.size - (off_t)s->out_len;

	exit_status = 1;
	s->state = FAILED;
	if (!s->nr_drains || !s->whole.size || (written > s->whole.size && !s->tmp_name))
		return;

	s->out_len = 0;
	s->now = s->whole;
	s->between = true;
	if (s->tmp_name && (ftruncate(s->log_fd, s->whole.size) ||
			    lseek(s->log_fd, s->whole.size, SEEK_SET) < 0)) {
		fail_log(s);
		return;
	}
	s->state = DONE;
	say("%s: ends with the last whole drain", s->log_name);
}

static void read_stream(struct stream *s)
{
	ssize_t got = read(s->fd, s->in + s->in_len, IN_SIZE - s->in_len);
	bool again = s->at_eof;

	if (got < 0) {
		if (errno == EINTR)
			return;
		say("%s: %s%s", s->path, strerror(errno),
		    errno == EIO ? ": was the module unloaded?" : "");
		cut_stream(s);
		return;
	}

	debug("%s: read %zd", s->path, got);
	s->at_eof = !got;
	if (got) {
		s->in_len += (size_t)got;
		take_lines(s, s->in + s->in_len - got);
		if (s->in_len == IN_SIZE) {
			say("%s: a line of over %d bytes: no fault log", s->path, IN_SIZE);
			s->state = FAILED;
		}
	} else if (!s->between || s->in_len) {
		say("%s: ends without EXIT_CODE: %s", s->path, s->now.nr_faults || *s->pid ?
		    "was the module unloaded?" : "is it a probe's?");
		cut_stream(s);
	} else if (again) {
		s->state = DONE;	/* two ends in a row: nobody writes any more */
	}
}

/*
 * From the look at stop_signal on, signals get in within ppoll() only, so none is slept through.
 * ms < 0 is no time limit. Returns -1 when there was a signal.
 */
static int wait_for(struct pollfd *pfd, nfds_t nr, long ms)
{
	struct timespec limit = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
	sigset_t old;
	int ready;

	sigprocmask(SIG_BLOCK, &stop_signals, &old);
	ready = stop_signal ? -1 : ppoll(pfd, nr, ms < 0 ? NULL : &limit, &old);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return ready;
}

static u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * 1000 + (u64)now.tv_nsec / 1000000;
}

static void show_progress(void)
{
	u64 now, nr_faults = 0;

	if (!progress.on || (now = now_ms()) < progress.next_ms)
		return;
	for (size_t i = 0; i < opt.nr_probes; i++)
		nr_faults += streams[i].now.nr_faults;
	fprintf(stderr, "\r%llu page faults read", nr_faults);
	progress.shown = true;
	progress.next_ms = now + 200;
}

/* One loop for all streams. Who may have nothing to say is polled: fifos, all between drains. */
static void drain(void)
{
	progress.on = isatty(STDERR_FILENO) && !opt.debug;
	progress.next_ms = now_ms() + 1000;

	while (!stop_signal) {
		size_t nr_reading = 0, nr_polled = 0;
		long ms = -1;

		for (size_t i = 0; i < opt.nr_probes; i++) {
			const struct stream *s = &streams[i];
			bool polled = s->between || !s->regular;

			pollfds[i] = (struct pollfd) { .fd = -1, .events = POLLIN };
			if (s->state != READING)
				continue;
			nr_reading++;
			if (polled) {
				pollfds[i].fd = s->fd;
				nr_polled++;
			}
			if (!polled || (s->between && s->last_drain))
				ms = 0;
		}
		if (!nr_reading)
			break;
		if (nr_polled && wait_for(pollfds, opt.nr_probes, ms) < 0)
			continue;

		for (size_t i = 0; i < opt.nr_probes; i++) {
			struct stream *s = &streams[i];

			if (s->state != READING)
				continue;
			if (pollfds[i].fd < 0 || pollfds[i].revents)
				read_stream(s);
			else if (s->between && s->last_drain)
				s->state = DONE;
		}
		show_progress();
		if (opt.sleep_ms)
			wait_for(NULL, 0, opt.sleep_ms);
	}
	clear_progress();
}

static void warn_of_losses(const struct stream *s)
{
	const struct summary *sum = &s->sum;

	if (sum->dropped)
		say("WARNING: %s: %llu faults were dropped, the list was full: load the module "
		    "with max_faults=%llu or more, or with cont_store=1 to keep the newest",
		    s->log_name, sum->dropped, sum->recorded + sum->dropped);
	if (sum->overwritten)
		say("WARNING: %s: the oldest %llu faults were overwritten before they were read: "
		    "load the module with max_faults=%llu or more, or read with --follow",
		    s->log_name, sum->overwritten, sum->recorded);
	if (sum->missed)
		say("WARNING: %s: %llu faults were missed, the kernel was in another probe: stop "
		    "other tracers; or with outcome=1 too many slept: load it with a larger "
		    "maxactive", s->log_name, sum->missed);
	/* `overwritten` counts for this reader, so that this holds at the end of every drain. */
	if (s->between && s->now.nr_faults + sum->overwritten != sum->recorded)
		say("WARNING: %s: %llu faults were read, but recorded=%llu overwritten=%llu: "
		    "read once more",
		    s->log_name, s->now.nr_faults, sum->recorded, sum->overwritten);
}

static void report(const struct stream *s)
{
	FILE *to = s->log_fd == STDOUT_FILENO ? stderr : stdout;
	const struct content *log = &s->now;
	u64 span_ms = log->last_ns > log->first_ns ? (log->last_ns - log->first_ns) / 1000000 : 0;

	fprintf(to, "%s: %llu page fault%s", s->log_name, log->nr_faults,
		log->nr_faults == 1 ? "" : "s");
	if (s->sum.major)
		fprintf(to, ", %llu major,", s->sum.major);
	if (*s->pid)
		fprintf(to, " of PID %s (%s)", s->pid, s->comm);
	if (s->sum.children)
		fprintf(to, " and %llu child%s", s->sum.children, s->sum.children == 1 ? "" : "ren");
	if (s->sum.line)
		fprintf(to, ", %llu retries folded", s->sum.retries);
	fprintf(to, ", %llu.%03llu s\n", span_ms / 1000, span_ms % 1000);
	if (fflush(to)) {
		say("standard output: %s", strerror(errno));
		exit_status = 1;
	}
	if (s->sum.line)
		warn_of_losses(s);
}

static void end_stream(struct stream *s)
{
	if (s->state == READING) {
		exit_status = 128 + stop_signal;
		say("%s: stopped (%s): %s", s->path, strsignal(stop_signal),
		    s->between ? "the log ends with a whole drain" :
		    s->now.size ? "the log ends with the last whole line" :
		    "nothing was read, so there is no log");
		if (!s->now.size) {
			discard_log(s);
			return;
		}
	}
	finish_log(s);
	if (s->state == FAILED)
		exit_status = 1;
	else
		report(s);
}

static int open_stream(struct stream *s, const char *probe)
{
	const char *letter = probe;
	bool is_path = strchr(probe, '/');
	struct stat st;

	if (starts(probe, strlen(probe), PROBE_NAME))
		letter += strlen(PROBE_NAME);
	if (!is_path && (strlen(letter) != 1 || !strchr(PROBE_LETTERS, *letter))) {
		say("no such probe: %s (A, B, C or a path with a slash)", probe);
		exit(argp_err_exit_status);	/* no log is there yet */
	}
	s->path = is_path ? format("%s", probe) : format("/proc/" PROBE_NAME "%s", letter);
	counter_init(&s->counter);

	s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
	if (s->fd >= 0 && !fstat(s->fd, &st)) {
		s->regular = S_ISREG(st.st_mode);
		return 0;
	}
	if (errno == ENOENT && !is_path)
		say("%s is not loaded: " LOAD_IT, strrchr(s->path, '/') + 1, letter);
	else
		say("%s: %s%s", s->path, strerror(errno),
		    (errno == EACCES || errno == EPERM) && geteuid() ? ": run it with sudo" : "");
	return -1;
}

/* All streams and logs, or none: an error leaves no file behind. */
static int open_all(void)
{
	size_t i, j;

	for (i = 0; i < opt.nr_probes; i++)
		if (open_stream(&streams[i], opt.probes[i]))
			return -1;

	for (i = 0; i < opt.nr_probes; i++) {
		if (open_log(&streams[i]))
			goto discard;
		for (j = 0; j < i; j++) {
			if (!strcmp(streams[i].log_name, streams[j].log_name)) {
				say("%s: wanted for two probes", streams[i].log_name);
				goto discard;
			}
		}
	}
	return 0;

discard:
	for (j = 0; j <= i; j++)
		discard_log(&streams[j]);
	return -1;
}

const char *argp_program_version = "pf_probe " PF_VERSION;

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "Write to FILE, or to standard output if it is -, "
	  "instead of to " OUT_DIR "/pf_probe_X.log", 0 },
	{ "follow", 'f', NULL, 0, "Go on with the faults to come until the traced process exits "
	  "or Ctrl-C", 0 },
	{ "sleep", 's', "MS", 0, "Sleep MS milliseconds between reads, default "
	  AS_TEXT(USER_SLEEP), 0 },
	{ "debug", 'd', NULL, 0, "Tell what is opened, read and drained", 0 },
	{ 0 }
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	unsigned long ms;
	char *end;

	switch (key) {
	case 'o':
		opt.output = arg;
		return 0;
	case 'f':
		opt.follow = true;
		return 0;
	case 's':
		ms = strtoul(arg, &end, 10);
		if (!strchr("0123456789", *arg) || end == arg || *end || ms > SLEEP_MS_MAX)
			argp_error(state, "--sleep wants milliseconds, 0 to %d, not '%s'",
				   SLEEP_MS_MAX, arg);
		opt.sleep_ms = (unsigned int)ms;
		return 0;
	case 'd':
		opt.debug = true;
		return 0;
	case ARGP_KEY_ARGS:
		opt.probes = state->argv + state->next;
		opt.nr_probes = (size_t)(state->argc - state->next);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Under the name that it was called by. */
static char *add_examples(int key, const char *text, void *input)
{
	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	return format("EXAMPLES\n"
		      "    sudo %1$s              each loaded probe to " OUT_DIR "/pf_probe_X.log\n"
		      "    sudo %1$s --follow B   until the process that B traces has exited\n"
		      "    sudo %1$s -o - B | grep region=heap\n\n"
		      "Ctrl-C leaves a log of what was read. Exit status: 0, 1 on an error, 64 on "
		      "wrong usage, 128 + its number when stopped by a signal.",
		      program_invocation_name);
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "[PROBE...]",
	.doc = "Drain the page faults that a loaded probe has recorded into a log.\n\n"
	       "PROBE is A, B, C or a path with a slash in it; without one, all probes that are "
	       "loaded.\v",
	.help_filter = add_examples,
};

int main(int argc, char **argv)
{
	glob_t found;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	if (!opt.nr_probes && !glob("/proc/" PROBE_NAME "[" PROBE_LETTERS "]", 0, NULL, &found)) {
		opt.probes = found.gl_pathv;
		opt.nr_probes = found.gl_pathc;
	}
	if (!opt.nr_probes) {
		say("no probe is loaded: " LOAD_IT, "B");
		return 1;
	}
	if (opt.output && opt.nr_probes > 1) {
		say("--output takes one probe, not %zu: name it", opt.nr_probes);
		return argp_err_exit_status;
	}

	streams = need(calloc(opt.nr_probes, sizeof(*streams)));
	pollfds = need(calloc(opt.nr_probes, sizeof(*pollfds)));
	catch_signals();
	if (open_all())
		return stop_signal ? 128 + stop_signal : 1;

	drain();
	for (size_t i = 0; i < opt.nr_probes; i++)
		end_stream(&streams[i]);
	return exit_status;
}
