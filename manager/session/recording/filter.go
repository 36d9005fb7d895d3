package recording

import (
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Filter passes what was shown on to a terminal without what would do more there than show: what
// sets the title or the clipboard or asks the terminal for something, which it would answer as if
// somebody typed (ECMA-48; the control sequences of xterm). What it doesn't know it leaves out.
type Filter struct {
	out    io.Writer
	state  filterState
	seq    []byte // of an escape sequence, or of a character that is not whole
	passed []byte
}

type filterState int

const (
	inText   filterState = iota
	inEscape             // behind ESC, and what stands between it and its end
	inCSI                // behind ESC [
	inString             // an OSC, DCS, SOS, PM or APC, to its end
)

// NewFilter returns a filter in front of a terminal.
func NewFilter(terminal io.Writer) *Filter { return &Filter{out: terminal} }

// Restore is what puts a terminal back that was left in the middle of something: attributes, cursor,
// its shape, margins and origin, inserting, what Return sends, reversed video, character sets, and the
// screen it had.
const Restore = "\x1b[?2026l\x1b[0m\x1b[?7h\x1b[?25h\x1b[0 q\x1b[4l\x1b[20l\x1b[?5l\x1b[?6l\x1b[r\x1b[?1049l" +
	"\x1b(B\x1b)B\x1b*B\x1b+B\x0f"

// Write passes on what may pass. Sequences that are cut between two writes are kept until they are whole.
func (f *Filter) Write(p []byte) (int, error) {
	f.passed = f.passed[:0]
	for _, b := range p {
		f.take(b)
	}
	if _, err := f.out.Write(f.passed); err != nil {
		return 0, err
	}
	return len(p), nil
}

const (
	escape = 0x1b
	maxSeq = 64 // bytes of a sequence; no terminal needs more of what passes
)

func (f *Filter) take(b byte) {
	switch {
	case b == 0x18 || b == 0x1a: // CAN, SUB: whatever has begun is off
		f.begin(inText)
	case f.state == inString:
		f.takeString(b)
	case b == escape:
		f.begin(inEscape)
	case f.state == inText:
		f.takeText(b)
	case b < ' ': // a terminal obeys it in the middle of a sequence
		f.control(b)
	case f.state == inEscape:
		f.takeEscape(b)
	default:
		f.takeCSI(b)
	}
}

func (f *Filter) begin(s filterState) { f.state, f.seq = s, f.seq[:0] }

// control passes the control characters that move the cursor or choose a character set.
func (f *Filter) control(b byte) {
	if strings.IndexByte("\b\t\n\v\f\r\x0e\x0f\a", b) >= 0 {
		f.passed = append(f.passed, b)
	}
}

// takeString waits for the end of what is left out: BEL or ESC \, of which the backslash is then an
// escape sequence of no effect.
func (f *Filter) takeString(b byte) {
	switch {
	case b == '\a':
		f.begin(inText)
	case b == escape:
		f.begin(inEscape)
	case len(f.seq) == 0 && b == 0xc2:
		f.seq = append(f.seq, b)
	case len(f.seq) == 1 && b == 0x9c: // ST as one character
		f.begin(inText)
	default:
		f.seq = f.seq[:0]
	}
}

func (f *Filter) takeText(b byte) {
	if len(f.seq) == 0 && b < utf8.RuneSelf {
		if b < ' ' {
			f.control(b)
		} else if b != 0x7f {
			f.passed = append(f.passed, b)
		}
		return
	}
	f.seq = append(f.seq, b)
	for len(f.seq) > 0 && utf8.FullRune(f.seq) {
		r, n := utf8.DecodeRune(f.seq)
		rest := slices.Clone(f.seq[n:])
		f.seq = f.seq[:0]
		f.character(r)
		if f.state != inText || len(rest) == 0 {
			return
		}
		if rest[0] < utf8.RuneSelf { // it ended a character that was not whole
			f.take(rest[0])
			return
		}
		f.seq = append(f.seq, rest...)
	}
}

// character passes a character that is not ASCII. Those of C1 begin sequences as ESC does; those that
// turn the direction of writing make a line read as it is not.
func (f *Filter) character(r rune) {
	switch {
	case r == 0x9b:
		f.begin(inCSI)
	case r == 0x90 || r == 0x98 || r >= 0x9d && r <= 0x9f:
		f.begin(inString)
	case r >= 0x80 && r < 0xa0:
	case r == 0x061c || r == 0x200e || r == 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
	default:
		f.passed = utf8.AppendRune(f.passed, r)
	}
}

// takeEscape handles what follows ESC.
func (f *Filter) takeEscape(b byte) {
	switch {
	case len(f.seq) == 0 && b == '[':
		f.begin(inCSI)
	case len(f.seq) == 0 && strings.IndexByte("]PX^_", b) >= 0:
		f.begin(inString)
	case b >= ' ' && b < '0' && len(f.seq) < maxSeq:
		f.seq = append(f.seq, b)
	default:
		if mayEscape(append(f.seq, b)) {
			f.passed = append(append(append(f.passed, escape), f.seq...), b)
		}
		f.begin(inText)
	}
}

// mayEscape: save and restore the cursor, index, next line, tab stop, reverse index, reset; a
// character set of US, UK or line drawing; the screen full of E.
func mayEscape(seq []byte) bool {
	switch len(seq) {
	case 1:
		return strings.IndexByte("78DEHMc", seq[0]) >= 0
	case 2:
		return strings.IndexByte("()*+", seq[0]) >= 0 && strings.IndexByte("AB0", seq[1]) >= 0 || string(seq) == "#8"
	}
	return false
}

func (f *Filter) takeCSI(b byte) {
	if b >= ' ' && b < '@' {
		if len(f.seq) < maxSeq {
			f.seq = append(f.seq, b)
		}
		return
	}
	if b < 0x7f && len(f.seq) < maxSeq && mayCSI(string(f.seq), b) {
		f.passed = append(append(append(f.passed, escape, '['), f.seq...), b)
	}
	f.begin(inText)
}

// mayCSI: moves of the cursor, erasing, inserting, deleting and scrolling, tabs, margins, attributes,
// the shape of the cursor, and those modes that change only what is seen.
func mayCSI(params string, final byte) bool {
	private := strings.TrimLeft(params, "<=>?") != params
	switch {
	case final == 'h' || final == 'l':
		return mayMode(params)
	case final == 'q':
		return strings.HasSuffix(params, " ") && isNumbers(params[:len(params)-1])
	case final == 'J' && strings.Contains(params, "3"): // what was on the terminal before is not the session's to erase
		return false
	case final == 'J' || final == 'K':
		return isNumbers(strings.TrimPrefix(params, "?"))
	case final == 'b': // repeat: a great number would keep the terminal busy
		return isNumbers(params) && len(params) <= 4
	case private || !isNumbers(params):
		return false
	}
	return strings.IndexByte("ABCDEFGHIJKLMPSTXZ@`adefgmrsu", final) >= 0
}

// seenModes of DEC: reversed video, origin, wrapping, the cursor's blinking and being seen, the other
// screen, updates at once. The keyboard's, the mouse's and pasting's are not among them.
var seenModes = []string{"5", "6", "7", "12", "25", "47", "1047", "1048", "1049", "2026"}

func mayMode(params string) bool {
	modes, private := strings.CutPrefix(params, "?")
	if !private {
		return modes == "4" || modes == "20"
	}
	for _, m := range strings.Split(modes, ";") {
		if !slices.Contains(seenModes, m) {
			return false
		}
	}
	return true
}

func isNumbers(params string) bool { return strings.Trim(params, "0123456789;:") == "" }
