package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"

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
	for file, told := range byFile(v.story.recordings) {
		if err := v.compareRecording(src, folder, file, told); err != nil {
			return err
		}
	}
	return nil
}

// byFile gathers what was told of each recording: of its parts, the shorter before, and then of the whole.
func byFile(all []recorded) map[string][]recorded {
	files := map[string][]recorded{}
	for _, r := range all {
		files[r.File] = append(files[r.File], r)
	}
	for _, told := range files {
		slices.SortStableFunc(told, func(a, b recorded) int { return cmp.Compare(a.extent(), b.extent()) })
	}
	return files
}

// compareRecording reads a recording once for all that was told of it.
func (v *verification) compareRecording(src source, folder, file string, told []recorded) error {
	v.name = recordingsName
	f, size, err := src.Open(path.Join(folder, path.Base(file)))
	if errors.Is(err, fs.ErrNotExist) {
		if !v.story.expired[file] {
			v.problem(told[len(told)-1].seq, 0, FaultMissing, "the recording %s is not here", file)
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	sum, in, read := sha256.New(), io.NewSectionReader(f, 0, size), int64(0)
	for _, r := range told {
		n, err := io.CopyN(sum, in, min(size, r.extent())-read)
		if err != nil {
			return err
		}
		read += n
		if r.Part && read < r.Bytes || hex.EncodeToString(sum.Sum(nil)) != r.SHA256 {
			v.problem(r.seq, 0, FaultRecording, "the recording %s is not the one that was recorded", file)
			return nil // all that was told later is of another one too
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

// extent is how far into the file its sum goes; a whole one's is the end, wherever that is.
func (r recorded) extent() int64 {
	if r.Part {
		return r.Bytes
	}
	return math.MaxInt64
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
