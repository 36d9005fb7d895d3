package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"

	"lodge/inventory"
)

const (
	// MaxRecord is the most bytes one record may have in canonical form.
	MaxRecord = 1 << 20
	// maxText is how much of one text is kept; of more, its length and hash are.
	maxText = 4 << 10
	// maxFacts is the same for each of before, after and detail.
	maxFacts = 256 << 10
)

// encodeRecord returns the canonical form of a record: see FORMAT.md, "The record". What is too long
// is cut, and its length and hash stand in its place, so that no request can go unrecorded for its
// size.
func encodeRecord(r inventory.Record) ([]byte, error) {
	if r.Kind == "" || r.Verb == "" {
		return nil, inventory.Errorf(inventory.ErrInvalid, "a record needs a kind and a verb")
	}
	r.At = r.At.UTC().Round(0)
	for _, s := range []*string{&r.Verb, &r.Subject, &r.Name, &r.Project, &r.Reason, &r.Ticket, &r.Plan,
		&r.Result, &r.Principal.Name, &r.Principal.Proof, &r.Principal.From} {
		*s = capText(*s)
	}
	for _, raw := range []*json.RawMessage{&r.Before, &r.After, &r.Detail} {
		*raw = capFacts(*raw)
	}
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

// capText cuts a text that is too long.
func capText(s string) string {
	if len(s) <= maxText {
		return s
	}
	return fmt.Sprintf("%s… [%d bytes, sha256:%x]", strings.ToValidUTF8(s[:maxText], ""), len(s), sha256.Sum256([]byte(s)))
}

func capFacts(raw json.RawMessage) json.RawMessage {
	if len(raw) <= maxFacts {
		return raw
	}
	return fmt.Appendf(nil, `{"omitted_bytes":%d,"sha256":"%x"}`, len(raw), sha256.Sum256(raw))
}

// payload is the record with its number: what the frame holds and the leaf of the tree is made of.
func payload(dst []byte, seq int64, record []byte) []byte {
	dst = append(dst, `{"seq":`...)
	dst = strconv.AppendInt(dst, seq, 10)
	dst = append(dst, ',')
	return append(dst, record[1:]...)
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
	Seq     int64  // from 1, without gaps
	Hash    Digest // of the leaf of the tree (RFC 6962)
	Segment int64  // number of the first record of its segment
	Offset  int64  // of its frame there
	Payload []byte // the canonical form, number included; the leaf's data
	Record  inventory.Record
}

// decodeEntry reads an event frame.
func decodeEntry(segment int64, f frame) (Entry, error) {
	e := Entry{Segment: segment, Offset: f.offset, Hash: Digest(tlog.RecordHash(f.payload)), Payload: bytes.Clone(f.payload)}
	body := struct {
		Seq *int64 `json:"seq"`
		*inventory.Record
	}{&e.Seq, &e.Record}
	if err := json.Unmarshal(e.Payload, &body); err != nil {
		return Entry{}, fmt.Errorf("record at %d: %w", f.offset, err)
	}
	return e, nil
}

// outline is what a verifier looks at in a record.
type outline struct {
	seq       int64
	at        time.Time
	kind      string
	verb      string
	operation string
	session   string
	boot      string
	mono      int64
	detail    []byte
	recording []byte
}

// readOutline picks the members out of an event's payload without decoding the rest: most of the
// cost of verifying would be that.
func readOutline(text []byte) (o outline, err error) {
	err = members(text, func(name string, value []byte) error {
		var err error
		switch name {
		case "seq":
			o.seq, err = strconv.ParseInt(string(value), 10, 64)
		case "at":
			o.at, err = time.Parse(`"`+time.RFC3339Nano+`"`, string(value))
		case "kind":
			o.kind = unquote(value)
		case "verb":
			o.verb = unquote(value)
		case "operation":
			o.operation = unquote(value)
		case "session":
			o.session = unquote(value)
		case "boot":
			o.boot = unquote(value)
		case "mono_ns":
			o.mono, err = strconv.ParseInt(string(value), 10, 64)
		case "detail":
			o.detail = value
		case "recording":
			o.recording = value
		}
		return err
	})
	if err == nil && (o.seq < 1 || o.at.IsZero()) {
		err = errMembers
	}
	return o, err
}

func unquote(value []byte) string {
	if len(value) < 2 || value[0] != '"' {
		return ""
	}
	return string(value[1 : len(value)-1]) // what is looked for has no escapes
}

var errMembers = fmt.Errorf("it is no record")

// members calls fn for each member of a JSON object without white space around its tokens. It
// believes that the values are JSON: whoever wrote others was not the journal, and is found by the
// tree.
func members(text []byte, fn func(name string, value []byte) error) error {
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return errMembers
	}
	for i := 1; i < len(text)-1; {
		end := skipString(text, i)
		if end < 0 || end >= len(text)-1 || text[end] != ':' {
			return errMembers
		}
		name, start := text[i+1:end-1], end+1
		if end = skipValue(text, start); end < 0 {
			return errMembers
		}
		if err := fn(string(name), text[start:end]); err != nil {
			return err
		}
		if text[end] == '}' && end == len(text)-1 {
			return nil
		}
		if text[end] != ',' {
			return errMembers
		}
		i = end + 1
	}
	return nil
}

// skipString returns the offset behind the string at i, -1 if there is none.
func skipString(text []byte, i int) int {
	if i >= len(text) || text[i] != '"' {
		return -1
	}
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// skipValue returns the offset of the comma or brace behind the value at i.
func skipValue(text []byte, i int) int {
	depth := 0
	for i < len(text) {
		switch text[i] {
		case '"':
			if i = skipString(text, i); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return -1
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
