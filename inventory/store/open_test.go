package store_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/inventory"
	"lodge/inventory/store"
	"lodge/manager/gate"
)

// refused opens the file and checks that it is refused as unavailable with a sentence.
func refused(t *testing.T, path string, sentence ...string) {
	t.Helper()
	b := &bench{t: t, path: path, now: open(t).now}
	s, err := store.Open(context.Background(), b.config())
	if err == nil {
		s.Close()
	}
	unavailable(t, err, append(sentence, path)...)
}

func unavailable(t *testing.T, err error, sentence ...string) {
	t.Helper()
	if !errors.Is(err, inventory.ErrUnavailable) {
		t.Fatal("no kind:", err)
	}
	for _, part := range sentence {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestOpenMakesPrivateFiles(t *testing.T) {
	syscall.Umask(0)
	b := open(t)
	b.made(b.container("web1"))
	for _, name := range []string{b.path, b.path + "-wal", b.path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Error(name, info.Mode(), err)
		}
	}
}

func TestOpenOddPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?mode=ro&c%20#d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b := openAt(t, filepath.Join(dir, "lodge.db"))
	b.made(b.container("web1"))
	if _, err := os.Stat(filepath.Join(dir, "lodge.db")); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusals(t *testing.T) {
	dir := t.TempDir()
	refused(t, filepath.Join(dir, "none", "lodge.db"), "check that its folder exists")

	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, garbage, "is damaged", "lodged recover")
}

func TestOpenCorrupt(t *testing.T) {
	b := open(t)
	for i := range 50 {
		b.made(b.container("web" + string(rune('a'+i/26)) + string(rune('a'+i%26))))
	}
	b.Close()
	f, err := os.OpenFile(b.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, _ := f.Stat()
	// The upper half of every page but the first, where the rows are.
	for at := int64(4096); at < info.Size(); at += 4096 {
		f.WriteAt([]byte(strings.Repeat("\xa5", 2048)), at)
	}
	f.Close()
	refused(t, b.path, "is damaged", "lodged recover")
}

func TestOpenNewerSchema(t *testing.T) {
	b := open(t)
	b.Close()
	if _, err := b.raw().Exec("INSERT INTO schema_versions (version_id, is_applied) VALUES (99, 1)"); err != nil {
		t.Fatal(err)
	}
	refused(t, b.path, "newer lodged", "schema 99", "start that version")
}

func TestOpenLocked(t *testing.T) {
	b := open(t)
	web1 := b.made(b.container("web1"))
	db := b.raw()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	_, _, err := b.Admit(context.Background(), b.admission("container.stop", web1, nil))
	unavailable(t, err, "locked by another program", b.path)
	if _, err := b.Container(context.Background(), web1.Ref()); err != nil {
		t.Error("reads go on in WAL mode:", err)
	}
	if _, err := db.Exec("COMMIT"); err != nil {
		t.Fatal(err)
	}
	b.admit(b.admission("container.stop", web1, nil))
}

func TestClosed(t *testing.T) {
	b, ctx := open(t), context.Background()
	web1 := b.made(b.container("web1"))
	for range 2 {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	_, _, err := b.Admit(ctx, b.admission("container.stop", web1, nil))
	unavailable(t, err, "closed")
	_, err = b.Container(ctx, web1.Ref())
	unavailable(t, err, "closed")
}

func TestCancelledContext(t *testing.T) {
	b := open(t)
	web1 := b.made(b.container("web1"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.Container(ctx, web1.Ref()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for range 20 { // the writer's turn is free, and yet nothing may be written
		if _, _, err := b.Admit(ctx, b.admission("container.stop", web1, nil)); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
}

// Two stores on one file take turns; no write is lost.
func TestSecondOpener(t *testing.T) {
	b := open(t)
	other := openAt(t, b.path)
	if other.host != b.host {
		t.Error("two hosts:", other.host, b.host)
	}
	web1 := b.made(b.container("web1"))
	if _, err := other.Container(context.Background(), web1.Ref()); err != nil {
		t.Error(err)
	}
	c := other.container("web2")
	c.IDBase, c.NICs = 5*65536, nil
	other.made(c)
	if n := b.checkEvents(); n != 4 {
		t.Error(n, "events")
	}
}

const crasher = "LODGE_STORE_CRASHER"

// A process that is killed loses nothing it was told is durable, and leaves nothing half done.
func TestKilled(t *testing.T) {
	if path := os.Getenv(crasher); path != "" {
		b := openAt(t, path)
		for i := 0; ; i++ {
			c := b.container("")
			c.Name = "web" + c.ID.Short()
			op := b.admit(b.admission("container.create", nil, c))
			os.Stdout.WriteString("admitted " + string(op.ID) + "\n")
			if i%2 == 0 {
				b.end(gate.Ending{ID: op.ID})
				os.Stdout.WriteString("ended " + string(op.ID) + "\n")
			}
		}
	}
	path := filepath.Join(t.TempDir(), "lodge.db")
	out := runAndKill(t, path)
	b := openAt(t, path)
	seen := 0
	for _, line := range strings.Split(out, "\n") {
		what, id, _ := strings.Cut(line, " ")
		if len(id) != 36 || what != "admitted" && what != "ended" {
			continue
		}
		seen++
		op, err := b.Operation(context.Background(), inventory.OperationID(id))
		if err != nil || what == "ended" && !op.State.IsEnded() {
			t.Fatal("acknowledged and lost:", line, err)
		}
		if _, err := b.Container(context.Background(), inventory.Ref{Name: string(op.Container)}); err != nil {
			t.Error(err)
		}
	}
	all, err := b.Containers(context.Background(), store.ContainerQuery{})
	if err != nil || seen < 20 || len(all) < seen/2 {
		t.Error(len(all), "containers,", seen, "acknowledged", err)
	}
	b.checkEvents()
}

func runAndKill(t *testing.T, path string) string {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$", "-test.v")
	cmd.Env = append(os.Environ(), crasher+"="+path)
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	for range 1000 { // until there is something to lose
		if info, err := out.Stat(); err == nil && info.Size() > 4000 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	cmd.Process.Kill()
	cmd.Wait()
	text, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
