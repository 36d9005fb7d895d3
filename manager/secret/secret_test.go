package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/manager/gate"
)

// rows are a store in memory, and a journal.
type rows struct {
	all     map[string]inventory.Secret
	records []inventory.Record
}

func (r *rows) Secrets(context.Context) (out []inventory.Secret, err error) {
	for _, s := range r.all {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b inventory.Secret) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (r *rows) SaveSecret(_ context.Context, s inventory.Secret) error {
	r.all[s.Name] = s
	return nil
}

func (r *rows) DeleteSecret(_ context.Context, name string) error {
	delete(r.all, name)
	return nil
}

func (r *rows) ResealSecret(_ context.Context, name, from, to string) error {
	if s, ok := r.all[name]; ok && s.Sealed == from {
		s.Sealed = to
		r.all[name] = s
	}
	return nil
}

func (r *rows) UsedSecret(_ context.Context, name string, use inventory.SecretUse) error {
	s := r.all[name]
	s.Uses = append(s.Uses, use)
	r.all[name] = s
	return nil
}

func (r *rows) Fact(_ context.Context, rec inventory.Record) error {
	r.records = append(r.records, rec)
	return nil
}

// opened is a service on the root as an agent that starts finds it.
func opened(t *testing.T, root string, r *rows) *Service {
	t.Helper()
	keys, err := OpenKeyring(filepath.Join(root, "keys", "host.key"))
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{Store: r, Keys: keys, Now: time.Now})
	s.Use(r)
	return s
}

// The agent dies after each step of a rotation, and in each finds every secret.
func TestRotationLosesNoSecret(t *testing.T) {
	root, r, ctx := t.TempDir(), &rows{all: map[string]inventory.Secret{}}, t.Context()
	s := opened(t, root, r)
	for i := range 3 {
		sealed, err := s.Seal(fmt.Append(nil, "value ", i))
		if err != nil {
			t.Fatal(err)
		}
		r.all[fmt.Sprint("s", i)] = inventory.Secret{Name: fmt.Sprint("s", i), Sealed: sealed}
	}
	first, _ := os.ReadFile(filepath.Join(root, "keys", "host.key"))
	rotate := gate.Verb{}
	for _, v := range s.Verbs() {
		if v.Name == "secret.rotate" {
			rotate = v
		}
	}
	run := &gate.Run{Operation: inventory.Operation{ID: "op-1"}}
	for n := range rotate.Steps {
		for again := range 2 { // each step runs again over its own work
			s = opened(t, root, r)
			for _, v := range s.Verbs() {
				if v.Name == "secret.rotate" {
					if err := v.Steps[n].Do(ctx, run); err != nil {
						t.Fatalf("%s, time %d: %v", v.Steps[n].Name, again, err)
					}
				}
			}
			s = opened(t, root, r)
			for i := range 3 {
				value, err := s.Reveal(ctx, fmt.Sprint("s", i), "test")
				if err != nil || string(value) != fmt.Sprint("value ", i) {
					t.Errorf("after %s: s%d is %q, %v", rotate.Steps[n].Name, i, value, err)
				}
			}
		}
	}
	last, _ := os.ReadFile(filepath.Join(root, "keys", "host.key"))
	if bytes.Contains(last, bytes.TrimSpace(first)) || bytes.Count(last, []byte("AGE-SECRET-KEY")) != 1 {
		t.Errorf("the old key is still there, or none is")
	}
	if info, _ := os.Stat(filepath.Join(root, "keys", "host.key")); info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %o", info.Mode().Perm())
	}
	if n := len(r.records); n != 18 || r.records[0].Verb != "secret.read" {
		t.Errorf("%d reads are on record", n)
	}
}

func TestSealedIsBoundToTheHost(t *testing.T) {
	s := opened(t, t.TempDir(), &rows{all: map[string]inventory.Secret{}})
	other := opened(t, t.TempDir(), &rows{all: map[string]inventory.Secret{}})
	sealed, err := s.Seal([]byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := other.open(sealed); !errors.Is(err, inventory.ErrInvalid) {
		t.Errorf("another host opens it: %v", err)
	}
	changed := []byte(sealed)
	changed[len(changed)-6] ^= 1
	if v, _, err := s.open(string(changed)); err == nil {
		t.Errorf("a changed one opens as %q", v)
	}
	for _, value := range [][]byte{nil, make([]byte, inventory.MaxSecret+1)} {
		if _, err := s.Seal(value); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%d bytes are sealed: %v", len(value), err)
		}
	}
}

// A damaged key file is an error that doesn't show what the file holds.
func TestDamagedKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "host.key")
	for _, text := range []string{"", "# first\n", "AGE-SECRET-KEY-1NOPE\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenKeyring(path)
		if !errors.Is(err, inventory.ErrInvalid) || strings.Contains(err.Error(), "NOPE") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestOwn: what the agent makes for itself is made once, and each use is recorded.
func TestOwn(t *testing.T) {
	store := &rows{all: map[string]inventory.Secret{}}
	s := opened(t, t.TempDir(), store)
	made := 0
	generate := func() ([]byte, error) { made++; return []byte("key"), nil }
	for range 2 {
		if v, err := s.Own(t.Context(), "ca", "signs", "ssh", generate); err != nil || string(v) != "key" {
			t.Fatalf("%q, %v", v, err)
		}
	}
	var verbs []string
	for _, r := range store.records {
		verbs = append(verbs, r.Verb)
	}
	if made != 1 || !slices.Equal(verbs, []string{"secret.made", "secret.read", "secret.read"}) || strings.Contains(store.all["ca"].Sealed, "key") {
		t.Errorf("made %d times, recorded %v", made, verbs)
	}
}
