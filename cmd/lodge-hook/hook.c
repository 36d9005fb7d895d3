// lodge-hook RUNDIR ID: what liblxc runs when a container starts (start-host) and after it has
// stopped (post-stop).
//
// It is a constructor, so it is done before the Go runtime begins. It exits 0 whatever happens, but for
// devices that can't be had and interfaces that can't be guarded, since liblxc gives up a start whose hook fails and turns a reboot into a
// stop. What it has to say lies in a file, so nothing is lost while the agent is away; the datagram only
// says that there is one.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// read_text reads a small file whole; an empty string stands for any failure.
static void read_text(const char *path, char *buf, size_t size)
{
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		n = read(fd, buf, size - 1);
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

// start_time returns field 22 of /proc/PID/stat (proc_pid_stat(5)), 0 when the process is gone.
// The name in field 2 may hold anything, so counting begins after its closing bracket.
static unsigned long long start_time(const char *pid)
{
	char path[64], stat[1024], *p;
	int field;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	read_text(path, stat, sizeof(stat));
	p = strrchr(stat, ')');
	for (field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p + 1, NULL, 10) : 0;
}

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

// spool writes the event to a file of RUNDIR/hooks whose name sorts by time. A reader never sees
// half of one: it has its name only when it is whole.
static void spool(const char *id)
{
	char text[512], boot[64], temp[256], name[256], monitor[32];
	struct timespec now;
	int fd, len;

	read_text("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	snprintf(monitor, sizeof(monitor), "%d", (int)getppid());
	len = snprintf(text, sizeof(text),
		       "id=%.40s\ntype=%.20s\ntarget=%.20s\nboot=%s\npid=%.20s\nstart=%llu\nmonitor=%s\nmonitor_start=%llu\n",
		       id, env("LXC_HOOK_TYPE"), env("LXC_TARGET"), boot, env("LXC_PID"),
		       start_time(env("LXC_PID")), monitor, start_time(monitor));
	clock_gettime(CLOCK_BOOTTIME, &now);
	snprintf(name, sizeof(name), "hooks/%010lld%09ld.%.40s", (long long)now.tv_sec, now.tv_nsec, id);
	snprintf(temp, sizeof(temp), "hooks/.%d.%.40s", (int)getpid(), id);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	if (write(fd, text, len) == len)
		rename(temp, name);
	else
		unlink(temp);
	close(fd);
}

// poke tells the agent, if it listens and has room; else it looks by itself later.
static void poke(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "hook.sock"};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return;
	sendto(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to));
	close(fd);
}

// guard has nft run what the agent left for an interface that did not exist before this start, on kernels
// where that has to wait for it. liblxc gives up the start if it fails.
static void guard(const char *id)
{
	char path[64];
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "guards/%.40s", id);
	if (strcmp(env("LXC_HOOK_TYPE"), "start-host") || access(path, F_OK))
		return;
	pid = fork();
	if (pid == 0) {
		execl("/usr/sbin/nft", "nft", "-f", path, NULL);
		execl("/usr/bin/nft", "nft", "-f", path, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		_exit(1);
}

// attach has lodge-lxc, which lies beside this program, give the container its devices before its init
// runs: liblxc waits for it, and gives up the start if it fails. Interfaces are among them, so it comes
// before guard.
static void attach(char **argv)
{
	char list[64], path[4096], *args[] = {"lodge-lxc", "hook", argv[1], argv[2], NULL};
	int status;
	ssize_t n;
	pid_t pid;

	snprintf(list, sizeof(list), "devices/%.40s", argv[2]);
	if (strcmp(env("LXC_HOOK_TYPE"), "start-host") || access(list, F_OK))
		return;
	n = readlink("/proc/self/exe", path, sizeof(path) - sizeof("lodge-lxc"));
	if (n > 0) {
		path[n] = '\0';
		strcpy(strrchr(path, '/') + 1, "lodge-lxc");
		pid = fork();
		if (pid == 0) {
			execv(path, args);
			_exit(127);
		}
		if (pid > 0 && waitpid(pid, &status, 0) == pid && !status)
			return;
	}
	_exit(1);
}

__attribute__((constructor)) static void lodge_hook(int argc, char **argv)
{
	// The socket is addressed from within RUNDIR, as an address has room for 107 characters.
	if (argc >= 3 && !strchr(argv[2], '/') && chdir(argv[1]) == 0) {
		spool(argv[2]);
		poke();
		attach(argv);
		guard(argv[2]);
	}
	_exit(0);
}
