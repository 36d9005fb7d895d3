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

// recordings compares the recordings that lie beside the journal with what its records say of them.
// Where there are none, none are asked for.
func (v *verification) recordings() error {
	names, err := v.src.Names()
	if err != nil || !hasFolder(names, recordingsName) {
		return err
	}
	for _, r := range v.story.recordings {
		f, size, err := v.src.Open(path.Join(recordingsName, path.Base(r.File)))
		v.name = recordingsName
		if errors.Is(err, fs.ErrNotExist) {
			v.problem(r.seq, 0, FaultMissing, "the recording %s is not here", r.File)
			continue
		}
		if err != nil {
			return err
		}
		sum := sha256.New()
		_, err = io.Copy(sum, io.NewSectionReader(f, 0, size))
		f.Close()
		if err != nil {
			return err
		}
		if hex.EncodeToString(sum.Sum(nil)) != r.SHA256 {
			v.problem(r.seq, 0, FaultRecording, "the recording %s is not the one that was recorded", r.File)
		}
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

func (s *story) recording(seq int64, raw []byte) {
	r := recorded{seq: seq}
	if len(raw) > 0 && json.Unmarshal(raw, &r.Recording) == nil {
		s.recordings = append(s.recordings, r)
	}
}
