package audit

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"lodge/inventory"
)

const (
	// floodLimit is how many records of one caller are kept one by one in a window.
	floodLimit  = 10
	floodWindow = time.Minute
	// floodCallers bounds what is remembered; what else comes is counted together.
	floodCallers = 1000
)

// A Flood keeps whoever is refused over and over from filling the journal: of each caller and verb the
// first ten records a minute are written, and the rest become one with a count. Nothing is uncounted,
// but a crash loses the counts of the present minute. The zero value is ready.
type Flood struct {
	mu      sync.Mutex
	callers map[caller]*window
}

type caller struct{ name, from, verb string }

type window struct {
	began  time.Time
	passed int
	more   inventory.Record
}

// Add returns whether the record is to be written as it is; if not it is counted.
func (f *Flood) Add(r inventory.Record) (write bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.callers == nil {
		f.callers = map[caller]*window{}
	}
	key := caller{r.Principal.Name, r.Principal.From, r.Verb}
	if f.callers[key] == nil && len(f.callers) >= floodCallers {
		key = caller{}
	}
	w := f.callers[key]
	if w == nil {
		w = &window{began: r.At}
		f.callers[key] = w
	}
	if w.passed < floodLimit && key != (caller{}) {
		w.passed++
		return true
	}
	w.count(r, key == (caller{}))
	return false
}

// count adds a record to those that are told as one. What differs between them is left out.
func (w *window) count(r inventory.Record, mixed bool) {
	if w.more.Count == nil {
		w.more = r
		w.more.ID, w.more.Count = "", &inventory.RecordCount{First: r.At, Last: r.At}
		if mixed {
			w.more.Principal = inventory.Principal{Name: "many", Kind: r.Principal.Kind, Proof: r.Principal.Proof, From: r.Principal.From}
		}
	}
	m := &w.more
	m.Count.Times++
	m.At, m.Count.Last = r.At, r.At
	for _, s := range []struct{ have, next *string }{{&m.Subject, &r.Subject}, {&m.Name, &r.Name}, {&m.Project, &r.Project},
		{&m.Reason, &r.Reason}, {&m.Ticket, &r.Ticket}, {&m.Plan, &r.Plan}} {
		if *s.have != *s.next {
			*s.have = ""
		}
	}
	m.Result = fmt.Sprintf("%d more in %s, the last: %s", m.Count.Times, r.At.Sub(m.Count.First).Round(time.Second), r.Result)
}

// Due returns the counts of the windows that have ended, to be written; with all set those of every
// window. A clock that goes back ends them as well.
func (f *Flood) Due(now time.Time, all bool) (out []inventory.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, w := range f.callers {
		if age := now.Sub(w.began); all || age >= floodWindow || age < 0 {
			if w.more.Count != nil {
				out = append(out, w.more)
			}
			delete(f.callers, key)
		}
	}
	slices.SortFunc(out, func(a, b inventory.Record) int {
		return cmp.Or(a.Count.First.Compare(b.Count.First), cmp.Compare(a.Verb, b.Verb))
	})
	return out
}
