package audit_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lodge/audit"
)

// evidenceFolder unpacks what WriteEvidence writes of a journal of 30 records.
func evidenceFolder(t *testing.T, from time.Time) string {
	t.Helper()
	j := open(t, t.TempDir(), forgedSize)
	fill(t, j, 1, 30)
	entries, err := j.Records(t.Context(), audit.Query{AfterSeq: 6, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	cite := fmt.Sprintf(`{"records":[{"seq":7,"hash":"%s"}]}`, entries[0].Hash)
	docs := []audit.Document{{Name: audit.CitationsName, Content: []byte(cite)}, {Name: "index.html", Content: []byte("<p>")},
		{Name: "signatures/change-1-1.json", Content: []byte("{}")}}
	var b bytes.Buffer
	if err := j.WriteEvidence(&b, docs, from, time.Time{}); err != nil {
		t.Fatal(err)
	}
	j.Close()
	dir := t.TempDir()
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if err == io.EOF {
			return dir
		}
		text, err2 := io.ReadAll(r)
		name := filepath.Join(dir, h.Name)
		if err != nil || err2 != nil || os.MkdirAll(filepath.Dir(name), 0o700) != nil || os.WriteFile(name, text, 0o600) != nil {
			t.Fatal(err, err2)
		}
	}
}

// TestEvidenceOfArchived: a record the journal beside it does not reach back to is missing, not forged.
func TestEvidenceOfArchived(t *testing.T) {
	r, err := audit.VerifyEvidence(evidenceFolder(t, record(25).At), audit.VerifyOptions{})
	if err != nil || r.ExitCode() != 11 || r.First <= 7 && r.First != 0 || r.Problems[0].Seq != 7 {
		t.Errorf("exit %d, %v, %v", r.ExitCode(), r.Problems, err)
	}
}

// TestEvidence: a folder of evidence verifies by itself, and whatever is done to it is named.
func TestEvidence(t *testing.T) {
	good := evidenceFolder(t, time.Time{})
	replace := func(name, old, text string) func(testing.TB, string) {
		return func(t testing.TB, dir string) {
			edit(t, filepath.Join(dir, name), func(s string) string { return replaceOnce(t, s, old, text) })
		}
	}
	for _, c := range []struct {
		name  string
		do    func(t testing.TB, dir string)
		exit  int
		fault audit.Fault
		at    string // the file that is named
	}{
		{"as it was", func(testing.TB, string) {}, 0, "", ""},
		{"the page is another", replace("index.html", "<p>", "<b>"), 10, audit.FaultRewritten, "index.html"},
		{"a file grew", replace("index.html", "<p>", "<p>."), 10, audit.FaultRewritten, "index.html"},
		{"a file is missing", func(t testing.TB, dir string) { os.Remove(filepath.Join(dir, "signatures/change-1-1.json")) },
			11, audit.FaultMissing, "signatures/change-1-1.json"},
		{"a file more", func(t testing.TB, dir string) { os.WriteFile(filepath.Join(dir, "more.html"), nil, 0o600) },
			10, audit.FaultInserted, "more.html"},
		{"a file more below", func(t testing.TB, dir string) { os.WriteFile(filepath.Join(dir, "journal", "note"), nil, 0o600) },
			10, audit.FaultInserted, "journal/note"},
		{"the manifest is another", replace("manifest", " 3 index.html", " 4 index.html"), 10, audit.FaultKey, "manifest"},
		{"a link out of it", func(t testing.TB, dir string) {
			os.Remove(filepath.Join(dir, "index.html"))
			os.Symlink("/etc/hostname", filepath.Join(dir, "index.html"))
		}, 10, audit.FaultRewritten, "index.html"},
		{"another record is told", func(t testing.TB, dir string) {
			edit(t, filepath.Join(dir, audit.CitationsName), func(s string) string { return replaceOnce(t, s, `"seq":7`, `"seq":8`) })
		}, 10, audit.FaultRewritten, audit.CitationsName},
		{"the journal is another", func(t testing.TB, dir string) {
			edit(t, segments(t, filepath.Join(dir, "journal"))[0], func(s string) string { return replaceOnce(t, s, `"reason":"b`, `"reason":"c`) })
		}, 10, audit.FaultFlipped, "0000000000000000001.seg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := copyDir(t, good)
			c.do(t, dir)
			r, err := audit.VerifyEvidence(dir, audit.VerifyOptions{PublicKey: public(t)})
			if err != nil {
				t.Fatal(err)
			}
			named := c.fault == ""
			for _, p := range r.Problems {
				named = named || p.Fault == c.fault && p.Segment == c.at
			}
			if r.ExitCode() != c.exit || !named {
				t.Errorf("exit %d, %v; want exit %d, %s in %s", r.ExitCode(), r.Problems, c.exit, c.fault, c.at)
			}
		})
	}
	if !audit.IsEvidence(good) || audit.IsEvidence(t.TempDir()) {
		t.Error("a folder without a manifest is no evidence")
	}
}
