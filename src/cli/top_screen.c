/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The screen of `top`: the alternate one, so that what stood there before comes back. Keys and
 * signals are read in one poll; signals that end the program come in through a signalfd, so that
 * the terminal is put back first.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/cli.h"
#include "cli/style.h"
#include "cli/top.h"

#define PERIOD_NS TT_NS_PER_SEC
#define READ_MS   100 /* of reading, then keys are looked at again */
#define ROWS      24  /* where the terminal does not say */

#define ENTER_SCREEN "\033[?1049h\033[?25l"
#define LEAVE_SCREEN "\033[?25h\033[?1049l"

struct screen {
	struct cli_top *top;
	struct termios before;
	sigset_t mask_before;
	int signals;
	int ended_by; /* a signal, 0: none */
	bool quit, redraw;
};

static int enter(struct screen *s, struct tt_err *err)
{
	struct termios raw;
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGQUIT);
	sigaddset(&mask, SIGTSTP);
	sigaddset(&mask, SIGWINCH);
	if (tcgetattr(STDIN_FILENO, &s->before) < 0)
		return tt_fail(err, errno, "look at the terminal");
	(void)sigprocmask(SIG_BLOCK, &mask, &s->mask_before); /* cannot fail */
	s->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals < 0) {
		(void)sigprocmask(SIG_SETMASK, &s->mask_before, NULL);
		return tt_fail(err, errno, "wait for signals");
	}
	raw = s->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	/* a terminal that refuses goes on in its own way: keys then need Enter */
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs(ENTER_SCREEN, stdout);
	return 0;
}

static void leave(struct screen *s)
{
	fputs(LEAVE_SCREEN, stdout);
	(void)fflush(stdout);                               /* told by cli_end() */
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &s->before); /* nobody to tell */
	(void)close(s->signals);
}

/* Die of the signal that ended it, as if it had not been caught. */
static void pass_on(const struct screen *s)
{
	if (s->ended_by) {
		signal(s->ended_by, SIG_DFL);
		(void)raise(s->ended_by); /* blocked as yet */
	}
	(void)sigprocmask(SIG_SETMASK, &s->mask_before, NULL);
}

/* Ctrl-Z: the shell gets its own screen while we are stopped. */
static void stop_for_a_while(struct screen *s, struct tt_err *err)
{
	sigset_t only;

	leave(s);
	sigemptyset(&only);
	sigaddset(&only, SIGTSTP);
	signal(SIGTSTP, SIG_DFL);
	(void)raise(SIGTSTP);
	(void)sigprocmask(SIG_UNBLOCK, &only, NULL); /* it takes effect here */
	if (enter(s, err) < 0)
		s->quit = true;
	cli_style_begin();
	s->redraw = true;
}

static void take_signals(struct screen *s, struct tt_err *err)
{
	struct signalfd_siginfo info;

	while (!s->quit && read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGWINCH) {
			cli_style_begin(); /* the new width */
			s->redraw = true;
		} else if (info.ssi_signo == SIGTSTP) {
			stop_for_a_while(s, err);
		} else {
			s->ended_by = (int)info.ssi_signo;
			s->quit = true;
		}
	}
}

static void take_keys(struct screen *s)
{
	char keys[32];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n <= 0) {
		s->quit = n == 0 || errno != EINTR; /* the terminal is gone */
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (keys[i] == 'q' || keys[i] == 'Q') {
			s->quit = true;
		} else if (keys[i] == 's') {
			s->top->order = (s->top->order + 1) % STORE_TALLY_ORDERS;
			s->redraw = true;
		}
	}
}

static void draw(const struct screen *s)
{
	struct winsize ws;
	size_t rows = ROWS;
	struct cli_line l;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row)
		rows = ws.ws_row;
	fputs("\033[H", stdout);
	cli_top_print(s->top, rows, true);
	fputs("\033[J\n\033[K", stdout);
	cli_line_begin(&l, cli_width());
	cli_line_color(&l, CLI_DIM);
	cli_line_fmt(&l, "q quit   s sort by another column   sorted by %s",
		     cli_top_order_name(s->top->order));
	cli_line_color(&l, CLI_PLAIN);
	(void)fflush(stdout); /* told by cli_end() */
}

static int watch(struct screen *s, struct tt_err *err)
{
	uint64_t now, next = 0;
	bool caught_up = false;
	int r;

	while (!s->quit && !cli_is_gone()) {
		struct pollfd fds[2] = {{.fd = s->signals, .events = POLLIN},
					{.fd = STDIN_FILENO, .events = POLLIN}};

		r = cli_top_read(s->top, READ_MS, err);
		if (r < 0)
			return r;
		if (r == 0 && s->top->ended)
			return 0;
		now = tt_clock_ns(CLOCK_MONOTONIC);
		if (now >= next) {
			store_busiest_tick(&s->top->busiest);
			if (!caught_up) /* what was there before is not of the last second */
				store_busiest_tick(&s->top->busiest);
			caught_up |= r == 0;
			next = now + PERIOD_NS;
			s->redraw = true;
		}
		if (s->redraw)
			draw(s);
		s->redraw = false;
		if (poll(fds, 2, r > 0 ? 0 : (int)((next - now) / TT_NS_PER_MS) + 1) <= 0)
			continue;
		if (fds[0].revents)
			take_signals(s, err);
		if (fds[1].revents && !s->quit)
			take_keys(s);
	}
	return 0;
}

int cli_top_watch(struct cli_top *t, struct tt_err *err)
{
	struct screen s = {.top = t};
	int r = enter(&s, err);

	if (r < 0)
		return r;
	r = watch(&s, err);
	leave(&s);
	if (r == 0 && t->ended)
		cli_top_print(t, 0, false);
	pass_on(&s);
	return r;
}
