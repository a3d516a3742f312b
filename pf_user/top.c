// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "activity.h"
#include "choice.h"
#include "functions.h"
#include "keys.h"
#include "say.h"
#include "top.h"
#include "view.h"

#define SECOND_NS	1000000000ULL
#define PLAIN_COLUMNS	80
#define PLAIN_ROWS	24
#define COLUMNS_MAX	500
#define ROWS_MAX	500

/* The alternate screen, without a cursor: the old contents come back at the end. */
#define ENTER		"\033[?1049h\033[?25l\033[2J"
#define LEAVE_MS	1000
#define LAST_MS		3000ULL	/* for the last answers */
#define ANSWER_NS	20000000
#define LEAVE		"\033[?25h\033[?1049l"

static struct {
	struct stream *stream;		/* NULL: no view */
	struct activity activity;	/* of the current interval */
	struct activity shown;		/* of the one before */
	struct view view;		/* of that, or all 0 */
	struct choice choice;
	bool has_keys;
	struct programs *programs;	/* NULL: not needed */
	struct functions functions;	/* if its list is set */
	u64 begin_ns, moment_ns;	/* when the view and the current interval began */
	char *text;			/* the latest view */
	size_t len;
	int fd;
	bool full_screen;
	bool broken;			/* its reader has gone */
} top;

/* Also set by signal handlers. */
static volatile sig_atomic_t entered, resized;

/* Drops the text if a terminal (Ctrl-S) or pipe takes none now: reading the stream must go on. */
static void put(const char *text, size_t len)
{
	struct pollfd pfd = { .fd = top.fd, .events = POLLOUT };

	if (poll(&pfd, 1, 0) <= 0)
		return;
	while (len && !top.broken) {
		ssize_t done = write(top.fd, text, len);

		if (done < 0 && (errno == EINTR || errno == EAGAIN))
			return;
		if (done < 0)
			top.broken = true;
		else
			text += done, len -= (size_t)done;
	}
}

static void leave(void)
{
	struct pollfd pfd = { .fd = top.fd, .events = POLLOUT };

	keys_give_back();
	if (!entered)
		return;
	entered = 0;
	poll(&pfd, 1, LEAVE_MS);	/* write() may not wait (O_NONBLOCK) */
	if (write(top.fd, LEAVE, strlen(LEAVE)) < 0)
		top.broken = true;
}

static void on_resize(int sig)
{
	(void)sig;
	resized = 1;
}

/* Restores the screen before Ctrl-Z or Ctrl-\ takes effect. Async-signal-safe. */
static void on_suspend(int sig)
{
	int err = errno;

	leave();
	if (sig == SIGTSTP) {
		raise(SIGSTOP);
		resized = 1;
	} else {
		signal(sig, SIG_DFL);
		raise(sig);
	}
	errno = err;
}

static void catch(int sig, void (*handler)(int))
{
	struct sigaction act = { .sa_handler = handler }, old;

	sigaction(sig, NULL, &old);
	if (old.sa_handler == SIG_DFL)
		sigaction(sig, &act, NULL);
}

static void size_of_screen(unsigned int *columns, unsigned int *rows)
{
	struct winsize size = { 0 };

	ioctl(top.fd, TIOCGWINSZ, &size);
	*columns = size.ws_col ? size.ws_col : PLAIN_COLUMNS;
	*rows = size.ws_row ? size.ws_row : PLAIN_ROWS;
	/* After the last column a terminal may wrap to the next row. */
	*columns = *columns > COLUMNS_MAX ? COLUMNS_MAX : *columns > 1 ? *columns - 1 : 1;
	*rows = *rows > ROWS_MAX ? ROWS_MAX : *rows;
}

/* Shows as much of the latest view as fits. */
static void show_screen(void)
{
	unsigned int columns, rows, row = 0;
	const char *line = top.text, *end = top.text + top.len;
	char *bytes;
	size_t len;
	FILE *to = need(open_memstream(&bytes, &len));

	resized = 0;
	size_of_screen(&columns, &rows);
	keys_take();
	if (!entered) {
		entered = 1;
		fputs(ENTER, to);
	}
	for (; line < end && row < rows; row++) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		int width;

		if (!newline)
			break;
		width = newline - line < (long)columns ? (int)(newline - line) : (int)columns;

		fprintf(to, "\033[%u;1H%.*s\033[K", row + 1, width, line);
		line = newline + 1;
	}
	if (row < rows)
		fprintf(to, "\033[%u;1H\033[J", row + 1);
	fclose(to);
	put(need(bytes), len);
	free(bytes);
}

/* Shows the interval before the current one, as chosen. */
static void draw(void)
{
	FILE *to;

	if (top.shown.functions && top.choice.by == BY_FUNCTION)
		activity_name(&top.shown);
	if (top.full_screen)
		size_of_screen(&top.view.columns, &top.view.rows);
	free(top.text);
	to = need(open_memstream(&top.text, &top.len));
	view_put(to, &top.view, top.stream, &top.shown);
	if (!top.full_screen)
		fputc('\n', to);
	fclose(to);
	need(top.text);
	if (!top.full_screen)
		put(top.text, top.len);
	else if (!keys_in_background())
		show_screen();
}

/* Functions are counted for whole intervals, while they are shown. */
static void count_functions(void)
{
	if (top.choice.by != BY_FUNCTION) {
		top.activity.functions = NULL;
		return;
	}
	if (!top.functions.list)
		functions_init(&top.functions, top.programs);
	top.activity.functions = &top.functions;
}

/* An interval has ended: the numbers of its instructions may change. */
static void turn_functions(void)
{
	struct ip_lanes *ips = &top.shown.ips;

	if (top.functions.list)
		functions_turn(&top.functions, ips->numbers, ips->nr);
	count_functions();
}

/* The current interval ends. While the view is paused, it is not shown. */
static void turn(u64 now)
{
	const struct stream *s = top.stream;

	if (top.choice.paused) {
		activity_clear(&top.activity);
		turn_functions();
		top.moment_ns = now;
		return;
	}
	activity_turn(&top.activity, &top.shown);
	turn_functions();
	top.view = (struct view) {
		.columns = PLAIN_COLUMNS - 1,
		.rows = PLAIN_ROWS,
		.moment_ns = now - top.moment_ns,
		.running_ns = now - top.begin_ns,
		.choice = &top.choice,
		.has_keys = top.has_keys,
	};
	/* Between drains everything has been read, however long ago that was. */
	if (!s->between && top.shown.newest_ns + SECOND_NS < now &&
	    top.shown.newest_ns >= top.begin_ns)
		top.view.behind_ns = now - top.shown.newest_ns;
	top.moment_ns = now;
	draw();
}

static bool has_view(void)
{
	return top.view.moment_ns;
}

static void take_keys(void)
{
	char typed[64];
	size_t len = keys_read(typed, sizeof(typed));

	if (!len)
		return;
	if (!choice_take(&top.choice, typed, len))
		kill(getpid(), SIGINT);
	else if (has_view())
		draw();
}

/*
 * If the command's output goes to the terminal, the view cannot have the screen, and is plain text.
 * Else the view uses the terminal, and does not write to the command's streams.
 */
static void choose_place(const struct stream *s)
{
	const char *term = getenv("TERM");
	bool can = term && *term && strcmp(term, "dumb"), is_free = true;

	top.fd = s->log.fd == STDOUT_FILENO || opt.pid ? STDERR_FILENO : STDOUT_FILENO;
	if (opt.command) {
		is_free = can && !isatty(STDOUT_FILENO) && !isatty(STDERR_FILENO);
		top.fd = is_free ? open("/dev/tty", O_WRONLY | O_NOCTTY | O_CLOEXEC) : -1;
		is_free = top.fd >= 0;
		if (!is_free)
			top.fd = STDERR_FILENO;
	}
	top.full_screen = is_free && can && isatty(top.fd);
}

/* The table by function needs to know when a process executes another program. */
static void note_programs(struct stream *s)
{
	if (top.has_keys || top.choice.by >= BY_PROCESS)
		s->programs = top.programs = need(calloc(1, sizeof(*top.programs)));
	if (top.has_keys || top.choice.by == BY_PROCESS || top.choice.by == BY_PROGRAM)
		top.activity.programs = top.programs;
}

void top_begin(struct stream *s)
{
	if (!opt.top)
		return;
	top.stream = s;
	choose_place(s);
	top.begin_ns = top.moment_ns = now_ns();
	activity_init(&top.activity, top.begin_ns);
	activity_init(&top.shown, top.begin_ns);
	s->activity = &top.activity;
	top.choice.by = (enum grouping)opt.top_by;
	/* A command may read the terminal itself, and its Ctrl-C is not ours. */
	top.has_keys = top.full_screen && !opt.command && keys_begin(top.fd);
	note_programs(s);
	count_functions();
	if (!top.full_screen)
		return;
	catch(SIGWINCH, on_resize);
	catch(SIGCONT, on_resize);
	catch(SIGTSTP, on_suspend);
	catch(SIGQUIT, on_suspend);
	atexit(leave);
	say_before = leave;
}

long top_limit_ms(long ms)
{
	u64 now, due;
	long left;

	if (!top.stream || top.broken)
		return ms;
	now = now_ns();
	due = top.moment_ns + SECOND_NS;
	/* Answers wake nobody up. */
	if (top.functions.list && functions_are_open(&top.functions) && now + ANSWER_NS < due)
		due = now + ANSWER_NS;
	left = now < due ? (long)((due - now + 999999) / 1000000) : 0;
	return ms >= 0 && ms < left ? ms : left;
}

/* When all that is shown is known, a full screen gets it at once. */
static void take_answers(void)
{
	if (!functions_tick(&top.functions) || !top.full_screen || !has_view() ||
	    top.choice.by != BY_FUNCTION || functions_are_open(&top.functions))
		return;
	draw();
}

void top_tick(void)
{
	u64 now;

	if (!top.stream || top.broken)
		return;
	take_keys();
	if (top.functions.list)
		take_answers();
	now = now_ns();
	if (now - top.moment_ns >= SECOND_NS)
		turn(now);
	if (resized && has_view())
		draw();
}

int top_fd(void)
{
	return top.stream && !top.broken ? keys_fd() : -1;
}

/* For the last view, of a command that may have run for a moment only. */
static void wait_for_answers(u64 now)
{
	if (!top.functions.list)
		return;
	for (u64 ms = 0; ms < LAST_MS && now_ns() - now < LAST_MS * 1000000; ms++) {
		functions_tick(&top.functions);
		if (!functions_are_open(&top.functions))
			return;
		poll(NULL, 0, 1);
	}
}

void top_end(void)
{
	u64 now = now_ns();

	if (!top.stream)
		return;
	if (!top.full_screen && !top.broken && top.activity.all.nr_faults) {
		wait_for_answers(now);
		turn(now);
	}
	leave();
	keys_end();
	say_before = NULL;
	top.stream->activity = NULL;
	top.stream->programs = NULL;
	top.stream = NULL;
	activity_free(&top.activity);
	activity_free(&top.shown);
	if (top.functions.list)
		functions_free(&top.functions);
	free(top.programs);
	top.programs = NULL;
	free(top.text);
	top.text = NULL;
}
