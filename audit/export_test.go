package audit

import (
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
)

// WriteBatches appends all records as one batch, which Append can't be made to do on purpose.
func WriteBatches(t testing.TB, dir string, key ed25519.PrivateKey, segmentSize int64, records ...inventory.Record) {
	t.Helper()
	o := Options{Key: key, SegmentSize: segmentSize, Now: func() time.Time { return records[0].At }}
	o.setDefaults()
	w, _, _, err := recoverWriter(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	var batch []*request
	for _, r := range records {
		text, err := encodeRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, &request{record: text, at: r.At})
	}
	if _, err := w.commit(batch); err != nil {
		t.Fatal(err)
	}
}

// VerifyQuick is Verify for a folder that surely nobody writes to.
func VerifyQuick(dir string, key ed25519.PublicKey) (Report, error) {
	return Verify(dir, VerifyOptions{PublicKey: key, patience: 1})
}

// Disk and File let tests stand between the journal and the file system.
type (
	Disk = disk
	File = file
)

// WithDisk returns the options with another disk.
func WithDisk(o Options, d Disk) Options {
	o.disk = d
	return o
}

// RealDisk is the one a journal uses by itself.
var RealDisk Disk = realDisk{}

// LinesOf returns every line of a journal.
func LinesOf(t testing.TB, j *Journal) []string {
	t.Helper()
	var out []string
	for _, s := range j.segments(Query{}) {
		text, err := os.ReadFile(filepath.Join(j.dir, s.name()))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.Split(strings.TrimSpace(string(text)), "\n")...)
	}
	return out
}

// CheckLine fails when a line is accepted that its writer would not write.
func CheckLine(t testing.TB, text string) {
	t.Helper()
	var l line
	l.parse([]byte(text + "\n"))
	var again []byte
	switch l.kind {
	case lineEntry:
		again, _ = appendEntry(nil, l.entry.seq, l.entry.prev, l.entry.record)
		if l.entry.own != l.entry.hash {
			return
		}
	case lineHeader:
		again = appendPlain(nil, "", l.header)
	case lineSeal:
		again = appendPlain(nil, "seal", l.seal)
	case lineCommit:
		inner, _ := json.Marshal(l.commit)
		again = appendSignature(nil, "commit", inner, l.signature)
	default:
		return
	}
	if string(again) != text+"\n" {
		t.Fatalf("accepted %q, which would be written %q", text, again)
	}
}
