package inventory

import "unicode"

// CheckLine refuses text for people that isn't one line of printable characters: it is shown in
// tables, logs and other people's terminals, where an escape sequence or a change of direction
// would say what its author wants.
func CheckLine(what, text string) error {
	for _, r := range text {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return Errorf(ErrInvalid, "%s has to be one line of printable characters, without %U", what, r)
		}
	}
	return nil
}
