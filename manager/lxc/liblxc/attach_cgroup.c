/* A cgroup of its own for each session, so that ending one ends all its processes. */
#define _GNU_SOURCE
#include "attach.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The mount point of cgroup v2, alone or beside v1 ("hybrid", where it has no controllers). */
static const char *mount_point(void)
{
	static const char *points[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	struct statfs fs;

	for (int i = 0; i < 2; i++)
		if (statfs(points[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			return points[i];
	return NULL;
}

/* own_cgroup reads the "0::/path" line of /proc/PID/cgroup (cgroups(7)). */
static int own_cgroup(pid_t pid, char *path, size_t size)
{
	char name[64], line[4096];
	int found = 0;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	f = fopen(name, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		found = !strncmp(line, "0::/", 4) && line[4];
	}
	if (f)
		fclose(f);
	if (found)
		snprintf(path, size, "%s", line + 3);
	return found;
}

/* enter_leaf makes a cgroup below own and moves pid into it. */
static int enter_leaf(const char *own, pid_t pid, const char *id, char *path, size_t size)
{
	char procs[4200], number[32];
	int fd, length, moved;

	if ((size_t)snprintf(path, size, "%s%s/lodge-%s", mount_point(), own, id) >= size || mkdir(path, 0755) < 0) {
		*path = 0;
		return 0;
	}
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	length = snprintf(number, sizeof(number), "%d", pid);
	moved = fd >= 0 && write(fd, number, length) == length;
	if (fd >= 0)
		close(fd);
	if (!moved) {
		rmdir(path);
		*path = 0;
	}
	return moved;
}

void lodge_leaf_cgroup(pid_t pid, pid_t keeper, const char *id, char *path, size_t size)
{
	char own[4096], kept[4096];
	char *last;

	*path = 0;
	if (!mount_point() || !own_cgroup(pid, own, sizeof(own)))
		return;
	/* Where the container's root cgroup has controllers it can hold no process, and liblxc
	 * attaches to a child ".lxc" or ".lxc-N": ours stands beside it. */
	last = strrchr(own, '/');
	if (!strncmp(last, "/.lxc", 5))
		*last = 0;
	/* Below logind's session the command is part of it for whoever looks, and still has a cgroup of
	 * its own, which logind, who moves the keeper alone, has no part in. */
	if (keeper && own_cgroup(keeper, kept, sizeof(kept)) && !strncmp(kept, own, strlen(own)) &&
	    kept[strlen(own)] == '/' && strncmp(kept + strlen(own), "/.lxc", 5) &&
	    enter_leaf(kept, pid, id, path, size))
		return;
	enter_leaf(own, pid, id, path, size);
}
