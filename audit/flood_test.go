package audit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lodge/audit"
	"lodge/inventory"
)

// TestFlood: whoever is refused too often is counted, others are not touched, and every refusal is
// told of once.
func TestFlood(t *testing.T) {
	var f audit.Flood
	refusal := func(by, name string, second int) inventory.Record {
		return inventory.Record{At: start.Add(time.Duration(second) * time.Second), Kind: inventory.RecordRefusal, Verb: "container.start",
			Principal: inventory.Principal{Name: by, From: "unix"}, Name: name, Project: "default", Result: "no"}
	}
	written := int64(0)
	for n := range 500 {
		if f.Add(refusal("mallory", fmt.Sprint("web", n), n/10)) {
			written++
		}
	}
	if !f.Add(refusal("alice", "web1", 50)) {
		t.Error("somebody else's refusal is not written")
	}
	if got := f.Due(start.Add(40*time.Second), false); len(got) != 0 {
		t.Errorf("before the window ends: %v", got)
	}
	got := f.Due(start.Add(61*time.Second), false)
	if len(got) != 1 || got[0].Count.Times+written != 500 || written != 10 {
		t.Fatalf("%d written, then %+v", written, got)
	}
	r := got[0]
	if r.Name != "" || r.Project != "default" || r.Principal.Name != "mallory" || !strings.HasPrefix(r.Result, "490 more in 48s") ||
		!r.Count.Last.Equal(start.Add(49*time.Second)) {
		t.Errorf("told as %+v, %+v", r, r.Count)
	}
	if !f.Add(refusal("mallory", "web1", 70)) {
		t.Error("a new window begins with a count")
	}
	for n := range 3000 { // more names than are remembered
		if f.Add(refusal(fmt.Sprint("m", n), "web1", 71)) {
			written++
		}
	}
	total := int64(0)
	for _, r := range f.Due(start, true) {
		total += r.Count.Times
	}
	if total+written != 3010 || written > 1010 {
		t.Errorf("%d counted, %d written", total, written)
	}
}
