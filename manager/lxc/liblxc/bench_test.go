package liblxc_test

import (
	"context"
	"os/exec"
	"testing"

	"lodge/manager/session/sessiontest"
	"lodge/manager/session/stream"
)

// TestExecCost shows what a session costs beside raw lxc-attach. It judges nothing: clocks on a
// shared machine don't.
func TestExecCost(t *testing.T) {
	b := sessiontest.NewBox(t)
	const rounds = 20
	began := now()
	for range rounds {
		sessiontest.Must(t, exec.Command("lxc-attach", "-P", b.LXCPath, "-n", b.Name, "--", "true").Run())
	}
	raw := now().Sub(began) / rounds
	began = now()
	for range rounds {
		h := open(t, b, stream.Spec{Command: []string{"true"}})
		_, err := h.attach().Run(context.Background(), nil, nil, nil, nil)
		sessiontest.Must(t, err)
	}
	t.Logf("true: lxc-attach %v, session %v", raw, now().Sub(began)/rounds)
}
