package inventory

import (
	"unicode"
	"unicode/utf8"
)

// maxLine bounds a line for people, in characters: it is shown whole, and kept in every record that
// tells of it.
const maxLine = 1000

// CheckLine refuses text for people that isn't one line of printable characters: it is shown in
// tables, logs and other people's terminals, where an escape sequence or a change of direction
// would say what its author wants. Nor may it be longer than what is still read.
func CheckLine(what, text string) error {
	if n := utf8.RuneCountInString(text); n > maxLine {
		return Errorf(ErrInvalid, "%s may have %d characters, not %d", what, maxLine, n)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return Errorf(ErrInvalid, "%s has to be one line of printable characters, without %U", what, r)
		}
	}
	return nil
}
