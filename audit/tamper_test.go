package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lodge/audit"
)

// A forgery is done to a copy of a journal of 30 records in several segments, of which the second
// is the one that most are done to. first is the number of its first record.
type forgery struct {
	name  string
	do    func(t testing.TB, dir string, paths []string, first int64)
	want  func(first, next, last int64) int64 // the record that has to be named first
	fault audit.Fault
	exit  int
	// anchored: only a checkpoint that was kept elsewhere shows it.
	anchored bool
}

func second(change func(t testing.TB, f []raw, seq int64) []raw) func(testing.TB, string, []string, int64) {
	return func(t testing.TB, dir string, paths []string, first int64) {
		editFrames(t, paths[1], func(f []raw) []raw { return change(t, f, first+1) })
	}
}

func newest(change func(t testing.TB, f []raw) []raw) func(testing.TB, string, []string, int64) {
	return func(t testing.TB, dir string, paths []string, _ int64) {
		editFrames(t, paths[len(paths)-1], func(f []raw) []raw { return change(t, f) })
	}
}

func theFirst(first, _, _ int64) int64  { return first }
func inSecond(first, _, _ int64) int64  { return first + 1 }
func afterThat(first, _, _ int64) int64 { return first + 2 }
func endSecond(_, next, _ int64) int64  { return next - 1 }
func theLast(_, _, last int64) int64    { return last }
func one(_, _, _ int64) int64           { return 1 }

// forgeries are the twelve kinds that the verifiers have to name, and variants of them.
func forgeries(old string) []forgery {
	return []forgery{
		{"edit", second(func(t testing.TB, f []raw, seq int64) []raw {
			i := eventFrame(f, seq)
			f[i].payload = replaceOnce(t, f[i].payload, "because", "although")
			return f
		}), inSecond, audit.FaultRewritten, 10, false},
		{"bit flip", func(t testing.TB, dir string, paths []string, first int64) {
			edit(t, paths[1], func(s string) string { return replaceOnce(t, s, `"reason":"b`, `"reason":"c`) })
		}, theFirst, audit.FaultFlipped, 10, false},
		{"insert", second(func(t testing.TB, f []raw, seq int64) []raw {
			i := eventFrame(f, seq)
			return slices.Insert(f, i, raw{eventKind, replaceOnce(t, f[i].payload, "because", "although")})
		}), inSecond, audit.FaultInserted, 10, false},
		{"insert before a checkpoint, numbered on", second(func(t testing.TB, f []raw, seq int64) []raw {
			i := slices.IndexFunc(f[3:], func(r raw) bool { return r.kind == checkpointKind }) + 3
			n := strings.Index(f[i-1].payload, ",")
			forged := `{"seq":` + itoa(seqIn(f[i-1].payload)+1) + f[i-1].payload[n:]
			return slices.Insert(f, i, raw{eventKind, forged})
		}), theFirst, audit.FaultInserted, 10, false},
		{"delete", second(func(t testing.TB, f []raw, seq int64) []raw {
			i := eventFrame(f, seq)
			return slices.Delete(f, i, i+1)
		}), inSecond, audit.FaultRemoved, 10, false},
		{"delete a record and its checkpoint", second(func(t testing.TB, f []raw, seq int64) []raw {
			i := eventFrame(f, seq)
			return slices.Delete(f, i, i+2)
		}), inSecond, audit.FaultRemoved, 10, false},
		{"swap", second(func(t testing.TB, f []raw, seq int64) []raw {
			i, k := eventFrame(f, seq), eventFrame(f, seq+1)
			f[i], f[k] = f[k], f[i]
			return f
		}), inSecond, audit.FaultSwapped, 10, false},
		{"duplicate", second(func(t testing.TB, f []raw, seq int64) []raw {
			i := eventFrame(f, seq)
			return slices.Insert(f, i+1, f[i])
		}), inSecond, audit.FaultDoubled, 10, false},
		{"tail cut before a checkpoint", newest(func(t testing.TB, f []raw) []raw { return f[:len(f)-1] }),
			theLast, audit.FaultTruncated, 11, false},
		{"tail cut within a frame", func(t testing.TB, dir string, paths []string, first int64) {
			edit(t, paths[len(paths)-1], func(s string) string { return s[:len(s)-3] })
		}, theLast, audit.FaultTruncated, 11, false},
		{"tail cut after a checkpoint", newest(func(t testing.TB, f []raw) []raw { return f[:len(f)-2] }),
			theLast, audit.FaultTruncated, 11, false},
		{"tail cut after a checkpoint, file checkpoint too", func(t testing.TB, dir string, paths []string, first int64) {
			editFrames(t, paths[len(paths)-1], func(f []raw) []raw {
				os.WriteFile(filepath.Join(dir, "checkpoint"), []byte(f[len(f)-3].payload), 0o600)
				return f[:len(f)-2]
			})
		}, theLast, audit.FaultTruncated, 11, true},
		{"segment removed", func(t testing.TB, dir string, paths []string, first int64) { os.Remove(paths[1]) },
			theFirst, audit.FaultRemoved, 10, false},
		{"first segment removed", func(t testing.TB, dir string, paths []string, first int64) { os.Remove(paths[0]) },
			one, audit.FaultRemoved, 10, false},
		{"segments swapped", func(t testing.TB, dir string, paths []string, first int64) { swap(paths[1], paths[2]) },
			theFirst, audit.FaultSwapped, 10, false},
		{"segment rolled back with all that tells of it", func(t testing.TB, dir string, paths []string, first int64) {
			os.RemoveAll(dir)
			if err := os.CopyFS(dir, os.DirFS(old)); err != nil {
				t.Fatal(err)
			}
		}, func(_, _, last int64) int64 { return last - 9 }, audit.FaultTruncated, 11, true},
		{"fork", func(t testing.TB, dir string, paths []string, first int64) {
			// Who has the key goes on from an older state, with other records.
			os.RemoveAll(dir)
			if err := os.CopyFS(dir, os.DirFS(old)); err != nil {
				t.Fatal(err)
			}
			j := open(t, dir, forgedSize)
			defer j.Close()
			for n := j.Latest().Size + 1; n <= 30; n++ {
				r := record(n)
				r.Reason = "another history"
				if _, err := j.Append(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
		}, theLast, audit.FaultForked, 10, true},
	}
}

// signedForgeries are of what is signed: keys, checkpoints, seals.
func signedForgeries() []forgery {
	return []forgery{
		{"key swap in the header", second(func(t testing.TB, f []raw, seq int64) []raw {
			f[0].payload = replaceOnce(t, f[0].payload, keyOf(t, f[0]), audit.PublicKeyText(otherKey().Public().(ed25519.PublicKey)))
			return f
		}), theFirst, audit.FaultKey, 10, false},
		{"key swap, all written anew", func(t testing.TB, dir string, paths []string, first int64) {
			os.RemoveAll(dir)
			j, err := audit.Open(dir, audit.Options{Key: otherKey(), Log: quiet, SegmentSize: forgedSize})
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			fill(t, j, 1, 30)
		}, one, audit.FaultKey, 10, false},
		{"signature of a checkpoint changed", newest(func(t testing.TB, f []raw) []raw {
			last := &f[len(f)-1]
			n := strings.LastIndex(last.payload, " ") + 12
			last.payload = last.payload[:n] + string(rot(last.payload[n])) + last.payload[n+1:]
			return f
		}), theLast, audit.FaultKey, 10, false},
		{"an earlier checkpoint's signature changed", second(func(t testing.TB, f []raw, seq int64) []raw {
			i := eventFrame(f, seq) + 1
			n := strings.LastIndex(f[i].payload, " ") + 12
			f[i].payload = f[i].payload[:n] + string(rot(f[i].payload[n])) + f[i].payload[n+1:]
			return f
		}), afterThat, audit.FaultRewritten, 10, false},
		{"forged seal", second(func(t testing.TB, f []raw, seq int64) []raw {
			i := slices.IndexFunc(f, func(r raw) bool { return r.kind == sealKind })
			f[i].payload = replaceOnce(t, f[i].payload, `"from":"2026`, `"from":"2025`)
			return f
		}), endSecond, audit.FaultSeal, 10, false},
		{"seal removed", second(func(t testing.TB, f []raw, seq int64) []raw { return f[:len(f)-2] }),
			endSecond, audit.FaultRewritten, 10, false},
		{"a record after the seal", second(func(t testing.TB, f []raw, seq int64) []raw {
			return append(f, f[eventFrame(f, seq)])
		}), endSecond, audit.FaultInserted, 10, false},
		{"file checkpoint removed", func(t testing.TB, dir string, paths []string, first int64) {
			os.Remove(filepath.Join(dir, "checkpoint"))
		}, theLast, audit.FaultTruncated, 11, false},
		{"file checkpoint forged", func(t testing.TB, dir string, paths []string, first int64) {
			edit(t, filepath.Join(dir, "checkpoint"), func(s string) string { return replaceOnce(t, s, "\n30\n", "\n29\n") })
		}, theLast, audit.FaultKey, 10, false},
		{"an export's statement forged", func(t testing.TB, dir string, paths []string, first int64) {
			os.Remove(paths[0])
			text := replaceOnce(t, string(latest(t, dir)), "lodge.audit/", "lodge.audit/export\nlodge.audit/")
			os.WriteFile(filepath.Join(dir, "export"), []byte(text), 0o600)
		}, theFirst, audit.FaultKey, 10, false},
	}
}

// forgedSize makes several segments of 30 records.
const forgedSize = 6000

func otherKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte("x"), 32)) }

func rot(c byte) byte {
	if c == 'A' {
		return 'B'
	}
	return 'A'
}

func swap(a, b string) {
	os.Rename(a, a+".x")
	os.Rename(b, a)
	os.Rename(a+".x", b)
}

// TestTampering does each forgery to a copy, and asks both verifiers: the one of this package, which
// has to name record and reason, and the one written from FORMAT.md alone.
func TestTampering(t *testing.T) {
	good := t.TempDir()
	j := open(t, good, forgedSize)
	fill(t, j, 1, 20)
	old := copyDir(t, good)
	fill(t, j, 21, 30)
	j.Close()
	anchor := latest(t, good)
	anchorPath := filepath.Join(t.TempDir(), "anchor")
	if err := os.WriteFile(anchorPath, anchor, 0o600); err != nil {
		t.Fatal(err)
	}
	paths := segments(t, good)
	first, next := seqOfName(paths[1]), seqOfName(paths[2])
	second := newPython(t)
	second.want(t, 0, good)
	for _, c := range append(forgeries(old), signedForgeries()...) {
		t.Run(c.name, func(t *testing.T) {
			dir := copyDir(t, good)
			c.do(t, dir, segments(t, dir), first)
			var anchors [][]byte
			args := []string{dir}
			if c.anchored {
				r, err := audit.VerifyQuick(dir, public(t))
				if err != nil || r.ExitCode() != 0 {
					t.Errorf("without a checkpoint from elsewhere: %v, %v", r.Problems, err)
				}
				anchors, args = [][]byte{anchor}, []string{dir, "--checkpoint", anchorPath}
			}
			r, err := audit.VerifyQuick(dir, public(t), anchors...)
			if err != nil || len(r.Problems) == 0 {
				t.Fatalf("nothing was noticed: %v", err)
			}
			p, want := r.Problems[0], c.want(first, next, 30)
			if p.Seq != want || p.Fault != c.fault || r.ExitCode() != c.exit {
				t.Errorf("exit %d, %v; want exit %d, record %d %s", r.ExitCode(), r.Problems, c.exit, want, c.fault)
			}
			second.want(t, c.exit, args...)
			wantRefused(t, dir, c)
		})
	}
}

// wantRefused checks that Open lets nothing be added where it reads that something is wrong: in the
// last segment, in any header, in the file checkpoint. What it refuses stays as it is.
func wantRefused(t *testing.T, dir string, c forgery) {
	t.Helper()
	hidden := c.anchored || strings.Contains(c.name, "export") || c.fault == audit.FaultSeal ||
		slices.Contains([]string{"edit", "bit flip", "insert", "insert before a checkpoint, numbered on", "delete", "swap", "duplicate",
			"delete a record and its checkpoint", "an earlier checkpoint's signature changed", "seal removed", "a record after the seal",
			"first segment removed", "key swap in the header"}, c.name)
	paths := segments(t, dir)
	before, _ := os.ReadFile(paths[len(paths)-1])
	j, err := audit.Open(dir, audit.Options{Key: testKey(t), Log: quiet})
	if err == nil {
		j.Close()
	}
	if (err == nil) != hidden {
		t.Errorf("Open: %v", err)
	}
	after, _ := os.ReadFile(paths[len(paths)-1])
	if err != nil && !bytes.Equal(before, after) {
		t.Error("Open refused the journal, but changed it")
	}
}
