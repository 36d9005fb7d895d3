package audit

import (
	"bytes"
	"crypto/ed25519"
	"testing"
	"time"

	"lodge/inventory"
)

// WriteBatches appends all records as one batch, which Append can't be made to do on purpose.
func WriteBatches(t testing.TB, dir string, key ed25519.PrivateKey, segmentSize int64, records ...inventory.Record) {
	t.Helper()
	o := Options{Key: key, SegmentSize: segmentSize, Now: func() time.Time { return records[0].At }}
	o.setDefaults()
	r, err := recoverWriter(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.writer.close()
	var batch []*request
	for _, rec := range records {
		text, err := encodeRecord(rec)
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, &request{record: text, at: rec.At})
	}
	if _, err := r.writer.commit(batch); err != nil {
		t.Fatal(err)
	}
}

// VerifyQuick is Verify for a folder that surely nobody writes to.
func VerifyQuick(dir string, key ed25519.PublicKey, checkpoints ...[]byte) (Report, error) {
	return Verify(dir, VerifyOptions{PublicKey: key, Checkpoints: checkpoints, patience: -1})
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

// ReadFrames reads as a verifier does: every frame that is accepted is written again byte for byte.
func ReadFrames(t testing.TB, text []byte) {
	t.Helper()
	f := newFrameReader(bytes.NewReader(text), 0, true)
	for n := 0; n < maxBad; n++ {
		fr, err := f.next()
		if err == errFrame {
			continue
		}
		if err != nil {
			return
		}
		if again := appendFrame(nil, fr.kind, fr.payload); string(again) != string(text[fr.offset:fr.end]) {
			t.Fatalf("accepted %q, which would be written %q", text[fr.offset:fr.end], again)
		}
		switch fr.kind {
		case frameHeader:
			var h header
			if decodeExact(fr.payload, &h) == nil {
				h.chain()
				edgeOf(h.First-1, h.Edge)
			}
		case frameEvent:
			readOutline(fr.payload)
			decodeEntry(1, fr)
		case frameCheckpoint:
			if cp, err := parseCheckpoint(fr.payload); err == nil && cp.isExact(testPublic) {
				cp.sign(ed25519.NewKeyFromSeed(testSeed))
				if string(cp.Note) != string(fr.payload) {
					t.Fatalf("accepted the checkpoint %q, which would be written %q", fr.payload, cp.Note)
				}
			}
		}
	}
}

var testSeed = append([]byte("the key of the tests"), make([]byte, 12)...)

var testPublic = ed25519.NewKeyFromSeed(testSeed).Public().(ed25519.PublicKey)
