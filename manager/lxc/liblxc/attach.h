/* What C leaves for Go: lodge-lxc enters a container before the Go runtime starts, while the
 * process has one thread, so that liblxc's forks and setns(2) act on a process that is simple. */
#ifndef LODGE_ATTACH_H
#define LODGE_ATTACH_H

#include <stddef.h>
#include <sys/types.h>

/* The exit codes of a shell for a command that did not run (POSIX 2.8.2; 125 as docker has it). */
#define LODGE_NOT_RUN 125
#define LODGE_NOT_EXECUTABLE 126
#define LODGE_NO_COMMAND 127

/* The result of the constructor. Descriptors are -1 where there is none. */
struct lodge_session {
	int ready;            /* this process is a session's holder */
	int failed;           /* error says why nothing was entered */
	char error[512];
	pid_t pid;            /* of the command, our child; 0 for a console */
	int terminal;         /* the pty's own end, or the console */
	int in, out, err;     /* pipes, without a terminal */
	int report;           /* the child's last words if exec fails; closed by exec */
	int release;          /* a byte lets the command begin; closed without one, it never does */
	int keep;             /* while it is open the container holds somebody logged in; see login.h */
	pid_t keeper;         /* who keeps it so, a child; 0: nobody */
	int tty, stdin_wanted;
	char cgroup[4096];    /* leaf cgroup of the command; empty: none */
	const char *tail;     /* JSON for Go */
};
extern struct lodge_session lodge_session;

/* One request as the agent wrote it; strings point into the buffer that was read. */
struct lodge_spec {
	const char *lxcpath, *name, *kind, *user, *dir, *term, *id, *tail;
	const char *init_start; /* of init: field 22 of /proc/PID/stat */
	const char *from, *who; /* address and name of who logs in */
	char line[32];        /* the terminal's name in the container's /dev; empty without one */
	const char *modes;    /* of the terminal, as in lodge_set_modes; NULL for what suits most */
	int tty, stdin_wanted;
	int login;            /* milliseconds for telling the container of it, see login.h; 0: it is not */
	int script;           /* args[0] is a line for the user's shell */
	unsigned columns, rows, idbase;
	unsigned init;        /* the process the container was judged by */
	char **args, **env;   /* NULL at the end */
};

/* A user of the container, as its own /etc/passwd has it. */
struct lodge_user {
	uid_t uid;
	gid_t gid;
	char name[256], home[4096], shell[4096];
	gid_t *groups;
	size_t count;
};

/* lodge_find_user resolves "", NAME, NUMBER and either with :GROUP. It has to be called inside the
 * container, with the container's rights: the files are the container's word. 0, or -1 with why. */
int lodge_find_user(const char *want, struct lodge_user *user, char *why, size_t size);

/* lodge_is_inside reports whether pid, a child that was not waited for, is in the pid namespace of
 * the very process init, which began at start: not in one that has its number, nor its name. */
int lodge_is_inside(pid_t pid, unsigned init, const char *start);

/* lodge_become changes to the user, for good, by all of its ids. */
int lodge_become(const struct lodge_user *user);

struct termios;
/* lodge_set_modes applies "NUMBER=VALUE,..." by the numbers of RFC 4254 8. What it does not know stays. */
void lodge_set_modes(struct termios *t, const char *modes);

/* lodge_run becomes the command; it returns only if that fails, with the exit code and why. */
int lodge_run(const struct lodge_spec *spec, char *why, size_t size);

/* lodge_leaf_cgroup moves pid into a cgroup of its own and stores the folder's path, or "" where the
 * host has no cgroup v2. It is below the one of keeper, which logind may have moved into its session,
 * or below the container's own where keeper is 0 or its cgroup takes none. */
void lodge_leaf_cgroup(pid_t pid, pid_t keeper, const char *id, char *path, size_t size);

/* lodge_forget_request wipes what was asked for from this process, and names it. */
void lodge_forget_request(const char *name);

#endif
