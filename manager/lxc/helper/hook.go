package helper

// The constructor of hook.c handles "lodge-lxc hook" before Go begins; importing "C" is what makes
// the file part of this package.

import "C"
