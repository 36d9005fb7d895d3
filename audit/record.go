package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"lodge/inventory"
)

// MaxRecord is the most bytes one record may have in canonical form.
const MaxRecord = 1 << 20

// encodeRecord returns the canonical form of a record: see FORMAT.md, "The record".
func encodeRecord(r inventory.Record) ([]byte, error) {
	if r.Kind == "" || r.Verb == "" {
		return nil, inventory.Errorf(inventory.ErrInvalid, "a record needs a kind and a verb")
	}
	r.At = r.At.UTC().Round(0)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, inventory.Errorf(inventory.ErrInvalid, "the record of %s can't be written as JSON: %w", r.Verb, err)
	}
	text := escapeInvisible(bytes.ToValidUTF8(bytes.TrimSuffix(b.Bytes(), []byte("\n")), []byte("\ufffd")))
	if len(text) > MaxRecord {
		return nil, inventory.Errorf(inventory.ErrInvalid,
			"the record of %s has %d bytes, at most %d can be kept; put the bulk elsewhere and its digest here",
			r.Verb, len(text), MaxRecord)
	}
	return text, nil
}

// escapeInvisible writes delete, the C1 controls and the format characters (bidirectional
// overrides among them) as \u escapes. JSON leaves them as they are; a journal shown on a
// terminal must neither steer it nor show its text in another order. Such characters occur only
// inside strings, where the escape means the same.
func escapeInvisible(text []byte) []byte {
	if isPlain(text) {
		return text
	}
	out := make([]byte, 0, len(text)+16)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case !isInvisible(r):
			out = append(out, text[:n]...)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[n:]
	}
	return out
}

func isInvisible(r rune) bool { return r == 0x7f || r >= 0x80 && unicode.In(r, unicode.Cc, unicode.Cf) }

// isPlain reports whether text is printable ASCII, as nearly all records are.
func isPlain(text []byte) bool {
	for _, c := range text {
		if c >= 0x7f {
			return false
		}
	}
	return true
}

// An Entry is one record with its place in the journal.
type Entry struct {
	Seq    int64 // from 1, without gaps
	Hash   Digest
	Record inventory.Record
}

// decode reads the record of a line whose hash has been checked.
func (e *entry) decode() (Entry, error) {
	out := Entry{Seq: e.seq, Hash: e.own}
	if err := json.Unmarshal(e.record, &out.Record); err != nil {
		return Entry{}, fmt.Errorf("record %d: %w", e.seq, err)
	}
	return out, nil
}

// span is the earliest and the latest time of some records.
type span struct{ from, to time.Time }

func (s *span) add(t time.Time) {
	if s.from.IsZero() || t.Before(s.from) {
		s.from = t
	}
	if s.to.IsZero() || t.After(s.to) {
		s.to = t
	}
}
