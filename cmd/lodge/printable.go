package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
)

// isUnseen reports whether a rune steers a terminal or a reader's eye instead of showing something:
// control characters, changes of direction, blanks of no width, lines that end elsewhere.
func isUnseen(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

// printable keeps what a container or a stranger wrote from steering the terminal: what can't be seen is
// shown as in a string of Go, \x1b or \u202e.
func printable(s string) string {
	if !strings.ContainsFunc(s, isUnseen) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isUnseen(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// jsonLines returns what writes values as JSON to out, each with a newline. JSON lets most of what can't
// be seen through as it is; here it is escaped, which means the same to whatever reads JSON.
func jsonLines(out io.Writer) *json.Encoder {
	e := json.NewEncoder(escaping{out})
	e.SetEscapeHTML(false)
	return e
}

// escaping writes whole values of JSON: outside of strings they have no such rune but their newlines.
type escaping struct{ out io.Writer }

func (w escaping) Write(p []byte) (int, error) {
	hidden := func(r rune) bool { return r != '\n' && isUnseen(r) }
	text := string(p)
	if !strings.ContainsFunc(text, hidden) {
		return w.out.Write(p)
	}
	var b strings.Builder
	for _, r := range text {
		switch high, low := utf16.EncodeRune(r); {
		case !hidden(r):
			b.WriteRune(r)
		case high != unicode.ReplacementChar:
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	_, err := io.WriteString(w.out, b.String())
	return len(p), err
}
