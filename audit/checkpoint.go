package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"lodge/inventory"
)

// A Checkpoint is a signed statement of how far a journal goes: a C2SP tlog-checkpoint
// (c2sp.org/tlog-checkpoint) in a signed note, with two extension lines.
type Checkpoint struct {
	Origin string    // names the journal
	Size   int64     // records; the number of the last one
	Root   tlog.Hash // of the tree over them (RFC 6962)
	At     time.Time // when it was signed
	// The first Offset bytes of the segment that begins with record Segment have this hash: the
	// signature covers them all, earlier checkpoints included.
	Segment int64
	Offset  int64
	Sum     Digest

	// Note is the whole of it, signature included, to be kept elsewhere.
	Note []byte
}

// text is what is signed.
func (c *Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\nat %s\nsegment %d %d %s\n", c.Origin, c.Size,
		base64.StdEncoding.EncodeToString(c.Root[:]), c.At.UTC().Format(time.RFC3339Nano),
		c.Segment, c.Offset, c.Sum)
}

// sign sets the note.
func (c *Checkpoint) sign(key ed25519.PrivateKey) { c.Note = signNote(c.text(), c.Origin, key) }

const sigPrefix = "— "

// signNote signs text as the note's one signer, under the name of the journal.
func signNote(text, name string, key ed25519.PrivateKey) []byte {
	sig := binary.BigEndian.AppendUint32(nil, keyHash(name, key.Public().(ed25519.PublicKey)))
	sig = append(sig, ed25519.Sign(key, []byte(text))...)
	return []byte(text + "\n" + sigPrefix + name + " " + base64.StdEncoding.EncodeToString(sig) + "\n")
}

// VerifierKey writes a key as C2SP's tools take it (golang.org/x/mod/sumdb/note).
func VerifierKey(origin string, key ed25519.PublicKey) string {
	text, _ := note.NewEd25519VerifierKey(origin, key) // fails for a key of another length only
	return text
}

func verifier(origin string, key ed25519.PublicKey) (note.Verifier, error) {
	return note.NewVerifier(VerifierKey(origin, key))
}

func keyHash(name string, key ed25519.PublicKey) uint32 {
	v, err := verifier(name, key)
	if err != nil {
		return 0
	}
	return v.KeyHash()
}

var errNote = errors.New("it is no checkpoint of a journal")

// parseCheckpoint reads a checkpoint and judges its shape; any further signatures are left alone.
func parseCheckpoint(text []byte) (c Checkpoint, err error) {
	body, _, ok := strings.Cut(string(text), "\n\n")
	lines := strings.Split(body, "\n")
	if !ok || len(lines) != 5 {
		return c, errNote
	}
	c.Note = append([]byte(nil), text...)
	c.Origin = lines[0]
	size, err1 := strconv.ParseInt(lines[1], 10, 64)
	root, err2 := tlog.ParseHash(lines[2])
	at, err3 := time.Parse(time.RFC3339Nano, strings.TrimPrefix(lines[3], "at "))
	c.Size, c.Root, c.At = size, root, at
	var sum string
	_, err4 := fmt.Sscanf(lines[4], "segment %d %d %64s", &c.Segment, &c.Offset, &sum)
	err5 := c.Sum.UnmarshalText([]byte(sum))
	if errors.Join(err1, err2, err3, err4, err5) != nil || c.text() != body+"\n" {
		return c, errNote
	}
	return c, nil
}

// isSignedBy reports whether one of the signatures is the key's.
func (c *Checkpoint) isSignedBy(key ed25519.PublicKey) bool {
	_, err := openNote(c.Note, c.Origin, key)
	return err == nil
}

// openNote returns the text of a note if the key signed it under that name.
func openNote(text []byte, name string, key ed25519.PublicKey) (string, error) {
	v, err := verifier(name, key)
	if err != nil {
		return "", err
	}
	n, err := note.Open(text, note.VerifierList(v))
	if err != nil {
		return "", err
	}
	return n.Text, nil
}

// isExact reports whether the note is written as a journal writes it: with one signature, the key's,
// in the one way base64 has for it.
func (c *Checkpoint) isExact(key ed25519.PublicKey) bool {
	line, ok := strings.CutPrefix(string(c.Note), c.text()+"\n"+sigPrefix+c.Origin+" ")
	sig, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(line, "\n"))
	return ok && strings.HasSuffix(line, "\n") && err == nil && len(sig) == 4+ed25519.SignatureSize &&
		base64.StdEncoding.EncodeToString(sig)+"\n" == line && c.isSignedBy(key)
}

// ParseCheckpoint reads a checkpoint that was kept elsewhere, with any cosignatures, and checks that
// one of the keys signed it.
func ParseCheckpoint(text []byte, keys ...ed25519.PublicKey) (Checkpoint, error) {
	c, err := parseCheckpoint(trimPadding(text))
	if err == nil {
		for _, key := range keys {
			if c.isSignedBy(key) {
				return c, nil
			}
		}
	}
	return c, inventory.Errorf(inventory.ErrInvalid,
		"that is no checkpoint signed with the journal's key; check that it belongs to this journal")
}

// checkpointSize is the size of the file checkpoint. It is overwritten in place with every batch,
// which costs a copy into the page cache, where replacing it by rename would cost more than the
// journal's own fdatasync. Within one sector of 512 bytes a disk writes all or nothing.
const checkpointSize = 512

const checkpointName = "checkpoint"

// pad fills a note with newlines to the size of the file.
func pad(text []byte) []byte {
	out := append(make([]byte, 0, checkpointSize), text...)
	for len(out) < checkpointSize {
		out = append(out, '\n')
	}
	return out
}

func trimPadding(text []byte) []byte {
	return []byte(strings.TrimRight(string(text), "\n") + "\n")
}
