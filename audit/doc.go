// Package audit keeps the journal of everything that was asked of a host: each intent, refusal,
// outcome and fact, in the order it became durable, so that an outsider can tell later whether
// anything was changed, removed or added.
//
// # What is promised
//
// A record for which [Journal.Append] returned nil is on disk: it survives the death of the agent
// and of the machine. Append never drops a record silently; when the disk is full or broken it
// returns inventory.ErrUnavailable, and whoever asked has to refuse what was to be recorded. The
// reverse is not promised: a record whose Append failed may still be found later.
//
// # How it is kept
//
// Records are the leaves of a Merkle tree (RFC 6962). They lie in frames, in segment files to which
// is only ever added. Every batch ends in a checkpoint: a signed note (C2SP) of how many records
// there are and of the root over them, which also covers all bytes of its segment before it. The
// newest one is kept in a file besides; without it the end could be cut off unnoticed. FORMAT.md
// has every byte.
//
// # What it can't show by itself
//
// Who holds the audit key can write a journal that verifies. Who can write to the folder can put
// back an older copy of the whole folder. Both are found only by comparing with a checkpoint that
// was copied elsewhere before: see [VerifyOptions.Checkpoints]. What takes records and checkpoints
// elsewhere reads them with [Journal.After] and [Journal.Latest].
//
// The package knows no database, no HTTP and no Linux: verifying has to work on any laptop.
package audit
