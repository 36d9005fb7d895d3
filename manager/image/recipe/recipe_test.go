package recipe_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lodge/inventory"
	"lodge/manager/image/recipe"
)

func TestEmbeddedRecipesAreWhole(t *testing.T) {
	names := recipe.Names()
	if !cmp.Equal(names, []string{"debian/12", "debian/13", "ubuntu/22.04", "ubuntu/24.04"}) {
		t.Errorf("there are %v", names)
	}
	seen := map[string]bool{}
	for _, name := range names {
		r, err := recipe.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if r.Name != r.OS+"/"+r.Release || len(r.Packages) < 10 || seen[r.Digest()] {
			t.Errorf("%s: %+v", name, r)
		}
		seen[r.Digest()] = true
	}
	if _, err := recipe.Find("debian/../x"); !errors.Is(err, inventory.ErrNotFound) {
		t.Errorf("a recipe that isn't there: %v", err)
	}
}

// TestUbuntuArchives: Ubuntu's suites lie in an archive of its own, checked with its own keyring.
func TestUbuntuArchives(t *testing.T) {
	r, err := recipe.Find("ubuntu/24.04")
	if err != nil {
		t.Fatal(err)
	}
	debian := recipe.Source{URI: "http://a.example/debian", Suite: "bookworm", Components: []string{"main"}}
	if _, err := r.Archives("", []recipe.Source{debian}); !errors.Is(err, inventory.ErrUnavailable) || !strings.Contains(err.Error(), "--mirror") {
		t.Errorf("without an archive of Ubuntu's: %v", err)
	}
	ubuntu := recipe.Source{URI: "http://u.example/ubuntu/", Suite: "noble", Components: []string{"main"}}
	for mirror, host := range map[string][]recipe.Source{"": {debian, ubuntu}, "http://u.example/ubuntu": {debian}} {
		got, err := r.Archives(mirror, host)
		if err != nil || len(got) != 3 || got[0].URI != "http://u.example/ubuntu" || got[0].Suite != "noble" || got[2].Suite != "noble-security" ||
			!strings.Contains(got[0].SignedBy, "ubuntu-archive-keyring") {
			t.Errorf("mirror %q: %v, %v", mirror, got, err)
		}
	}
}

func TestParse(t *testing.T) {
	r, err := recipe.Parse("x/1", "# what it is\nos: x\nrelease: 1\nsuite: one\ncomponents: main extra\npackages: a # why\n  b c\n\tg++\nmask:\n  m@.service\n")
	want := recipe.Recipe{Name: "x/1", OS: "x", Release: "1", Suite: "one", Components: []string{"main", "extra"},
		Packages: []string{"a", "b", "c", "g++"}, Mask: []string{"m@.service"}}
	want.Text = r.Text
	if err != nil || !cmp.Equal(r, want) {
		t.Errorf("%v %s", err, cmp.Diff(want, r))
	}
	for _, bad := range []string{
		"os: x\nsuite: one", "os: x\nsuite: one\ncomponents: main\npackages: --hook=x",
		"os: x\nsuite: one\ncomponents: main\npackages: a;b", "os x", "what: x\nos: x\nsuite: y\ncomponents: z",
	} {
		if _, err := recipe.Parse("x/1", bad); !errors.Is(err, inventory.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

const oneLine = `
# deb http://a.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] http://a.example/debian bookworm main contrib
deb-src http://a.example/debian bookworm main
deb http://b.example/tool stable main  # a trailing remark
`

const deb822 = `# a remark
Types: deb deb-src
URIs: http://c.example/debian
Suites: bookworm
 bookworm-updates
# inside a stanza
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://d.example/security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://off.example
Suites: sid
Components: main
`

func TestParseSources(t *testing.T) {
	const key = "/usr/share/keyrings/debian-archive-keyring.gpg"
	list := []recipe.Source{
		{URI: "http://a.example/debian", Suite: "bookworm", Components: []string{"main", "contrib"}, SignedBy: "/usr/share/keyrings/k.gpg"},
		{URI: "http://b.example/tool", Suite: "stable", Components: []string{"main"}},
	}
	if got := recipe.ParseList(oneLine); !cmp.Equal(got, list) {
		t.Error(cmp.Diff(list, got))
	}
	stanzas := []recipe.Source{
		{URI: "http://c.example/debian", Suite: "bookworm", Components: []string{"main"}, SignedBy: key},
		{URI: "http://c.example/debian", Suite: "bookworm-updates", Components: []string{"main"}, SignedBy: key},
		{URI: "http://d.example/security", Suite: "bookworm-security", Components: []string{"main"}},
	}
	if got := recipe.ParseDeb822(deb822); !cmp.Equal(got, stanzas) {
		t.Error(cmp.Diff(stanzas, got))
	}
}

func TestArchives(t *testing.T) {
	r, err := recipe.Find("debian/13")
	if err != nil {
		t.Fatal(err)
	}
	host := recipe.ParseDeb822(deb822)
	for _, c := range []struct {
		name, mirror string
		host         []recipe.Source
		want         []string // URI SUITE
		kind         error
	}{
		{"the host's own", "", host, []string{"http://c.example/debian trixie", "http://c.example/debian trixie-updates",
			"http://d.example/security trixie-security"}, nil},
		{"a setting", "http://m.example/debian/", host, []string{"http://m.example/debian trixie", "http://m.example/debian trixie-updates",
			"http://d.example/security trixie-security"}, nil},
		{"two in a setting", "http://m.example/d http://m.example/s", nil, []string{"http://m.example/d trixie",
			"http://m.example/d trixie-updates", "http://m.example/s trixie-security"}, nil},
		{"a host without security updates", "", host[:1], []string{"http://c.example/debian trixie", "http://c.example/debian trixie-updates"}, nil},
		{"another distribution's host", "", []recipe.Source{{URI: "http://u.example/u", Suite: "noble", Components: []string{"main"}}}, nil, inventory.ErrUnavailable},
		{"no apt", "", nil, nil, inventory.ErrUnavailable},
		{"a password", "http://me:secret@m.example/debian", host, nil, inventory.ErrInvalid},
		{"an option", "http://m.example/debian[trusted=yes]", host, nil, inventory.ErrInvalid},
		{"a command", "exec:id", host, nil, inventory.ErrInvalid},
	} {
		got, err := r.Archives(c.mirror, c.host)
		if !errors.Is(err, c.kind) || (err == nil) != (c.kind == nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.kind)
		}
		var flat []string
		for _, s := range got {
			flat = append(flat, s.URI+" "+s.Suite)
			if !strings.Contains(s.String(), "[signed-by=/") {
				t.Errorf("%s: %s is not signed", c.name, s)
			}
		}
		if c.kind == nil && !cmp.Equal(flat, c.want) {
			t.Errorf("%s: %s", c.name, cmp.Diff(c.want, flat))
		}
	}
}

// TestFilterOptions: only how to reach an archive and its age get into a build.
func TestFilterOptions(t *testing.T) {
	const dump = `APT::Architecture "amd64";
Acquire::Check-Valid-Until "false";
Acquire::http "";
Acquire::http::Proxy "http://p.example:3142";
Acquire::http::Proxy::direct.example "DIRECT";
Acquire::https::Verify-Peer "false";
Acquire::AllowInsecureRepositories "1";
DPkg::Post-Invoke:: "rm -rf /";
Acquire::http::Proxy-Auto-Detect "/usr/bin/helper";
`
	const want = `Acquire::Check-Valid-Until "false";
Acquire::http::Proxy "http://p.example:3142";
Acquire::http::Proxy::direct.example "DIRECT";
`
	if got := recipe.FilterOptions(dump); got != want {
		t.Error(cmp.Diff(want, got))
	}
}
