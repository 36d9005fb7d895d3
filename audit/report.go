package audit

import (
	"fmt"
	"time"
)

// A Fault is a way in which a journal can be wrong.
type Fault string

const (
	FaultFlipped   Fault = "flipped"   // bytes of a line changed, its checksum no longer fits
	FaultRemoved   Fault = "removed"   // a line or a segment is missing with others after it
	FaultSwapped   Fault = "swapped"   // lines or segments stand in another order
	FaultRewritten Fault = "rewritten" // the checksum fits, but others vouch for another content
	FaultForeign   Fault = "foreign"   // a line nobody signed
	FaultTruncated Fault = "truncated" // the end is missing
)

// A Problem is one place where a journal is wrong.
type Problem struct {
	Seq     int64  // the record it concerns
	Segment string // file name within the folder; "head" for the head
	Line    int    // from 1; where the record is or should be, 0 when the file is missing
	Fault   Fault
	Text    string // what is wrong, for a person
}

func (p Problem) String() string {
	return fmt.Sprintf("record %d (%s line %d): %s: %s", p.Seq, p.Segment, p.Line, p.Fault, p.Text)
}

// A Verdict sums up a report.
type Verdict string

const (
	VerdictClean      Verdict = "clean"
	VerdictTampered   Verdict = "tampered"
	VerdictIncomplete Verdict = "incomplete" // nothing is wrong but that the end is missing
)

// A Report is what Verify found.
type Report struct {
	Verdict  Verdict
	Segments int
	Records  int64 // records whose content and place are proved
	First    int64 // seq of the first and the last record seen
	Last     int64
	From, To time.Time // earliest and latest time in a record
	Commits  int64     // signed batches
	Key      string    // fingerprint of the key that the signatures were checked with
	// Pinned says that the caller gave that key. Otherwise it is the one the journal itself
	// names, and its fingerprint has to be compared with the one noted elsewhere.
	Pinned bool
	Head   Head // how far the journal claims to go

	// Problems in the order of the records; the first is the one to look at. What follows from it
	// may be listed as well. At most MaxProblems are kept.
	Problems []Problem
	More     int // problems that were not kept
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

// judge sets the verdict from the problems.
func (r *Report) judge() {
	r.Verdict = VerdictClean
	for _, p := range r.Problems {
		if p.Fault != FaultTruncated {
			r.Verdict = VerdictTampered
			return
		}
		r.Verdict = VerdictIncomplete
	}
}
