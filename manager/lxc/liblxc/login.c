/* The keeper of a login: a process inside that tells the container of a session's begin and end. It
 * ends with the holder, whatever becomes of that. */
#define _GNU_SOURCE
#include "login.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* So many milliseconds longer than the keeper the holder waits: for one that is stuck in a file
 * system of the container's. */
#define STUCK_WAIT 500
/* For a lock that somebody else has; glibc waits for 10 s. */
#define LOCK_WAIT 300
#define LAST_LOCK_WAIT 10000

static int told = -1; /* the command's end of the pipe from its keeper */

static int64_t milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void describe(const struct lodge_spec *spec, const struct lodge_user *user, struct lodge_login *l)
{
	struct timespec now;

	memset(l, 0, sizeof(*l));
	clock_gettime(CLOCK_REALTIME, &now);
	l->seconds = now.tv_sec;
	l->microseconds = now.tv_nsec / 1000;
	l->uid = user->uid;
	l->pid = getpid();
	snprintf(l->user, sizeof(l->user), "%s", user->name);
	snprintf(l->line, sizeof(l->line), "%s", spec->line);
	snprintf(l->from, sizeof(l->from), "%s", spec->from);
	snprintf(l->who, sizeof(l->who), "%s", spec->who);
}

/* answer lets command and holder go on. */
static void answer(int tell, int keep, const struct lodge_seat *seat)
{
	char seated = *seat->id != 0;

	(void)!write(tell, seat, sizeof(*seat));
	close(tell);
	(void)!send(keep, &seated, 1, MSG_NOSIGNAL);
}

/* may_use reports whether a runtime folder is the user's, as pam_systemd looks. */
static int may_use(const char *runtime, uid_t uid)
{
	struct stat st;

	return *runtime && lstat(runtime, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == uid;
}

/* attend waits until the holder lets go, and answers once: with what logind says, or without when it
 * takes too long. A later answer still has the session listed. */
static void attend(struct lodge_bus *bus, const struct lodge_login *l, int tell, int keep, int64_t until)
{
	struct pollfd ends[] = {{keep, POLLIN, 0}, {bus->fd, POLLIN, 0}};
	struct lodge_seat seat = {.id = ""};
	int answered = 0, heard;

	for (;;) {
		int64_t left = until - milliseconds();
		if (!answered && (ends[1].fd < 0 || left <= 0)) {
			if (!may_use(seat.runtime, l->uid))
				*seat.runtime = 0;
			answer(tell, keep, &seat);
			answered = 1;
		}
		if (poll(ends, 2, answered ? -1 : left) < 0 && errno != EINTR)
			return;
		if (ends[0].revents)
			return;
		if (!ends[1].revents)
			continue;
		heard = lodge_bus_hear(bus, &seat);
		if (heard != 0) {
			close(bus->fd);
			ends[1].fd = -1;
		}
	}
}

/* detach makes the keeper nobody's but the holder's: no end of the session's terminal or pipes, no
 * signal to the session, nothing of what the request holds. */
static void detach(int tell, int keep)
{
	sigset_t all;

	setsid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int fd = 0; fd < (tell > keep ? tell : keep); fd++)
		if (fd != tell && fd != keep)
			close(fd);
	lodge_forget_request("lodge-login");
}

static void keep_login(const struct lodge_login *l, int wait, int tell, int keep)
{
	static struct lodge_bus bus;
	int64_t until = milliseconds() + wait;

	detach(tell, keep);
	lodge_utmp_begin(l, LOCK_WAIT);
	(void)lodge_bus_ask(&bus, l);
	attend(&bus, l, tell, keep, until);
	lodge_utmp_end(l, LAST_LOCK_WAIT);
	_exit(0);
}

void lodge_login_begin(const struct lodge_spec *spec, int keep)
{
	struct lodge_user user;
	struct lodge_login login;
	char why[64];
	int ends[2];

	/* Who can't log in is told so by lodge_run. */
	if (lodge_find_user(spec->user, &user, why, sizeof(why)) < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return;
	describe(spec, &user, &login);
	free(user.groups);
	/* The holder's child, as the command is: the command's own would be one it does not know. */
	if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0) {
		close(ends[0]);
		keep_login(&login, spec->login, ends[1], keep);
	}
	close(ends[1]);
	told = ends[0];
}

/* The holder lets the command go on when the keeper has answered, so what is not there now never will be. */
void lodge_login_environment(int tty)
{
	struct lodge_seat seat = {.id = ""};
	char bus[sizeof(seat.runtime) + 16];
	struct stat st;

	if (told < 0)
		return;
	if (read(told, &seat, sizeof(seat)) == sizeof(seat) && *seat.id) {
		setenv("XDG_SESSION_ID", seat.id, 1);
		setenv("XDG_SESSION_CLASS", "user", 1);
		setenv("XDG_SESSION_TYPE", tty ? "tty" : "unspecified", 1);
	}
	close(told);
	if (!*seat.runtime)
		return;
	setenv("XDG_RUNTIME_DIR", seat.runtime, 1);
	snprintf(bus, sizeof(bus), "%s/bus", seat.runtime);
	if (lstat(bus, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	snprintf(bus, sizeof(bus), "unix:path=%s/bus", seat.runtime);
	setenv("DBUS_SESSION_BUS_ADDRESS", bus, 1);
}

pid_t lodge_login_await(const struct lodge_spec *spec, int keep, int *seated)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))];
	char byte = 0;
	struct iovec room = {&byte, 1};
	struct msghdr message = {.msg_iov = &room, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control)};
	struct pollfd end = {keep, POLLIN, 0};
	struct ucred keeper;

	*seated = 0;
	if (poll(&end, 1, spec->login + STUCK_WAIT) != 1 || recvmsg(keep, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
		return 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
			continue;
		memcpy(&keeper, CMSG_DATA(c), sizeof(keeper));
		*seated = byte;
		return keeper.pid;
	}
	return 0;
}
