/* Entering a running container as one of its accounts, for a Unix socket there: setns(2) into a user
 * namespace needs a process of one thread, so it is done before the Go runtime starts. */
#define _GNU_SOURCE
#include "unix.h"
#include "attach.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The pidfd of the container's init. */
#define INIT 3

/* A file system of the container's may hold up whoever looks at it for ever. */
#define SECONDS_MAX 15

struct lodge_unix lodge_unix;

static void fail(const char *what)
{
	snprintf(lodge_unix.error, sizeof(lodge_unix.error), "%s: %s", what, strerror(errno));
}

/* From here on "/" is the container's, and what may be reached in it is what the account may. The
 * network comes along, or an abstract socket would be the host's. */
static void enter(const char *account)
{
	int spaces = CLONE_NEWNS | CLONE_NEWNET;
	struct lodge_user user;
	char why[256] = "";

	/* EINVAL: a privileged container shares our user namespace. */
	if (setns(INIT, CLONE_NEWUSER | spaces) < 0 && (errno != EINVAL || setns(INIT, spaces) < 0)) {
		fail("enter the container");
		return;
	}
	close(INIT);
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) {
		fail("become the container's root");
		return;
	}
	if (lodge_find_user(account, &user, why, sizeof(why)) < 0)
		snprintf(lodge_unix.error, sizeof(lodge_unix.error), "%s", why);
	else if (lodge_become(&user) < 0)
		fail("become the account");
}

__attribute__((constructor)) static void lodge_unix_start(int argc, char **argv)
{
	if (argc < 5 || strcmp(argv[1], "unix"))
		return;
	lodge_unix.ready = 1;
	alarm(SECONDS_MAX);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	umask(0177);
	if (chdir("/") < 0)
		fail("folder /");
	else
		enter(argv[3]);
	if (!lodge_unix.error[0] && chdir("/") < 0)
		fail("folder /");
	/* The identity changed: closed to its new neighbours as before. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
