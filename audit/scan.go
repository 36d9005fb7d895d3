package audit

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io"
)

type lineKind int

const (
	lineBad  lineKind = iota // ends in a newline, but is no line of ours
	lineTorn                 // the file ends within it
	lineHeader
	lineEntry
	lineCommit
	lineSeal
)

// line is one parsed line of a segment.
type line struct {
	kind   lineKind
	number int    // from 1
	end    int64  // offset of what follows it
	sum    Digest // of all bytes of the segment before it

	header    header
	entry     entry // without its record's bytes, unless the caller of scan keeps them
	commit    commit
	signature []byte
	seal      seal
	span      span // of the record, for entries
	repaired  bool // torn, but whole if its last byte were a newline
}

const (
	maxLine = MaxRecord + 1024
	// maxBad ends the reading of a file that is no segment at all.
	maxBad = 1000
)

// scan reads the lines of a segment and calls fn for each. It judges shape only. The record's
// bytes in an entry are valid until fn returns.
func scan(r io.Reader, fn func(line) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	sum := sha256.New()
	var spill []byte
	bad := 0
	for l := (line{number: 1}); bad < maxBad; l = (line{number: l.number + 1, end: l.end}) {
		text, err := readLine(in, &spill)
		if len(text) == 0 && err == io.EOF {
			return nil
		}
		if err != nil && err != io.EOF {
			return err
		}
		l.end += int64(len(text))
		l.parse(text)
		if l.kind == lineCommit {
			sum.Sum(l.sum[:0])
		}
		sum.Write(text)
		if l.kind == lineBad {
			bad++
		}
		if err := fn(l); err != nil {
			return err
		}
	}
	return nil
}

// readLine returns the next line with its newline; without one at the end of the file, or after
// maxLine bytes, so that no file can make the reader hold more.
func readLine(in *bufio.Reader, spill *[]byte) ([]byte, error) {
	text, err := in.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		return text, err
	}
	*spill = append((*spill)[:0], text...)
	for err == bufio.ErrBufferFull && len(*spill) < maxLine {
		text, err = in.ReadSlice('\n')
		*spill = append(*spill, text...)
	}
	if err == bufio.ErrBufferFull {
		err = nil
	}
	return *spill, err
}

func (l *line) parse(text []byte) {
	body, whole := bytes.CutSuffix(text, []byte("\n"))
	if !whole && len(text) >= maxLine {
		return // bad: a line too long to be ours
	}
	if !whole {
		l.kind = lineTorn
		cut := line{}
		cut.parse(append(bytes.Clone(text[:len(text)-1]), '\n'))
		l.repaired = cut.kind > lineTorn
		return
	}
	var err error
	switch {
	case bytes.HasPrefix(body, []byte(`{"seq":`)):
		l.kind = lineEntry
		if l.entry, err = parseEntry(body); err == nil {
			l.span.from, err = l.entry.at()
			l.span.to = l.span.from
		}
	case bytes.HasPrefix(body, []byte(`{"commit":`)):
		l.kind = lineCommit
		l.signature, err = parseSigned(body, "commit", &l.commit)
	case bytes.HasPrefix(body, []byte(`{"seal":`)):
		l.kind = lineSeal
		err = parsePlain(body, "seal", &l.seal)
	case bytes.HasPrefix(body, []byte(`{"lodge_audit":`)):
		l.kind = lineHeader
		err = parsePlain(body, "", &l.header)
	default:
		err = errShape
	}
	if err != nil {
		l.kind = lineBad
	}
}

// isSignedBy reports whether a commit line carries key's signature.
func (l *line) isSignedBy(key ed25519.PublicKey) bool {
	return l.kind == lineCommit && isSigned(key, commitDomain, l.commit, l.signature)
}

// scanAll keeps every line, without the bytes of the records.
func scanAll(r io.Reader) ([]line, error) {
	var lines []line
	err := scan(r, func(l line) error {
		l.entry.record = nil
		lines = append(lines, l)
		return nil
	})
	return lines, err
}

var errStop = errors.New("stop")
