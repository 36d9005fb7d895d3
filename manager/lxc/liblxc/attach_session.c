/* The start of a session's holder. Needs glibc: constructors get argc and argv. */
#define _GNU_SOURCE
#include "attach.h"
#include "login.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <lxc/attach_options.h>
#include <lxc/lxccontainer.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* Four times the most Linux takes as arguments of one exec with default limits. */
#define SPEC_MAX (8u << 20)

/* The one descriptor besides 0 to 2 in the attached process when it becomes the command: a pipe. */
#define LODGE_REPORT 3
/* Before that it has two more ways to the holder. */
#define LODGE_GO 4
#define LODGE_KEEP 5

struct lodge_session lodge_session = {
	.terminal = -1, .in = -1, .out = -1, .err = -1, .report = -1, .keep = -1, .release = -1,
};

static struct lodge_spec spec;
static int go_read = -1, report_write = -1, keep_write = -1;
static char *request, *title;
static size_t request_size, title_size;

static int fail(const char *what)
{
	lodge_session.failed = 1;
	snprintf(lodge_session.error, sizeof(lodge_session.error), "%s: %s", what, strerror(errno));
	return -1;
}

static char *read_all(int fd)
{
	size_t size = 0, room = 16384;
	char *buf = malloc(room + 1);

	while (buf && size < SPEC_MAX) {
		ssize_t n = read(fd, buf + size, room - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return NULL;
		if (n == 0)
			break;
		size += n;
		if (size == room)
			buf = realloc(buf, (room *= 2) + 1);
	}
	if (buf)
		buf[size] = 0;
	/* The end of the last string is the end of the buffer; an empty one ends the list. */
	lodge_session.tail = buf ? buf + size : NULL;
	return buf;
}

static void take(char *pair, size_t *args, size_t *env)
{
	struct { const char *key; const char **into; } texts[] = {
		{"lxcpath=", &spec.lxcpath}, {"name=", &spec.name}, {"kind=", &spec.kind},
		{"user=", &spec.user}, {"dir=", &spec.dir}, {"term=", &spec.term},
		{"id=", &spec.id}, {"tail=", &spec.tail}, {"modes=", &spec.modes},
		{"init_start=", &spec.init_start}, {"from=", &spec.from}, {"who=", &spec.who},
	};
	struct { const char *key; unsigned *into; } numbers[] = {
		{"tty=", (unsigned *)&spec.tty}, {"stdin=", (unsigned *)&spec.stdin_wanted},
		{"script=", (unsigned *)&spec.script}, {"login=", (unsigned *)&spec.login},
		{"columns=", &spec.columns}, {"rows=", &spec.rows}, {"idbase=", &spec.idbase},
		{"init=", &spec.init},
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (!strncmp(pair, texts[i].key, strlen(texts[i].key)))
			*texts[i].into = pair + strlen(texts[i].key);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (!strncmp(pair, numbers[i].key, strlen(numbers[i].key)))
			*numbers[i].into = strtoul(pair + strlen(numbers[i].key), NULL, 10);
	if (!strncmp(pair, "arg=", 4))
		spec.args[(*args)++] = pair + 4;
	if (!strncmp(pair, "env=", 4))
		spec.env[(*env)++] = pair + 4;
}

static int read_spec(void)
{
	size_t args = 0, env = 0, count = 1;
	char *buf = read_all(STDIN_FILENO);
	const char *end = lodge_session.tail;

	if (!buf)
		return fail("read the request");
	for (char *p = buf; p < end; p++)
		count += !*p;
	spec.args = calloc(count, sizeof(char *));
	spec.env = calloc(count, sizeof(char *));
	if (!spec.args || !spec.env)
		return fail("read the request");
	request = buf;
	request_size = end - buf;
	spec.user = spec.dir = spec.term = spec.kind = spec.id = spec.tail = spec.init_start = "";
	spec.from = spec.who = "";
	for (char *p = buf; p < end; p += strlen(p) + 1)
		take(p, &args, &env);
	lodge_session.tail = spec.tail;
	lodge_session.tty = spec.tty;
	lodge_session.stdin_wanted = spec.stdin_wanted;
	errno = EINVAL;
	if (!spec.lxcpath || !spec.name)
		return fail("read the request");
	return 0;
}

/* A pipe whose inode belongs to the container's root, so that /dev/stdin and its like can be opened
 * inside: an inode of an id the container does not map is closed to all in it. */
static int open_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail("make a pipe");
	(void)fchown(ends[0], spec.idbase, spec.idbase);
	(void)fcntl(ends[0], F_SETPIPE_SZ, 256 << 10);
	return 0;
}

/* The terminal comes from the container's devpts, or ttyname(3) inside would find none. The path
 * below the descriptor is the container's: nothing may be mounted or linked over "ptmx". */
static int open_terminal(struct lxc_container *c, int *inner)
{
	struct open_how how = {
		.flags = O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH,
	};
	struct winsize size = {.ws_col = spec.columns, .ws_row = spec.rows};
	struct termios modes;
	int unlock = 0, number = 0, devpts = c->devpts_fd(c);

	if (devpts < 0)
		return fail("open the container's terminals");
	lodge_session.terminal = syscall(SYS_openat2, devpts, "ptmx", &how, sizeof(how));
	close(devpts);
	if (lodge_session.terminal < 0 || ioctl(lodge_session.terminal, TIOCSPTLCK, &unlock) < 0)
		return fail("make a terminal in the container");
	*inner = ioctl(lodge_session.terminal, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*inner < 0)
		return fail("open a terminal in the container");
	if (ioctl(lodge_session.terminal, TIOCGPTN, &number) == 0)
		snprintf(spec.line, sizeof(spec.line), "pts/%d", number);
	if (size.ws_col && size.ws_row)
		(void)ioctl(*inner, TIOCSWINSZ, &size);
	if (tcgetattr(*inner, &modes) == 0) {
		if (spec.modes)
			lodge_set_modes(&modes, spec.modes);
		else
			modes.c_iflag |= IUTF8;
		(void)tcsetattr(*inner, TCSANOW, &modes);
	}
	/* 5 is the group tty in every distribution's base, and devpts' own default in LXC. */
	(void)fchown(*inner, spec.idbase, spec.idbase + 5);
	return 0;
}

void lodge_forget_request(const char *name)
{
	prctl(PR_SET_NAME, name);
	memset(title, 0, title_size);
	snprintf(title, title_size, "%s", name);
	explicit_bzero(request, request_size);
}

/* place moves a descriptor to a number of its own. */
static int place(int fd, int to)
{
	return fd == to || dup3(fd, to, O_CLOEXEC) == to;
}

/* only_ours leaves the attached process with its standard streams and its ways to the holder. They
 * are moved out of each other's way before they get their numbers. */
static int only_ours(void)
{
	int report = fcntl(report_write, F_DUPFD_CLOEXEC, LODGE_KEEP + 1);
	int go = fcntl(go_read, F_DUPFD_CLOEXEC, LODGE_KEEP + 1);
	int keep = keep_write < 0 ? -1 : fcntl(keep_write, F_DUPFD_CLOEXEC, LODGE_KEEP + 1);

	if (!place(report, LODGE_REPORT) || !place(go, LODGE_GO))
		return 0;
	if (keep_write >= 0 && !place(keep, LODGE_KEEP))
		return 0;
	return syscall(SYS_close_range, keep_write < 0 ? LODGE_KEEP : LODGE_KEEP + 1, ~0U, 0) == 0;
}

/* may_go waits for a byte of the holder's: the first lets a login be told of, where it is to be, the
 * last lets the command begin. */
static int may_go(void)
{
	char go;
	ssize_t n;

	do
		n = read(LODGE_GO, &go, 1);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

/* Runs inside, in the attached process, after liblxc has set namespaces, cgroup, capabilities,
 * label and seccomp. */
static int inside(void *unused)
{
	char why[480] = "", line[512];
	int code = LODGE_NOT_RUN, allowed, n;

	(void)unused;
	/* Until Linux closes what is CLOEXEC, root of the container can reach it through /proc: the new
	 * memory is its own by then (begin_new_exec). So nothing of the host's is left but the way back. */
	if (!only_ours())
		_exit(code);
	if (keep_write >= 0) {
		if (may_go())
			lodge_login_begin(&spec, LODGE_KEEP);
		close(LODGE_KEEP);
	}
	allowed = may_go();
	close(LODGE_GO);
	/* Without a word from the holder it has died: nobody would see what we do. */
	if (allowed)
		code = lodge_run(&spec, why, sizeof(why));
	n = snprintf(line, sizeof(line), "%c%s", code, why);
	(void)!write(LODGE_REPORT, line, n);
	_exit(code);
}

/* liblxc goes by the container's name. Since the agent looked, another may have come to bear it, or
 * this one have begun anew: what was judged is not there any more. */
static int turn_back(void)
{
	kill(lodge_session.pid, SIGKILL);
	waitpid(lodge_session.pid, NULL, 0);
	lodge_session.pid = 0;
	errno = ESTALE;
	return fail("the container was stopped or restarted while it was entered");
}

/* log_in gives the container's programs a moment to hear of the session before it begins. It returns
 * the process that logind has taken for it, 0 if it has not. */
static pid_t log_in(void)
{
	int seated = 0;

	if (keep_write < 0)
		return 0;
	close(keep_write);
	if (write(lodge_session.release, "", 1) == 1)
		lodge_session.keeper = lodge_login_await(&spec, lodge_session.keep, &seated);
	return seated ? lodge_session.keeper : 0;
}

/* A word of the keeper's comes with its pid, as we see it. */
static int open_keep(void)
{
	int ends[2], on = 1;

	if (!spec.login)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
	    setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return fail("make a socket");
	lodge_session.keep = ends[0];
	keep_write = ends[1];
	return 0;
}

static int enter(struct lxc_container *c, int fds[3])
{
	lxc_attach_options_t options = LXC_ATTACH_OPTIONS_DEFAULT;
	int report[2], go[2];

	if (pipe2(report, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
		return fail("make a pipe");
	if (open_keep() < 0)
		return -1;
	lodge_session.report = report[0];
	report_write = report[1];
	go_read = go[0];
	lodge_session.release = go[1];
	options.env_policy = LXC_ATTACH_CLEAR_ENV;
	options.initial_cwd = "/";
	/* Root inside, until lodge_run changes to the user: liblxc's own way of setting groups is
	 * never used, since with it go-lxc lost seccomp, capabilities and cgroup. */
	options.uid = 0;
	options.gid = 0;
	options.stdin_fd = fds[0];
	options.stdout_fd = fds[1];
	options.stderr_fd = fds[2];
	errno = 0;
	if (c->attach(c, inside, NULL, &options, &lodge_session.pid) < 0) {
		lodge_session.pid = 0;
		return fail("enter the container");
	}
	close(report_write);
	close(go_read);
	if (!lodge_is_inside(lodge_session.pid, spec.init, spec.init_start))
		return turn_back();
	lodge_leaf_cgroup(lodge_session.pid, log_in(), spec.id, lodge_session.cgroup, sizeof(lodge_session.cgroup));
	return 0;
}

static int open_command(struct lxc_container *c)
{
	int in[2], out[2], err[2], fds[3] = {-1, -1, -1};

	if (spec.tty) {
		if (open_terminal(c, &fds[0]) < 0)
			return -1;
		fds[1] = fds[2] = fds[0];
	} else {
		if (open_pipe(in) < 0 || open_pipe(out) < 0 || open_pipe(err) < 0)
			return -1;
		fds[0] = in[0];
		fds[1] = out[1];
		fds[2] = err[1];
		lodge_session.in = in[1];
		lodge_session.out = out[0];
		lodge_session.err = err[0];
	}
	int result = enter(c, fds);
	close(fds[0]);
	if (!spec.tty) {
		close(fds[1]);
		close(fds[2]);
	}
	return result;
}

/* The monitor keeps the console ours for as long as the returned connection stays open. */
static int open_console(struct lxc_container *c)
{
	int number = 0;

	if (c->console_getfd(c, &number, &lodge_session.terminal) < 0)
		return fail("open the container's console");
	return 0;
}

__attribute__((constructor)) static void lodge_session_start(int argc, char **argv)
{
	struct lxc_container *c;
	int null;

	if (argc < 2 || strcmp(argv[1], "session"))
		return;
	lodge_session.ready = 1;
	title = argv[0];
	title_size = argv[argc - 1] + strlen(argv[argc - 1]) + 1 - argv[0];
	/* Until the command's exec, the attached process is a copy of this one: keep it closed to
	 * its new neighbours, and hand it no descriptor of ours. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) < 0)
		fail("close_range");
	setsid();
	umask(022);
	if (chdir("/") < 0 || read_spec() < 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		close(null);
	}
	c = lxc_container_new(spec.name, spec.lxcpath);
	if (!c)
		fail("open the container");
	else if (!strcmp(spec.kind, "console"))
		open_console(c);
	else
		open_command(c);
}
