// Package guest edits the accounts of a container's root file system: passwd(5), shadow(5) and
// group(5), and the home of an account.
//
// All it reads was written by the container. A file is read to a bound, and only where it is a regular
// file that no link leads to; a line that is not ours is kept byte for byte, whatever it says. Changes
// are made under the lock that shadow's programs take (lckpwdf(3)) and by renaming a whole file, which
// keeps owner and mode: who reads inside sees the old file or the new one.
//
// An account is Lodge's only where the caller says that Lodge made it in this container, and the one
// line of that name has the uid Lodge gave it. Nothing else is ever changed.
package guest
