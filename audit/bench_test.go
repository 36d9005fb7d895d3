package audit_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"lodge/audit"
)

// BenchmarkBareSync is what the disk takes for a record's bytes: the floor for BenchmarkAppend.
func BenchmarkBareSync(b *testing.B) {
	f, err := audit.RealDisk.Open(filepath.Join(b.TempDir(), "bare"), true)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	text, off := bytes.Repeat([]byte("x"), 850), int64(0) // an entry and its commit
	for b.Loop() {
		f.WriteAt(text, off)
		f.Datasync()
		off += int64(len(text))
	}
}

func BenchmarkAppend(b *testing.B) {
	j := open(b, b.TempDir(), 0)
	r := record(1)
	for b.Loop() {
		if _, err := j.Append(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppend64 has 64 callers at once; the figure is per record.
func BenchmarkAppend64(b *testing.B) {
	j := open(b, b.TempDir(), 0)
	r := record(1)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range (b.N + 63) / 64 {
				if _, err := j.Append(context.Background(), r); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// big is a journal of 50 000 records.
var big = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lodgetest-audit-")
	return dir, err
})

func bigJournal(b *testing.B) string {
	dir, err := big()
	if err != nil {
		b.Fatal(err)
	}
	j := open(b, dir, 0)
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			for n := range int64(100) {
				if j.Latest().Size >= 50_000 {
					return
				}
				j.Append(context.Background(), record(n+1))
			}
		})
	}
	wg.Wait()
	j.Close()
	return dir
}

func BenchmarkVerify50k(b *testing.B) {
	dir := bigJournal(b)
	for b.Loop() {
		if r := verify(b, dir); r.ExitCode() != 0 {
			b.Fatal(r.Problems)
		}
	}
}

func BenchmarkOpen50k(b *testing.B) {
	dir := bigJournal(b)
	for b.Loop() {
		open(b, dir, 0).Close()
	}
}

func BenchmarkRecords50k(b *testing.B) {
	j := open(b, bigJournal(b), 0)
	for name, q := range map[string]audit.Query{
		"rare":     {Name: "web77", Principal: "nobody"},
		"newest20": {Limit: 20, Newest: true},
		"all":      {},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := j.Records(context.Background(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedDir); dir != "" {
		os.Exit(writeUntilKilled(dir))
	}
	code := m.Run()
	if dir, err := big(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}
