package audit

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// An evidence folder is what somebody wrote about the journal, the part of the journal it rests on, and
// a manifest: a note of the journal's key with the SHA-256 of every file.
const (
	manifestName    = "manifest"
	evidenceDomain  = "lodge.audit/evidence"
	evidenceJournal = "journal"
	// CitationsName is the document whose member records names the records it rests on, each with
	// its seq and hash: all of them have to be in the journal beside it.
	CitationsName = "evidence.json"
)

// A Document is one file of an evidence folder.
type Document struct {
	Name    string
	Content []byte
}

// WriteEvidence writes a tar file of an evidence folder: the documents, the bundle of the records from
// and to these times below journal/, and the manifest.
func (j *Journal) WriteEvidence(w io.Writer, docs []Document, from, to time.Time) error {
	b, err := j.bundle(from, to)
	if err != nil {
		return err
	}
	m := manifest{tar: tar.NewWriter(w), at: j.now()}
	for _, d := range docs {
		if err := m.add(d.Name, int64(len(d.Content)), strings.NewReader(string(d.Content))); err != nil {
			return err
		}
	}
	err = b.each(func(name string, size int64, r io.Reader) error {
		return m.add(path.Join(evidenceJournal, name), size, r)
	})
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s\n%s\nat %s\n%s", evidenceDomain, j.origin, m.at.UTC().Format(time.RFC3339Nano), m.lines.String())
	j.mu.Lock()
	note := string(signNote(text, j.origin, j.key))
	j.mu.Unlock()
	if err := m.add(manifestName, int64(len(note)), strings.NewReader(note)); err != nil {
		return err
	}
	return m.tar.Close()
}

// manifest notes what is written to a tar file.
type manifest struct {
	tar   *tar.Writer
	at    time.Time
	lines strings.Builder
}

func (m *manifest) add(name string, size int64, r io.Reader) error {
	sum := sha256.New()
	if err := addFile(m.tar, name, size, io.TeeReader(r, sum), m.at); err != nil {
		return err
	}
	fmt.Fprintf(&m.lines, "%x %d %s\n", sum.Sum(nil), size, name)
	return nil
}

// IsEvidence reports whether a folder claims to be evidence.
func IsEvidence(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, manifestName))
	return err == nil
}

// VerifyEvidence checks an evidence folder with nothing but itself and what the options say: the
// journal in it as Verify does, the manifest's signature by that journal's key, every file against it,
// and that each record the documents rest on is in the journal.
func VerifyEvidence(dir string, o VerifyOptions) (Report, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Report{}, err
	}
	defer root.Close()
	e := evidence{root: root}
	cited, err := e.citations()
	if err != nil {
		return Report{}, err
	}
	e.cited = len(cited)
	o.leaf = func(seq int64, h tlog.Hash) {
		if want, ok := cited[seq]; ok && want == hex.EncodeToString(h[:]) {
			delete(cited, seq)
		}
	}
	e.v, err = verify(filepath.Join(dir, evidenceJournal), o)
	if err != nil {
		return Report{}, fmt.Errorf("the journal of the evidence: %w", err)
	}
	e.unproved(slices.Sorted(maps.Keys(cited)))
	if err := e.files(); err != nil {
		return Report{}, err
	}
	r := &e.v.report
	slices.SortStableFunc(r.Problems, func(a, b Problem) int { return int(min(max(a.Seq-b.Seq, -1), 1)) })
	r.Cited, r.Documents = e.cited, e.documents
	r.judge()
	return *r, nil
}

// unproved notes the records that are told of and were not found. Those before the journal's first one
// may have been archived: whether they should be here its own statement says.
func (e *evidence) unproved(seqs []int64) {
	e.v.name = CitationsName
	before, _ := slices.BinarySearch(seqs, e.v.first)
	if before > 0 {
		e.v.problem(seqs[0], 0, FaultMissing, "%d records it rests on come before the first one here, %d; they were archived",
			before, e.v.first)
	}
	for _, seq := range seqs[before:] {
		e.v.problem(seq, 0, FaultRewritten, "the evidence tells of another record %d than the journal", seq)
	}
}

// evidence is one check of a folder.
type evidence struct {
	root             *os.Root
	v                *verification
	cited, documents int
}

// citations are the hashes of the records that the evidence rests on, by their numbers.
func (e *evidence) citations() (map[int64]string, error) {
	f, err := e.root.Open(CitationsName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the manifest tells whether it should be there
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var doc struct {
		Records []struct {
			Seq  int64  `json:"seq"`
			Hash string `json:"hash"`
		} `json:"records"`
	}
	if json.NewDecoder(f).Decode(&doc) != nil {
		return nil, nil // the manifest tells that it is another
	}
	out := map[int64]string{}
	for _, r := range doc.Records {
		out[r.Seq] = r.Hash
	}
	return out, nil
}

// files holds every file against the manifest.
func (e *evidence) files() error {
	text, err := e.root.ReadFile(manifestName)
	if err != nil {
		return err
	}
	body, ok := e.signed(text)
	e.v.name = manifestName
	if !ok {
		e.v.problem(1, 0, FaultKey, "none of the journal's keys signed the manifest")
		body, _, _ = strings.Cut(string(text), "\n\n")
	}
	listed := map[string]bool{manifestName: true}
	for s := bufio.NewScanner(strings.NewReader(body)); s.Scan(); {
		parts := strings.SplitN(s.Text(), " ", 3)
		if len(parts) != 3 || len(parts[0]) != 2*sha256.Size {
			continue // the lines above the list
		}
		listed[parts[2]] = true
		e.documents++
		if err := e.file(parts[2], parts[0], parts[1]); err != nil {
			return err
		}
	}
	return fs.WalkDir(e.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !listed[name] {
			e.v.name = name
			e.v.problem(1, 0, FaultInserted, "the manifest knows of no such file")
		}
		return err
	})
}

// signed returns the manifest's text if one of the journal's keys signed it.
func (e *evidence) signed(text []byte) (string, bool) {
	origin := e.v.checker.header.Origin
	for _, key := range e.v.keys {
		body, err := openNote(text, origin, key)
		if err == nil && strings.HasPrefix(body, evidenceDomain+"\n"+origin+"\n") {
			return body, true
		}
	}
	return "", false
}

func (e *evidence) file(name, want, size string) error {
	e.v.name = name
	info, err := e.root.Lstat(filepath.FromSlash(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.v.problem(1, 0, FaultMissing, "the file is not here")
		return nil
	case err == nil && !info.Mode().IsRegular():
		e.v.problem(1, 0, FaultRewritten, "it is no file")
		return nil
	}
	f, err := e.root.Open(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err == nil && (strconv.FormatInt(n, 10) != size || hex.EncodeToString(sum.Sum(nil)) != want) {
		e.v.problem(1, 0, FaultRewritten, "the file is not the one that was signed")
	}
	return err
}
