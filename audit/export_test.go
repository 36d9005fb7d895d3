package audit

import (
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
