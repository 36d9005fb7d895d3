package audit

import (
	"slices"
	"time"
)

// story follows intents, clocks and recordings through the records: what is no fault of the journal's
// bytes, but what an auditor asks next.
type story struct {
	report *Report
	open   map[string]told // intents whose outcome has not come
	// What has had its outcome, in two generations of at most manyEnded: a crash between an operation's
	// outcome and its last row makes the next agent tell it once more, soon after.
	ended, endedBefore map[string]bool

	clock  clock
	jumped time.Duration // how far the clock was set since the last checkpoint
	heard  bool          // that a record since then has told
	signed time.Time     // when that was signed
	gap    *Gap          // before it, until the next record says whether the clock was set

	recordings []recorded
	expired    map[string]bool // files that were deleted when their time was up
}

// told is an intent; two that are joined by the same id, as two who end one session, have two outcomes.
type told struct {
	seq   int64
	times int
}

const manyEnded = 1 << 16

func newStory(r *Report) story {
	return story{report: r, open: map[string]told{}, ended: map[string]bool{}, expired: map[string]bool{}}
}

func (s *story) tell(o outline) {
	r := s.report
	if r.First == 0 {
		r.First = o.seq
	}
	r.Records++
	r.Last = max(r.Last, o.seq)
	s.pair(o)
	s.recording(o.seq, o)
	jump := s.clock.tell(r, o)
	s.settle(jump)
	s.jumped, s.heard = s.jumped+jump, s.heard || o.mono > 0
}

// pair joins an intent and its outcome. An operation is one story, whichever verb tells of it; a
// session is in several: it is opened, and somebody else may end it.
func (s *story) pair(o outline) {
	key := o.operation
	if o.session != "" {
		key += o.verb + " " + o.session
	}
	if key == "" {
		return
	}
	t, open := s.open[key]
	switch {
	case o.kind == "intent" && !open:
		s.open[key] = told{o.seq, 1}
	case o.kind == "intent":
		s.open[key] = told{t.seq, t.times + 1}
	case o.kind != "outcome":
	case open && t.times > 1:
		s.open[key] = told{t.seq, t.times - 1}
	case open:
		delete(s.open, key)
		s.end(key)
	case s.ended[key] || s.endedBefore[key]:
	case s.report.First == 1: // else the intent may lie before
		s.report.UnannouncedCount++
		if len(s.report.Unannounced) < MaxProblems {
			s.report.Unannounced = append(s.report.Unannounced, o.seq)
		}
	}
}

func (s *story) end(key string) {
	if len(s.ended) >= manyEnded {
		s.ended, s.endedBefore = map[string]bool{}, s.ended
	}
	s.ended[key] = true
}

// sum puts what is unpaired into the report.
func (s *story) sum() {
	r := s.report
	s.settle(0)
	r.Open, r.OpenCount = nil, len(s.open)
	for _, t := range s.open {
		r.Open = append(r.Open, t.seq)
	}
	slices.Sort(r.Open)
	r.Open = r.Open[:min(len(r.Open), MaxProblems)]
}

// pause is how long a journal may go without a checkpoint before it is worth a word: an agent at work
// signs one every ten minutes, unless it is told otherwise.
const pause = 2 * defaultHeartbeat

// sign notes that nothing was signed for long after record seq: no agent was at work, or one was kept
// from it. Behind a checkpoint without records a clock that was set forward looks the same, until the next
// record tells of it.
func (s *story) sign(at time.Time, seq int64) {
	if gap := at.Sub(s.signed) - s.jumped; !s.signed.IsZero() && gap > pause {
		s.settle(0)
		s.gap = &Gap{After: seq, From: s.signed, To: at}
		if s.heard {
			s.settle(0)
		}
	}
	s.signed, s.jumped, s.heard = at, 0, false
}

// settle reports the last gap, if it is one without the clock's jump.
func (s *story) settle(jump time.Duration) {
	g := s.gap
	if s.gap = nil; g == nil || g.To.Sub(g.From)-jump <= pause {
		return
	}
	s.report.GapCount++
	if len(s.report.Gaps) < MaxProblems {
		s.report.Gaps = append(s.report.Gaps, *g)
	}
}

// clock compares the time of records with that since the boot, which nobody can set: their distance
// stays the same until the host's clock is set.
type clock struct {
	boot string
	zero time.Time // what the clock would have said at the boot
}

// clockJump is what passes for the moment between two looks at a clock.
const clockJump = 2 * time.Second

// tell returns by how much the clock was set before the record.
func (c *clock) tell(r *Report, o outline) (jump time.Duration) {
	if o.boot == "" || o.mono == 0 {
		return 0
	}
	zero := o.at.Add(-time.Duration(o.mono))
	if jump = zero.Sub(c.zero); o.boot != c.boot || max(jump, -jump) <= clockJump {
		jump = 0
	}
	if jump != 0 {
		direction := "forward"
		if jump < 0 {
			direction = "back"
		}
		r.note("the host's clock was set %s by %s before record %d", direction, max(jump, -jump).Round(time.Second), o.seq)
	}
	c.boot, c.zero = o.boot, zero
	return jump
}
