package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/packaging/need"
	"lodge/web/client"
)

// TestJournalForAuditors: what an auditor takes away verifies without the agent, by the command line
// and by the verifier written from the format alone; a change of key and a new index spoil nothing;
// an intent that a crash left alone is told as unknown.
func TestJournalForAuditors(t *testing.T) {
	l := emptyLab(t, "crash")
	l.start("LODGE_CRASH=affinity.add//intent")
	if _, err := l.try(l.keptApart("shop", "env=test,dev")); err == nil {
		t.Fatal("the agent did not die after the intent")
	}
	l.awaitEnd()
	l.start()
	page, err := l.api.AuditRecords(context.Background(), client.RecordQuery{Verb: "affinity.add", Outcome: inventory.OutcomeUnknown, Target: "shop"})
	if err != nil || len(page.Items) != 1 {
		t.Errorf("the intent's outcome: %v, %v", page.Items, err)
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	l.must(os.WriteFile(in("old.pub"), []byte(l.run("audit", "key", "-q")), 0o600))
	l.run("audit", "checkpoint", "-f", in("early"))
	l.run("audit", "rotate", "--reason", "yearly")
	l.run("audit", "reindex")
	l.do(l.keptApart("shop", "env=test,dev"))
	l.run("audit", "prove", "2", "-f", in("proof"))
	l.run("audit", "export", "--from", "1h ago", "-f", in("bundle.tar"))
	l.stop()
	for what, args := range map[string][]string{
		"bundle": {in("bundle.tar"), "--key", in("old.pub"), "--checkpoint", in("early")},
		"folder": {filepath.Join(l.root, "audit"), "--key", in("old.pub"), "--checkpoint", in("early")},
	} {
		out, code := l.lodge(append([]string{"audit", "verify"}, flagsFirst(args)...)...)
		if code != 0 || !strings.Contains(out, "clean: ") || !strings.Contains(out, "limit: An agent that was taken over") {
			t.Errorf("%s: %d %s", what, code, out)
		}
		python := exec.Command(need.Program(t, "python3"), append([]string{"../../audit/testdata/verify.py"}, args...)...)
		if out, err := python.CombinedOutput(); err != nil {
			t.Errorf("%s, by the second verifier: %v %s", what, err, out)
		}
	}
	l.start()
	l.must(os.WriteFile(in("new.pub"), []byte(l.run("audit", "key", "-q")), 0o600))
	if out, code := l.lodge("audit", "verify", "--key", in("new.pub"), in("proof")); code != 0 || !strings.Contains(out, `"seq":2,`) {
		t.Errorf("the proof: %d %s", code, out)
	}
	if out := l.run("audit", "list", "--verb", "audit.rotate", "-o", "csv"); strings.Count(out, "\n") < 3 {
		t.Errorf("the change of key is listed as %s", out)
	}
	l.checkAudit()
	l.rolledBack(in("new.pub"))
}

// rolledBack puts the journal back to an older state together with the database that has its index. The
// agent goes on, and nothing on the host tells; a checkpoint that was taken away does.
func (l *lab) rolledBack(key string) {
	l.t.Helper()
	db, journal, late := filepath.Join(l.root, "lodge.db"), filepath.Join(l.root, "audit"), filepath.Join(filepath.Dir(key), "late")
	old := l.t.TempDir()
	l.stop()
	l.must(os.CopyFS(filepath.Join(old, "audit"), os.DirFS(journal)))
	before, err := os.ReadFile(db)
	l.must(err)
	l.start()
	l.do(l.keptApart("other", "env=test,dev"))
	l.run("audit", "checkpoint", "-f", late)
	l.stop()
	for _, gone := range []string{journal, db + "-wal", db + "-shm"} {
		l.must(os.RemoveAll(gone))
	}
	l.must(os.CopyFS(journal, os.DirFS(filepath.Join(old, "audit"))))
	l.must(os.WriteFile(db, before, 0o600))
	l.start()
	l.checkAudit()
	if out, code := l.lodge("audit", "verify", "--key", key, "--checkpoint", late, journal); code == 0 || code == 1 ||
		!strings.Contains(out, "vouches for") {
		l.t.Errorf("rolled back with its index: %d %s", code, out)
	}
}

// flagsFirst puts the first argument last.
func flagsFirst(args []string) []string { return append(append([]string(nil), args[1:]...), args[0]) }
