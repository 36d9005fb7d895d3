package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"lodge/inventory"
)

// VerbArchive is the verb of the record that says which segments were taken away.
const VerbArchive = "audit.archive"

// ArchiveName is the folder below the journal's that archived segments are moved to.
const ArchiveName = "archive"

// Archived is what the record of an archiving says. What is left verifies without the segments, since
// each header holds the edge of the tree before it; with them put back, all of it does.
type Archived struct {
	Last     int64             `json:"last"` // every record up to this one
	Segments []ArchivedSegment `json:"segments"`
}

// ArchivedSegment names a file that was moved.
type ArchivedSegment struct {
	File   string `json:"file"`
	First  int64  `json:"first"`
	Last   int64  `json:"last"`
	Bytes  int64  `json:"bytes"`
	SHA256 Digest `json:"sha256"`
}

// Archive moves the sealed segments whose records are all older than before to the folder archive,
// and says how many. The record of it is durable before anything is moved; what a crash left
// unmoved, the next call moves.
func (j *Journal) Archive(ctx context.Context, by inventory.Principal, before time.Time) (int, error) {
	old := j.older(before)
	if len(old) == 0 {
		return 0, nil
	}
	a := Archived{Last: old[len(old)-1].last}
	for i, s := range old {
		next := a.Last + 1
		if i+1 < len(old) {
			next = old[i+1].first
		}
		h, err := readHeader(j.dir, next) // it says what the one before holds
		if err != nil || h.Prev == nil {
			return 0, fmt.Errorf("archive segments of the audit journal: %w", err)
		}
		a.Segments = append(a.Segments, ArchivedSegment{s.name(), s.first, s.last, h.Prev.Bytes, h.Prev.SHA256})
	}
	detail, _ := json.Marshal(a)
	_, err := j.Append(ctx, inventory.Record{Kind: inventory.RecordFact, Verb: VerbArchive, Principal: by,
		Subject: "audit", Result: fmt.Sprintf("records 1 to %d are in the archive", a.Last), Detail: detail})
	if err != nil {
		return 0, err
	}
	return len(old), j.move(old)
}

// older returns the segments at the beginning that are older, never the open one.
func (j *Journal) older(before time.Time) (old []segment) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.index[:len(j.index)-1] {
		if !s.times.to.Before(before) {
			break
		}
		old = append(old, s)
	}
	return old
}

func (j *Journal) move(old []segment) error {
	to := filepath.Join(j.dir, ArchiveName)
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	j.mu.Lock()
	j.index = j.index[len(old):]
	j.mu.Unlock()
	for _, s := range old {
		if err := os.Rename(filepath.Join(j.dir, s.name()), filepath.Join(to, s.name())); err != nil {
			return err
		}
	}
	if err := syncDir(to); err != nil {
		return err
	}
	return syncDir(j.dir)
}
