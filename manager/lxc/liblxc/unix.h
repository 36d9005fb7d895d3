/* What the constructor for "lodge-lxc unix" leaves for Go. */
#ifndef LODGE_UNIX_H
#define LODGE_UNIX_H

struct lodge_unix {
	int ready;       /* this process serves one Unix socket */
	char error[512]; /* why the container was not entered; empty: all is well */
};
extern struct lodge_unix lodge_unix;

#endif
