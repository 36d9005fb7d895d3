package recording_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"lodge/manager/session/recording"
)

func write(t testing.TB, o recording.Options, show func(w *recording.Writer)) ([]byte, recording.Summary) {
	t.Helper()
	var file bytes.Buffer
	o.Meta.Session, o.Meta.Command, o.Meta.Began = "s1", "sh -c <b>", time.Now()
	w, err := recording.NewWriter(&file, o)
	if err != nil {
		t.Fatal(err)
	}
	show(w)
	sum, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return file.Bytes(), sum
}

// all returns what was shown on either stream, and how reading ended.
func all(file []byte, ids ...recording.Identity) (shown []byte, kinds string, err error) {
	r, err := recording.NewReader(bytes.NewReader(file), ids...)
	for err == nil {
		var f recording.Frame
		if f, err = r.Next(); err == nil {
			if f.Kind == recording.KindOutput || f.Kind == recording.KindError {
				shown = append(shown, f.Data...)
			} else {
				kinds += string(f.Kind)
			}
		}
	}
	return shown, kinds, err
}

func TestRoundTrip(t *testing.T) {
	noise := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	me, _ := age.GenerateX25519Identity()
	other, _ := age.GenerateX25519Identity()
	key, err := recording.NewKey(me.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]*recording.Key{"open": nil, "sealed": key} {
		t.Run(name, func(t *testing.T) {
			file, sum := write(t, recording.Options{Key: key}, func(w *recording.Writer) {
				w.Resize(100, 30)
				for rest := noise; len(rest) > 0; {
					n := min(1+rand.IntN(200_000), len(rest))
					w.Output(recording.KindOutput, rest[:n])
					rest = rest[n:]
				}
				w.Exit(3)
			})
			shown, kinds, err := all(file, me)
			if err != io.EOF || kinds != "rx" || !bytes.Equal(shown, noise) {
				t.Errorf("%d bytes, %q, %v", len(shown), kinds, err)
			}
			if whole := sha256.Sum256(file); sum.SHA256 != hex.EncodeToString(whole[:]) || sum.Size != int64(len(file)) {
				t.Errorf("summary %+v of %d bytes", sum, len(file))
			}
			if key == nil {
				return
			}
			if bytes.Contains(file, []byte("sh -c")) {
				t.Error("the command line can be read")
			}
			if _, _, err := all(file); !errors.Is(err, recording.ErrSealed) {
				t.Errorf("without a key: %v", err)
			}
			if _, _, err := all(file, other); !errors.Is(err, recording.ErrSealed) {
				t.Errorf("with another's key: %v", err)
			}
		})
	}
}

// TestOneByteChanged: whatever was changed, taken out, doubled or cut off is noticed.
func TestOneByteChanged(t *testing.T) {
	file, _ := write(t, recording.Options{}, func(w *recording.Writer) {
		for i := range 6 {
			w.Output(recording.KindOutput, fmt.Append(nil, "line ", i, "\r\n"))
			w.Flush()
		}
	})
	for i := range file {
		bad := bytes.Clone(file)
		bad[i] ^= 0x10
		if _, _, err := all(bad); !errors.Is(err, recording.ErrBroken) && !errors.Is(err, recording.ErrUnfinished) {
			t.Errorf("byte %d of %d changed: %v", i, len(file), err)
		}
	}
	if _, _, err := all(append(bytes.Clone(file), 'x')); !errors.Is(err, recording.ErrBroken) {
		t.Errorf("a byte added: %v", err)
	}
	for n := range file {
		shown, _, err := all(file[:n])
		if !errors.Is(err, recording.ErrUnfinished) && !errors.Is(err, recording.ErrBroken) {
			t.Errorf("cut at %d: %v", n, err)
		}
		if !strings.HasPrefix("line 0\r\nline 1\r\nline 2\r\nline 3\r\nline 4\r\nline 5\r\n", string(shown)) {
			t.Errorf("cut at %d: %q", n, shown)
		}
	}
}

func TestLimit(t *testing.T) {
	file, sum := write(t, recording.Options{Limit: 100}, func(w *recording.Writer) {
		for range 30 {
			w.Output(recording.KindOutput, []byte("0123456789"))
		}
	})
	shown, kinds, err := all(file)
	if len(shown) != 100 || kinds != "m" || err != io.EOF || !sum.Truncated {
		t.Errorf("%d bytes, %q, %v, %+v", len(shown), kinds, err, sum)
	}
}

type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

// TestFullDisk: whoever shows something is not held up, and is told once.
func TestFullDisk(t *testing.T) {
	told := make(chan error, 5)
	w, err := recording.NewWriter(&full{2000}, recording.Options{Failed: func(err error) { told <- err }})
	if err != nil {
		t.Fatal(err)
	}
	for range 40 {
		noise := make([]byte, 60_000)
		rand.NewChaCha8([32]byte{2}).Read(noise)
		w.Output(recording.KindOutput, noise)
	}
	sum, err := w.Close()
	if err == nil || !sum.Truncated {
		t.Errorf("%+v, %v", sum, err)
	}
	if <-told; len(told) != 0 {
		t.Error("told more than once")
	}
}

func TestExport(t *testing.T) {
	file, _ := write(t, recording.Options{Meta: recording.Meta{Columns: 90, Rows: 20, Term: "xterm"}}, func(w *recording.Writer) {
		w.Output(recording.KindOutput, []byte("caf\xc3"))
		w.Output(recording.KindOutput, []byte("\xa9 </script>\xff"))
		w.Resize(10, 5)
		w.Exit(7)
	})
	for f, want := range map[recording.Format][]string{
		recording.AsciicastV3: {`{"version":3,"term":{"cols":90,"rows":20,"type":"xterm"},`, `,"o","caf"]`, `,"o","é \u003c/script\u003e` + "\ufffd" + `"]`, `,"r","10x5"]`, `,"x","7"]`},
		recording.AsciicastV2: {`{"version":2,"width":90,"height":20,`, `,"o","caf"]`, `,"o","é \u003c/script\u003e` + "\ufffd" + `"]`, `,"r","10x5"]`},
	} {
		r, err := recording.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := recording.Export(&out, r, f); err != nil {
			t.Error(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != len(want) {
			t.Fatalf("%s: %q", f, lines)
		}
		for i := range want {
			if !strings.Contains(lines[i], strings.ReplaceAll(want[i], "\ufffd", `\ufffd`)) {
				t.Errorf("%s: line %d is %s, wants %s", f, i, lines[i], want[i])
			}
		}
	}
}

func FuzzReader(f *testing.F) {
	file, _ := write(f, recording.Options{}, func(w *recording.Writer) { w.Output(recording.KindOutput, []byte("x")) })
	f.Add(file)
	f.Fuzz(func(t *testing.T, in []byte) { all(in) })
}

func BenchmarkWriter(b *testing.B) {
	for name, make := range map[string]func([]byte){"zeros": func([]byte) {}, "noise": func(p []byte) { rand.NewChaCha8([32]byte{3}).Read(p) },
		"text": func(p []byte) {
			for i := range p {
				p[i] = "the quick brown fox jumps 0123456789\r\n"[(i*7+i/97)%38]
			}
		}} {
		b.Run(name, func(b *testing.B) {
			chunk := [64 << 10]byte{}
			make(chunk[:])
			w, _ := recording.NewWriter(io.Discard, recording.Options{})
			b.SetBytes(int64(len(chunk)))
			for b.Loop() {
				w.Output(recording.KindOutput, chunk[:])
			}
			w.Close()
		})
	}
}
