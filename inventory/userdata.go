package inventory

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxUserData bounds a cloud-init document, in bytes. Clouds take 16 KiB to 64 KiB.
const MaxUserData = 256 << 10

// userDataKinds are what a document may begin with: cloud-init passes over anything else in silence
// (its manual, "User-data formats").
var userDataKinds = []string{"#cloud-config", "#!", "#include", "#cloud-boothook", "#part-handler",
	"## template: jinja", "Content-Type:", "MIME-Version:"}

// CheckUserData refuses a document that cloud-init would do nothing with.
func CheckUserData(text string) error {
	switch {
	case len(text) > MaxUserData:
		return Errorf(ErrInvalid, "the user data has %s; at most %s are taken", Bytes(len(text)), Bytes(MaxUserData))
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return Errorf(ErrInvalid, "the user data is no text; give cloud-init's document as it is, not compressed")
	case !slices.ContainsFunc(userDataKinds, func(kind string) bool { return strings.HasPrefix(text, kind) }):
		first, _, _ := strings.Cut(text, "\n")
		return Errorf(ErrInvalid, "the user data begins with %.40q, which cloud-init passes over; it has to begin with #cloud-config, #! or the like", first)
	}
	return nil
}
