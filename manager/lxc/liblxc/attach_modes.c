/* Modes of a terminal as SSH has them: RFC 4254 8, RFC 8160 for IUTF8. */
#define _GNU_SOURCE
#include "attach.h"

#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/* Where each character is, by its number on the wire; 0 ends it, and stands for none of Linux's. */
static const struct { unsigned char wire, place; } characters[] = {
	{1, VINTR}, {2, VQUIT}, {3, VERASE}, {4, VKILL}, {5, VEOF}, {6, VEOL}, {7, VEOL2}, {8, VSTART},
	{9, VSTOP}, {10, VSUSP}, {12, VREPRINT}, {13, VWERASE}, {14, VLNEXT}, {16, VSWTC}, {18, VDISCARD},
};

enum word { INPUT, LOCAL, OUTPUT, CONTROL };

static const struct { unsigned char wire; enum word word; tcflag_t flag; } flags[] = {
	{30, INPUT, IGNPAR}, {31, INPUT, PARMRK}, {32, INPUT, INPCK}, {33, INPUT, ISTRIP}, {34, INPUT, INLCR},
	{35, INPUT, IGNCR}, {36, INPUT, ICRNL}, {37, INPUT, IUCLC}, {38, INPUT, IXON}, {39, INPUT, IXANY},
	{40, INPUT, IXOFF}, {41, INPUT, IMAXBEL}, {42, INPUT, IUTF8},
	{50, LOCAL, ISIG}, {51, LOCAL, ICANON}, {52, LOCAL, XCASE}, {53, LOCAL, ECHO}, {54, LOCAL, ECHOE},
	{55, LOCAL, ECHOK}, {56, LOCAL, ECHONL}, {57, LOCAL, NOFLSH}, {58, LOCAL, TOSTOP}, {59, LOCAL, IEXTEN},
	{60, LOCAL, ECHOCTL}, {61, LOCAL, ECHOKE}, {62, LOCAL, PENDIN},
	{70, OUTPUT, OPOST}, {71, OUTPUT, OLCUC}, {72, OUTPUT, ONLCR}, {73, OUTPUT, OCRNL}, {74, OUTPUT, ONOCR},
	{75, OUTPUT, ONLRET},
	{90, CONTROL, CS7}, {91, CONTROL, CS8}, {92, CONTROL, PARENB}, {93, CONTROL, PARODD},
};

static void set(struct termios *t, unsigned long wire, unsigned long value)
{
	tcflag_t *words[] = {&t->c_iflag, &t->c_lflag, &t->c_oflag, &t->c_cflag};

	for (size_t i = 0; i < sizeof(characters) / sizeof(*characters); i++)
		if (characters[i].wire == wire) /* 255 is none (RFC 4254 8) */
			t->c_cc[characters[i].place] = value == 255 ? _POSIX_VDISABLE : value;
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		if (flags[i].wire != wire)
			continue;
		if (value)
			*words[flags[i].word] |= flags[i].flag;
		else
			*words[flags[i].word] &= ~flags[i].flag;
	}
}

void lodge_set_modes(struct termios *t, const char *modes)
{
	char *end;

	while (*modes) {
		unsigned long wire = strtoul(modes, &end, 10), value;
		if (*end != '=')
			return;
		value = strtoul(end + 1, &end, 10);
		set(t, wire, value);
		if (*end != ',')
			return;
		modes = end + 1;
	}
}
