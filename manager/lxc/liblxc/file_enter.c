/* Entering a running container to reach its files or accounts: setns(2) into a user namespace needs a process
 * of one thread, so it is done before the Go runtime starts. */
#define _GNU_SOURCE
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <lxc/lxccontainer.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct lodge_file lodge_file = {.descriptors = -1};

static void fail(const char *what)
{
	snprintf(lodge_file.error, sizeof(lodge_file.error), "%s: %s", what, strerror(errno));
}

/* From here on "/" is the container's and so are all ids: what a path meets on its way, and what
 * permissions allow, is what the container's own root would meet. */
static void enter(const char *lxcpath, const char *name)
{
	struct lxc_container *c = lxc_container_new(name, lxcpath);
	int init;

	if (!c) {
		fail("open the container");
		return;
	}
	init = c->init_pidfd(c);
	lxc_container_put(c);
	if (init < 0) {
		errno = ESRCH;
		fail("find the container's init");
		return;
	}
	/* EINVAL: a privileged container shares our user namespace. */
	if (setns(init, CLONE_NEWUSER | CLONE_NEWNS) < 0 &&
	    (errno != EINVAL || setns(init, CLONE_NEWNS) < 0)) {
		fail("enter the container");
		return;
	}
	close(init);
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		fail("become the container's root");
}

__attribute__((constructor)) static void lodge_file_start(int argc, char **argv)
{
	if (argc < 5 || (strcmp(argv[1], "file") && strcmp(argv[1], "account")))
		return;
	lodge_file.ready = 1;
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	umask(0);
	lodge_file.descriptors = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (lodge_file.descriptors < 0)
		fail("open /proc/self/fd");
	else if (!strcmp(argv[3], "running") && argc == 6)
		enter(argv[4], argv[5]);
}
