package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"gopkg.in/yaml.v3"
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

// writeYAML writes a document whose strings show what can't be seen escaped, as those of JSON do. The
// encoder itself escapes controls, but not what changes direction or has no width.
func writeYAML(out io.Writer, v any) error {
	var document yaml.Node
	if err := document.Encode(v); err != nil {
		return err
	}
	quoteHidden(&document)
	var b bytes.Buffer // escaping takes no parts of a rune
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(&document), e.Close()); err != nil {
		return err
	}
	_, err := escaping{out}.Write(b.Bytes())
	return err
}

// quoteHidden makes the strings that need escapes of the kind that may have them.
func quoteHidden(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && strings.ContainsFunc(n.Value, isHidden) {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, child := range n.Content {
		quoteHidden(child)
	}
}

// isHidden reports whether a rune is escaped in JSON and YAML: a document has lines and tabs of its own.
func isHidden(r rune) bool { return r != '\n' && r != '\t' && isUnseen(r) }

// escaping writes whole documents: outside of quoted strings they have no rune that is hidden.
type escaping struct{ out io.Writer }

func (w escaping) Write(p []byte) (int, error) {
	text := string(p)
	if !strings.ContainsFunc(text, isHidden) {
		return w.out.Write(p)
	}
	var b strings.Builder
	for _, r := range text {
		switch high, low := utf16.EncodeRune(r); {
		case !isHidden(r):
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
