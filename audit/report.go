package audit

import (
	"fmt"
	"slices"
	"time"
)

// A Fault is a way in which a journal can be wrong.
type Fault string

const (
	FaultFlipped   Fault = "flipped"   // a frame no longer fits its checksum
	FaultRemoved   Fault = "removed"   // a record or a segment is missing with others after it
	FaultInserted  Fault = "inserted"  // a record that was not there
	FaultDoubled   Fault = "doubled"   // a record stands there twice
	FaultSwapped   Fault = "swapped"   // records or segments stand in another order
	FaultRewritten Fault = "rewritten" // the checksum fits, but what was signed is something else
	FaultForked    Fault = "forked"    // a signed checkpoint tells of another history
	FaultSeal      Fault = "seal"      // a seal does not fit its segment
	FaultKey       Fault = "key"       // a signature is not one of the journal's keys
	FaultRecording Fault = "recording" // a recording is not the one that was recorded
	FaultTruncated Fault = "truncated" // the end is missing
	FaultMissing   Fault = "missing"   // a recording is not there
)

// A Problem is one place where a journal is wrong.
type Problem struct {
	Seq     int64  `json:"seq"`     // the record it concerns
	Segment string `json:"segment"` // file name within the folder
	Offset  int64  `json:"offset"`  // in that file
	Fault   Fault  `json:"fault"`
	Text    string `json:"text"` // what is wrong, for a person

	// acknowledged: records are gone that somebody was told are there. No crash does that.
	acknowledged bool
	crash        bool // a crash leaves the same
}

func (p Problem) String() string {
	return fmt.Sprintf("record %d (%s byte %d): %s: %s", p.Seq, p.Segment, p.Offset, p.Fault, p.Text)
}

// A Verdict sums up a report.
type Verdict string

const (
	VerdictClean      Verdict = "clean"
	VerdictTampered   Verdict = "tampered"
	VerdictIncomplete Verdict = "incomplete" // nothing is wrong but that something is missing
)

// A Report is what Verify found.
type Report struct {
	Verdict     Verdict   `json:"verdict"`
	Origin      string    `json:"origin"`
	Segments    int       `json:"segments"`
	Records     int64     `json:"records"` // whose content and place are proved
	First       int64     `json:"first"`   // number of the first and the last record seen
	Last        int64     `json:"last"`
	From        time.Time `json:"from"` // earliest and latest time in a record
	To          time.Time `json:"to"`
	Checkpoints int64     `json:"checkpoints"` // in the segments
	Key         string    `json:"key"`         // fingerprint of the newest key
	Keys        int       `json:"keys"`        // how many keys there were, each signed by the one before
	// Pinned says that the caller gave one of the keys. Otherwise they are those the journal itself
	// names, and the fingerprint has to be compared with the one noted elsewhere.
	Pinned bool   `json:"pinned"`
	Size   int64  `json:"size"` // of the last checkpoint in the segments
	Root   string `json:"root"` // of that tree, as checkpoints write it
	// Open are the intents without an outcome, the oldest first, at most MaxProblems of them: what
	// runs still, or was never told.
	Open      []int64 `json:"open,omitempty"`
	OpenCount int     `json:"open_count"`
	// Unannounced are outcomes that no intent comes before, at most MaxProblems of them. They are looked
	// for from the journal's first record on only.
	Unannounced      []int64 `json:"unannounced,omitempty"`
	UnannouncedCount int     `json:"unannounced_count"`
	// Gaps are times without a checkpoint, at most MaxProblems of them: no agent was at work, or one was
	// kept from it.
	Gaps     []Gap `json:"gaps,omitempty"`
	GapCount int   `json:"gap_count"`
	// Compared is how many checkpoints that were kept elsewhere fit.
	Compared int `json:"compared"`
	// Documents and Cited are of an evidence folder: files that fit the manifest, and records they rest on.
	Documents int `json:"documents,omitempty"`
	Cited     int `json:"cited,omitempty"`
	// Notes say what is no fault but has to be known.
	Notes []string `json:"notes,omitempty"`

	// Problems in the order of the records; the first is the one to look at. What follows from it
	// may be listed as well. At most MaxProblems are kept.
	Problems []Problem `json:"problems"`
	More     int       `json:"more,omitempty"` // problems that were not kept

	anchored time.Time // of the newest checkpoint that was kept elsewhere
}

// A Gap is a time in which nothing was signed.
type Gap struct {
	After int64     `json:"after"` // the last record before it
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
}

// MaxProblems is how many problems a report lists.
const MaxProblems = 100

// ExitCode is the exit code of 'lodge audit verify': 0 clean, 10 tampered, 11 incomplete.
func (r *Report) ExitCode() int {
	return map[Verdict]int{VerdictClean: 0, VerdictTampered: 10, VerdictIncomplete: 11}[r.Verdict]
}

func (r *Report) add(p Problem) {
	if len(r.Problems) == MaxProblems {
		r.More++
		return
	}
	r.Problems = append(r.Problems, p)
}

const maxNotes = 20

func (r *Report) note(format string, args ...any) {
	if len(r.Notes) < maxNotes {
		r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
	}
}

// Remarks are what is no fault but has to be known, for a person.
func (r *Report) Remarks() []string {
	out := slices.Clone(r.Notes)
	if r.OpenCount > 0 {
		out = append(out, fmt.Sprintf("%d intents have no outcome yet, the first in record %d", r.OpenCount, r.Open[0]))
	}
	if r.UnannouncedCount > 0 {
		out = append(out, fmt.Sprintf("%d outcomes have no intent, the first in record %d", r.UnannouncedCount, r.Unannounced[0]))
	}
	for _, g := range r.Gaps[:min(len(r.Gaps), maxNotes)] {
		out = append(out, fmt.Sprintf("nothing was signed after record %d, from %s to %s: no agent was at work, or it was kept from it",
			g.After, g.From.Format(time.RFC3339), g.To.Format(time.RFC3339)))
	}
	if more := r.GapCount - maxNotes; more > 0 {
		out = append(out, fmt.Sprintf("and %d more such times", more))
	}
	return out
}

// judge sets the verdict from the problems.
func (r *Report) judge() {
	r.Verdict = VerdictClean
	if r.More > 0 {
		r.Verdict = VerdictTampered
	}
	for _, p := range r.Problems {
		if p.Fault != FaultTruncated && p.Fault != FaultMissing {
			r.Verdict = VerdictTampered
			return
		}
		if r.Verdict == VerdictClean {
			r.Verdict = VerdictIncomplete
		}
	}
}

// Limits are what no verifier can know; they belong under every report.
func (r *Report) Limits() []string {
	window := "No checkpoint that was kept elsewhere was compared: whoever holds root on the host and the key can have rewritten all of it."
	if r.Compared > 0 {
		window = fmt.Sprintf("What was recorded after %s, when the last checkpoint that was compared was signed, is proved by the host alone.",
			r.anchored.Format(time.RFC3339))
	}
	return []string{window, "An agent that was taken over can have recorded lies from then on; the journal shows only that nothing was changed afterwards."}
}
