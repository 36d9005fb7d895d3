package storage

import (
	"strings"

	"lodge/inventory"
)

// CheckVolume reports whether id can name a volume: an id in lower case, so that two spellings never
// mean two volumes.
func CheckVolume(id string) error {
	if !inventory.IsID(id) || strings.ToLower(id) != id {
		return inventory.Errorf(inventory.ErrInvalid, "%.60q can't name a volume; it has to be an id", id)
	}
	return nil
}

// CheckSnapshot reports whether name can name a snapshot: a DNS label.
func CheckSnapshot(name string) error {
	return inventory.CheckName("a snapshot", name)
}

// CheckNames reports whether id can name a volume and snapshot a snapshot of it.
func CheckNames(id, snapshot string) error {
	if err := CheckVolume(id); err != nil {
		return err
	}
	return CheckSnapshot(snapshot)
}

// CheckClone reports whether a volume can be made from another one, or from a snapshot of it when
// snapshot is not "".
func CheckClone(from, snapshot string, to Volume) error {
	if err := to.Check(); err != nil {
		return err
	}
	if snapshot == "" {
		return CheckVolume(from)
	}
	return CheckNames(from, snapshot)
}

// ImageHex returns the 64 hexadecimal digits of a digest, which are safe as the name of a file.
func ImageHex(digest string) (string, error) {
	hex, ok := strings.CutPrefix(digest, "sha256:")
	if !ok || len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "" {
		return "", inventory.Errorf(inventory.ErrInvalid,
			"%.80q is no image digest; it has to be sha256: and 64 hexadecimal digits in lower case", digest)
	}
	return hex, nil
}

// Check reports whether the volume can be made.
func (v Volume) Check() error {
	if v.Size < 0 || v.Held < 0 {
		return inventory.Errorf(inventory.ErrInvalid, "a volume can't have a size of %d bytes", int64(min(v.Size, v.Held)))
	}
	return CheckVolume(v.ID)
}
