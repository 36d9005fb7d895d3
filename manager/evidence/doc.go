// Package evidence writes what an auditor asks of one container: who it was and whose, what was changed,
// planned and approved, who could and who did, what was out of the ordinary, and the proof.
//
// Nearly all of it is read from the audit journal, so it outlives the container, and every row names
// the records it rests on; these travel along, in the part of the journal that proves them. A chapter
// is one function ([Chapter]); later capabilities add theirs. Nothing here changes anything but that
// a record says who took evidence away.
package evidence
