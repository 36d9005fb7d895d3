package systemd

import "github.com/coreos/go-systemd/v22/journal"

// Journald is systemd's journal, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL).
type Journald struct{}

// Send returns when journald's socket took the entry; an entry that is too long for a datagram goes as a
// file. Nobody tells whether journald keeps it. An error where there is no journald.
func (Journald) Send(message string, priority int, fields map[string]string) error {
	return journal.Send(message, journal.Priority(priority), fields)
}
