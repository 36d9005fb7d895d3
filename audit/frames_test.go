package audit_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"lodge/audit"
	"lodge/packaging/need"
)

// raw is a frame as FORMAT.md describes it, read and written without the package's own code, as
// somebody who tampers would.
type raw struct {
	kind    byte
	payload string
}

const (
	headerKind     = 1
	eventKind      = 2
	checkpointKind = 3
	sealKind       = 4
)

func unframe(t testing.TB, text []byte) (out []raw) {
	t.Helper()
	for len(text) > 0 {
		n := binary.BigEndian.Uint32(text)
		out = append(out, raw{text[8], string(text[9 : 9+n])})
		text = text[9+n:]
	}
	return out
}

func (r raw) bytes() []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(r.payload)))
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(crc32.Update(crc32.Checksum(b, table), table, []byte{r.kind}), table, []byte(r.payload))
	b = binary.BigEndian.AppendUint32(b, sum)
	return append(append(b, r.kind), r.payload...)
}

// editFrames changes a segment; all checksums are right afterwards.
func editFrames(t testing.TB, path string, change func([]raw) []raw) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for _, r := range change(unframe(t, text)) {
		out = append(out, r.bytes()...)
	}
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
}

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

// eventFrame finds the frame of a record.
func eventFrame(frames []raw, seq int64) int {
	for i, f := range frames {
		if f.kind == eventKind && strings.HasPrefix(f.payload, fmt.Sprintf(`{"seq":%d,`, seq)) {
			return i
		}
	}
	return -1
}

func segments(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	return paths
}

// latest reads the file checkpoint as one keeps it elsewhere.
func latest(t testing.TB, dir string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(filepath.Join(to, "audit"), os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(to, "audit")
}

// keyOf is the last key in a segment's header.
func keyOf(t testing.TB, f raw) string {
	t.Helper()
	var h struct{ Keys []struct{ Key string } }
	if err := json.Unmarshal([]byte(f.payload), &h); err != nil {
		t.Fatal(err)
	}
	return h.Keys[len(h.Keys)-1].Key
}

func seqIn(payload string) (seq int64) {
	fmt.Sscanf(payload, `{"seq":%d,`, &seq)
	return seq
}

func seqOfName(path string) (seq int64) {
	fmt.Sscanf(filepath.Base(path), "%d.seg", &seq)
	return seq
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// A python runs the second verifier.
type python struct{ program, key string }

func newPython(t testing.TB) python {
	t.Helper()
	p := python{filepath.Join("testdata", "verify.py"), filepath.Join(t.TempDir(), "key.pub")}
	if err := os.WriteFile(p.key, []byte(audit.PublicKeyText(public(t))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// want checks its exit code.
func (p python) want(t testing.TB, code int, args ...string) {
	t.Helper()
	cmd := exec.Command(need.Program(t, "python3"), append([]string{p.program, "--key", p.key}, args...)...)
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("the second verifier: exit %d, %v, want %d: %s", got, err, code, out)
	}
}
