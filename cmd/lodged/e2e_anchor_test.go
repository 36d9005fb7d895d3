package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/audit"
	"lodge/manager/anchor/rsyslogtest"
	"lodge/web/client"
	"lodge/web/wire"
)

// TestAnchors: what is recorded leaves the host and is there whole, whatever becomes of the agent and the
// collector; with it the end of the journal can't be cut off unseen.
func TestAnchors(t *testing.T) {
	collector := rsyslogtest.New(t, true, false)
	l := emptyLab(t, "shipped")
	l.start()
	for value, says := range map[string]string{
		"audit.syslog=logs:514":           "is no collector; write tls://HOST:6514",
		"audit.drop=/nowhere/at/all":      "is no folder on this host",
		"audit.syslog.ca=/etc/os-release": "holds no certificate in PEM",
		"audit.anchor.interval=10ms":      "the least is 1s",
	} {
		if out, code := l.lodge("config", "set", value); code == 0 || !strings.Contains(out, says) {
			t.Errorf("%s: %d %s", value, code, out)
		}
	}
	if out := l.run("config", "set", "audit.syslog="+collector.Target(), "--plan"); !strings.Contains(out, "risk        high") {
		t.Errorf("an anchor is changed at the risk of %s", out)
	}
	share, old := t.TempDir(), filepath.Join(t.TempDir(), "old")
	l.run("config", "set", "audit.syslog="+collector.Target(), "audit.syslog.ca="+collector.Path("ca.pem"),
		"audit.drop="+share, "audit.anchor.interval=1s", "--reason", "records leave the host")
	l.await("the collector is missed", func() bool { return l.anchor("syslog").State == "failing" })
	l.do(l.keptApart("meanwhile", "env=test,dev")) // it holds up nobody
	if out, code := l.lodge("audit", "anchors"); code != 1 || !strings.Contains(out, "failing") {
		t.Errorf("it is shown as %d %s", code, out)
	}
	collector.Start()
	for i := range 3 {
		for j := range 3 {
			l.do(l.keptApart(fmt.Sprintf("shop-%d-%d", i, j), "env=test,dev"))
		}
		l.kill() // what was just sent has not settled
		if i == 1 {
			l.must(os.CopyFS(old, os.DirFS(filepath.Join(l.root, "audit"))))
		}
		l.start()
	}
	size := l.anchor("syslog").Size
	l.await("all is there", func() bool {
		s, d := l.anchor("syslog"), l.anchor("drop")
		return s.State == "ok" && d.State == "ok" && s.Arrived >= size && s.Anchored >= size && d.Anchored >= size
	})
	l.await("it is written down", func() bool {
		return strings.Contains(strings.Join(collector.Lines("full.log"), "\n"), fmt.Sprintf(` seq="%d" `, size))
	})
	l.holdsAll(collector, size)
	if out := l.run("audit", "verify"); !strings.Contains(out, "clean") || strings.Count(out, "what came after that is proved by this host alone") != 2 {
		t.Errorf("verify says %s", out)
	}
	if out, _ := l.lodge("doctor"); !strings.Contains(out, "audit anchors") || !strings.Contains(out, collector.Target()) {
		t.Errorf("doctor says %s", out)
	}
	l.stop()
	l.findsTheCut(old, collector.Path("plain.log"), filepath.Join(share, journalName(t, old)))
}

func (l *lab) anchor(sink string) wire.AuditAnchor {
	l.t.Helper()
	var all []wire.AuditAnchor
	out, _ := l.lodge("audit", "anchors", "-o", "json")
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&all); err != nil {
		l.t.Fatalf("%v: %s", err, out)
	}
	for _, a := range all {
		if a.Sink == sink {
			return a
		}
	}
	return wire.AuditAnchor{}
}

// holdsAll compares the numbers at the collector with those of the journal up to size.
func (l *lab) holdsAll(collector *rsyslogtest.Collector, size int64) {
	l.t.Helper()
	there := strings.Join(collector.Lines("full.log"), "\n")
	page, err := l.api.AuditRecords(context.Background(), client.RecordQuery{Limit: 500})
	l.must(err)
	for _, r := range page.Items {
		if r.Seq <= size && !strings.Contains(there, fmt.Sprintf(` seq="%d" hash="%s"`, r.Seq, r.Hash)) {
			l.t.Errorf("record %d (%s) never arrived", r.Seq, r.Verb)
		}
	}
}

// findsTheCut verifies an older copy of the journal, which looks whole without its anchors.
func (l *lab) findsTheCut(old, log, folder string) {
	l.t.Helper()
	if out, code := l.lodge("audit", "verify", old); code != 0 {
		l.t.Errorf("by itself it is %d %s", code, out)
	}
	for _, kept := range []string{log, folder} {
		if out, code := l.lodge("audit", "verify", "--checkpoint", kept, filepath.Join(l.root, "audit")); code != 0 ||
			!strings.Contains(out, "limit: What was recorded after") {
			l.t.Errorf("with %s the whole journal is %d %s", kept, code, out)
		}
		if out, code := l.lodge("audit", "verify", "--checkpoint", kept, old); code != 11 || !strings.Contains(out, "vouches for more") {
			l.t.Errorf("with %s the shorter one is %d %s", kept, code, out)
		}
	}
}

func journalName(t *testing.T, dir string) string {
	t.Helper()
	r, err := audit.Verify(dir, audit.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Base(r.Origin)
}
