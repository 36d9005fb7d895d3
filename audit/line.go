package audit

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// The lines of a segment; FORMAT.md describes them byte by byte. Every parser below accepts only
// what its writer produces: it encodes what it read once more and compares. So two texts never
// mean the same line, and no byte is without meaning.

const formatVersion = 1

// What is hashed or signed begins with a domain of its own, so that no hash or signature made for
// one purpose can be passed off for another. Above all a commit's signature must not do as that
// of a head: commits lie in the segments for anyone to copy.
const (
	entryDomain  = "lodge/audit/v1/entry\n"
	commitDomain = "lodge/audit/v1/commit\n"
	headDomain   = "lodge/audit/v1/head\n"
)

// A Digest is a SHA-256 hash, written as 64 lower-case hexadecimal digits.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != 2*len(d) {
		return errors.New("a digest has 64 digits")
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// header is the first line of a segment.
type header struct {
	Version int    `json:"lodge_audit"`
	First   int64  `json:"first"` // seq of the first entry, also in the file's name
	Prev    Digest `json:"prev"`  // hash of the entry before it, zero for the first segment
	Key     string `json:"key"`   // whose signatures are in here, as OpenSSH writes public keys
}

// commit ends a batch: everything before it in the segment is acknowledged.
type commit struct {
	Seq   int64     `json:"seq"`   // of the last entry
	Hash  Digest    `json:"hash"`  // of the last entry
	Bytes Digest    `json:"bytes"` // SHA-256 of the segment up to here
	At    time.Time `json:"at"`
}

// seal is the last line of a segment to which nothing will be added.
type seal struct {
	First int64     `json:"first"`
	Last  int64     `json:"last"`
	Hash  Digest    `json:"hash"` // of the last entry
	From  time.Time `json:"from"` // earliest and latest time of its records
	To    time.Time `json:"to"`
}

// A Head says how far the journal goes.
type Head struct {
	Seq  int64     `json:"seq"`  // of the last entry, 0 when there is none
	Hash Digest    `json:"hash"` // of the last entry
	At   time.Time `json:"at"`   // when it was signed
}

// entry is the line of one record. The record's bytes are kept as they were written: what is
// verified never depends on how this version of the program would write them.
type entry struct {
	seq    int64
	prev   Digest
	record []byte
	hash   Digest // as the line states it
	own    Digest // as computed from the line
}

// at returns the time of the record, which its canonical form begins with.
func (e *entry) at() (time.Time, error) {
	text, ok := bytes.CutPrefix(e.record, []byte(`{"at":"`))
	end := bytes.IndexByte(text, '"')
	if !ok || end < 0 {
		return time.Time{}, errors.New("the record does not begin with its time")
	}
	return time.Parse(time.RFC3339Nano, string(text[:end]))
}

const hashField = `,"hash":"`

// appendEntry writes the line and returns the hash of the entry.
func appendEntry(dst []byte, seq int64, prev Digest, record []byte) ([]byte, Digest) {
	start := len(dst)
	dst = append(dst, `{"seq":`...)
	dst = strconv.AppendInt(dst, seq, 10)
	dst = append(dst, `,"prev":"`...)
	dst = hex.AppendEncode(dst, prev[:])
	dst = append(dst, `","record":`...)
	dst = append(dst, record...)
	own := entryHash(dst[start:])
	dst = append(dst, hashField...)
	dst = hex.AppendEncode(dst, own[:])
	return append(dst, "\"}\n"...), own
}

// entryHash hashes a line up to and without the hash it states.
func entryHash(body []byte) (d Digest) {
	h := sha256.New()
	h.Write([]byte(entryDomain))
	h.Write(body)
	h.Sum(d[:0])
	return d
}

var errShape = errors.New("it does not have the shape of a line")

// parseEntry reads a line without its newline. It reports no error for a stated hash that is not
// that of the line: that is for the caller to judge.
func parseEntry(line []byte) (entry, error) {
	var e entry
	tail := len(line) - len(hashField) - 2*sha256.Size - len(`"}`)
	if tail < 0 {
		return e, errShape
	}
	body, stated := line[:tail], line[tail:]
	stated, ok := bytes.CutPrefix(stated, []byte(hashField))
	number, ok1 := bytes.CutPrefix(body, []byte(`{"seq":`))
	number, rest, ok2 := bytes.Cut(number, []byte(`,"prev":"`))
	if !ok || !ok1 || !ok2 || len(rest) < 2*sha256.Size {
		return e, errShape
	}
	record, ok := bytes.CutPrefix(rest[2*sha256.Size:], []byte(`","record":`))
	if !ok || len(record) == 0 || record[0] != '{' || !json.Valid(record) {
		return e, errShape
	}
	e.record = record
	e.own = entryHash(body)
	var err error
	if e.seq, err = strconv.ParseInt(string(number), 10, 64); err != nil {
		return e, errShape
	}
	prev, hash := rest[:2*sha256.Size], stated[:2*sha256.Size]
	if e.prev.UnmarshalText(prev) != nil || e.hash.UnmarshalText(hash) != nil {
		return e, errShape
	}
	// "007" and upper-case digits would be read as well, but are never written.
	if strconv.FormatInt(e.seq, 10) != string(number) || e.prev.String() != string(prev) ||
		e.hash.String() != string(hash) || string(stated[len(hash):]) != `"}` {
		return e, errShape
	}
	return e, nil
}

// appendPlain writes a line that is not signed: the header, or the seal under its name.
func appendPlain(dst []byte, name string, body any) []byte {
	text, _ := json.Marshal(body) // structs of numbers, text and digests always encode
	if name == "" {
		return append(append(dst, text...), '\n')
	}
	dst = append(dst, `{"`+name+`":`...)
	return append(append(dst, text...), "}\n"...)
}

// parsePlain reads a line without its newline, written by appendPlain.
func parsePlain(line []byte, name string, body any) error {
	text := line
	if name != "" {
		inner, ok := bytes.CutPrefix(line, []byte(`{"`+name+`":`))
		if !ok || !bytes.HasSuffix(inner, []byte("}}")) {
			return errShape
		}
		text = inner[:len(inner)-1]
	}
	if err := json.Unmarshal(text, body); err != nil {
		return errShape
	}
	if !bytes.Equal(appendPlain(nil, name, body), append(bytes.Clone(line), '\n')) {
		return errShape
	}
	return nil
}

// appendSigned writes {"NAME":BODY,"sig":"..."} and a newline. The signature is over the domain
// and the bytes of BODY.
func appendSigned(dst []byte, name, domain string, body any, key ed25519.PrivateKey) []byte {
	text, _ := json.Marshal(body)
	return appendSignature(dst, name, text, ed25519.Sign(key, append([]byte(domain), text...)))
}

func appendSignature(dst []byte, name string, text, signature []byte) []byte {
	dst = append(dst, `{"`+name+`":`...)
	dst = append(dst, text...)
	dst = append(dst, `,"sig":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, signature)
	return append(dst, "\"}\n"...)
}

// parseSigned reads a line without its newline, written by appendSigned. It does not check the
// signature.
func parseSigned(line []byte, name string, body any) (signature []byte, err error) {
	tail := len(line) - len(`,"sig":"`) - base64.StdEncoding.EncodedLen(ed25519.SignatureSize) - len(`"}`)
	if tail < 0 {
		return nil, errShape
	}
	text, ok := bytes.CutPrefix(line[:tail], []byte(`{"`+name+`":`))
	encoded, ok2 := bytes.CutPrefix(line[tail:], []byte(`,"sig":"`))
	if !ok || !ok2 || json.Unmarshal(text, body) != nil {
		return nil, errShape
	}
	signature, err = base64.StdEncoding.Strict().DecodeString(string(encoded[:len(encoded)-len(`"}`)]))
	if err != nil {
		return nil, errShape
	}
	text, _ = json.Marshal(body)
	if !bytes.Equal(appendSignature(nil, name, text, signature), append(bytes.Clone(line), '\n')) {
		return nil, errShape
	}
	return signature, nil
}

// isSigned reports whether signature is key's over body in that domain.
func isSigned(key ed25519.PublicKey, domain string, body any, signature []byte) bool {
	text, err := json.Marshal(body)
	return err == nil && ed25519.Verify(key, append([]byte(domain), text...), signature)
}
