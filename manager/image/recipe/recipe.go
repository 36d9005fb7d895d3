// Package recipe holds how Lodge builds images: the recipes, in words a person reads, and the two
// shell scripts that carry one out with mmdebstrap(1) in a confined child.
//
// A recipe is a text of fields. A field is "name: value"; indented lines continue it; # begins a
// comment. os, release, suite and components say which distribution; packages is what is
// installed besides the essential set and apt, without recommendations; mask is the systemd
// units that can't do their work in a container.
package recipe

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"slices"
	"strings"

	"lodge/inventory"
)

//go:embed *.recipe build.sh finish.sh
var files embed.FS

// A Recipe says how one image is built.
type Recipe struct {
	Name       string // "debian/12"
	OS         string
	Release    string
	Suite      string
	Components []string
	Packages   []string
	Mask       []string
	Text       string // as embedded
}

// Names lists the recipes there are.
func Names() []string {
	entries, _ := files.ReadDir(".") // embedded, can't fail
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".recipe"); ok {
			names = append(names, strings.Replace(name, "-", "/", 1))
		}
	}
	return names
}

// Find returns the recipe of that name; ErrNotFound says which there are.
func Find(name string) (Recipe, error) {
	if !slices.Contains(Names(), name) {
		return Recipe{}, inventory.Errorf(inventory.ErrNotFound,
			"there is no recipe %.40q; there are %s", name, strings.Join(Names(), ", "))
	}
	text, err := files.ReadFile(strings.Replace(name, "/", "-", 1) + ".recipe")
	if err != nil {
		return Recipe{}, err
	}
	return Parse(name, string(text))
}

// Digest identifies everything of ours that decides what is built: the text and the scripts.
func (r Recipe) Digest() string {
	h := sha256.New()
	h.Write([]byte(r.Text))
	for _, name := range []string{"build.sh", "finish.sh"} {
		h.Write([]byte{0})
		h.Write(script(name))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func script(name string) []byte {
	text, _ := files.ReadFile(name) // embedded, can't fail
	return text
}

// Parse reads a recipe.
func Parse(name, text string) (Recipe, error) {
	r := Recipe{Name: name, Text: text}
	fields := map[string][]string{}
	last := ""
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		rest := line
		if line[0] != ' ' && line[0] != '\t' {
			key, value, ok := strings.Cut(line, ":")
			if !ok {
				return r, inventory.Errorf(inventory.ErrInvalid, "recipe %s: %q is no field", name,
					strings.TrimSpace(line))
			}
			last, rest = key, value
		}
		fields[last] = append(fields[last], strings.Fields(rest)...)
	}
	return r, r.assign(fields)
}

func (r *Recipe) assign(fields map[string][]string) error {
	for key, values := range fields {
		switch key {
		case "os":
			r.OS = strings.Join(values, "")
		case "release":
			r.Release = strings.Join(values, "")
		case "suite":
			r.Suite = strings.Join(values, "")
		case "components":
			r.Components = values
		case "packages":
			r.Packages = values
		case "mask":
			r.Mask = values
		default:
			return inventory.Errorf(inventory.ErrInvalid, "recipe %s: there is no field %q", r.Name, key)
		}
		if i := slices.IndexFunc(values, isOdd); i >= 0 {
			return inventory.Errorf(inventory.ErrInvalid, "recipe %s: %s can't be %q", r.Name, key,
				values[i])
		}
	}
	if r.OS == "" || r.Suite == "" || len(r.Components) == 0 {
		return inventory.Errorf(inventory.ErrInvalid, "recipe %s needs os, suite and components", r.Name)
	}
	return nil
}

// isOdd reports whether word holds more than package, unit and suite names do. Words become
// arguments of a program, so none may look like an option.
func isOdd(word string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return word[0] == '-' || strings.Trim(word, letters+"+-._@\\") != ""
}
