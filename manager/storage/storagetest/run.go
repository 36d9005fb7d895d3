// Package storagetest is the suite every implementation of storage.Pool has to pass. It checks what
// the contract promises, on real pools, and knows nothing of how they work.
package storagetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/inventory"
	"lodge/manager/storage"
)

// A Backend says how the suite gets at pools of one kind.
type Backend struct {
	// Open makes a pool in the empty folder dir, or opens the one that is there. The suite calls
	// it again without closing the pool before, as after a crash. The pool has at least 1 GiB,
	// and crash is called at each of Points. Open ends the test when it can't.
	Open func(t *testing.T, dir string, crash func(point string)) storage.Pool
	// Dir makes an empty folder for a pool and has it cleaned up after the test.
	Dir func(t *testing.T) string
	// Points are the crash points inside the pool's methods; each has to be reached by the suite.
	Points []string
}

// Run checks one kind of pool.
func Run(t *testing.T, b Backend) {
	checks := []struct {
		name  string
		check func(*testing.T, *fixture)
	}{
		{"image is added read-only", imageAdded},
		{"image exists", imageExists},
		{"image is missing", imageMissing},
		{"image whose fill fails is not there", imageFillFails},
		{"image deleted under a volume", imageDeleted},
		{"contents equal the image's", contentsEqual},
		{"empty volume", emptyVolume},
		{"volume exists", volumeExists},
		{"volumes are independent", volumesIndependent},
		{"volume is deleted", volumeDeleted},
		{"paths stay inside", pathsStayInside},
		{"names that can't be", namesRefused},
		{"clone of the present", clonePresent},
		{"clone of a snapshot", cloneSnapshot},
		{"clone of what is missing", cloneMissing},
		{"snapshot is one instant", snapshotInstant},
		{"snapshot exists or is missing", snapshotErrors},
		{"snapshot is deleted", snapshotDeleted},
		{"restore", restore},
		{"restore twice and of a gone volume", restoreGone},
		{"usage grows and shrinks", usageGrows},
		{"size is enforced", sizeEnforced},
		{"size survives restore and snapshot", sizeKept},
		{"resize", resize},
		{"room is measured", roomMeasured},
		{"list", listed},
		{"parallel calls", parallel},
		{"same name at once", sameAtOnce},
		{"cancelled context", cancelled},
		{"opened again", openedAgain},
	}
	f := newFixture(t, b)
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.check(t, f.in(t)) })
	}
	t.Run("crashes", func(t *testing.T) { crashes(t, b) })
	t.Run("full pool", func(t *testing.T) { fullPool(t, newFixture(t, b)) })
}

// fixture is a pool with one image in it.
type fixture struct {
	storage.Pool
	t       *testing.T
	backend Backend
	dir     string
	image   string
	crash   func(point string) // what the pool calls; nil: nothing
}

func newFixture(t *testing.T, b Backend) *fixture {
	f := &fixture{t: t, backend: b, dir: b.Dir(t), image: newDigest()}
	f.open()
	f.ok(f.AddImage(t.Context(), f.image, fillTree))
	return f
}

func (f *fixture) open() {
	f.Pool = f.backend.Open(f.t, f.dir, func(point string) {
		if f.crash != nil {
			f.crash(point)
		}
	})
}

func (f *fixture) in(t *testing.T) *fixture {
	g := *f
	g.t = t
	return &g
}

func (f *fixture) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// wants ends the test unless err is of that kind and, as it goes to a person, says something.
func (f *fixture) wants(kind, err error) {
	f.t.Helper()
	if !errors.Is(err, kind) {
		f.t.Fatalf("got error %v, want one of kind %q", err, kind)
	}
	if len(err.Error()) < 20 {
		f.t.Errorf("the error %q isn't a sentence", err)
	}
}

func newID() string { return inventory.NewID(time.Now()) }

func newDigest() string {
	return fmt.Sprintf("sha256:%016x%016x%016x%016x", rand.Uint64(), rand.Uint64(), rand.Uint64(),
		rand.Uint64())
}

// volume makes a volume of the fixture's image.
func (f *fixture) volume(size inventory.Bytes) (id string) {
	f.t.Helper()
	id = newID()
	f.ok(f.Create(f.t.Context(), storage.Volume{ID: id, Size: size}, f.image))
	f.t.Cleanup(func() { _ = f.Delete(f.t.Context(), id) })
	return id
}

func (f *fixture) write(dir, name, content string) {
	f.t.Helper()
	f.ok(os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
}

// reads ends the test unless the file holds content; "" means that there is no file.
func (f *fixture) reads(dir, name, content string) {
	f.t.Helper()
	got, err := os.ReadFile(filepath.Join(dir, name))
	if content == "" && errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil || string(got) != content {
		f.t.Fatalf("%s holds %q, %v; want %q", name, got, err, content)
	}
}

func (f *fixture) there(path string, want bool) {
	f.t.Helper()
	if _, err := os.Lstat(path); (err == nil) != want {
		f.t.Fatalf("%s: %v; want it there: %v", path, err, want)
	}
}

// flush makes the kernel write out and count what was written below path.
func (f *fixture) flush(path string) {
	f.t.Helper()
	d, err := os.Open(path)
	f.ok(err)
	defer d.Close()
	f.ok(unix.Syncfs(int(d.Fd())))
}

// grow writes up to that many random bytes to a new file, synced, and returns how many fit.
func grow(path string, limit inventory.Bytes) (inventory.Bytes, error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	block, written := make([]byte, 1<<20), inventory.Bytes(0)
	source := rand.NewChaCha8([32]byte{1})
	for written < limit {
		source.Read(block)
		n, err := file.Write(block)
		written += inventory.Bytes(n)
		if err != nil {
			return written, errors.Join(err, file.Sync())
		}
	}
	return written, file.Sync()
}
