/* From container root to the command: user, groups, environment, exec. Runs inside. */
#define _GNU_SOURCE
#include "attach.h"
#include "login.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int not_run(char *why, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, size, format, args);
	va_end(args);
	return LODGE_NOT_RUN;
}

static void default_signals(void)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The terminal's group stays tty, which may write to it, as write(1) and wall(1) need; liblxc has
 * taken that away. Pipes are the user's altogether. */
static void own_stdio(const struct lodge_user *u, int tty)
{
	for (int fd = 0; fd <= 2; fd++)
		(void)!fchown(fd, u->uid, tty ? (gid_t)-1 : u->gid);
	if (tty)
		(void)!fchmod(0, 0620);
}

int lodge_become(const struct lodge_user *u)
{
	if (setgroups(u->count, u->groups) < 0)
		return -1;
	if (setresgid(u->gid, u->gid, u->gid) < 0)
		return -1;
	return setresuid(u->uid, u->uid, u->uid);
}

/* liblxc has cleared the environment and set container, PATH and lxc.environment. */
static void environment(const struct lodge_spec *spec, const struct lodge_user *u)
{
	setenv("HOME", u->home, 1);
	setenv("USER", u->name, 1);
	setenv("LOGNAME", u->name, 1);
	setenv("SHELL", u->shell, 1);
	if (spec->tty && *spec->term)
		setenv("TERM", spec->term, 1);
	lodge_login_environment(spec->tty);
	for (char **pair = spec->env; *pair; pair++)
		if (strchr(*pair, '='))
			putenv(*pair);
	if (spec->tty && getenv("SSH_CONNECTION") && ttyname(0))
		setenv("SSH_TTY", ttyname(0), 1);
}

static int exec_failed(const char *what, char *why, size_t size)
{
	if (errno == ENOENT || errno == ENOTDIR) {
		snprintf(why, size, "%s: command not found in the container", what);
		return LODGE_NO_COMMAND;
	}
	snprintf(why, size, "%s can't be executed: %s", what, strerror(errno));
	return LODGE_NOT_EXECUTABLE;
}

/* A login shell knows it is one by the dash (login(1)). */
static int run_shell(const struct lodge_user *u, char *why, size_t size)
{
	const char *base = strrchr(u->shell, '/');
	char name[300];
	char *argv[] = {name, NULL};

	snprintf(name, sizeof(name), "-%.255s", base ? base + 1 : u->shell);
	execv(u->shell, argv);
	if (errno == ENOENT && strcmp(u->shell, "/bin/sh")) {
		setenv("SHELL", "/bin/sh", 1);
		strcpy(name, "-sh");
		execv("/bin/sh", argv);
	}
	return exec_failed(u->shell, why, size);
}

/* The line goes to the shell as it came: it alone knows its quoting (sshd(8), "LOGIN PROCESS"). */
static int run_script(const struct lodge_user *u, char *line, char *why, size_t size)
{
	const char *base = strrchr(u->shell, '/');
	char *argv[] = {(char *)(base ? base + 1 : u->shell), "-c", line, NULL};

	execv(u->shell, argv);
	return exec_failed(u->shell, why, size);
}

int lodge_run(const struct lodge_spec *spec, char *why, size_t size)
{
	struct lodge_user u;

	if (lodge_find_user(spec->user, &u, why, size) < 0)
		return LODGE_NOT_RUN;
	if (!spec->tty)
		setsid();
	default_signals();
	umask(022);
	own_stdio(&u, spec->tty);
	if (lodge_become(&u) < 0)
		return not_run(why, size, "become user %s: %s", u.name, strerror(errno));
	environment(spec, &u);
	if (*spec->dir && chdir(spec->dir) < 0)
		return not_run(why, size, "folder %s: %s", spec->dir, strerror(errno));
	if (!*spec->dir && chdir(u.home) < 0 && chdir("/") < 0)
		return not_run(why, size, "folder /: %s", strerror(errno));
	if (!spec->args[0])
		return run_shell(&u, why, size);
	if (spec->script)
		return run_script(&u, spec->args[0], why, size);
	execvp(spec->args[0], spec->args);
	return exec_failed(spec->args[0], why, size);
}
