#ifndef LODGE_LOCKED_H
#define LODGE_LOCKED_H

/* Returns a descriptor of a copy of the caller's mount namespace that belongs to the user namespace,
 * or a negative errno. */
int lodge_locked_mounts(int userns);

#endif
