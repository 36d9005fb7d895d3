package disk

import (
	"os"
	"path/filepath"
	"strings"
)

// MountedAt returns the source of what is mounted at exactly that folder, "" for nothing. The last
// line wins: it is on top (proc_pid_mountinfo(5)).
func MountedAt(folder string) (source string, err error) {
	folder, err = realFolder(folder)
	if err != nil {
		return "", err
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(table)) {
		before, after, _ := strings.Cut(line, " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		if len(place) > 4 && len(kind) > 1 && unescape(place[4]) == folder {
			source = unescape(kind[1])
		}
	}
	return source, nil
}

// realFolder resolves links in the part of the path that exists.
func realFolder(folder string) (string, error) {
	parent, err := filepath.EvalSymlinks(filepath.Dir(folder))
	return filepath.Join(parent, filepath.Base(folder)), err
}

// unescape undoes how the kernel writes blanks into its tables.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace
