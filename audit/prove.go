package audit

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"lodge/inventory"
)

// proofHeader is the first line of a proof (c2sp.org/tlog-proof).
const proofHeader = "c2sp.org/tlog-proof@v1"

// Prove returns a proof that the record of this number is in the journal: the record, the hashes from
// its leaf to the root, and a checkpoint. It reads the whole journal.
func (j *Journal) Prove(ctx context.Context, seq int64) ([]byte, error) {
	j.mu.Lock()
	segments, last := append([]segment(nil), j.index...), j.last
	j.mu.Unlock()
	if seq < 1 || seq > last.Size {
		return nil, inventory.Errorf(inventory.ErrNotFound, "there is no record %d", seq)
	}
	if seq < segments[0].first {
		return nil, inventory.Errorf(inventory.ErrUnavailable,
			"record %d was archived; verify and prove it where its segment lies", seq)
	}
	var data []byte
	hashes := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		c := collector{want: indexes, found: map[int64]tlog.Hash{}, seq: seq, size: last.Size}
		for _, s := range segments {
			if err := c.read(ctx, j.dir, s); err != nil {
				return nil, err
			}
		}
		data = c.data
		return c.hashes()
	})
	proof, err := tlog.ProveRecord(last.Size, seq-1, hashes)
	if err != nil {
		return nil, err
	}
	if data == nil { // one record alone has an empty proof, for which no hash is read
		if _, err := hashes(nil); err != nil {
			return nil, err
		}
	}
	if err := tlog.CheckRecord(proof, last.Size, last.Root, seq-1, tlog.RecordHash(data)); err != nil {
		return nil, inventory.Errorf(inventory.ErrState, "the audit journal is damaged: %w; run 'lodge audit verify'", err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nextra %s\nindex %d\n", proofHeader, base64.StdEncoding.EncodeToString(data), seq-1)
	for _, h := range proof {
		fmt.Fprintln(&b, h)
	}
	fmt.Fprintf(&b, "\n%s", last.Note)
	return b.Bytes(), nil
}

// collector picks hashes out of the tree while it grows.
type collector struct {
	want  []int64
	found map[int64]tlog.Hash
	edge  edge
	size  int64
	seq   int64
	data  []byte // the record's payload
}

func (c *collector) built(level int, n int64, h tlog.Hash) {
	index := tlog.StoredHashIndex(level, n)
	for _, w := range c.want {
		if w == index {
			c.found[index] = h
		}
	}
}

func (c *collector) read(ctx context.Context, dir string, s segment) error {
	f, err := os.Open(filepath.Join(dir, s.name()))
	if err != nil {
		return err
	}
	defer f.Close()
	r := newFrameReader(io.NewSectionReader(f, 0, s.size), 0, false)
	for err := ctx.Err(); err == nil; {
		var fr frame
		fr, err = r.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			break
		}
		switch fr.kind {
		case frameHeader:
			err = c.begin(fr)
		case frameEvent:
			c.event(fr)
		}
	}
	return fmt.Errorf("read %s: %w", s.name(), errors.Join(err, ctx.Err()))
}

func (c *collector) begin(fr frame) error {
	var h header
	if err := decodeExact(fr.payload, &h); err != nil {
		return err
	}
	e, ok := edgeOf(h.First-1, h.Edge)
	if !ok {
		return errors.New("its edge does not fit its number")
	}
	if c.edge.size == 0 && e.size > 0 {
		e.tell(c.built)
		c.edge = e
	}
	c.edge.built = c.built
	return nil
}

func (c *collector) event(fr frame) {
	if c.edge.size == c.size {
		return // younger than the checkpoint
	}
	if c.edge.size+1 == c.seq {
		c.data = bytes.Clone(fr.payload)
	}
	c.edge.add(tlog.RecordHash(fr.payload))
}

func (c *collector) hashes() ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, w := range c.want {
		h, ok := c.found[w]
		if !ok {
			return nil, inventory.Errorf(inventory.ErrUnavailable,
				"the proof takes records that were archived; verify and prove it where their segments lie")
		}
		out = append(out, h)
	}
	return out, nil
}

// IsProof reports whether a text claims to be a proof.
func IsProof(text []byte) bool { return bytes.HasPrefix(text, []byte(proofHeader+"\n")) }

// CheckProof checks a proof with nothing but the key, and returns the record and the checkpoint it is
// proved by. ErrInvalid: it is none; ErrState: it does not prove what it says.
func CheckProof(text []byte, key ed25519.PublicKey) (Entry, Checkpoint, error) {
	head, cp, ok := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || len(lines) < 3 || lines[0] != proofHeader {
		return Entry{}, Checkpoint{}, inventory.Errorf(inventory.ErrInvalid, "that is no proof of a record")
	}
	extra, ok1 := strings.CutPrefix(lines[1], "extra ")
	number, ok2 := strings.CutPrefix(lines[2], "index ")
	data, err1 := base64.StdEncoding.Strict().DecodeString(extra)
	index, err2 := strconv.ParseInt(number, 10, 64)
	c, err3 := ParseCheckpoint([]byte(cp), key)
	if err := errors.Join(err1, err2); !ok1 || !ok2 || err != nil || index < 0 {
		return Entry{}, c, inventory.Errorf(inventory.ErrInvalid, "that is no proof of a record")
	}
	if err3 != nil {
		return Entry{}, c, inventory.Errorf(inventory.ErrState, "the proof's checkpoint: %w", err3)
	}
	var proof tlog.RecordProof
	for _, l := range lines[3:] {
		h, err := tlog.ParseHash(l)
		if err != nil {
			return Entry{}, c, inventory.Errorf(inventory.ErrInvalid, "that is no proof of a record")
		}
		proof = append(proof, h)
	}
	e, err := decodeEntry(0, frame{payload: data})
	if index >= c.Size || tlog.CheckRecord(proof, c.Size, c.Root, index, tlog.RecordHash(data)) != nil || err != nil || e.Seq != index+1 {
		return e, c, inventory.Errorf(inventory.ErrState, "the record is not record %d of the journal that the checkpoint speaks of", index+1)
	}
	return e, c, nil
}
