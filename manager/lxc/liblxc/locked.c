/* Mounts whose flags a container can't take away. */
#define _GNU_SOURCE
#include "locked.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * When a mount namespace is made for another user namespace, the kernel locks the flags of all mounts
 * in it (lock_mnt_tree in fs/namespace.c): what is read-only or without devices stays so for whoever
 * has no rights over the namespace the mount came from. No call locks a single mount, so a child makes
 * such a copy and lives until it is held open by us. It makes system calls only: it is a fork of a
 * program with threads.
 */
int lodge_locked_mounts(int userns)
{
	int ready[2], leave[2], ret;
	char c, path[64];
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(leave, O_CLOEXEC) < 0) {
		ret = -errno;
		close(ready[0]);
		close(ready[1]);
		return ret;
	}
	pid = fork();
	if (pid == 0) {
		c = setns(userns, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNS) < 0 ? (char)errno : 0;
		close(leave[1]);
		if (write(ready[1], &c, 1) == 1)
			(void)!read(leave[0], &c, 1);
		_exit(0);
	}
	close(ready[1]);
	close(leave[0]);
	ret = pid < 0 ? -errno : -EIO;
	if (pid > 0 && read(ready[0], &c, 1) == 1) {
		snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
		ret = c ? -c : open(path, O_RDONLY | O_CLOEXEC);
		if (!c && ret < 0)
			ret = -errno;
	}
	close(ready[0]);
	close(leave[1]);
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	return ret;
}
