#ifndef LODGE_USERNS_H
#define LODGE_USERNS_H

/* Returns an open user namespace that maps count ids from 0 onto the host's from base, or -errno. */
int lodge_userns(unsigned base, unsigned count);

#endif
