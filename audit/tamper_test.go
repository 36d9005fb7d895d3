package audit_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"lodge/audit"
)

func edit(t testing.TB, path string, change func(string) string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(change(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
}

func replaceOnce(t testing.TB, s, old, new string) string {
	t.Helper()
	if !strings.Contains(s, old) {
		t.Fatalf("%q is not in the file", old)
	}
	return strings.Replace(s, old, new, 1)
}

// hashOf computes an entry's hash from FORMAT.md alone, as somebody who tampers would.
func hashOf(line string) string {
	body := line[:strings.LastIndex(line, `,"hash":"`)]
	sum := sha256.Sum256([]byte("lodge/audit/v1/entry\n" + body))
	return hex.EncodeToString(sum[:])
}

var stated = regexp.MustCompile(`,"hash":"[0-9a-f]{64}"}$`)

// rehash makes a line's checksum right again.
func rehash(line string) string {
	return stated.ReplaceAllString(line, `,"hash":"`+hashOf(line)+`"}`)
}

// lines changes a file line by line; entryLine finds the line of a record.
func editLines(t testing.TB, path string, change func([]string) []string) {
	edit(t, path, func(s string) string {
		lines := change(strings.Split(strings.TrimSuffix(s, "\n"), "\n"))
		return strings.Join(lines, "\n") + "\n"
	})
}

func entryLine(lines []string, seq int64) int {
	for i, l := range lines {
		if strings.HasPrefix(l, fmt.Sprintf(`{"seq":%d,`, seq)) {
			return i
		}
	}
	return -1
}

func segments(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	return paths
}

// tamperings are done to a journal of ten records in one segment, then again where the records
// were committed as one batch. want is the record that has to be named first.
var tamperings = []struct {
	name  string
	do    func(t testing.TB, lines []string) []string
	want  int64
	fault audit.Fault
	exit  int
}{
	{"a byte is flipped", func(t testing.TB, l []string) []string {
		i := entryLine(l, 4)
		l[i] = replaceOnce(t, l[i], "web4", "web5")
		return l
	}, 4, audit.FaultFlipped, 10},
	{"a record removed", func(t testing.TB, l []string) []string {
		i := entryLine(l, 4)
		return append(l[:i], l[i+1:]...)
	}, 4, audit.FaultRemoved, 10},
	{"two swapped", func(t testing.TB, l []string) []string {
		i, k := entryLine(l, 4), entryLine(l, 7)
		l[i], l[k] = l[k], l[i]
		return l
	}, 4, audit.FaultSwapped, 10},
	{"two neighbours swapped", func(t testing.TB, l []string) []string {
		i, k := entryLine(l, 4), entryLine(l, 5)
		l[i], l[k] = l[k], l[i]
		return l
	}, 4, audit.FaultSwapped, 10},
	{"one rewritten with its checksum right", func(t testing.TB, l []string) []string {
		i := entryLine(l, 4)
		l[i] = rehash(replaceOnce(t, l[i], "web4", "web5"))
		return l
	}, 4, audit.FaultRewritten, 10},
	{"one rewritten with another number", func(t testing.TB, l []string) []string {
		i := entryLine(l, 4)
		l[i] = rehash(replaceOnce(t, l[i], `{"seq":4,`, `{"seq":5,`))
		return l
	}, 4, audit.FaultRewritten, 10},
	{"one rewritten with another link", func(t testing.TB, l []string) []string {
		i := entryLine(l, 4)
		l[i] = rehash(regexp.MustCompile(`"prev":"....`).ReplaceAllString(l[i], `"prev":"0000`))
		return l
	}, 4, audit.FaultRewritten, 10},
	{"the last record rewritten with its checksum right", func(t testing.TB, l []string) []string {
		i := entryLine(l, 10)
		l[i] = rehash(replaceOnce(t, l[i], "web10", "web11"))
		return l
	}, 10, audit.FaultRewritten, 10},
	{"the first record rewritten with its checksum right", func(t testing.TB, l []string) []string {
		i := entryLine(l, 1)
		l[i] = rehash(replaceOnce(t, l[i], "web1", "web2"))
		return l
	}, 1, audit.FaultRewritten, 10},
	{"a record doubled", func(t testing.TB, l []string) []string {
		i := entryLine(l, 4)
		return append(l[:i+1], l[i:]...)
	}, 5, audit.FaultSwapped, 10},
	{"the last record removed", func(t testing.TB, l []string) []string {
		return l[:entryLine(l, 10)]
	}, 10, audit.FaultTruncated, 11},
	{"the last commit removed", func(t testing.TB, l []string) []string {
		return l[:len(l)-1]
	}, 10, audit.FaultTruncated, 11},
	{"a foreign record appended", func(t testing.TB, l []string) []string {
		last := l[entryLine(l, 10)]
		line := strings.Replace(last, `{"seq":10,`, `{"seq":11,`, 1)
		line = regexp.MustCompile(`"prev":"[0-9a-f]*"`).ReplaceAllString(line, `"prev":"`+hashOf(last)+`"`)
		return append(l, rehash(line))
	}, 11, audit.FaultForeign, 10},
	{"something else appended", func(t testing.TB, l []string) []string {
		return append(l, "x")
	}, 11, audit.FaultFlipped, 10},
	{"all records gone", func(t testing.TB, l []string) []string { return l[:1] }, 1, audit.FaultTruncated, 11},
	{"the first line changed", func(t testing.TB, l []string) []string {
		l[0] = replaceOnce(t, l[0], `"first":1`, `"first":2`)
		return l
	}, 1, audit.FaultSwapped, 10},
}

func TestTampering(t *testing.T) {
	for batched, make := range map[bool]func(testing.TB) string{false: oneByOne, true: oneBatch} {
		good := make(t)
		for _, c := range tamperings {
			t.Run(fmt.Sprintf("%s,batched=%t", c.name, batched), func(t *testing.T) {
				dir := copyDir(t, good)
				editLines(t, segments(t, dir)[0], func(l []string) []string { return c.do(t, l) })
				wantProblem(t, dir, c.want, c.fault, c.exit)
				wantRefused(t, dir, c.exit == 10 && c.fault == audit.FaultForeign || c.name == "something else appended")
			})
		}
	}
}

// wantRefused checks that Open lets nothing be added to a damaged journal. Only what follows the
// last commit can't be told from the remains of a write that was cut off.
func wantRefused(t *testing.T, dir string, isTail bool) {
	t.Helper()
	before, _ := os.ReadFile(segments(t, dir)[0])
	j, err := audit.Open(dir, audit.Options{Key: testKey(t), Log: quiet})
	if isTail {
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		j.Close()
		wantClean(t, dir, 11) // and a record that says something was cut off
		return
	}
	if err == nil {
		j.Close()
		t.Fatal("Open accepts the journal")
	}
	after, _ := os.ReadFile(segments(t, dir)[0])
	if !bytes.Equal(before, after) {
		t.Fatal("Open refused the journal, but changed it")
	}
}

func wantProblem(t testing.TB, dir string, seq int64, fault audit.Fault, exit int) {
	t.Helper()
	r := verify(t, dir)
	if len(r.Problems) == 0 {
		t.Fatal("nothing was noticed")
	}
	p := r.Problems[0]
	if p.Seq != seq || p.Fault != fault || r.ExitCode() != exit {
		t.Errorf("exit %d, %v; want exit %d, record %d %s", r.ExitCode(), r.Problems, exit, seq, fault)
	}
}

func copyDir(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func oneByOne(t testing.TB) string {
	dir := t.TempDir()
	j := open(t, dir, 0)
	fill(t, j, 1, 10)
	j.Close()
	return dir
}

// oneBatch makes a journal whose ten records share one commit, but for the first two.
func oneBatch(t testing.TB) string {
	dir := t.TempDir()
	audit.WriteBatches(t, dir, testKey(t), 0, record(1), record(2))
	audit.WriteBatches(t, dir, testKey(t), 0, record(3), record(4), record(5), record(6), record(7), record(8), record(9), record(10))
	wantClean(t, dir, 10)
	return dir
}

func TestTamperingWithFiles(t *testing.T) {
	good := t.TempDir()
	j := open(t, good, 3000)
	fill(t, j, 1, 30)
	j.Close()
	paths := segments(t, good)
	if len(paths) < 5 {
		t.Fatalf("only %d segments", len(paths))
	}
	first := func(i int) (seq int64) {
		fmt.Sscanf(filepath.Base(paths[i]), "%d.log", &seq)
		return seq
	}
	early, err := os.ReadFile(filepath.Join(oneByOne(t), "head"))
	if err != nil {
		t.Fatal(err)
	}
	in := func(dir string, i int) string { return filepath.Join(dir, filepath.Base(paths[i])) }
	last := len(paths) - 1
	for name, c := range map[string]struct {
		do    func(dir string)
		want  int64
		fault audit.Fault
		exit  int
	}{
		"a segment removed":         {func(d string) { os.Remove(in(d, 2)) }, first(2), audit.FaultRemoved, 10},
		"the first segment removed": {func(d string) { os.Remove(in(d, 0)) }, 1, audit.FaultRemoved, 10},
		"the last segment removed":  {func(d string) { os.Remove(in(d, last)) }, first(last), audit.FaultTruncated, 11},
		"the last segment emptied":  {func(d string) { os.Truncate(in(d, last), 0) }, first(last), audit.FaultTruncated, 11},
		"a middle segment emptied":  {func(d string) { os.Truncate(in(d, 2), 0) }, first(2), audit.FaultTruncated, 10},
		"a middle segment cut":      {func(d string) { os.Truncate(in(d, 2), 1000) }, first(2), audit.FaultRemoved, 10},
		"two segments swapped":      {func(d string) { swap(in(d, 1), in(d, 2)) }, first(1), audit.FaultSwapped, 10},
		"the head removed":          {func(d string) { os.Remove(filepath.Join(d, "head")) }, 30, audit.FaultTruncated, 11},
		"the head edited": {func(d string) {
			edit(t, filepath.Join(d, "head"), func(s string) string { return replaceOnce(t, s, `"seq":30`, `"seq":20`) })
		}, 30, audit.FaultFlipped, 10},
		"a commit passed off as head": {func(d string) {
			text, _ := os.ReadFile(in(d, 0))
			commit := regexp.MustCompile(`(?m)^{"commit":.*$`).FindString(string(text))
			commit = strings.Replace(commit, `{"commit":`, `{"head":`, 1)
			os.WriteFile(filepath.Join(d, "head"), fmt.Appendf(nil, "%-511s\n", commit), 0o600)
		}, 30, audit.FaultFlipped, 10},
		"a seal removed": {func(d string) {
			editLines(t, in(d, 1), func(l []string) []string { return l[:len(l)-1] })
		}, first(2) - 1, audit.FaultRemoved, 10},
		"a seal changed": {func(d string) {
			edit(t, in(d, 1), func(s string) string { return replaceOnce(t, s, `"from":"2026`, `"from":"2025`) })
		}, first(2) - 1, audit.FaultFlipped, 10},
		"a commit in the middle removed": {func(d string) {
			editLines(t, in(d, 1), func(l []string) []string { i := entryLine(l, first(1)); return append(l[:i+1], l[i+2:]...) })
		}, first(1) + 1, audit.FaultRemoved, 10},
		"another journal's head": {func(d string) { os.WriteFile(filepath.Join(d, "head"), early, 0o600) }, 0, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyDir(t, good)
			c.do(dir)
			if c.exit == 0 {
				wantClean(t, dir, 30) // an older head: what a power failure leaves
				return
			}
			wantProblem(t, dir, c.want, c.fault, c.exit)
			if j, err := audit.Open(dir, audit.Options{Key: testKey(t), Log: quiet}); err == nil && name != "a seal changed" &&
				!strings.HasPrefix(name, "a middle") && !strings.HasPrefix(name, "a commit in the middle") {
				j.Close()
				t.Error("Open accepts the journal")
			}
		})
	}
}

func swap(a, b string) {
	os.Rename(a, a+".x")
	os.Rename(b, a)
	os.Rename(a+".x", b)
}
