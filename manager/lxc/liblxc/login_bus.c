/* org.freedesktop.login1.Manager.CreateSession, as pam_systemd(8) calls it, over the container's own
 * bus. The wire format is that of the D-Bus specification; only what this one call needs is here. */
#define _GNU_SOURCE
#include "login.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SYSTEM_BUS "/run/dbus/system_bus_socket"

/* By this pam_systemd knows that logind runs. Without it the bus would start one, or wait for it. */
#define LOGIND_RUNS "/run/systemd/seats"

enum { METHOD_CALL = 1, METHOD_RETURN = 2, METHOD_ERROR = 3 };
enum { PATH = 1, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE };
enum { SERIAL_HELLO = 1, SERIAL_CREATE = 2 };

/* A message being written; too long a one is left unsent. */
struct out {
	unsigned char data[4096];
	size_t size;
	int full;
};

static void put(struct out *o, const void *bytes, size_t n)
{
	if (n > sizeof(o->data) - o->size) {
		o->full = 1;
		return;
	}
	memcpy(o->data + o->size, bytes, n);
	o->size += n;
}

/* Alignment counts from the start of the message, which is at base. */
static void align(struct out *o, size_t base, size_t to)
{
	while (!o->full && (o->size - base) % to)
		put(o, "", 1);
}

static void put_number(struct out *o, size_t base, uint32_t n)
{
	align(o, base, 4);
	put(o, &n, sizeof(n));
}

static void put_text(struct out *o, size_t base, const char *s)
{
	put_number(o, base, strlen(s));
	put(o, s, strlen(s) + 1);
}

static void put_field(struct out *o, size_t base, unsigned char code, char type, const char *value)
{
	unsigned char length = strlen(value);

	align(o, base, 8);
	put(o, (unsigned char[]){code, 1, type, 0}, 4);
	if (type != 'g') {
		put_text(o, base, value);
		return;
	}
	put(o, &length, 1);
	put(o, value, length + 1);
}

struct call {
	const char *destination, *path, *interface, *member, *signature;
	uint32_t serial;
};

/* begin_call writes a header; end_call, after the body, the lengths in it. */
static size_t begin_call(struct out *o, const struct call *c, size_t base)
{
	uint32_t length;
	size_t fields = base + 16;

	put(o, (unsigned char[]){'l', METHOD_CALL, 0, 1}, 4);
	put_number(o, base, 0);
	put_number(o, base, c->serial);
	put_number(o, base, 0);
	put_field(o, base, PATH, 'o', c->path);
	put_field(o, base, INTERFACE, 's', c->interface);
	put_field(o, base, MEMBER, 's', c->member);
	put_field(o, base, DESTINATION, 's', c->destination);
	if (c->signature)
		put_field(o, base, SIGNATURE, 'g', c->signature);
	length = o->size - fields;
	if (!o->full)
		memcpy(o->data + base + 12, &length, sizeof(length));
	align(o, base, 8);
	return o->size;
}

static void end_call(struct out *o, size_t base, size_t body)
{
	uint32_t length = o->size - body;

	if (!o->full)
		memcpy(o->data + base + 4, &length, sizeof(length));
}

static void put_hello(struct out *o)
{
	static const struct call hello = {.destination = "org.freedesktop.DBus", .path = "/org/freedesktop/DBus",
		.interface = "org.freedesktop.DBus", .member = "Hello", .serial = SERIAL_HELLO};
	size_t base = o->size;

	end_call(o, base, begin_call(o, &hello, base));
}

static void put_create(struct out *o, const struct lodge_login *l)
{
	static const struct call create = {.destination = "org.freedesktop.login1", .path = "/org/freedesktop/login1",
		.interface = "org.freedesktop.login1.Manager", .member = "CreateSession",
		.signature = "uusssssussbssa(sv)", .serial = SERIAL_CREATE};
	size_t base = o->size, body = begin_call(o, &create, base);

	put_number(o, base, l->uid);
	put_number(o, base, getpid());
	put_text(o, base, "lodge");
	put_text(o, base, *l->line ? "tty" : "unspecified");
	put_text(o, base, "user");
	put_text(o, base, ""); /* desktop */
	put_text(o, base, ""); /* seat */
	put_number(o, base, 0);
	put_text(o, base, l->line);
	put_text(o, base, ""); /* display */
	put_number(o, base, *l->from != 0);
	put_text(o, base, l->who);
	put_text(o, base, l->from);
	put_number(o, base, 0); /* no properties; the array's elements begin at 8 even so */
	align(o, base, 8);
	end_call(o, base, body);
}

int lodge_bus_ask(struct lodge_bus *bus, const struct lodge_login *login)
{
	/* What is certain to be agreed to need not be waited for (sd-bus does the same). "30" is "0",
	 * our uid: the server looks who we are by itself. */
	static const char greeting[] = "\0AUTH EXTERNAL 30\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SYSTEM_BUS};
	struct out call = {.size = 0}, hello = {.size = 0};
	struct iovec parts[] = {{(void *)greeting, sizeof(greeting) - 1}, {hello.data, 0}, {call.data, 0}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};

	bus->fd = bus->fifo = -1;
	bus->ready = 0;
	bus->have = 0;
	if (access(LOGIND_RUNS, F_OK) < 0)
		return -1;
	put_hello(&hello);
	put_create(&call, login);
	parts[1].iov_len = hello.size;
	parts[2].iov_len = call.size;
	bus->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bus->fd < 0)
		return -1;
	if (!call.full && connect(bus->fd, (void *)&address, sizeof(address)) == 0 &&
	    sendmsg(bus->fd, &message, MSG_NOSIGNAL) == (ssize_t)(sizeof(greeting) - 1 + hello.size + call.size))
		return 0;
	close(bus->fd);
	bus->fd = -1;
	return -1;
}

/* keep_fifo keeps the first descriptor that is a pipe, and lets go of the rest. Asking for the size of
 * a pipe asks nobody else: what came may be a file of a file system that the container serves. */
static void keep_fifo(struct lodge_bus *bus, struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
			int fd;
			memcpy(&fd, (char *)c + at, sizeof(fd));
			if (bus->fifo < 0 && fcntl(fd, F_GETPIPE_SZ) >= 0)
				bus->fifo = fd;
			else
				close(fd);
		}
	}
}

/* A message being read. Every access is checked against its end. */
struct in {
	const unsigned char *data;
	size_t at, size;
	int bad;
};

static const unsigned char *take(struct in *i, size_t alignment, size_t n)
{
	const unsigned char *p;

	while (i->at % alignment)
		i->at++;
	if (i->bad || i->at > i->size || n > i->size - i->at) {
		i->bad = 1;
		return NULL;
	}
	p = i->data + i->at;
	i->at += n;
	return p;
}

static uint32_t take_number(struct in *i)
{
	const unsigned char *p = take(i, 4, 4);
	uint32_t n = 0;

	if (p)
		memcpy(&n, p, sizeof(n));
	return n;
}

/* take_text returns a string that ends where it says, "" for any other. */
static const char *take_text(struct in *i, size_t length)
{
	const unsigned char *p = length < 4096 ? take(i, 1, length + 1) : NULL;

	if (!p || memchr(p, 0, length + 1) != p + length) {
		i->bad = 1;
		return "";
	}
	return (const char *)p;
}

static const char *take_signature(struct in *i)
{
	const unsigned char *length = take(i, 1, 1);

	return length ? take_text(i, *length) : "";
}

struct header {
	unsigned char type;
	uint32_t reply_to;
	const char *signature;
};

/* read_fields reads an array of (code, value); the types that stand in headers are all there are. */
static void read_fields(struct in *i, size_t end, struct header *h)
{
	while (!i->bad && i->at < end) {
		const unsigned char *code = take(i, 8, 1);
		const char *type = take_signature(i), *text = "";
		uint32_t number = 0;
		if (!strcmp(type, "u"))
			number = take_number(i);
		else if (!strcmp(type, "g"))
			text = take_signature(i);
		else if (!strcmp(type, "s") || !strcmp(type, "o"))
			text = take_text(i, take_number(i));
		else
			i->bad = 1;
		if (i->bad)
			return;
		if (*code == REPLY_SERIAL)
			h->reply_to = number;
		if (*code == SIGNATURE)
			h->signature = text;
	}
}

/* sized is the length of the message at the start of what came: 0 while that can't be told, -1 if
 * it is none, or longer than any we wait for. */
static ssize_t sized(const struct lodge_bus *bus)
{
	struct in i = {.data = bus->in, .at = 4, .size = 16};
	uint32_t body, fields;

	if (bus->have < 16)
		return 0;
	if (bus->in[0] != 'l' || bus->in[3] != 1)
		return -1;
	body = take_number(&i);
	take_number(&i);
	fields = take_number(&i);
	if (body > sizeof(bus->in) / 4 || fields > sizeof(bus->in) / 4)
		return -1;
	return 16 + ((fields + 7) & ~7u) + body;
}

static int is_id(const char *s)
{
	size_t n = strlen(s);

	for (const char *c = s; *c; c++)
		if (!isalnum((unsigned char)*c))
			return 0;
	return n > 0 && n < sizeof(((struct lodge_seat *)0)->id);
}

static int is_runtime(const char *s)
{
	for (const char *c = s; *c; c++)
		if (iscntrl((unsigned char)*c))
			return 0;
	return *s == '/' && strlen(s) < sizeof(((struct lodge_seat *)0)->runtime);
}

/* read_message reads one whole message: 1 if it holds the session, -1 if it refuses one, 0 if it is
 * about something else. */
static int read_message(const unsigned char *data, size_t size, struct lodge_seat *seat)
{
	struct in i = {.data = data, .at = 12, .size = size};
	struct header h = {.type = data[1], .signature = ""};
	const char *id, *runtime;

	read_fields(&i, 16 + take_number(&i), &h);
	if (i.bad)
		return -1;
	if (h.reply_to == SERIAL_HELLO && h.type == METHOD_ERROR)
		return -1;
	if (h.reply_to != SERIAL_CREATE)
		return 0;
	if (h.type != METHOD_RETURN || strncmp(h.signature, "sos", 3))
		return -1;
	take(&i, 8, 0);
	id = take_text(&i, take_number(&i));
	take_text(&i, take_number(&i)); /* path of its object */
	runtime = take_text(&i, take_number(&i));
	if (i.bad || !is_id(id))
		return -1;
	strcpy(seat->id, id);
	if (is_runtime(runtime))
		strcpy(seat->runtime, runtime);
	return 1;
}

static void drop(struct lodge_bus *bus, size_t n)
{
	bus->have -= n;
	memmove(bus->in, bus->in + n, bus->have);
}

/* greeted reads the two lines of the server's: 1 when both are there, -1 if they are others. */
static int greeted(struct lodge_bus *bus)
{
	unsigned char *one = memmem(bus->in, bus->have, "\r\n", 2), *two;

	if (!one)
		return bus->have > 512 ? -1 : 0;
	if (memcmp(bus->in, "OK ", 3))
		return -1;
	one += 2;
	two = memmem(one, bus->have - (one - bus->in), "\r\n", 2);
	if (!two)
		return bus->have > 1024 ? -1 : 0;
	if (two - one != 13 || memcmp(one, "AGREE_UNIX_FD", 13))
		return -1;
	drop(bus, two + 2 - bus->in);
	return 1;
}

static int understand(struct lodge_bus *bus, struct lodge_seat *seat)
{
	int result = 0;

	if (!bus->ready && (bus->ready = greeted(bus)) != 1)
		return bus->ready;
	while (result == 0) {
		ssize_t n = sized(bus);
		if (n < 0)
			return -1;
		if (n == 0 || bus->have < (size_t)n)
			return 0;
		result = read_message(bus->in, n, seat);
		drop(bus, n);
	}
	return result;
}

int lodge_bus_hear(struct lodge_bus *bus, struct lodge_seat *seat)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))];
	struct iovec room = {bus->in + bus->have, sizeof(bus->in) - bus->have};
	struct msghdr message = {.msg_iov = &room, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(bus->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	keep_fifo(bus, &message);
	if (n == 0)
		return -1;
	bus->have += n;
	return understand(bus, seat);
}
