package session_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"lodge/inventory"
	"lodge/manager/session/sessiontest"
	"lodge/manager/session/stream"
)

func TestManyAtOnce(t *testing.T) {
	w, s := newWorld(t)
	var group sync.WaitGroup
	for n := range 40 {
		group.Go(func() {
			ctx := sessiontest.Caller("ann")
			opened, err := s.Open(ctx, request("container.exec", inventory.SessionArgs{Command: []string{"sh", "-c", fmt.Sprintf("echo %d; exit %d", n, n)}}))
			if err != nil {
				t.Errorf("%d: %v", n, err)
				return
			}
			conn, err := s.Attach(ctx, opened.ID, false)
			if err != nil {
				t.Errorf("%d: %v", n, err)
				return
			}
			var out bytes.Buffer
			exit, err := stream.Dial(conn).Run(ctx, nil, &out, nil, nil)
			if err != nil || exit.Code != n || out.String() != fmt.Sprintf("%d\n", n) {
				t.Errorf("%d: %+v, %v, %q", n, exit, err, out.String())
			}
			if r := w.Outcome(t, opened.ID); r.Result != fmt.Sprintf("exited %d", n) {
				t.Errorf("%d: outcome %q", n, r.Result)
			}
		})
	}
	group.Wait()
}
