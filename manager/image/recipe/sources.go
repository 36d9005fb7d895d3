package recipe

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lodge/inventory"
)

// A Source is one archive as apt knows it (sources.list(5)): one URI and one suite.
type Source struct {
	URI        string
	Suite      string
	Components []string
	SignedBy   string // path of a keyring; "" for the distribution's
}

// HostSources reads the binary-package sources of the apt configuration below dir ("/etc/apt").
// What can't be read or is disabled is left out.
func HostSources(dir string) []Source {
	var out []Source
	lists, _ := filepath.Glob(filepath.Join(dir, "sources.list.d", "*.list"))
	for _, name := range append([]string{filepath.Join(dir, "sources.list")}, lists...) {
		if text, err := os.ReadFile(name); err == nil {
			out = append(out, ParseList(string(text))...)
		}
	}
	stanzas, _ := filepath.Glob(filepath.Join(dir, "sources.list.d", "*.sources"))
	for _, name := range stanzas {
		if text, err := os.ReadFile(name); err == nil {
			out = append(out, ParseDeb822(string(text))...)
		}
	}
	return out
}

// ParseList reads the one-line format: deb [options] uri suite component...
func ParseList(text string) []Source {
	var out []Source
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		options := ""
		if head, rest, ok := strings.Cut(line, "["); ok {
			var tail string
			options, tail, _ = strings.Cut(rest, "]")
			line = head + tail
		}
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != "deb" {
			continue
		}
		s := Source{URI: f[1], Suite: f[2], Components: f[3:]}
		for option := range strings.FieldsSeq(options) {
			if path, ok := strings.CutPrefix(option, "signed-by="); ok {
				s.SignedBy = keyring(path)
			}
		}
		out = append(out, s)
	}
	return out
}

// ParseDeb822 reads the format of *.sources files.
func ParseDeb822(text string) []Source {
	var out []Source
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for stanza := range strings.SplitSeq(uncomment(text), "\n\n") {
		f := map[string]string{}
		last := ""
		for line := range strings.Lines(stanza) {
			if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
				f[last] += " " + strings.TrimSpace(line)
				continue
			}
			key, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(key)
			f[last] = strings.TrimSpace(value)
		}
		if !slices.Contains(strings.Fields(f["types"]), "deb") || strings.EqualFold(f["enabled"], "no") {
			continue
		}
		for uri := range strings.FieldsSeq(f["uris"]) {
			for suite := range strings.FieldsSeq(f["suites"]) {
				out = append(out, Source{uri, suite, strings.Fields(f["components"]),
					keyring(f["signed-by"])})
			}
		}
	}
	return out
}

// uncomment drops comment lines; they don't end a stanza.
func uncomment(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			b.WriteString(strings.TrimRight(line, " \t\n"))
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// keyring returns value if it is the path of a file; apt also takes fingerprints and keys in full.
func keyring(value string) string {
	if strings.HasPrefix(value, "/") && !strings.ContainsAny(value, " \t,") {
		return value
	}
	return ""
}

// A distribution is what tells its own archive from others, and where its keys lie.
type distribution struct {
	name    string
	keyring string   // where Debian's and its own packages put it
	suites  []string // names under which an archive is its own
	// joint: the security updates lie in the archive itself as well.
	joint bool
}

var distributions = map[string]distribution{
	"debian": {name: "Debian", keyring: "/usr/share/keyrings/debian-archive-keyring.gpg", suites: []string{
		"bullseye", "bookworm", "trixie", "forky", "duke", "sid",
		"oldoldstable", "oldstable", "stable", "testing", "unstable"}},
	"ubuntu": {name: "Ubuntu", keyring: "/usr/share/keyrings/ubuntu-archive-keyring.gpg", joint: true,
		suites: []string{"focal", "jammy", "noble", "plucky", "questing", "resolute"}},
}

// Archives returns where the recipe's packages come from: its suite, the updates and the security
// updates. mirror is what a person asked for, one URI or two with a space between, the second for
// security; empty means what the host itself uses.
func (r Recipe) Archives(mirror string, host []Source) ([]Source, error) {
	d := distributions[r.OS]
	main, security := d.archives(host)
	if uris := strings.Fields(mirror); len(uris) > 0 {
		main = Source{URI: uris[0], SignedBy: main.SignedBy}
		if len(uris) > 1 {
			security = Source{URI: uris[1], SignedBy: security.SignedBy}
		}
	}
	if main.URI == "" {
		return nil, inventory.Errorf(inventory.ErrUnavailable,
			"build %s: this host's apt has no archive of %s to build from; name one with --mirror (for Debian also image.mirror)", r.Name, d.name)
	}
	if security.URI == "" && d.joint {
		security = main
	}
	out := []Source{r.from(main, r.Suite), r.from(main, r.Suite+"-updates")}
	if security.URI != "" {
		out = append(out, r.from(security, r.Suite+"-security"))
	}
	for _, s := range out {
		if err := checkURI(s.URI); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// archives picks the first archive of the distribution's and the first of its security updates.
func (d distribution) archives(host []Source) (main, security Source) {
	for _, s := range host {
		base, rest, _ := strings.Cut(s.Suite, "-")
		base, _, old := strings.Cut(base, "/")
		switch {
		case !slices.Contains(d.suites, base) || !slices.Contains(s.Components, "main"):
		case rest == "security" || old:
			if security.URI == "" {
				security = s
			}
		case rest == "" && main.URI == "":
			main = s
		}
	}
	return main, security
}

func (r Recipe) from(s Source, suite string) Source {
	key := s.SignedBy
	if key == "" {
		key = distributions[r.OS].keyring
	}
	return Source{strings.TrimRight(s.URI, "/"), suite, r.Components, key}
}

// checkURI refuses what isn't an archive's address, and one with a password: it would be readable
// in every container.
func checkURI(uri string) error {
	u, err := url.Parse(uri)
	schemes := []string{"http", "https", "file", "mirror+http", "mirror+https"}
	if err != nil || !slices.Contains(schemes, u.Scheme) || strings.ContainsAny(uri, "[]\"'`$\\|;<>()") {
		return inventory.Errorf(inventory.ErrInvalid, "%.80q is no archive to build from; write it like http://HOST/debian", uri)
	}
	if u.User != nil {
		return inventory.Errorf(inventory.ErrInvalid,
			"the archive's address holds a password, which every container could read; use a mirror or a proxy without one")
	}
	return nil
}

// String is the source in apt's one-line format.
func (s Source) String() string {
	return "deb [signed-by=" + s.SignedBy + "] " + s.URI + " " + s.Suite + " " + strings.Join(s.Components, " ")
}
