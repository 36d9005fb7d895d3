/* Users of the container, read with no library of the container: getpwnam(3) would load its NSS
 * modules. Runs inside, as container root. */
#define _GNU_SOURCE
#include "attach.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (16u << 20)

/* Neither a fifo nor a device may hold us up, nor a file without end. */
static FILE *open_table(const char *path)
{
	struct stat st;
	FILE *f;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX || !(f = fdopen(fd, "r"))) {
		close(fd);
		return NULL;
	}
	return f;
}

static int number(const char *s, unsigned *n)
{
	char *end;
	unsigned long v;

	if (!isdigit((unsigned char)*s))
		return 0;
	errno = 0;
	v = strtoul(s, &end, 10);
	if (*end || errno || v >= UINT_MAX)
		return 0;
	*n = v;
	return 1;
}

/* split cuts a line of count fields at its colons; fields that are missing are empty. */
static void split(char *line, char **fields, int count)
{
	line[strcspn(line, "\n")] = 0;
	for (int i = 0; i < count; i++) {
		fields[i] = line;
		line += strcspn(line, ":");
		if (*line)
			*line++ = 0;
	}
}

/* find_passwd looks for a name, or for uid where name is NULL. */
static int find_passwd(const char *name, unsigned uid, struct lodge_user *u)
{
	char *line = NULL, *f[7];
	size_t room = 0;
	unsigned id, gid;
	int found = 0;
	FILE *table = open_table("/etc/passwd");

	while (table && !found && getline(&line, &room, table) >= 0) {
		split(line, f, 7);
		if (!number(f[2], &id) || !number(f[3], &gid))
			continue;
		if (name ? strcmp(name, f[0]) : id != uid)
			continue;
		found = 1;
		u->uid = id;
		u->gid = gid;
		snprintf(u->name, sizeof(u->name), "%s", f[0]);
		snprintf(u->home, sizeof(u->home), "%s", *f[5] ? f[5] : "/");
		snprintf(u->shell, sizeof(u->shell), "%s", *f[6] ? f[6] : "/bin/sh");
	}
	free(line);
	if (table)
		fclose(table);
	return found;
}

static int is_member(char *list, const char *name)
{
	char *rest;

	for (char *m = strtok_r(list, ",", &rest); m; m = strtok_r(NULL, ",", &rest))
		if (!strcmp(m, name))
			return 1;
	return 0;
}

/* find_groups collects the groups that name the user, and the gid of the group called wanted. */
static int find_groups(struct lodge_user *u, const char *wanted, unsigned *gid)
{
	char *line = NULL, *f[4];
	size_t room = 0;
	unsigned id;
	int found = 0;
	FILE *table = open_table("/etc/group");

	u->groups = calloc(NGROUPS_MAX, sizeof(gid_t));
	u->groups[0] = u->gid;
	u->count = 1;
	while (table && getline(&line, &room, table) >= 0) {
		split(line, f, 4);
		if (!number(f[2], &id))
			continue;
		if (wanted && !strcmp(wanted, f[0])) {
			*gid = id;
			found = 1;
		}
		if (*u->name && id != u->gid && u->count < NGROUPS_MAX && is_member(f[3], u->name))
			u->groups[u->count++] = id;
	}
	free(line);
	if (table)
		fclose(table);
	return found;
}

/* An id without a line in /etc/passwd is a user with a group of the same number and no home. */
static int resolve(const char *want, struct lodge_user *u, char *why, size_t size)
{
	unsigned id = 0;
	int numeric = !*want || number(want, &id);

	memset(u, 0, sizeof(*u));
	if (find_passwd(numeric ? NULL : want, id, u))
		return 0;
	if (!numeric) {
		snprintf(why, size, "there is no user %s in the container", want);
		return -1;
	}
	u->uid = u->gid = id;
	strcpy(u->home, id ? "/" : "/root");
	strcpy(u->shell, "/bin/sh");
	if (id)
		snprintf(u->name, sizeof(u->name), "%u", id);
	else
		strcpy(u->name, "root");
	return 0;
}

/* lead makes gid the user's primary group; the list begins with it and holds it once. */
static void lead(struct lodge_user *u, gid_t gid)
{
	size_t n = 1;

	for (size_t i = 1; i < u->count; i++)
		if (u->groups[i] != gid)
			u->groups[n++] = u->groups[i];
	u->count = n;
	u->gid = u->groups[0] = gid;
}

int lodge_find_user(const char *want, struct lodge_user *u, char *why, size_t size)
{
	char *copy = strdup(want), *group;
	unsigned gid = 0;

	if (!copy)
		return -1;
	group = strchr(copy, ':');
	if (group)
		*group++ = 0;
	if (resolve(copy, u, why, size) < 0)
		return -1;
	int named = find_groups(u, group, &gid);
	if (group && !number(group, &gid) && !named) {
		snprintf(why, size, "there is no group %s in the container", group);
		return -1;
	}
	if (group)
		lead(u, gid);
	free(copy);
	return 0;
}
