/* The files of who(1) and last(1), as glibc's pututxline(3) and updwtmpx(3) write them: records of
 * utmp(5) under a lock of fcntl(2). glibc's own functions would wait for a lock with alarm(2), and
 * follow links. The files are never made: where there are none, nobody would read them. */
#define _GNU_SOURCE
#include "login.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

/* Who is logged in: so many records are looked through. Who was: so large a file gets no more. */
#define UTMP_MAX (4096 * (off_t)sizeof(struct utmp))
#define WTMP_MAX ((off_t)1 << 30)

/* open_locked opens a regular file of whole records and locks it; -1 if it is none, or stays locked.
 * Closing it unlocks it. */
static int open_locked(const char *path, off_t max, int wait, off_t *size)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct stat st;
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		goto not;
	while (fcntl(fd, F_SETLK, &lock) < 0) {
		if (wait <= 0)
			goto not;
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
		wait -= 10;
	}
	/* What is no multiple was cut off, or written by a libc whose records are others. */
	if (fstat(fd, &st) < 0 || st.st_size > max || st.st_size % sizeof(struct utmp))
		goto not;
	*size = st.st_size;
	return fd;
not:
	close(fd);
	return -1;
}

/* append_record leaves nothing of a record for which there was no room. */
static void append_record(int fd, const struct utmp *record, off_t size)
{
	if (pwrite(fd, record, sizeof(*record), size) != sizeof(*record))
		(void)!ftruncate(fd, size);
}

static void write_wtmp(const struct utmp *record, int wait)
{
	off_t size;
	int fd = open_locked("/var/log/wtmp", WTMP_MAX, wait, &size);

	if (fd < 0)
		return;
	append_record(fd, record, size);
	close(fd);
}

/* is_of tells whose entry a line of /run/utmp is; an end is only written over our own beginning: the
 * terminal's name may have a new user by then. */
static int is_of(const struct utmp *record, const struct utmp *found)
{
	if (found->ut_type < INIT_PROCESS || found->ut_type > DEAD_PROCESS ||
	    memcmp(found->ut_id, record->ut_id, sizeof(found->ut_id)))
		return 0;
	return record->ut_type == USER_PROCESS ||
	       (found->ut_type == USER_PROCESS && found->ut_pid == record->ut_pid);
}

static void write_utmp(const struct utmp *record, int wait)
{
	struct utmp found;
	off_t size, at;
	int fd = open_locked("/run/utmp", UTMP_MAX, wait, &size);

	if (fd < 0)
		return;
	for (at = 0; at < size; at += sizeof(found))
		if (pread(fd, &found, sizeof(found), at) != sizeof(found) || is_of(record, &found))
			break;
	if (at < size)
		(void)!pwrite(fd, record, sizeof(*record), at);
	else if (record->ut_type == USER_PROCESS)
		append_record(fd, record, size);
	close(fd);
}

/* set copies as much as fits; a field that is full has no end. */
static void set(char *field, size_t size, const char *text)
{
	memcpy(field, text, strnlen(text, size));
}

/* on_line is what both records of a login have: the id is the end of the line's name, as login(1)
 * and sshd(8) have it. */
static void on_line(struct utmp *u, const struct lodge_login *l)
{
	size_t n = strlen(l->line), id = sizeof(u->ut_id);

	memset(u, 0, sizeof(*u));
	u->ut_pid = l->pid;
	set(u->ut_line, sizeof(u->ut_line), l->line);
	set(u->ut_id, id, n > id ? l->line + n - id : l->line);
}

void lodge_utmp_begin(const struct lodge_login *l, int wait)
{
	struct utmp u;

	if (!*l->line)
		return;
	on_line(&u, l);
	u.ut_type = USER_PROCESS;
	set(u.ut_user, sizeof(u.ut_user), l->user);
	set(u.ut_host, sizeof(u.ut_host), l->from);
	if (inet_pton(AF_INET, l->from, u.ut_addr_v6) != 1)
		(void)inet_pton(AF_INET6, l->from, u.ut_addr_v6);
	u.ut_tv.tv_sec = l->seconds;
	u.ut_tv.tv_usec = l->microseconds;
	write_utmp(&u, wait);
	write_wtmp(&u, wait);
}

void lodge_utmp_end(const struct lodge_login *l, int wait)
{
	struct timespec now;
	struct utmp u;

	if (!*l->line)
		return;
	on_line(&u, l);
	u.ut_type = DEAD_PROCESS;
	clock_gettime(CLOCK_REALTIME, &now);
	u.ut_tv.tv_sec = now.tv_sec;
	u.ut_tv.tv_usec = now.tv_nsec / 1000;
	write_utmp(&u, wait);
	write_wtmp(&u, wait);
}
