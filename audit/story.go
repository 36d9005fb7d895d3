package audit

import (
	"time"
)

// story follows intents, clocks and recordings through the records.
type story struct {
	report *Report
	open   map[string]int64
	boot   string
	mono   int64
	at     time.Time

	recordings []recorded
}

func newStory(r *Report) story { return story{report: r, open: map[string]int64{}} }

func (s *story) tell(o outline) {
	r := s.report
	if r.First == 0 {
		r.First = o.seq
	}
	r.Records++
	r.Last = max(r.Last, o.seq)
	if key := o.operation + o.session; key != "" {
		switch o.kind {
		case "intent":
			s.open[key] = o.seq
		case "outcome":
			delete(s.open, key)
		}
	}
	s.recording(o.seq, o.recording)
	if o.boot != "" && o.boot == s.boot && o.mono > s.mono && s.at.Sub(o.at) > time.Second {
		r.note("the host's clock went back by %s before record %d", s.at.Sub(o.at).Round(time.Second), o.seq)
	}
	s.boot, s.mono, s.at = o.boot, o.mono, o.at
}
