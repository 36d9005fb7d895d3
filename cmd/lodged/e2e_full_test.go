package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lodge/inventory"
	"lodge/web/client"
)

// fill writes a file until there is no room, and returns how much went in.
func fill(path string) (written int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * 7)
	}
	for size := len(block); size >= 4096; size /= 2 {
		for {
			n, werr := f.Write(block[:size])
			written, err = written+int64(n), werr
			if werr != nil {
				break
			}
		}
	}
	f.Sync()
	return written, err
}

// TestPoolFull: what needs room says that there is none and leaves nothing; what gives room back
// works.
func TestPoolFull(t *testing.T) {
	l := newLab(t)
	l.do(l.create(sized("lt-fat", "disk", "1GiB"), true))
	ballast := filepath.Join(l.volume(l.container("lt-fat").ID), "ballast")
	if n, err := fill(ballast); !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		t.Fatalf("%d bytes fit in, then: %v", n, err)
	}
	for what, m := range map[string]mutation{
		"create":   l.create(tiny("lt-more"), true),
		"import":   l.importing("more", tinyImage(t, hasty)),
		"snapshot": l.snapping("lt-fat", "now"),
	} {
		t.Run(what, func(t *testing.T) {
			l.t = t
			before := l.world()
			_, err := l.try(m)
			if err == nil {
				t.Logf("%s found room", what) // metadata has room of its own
				return
			}
			if _, ok := inventory.Kind(err); !ok || strings.Contains(err.Error(), "internal") {
				t.Errorf("no sentence for people: %v", err)
			}
			l.settle()
			l.unchanged(before)
		})
	}
	l.t = t
	if out, code := l.exec("lt-fat", "echo", "hello"); code != 0 {
		t.Errorf("exec on a full pool: %d %s", code, out)
	}
	l.checkClean()
	l.do(power(l.api.Purge, "lt-fat"))
	l.await("there is room again", func() bool { // btrfs gives it back behind
		_, err := l.try(l.create(tiny("lt-again"), true))
		return err == nil
	})
}

// TestHostFull: on a full host file system nothing new begins, with a clear reason, and what runs
// goes on. A purge is recorded, out of the journal's reserve, and works; no record is lost.
func TestHostFull(t *testing.T) {
	l := emptyLab(t, "shipped")
	l.must(os.MkdirAll(l.root, 0o700))
	l.must(syscall.Mount("tmpfs", l.root, "tmpfs", 0, "size=1900m,mode=700"))
	l.mounted = true
	l.start()
	l.importImage("tiny", tinyImage(t, ""))
	l.launch("lt-runs")
	l.do(l.create(tiny("lt-old"), true))
	pid := l.container("lt-runs").Observed.InitPID
	ballast := filepath.Join(l.root, "ballast")
	if _, err := fill(ballast); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	for what, m := range map[string]mutation{
		"create": l.create(tiny("lt-more"), true), "import": l.importing("more", tinyImage(t, hasty)), "snapshot": l.snapping("lt-runs", "now"),
	} {
		if _, err := l.try(m); err == nil {
			t.Errorf("%s works without room for its audit record", what)
		} else if _, ok := inventory.Kind(err); !ok {
			t.Errorf("%s: no sentence for people: %v", what, err)
		}
	}
	l.do(power(l.api.Purge, "lt-old"))
	told, err := l.api.AuditRecords(context.Background(), client.RecordQuery{Verb: "container.purge", Target: "lt-old"})
	if err != nil || len(told.Items) != 2 || told.Items[0].Outcome != inventory.OutcomeSuccess {
		t.Errorf("a purge on a full disk is told as %+v, %v", told.Items, err)
	}
	if c := l.container("lt-runs"); c.Observed.InitPID != pid {
		t.Errorf("what ran is %s now", c.State)
	}
	l.must(os.Remove(ballast))
	l.await("the agent goes on when there is room", func() bool {
		_, err := l.try(l.create(tiny("lt-after"), true))
		return err == nil
	})
	l.settle()
	l.checkClean()
}
