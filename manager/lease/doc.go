// Package lease ends what was only lent: a container has two clocks, until when it may run and until
// when it is kept, where somebody asked for one or a project's or the host's settings say so.
//
// The container's row says when each ends; nothing else does. From it the service makes deadlines of
// the principal "lease", a container.stop and a container.delete, which pass the gate like a person's.
// Look compares rows and deadlines and may be called at any time: after a crash, a jump of the clock or
// a restored database it makes what is missing and ends what is not right any more. A clock that has
// ended acts as long as its container has not followed, and never on one that has.
//
// Warnings are rows written with their event, so that none is given twice.
package lease
