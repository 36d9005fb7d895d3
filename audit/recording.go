package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"path"

	"lodge/inventory"
)

// recordingsName is the folder of a bundle that holds recordings of sessions.
const recordingsName = "recordings"

// VerbExpire is the verb of the record that names recordings which were deleted when their time was up.
const VerbExpire = "session.recording.expire"

// Expired is what such a record says. It is durable before the files go.
type Expired struct {
	Files []string `json:"files"`
}

// recordings compares the recordings that lie beside the journal with what its records say of them.
// Where there are none, none are asked for.
func (v *verification) recordings() error {
	src, folder := v.src, recordingsName
	if dir := v.options.Recordings; dir != "" {
		src, folder = folderSource(dir), ""
	} else if names, err := v.src.Names(); err != nil || !hasFolder(names, folder) {
		return err
	}
	for _, r := range v.story.recordings {
		if err := v.compareRecording(src, folder, r); err != nil {
			return err
		}
	}
	return nil
}

func (v *verification) compareRecording(src source, folder string, r recorded) error {
	v.name = recordingsName
	f, size, err := src.Open(path.Join(folder, path.Base(r.File)))
	if errors.Is(err, fs.ErrNotExist) {
		if !v.story.expired[r.File] {
			v.problem(r.seq, 0, FaultMissing, "the recording %s is not here", r.File)
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err = io.Copy(sum, io.NewSectionReader(f, 0, size)); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != r.SHA256 {
		v.problem(r.seq, 0, FaultRecording, "the recording %s is not the one that was recorded", r.File)
	}
	return nil
}

func hasFolder(names []string, folder string) bool {
	for _, n := range names {
		if n == folder || path.Dir(n) == folder {
			return true
		}
	}
	return false
}

// recorded is a recording that a record names.
type recorded struct {
	inventory.Recording
	seq int64
}

func (s *story) recording(seq int64, o outline) {
	var gone Expired
	if o.verb == VerbExpire && o.kind == "fact" && json.Unmarshal(o.detail, &gone) == nil {
		for _, file := range gone.Files {
			s.expired[file] = true
		}
	}
	r := recorded{seq: seq}
	if raw := o.recording; len(raw) > 0 && json.Unmarshal(raw, &r.Recording) == nil {
		s.recordings = append(s.recordings, r)
	}
}
