package unpack

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"

	"lodge/inventory"
)

// A Report is what a tree turned out to be. It comes from a child that has read a stranger's
// files, so Run checks it before anything uses it.
type Report struct {
	OS           string              `json:"os"`      // ID of os-release(5): "debian"; "linux" if unknown
	Release      string              `json:"release"` // VERSION_ID: "12"; "" if unknown
	Architecture string              `json:"architecture"`
	Init         string              `json:"init"`         // what /sbin/init is: "systemd", "busybox", "init"
	InitVersion  int                 `json:"init_version"` // of systemd: 252; 0 of others, or if unknown
	CloudInit    bool                `json:"cloud_init"`   // user data is carried out at first boot
	Packages     []inventory.Package `json:"packages"`
	Entries      int                 `json:"entries"`
	Bytes        inventory.Bytes     `json:"bytes"` // of all files together
	Findings     []Finding           `json:"findings"`
	Metadata     *Metadata           `json:"metadata,omitempty"` // of what was unpacked
}

// The sizes up to which files of the tree are read.
const (
	maxRelease  = 64 << 10
	maxStatus   = 64 << 20
	maxPackages = 50_000
	maxText     = 256
)

// look reads what the tree says about itself. fsys resolves links within the tree.
func look(fsys fs.FS) (Report, error) {
	r := Report{OS: "linux"}
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		if text, err := readSome(fsys, name, maxRelease); err == nil {
			r.OS, r.Release = ParseOSRelease(text)
			break
		}
	}
	var err error
	if r.Init, r.Architecture, err = findInit(fsys); err != nil {
		return r, err
	}
	r.Packages = packages(fsys)
	if r.Init == "systemd" {
		r.InitVersion = systemdVersion(fsys)
	}
	info, err := fs.Stat(fsys, "usr/bin/cloud-init")
	r.CloudInit = err == nil && info.Mode().IsRegular()
	return r, nil
}

// systemdVersion tells it by the name of systemd's own library, libsystemd-shared-252.so, which
// every distribution has beside its packages' own ways to number versions.
func systemdVersion(fsys fs.FS) int {
	for _, pattern := range []string{"usr/lib/systemd/libsystemd-shared-*", "lib/systemd/libsystemd-shared-*",
		"usr/lib/*/systemd/libsystemd-shared-*", "lib/*/systemd/libsystemd-shared-*",
		"usr/lib64/systemd/libsystemd-shared-*"} {
		names, _ := fs.Glob(fsys, pattern)
		for _, name := range names {
			_, rest, _ := strings.Cut(name, "libsystemd-shared-")
			if n := leadingNumber(rest); n > 0 {
				return n
			}
		}
	}
	return 0
}

func leadingNumber(s string) int {
	n := 0
	for i := 0; i < len(s) && i < 4 && s[i] >= '0' && s[i] <= '9'; i++ {
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// ParseOSRelease takes ID and VERSION_ID out of an os-release(5) file. What is missing or not made
// of the letters the manual page allows is "linux" and "".
func ParseOSRelease(text string) (id, version string) {
	id = "linux"
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		if !isWord(value) {
			continue
		}
		switch key {
		case "ID":
			id = value
		case "VERSION_ID":
			version = value
		}
	}
	return id, version
}

func isWord(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

var inits = []struct{ name, path string }{
	{"systemd", "lib/systemd/systemd"},
	{"openrc", "sbin/openrc-init"},
	{"runit", "sbin/runit-init"},
	{"busybox", "bin/busybox"},
}

// findInit says what would be PID 1, and for which machine it is made.
func findInit(fsys fs.FS) (name, arch string, err error) {
	info, err := fs.Stat(fsys, "sbin/init")
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return "", "", refuse("there is no /sbin/init to start: this is no root file system of a whole system")
	}
	name = "init"
	for _, known := range inits {
		if other, err := fs.Stat(fsys, known.path); err == nil && sameFile(info, other) {
			name = known.name
			break
		}
	}
	for _, path := range []string{"sbin/init", "bin/sh", "usr/bin/env"} {
		if arch = machine(fsys, path); arch != "" {
			return name, arch, nil
		}
	}
	return "", "", refuse("neither /sbin/init nor /bin/sh is a program for Linux")
}

func sameFile(a, b fs.FileInfo) bool { return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) }

// machines maps e_machine of an ELF header (elf(5)) with class and byte order to Debian's names.
var machines = map[[3]uint16]string{
	{62, 2, 1}: "amd64", {183, 2, 1}: "arm64", {3, 1, 1}: "i386", {40, 1, 1}: "armhf",
	{243, 2, 1}: "riscv64", {21, 2, 1}: "ppc64el", {22, 2, 2}: "s390x", {258, 2, 1}: "loong64",
}

func machine(fsys fs.FS, path string) string {
	head, err := readSome(fsys, path, 20)
	if err != nil || len(head) < 20 || head[:4] != "\x7fELF" {
		return ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[5] == 2 {
		order = binary.BigEndian
	}
	return machines[[3]uint16{order.Uint16([]byte(head[18:20])), uint16(head[4]), uint16(head[5])}]
}

var databases = []struct {
	name  string
	parse func(io.Reader) []inventory.Package
}{
	{"var/lib/dpkg/status", ParseDpkg},
	{"lib/apk/db/installed", ParseApk},
}

// packages lists what is installed by dpkg, or by apk.
func packages(fsys fs.FS) []inventory.Package {
	for _, db := range databases {
		f, err := openRegular(fsys, db.name)
		if err != nil {
			continue
		}
		defer f.Close()
		list := db.parse(io.LimitReader(f, maxStatus))
		slices.SortFunc(list, func(a, b inventory.Package) int {
			return strings.Compare(a.Name+"\x00"+a.Arch, b.Name+"\x00"+b.Arch)
		})
		return list
	}
	return nil
}

// ParseDpkg reads dpkg's status file (deb-status in dpkg's manual) and returns the packages that
// are installed, which removed ones with configuration left are not.
func ParseDpkg(r io.Reader) []inventory.Package {
	var out []inventory.Package
	stanzas(r, ": ", func(f map[string]string) {
		if strings.HasSuffix(f["Status"], " installed") {
			out = append(out, inventory.Package{Name: f["Package"], Version: f["Version"],
				Arch: f["Architecture"]})
		}
	})
	return out
}

// ParseApk reads apk's installed database.
func ParseApk(r io.Reader) []inventory.Package {
	var out []inventory.Package
	stanzas(r, ":", func(f map[string]string) {
		out = append(out, inventory.Package{Name: f["P"], Version: f["V"], Arch: f["A"]})
	})
	return out
}

var wanted = []string{"Package", "Version", "Architecture", "Status", "P", "V", "A"}

// stanzas calls take with the wanted fields of each paragraph that names a package. Overlong lines
// and values that are no plain text end the reading or are left out.
func stanzas(r io.Reader, separator string, take func(map[string]string)) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	fields, n := map[string]string{}, 0
	flush := func() {
		if (fields["Package"] != "" || fields["P"] != "") && n < maxPackages {
			take(fields)
			n++
		}
		fields = map[string]string{}
	}
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), separator)
		switch {
		case lines.Text() == "":
			flush()
		case ok && slices.Contains(wanted, key) && isText(value):
			fields[key] = value
		}
	}
	flush()
}

func isText(s string) bool {
	return len(s) <= maxText && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// readSome reads a file of the tree up to max bytes; a longer one is cut.
func readSome(fsys fs.FS, name string, max int64) (string, error) {
	f, err := openRegular(fsys, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, max))
	return string(b), err
}

// openRegular opens a regular file. It looks first: opening a FIFO would wait for ever.
func openRegular(fsys fs.FS, name string) (fs.File, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New(name + " is no regular file")
	}
	return fsys.Open(name)
}

// check reports whether the report may be believed as far as its form goes.
func (r *Report) check() error {
	ok := isWord(r.OS) && (r.Release == "" || isWord(r.Release)) && isWord(r.Architecture) &&
		isWord(r.Init) && r.InitVersion >= 0 && (r.Metadata == nil || r.Metadata.check()) && len(r.Packages) <= maxPackages && len(r.Findings) <= maxFindings &&
		r.Entries >= 0 && r.Bytes >= 0
	for _, p := range r.Packages {
		ok = ok && isText(p.Name) && isText(p.Version) && isText(p.Arch)
	}
	for _, f := range r.Findings {
		ok = ok && isText(f.Path) && isText(f.Problem)
	}
	if !ok {
		return errors.New("the scan child's report has a form it can't have")
	}
	return nil
}
