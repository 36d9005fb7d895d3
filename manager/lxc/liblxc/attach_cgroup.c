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

void lodge_leaf_cgroup(pid_t pid, const char *id, char *path, size_t size)
{
	char own[4096], procs[4200], number[32];
	const char *mount = mount_point();
	char *last;
	int fd, length, moved;

	*path = 0;
	if (!mount || !own_cgroup(pid, own, sizeof(own)))
		return;
	/* Where the container's root cgroup has controllers it can hold no process, and liblxc
	 * attaches to a child ".lxc" or ".lxc-N": ours stands beside it. */
	last = strrchr(own, '/');
	if (!strncmp(last, "/.lxc", 5))
		*last = 0;
	snprintf(path, size, "%s%s/lodge-%s", mount, own, id);
	if (mkdir(path, 0755) < 0) {
		*path = 0;
		return;
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
}
