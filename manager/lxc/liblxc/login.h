/* What the container's own programs are told of a session: logind, and the files of who(1) and
 * last(1). Who tells them is the keeper, a process inside that lasts as long as the session. All it
 * reads was written by the container, so it is one of its processes, with the container's rights. */
#ifndef LODGE_LOGIN_H
#define LODGE_LOGIN_H

#include "attach.h"

#include <stdint.h>

/* A login as it is told. */
struct lodge_login {
	uid_t uid;
	pid_t pid;               /* of the command, as the container sees it */
	char user[256];
	char line[32];           /* "pts/0"; empty without a terminal */
	char from[256];          /* address of who logs in; empty: this host */
	char who[256];           /* who they are to Lodge */
	int64_t seconds;         /* since 1970, when it began */
	int32_t microseconds;
};

/* What logind gave; empty where it gave nothing. */
struct lodge_seat {
	char id[64];             /* XDG_SESSION_ID */
	char runtime[256];       /* XDG_RUNTIME_DIR */
};

/* A conversation with logind. */
struct lodge_bus {
	int fd;                  /* -1: there is none */
	int fifo;                /* logind ends its session when this is closed everywhere */
	int ready;               /* the server has agreed to everything: messages follow */
	size_t have;
	unsigned char in[16384];
};

/* lodge_bus_ask asks for a session whose leader is this process, without waiting. 0, or -1 where
 * nobody can be asked. */
int lodge_bus_ask(struct lodge_bus *bus, const struct lodge_login *login);

/* lodge_bus_hear takes what has come, without waiting: 1 with an answer, 0 when more has to come,
 * -1 when none will. */
int lodge_bus_hear(struct lodge_bus *bus, struct lodge_seat *seat);

/* lodge_utmp_begin and lodge_utmp_end write to /run/utmp and /var/log/wtmp, if they are there. They
 * wait for who has locked them at most wait milliseconds each. */
void lodge_utmp_begin(const struct lodge_login *login, int wait);
void lodge_utmp_end(const struct lodge_login *login, int wait);

/* lodge_login_begin makes the keeper of the calling process, which is about to become the command
 * and has no descriptors above keep, the keeper's way to the holder: it lasts until the other end is
 * closed. */
void lodge_login_begin(const struct lodge_spec *spec, int keep);

/* lodge_login_environment sets what the keeper has found out. */
void lodge_login_environment(int tty);

/* lodge_login_await waits, in the holder, until the container has been told, or for the time limit.
 * It returns the keeper's pid, or 0, and whether logind took it into a session. */
pid_t lodge_login_await(const struct lodge_spec *spec, int keep, int *seated);

#endif
