package liblxc_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"lodge/manager/session/sessiontest"
	"lodge/manager/session/stream"
)

// attached is the spec of a session that lives with its client.
func attached(s stream.Spec) stream.Spec {
	s.Tail.Attached, s.Stdin, s.Script = true, true, true
	return s
}

func TestAttachedWaitsForOutput(t *testing.T) {
	b := sessiontest.NewBox(t)
	exit, out, _ := run(t, b, attached(stream.Spec{Command: []string{"(sleep 1; echo late) & echo early; exit 4"}}), nil)
	if exit.Code != 4 || out != "early\nlate\n" {
		t.Errorf("%+v, %q", exit, out)
	}
}

func TestScriptIsTheShellsToQuote(t *testing.T) {
	b := sessiontest.NewBox(t)
	line := `printf '%s|' "$0" 'a b' "it's" $(echo c) 'ü
'`
	_, out, _ := run(t, b, attached(stream.Spec{Command: []string{line}}), nil)
	if want := "sh|a b|it's|c|ü\n|"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
}

func TestAttachedEndsWithItsClient(t *testing.T) {
	b := sessiontest.NewBox(t)
	for what, s := range map[string]stream.Spec{
		"a terminal hangs up": attached(stream.Spec{TTY: true, Command: []string{"echo ready; sleep 600"}}),
		"pipes close":         attached(stream.Spec{Command: []string{"echo ready; cat; exec sh -c 'while echo on; do sleep 0.1; done'"}}),
	} {
		t.Run(what, func(t *testing.T) {
			h := open(t, b, s)
			out := &screen{feed: make(chan []byte, 100)}
			client := h.attach()
			ctx, leave := context.WithCancel(context.Background())
			gone := make(chan struct{})
			go func() {
				client.Run(ctx, blocked{}, out, nil, nil)
				close(gone)
			}()
			out.expect(t, "ready")
			began := time.Now()
			leave()
			<-gone
			if o := h.outcome(); o.Exit.Kind != stream.Signalled && o.Exit.Code == 0 {
				t.Errorf("it went on and ended well: %+v after %v", o.Exit, time.Since(began))
			}
			if left := b.Inside(t, "sh", "-c", "ps | grep -E 'sleep 600|echo on' | grep -v grep; true"); strings.TrimSpace(left) != "" {
				t.Errorf("left over:\n%s", left)
			}
		})
	}
}

// blocked is an input nobody types on.
type blocked struct{}

func (blocked) Read([]byte) (int, error) { select {} }
