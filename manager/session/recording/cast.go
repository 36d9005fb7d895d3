package recording

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// Format is what a recording can be written as for other players.
type Format string

// asciinema's formats: in version 3 times count from the event before, in version 2 from the begin
// (docs.asciinema.org/manual/asciicast).
const (
	AsciicastV3 Format = "asciicast-v3"
	AsciicastV2 Format = "asciicast-v2"
)

// Formats are all there are.
var Formats = []Format{AsciicastV3, AsciicastV2}

// Export writes the rest of a recording as f. Its text is JSON that holds no character markup is made
// of; bytes that are no text become U+FFFD, so the recording itself is the evidence. What an
// unfinished recording has is written, and ErrUnfinished returned.
func Export(to io.Writer, r *Reader, f Format) error {
	out := bufio.NewWriter(to)
	c := caster{out: json.NewEncoder(out), format: f}
	err := c.header(r.Meta)
	for err == nil {
		var next Frame
		if next, err = r.Next(); err == nil {
			err = c.frame(next)
		}
	}
	if err == io.EOF || errors.Is(err, ErrUnfinished) {
		err = errors.Join(c.flush(c.last), unlessEOF(err))
	}
	return errors.Join(err, out.Flush())
}

func unlessEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

type caster struct {
	out    *json.Encoder
	format Format
	last   time.Duration
	rest   []byte // of a character that was cut between two frames
}

type castTerm struct {
	Columns int    `json:"cols"`
	Rows    int    `json:"rows"`
	Type    string `json:"type,omitempty"`
}

type castHeader struct {
	Version   int       `json:"version"`
	Width     int       `json:"width,omitempty"`
	Height    int       `json:"height,omitempty"`
	Term      *castTerm `json:"term,omitempty"`
	Timestamp int64     `json:"timestamp"`
	Command   string    `json:"command,omitempty"`
	Title     string    `json:"title,omitempty"`
}

func (c *caster) header(m Meta) error {
	if m.Columns == 0 || m.Rows == 0 {
		m.Columns, m.Rows = 80, 24
	}
	h := castHeader{Timestamp: m.Began.Unix(), Command: m.Command, Title: m.Container + " " + m.Session}
	switch c.format {
	case AsciicastV3:
		h.Version, h.Term = 3, &castTerm{m.Columns, m.Rows, m.Term}
	case AsciicastV2:
		h.Version, h.Width, h.Height = 2, m.Columns, m.Rows
	default:
		return fmt.Errorf("there is no format %q; there are %v", c.format, Formats)
	}
	return c.out.Encode(h)
}

func (c *caster) frame(f Frame) error {
	switch f.Kind {
	case KindOutput, KindError:
		text := append(c.rest, f.Data...)
		whole := len(text) - cutCharacter(text)
		c.rest = append([]byte(nil), text[whole:]...)
		if whole == 0 {
			return nil
		}
		return c.event(f.At, "o", string(text[:whole]))
	case KindResize, KindMark:
		return c.event(f.At, string(f.Kind), string(f.Data))
	case KindExit:
		if err := c.flush(f.At); err != nil || c.format == AsciicastV2 {
			return err
		}
		return c.event(f.At, "x", string(f.Data))
	}
	return nil
}

func (c *caster) flush(at time.Duration) error {
	if len(c.rest) == 0 {
		return nil
	}
	text := string(c.rest)
	c.rest = nil
	return c.event(at, "o", text)
}

func (c *caster) event(at time.Duration, kind, text string) error {
	when := at
	if c.format == AsciicastV3 {
		when -= c.last
	}
	c.last = at
	return c.out.Encode([]any{when.Seconds(), kind, text})
}

// cutCharacter returns how many bytes at the end of text are the beginning of a character.
func cutCharacter(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if c := text[len(text)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(text[len(text)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}
