package recipe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lodge/inventory"
	"lodge/manager/image/confine"
)

// A Build is one run of a recipe.
type Build struct {
	Recipe   Recipe
	Archives []Source
	Options  string // apt.conf(5) lines, as from HostOptions
	Dir      string // an empty directory for the work; the result is Dir/rootfs
	Exe      string // the agent's binary; "" is the running one
	IDBase   uint32 // see confine.Child
	// Line gets each line the tools print about their progress.
	Line func(line string)
}

// Root is the root file system that Run leaves.
func (b *Build) Root() string { return filepath.Join(b.Dir, "rootfs") }

// An Archive is the state of one archive at the time of a build.
type Archive struct {
	Source  string    `json:"source"`
	Release string    `json:"release_digest"` // SHA-256 of the signed Release file
	Date    time.Time `json:"date"`
}

// A Made is what a build was made of.
type Made struct {
	Epoch    int64     `json:"source_date_epoch"`
	Archives []Archive `json:"archives"`
	Tools    []string  `json:"tools"`
}

// ErrMoved says that the archive was updated between the two looks a build takes at it. Building
// again helps.
var ErrMoved = inventory.Errorf(inventory.ErrUnavailable,
	"the archive changed while the image was built; build it again")

// Run carries the recipe out, as root of a user namespace and nobody on the host, and leaves the
// result in Root with the ids a container sees. It takes half a minute to some minutes.
func (b *Build) Run(ctx context.Context) (Made, error) {
	for _, tool := range []string{"mmdebstrap", "apt-get", "dpkg"} {
		if _, err := exec.LookPath(tool); err != nil {
			return Made{}, inventory.Errorf(inventory.ErrUnavailable,
				"build %s: %s is not installed; apt install mmdebstrap", b.Recipe.Name, tool)
		}
	}
	if err := b.prepare(); err != nil {
		return Made{}, err
	}
	err := confine.Run(ctx, confine.Child{
		Exe: b.Exe, IDBase: b.IDBase, Dir: b.Dir, Root: true,
		Args: []string{"scan", "build"}, Env: environment(),
		Stdout: io.Discard, Stderr: &lines{take: b.Line},
	})
	if err != nil {
		return Made{}, b.explain(err)
	}
	return b.made()
}

// environment is what the tools see of ours: a path, and proxies.
func environment() []string {
	env := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		for _, name := range []string{name, strings.ToUpper(name)} {
			if value, ok := os.LookupEnv(name); ok {
				env = append(env, name+"="+value)
			}
		}
	}
	return env
}

// prepare lays out what build.sh reads.
func (b *Build) prepare() error {
	// The child's root has to reach it, and apt's download user below that root.
	if err := os.Chmod(b.Dir, 0o755); err != nil {
		return err
	}
	in := filepath.Join(b.Dir, "in")
	if err := os.MkdirAll(in, 0o755); err != nil {
		return err
	}
	var sources, releases strings.Builder
	for _, s := range b.Archives {
		sources.WriteString(s.String() + "\n")
		releases.WriteString(s.URI + " " + s.Suite + "\n")
	}
	files := map[string]string{
		"sources": sources.String(), "releases": releases.String(), "suite": b.Recipe.Suite,
		"packages": strings.Join(b.Recipe.Packages, ","), "mask": strings.Join(b.Recipe.Mask, "\n"),
		"apt.conf":  b.Options + "Acquire::Languages \"none\";\n",
		"build.sh":  string(script("build.sh")),
		"finish.sh": string(script("finish.sh")),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(in, name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// explain says which of the tools' words tell the reason: their lines with "E:".
func (b *Build) explain(err error) error {
	var exit *confine.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	reason := exit.Text
	var said []string
	for line := range strings.Lines(exit.Text) {
		if strings.HasPrefix(line, "E: ") {
			said = append(said, strings.TrimSpace(line[3:]))
		}
	}
	if len(said) > 0 {
		reason = said[0]
	}
	return inventory.Errorf(inventory.ErrUnavailable, "build %s: %s", b.Recipe.Name, reason)
}

// made reads what build.sh left about the archive. The names in the directory are the child's, so
// no link in it is followed out of it.
func (b *Build) made() (Made, error) {
	out, err := os.OpenRoot(filepath.Join(b.Dir, "out"))
	if err != nil {
		return Made{}, err
	}
	defer out.Close()
	m := Made{Tools: strings.Split(strings.TrimSpace(readPlain(out, "tools", 1<<10)), "\n")}
	m.Epoch, err = strconv.ParseInt(strings.TrimSpace(readPlain(out, "epoch", 32)), 10, 64)
	if err != nil {
		return m, fmt.Errorf("the build left no time: %w", err)
	}
	latest := int64(0)
	for _, s := range b.Archives {
		text := readPlain(out, "releases/"+listName(s), 4<<20)
		date, err := releaseDate(text)
		if err != nil {
			return m, fmt.Errorf("the Release file of %s: %w", s.Suite, err)
		}
		sum := sha256.Sum256([]byte(text))
		m.Archives = append(m.Archives, Archive{s.String(), "sha256:" + hex.EncodeToString(sum[:]), date})
		latest = max(latest, date.Unix())
	}
	if latest != m.Epoch {
		return m, ErrMoved
	}
	return m, nil
}

// listName is how apt names the Release file of a source in its lists (URItoFileName).
func listName(s Source) string {
	_, rest, _ := strings.Cut(s.URI, "://")
	return strings.ReplaceAll(rest, "/", "_") + "_dists_" + s.Suite + "_InRelease"
}

// readPlain returns a regular file's text up to max bytes; nothing if it is something else.
func readPlain(root *os.Root, name string, max int64) string {
	if info, err := root.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := root.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, max))
	return string(text)
}

func releaseDate(text string) (time.Time, error) {
	for line := range strings.Lines(text[:min(len(text), 4096)]) {
		if value, ok := strings.CutPrefix(line, "Date: "); ok {
			return time.Parse(time.RFC1123, strings.TrimSpace(value))
		}
	}
	return time.Time{}, errors.New("it has no date")
}

// lines calls take with each line written, printable and of bounded length.
type lines struct {
	take func(string)
	rest string
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest += string(p)
	for {
		line, rest, ok := strings.Cut(l.rest, "\n")
		if !ok {
			break
		}
		l.rest = rest
		if l.take != nil {
			l.take(strings.ToValidUTF8(line[:min(len(line), 200)], ""))
		}
	}
	if len(l.rest) > 4096 {
		l.rest = ""
	}
	return len(p), nil
}
