/* Whether the container that was entered is the one that was judged. */
#define _GNU_SOURCE
#include "attach.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* began reads field 22 of /proc/PID/stat. The name in field 2 may hold anything but ends with the
 * last parenthesis (proc_pid_stat(5)). */
static int began(unsigned pid, char *start, size_t size)
{
	char name[64], line[4096], *field, *rest;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%u/stat", pid);
	f = fopen(name, "re");
	if (!f)
		return 0;
	line[fread(line, 1, sizeof(line) - 1, f)] = 0;
	fclose(f);
	field = strrchr(line, ')');
	if (!field)
		return 0;
	field = strtok_r(field + 1, " ", &rest);
	for (int n = 3; field && n < 22; n++)
		field = strtok_r(NULL, " ", &rest);
	if (!field)
		return 0;
	snprintf(start, size, "%s", field);
	return 1;
}

static int namespace(unsigned pid, struct stat *st)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%u/ns/pid", pid);
	return stat(name, st) == 0;
}

/* The time is read after the namespace: if init is the process that was judged then, it was before,
 * and a namespace whose init lives has its inode to itself. */
int lodge_is_inside(pid_t pid, unsigned init, const char *start)
{
	struct stat ours, theirs;
	char now[32];

	return init && namespace(pid, &ours) && namespace(init, &theirs) && ours.st_ino == theirs.st_ino &&
	       ours.st_dev == theirs.st_dev && began(init, now, sizeof(now)) && !strcmp(now, start);
}
