#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userns.h"

static int write_map(pid_t pid, const char *file, unsigned base, unsigned count)
{
	char path[64], map[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	int len = snprintf(map, sizeof(map), "0 %u %u\n", base, count);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int ret = write(fd, map, len) == len ? 0 : -errno;
	close(fd);
	return ret;
}

static int open_mapped(pid_t pid, unsigned base, unsigned count)
{
	char path[64];
	int ret = write_map(pid, "uid_map", base, count);
	if (ret == 0)
		ret = write_map(pid, "gid_map", base, count);
	if (ret < 0)
		return ret;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/*
 * A user namespace exists as long as something refers to it, so a child makes one, waits until its
 * maps are written and the namespace is held open by us, and ends. The child makes system calls
 * only: it is a fork of a program with threads.
 */
int lodge_userns(unsigned base, unsigned count)
{
	int ready[2], leave[2];
	if (pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(leave, O_CLOEXEC) < 0) {
		int ret = -errno;
		close(ready[0]);
		close(ready[1]);
		return ret;
	}
	pid_t pid = fork();
	if (pid == 0) {
		char c = unshare(CLONE_NEWUSER) < 0 ? (char)errno : 0;
		close(leave[1]);
		if (write(ready[1], &c, 1) == 1)
			(void)!read(leave[0], &c, 1);
		_exit(0);
	}
	close(ready[1]);
	close(leave[0]);
	int ret = pid < 0 ? -errno : -EIO;
	char c;
	if (pid > 0 && read(ready[0], &c, 1) == 1)
		ret = c ? -c : open_mapped(pid, base, count);
	close(ready[0]);
	close(leave[1]);
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	return ret;
}
