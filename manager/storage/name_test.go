package storage_test

import (
	"errors"
	"strings"
	"testing"

	"lodge/inventory"
	"lodge/manager/storage"
)

func TestNames(t *testing.T) {
	const id = "0190b2c4-0000-7000-8000-00000000000a"
	digits := strings.Repeat("0a", 32)
	image := func(digest string) error { _, err := storage.ImageHex(digest); return err }
	size := func(n inventory.Bytes) error { return storage.Volume{ID: id, Size: n}.Check() }
	for _, c := range []struct {
		name string
		err  error
		ok   bool
	}{
		{"an id", storage.CheckVolume(id), true},
		{"an id in upper case", storage.CheckVolume(strings.ToUpper(id)), false},
		{"a name as id", storage.CheckVolume("web1"), false},
		{"a path as id", storage.CheckVolume("../" + id), false},
		{"a signed number in an id", storage.CheckVolume("0190b2c4-0000-7000-8000--0000000000a"), false},
		{"a snapshot", storage.CheckSnapshot("before-upgrade"), true},
		{"a snapshot with a dot", storage.CheckSnapshot("a.b"), false},
		{"a hidden snapshot", storage.CheckSnapshot(".new-x"), false},
		{"a digest", image("sha256:" + digits), true},
		{"a digest without kind", image(digits), false},
		{"a short digest", image("sha256:" + digits[1:]), false},
		{"a digest with a path", image("sha256:../" + digits[3:]), false},
		{"no bound", size(0), true},
		{"a negative size", size(-1), false},
	} {
		if c.ok != (c.err == nil) || !c.ok && !errors.Is(c.err, inventory.ErrInvalid) {
			t.Errorf("%s: %v", c.name, c.err)
		}
	}
	if hex, _ := storage.ImageHex("sha256:" + digits); hex != digits {
		t.Errorf("the digits are %q", hex)
	}
}
