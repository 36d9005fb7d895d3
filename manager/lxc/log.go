package lxc

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// logKeep is the size beyond which liblxc's log is put aside at the next start.
	logKeep = 256 << 10
	// reasonRead bounds how much of the log one reason is looked for in.
	reasonRead = 128 << 10
	// reasonLines is how many errors make up a reason: the first is the cause, later ones say
	// what failed because of it.
	reasonLines = 2
)

// rotateLog keeps liblxc's log small and returns where the next run's part begins.
func rotateLog(path string) (offset int64) {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	if info.Size() > logKeep && os.Rename(path, path+".1") == nil {
		return 0
	}
	return info.Size()
}

// logReason returns what liblxc's log has as errors after offset, for a reader.
func (r *Runtime) logReason(name string, offset int64) string {
	f, err := os.Open(filepath.Join(r.lxcpath, name, "lxc.log"))
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		offset = max(offset, info.Size()-reasonRead)
	}
	text, _ := io.ReadAll(io.NewSectionReader(f, offset, reasonRead))
	return parseReason(string(text))
}

// consequences are errors that only say that there was another.
var consequences = []string{
	"Received container state", "The container failed to start", "To get more details",
	"Additional information can be obtained", "Failed to spawn container", "Failed to initialize container",
	"The container failed to", "An error occurred in another process", "initialize failed", "setup failed",
	"Failed to receive", // the command socket of a monitor that has ended
}

// parseReason takes the errors out of a log of the format
// "lxc NAME TIME ERROR category - file:function:line - text".
func parseReason(log string) string {
	var errs []string
	for line := range strings.Lines(log) {
		_, rest, ok := strings.Cut(line, " ERROR ")
		if !ok {
			continue
		}
		parts := strings.SplitN(rest, " - ", 3)
		text := strings.TrimSpace(parts[len(parts)-1])
		if text == "" || slices.Contains(errs, text) || isConsequence(text) {
			continue
		}
		errs = append(errs, text)
		if len(errs) == reasonLines {
			break
		}
	}
	return strings.Join(errs, "; ")
}

func isConsequence(text string) bool {
	return slices.ContainsFunc(consequences, func(c string) bool { return strings.HasPrefix(text, c) })
}
