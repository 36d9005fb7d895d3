// Package account gives people accounts of their own in containers. Who comes in as themselves, and has
// none there, has one made: called as they are, with a uid that is theirs alone in every container, a
// group and a home, and no password. When nothing lets them in there any more it is locked, and stays
// with all its files; when they come back it is theirs again.
//
// An account is Lodge's where a row of the store says that it was made in that very container. A clone
// and what was made from an image have none, and an account that people inside made is never touched.
//
// The row is durable before the container is changed, so a crash leaves an account that is finished at the
// next login; every change has its intent in the journal before, and its outcome after. The agent never
// reads what a container wrote: lodge-lxc does, in the container (package guest).
package account
