package evidence

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"lodge/inventory"
)

// A Record is a record of the journal with its number and the hash of its leaf.
type Record struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
	inventory.Record
}

// A Signer says whose word the journal is.
type Signer struct {
	Origin      string `json:"origin"`
	PublicKey   string `json:"public_key"`
	Fingerprint string `json:"fingerprint"`
}

// A File is one file of the folder.
type File struct {
	Name    string
	Content []byte
}

// Journal is the audit journal.
type Journal interface {
	// Records returns all that the query selects, the oldest first.
	Records(ctx context.Context, q inventory.RecordQuery) ([]Record, error)
	Append(ctx context.Context, r inventory.Record) (int64, error)
	Signer() Signer
	// Write writes a tar file of the files, of the journal between two times, and of a signed list of
	// all of them.
	Write(w io.Writer, files []File, from, to time.Time) error
}

// Store is what is known beside the journal.
type Store interface {
	Container(ctx context.Context, ref inventory.Ref) (*inventory.Container, error)
	ChangesOf(ctx context.Context, id inventory.ContainerID) ([]inventory.Change, error)
}

// A Service writes evidence.
type Service struct {
	journal  Journal
	store    Store
	chapters []Chapter
	now      func() time.Time
}

// New returns a service that tells these chapters, in this order.
func New(j Journal, s Store, now func() time.Time, chapters ...Chapter) *Service {
	return &Service{j, s, chapters, now}
}

// Evidence finds the containers that had the name between two times (zero: no bound), or the one of the
// id, records who asked, and returns what writes the folder as a tar file. ErrNotFound when there was none.
func (s *Service) Evidence(ctx context.Context, ref inventory.Ref, from, to time.Time) (func(io.Writer) error, error) {
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return nil, inventory.Errorf(inventory.ErrInvalid, "the evidence would end before it begins; --from has to be before --to")
	}
	cases, err := s.cases(ctx, ref, from, to)
	if err != nil {
		return nil, err
	}
	if err := s.tell(ctx, cases, from, to); err != nil {
		return nil, err
	}
	if cases, err = s.cases(ctx, ref, from, to); err != nil { // again: with the record of this very request
		return nil, err
	}
	d := &dossier{Format: 1, Name: ref.Name, From: from, To: to, WrittenAt: s.now().UTC(), Journal: s.journal.Signer()}
	var files []File
	for _, c := range cases {
		more, err := d.add(ctx, c, s.chapters)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	own, err := d.files()
	if err != nil {
		return nil, err
	}
	since := from
	if len(d.Records) > 0 && d.Records[0].At.Before(from) {
		since = d.Records[0].At
	}
	return func(w io.Writer) error { return s.journal.Write(w, append(own, files...), since, to) }, nil
}

// cases returns a case for each container that is meant.
func (s *Service) cases(ctx context.Context, ref inventory.Ref, from, to time.Time) ([]*Case, error) {
	ids, err := s.identify(ctx, ref, to)
	if err != nil {
		return nil, err
	}
	standing, err := s.standing(ctx, to)
	if err != nil {
		return nil, err
	}
	var out []*Case
	for _, id := range ids {
		c := &Case{ID: id, From: from, To: to, Standing: standing, Journal: s.journal.Signer()}
		if c.Records, err = s.journal.Records(ctx, inventory.RecordQuery{Subject: subjectPrefix + string(id), To: to}); err != nil {
			return nil, err
		}
		if c.Changes, err = s.store.ChangesOf(ctx, id); err != nil {
			return nil, err
		}
		if c.Present, err = s.store.Container(ctx, inventory.Ref{Name: string(id)}); err != nil && !errors.Is(err, inventory.ErrNotFound) {
			return nil, err
		}
		if inventory.IsID(ref.Name) && (len(c.Records) > 0 || c.Present != nil) || c.wasCalled(ref) {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, inventory.Errorf(inventory.ErrNotFound, "no container was called %s then; 'lodge audit list --target NAME' finds what there was", ref)
	}
	return out, nil
}

const subjectPrefix = "container:"

// identify returns the ids of all containers that ever had the name, the first one first.
func (s *Service) identify(ctx context.Context, ref inventory.Ref, to time.Time) (ids []inventory.ContainerID, err error) {
	if inventory.IsID(ref.Name) {
		return []inventory.ContainerID{inventory.ContainerID(ref.Name)}, nil
	}
	records, err := s.journal.Records(ctx, inventory.RecordQuery{Name: ref.Name, To: to})
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		id, ok := strings.CutPrefix(r.Subject, subjectPrefix)
		if ok && !slices.Contains(ids, inventory.ContainerID(id)) {
			ids = append(ids, inventory.ContainerID(id))
		}
	}
	if c, err := s.store.Container(ctx, ref); err == nil && !slices.Contains(ids, c.ID) {
		ids = append(ids, c.ID)
	}
	return ids, nil
}

// standing returns the records of who was given what.
func (s *Service) standing(ctx context.Context, to time.Time) (out []Record, err error) {
	for _, verb := range []string{"role.*", "group.*", "user.*"} {
		part, err := s.journal.Records(ctx, inventory.RecordQuery{Verb: verb, To: to})
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
	}
	slices.SortFunc(out, func(a, b Record) int { return int(a.Seq - b.Seq) })
	return out, nil
}

// tell records that evidence was taken away.
func (s *Service) tell(ctx context.Context, cases []*Case, from, to time.Time) error {
	by, _ := inventory.PrincipalFrom(ctx)
	detail, err := json.Marshal(map[string]time.Time{"from": from, "to": to})
	for _, c := range cases {
		if err == nil {
			last := c.last()
			_, err = s.journal.Append(ctx, inventory.Record{Kind: inventory.RecordFact, Verb: "evidence.export", Principal: by,
				Subject: subjectPrefix + string(c.ID), Name: last.Name, Project: last.Project,
				Result: "evidence was exported", Detail: detail})
		}
	}
	return err
}
