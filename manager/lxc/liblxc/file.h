/* What the constructor for "lodge-lxc file" and "lodge-lxc account" leaves for Go. */
#ifndef LODGE_FILE_H
#define LODGE_FILE_H

struct lodge_file {
	int ready;        /* this process serves one access to files or accounts */
	int descriptors;  /* /proc/self/fd, opened before the container's /proc took its place */
	char error[256];  /* why the container was not entered; empty: all is well */
};
extern struct lodge_file lodge_file;

#endif
