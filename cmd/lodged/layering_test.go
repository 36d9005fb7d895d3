package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A rule says what the packages below a folder may import of this module (prefixes), and which
// foreign modules only they may import.
type rule struct {
	folder string
	may    []string
}

// rules are the import table of docs/ARCHITECTURE.md, the most specific folder first. A folder
// may always import its own.
var rules = []rule{
	{"inventory/store", []string{"inventory", "manager/gate", "manager/session", "manager/image", "migrations"}},
	{"inventory", nil},
	{"migrations", nil},
	{"audit", []string{"inventory"}},
	{"network", []string{"inventory", "manager/gate", "manager/unprivileged"}},
	{"backup", []string{"inventory", "manager/gate", "manager/storage"}},
	{"manager/gate", []string{"inventory"}},
	{"manager/storage", []string{"inventory"}},
	{"manager/account/guest", []string{"inventory"}},
	{"manager/session/stream", nil},
	{"manager/session/recording", nil},
	{"manager/change/sshsig", nil},
	{"manager/lxc/liblxc", []string{"inventory", "manager/account/guest", "manager/session/stream", "manager/session/recording", "manager/unprivileged"}},
	{"manager/systemd", nil},
	{"manager/unprivileged", nil},
	{"manager", []string{"inventory", "manager/gate", "manager/storage", "manager/session/stream", "manager/unprivileged"}},
	{"web/wire", []string{"inventory"}},
	{"web/client", []string{"inventory", "web/wire", "manager/session/stream"}},
	{"web", []string{"inventory", "manager/gate", "manager/session/stream", "web"}},
	{"sshgate", []string{"inventory", "manager/gate", "manager/session/stream", "manager/unprivileged"}},
	{"cmd/lodge", []string{"manager/change/sshsig", "inventory", "audit", "web/wire", "web/client", "manager/session/stream", "manager/session/recording"}},
	{"cmd/lodge-ssh", []string{"sshgate/worker"}},
	{"cmd", []string{""}},
	{"packaging/vm", []string{"manager/image/recipe"}}, // the test machine's own root is built like an image's
	{"packaging", nil},
	{"bench", []string{""}},
}

// only names the folders that may import a foreign module.
var only = map[string][]string{
	"gorm.io/":                        {"inventory/store"},
	"github.com/lxc/go-lxc":           {"manager/lxc/liblxc"},
	"github.com/coreos/go-systemd/":   {"manager/systemd"},
	"github.com/danielgtaylor/huma":   {"web/api"},
	"github.com/ProtonMail/go-crypto": {"manager/image"},
	"github.com/cedar-policy/":        {"manager/policy"},
	"filippo.io/age":                  {"manager/secret", "manager/session/recording"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

func packages(t *testing.T) map[string]listed {
	t.Helper()
	// A pattern of paths would make Go look for lodge/ in every module it knows of, and there is no
	// network in here to fetch their go.mod files from.
	list := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Deps,Standard", "./...")
	list.Dir = filepath.Join("..", "..")
	var stderr strings.Builder
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	all := map[string]listed{}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	return all
}

// within reports whether folder is dir or lies below it.
func within(folder, dir string) bool {
	return dir == "" || folder == dir || strings.HasPrefix(folder, dir+"/")
}

func ruleFor(folder string) *rule {
	for i := range rules {
		if within(folder, rules[i].folder) {
			return &rules[i]
		}
	}
	return nil
}

func TestImportTable(t *testing.T) {
	for path, p := range packages(t) {
		folder, ours := strings.CutPrefix(path, "lodge/")
		if !ours {
			continue
		}
		r := ruleFor(folder)
		if r == nil {
			t.Errorf("%s lies in a folder the design does not know", path)
			continue
		}
		for _, imported := range p.Imports {
			if target, ok := strings.CutPrefix(imported, "lodge/"); ok {
				if !mayImport(r, folder, target) {
					t.Errorf("%s must not import %s", path, imported)
				}
			} else if r.folder == "inventory" && strings.Contains(strings.Split(imported, "/")[0], ".") {
				t.Errorf("%s must import the standard library only, not %s", path, imported)
			}
			for module, owners := range only {
				mine := func(owner string) bool { return within(folder, owner) }
				if strings.HasPrefix(imported, module) && !slices.ContainsFunc(owners, mine) {
					t.Errorf("%s must not import %s: only %s may", path, imported, owners)
				}
			}
		}
	}
}

func mayImport(r *rule, folder, target string) bool {
	// Packages that serve tests say through need what they take.
	if target == "packaging/need" {
		return strings.HasSuffix(folder, "test")
	}
	// Siblings below manager don't know each other; a package and its own subpackages do.
	if own := strings.SplitN(folder, "/", 3); len(own) >= 2 && within(target, own[0]+"/"+own[1]) {
		return true
	}
	if within(target, r.folder) && r.folder != "manager" {
		return true
	}
	for _, m := range r.may {
		if m == "manager/session" || m == "manager/image" || m == "manager/gate" || m == "inventory" {
			if target == m {
				return true
			}
			continue
		}
		if within(target, m) {
			return true
		}
	}
	return false
}

// The command line runs on laptops: without cgo, without the agent's weight.
func TestCommandLineIsLight(t *testing.T) {
	all := packages(t)
	for _, dep := range all["lodge/cmd/lodge"].Deps {
		for _, heavy := range []string{"gorm.io/", "github.com/lxc/", "github.com/mattn/go-sqlite3", "github.com/danielgtaylor/huma"} {
			if strings.HasPrefix(dep, heavy) {
				t.Errorf("lodge links %s", dep)
			}
		}
	}
}

// One program links liblxc.
func TestOnlyTheHelperLinksLiblxc(t *testing.T) {
	for path, p := range packages(t) {
		if !strings.HasPrefix(path, "lodge/cmd/") || path == "lodge/cmd/lodge-lxc" {
			continue
		}
		for _, dep := range p.Deps {
			if strings.HasPrefix(dep, "github.com/lxc/go-lxc") {
				t.Errorf("%s links liblxc", path)
			}
		}
	}
}
