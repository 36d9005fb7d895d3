package sshgate_test

import (
	"context"
	"errors"
	"testing"

	"lodge/inventory"
	"lodge/sshgate/worker"
)

// fullJournal takes nothing while it is full.
type fullJournal struct{ full bool }

func (j *fullJournal) Fact(context.Context, inventory.Record) error {
	if j.full {
		return errors.New("no space left on device")
	}
	return nil
}

// TestUnrecordedIsNobody: who could not be recorded has not signed in, and may not ask for sessions as
// if they had; once the journal takes records again they may, once.
func TestUnrecordedIsNobody(t *testing.T) {
	l := newLab(t)
	j := &fullJournal{full: true}
	g := l.open()
	g.Journal = j
	signIn := g.NewSignIn("unrecorded")
	r := worker.Request{User: "web1", Public: &worker.PublicKey{Type: "ssh-ed25519", Fingerprint: l.user.Keys[0].Fingerprint}}
	for _, c := range []struct {
		what               string
		full, taken, known bool
	}{{"unrecorded", true, false, false}, {"recorded", false, true, true}, {"again", false, false, true}} {
		j.full = c.full
		if taken, known := signIn(t.Context(), r); taken != c.taken || known != c.known {
			t.Errorf("%s: taken %v, somebody's %v", c.what, taken, known)
		}
	}
}
